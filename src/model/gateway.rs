//! What go2rtc says that it has, and how one gateway is. Under which names this server has things
//! there: `names`.
//!
//! What it says is not what is: a stream that it deleted may go on, unseen here. Sockets and the
//! relay show that.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lease::Quality;
use super::names::CameraName;
use super::time::Mono;

pub use names::{Agent, Owner, StreamName};

/// One stream as go2rtc lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamView {
    /// Its name; of ours when [`StreamName::parse`] knows it.
    pub name: Arc<str>,
    /// Where it comes from.
    pub producers: Vec<ProducerView>,
    /// Where it goes to.
    pub consumers: Vec<ConsumerView>,
}

impl StreamView {
    /// Whether it has a session with the camera, as far as go2rtc says.
    pub fn is_active(&self) -> bool {
        self.producers.iter().any(|producer| producer.id.is_some())
    }

    /// Bytes that came from the camera in the sessions that it has.
    pub fn received(&self) -> u64 {
        self.producers.iter().map(|producer| producer.bytes_received).fold(0, u64::saturating_add)
    }
}

/// One source of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerView {
    /// The number of its session; `None` while it has none. A new session has a new one.
    pub id: Option<u64>,
    /// Its URL, with user and password masked by go2rtc.
    pub url: Option<Arc<str>>,
    /// Bytes received in this session.
    pub bytes_received: u64,
}

/// One receiver of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerView {
    /// Its number.
    pub id: Option<u64>,
    /// Its user agent; of ours when it equals an [`Agent`] of a lease.
    pub agent: Option<Arc<str>>,
    /// What it is sent: `mse/fmp4`, `webrtc`, `keyframe`, ...
    pub format: Option<Arc<str>>,
    /// Bytes sent to it.
    pub bytes_sent: u64,
}

/// By whose doing a run of a gateway's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The program never ran: it is not there, or cannot be run here.
    NeverRan,
    /// Its own: it failed, or did what it was ended for.
    ByItself,
    /// It left without a complaint, as go2rtc does when asked to by a signal; also what a program
    /// does that is none.
    Left,
    /// By somebody else's signal, which says nothing against the program.
    Killed,
}

/// Where the process of a gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// Somebody else's, and its API has not answered for this server yet, or not any more.
    Unreached,
    /// There is none.
    Down {
        /// It is not started before this.
        until: Mono,
        /// Whether it ended too often, rather than just now.
        braked: bool,
    },
    /// Started, has not answered yet.
    Starting,
    /// Its API answers.
    Up,
    /// Its API answered, and did not at the last look.
    Silent,
}

impl GatewayState {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Down { .. } => "down",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Silent => "silent",
        }
    }
}

/// Why a run of a gateway ended, or never began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFault {
    /// One CamelCase word.
    pub reason: &'static str,
    /// For people, a fragment, with the remedy where there is one.
    pub text: Arc<str>,
}

/// One gateway, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayView {
    /// Where its process is.
    pub state: GatewayState,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Why the run before this one ended; `None` from the first answer on.
    pub fault: Option<GatewayFault>,
    /// The streams that should be there, and what each is.
    pub wanted: BTreeMap<StreamName, (CameraName, Quality)>,
    /// The names that it lists; `None` while its list cannot be read. A wanted stream whose source
    /// it was not told yet is not among them.
    pub listed: Option<BTreeSet<Arc<str>>>,
    /// Wanted streams that somebody receives who is nobody of ours, where the gateway is somebody
    /// else's: one of this server's is restarted for that.
    pub strangers: BTreeSet<StreamName>,
    /// Starts after the first, by why the run before ended; every reason is in it.
    pub restarts: BTreeMap<&'static str, u64>,
}

impl GatewayView {
    /// How many of the wanted streams are there; `None` while that cannot be read.
    pub fn present(&self) -> Option<usize> {
        let listed = self.listed.as_ref()?;
        Some(self.wanted.keys().filter(|name| listed.contains(name.as_str())).count())
    }
}
