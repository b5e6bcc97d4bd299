//! Sound beside the pictures: passed on where it is AAC, and in nobody's way.

use std::sync::Arc;
use std::time::Duration;

use camserver::live::engine::Watch;
use camserver::model::lease::Quality;
use camserver::world::camera::connection::SocketHook;
use camserver::world::camera::request::Limits;
use camserver::world::camera::rtp::Wanted;
use camserver::world::camera::session::Session;
use camserver_chaos::{Codec, FleetSettings, Sound};
use serde_json::json;
use tokio::time::Instant;

use super::fleet::{Cameras, settings};
use super::gate::TestGate;
use super::mp4::streams;
use super::{Seen, engine, watching};

fn with(sound: Sound) -> FleetSettings {
    FleetSettings { sound, ..settings(1, Codec::H264) }
}

/// Watches for four seconds.
async fn watch(cameras: &Cameras, codecs: &[&str]) -> Seen {
    let engine = engine(&TestGate::new(1), &cameras.desired(&json!({})));
    let codecs = codecs.iter().map(|codec| Arc::from(*codec)).collect();
    let watch = Watch { codecs, ..watching(1, Quality::Sub) };
    let mut seen = Seen::by(&engine, watch).await.unwrap();
    seen.pictures(40).await.unwrap();
    seen
}

#[tokio::test]
async fn aac_of_a_camera_is_heard_along_with_its_pictures() {
    let cameras = Cameras::start(with(Sound::Aac)).await;
    let seen = watch(&cameras, &[]).await;
    assert_eq!(seen.starts.len(), 1);
    assert!(seen.starts[0].ends_with(",mp4a.40.2\""), "{}", seen.starts[0]);
    let found = streams(&seen.file);
    let kinds: Vec<&str> = found.iter().map(|stream| stream.codec.as_str()).collect();
    assert_eq!(kinds, ["h264", "aac"]);
    let [pictures, sound] = &found[..] else { panic!() };
    // Both are as long, and there is a tone in it, not the silence that fills holes.
    let length = |times: &[f64]| times.last().unwrap() - times[0];
    let apart = (length(&pictures.times) - length(&sound.times)).abs();
    assert!(apart < 0.5, "{apart} s apart");
    assert!(sound.bytes / sound.times.len() > 40, "{} bytes", sound.bytes);
    let steps = sound.times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.clone().all(|step| (step - 0.064).abs() < 0.001), "a hole");
    assert_eq!(cameras.counts("accepted").await, [1]);
}

#[tokio::test]
async fn a_browser_that_cannot_play_the_sound_gets_the_pictures() {
    let cameras = Cameras::start(with(Sound::Aac)).await;
    let seen = watch(&cameras, &["avc1.640028"]).await;
    assert!(!seen.starts[0].contains("mp4a"), "{}", seen.starts[0]);
    assert_eq!(streams(&seen.file).len(), 1);
}

#[tokio::test]
async fn a_camera_that_does_not_bear_to_be_asked_gives_its_pictures() {
    for (sound, connections) in [(Sound::Refused, 1), (Sound::Cut, 2)] {
        let cameras = Cameras::start(with(sound)).await;
        let seen = watch(&cameras, &[]).await;
        assert!(!seen.starts[0].contains("mp4a"), "{}", seen.starts[0]);
        assert_eq!((seen.starts.len(), seen.jumps), (1, 0));
        assert_eq!(cameras.counts("accepted").await, [connections], "{sound:?}");
    }
}

struct Silent;

impl SocketHook for Silent {
    fn connecting(&self) {}
    fn connected(&self, _: std::net::SocketAddr) {}
    fn ended(&self) {}
}

#[tokio::test]
async fn who_wants_only_pictures_never_asks_for_the_sound() {
    let cameras = Cameras::start(with(Sound::Cut)).await;
    let source = cameras.source();
    for wanted in [Wanted::KeysOnly, Wanted::All] {
        let deadline = Instant::now() + Duration::from_secs(10);
        let opened = Session::open(&source, Limits::default(), wanted, deadline, &Silent).await;
        let mut session = opened.unwrap();
        assert!(session.next_frame().await.unwrap().key || wanted == Wanted::All);
        session.close(None).await;
    }
}
