//! What is kept in memory: the newest events, and pictures that were asked for lately.
//!
//! Pure data structures with bounds: no lock, no clock, no disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::event::{Event, Seq};
use crate::model::frame::FrameId;
use crate::model::names::CameraName;

/// The newest events, bounded by their number.
#[derive(Debug)]
pub struct EventRing {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
}

impl EventRing {
    /// A ring of at most `capacity` events.
    pub fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity }
    }

    /// Takes the next event; the oldest leaves when the ring is full.
    ///
    /// An event that does not follow the newest one (it was seen already) is left out.
    pub fn push(&mut self, event: Arc<Event>) {
        if self.last_seq().is_some_and(|last| event.seq <= last) {
            return;
        }
        self.events.push_back(event);
        self.shrink();
    }

    /// Changes how many events it holds.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.events.len() > self.capacity {
            self.events.pop_front();
        }
    }

    /// Up to `limit` events after `seq`, oldest first; `None` when events between `seq` and the
    /// ring's oldest are only in the store.
    pub fn since(&self, seq: Seq, limit: usize) -> Option<Vec<Arc<Event>>> {
        let oldest = self.events.front()?.seq;
        if seq.saturating_add(1) < oldest {
            return None;
        }
        let start = self.events.partition_point(|event| event.seq <= seq);
        Some(self.events.range(start..).take(limit).cloned().collect())
    }

    /// Up to `limit` events, newest first.
    pub fn newest(&self, limit: usize) -> Vec<Arc<Event>> {
        self.events.iter().rev().take(limit).cloned().collect()
    }

    /// Place of the newest event held.
    pub fn last_seq(&self) -> Option<Seq> {
        self.events.back().map(|event| event.seq)
    }

    /// Events held.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Which of a frame's two pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureSize {
    /// As captured.
    Full,
    /// The small one.
    Thumbnail,
}

/// Bounds of a [`PictureCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// Full pictures.
    pub frames: usize,
    /// Thumbnails of each camera.
    pub thumbnails_per_camera: usize,
    /// Bytes of all together.
    pub bytes: u64,
}

/// Pictures that were asked for lately; the one not asked for the longest leaves first.
#[derive(Debug)]
pub struct PictureCache {
    bounds: CacheBounds,
    pictures: HashMap<(FrameId, PictureSize), Cached>,
    /// By last use, oldest first: full pictures, and thumbnails of each camera.
    frames: BTreeMap<u64, FrameId>,
    thumbnails: HashMap<CameraName, BTreeMap<u64, FrameId>>,
    /// All of them by last use.
    order: BTreeMap<u64, (FrameId, PictureSize)>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Cached {
    camera: CameraName,
    content: Bytes,
    used: u64,
}

impl PictureCache {
    /// An empty cache.
    pub fn new(bounds: CacheBounds) -> Self {
        Self {
            bounds,
            pictures: HashMap::new(),
            frames: BTreeMap::new(),
            thumbnails: HashMap::new(),
            order: BTreeMap::new(),
            bytes: 0,
            uses: 0,
        }
    }

    /// A picture, which counts as used now.
    pub fn get(&mut self, frame: FrameId, size: PictureSize) -> Option<Bytes> {
        let cached = self.remove(frame, size)?;
        let content = cached.content.clone();
        self.place(frame, size, cached.camera, cached.content);
        Some(content)
    }

    /// Keeps a picture; one larger than the whole bound is not kept.
    pub fn put(&mut self, camera: &CameraName, frame: FrameId, size: PictureSize, content: &[u8]) {
        self.remove(frame, size);
        if content.len() as u64 > self.bounds.bytes {
            return;
        }
        // Copied, because a slice would hold the whole buffer that it is part of.
        let content = Bytes::copy_from_slice(content);
        self.place(frame, size, camera.clone(), content);
        self.shrink(camera);
    }

    /// Changes the bounds and lets go of what exceeds them.
    pub fn set_bounds(&mut self, bounds: CacheBounds) {
        self.bounds = bounds;
        let cameras: Vec<_> = self.thumbnails.keys().cloned().collect();
        for camera in &cameras {
            self.shrink(camera);
        }
        self.shrink_frames();
    }

    /// Lets go of the pictures of cameras that `keep` does not want.
    pub fn retain_cameras(&mut self, keep: impl Fn(&CameraName) -> bool) {
        let gone: Vec<_> = self
            .pictures
            .iter()
            .filter(|(_, cached)| !keep(&cached.camera))
            .map(|(key, _)| *key)
            .collect();
        for (frame, size) in gone {
            self.remove(frame, size);
        }
    }

    /// Lets go of a frame that was deleted.
    pub fn forget(&mut self, frame: FrameId) {
        self.remove(frame, PictureSize::Full);
        self.remove(frame, PictureSize::Thumbnail);
    }

    /// Bytes of all pictures held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Full pictures held.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Thumbnails held.
    pub fn thumbnails(&self) -> usize {
        self.pictures.len() - self.frames.len()
    }

    fn place(&mut self, frame: FrameId, size: PictureSize, camera: CameraName, content: Bytes) {
        self.uses += 1;
        self.bytes += content.len() as u64;
        self.order.insert(self.uses, (frame, size));
        match size {
            PictureSize::Full => {
                self.frames.insert(self.uses, frame);
            }
            PictureSize::Thumbnail => {
                self.thumbnails.entry(camera.clone()).or_default().insert(self.uses, frame);
            }
        }
        self.pictures.insert((frame, size), Cached { camera, content, used: self.uses });
    }

    fn remove(&mut self, frame: FrameId, size: PictureSize) -> Option<Cached> {
        let cached = self.pictures.remove(&(frame, size))?;
        self.bytes -= cached.content.len() as u64;
        self.order.remove(&cached.used);
        match size {
            PictureSize::Full => {
                self.frames.remove(&cached.used);
            }
            PictureSize::Thumbnail => {
                if let Some(line) = self.thumbnails.get_mut(&cached.camera) {
                    line.remove(&cached.used);
                    if line.is_empty() {
                        self.thumbnails.remove(&cached.camera);
                    }
                }
            }
        }
        Some(cached)
    }

    fn shrink(&mut self, camera: &CameraName) {
        while let Some(line) = self.thumbnails.get(camera)
            && line.len() > self.bounds.thumbnails_per_camera
            && let Some((_, &frame)) = line.first_key_value()
        {
            self.remove(frame, PictureSize::Thumbnail);
        }
        self.shrink_frames();
    }

    fn shrink_frames(&mut self) {
        while self.frames.len() > self.bounds.frames
            && let Some((_, &frame)) = self.frames.first_key_value()
        {
            self.remove(frame, PictureSize::Full);
        }
        while self.bytes > self.bounds.bytes
            && let Some((_, &(frame, size))) = self.order.first_key_value()
        {
            self.remove(frame, size);
        }
    }
}

#[cfg(test)]
mod tests;
