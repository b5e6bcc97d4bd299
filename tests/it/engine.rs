//! The native live engine: what it makes of pictures, and what it does with simulated cameras.

use std::sync::Arc;
use std::time::Duration;

use camserver::clock::Clock;
use camserver::live::engine::{Engine as _, Media, ViewEnd, Viewer, Watch};
use camserver::live::native::NativeEngine;
use camserver::model::desired::Desired;
use camserver::model::lease::{LeaseId, Quality};
use camserver::model::names::CameraName;
use camserver::model::slot::Purpose;
use mp4_atom::{Any, DecodeMaybe as _, Moof, TrunSamples};
use tokio::time::{Instant, timeout};

mod faults;
mod fleet;
mod gate;
mod lipsync;
mod mp4;
mod sound;
mod viewing;

use gate::TestGate;

/// What anything here may take that takes no time of its own.
const SOON: Duration = Duration::from_secs(15);

fn engine(gate: &Arc<TestGate>, desired: &Desired) -> NativeEngine {
    let gate: Arc<TestGate> = Arc::clone(gate);
    let engine = NativeEngine::new(gate, Arc::default(), Clock::System);
    engine.apply(desired);
    engine
}

fn camera(nth: usize) -> CameraName {
    CameraName::parse(&format!("cam-{nth:03}")).unwrap()
}

fn watching(nth: usize, quality: Quality) -> Watch {
    Watch {
        lease: LeaseId("0123456789abcdef".into()),
        camera: camera(nth),
        quality,
        purpose: Purpose::Modal,
        codecs: Vec::new(),
    }
}

/// Looks until a condition holds; fails after `limit`.
async fn until(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(25));
    while !look().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        looks.tick().await;
    }
}

/// One viewer with what it has seen, checked piece by piece.
struct Seen {
    viewer: Box<dyn Viewer>,
    starts: Vec<Arc<str>>,
    /// Decode time, duration and whether it is a key picture.
    pictures: Vec<(u64, u64, bool)>,
    /// Times that the decode time jumped ahead.
    jumps: usize,
    file: Vec<u8>,
}

impl Seen {
    async fn by(engine: &NativeEngine, watch: Watch) -> Result<Self, ViewEnd> {
        let viewer = engine.watch(watch).await?;
        let (starts, pictures) = (Vec::new(), Vec::new());
        Ok(Self { viewer, starts, pictures, jumps: 0, file: Vec::new() })
    }

    /// The next piece; `Err` is the end of the view.
    async fn next(&mut self) -> Result<(), ViewEnd> {
        let next = timeout(Duration::from_secs(40), self.viewer.next()).await;
        match next.expect("neither media nor an end")? {
            Media::Start { mime, init } => {
                self.starts.push(mime);
                self.file.extend_from_slice(&init);
            }
            Media::Fragment(bytes) => {
                self.file.extend_from_slice(&bytes);
                self.take(&bytes);
            }
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8]) {
        assert!(!self.starts.is_empty(), "a picture without a beginning");
        let Some(Any::Moof(moof)) = Any::decode_maybe(&mut bytes).unwrap() else { panic!() };
        let picture @ (decode, _, key) = times(&moof);
        match self.pictures.last() {
            None => assert!(key, "the first picture depends on others"),
            Some((before, duration, _)) => {
                let end = before + duration;
                assert!(decode >= end, "time goes back from {end} to {decode}");
                if decode > end {
                    assert!(key, "a hole before a picture that depends on others");
                    self.jumps += 1;
                }
            }
        }
        self.pictures.push(picture);
    }

    async fn pictures(&mut self, more: usize) -> Result<(), ViewEnd> {
        let enough = self.pictures.len() + more;
        while self.pictures.len() < enough {
            self.next().await?;
        }
        Ok(())
    }

    /// Reads until the view ends.
    async fn end(&mut self) -> ViewEnd {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }
}

fn times(moof: &Moof) -> (u64, u64, bool) {
    let traf = &moof.traf[0];
    let TrunSamples::Explicit(samples) = &traf.trun[0].samples else { panic!() };
    let decode = traf.tfdt.as_ref().unwrap().base_media_decode_time;
    (decode, samples[0].duration.unwrap().into(), samples[0].flags == Some(0x0200_0000))
}
