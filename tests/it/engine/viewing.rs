//! Viewers that come, stay, fall behind and go.

use std::sync::Arc;
use std::time::Duration;

use camserver::clock::Clock;
use camserver::live::engine::{Engine as _, ViewEnd, Watch};
use camserver::model::lease::Quality;
use camserver::model::picture::Codec as Coding;
use camserver::model::slot::{ConnectionEnd, Purpose};
use camserver::model::time::Now;
use camserver_chaos::Codec;
use serde_json::json;
use tokio::time::timeout;

use super::fleet::{Cameras, settings};
use super::gate::{Book, TestGate};
use super::{SOON, Seen, camera, engine, mp4, until, watching};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_viewers_share_one_connection_per_stream() {
    let cameras = Cameras::start(settings(30, Codec::H264)).await;
    let gate = TestGate::new(2);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut viewers = Vec::new();
    for nth in 0..60 {
        // Cameras 1 to 5 are watched in both qualities.
        let quality = if nth >= 55 { Quality::Main } else { Quality::Sub };
        let nth = if nth >= 55 { nth - 54 } else { nth % 30 + 1 };
        viewers.push(Seen::by(&engine, watching(nth, quality)).await.unwrap());
    }
    let mut reading = tokio::task::JoinSet::new();
    for mut viewer in viewers {
        reading.spawn(async move {
            viewer.pictures(25).await.unwrap();
            viewer
        });
    }
    let viewers = reading.join_all().await;
    assert!(viewers.iter().all(|viewer| viewer.starts.len() == 1 && viewer.jumps == 0));
    assert!(viewers[0].starts[0].starts_with("video/mp4; codecs=\"avc1."));
    assert_eq!(engine.counts().viewers, 60);
    assert_eq!(engine.counts().sessions, 35);
    let streams = engine.streams();
    assert_eq!(streams.iter().map(|stream| stream.consumers).sum::<u32>(), 60);
    assert!(streams.iter().all(|stream| stream.present));
    let expected: Vec<u64> = (0..30).map(|nth| if nth < 5 { 2 } else { 1 }).collect();
    assert_eq!(cameras.counts("accepted").await, expected);

    drop(viewers);
    cameras.idle(Duration::from_secs(6)).await;
    assert_eq!(cameras.counts("tornDown").await, expected);
    assert_eq!(cameras.counts("accepted").await, expected);
    until(SOON, "all is forgotten", async || engine.streams().is_empty()).await;
    let counts = engine.counts();
    assert_eq!((counts.viewers, counts.sessions, counts.opened), (0, 0, 35));
    gate.book(|book| {
        assert!(book.held.is_empty());
        assert!(book.ends.iter().all(|end| *end == ConnectionEnd::Acknowledged), "{book:?}");
    });
}

#[tokio::test]
async fn a_later_viewer_begins_with_the_group_of_pictures_that_is_kept() {
    for codec in [Codec::H264, Codec::H265] {
        let slow =
            camserver_chaos::FleetSettings { gop: Duration::from_secs(3), ..settings(1, codec) };
        let cameras = Cameras::start(slow).await;
        let gate = TestGate::new(1);
        let engine = engine(&gate, &cameras.desired(&json!({})));
        let mut first = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
        first.pictures(40).await.unwrap();
        let mut second = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
        second.pictures(1).await.unwrap();
        let had = first.pictures.iter().any(|picture| *picture == second.pictures[0]);
        assert!(had, "{codec:?}: it waited for a new picture");
        assert!(second.pictures[0].0 > 0);
        second.pictures(40).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seen.mp4");
        for seen in [&first, &second] {
            std::fs::write(&path, &seen.file).unwrap();
            assert_eq!(mp4::judge(&path).len(), seen.pictures.len());
        }
        assert_eq!(cameras.counts("accepted").await, [1]);
    }
}

#[tokio::test]
async fn a_slot_is_as_high_as_the_highest_of_those_who_watch() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let serves = async |purpose| {
        let of = |book: &Book| book.held.values().map(|(_, holder, _)| holder.purpose).collect();
        until(SOON, "the slot's purpose", async || gate.book(|b| -> Vec<_> { of(b) }) == [purpose])
            .await;
    };
    let pane = Watch { purpose: Purpose::Suggest, ..watching(1, Quality::Sub) };
    let mut shown = Seen::by(&engine, pane).await.unwrap();
    shown.pictures(1).await.unwrap();
    serves(Purpose::Suggest).await;
    let opened = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    serves(Purpose::Modal).await;
    drop(opened);
    serves(Purpose::Suggest).await;
    shown.pictures(5).await.unwrap();
    assert_eq!(cameras.counts("accepted").await, [1]);
}

#[tokio::test]
async fn a_viewer_that_stops_reading_loses_groups_and_delays_nobody() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut steady = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    let mut idle = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    idle.pictures(1).await.unwrap();
    steady.pictures(45).await.unwrap();
    assert_eq!(steady.jumps, 0);
    idle.pictures(15).await.unwrap();
    assert_eq!((idle.jumps, idle.starts.len()), (1, 1));
    assert_eq!(engine.counts().drops, 1);
    // Beyond ten seconds it is told to go.
    steady.pictures(115).await.unwrap();
    assert_eq!(idle.next().await, Err(ViewEnd::Slow));
    assert_eq!(steady.jumps, 0);
    assert_eq!(engine.streams()[0].consumers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_dropped_at_any_instant_leave_nothing() {
    let cameras = Cameras::start(settings(2, Codec::H264)).await;
    let gate = TestGate::new(2);
    let engine = Arc::new(engine(&gate, &cameras.desired(&json!({}))));
    let mut views = tokio::task::JoinSet::new();
    for nth in 0_u64..200 {
        let engine = Arc::clone(&engine);
        views.spawn(async move {
            // Scattered over eight seconds, from no time to a third of a second each.
            let (begin, stay) = (nth * 7_919 % 8_000, nth * 104_729 % 331);
            let quality = if nth % 3 == 0 { Quality::Main } else { Quality::Sub };
            tokio::time::sleep(Duration::from_millis(begin)).await;
            let view = async {
                let mut viewer =
                    Seen::by(&engine, watching(usize::from(nth % 2 == 0) + 1, quality)).await?;
                viewer.pictures(1_000).await
            };
            let gone = timeout(Duration::from_millis(stay), view).await;
            assert!(gone.is_err(), "{gone:?}");
        });
    }
    views.join_all().await;
    cameras.idle(Duration::from_secs(6)).await;
    until(SOON, "all is forgotten", async || engine.streams().is_empty()).await;
    let counts = engine.counts();
    assert_eq!((counts.viewers, counts.sessions, counts.failed), (0, 0, 0));
    gate.book(|book| assert!(book.held.is_empty() && book.most.values().all(|most| *most <= 2)));
    assert_eq!(cameras.counts("accepted").await, cameras.counts("tornDown").await);
    assert_eq!(cameras.counts("refused").await, [0, 0]);
}

#[tokio::test]
async fn other_manifests_end_or_renew_sessions() {
    let cameras = Cameras::start(settings(2, Codec::H264)).await;
    let gate = TestGate::new(2);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut first = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    let mut second = Seen::by(&engine, watching(2, Quality::Sub)).await.unwrap();
    first.pictures(3).await.unwrap();
    second.pictures(3).await.unwrap();
    // The sub stream of camera 1 is another one now, and camera 2 is gone.
    let streams = json!({"streams": {"main": "/main", "sub": "/main"}});
    engine.apply(&cameras.desired_with("camsim", 1, &streams));
    assert_eq!(second.end().await, ViewEnd::Removed);
    first.pictures(15).await.unwrap();
    assert_eq!((first.starts.len(), first.jumps), (2, 0), "its size is another one");
    assert_eq!(cameras.counts("accepted").await, [2, 1]);
    until(SOON, "left", async || cameras.counts("connections").await == [1, 0]).await;
    assert_eq!(cameras.counts("tornDown").await, [1, 1]);
    let none = Seen::by(&engine, watching(2, Quality::Sub)).await.err();
    assert_eq!(none, Some(ViewEnd::Removed));
    // What is not declared is stood in for by the other stream.
    engine.apply(&cameras.desired_with("camsim", 1, &json!({"streams": {"main": "/main"}})));
    assert_eq!(first.end().await, ViewEnd::Removed);
    let mut third = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    third.pictures(3).await.unwrap();
    assert_eq!(engine.streams()[0].quality, Quality::Main);
    engine.apply(&cameras.desired_with("camsim", 1, &json!({"enabled": false})));
    assert_eq!(third.end().await, ViewEnd::Removed);
    cameras.idle(SOON).await;
}

#[tokio::test]
async fn an_always_on_camera_hands_out_key_pictures_without_viewers() {
    let clock = Clock::System;
    for (codec, coding) in [(Codec::H264, Coding::H264), (Codec::Mjpeg, Coding::Jpeg)] {
        let cameras = Cameras::start(settings(1, codec)).await;
        let gate = TestGate::new(1);
        let engine = engine(&gate, &cameras.desired(&json!({})));
        let (name, now) = (camera(1), clock.now());
        assert_eq!(engine.key_picture(&name, now, SOON).await, None, "nothing is open");
        engine.apply(&cameras.desired(&json!({"alwaysOn": true})));
        until(SOON, "it plays", async || engine.streams().iter().any(|s| s.present)).await;
        let (picture, at) = engine.key_picture(&name, now, SOON).await.unwrap().unwrap();
        assert_eq!(picture.codec, coding);
        assert!(at.mono >= now.mono);
        let now = clock.now();
        let (_, later) = engine.key_picture(&name, now, SOON).await.unwrap().unwrap();
        assert!(later.mono >= now.mono && later.mono >= at.mono);
        let ahead = Now { mono: now.mono.plus(SOON), ..now };
        let early = engine.key_picture(&name, ahead, Duration::ZERO).await.unwrap();
        assert!(matches!(early, Err(ViewEnd::Camera(_))));
        let stream = engine.streams().remove(0);
        assert_eq!((stream.quality, &*stream.wanted_by[0]), (Quality::Sub, "alwaysOn"));
        gate.book(|book| {
            assert_eq!(book.held.values().next().unwrap().1.purpose, Purpose::Suggest);
        });
        if codec == Codec::Mjpeg {
            let refused = Seen::by(&engine, watching(1, Quality::Sub)).await.err();
            assert_eq!(refused, Some(ViewEnd::Codec("MJPEG".to_owned())));
        }
        engine.apply(&cameras.desired(&json!({})));
        cameras.idle(SOON).await;
        assert_eq!(cameras.counts("accepted").await, [1]);
        assert_eq!(engine.key_picture(&name, now, SOON).await, None);
    }
}

#[tokio::test]
async fn what_the_browser_cannot_play_is_refused() {
    let cameras = Cameras::start(settings(1, Codec::H265)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut watch = watching(1, Quality::Sub);
    watch.codecs = ["avc1.640028", "mp4a.40.2"].map(Into::into).into();
    let mut viewer = Seen::by(&engine, watch.clone()).await.unwrap();
    assert_eq!(viewer.end().await, ViewEnd::Codec("H.265".to_owned()));
    // Known by now.
    let refused = Seen::by(&engine, watch.clone()).await.err();
    assert_eq!(refused, Some(ViewEnd::Codec("H.265".to_owned())));
    watch.codecs.push("hvc1.1.6.L93.B0".into());
    let mut viewer = Seen::by(&engine, watch).await.unwrap();
    viewer.pictures(3).await.unwrap();
    assert!(viewer.starts[0].contains("hvc1.1."), "{:?}", viewer.starts);
    assert_eq!(cameras.counts("accepted").await, [1]);
}
