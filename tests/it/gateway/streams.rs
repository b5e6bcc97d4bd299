//! Streams are put and removed, whatever the statuses say; and the traps on the way.

use camserver::world::gateway::error::GatewayError;
use camserver::world::gateway::source::GatewaySource;

use super::cameras::Cameras;
use super::rig::{agent, name, on_each, until};

fn source(url: &str) -> GatewaySource {
    GatewaySource::new(&url.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn streams_are_put_and_removed_as_the_list_shows() {
    on_each(async |rig| {
        let first = source("rtsp://admin:secret@127.0.0.1:9/sub?token=1");
        let put = rig.api.put_stream(name("gate"), first.clone()).await.unwrap();
        assert!(!put.is_active() && put.consumers.is_empty(), "{put:?}");
        let shown = put.producers[0].url.clone().unwrap();
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(rig.api.put_stream(name("gate"), first).await.unwrap(), put);
        let second = source("rtsp://127.0.0.1:9/other");
        let put = rig.api.put_stream(name("gate"), second).await.unwrap();
        assert!(put.producers[0].url.as_deref().unwrap().contains("/other"), "{put:?}");

        // The status says that it failed, and it has not.
        let query = [("src", name("gate").as_str().to_owned())];
        let query = [(query[0].0, query[0].1.as_str())];
        let (status, body) = rig.raw("DELETE", "/api/streams", &query, true).await.unwrap();
        assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
        assert_eq!(rig.stream(name("gate").as_str()).await, None);

        rig.put("gate", &"rtsp://127.0.0.1:9/sub".parse().unwrap()).await;
        rig.api.remove_stream(name("gate")).await.unwrap();
        assert_eq!(rig.api.streams().await.unwrap(), []);
        rig.api.remove_stream(name("gate")).await.unwrap();
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn put_does_its_work_and_says_that_it_failed() {
    on_each(async |rig| {
        let before = std::fs::read_to_string(&rig.prepared.config).unwrap();
        let query = [("name", "by-put"), ("src", "rtsp://127.0.0.1:9/sub")];
        let (status, body) = rig.raw("PUT", "/api/streams", &query, true).await.unwrap();
        assert!(rig.stream("by-put").await.is_some());
        let after = std::fs::read_to_string(&rig.prepared.config).unwrap();
        // Either it says that it failed or it has written into our file: so nothing is ever PUT.
        let said = String::from_utf8_lossy(&body);
        assert!(status == 400 || before != after, "{status} {said}");
        println!("PUT: {status} {said:?}, file changed: {}", before != after);
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_alias_trap_is_there_and_is_not_stepped_into() {
    on_each(async |rig| {
        let query = [("name", "cam1"), ("src", "rtsp://127.0.0.1:9/kitchen#backchannel=0")];
        rig.raw("PATCH", "/api/streams", &query, true).await.unwrap();
        let trapped = [("name", "bath"), ("src", "rtsp://127.0.0.99:9/cam1#backchannel=0")];
        assert_eq!(rig.raw("PATCH", "/api/streams", &trapped, true).await.unwrap().0, 200);
        let bath = rig.stream("bath").await.unwrap();
        assert!(bath.producers[0].url.as_deref().unwrap().contains("kitchen"), "{bath:?}");

        let gate = || rig.api.put_stream(name("gate"), source("rtsp://127.0.0.99:9/cam1?x=1"));
        let refused = gate().await;
        assert!(matches!(refused, Err(GatewayError::Alias)), "{refused:?}");
        assert_eq!(rig.stream(name("gate").as_str()).await, None);
        let query = [("src", "cam1")];
        rig.raw("DELETE", "/api/streams", &query, true).await.unwrap();
        let put = gate().await.unwrap();
        assert!(put.producers[0].url.as_deref().unwrap().contains("127.0.0.99"), "{put:?}");
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_goes_on_unseen_so_consumers_leave_first() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        let name = rig.put("cam-001", &cameras.url(1)).await;
        let mut live = rig.watch(&name, &agent(1)).await;
        let refused = rig.api.remove_stream(name.clone()).await;
        assert!(matches!(refused, Err(GatewayError::InUse(1))), "{refused:?}");
        let changed = rig.api.put_stream(name.clone(), source("rtsp://127.0.0.1:9/x")).await;
        assert!(matches!(changed, Err(GatewayError::InUse(1))), "{changed:?}");

        let query = [("src", name.as_str())];
        rig.raw("DELETE", "/api/streams", &query, true).await.unwrap();
        assert_eq!(rig.api.streams().await.unwrap(), [], "it says that there is nothing");
        for _ in 0..15 {
            live.next().await.unwrap();
        }
        assert_eq!(cameras.count(1, "connections").await, 1, "and the camera is connected");
        live.close().await;
        cameras.connected(1, 0).await;

        let name = rig.put("cam-001", &cameras.url(1)).await;
        rig.watch(&name, &agent(2)).await.close().await;
        until("it may be removed", async || rig.api.remove_stream(name.clone()).await.is_ok())
            .await;
        cameras.connected(1, 0).await;
        rig.stop().await;
    })
    .await;
}
