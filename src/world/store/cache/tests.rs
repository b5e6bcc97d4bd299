//! The bounds of the cache hold whatever is put in, and what is asked for lately stays.

use proptest::prelude::*;

use super::*;
use crate::model::event::{EventKind, NewEvent};

fn event(seq: Seq) -> Arc<Event> {
    let what = NewEvent {
        camera: None,
        captured_at: jiff::Timestamp::UNIX_EPOCH,
        kind: EventKind::ServerStarted,
        severity: 0,
        tags: Vec::new(),
        unknown_flag: false,
        summary: String::new(),
        attributes: BTreeMap::new(),
        frame_id: None,
    };
    Arc::new(Event { seq, what })
}

fn seqs(events: &[Arc<Event>]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}

#[test]
fn the_ring_holds_the_newest_events_and_says_when_older_ones_are_missing() {
    let mut ring = EventRing::new(3);
    assert!(ring.since(0, 10).is_none(), "an empty ring knows nothing");
    for seq in 1..=5 {
        ring.push(event(seq));
    }
    ring.push(event(4));
    assert_eq!(ring.len(), 3);
    assert_eq!(seqs(&ring.since(2, 10).unwrap()), [3, 4, 5]);
    assert_eq!(seqs(&ring.since(4, 10).unwrap()), [5]);
    assert_eq!(seqs(&ring.since(2, 2).unwrap()), [3, 4]);
    assert!(ring.since(5, 10).unwrap().is_empty());
    assert!(ring.since(1, 10).is_none(), "event 2 is only in the store");
    assert_eq!(seqs(&ring.newest(2)), [5, 4]);
    ring.set_capacity(1);
    assert_eq!(seqs(&ring.newest(9)), [5]);
}

fn camera(number: u8) -> CameraName {
    CameraName::parse(&format!("cam-{number}")).unwrap()
}

const BOUNDS: CacheBounds = CacheBounds { frames: 3, thumbnails_per_camera: 2, bytes: 100 };

#[test]
fn the_picture_not_asked_for_the_longest_leaves_first() {
    let mut cache = PictureCache::new(BOUNDS);
    for frame in 1..=3 {
        cache.put(&camera(1), frame, PictureSize::Full, &[0; 10]);
    }
    assert!(cache.get(1, PictureSize::Full).is_some());
    cache.put(&camera(1), 4, PictureSize::Full, &[0; 10]);
    assert!(cache.get(2, PictureSize::Full).is_none());
    assert!(cache.get(1, PictureSize::Full).is_some());
}

#[test]
fn one_cameras_thumbnails_do_not_displace_anothers() {
    let mut cache = PictureCache::new(BOUNDS);
    cache.put(&camera(1), 1, PictureSize::Thumbnail, &[1; 10]);
    for frame in 2..=9 {
        cache.put(&camera(2), frame, PictureSize::Thumbnail, &[2; 10]);
    }
    assert_eq!(cache.get(1, PictureSize::Thumbnail).unwrap(), vec![1; 10]);
    assert_eq!(cache.thumbnails(), 3);
    cache.retain_cameras(|name| *name == camera(1));
    assert_eq!((cache.thumbnails(), cache.bytes()), (1, 10));
}

#[test]
fn what_exceeds_the_bytes_is_not_kept() {
    let mut cache = PictureCache::new(BOUNDS);
    cache.put(&camera(1), 1, PictureSize::Full, &[0; 101]);
    assert_eq!(cache.bytes(), 0);
    cache.put(&camera(1), 2, PictureSize::Full, &[0; 60]);
    cache.put(&camera(1), 2, PictureSize::Thumbnail, &[0; 41]);
    assert!(cache.get(2, PictureSize::Full).is_none());
    assert!(cache.get(2, PictureSize::Thumbnail).is_some());
    cache.set_bounds(CacheBounds { bytes: 40, ..BOUNDS });
    assert_eq!(cache.bytes(), 0);
}

/// The same rules, written as slowly as possible: oldest use first.
#[derive(Default)]
struct Model(Vec<(u8, FrameId, PictureSize, usize)>);

impl Model {
    fn evict(&mut self, camera: u8) {
        let thumbnail = |item: &(u8, FrameId, PictureSize, usize)| {
            item.0 == camera && item.2 == PictureSize::Thumbnail
        };
        while self.0.iter().filter(|item| thumbnail(item)).count() > BOUNDS.thumbnails_per_camera {
            let oldest = self.0.iter().position(thumbnail).unwrap();
            self.0.remove(oldest);
        }
        let full = |item: &(u8, FrameId, PictureSize, usize)| item.2 == PictureSize::Full;
        while self.0.iter().filter(|item| full(item)).count() > BOUNDS.frames {
            let oldest = self.0.iter().position(full).unwrap();
            self.0.remove(oldest);
        }
        while self.0.iter().map(|item| item.3 as u64).sum::<u64>() > BOUNDS.bytes {
            self.0.remove(0);
        }
    }
}

proptest! {
    #[test]
    fn the_cache_is_a_bounded_lru(steps in prop::collection::vec(
        (any::<bool>(), 0..3_u8, 0..6_i64, any::<bool>(), 0..60_usize), 1..200))
    {
        let mut cache = PictureCache::new(BOUNDS);
        let mut model = Model::default();
        for (put, camera_number, frame, full, bytes) in steps {
            let size = if full { PictureSize::Full } else { PictureSize::Thumbnail };
            let frame = i64::from(camera_number) * 10 + frame;
            let at = model.0.iter().position(|item| item.1 == frame && item.2 == size);
            let known = at.map(|at| model.0.remove(at));
            if put {
                cache.put(&camera(camera_number), frame, size, &vec![7; bytes]);
                model.0.push((camera_number, frame, size, bytes));
                model.evict(camera_number);
            } else {
                let found = cache.get(frame, size).map(|content| content.len());
                prop_assert_eq!(found, known.map(|item| item.3));
                model.0.extend(known);
            }
            prop_assert!(cache.bytes() <= BOUNDS.bytes);
            prop_assert!(cache.frames() <= BOUNDS.frames);
            prop_assert_eq!(cache.bytes(), model.0.iter().map(|item| item.3 as u64).sum::<u64>());
            prop_assert_eq!(cache.frames() + cache.thumbnails(), model.0.len());
        }
    }
}
