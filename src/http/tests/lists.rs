//! Pages, cursors, filters and events.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::{World, snapshot};
use super::{get, json};
use crate::http::Settings;

/// Follows `next` to the end and returns the values of a field.
async fn all(world: &World, path: &str, field: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..50 {
        let page = json(world, &format!("{path}{cursor}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item[field].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
    panic!("{path} has no end");
}

#[tokio::test]
async fn cursors_give_every_camera_once() {
    let world = World::new(25);
    let names = all(&world, "/api/v1/cameras?limit=10", "name").await;
    assert_eq!(names.len(), 25);
    let set: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(set.len(), 25);
}

#[tokio::test]
async fn a_page_has_at_most_500_things() {
    let world = World::new(600);
    let page = json(&world, "/api/v1/cameras?limit=9999").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 500);
    assert_eq!(all(&world, "/api/v1/cameras?limit=9999", "name").await.len(), 600);
}

#[tokio::test]
async fn cameras_are_filtered_by_subnet() {
    let world = World::new(3);
    assert_eq!(all(&world, "/api/v1/cameras?subnet=north", "name").await.len(), 3);
    assert_eq!(all(&world, "/api/v1/cameras?subnet=south", "name").await.len(), 0);
}

#[tokio::test]
async fn history_goes_back_newest_first_also_of_removed_cameras() {
    let world = World::new(3);
    let page = json(&world, "/api/v1/cameras/cam-001/history?limit=1").await;
    assert_eq!(page["items"][0]["id"], 801);
    assert_eq!(page["items"][0]["image"], "/api/v1/frames/801.jpg");
    assert_eq!(page["items"][0]["thumbnail"], "/api/v1/frames/801/thumbnail.jpg");
    let ids = all(&world, "/api/v1/cameras/cam-001/history?limit=1", "id").await;
    assert_eq!(ids, [801, 700]);
    world.change(|s| s.cameras.clear());
    assert_eq!(all(&world, "/api/v1/cameras/cam-001/history?limit=9", "id").await.len(), 2);
    assert_eq!(get(&world, "/api/v1/cameras/nobody/history").await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn sweeps_go_back_newest_first_and_the_current_one_has_its_results() {
    let world = World::new(3);
    world.archive.sweeps.lock().unwrap()[1].results.clear();
    let page = json(&world, "/api/v1/sweeps?limit=1&subnet=north").await;
    assert_eq!(page["items"][0]["state"], "running");
    assert_eq!(page["items"][0]["results"].as_array().unwrap().len(), 2);
    assert_eq!(all(&world, "/api/v1/sweeps?limit=1", "id").await, [8, 7]);
    assert_eq!(all(&world, "/api/v1/sweeps?subnet=south", "id").await.len(), 0);
}

#[tokio::test]
async fn events_older_than_the_ring_come_from_the_store_without_a_gap() {
    let world = World::with(snapshot(3), 1_300, Settings::default());
    let seqs = all(&world, "/api/v1/events?since=0&limit=500", "seq").await;
    assert_eq!(seqs, (1..=1_300).collect::<Vec<u64>>());
    let newest = all(&world, "/api/v1/events?limit=5", "seq").await;
    assert_eq!(newest, [1_296, 1_297, 1_298, 1_299, 1_300]);
    assert_eq!(all(&world, "/api/v1/events?since=1299", "seq").await, [1_300]);
    assert_eq!(all(&world, "/api/v1/events?since=99999", "seq").await.len(), 0);
    assert_eq!(json(&world, "/api/v1/events/3").await["seq"], 3);
    assert_eq!(json(&world, "/api/v1/events/1300").await["seq"], 1_300);
    assert_eq!(get(&world, "/api/v1/events/1301").await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn events_are_filtered_by_camera_and_kind() {
    let world = World::new(3);
    let of_camera = all(&world, "/api/v1/events?since=0&camera=cam-001&limit=3", "seq").await;
    assert_eq!(of_camera, (1..=10).map(|n| n * 2).collect::<Vec<u64>>());
    let applied = all(&world, "/api/v1/events?kind=config_applied", "primaryEvent").await;
    assert!(!applied.is_empty() && applied.iter().all(|kind| kind == "config_applied"));
    assert_eq!(get(&world, "/api/v1/events?kind=party").await.code(), "BAD_QUERY");
}
