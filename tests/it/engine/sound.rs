//! Sound beside the pictures: passed on where it is AAC, and in nobody's way.

use std::sync::Arc;
use std::time::Duration;

use camserver::live::engine::Watch;
use camserver::model::lease::Quality;
use camserver::world::camera::connection::SocketHook;
use camserver::world::camera::request::Limits;
use camserver::world::camera::rtp::Wanted;
use camserver::world::camera::session::Session;
use camserver_chaos::{Codec, FleetSettings, Reports, Sound, SoundTiming};
use serde_json::json;
use tokio::time::Instant;

use super::fleet::{Cameras, settings};
use super::gate::TestGate;
use super::lipsync::{Beep, beeps};
use super::mp4::streams;
use super::{Seen, engine, watching};

/// What sound may be away from its picture, in milliseconds. The track holds whole frames without
/// holes, so half of one of 64 ms (16 kHz) is as near as sound gets that is put in place while the
/// track runs; 8 ms more are borne before it is put anew, and the rest is left to the measurement.
/// EBU R37 wants sound at most 40 ms early and 60 ms late.
const APART_MAX: f64 = 45.0;

fn with(sound: Sound) -> FleetSettings {
    FleetSettings { sound, ..settings(1, Codec::H264) }
}

fn timed(timing: SoundTiming) -> FleetSettings {
    FleetSettings { timing, ..with(Sound::Aac) }
}

async fn watch_by(cameras: &Cameras, transport: &str, codecs: &[&str], pictures: usize) -> Seen {
    let spec = json!({ "capture": { "transport": transport } });
    let engine = engine(&TestGate::new(1), &cameras.desired(&spec));
    let codecs = codecs.iter().map(|codec| Arc::from(*codec)).collect();
    let watch = Watch { codecs, ..watching(1, Quality::Sub) };
    let mut seen = Seen::by(&engine, watch).await.unwrap();
    seen.pictures(pictures).await.unwrap();
    seen
}

/// Watches for four seconds.
async fn watch(cameras: &Cameras, codecs: &[&str]) -> Seen {
    watch_by(cameras, "tcp", codecs, 40).await
}

/// Watches cameras for some seconds, all at once; hands back their beeps, after checks that hold
/// for all.
async fn listen<const N: usize>(
    cases: [(SoundTiming, &str); N],
    seconds: usize,
) -> Vec<(String, Vec<Beep>)> {
    let watching = cases.map(async |(timing, transport)| {
        let cameras = Cameras::start(timed(timing)).await;
        let seen = watch_by(&cameras, transport, &[], seconds * 10).await;
        (format!("{transport} {timing:?}"), seen)
    });
    // Judging blocks, and whoever is not read from in time loses pictures.
    let all = futures::future::join_all(watching).await;
    all.into_iter().map(|(case, seen)| judge(case, &seen)).collect()
}

fn judge(case: String, seen: &Seen) -> (String, Vec<Beep>) {
    assert_eq!((seen.starts.len(), seen.jumps), (1, 0), "{case}");
    assert!(seen.starts[0].ends_with(",mp4a.40.2\""), "{case} {}", seen.starts[0]);
    let tracks = streams(&seen.file);
    let steps = tracks[1].times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.clone().all(|step| (step - 0.064).abs() < 0.001), "{case}: a hole");
    let beeps = beeps(&seen.file);
    println!("{case}: {beeps:?}");
    (case, beeps)
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_is_beside_its_picture_whenever_the_camera_sends_it() {
    let timing = |sound_late_ms| SoundTiming { sound_late_ms, ..SoundTiming::default() };
    let cases = [(400, "tcp"), (400, "udp"), (-400, "tcp"), (-400, "udp"), (0, "tcp"), (0, "udp")];
    for (case, beeps) in listen(cases.map(|(late, by)| (timing(late), by)), 7).await {
        assert!(beeps.len() >= 2, "{case} {beeps:?}");
        let near = beeps.iter().all(|beep| beep.late.abs() <= APART_MAX);
        assert!(near, "{case} {beeps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_moves_beside_its_picture_when_reports_come_later() {
    let timing = |sound_late_ms| SoundTiming {
        sound_late_ms,
        reports_after_ms: 4_500,
        ..SoundTiming::default()
    };
    let cases = [(400, "tcp"), (400, "udp"), (-400, "tcp"), (-400, "udp")];
    for (case, beeps) in listen(cases.map(|(late, by)| (timing(late), by)), 11).await {
        // The first picture is the first key picture, up to a second after PLAY.
        let within = |from: f64, to: f64| {
            beeps.iter().filter(move |beep| (from..to).contains(&beep.at)).map(|beep| beep.late)
        };
        let near = |late: f64| late.abs() <= APART_MAX;
        assert!(within(0.0, 2.5).count() >= 1, "{case} {beeps:?}");
        assert!(!within(0.0, 2.5).any(near), "{case} {beeps:?}");
        assert!(within(5.3, 11.0).count() >= 2, "{case} {beeps:?}");
        assert!(within(5.3, 11.0).all(near), "{case} {beeps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_cannot_be_believed_leave_sound_where_it_comes() {
    let timing = |reports| SoundTiming { sound_late_ms: 400, reports, ..SoundTiming::default() };
    let cases = [Reports::None, Reports::Pictures, Reports::Zero, Reports::Apart];
    let cases = cases.map(|reports| (timing(reports), "tcp"));
    for (case, beeps) in listen(cases, 6).await {
        assert!(beeps.len() >= 2, "{case} {beeps:?}");
        let late = |beep: &Beep| (200.0..700.0).contains(&beep.late);
        assert!(beeps.iter().all(late), "{case} {beeps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_is_believed_no_more_after_its_second_report() {
    let timing = SoundTiming { reports: Reports::Jumping, ..SoundTiming::default() };
    let cases = ["tcp", "udp"].map(|transport| (timing, transport));
    // Reports come at PLAY and every five seconds.
    for (case, beeps) in listen(cases, 16).await {
        let late: Vec<f64> =
            beeps.iter().filter(|beep| beep.at > 8.0).map(|beep| beep.late).collect();
        assert!(late.len() >= 3, "{case} {beeps:?}");
        assert!(late.iter().all(|each| (each - late[0]).abs() < 5.0), "{case} {beeps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_that_is_lost_and_overtaken_stays_beside_its_picture() {
    let timing = SoundTiming { sound_shaken: true, ..SoundTiming::default() };
    let cameras = Cameras::start(timed(timing)).await;
    let seen = watch_by(&cameras, "udp", &[], 80).await;
    assert_eq!((seen.starts.len(), seen.jumps), (1, 0));
    let tracks = streams(&seen.file);
    let silence = tracks[1].silent;
    // Every ninth is lost, and none besides; some are missing at the beginning.
    let most = tracks[1].times.len() / 9 + 8;
    assert!(silence <= most, "{silence} of {} frames are silence", tracks[1].times.len());
    assert!(silence >= most / 2, "{silence}: nothing was lost");
}

#[tokio::test]
async fn sound_that_is_granted_and_never_sent_keeps_no_picture_back() {
    let cameras = Cameras::start(with(Sound::Mute)).await;
    for transport in ["tcp", "udp"] {
        let seen = watch_by(&cameras, transport, &[], 30).await;
        assert_eq!((seen.starts.len(), seen.jumps), (1, 0), "{transport}");
        let tracks = streams(&seen.file);
        assert!(tracks[1].times.len() >= 35, "{transport}");
        assert_eq!(tracks[1].silent, tracks[1].times.len(), "{transport}");
    }
}

#[tokio::test]
async fn sound_over_udp_is_asked_for_once_and_missed_by_nobody() {
    for (sound, connections) in [(Sound::Aac, 1), (Sound::Refused, 1), (Sound::Cut, 2)] {
        let cameras = Cameras::start(with(sound)).await;
        let seen = watch_by(&cameras, "udp", &[], 40).await;
        assert_eq!(seen.starts[0].contains("mp4a"), sound == Sound::Aac, "{}", seen.starts[0]);
        assert_eq!((seen.starts.len(), seen.jumps), (1, 0), "{sound:?}");
        assert_eq!(cameras.counts("accepted").await, [connections], "{sound:?}");
    }
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
    let cases = [
        (Sound::Refused, 1),
        (Sound::Cut, 2),
        (Sound::Forbidden, 1),
        (Sound::Unplayable, 2),
        (Sound::Mixed, 2),
    ];
    for (sound, connections) in cases {
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
