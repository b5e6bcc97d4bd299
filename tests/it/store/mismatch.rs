//! A database and pictures that do not belong together: nothing is deleted on a guess.

use camserver::world::store::{Pairing, Store};
use jiff::Timestamp;

use super::{Place, URL, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_database_beside_old_pictures_leaves_them_alone() {
    let mut place = Place::new().await;
    for minute in 0..5 {
        place.save("cam-001", minutes(minute)).await;
    }
    place.store.close().await;
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{suffix}", place.database().display())));
    }
    place.store = Store::open(&place.data, URL).await.unwrap();
    assert!(matches!(place.store.pairing(), Pairing::Mismatched(_)));
    let frame = place.save("cam-001", minutes(9)).await;
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    assert!(repaired.refused.unwrap().contains("another database"));
    assert_eq!(place.files(), 12);
    assert_eq!(place.store.image(&frame).await.unwrap().len(), 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_an_older_backup_leaves_newer_pictures_alone() {
    let mut place = Place::new().await;
    place.save("cam-001", minutes(0)).await;
    place.store.close().await;
    let backup = place.data.path().join("backup.db");
    std::fs::copy(place.database(), &backup).unwrap();
    place.store = Store::open(&place.data, URL).await.unwrap();
    place.save("cam-001", minutes(1)).await;
    place.store.repair(None, minutes(2)).await.unwrap();
    place.store.close().await;
    std::fs::copy(&backup, place.database()).unwrap();

    place.store = Store::open(&place.data, URL).await.unwrap();
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    let why = repaired.refused.unwrap();
    assert!(why.contains("older backup"), "{why}");
    assert_eq!(place.files(), 4);

    // What the message says how to resolve it.
    let id = why.split('`').nth(1).unwrap();
    std::fs::write(place.data.frames().join(".store"), id).unwrap();
    let later = Timestamp::from_second(4_000_000_000).unwrap();
    let repaired = place.store.repair(None, later).await.unwrap();
    assert_eq!((repaired.files_without_row, repaired.refused), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_disk_that_is_not_mounted_keep_their_rows() {
    let place = Place::new().await;
    for minute in 0..150 {
        place.save("cam-001", minutes(minute)).await;
    }
    let away = place.data.path().join("elsewhere");
    std::fs::rename(place.data.frames(), &away).unwrap();
    let unreadable = place.store.repair(None, minutes(600)).await;
    assert_eq!(unreadable.unwrap_err().kind(), "NotFound");
    std::fs::create_dir(place.data.frames()).unwrap();
    let repaired = place.store.repair(None, minutes(600)).await.unwrap();
    assert!(repaired.refused.unwrap().contains("150 of 150"));
    std::fs::remove_dir(place.data.frames()).unwrap();
    std::fs::rename(&away, place.data.frames()).unwrap();
    let repaired = place.store.repair(None, minutes(600)).await.unwrap();
    assert_eq!(repaired.refused, None);
    assert_eq!(place.store.census().await.unwrap().frames, 150);
}
