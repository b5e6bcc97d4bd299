//! Pictures: kept, listed, deleted by age and size.

use camserver::model::event::EventKind;
use camserver::world::store::{FrameClass, FrameCut, Pairing, StoreError};

use super::{Place, cut, happening, minutes, name, picture, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_read_back_after_a_restart() {
    let mut place = Place::new().await;
    let frame = place.save("cam-001", start()).await;
    place.restart().await;
    assert_eq!(place.store.frame(frame.id).await.unwrap(), frame);
    assert_eq!(place.store.image(&frame).await.unwrap(), vec![1; 900]);
    assert_eq!(place.store.thumbnail(&frame).await.unwrap(), vec![2; 100]);
    assert_eq!(place.store.pairing(), Pairing::Matched);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_listed_by_camera_and_the_latest_of_each_is_known() {
    let place = Place::new().await;
    for minute in 0..5 {
        for camera in ["cam-001", "cam-002", "cam-003"] {
            place.save(camera, minutes(minute)).await;
        }
    }
    let all = place.store.frames_of(&name("cam-002"), None, 500).await.unwrap();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|frame| frame.camera == name("cam-002")));
    let older = place.store.frames_of(&name("cam-002"), Some(all[1].id), 2).await.unwrap();
    assert_eq!(older, all[2..4]);
    let latest = place.store.latest_frames().await.unwrap();
    assert_eq!(latest.len(), 3);
    assert!(latest.iter().all(|frame| frame.captured_at == minutes(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanished_is_not_found_and_its_row_is_repaired_away() {
    let place = Place::new().await;
    let (kept, lost) = (place.save("cam-001", start()).await, place.save("cam-2", start()).await);
    std::fs::remove_file(place.data.frames().join(&lost.file)).unwrap();
    assert_eq!(place.store.image(&lost).await.unwrap_err().kind(), "NotFound");
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    assert_eq!((repaired.rows_without_file, repaired.refused), (1, None));
    assert!(matches!(place.store.frame(lost.id).await, Err(StoreError::NotFound(_))));
    assert_eq!(place.store.image(&kept).await.unwrap().len(), 900);
    assert_eq!(place.files(), 2, "the thumbnail of the lost picture goes too");
    assert_eq!(place.store.census().await.unwrap().bytes, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_the_oldest_frames_without_event_and_counts_what_is_left() {
    let place = Place::new().await;
    let mut frames = Vec::new();
    for minute in 0..10 {
        frames.push(place.save("cam-001", minutes(minute)).await);
    }
    let shown = happening(EventKind::Human, Some(frames[0].id));
    place.store.append_events(vec![shown.clone(), shown]).await.unwrap();
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.no_event_frames), (10, 9));
    assert_eq!(census.oldest_no_event_frame, Some(minutes(1)));
    assert_eq!(census.oldest_event_frame, Some(minutes(0)));

    let by_age = FrameCut { before: Some(minutes(4)), ..cut(FrameClass::NoEvent, 10_000) };
    assert_eq!(place.store.delete_frames(by_age).await.unwrap().rows, 3);
    // 2,500 bytes are reached with the third frame of 1,000.
    let by_bytes = FrameCut { bytes: Some(2_500), ..cut(FrameClass::NoEvent, 10_000) };
    let deleted = place.store.delete_frames(by_bytes).await.unwrap();
    assert_eq!((deleted.rows, deleted.bytes), (3, 3_000));
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.bytes, census.no_event_bytes), (4, 4_000, 3_000));
    assert_eq!(census.oldest_no_event_frame, Some(minutes(7)));
    assert_eq!(place.files(), 8);
    assert!(place.store.frame(frames[0].id).await.unwrap().detected);

    assert_eq!(place.store.delete_frames(cut(FrameClass::Event, 5)).await.unwrap().rows, 1);
    assert_eq!(place.store.delete_frames(cut(FrameClass::NoEvent, 2)).await.unwrap().rows, 2);
    assert_eq!(place.store.delete_frames(cut(FrameClass::NoEvent, 9)).await.unwrap().rows, 1);
    assert_eq!(place.store.census().await.unwrap().bytes, 0);
    let days = std::fs::read_dir(place.data.frames()).unwrap();
    let days = days.filter(|day| day.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(days, 0, "empty directories are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_stored_while_many_are_deleted() {
    let place = Place::new().await;
    for minute in 0..700 {
        place.save("cam-old", minutes(minute)).await;
    }
    let writers = (0..4).map(|writer| {
        let store = place.store.clone();
        tokio::spawn(async move {
            for minute in 0..50 {
                let camera = format!("cam-{writer}");
                store.save_frame(picture(&camera, minutes(10_000 + minute))).await.unwrap();
            }
        })
    });
    let writers = futures::future::join_all(writers);
    let due = FrameCut { before: Some(minutes(9_000)), ..cut(FrameClass::NoEvent, 10_000) };
    let (deleted, written) = tokio::join!(place.store.delete_frames(due), writers);
    assert_eq!(deleted.unwrap().rows, 700);
    assert!(written.iter().all(Result::is_ok));
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.bytes), (200, 200_000));
    assert_eq!(place.files(), 400);
    let repaired = place.store.repair(None, minutes(20_000)).await.unwrap();
    assert_eq!(repaired, camserver::world::store::Repaired::default(), "nothing stands alone");
}
