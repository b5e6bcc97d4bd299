//! What it does to cameras, shown; and that it is started again after its end.

use camserver::world::gateway::error::LiveError;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::cameras::Cameras;
use super::rig::{LIMIT, Rig, agent, on_each, until};
use super::target::targets;

#[tokio::test]
async fn sockets_are_abandoned_without_our_options_and_not_with_them() {
    on_each(async |rig| {
        let cameras = Cameras::start().await;
        let bare = cameras.url(1);
        // A name of ours, since only such are watched; put past the client, which always adds the
        // options.
        let name = super::rig::name("bare");
        let query = [("name", name.as_str()), ("src", bare.as_str())];
        assert_eq!(rig.raw("PATCH", "/api/streams", &query, true).await.unwrap().0, 200);
        drop(rig.watch(&name, &agent(1)).await);
        assert_eq!(cameras.count(1, "connectionsMost").await, 2, "one of them forgotten");

        let name = rig.put("cam-002", &cameras.url(2)).await;
        rig.watch(&name, &agent(2)).await.close().await;
        cameras.connected(2, 0).await;
        assert_eq!(cameras.count(2, "connectionsMost").await, 1);
        assert_eq!(cameras.count(2, "accepted").await, 1);
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn frame_jpeg_hangs_is_empty_and_keeps_the_camera_so_it_is_not_used() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let with_pictures = |config: &mut Value| {
            config["app"]["modules"].as_array_mut().unwrap().push(json!("mjpeg"));
            config["api"]["allow_paths"].as_array_mut().unwrap().push(json!("/api/frame.jpeg"));
        };
        let rig = Rig::start(target, with_pictures).await;
        let nobody = rig.put("nobody", &"rtsp://127.0.0.1:9/x".parse().unwrap()).await;
        let query = [("src", nobody.as_str())];
        let answer = rig.raw("GET", "/api/frame.jpeg", &query, true).await.unwrap();
        assert_eq!(answer, (200, Vec::new()), "a success with nothing in it");

        cameras.fault(1, "stream", "idr-never").await;
        let name = rig.put("cam-001", &cameras.url(1)).await;
        let query = [("src", name.as_str())];
        let gave_up = rig.raw("GET", "/api/frame.jpeg", &query, true).await;
        assert!(gave_up.is_err_and(|error| error.is_timeout()), "it has no deadline");
        let stream = rig.stream(name.as_str()).await.unwrap();
        assert_eq!(stream.consumers.len(), 1, "the client has left: {stream:?}");
        assert_eq!(stream.consumers[0].format.as_deref(), Some("keyframe"));
        assert_eq!(cameras.count(1, "connections").await, 1, "and the camera is taken");
        rig.stop().await;
        cameras.connected(1, 0).await;
        cameras.heal(1).await;
    }
}

#[tokio::test]
async fn a_camera_that_leaves_is_dialled_again_while_a_consumer_is_left() {
    on_each(async |rig| {
        let cameras = Cameras::start().await;
        let name = rig.put("cam-001", &cameras.url(1)).await;
        let mut live = rig.watch(&name, &agent(1)).await;
        cameras.fault(1, "stream", "close").await;
        until("it dials again", async || {
            // What is on its way is read, as by every viewer.
            drop(timeout(std::time::Duration::from_millis(5), live.next()).await);
            cameras.count(1, "accepted").await >= 2
        })
        .await;
        cameras.heal(1).await;
        for _ in 0..15 {
            timeout(LIMIT, live.next()).await.unwrap().unwrap();
        }
        live.close().await;
        cameras.connected(1, 0).await;
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn killed_it_is_noticed_and_a_new_one_plays_again() {
    let cameras = Cameras::start().await;
    on_each(async |mut rig| {
        let name = rig.put("cam-001", &cameras.url(1)).await;
        let mut live = rig.watch(&name, &agent(1)).await;
        let pid = Pid::from_raw(i32::try_from(rig.instance.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let ended = timeout(LIMIT, rig.instance.ended()).await.unwrap();
        assert!(ended.how.contains("signal"), "{ended:?}");
        let error = loop {
            if let Err(error) = live.next().await {
                break error;
            }
        };
        assert_eq!(error, LiveError::Ended);
        assert!(rig.api.version().await.is_err());
        cameras.connected(1, 0).await;

        let begun = Instant::now();
        let rig = rig.again().await;
        assert_eq!(rig.api.streams().await.unwrap(), [], "nothing is kept");
        let name = rig.put("cam-001", &cameras.url(1)).await;
        drop(rig.watch(&name, &agent(2)).await);
        println!("RESTARTED: media after {:?}", begun.elapsed());
        rig.stop().await;
    })
    .await;
}
