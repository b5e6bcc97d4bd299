//! A whole fleet: cameras on consecutive addresses, their ports, and the director that ticks them.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::camera::connection::Protocol;
use crate::camera::stream::{Stream, Timeline};
use crate::camera::{Camera, Face, Parts, listener};
use crate::clock;
use crate::director::Director;
use crate::rtsp::auth::{Authenticator, Scheme};
use crate::sound::{Sound, SoundError, SoundTiming, Tone};
use crate::video::{Codec, Library, LibraryError, PieceSet};

/// How a fleet looks.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// Number of cameras.
    pub cameras: u32,
    /// Address of the first; the others follow.
    pub first: Ipv4Addr,
    /// RTSP port of all.
    pub port: u16,
    /// HTTP port of all, 0 for none.
    pub http_port: u16,
    /// Connections that each serves at once.
    pub limit: u64,
    /// What each does beyond that; taken in turn.
    pub faces: Vec<Face>,
    /// How each codes its pictures; taken in turn.
    pub codecs: Vec<Codec>,
    /// Width and height of the small profile.
    pub size: (usize, usize),
    /// Width and height of the large profile.
    pub main_size: (usize, usize),
    /// Pictures a second.
    pub fps: u32,
    /// From one key picture to the next.
    pub gop: Duration,
    /// How much each luma sample of the landscapes is off at most: grain makes pictures larger.
    pub grain: u8,
    /// Bits a second that each profile is padded to, 0 for none.
    pub bitrate: u64,
    /// What the cameras do about sound.
    pub sound: Sound,
    /// When their sound comes, and what they report of their clocks.
    pub timing: SoundTiming,
    /// What credentials are asked for.
    pub auth: Scheme,
    /// The one user.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// How long a digest nonce is good.
    pub nonce_lifetime: Duration,
    /// A session of which nothing is heard for so long ends.
    pub session_timeout: Duration,
    /// The real encoder.
    pub ffmpeg: PathBuf,
}

/// Why a fleet cannot start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The addresses leave 127.0.0.0/8.
    #[error("{count} cameras from {first} on do not fit into 127.0.0.0/8")]
    Addresses {
        /// The first address.
        first: Ipv4Addr,
        /// The number of cameras.
        count: u32,
    },
    /// There is no picture to send.
    #[error("make the pictures")]
    Library(#[from] LibraryError),
    /// There is no sound to send.
    #[error("make the sound")]
    Sound(#[from] SoundError),
    /// An address or port is taken.
    #[error("listen on {address}:{port}")]
    Listen {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running fleet; dropping it closes every socket.
pub struct Fleet {
    cameras: Vec<Arc<Camera>>,
    tasks: JoinSet<()>,
}

impl FleetSettings {
    /// The address of camera `index`, counted from 0.
    pub fn address(&self, index: u32) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from(u32::from(self.first).checked_add(index)?);
        address.is_loopback().then_some(address)
    }

    /// The name of camera `index`, counted from 0.
    pub fn name(index: u32) -> String {
        format!("cam-{:03}", index + 1)
    }
}

impl Fleet {
    /// Makes the pictures and opens every port. Takes a few seconds the first time.
    pub async fn start(settings: FleetSettings) -> Result<Self, FleetError> {
        let director = Arc::new(Director::default());
        let cameras = {
            let (settings, director) = (settings.clone(), Arc::clone(&director));
            let built = tokio::task::spawn_blocking(move || build(&settings, &director)).await;
            match built {
                Ok(cameras) => cameras?,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        };
        let mut tasks = JoinSet::new();
        for camera in &cameras {
            let mut listen = |port, protocol| {
                let address = camera.address;
                let socket = listener::bind(address, port)
                    .map_err(|source| FleetError::Listen { address, port, source })?;
                tasks.spawn(listener::serve(Arc::clone(camera), socket, protocol));
                Ok::<(), FleetError>(())
            };
            listen(settings.port, Protocol::Rtsp)?;
            if settings.http_port != 0 {
                listen(settings.http_port, Protocol::Http)?;
            }
        }
        tasks.spawn(async move { director.run().await });
        Ok(Self { cameras, tasks })
    }

    /// Closes every connection and port.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn cameras(&self) -> &[Arc<Camera>] {
        &self.cameras
    }
}

fn build(
    settings: &FleetSettings,
    director: &Arc<Director>,
) -> Result<Vec<Arc<Camera>>, FleetError> {
    let mut library = Library::new(settings.ffmpeg.clone(), settings.fps, settings.grain)?;
    let start = (Instant::now(), clock::now_micros());
    if settings.codecs.contains(&Codec::Mjpeg) {
        LibraryError::check_jpeg(settings.main_size)?;
        LibraryError::check_jpeg(settings.size)?;
    }
    let tone = match settings.sound {
        Sound::Aac | Sound::Mixed => Some(Arc::new(Tone::encode(&settings.ffmpeg)?)),
        Sound::None
        | Sound::Refused
        | Sound::Cut
        | Sound::Mute
        | Sound::Forbidden
        | Sound::Unplayable => None,
    };
    let mut cameras = Vec::new();
    for index in 0..settings.cameras {
        let Some(address) = settings.address(index) else {
            let (first, count) = (settings.first, settings.cameras);
            return Err(FleetError::Addresses { first, count });
        };
        let nth = usize::try_from(index).unwrap_or(0);
        let codec = settings.codecs[nth % settings.codecs.len()];
        let main = library.set(codec, settings.main_size)?;
        let sub = library.set(codec, settings.size)?;
        let snapshot = match settings.http_port {
            0 => None,
            _ => Some(library.set(Codec::Mjpeg, settings.size)?),
        };
        let timeline = timeline(settings, start, index);
        let name = FleetSettings::name(index);
        let stream = |set: Arc<PieceSet>| {
            Stream::new(set, timeline, &name, nth, settings.bitrate / 8 / u64::from(settings.fps))
        };
        let streams = (stream(main), stream(sub));
        let authenticator = Authenticator::new(
            settings.auth,
            &settings.username,
            &settings.password,
            settings.nonce_lifetime,
        );
        cameras.push(Arc::new(Camera::new(Parts {
            name,
            address,
            port: settings.port,
            limit: settings.limit,
            face: settings.faces[nth % settings.faces.len()],
            session_timeout: settings.session_timeout,
            authenticator,
            streams,
            snapshot,
            sound: (settings.sound, tone.clone()),
            timing: settings.timing,
            director: Arc::clone(director),
        })));
    }
    Ok(cameras)
}

// Cameras are spread over the time between two pictures, and over the group of pictures: every one
// has its own phase, and neighbours are far apart.
fn timeline(settings: &FleetSettings, start: (Instant, u64), index: u32) -> Timeline {
    let fps = settings.fps;
    let gop = (settings.gop.as_millis() * u128::from(fps) / 1000).max(1);
    let gop = u64::try_from(gop).unwrap_or(1);
    let spread = u64::from(index).wrapping_mul(0x9E37_79B9) % 997;
    let shift = 1_000_000 * spread / 997 / u64::from(fps);
    let gop_offset = u64::from(index).wrapping_mul(7) % gop;
    let (start, origin) = match start.0.checked_sub(Duration::from_micros(shift)) {
        Some(earlier) => (earlier, start.1.saturating_sub(shift)),
        None => start,
    };
    Timeline { start, origin, fps, gop, gop_offset }
}
