//! Video comes through, whole, and a key picture of it can be decoded.

use std::process::Stdio;
use std::time::Duration;

use camserver::model::gateway::StreamName;
use camserver::model::picture::Codec;
use camserver::vision::{Decoder, Limits};
use camserver::world::gateway::error::{GatewayError, LiveError};
use camserver::world::gateway::live::{Live, Opening, Piece};
use camserver::world::gateway::snapshot::key_picture;
use camserver_chaos::Stamp;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::Instant;

use super::cameras::Cameras;
use super::rig::{LIMIT, Rig, agent, name, on_each};

/// How many pictures ffmpeg decodes of a file, and what it says of it.
#[expect(clippy::disallowed_methods, reason = "a player not written here")]
async fn decoded(file: &[u8]) -> (usize, String) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-i", "-", "-vsync", "passthrough", "-f", "framecrc", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(file).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let pictures = text(&output.stdout).lines().filter(|line| !line.starts_with('#')).count();
    (pictures, text(&output.stderr))
}

#[tokio::test]
async fn video_comes_through_and_any_player_reads_it() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        for (nth, mime) in [(1, "avc1."), (2, "hvc1.")] {
            let name = rig.put(&format!("cam-{nth:03}"), &cameras.url(nth)).await;
            let agent = agent(u64::from(nth));
            let mut live = rig.open(&name, &agent).await;
            let Piece::Start { mime: kind, init } = live.next().await.unwrap() else { panic!() };
            assert!(kind.starts_with("video/mp4; codecs=\"") && kind.contains(mime), "{kind}");
            let mut file = init.to_vec();
            for _ in 0..25 {
                let Piece::Fragment { data, .. } = live.next().await.unwrap() else { panic!() };
                file.extend_from_slice(&data);
            }
            // Those of H.265 too: simulated cameras put several units into one packet.
            assert_eq!(decoded(&file).await, (25, String::new()), "{mime}");

            let stream = rig.stream(name.as_str()).await.unwrap();
            assert!(stream.is_active() && stream.received() > 0, "{stream:?}");
            let consumer = &stream.consumers[0];
            assert_eq!(consumer.agent.as_deref(), Some(agent.as_str()), "{stream:?}");
            assert_eq!(consumer.format.as_deref(), Some("mse/fmp4"));
            assert!(consumer.bytes_sent > 0, "{stream:?}");

            let second = rig.watch(&name, &super::rig::agent(100)).await;
            assert_eq!(cameras.count(nth, "connections").await, 1, "viewers share one session");
            drop(second);
            live.close().await;
            cameras.connected(nth, 0).await;
        }
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_key_picture_is_taken_and_decodes() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        for (nth, codec) in [(1, Codec::H264), (2, Codec::H265)] {
            let camera = format!("cam-{nth:03}");
            let name = rig.put(&camera, &cameras.url(nth)).await;
            let deadline = Instant::now() + LIMIT;
            let taken = key_picture(&rig.api, &name, &agent(7), deadline).await;
            let picture = taken.unwrap();
            assert_eq!(picture.codec, codec);
            let still = Decoder::new().still(&picture, &Limits::default()).unwrap();
            assert_eq!(Stamp::from_jpeg(&still.jpeg).unwrap().name, camera);
            cameras.connected(nth, 0).await;
            assert_eq!(cameras.count(nth, "connectionsMost").await, 1);
        }
        rig.stop().await;
    })
    .await;
}

async fn refused(rig: &Rig, name: &StreamName) -> LiveError {
    let agent = agent(1);
    let opening = Opening { name, agent: &agent, silence: LIMIT };
    let mut live = Live::open(&rig.api, opening).await.unwrap();
    live.next().await.unwrap_err()
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_with_its_reason() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        let nobody = "rtsp://127.0.0.1:9/x".parse().unwrap();
        let table = [("cam-003", cameras.url(3), "codecs"), ("nobody", nobody, "dial")];
        for (camera, url, expected) in table {
            let name = rig.put(camera, &url).await;
            let error = refused(&rig, &name).await;
            let is_expected = match expected {
                "codecs" => matches!(error, LiveError::Codecs(_)),
                _ => matches!(error, LiveError::Dial(_)),
            };
            assert!(is_expected, "{camera}: {error:?}");
        }
        assert_eq!(refused(&rig, &name("unknown")).await, LiveError::NotFound);
        cameras.connected(3, 0).await;
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_camera_without_key_pictures_costs_the_deadline_and_no_more() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        let name = rig.put("cam-001", &cameras.url(1)).await;
        cameras.fault(1, "stream", "idr-never").await;
        let deadline = Instant::now() + Duration::from_secs(2);
        let taken = key_picture(&rig.api, &name, &agent(1), deadline).await;
        assert!(
            matches!(taken, Err(GatewayError::Timeout | GatewayError::Live(LiveError::Silent(_)))),
            "{taken:?}"
        );
        cameras.connected(1, 0).await;
        cameras.heal(1).await;
        rig.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_never_handed_on_is_told_while_there_is_time() {
    let cameras = Cameras::start().await;
    on_each(async |rig| {
        let name = rig.put("cam-002", &cameras.url(2)).await;
        // To go2rtc this is the same as key pictures in aggregation packets.
        cameras.fault(2, "stream", "idr-never").await;
        let deadline = Instant::now() + Duration::from_secs(4);
        let taken = key_picture(&rig.api, &name, &agent(1), deadline).await;
        assert!(matches!(taken, Err(GatewayError::Live(LiveError::HeldBack))), "{taken:?}");
        assert!(Instant::now() < deadline);
        let agent = agent(2);
        let opening = Opening { name: &name, agent: &agent, silence: Duration::from_secs(1) };
        let mut live = Live::open(&rig.api, opening).await.unwrap();
        assert!(matches!(live.next().await, Ok(Piece::Start { .. })));
        assert_eq!(live.next().await, Err(LiveError::HeldBack));
        drop(live);
        cameras.connected(2, 0).await;
        cameras.heal(2).await;
        rig.stop().await;
    })
    .await;
}
