//! Pictures that were asked for lately, kept in memory.
//!
//! A pure data structure with bounds: no lock, no clock, no disk.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::model::frame::FrameId;
use crate::model::names::CameraName;

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
        if self.bounds == bounds {
            return;
        }
        self.bounds = bounds;
        let cameras: Vec<_> = self.thumbnails.keys().cloned().collect();
        for camera in &cameras {
            self.shrink(camera);
        }
        self.shrink_frames();
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
