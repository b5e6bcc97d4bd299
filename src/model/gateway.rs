//! What go2rtc says that it has, the names under which this server has things there, and how one
//! gateway is.
//!
//! What it says is not what is: a stream that it deleted may go on, unseen here. Sockets and the
//! relay show that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::lease::{LeaseId, Quality};
use super::names::CameraName;
use super::time::Mono;

/// What every name of ours begins with.
const PREFIX: &str = "cs-";
/// Bytes of the digest that stand in a name.
const OPAQUE_BYTES: usize = 8;
/// What every user agent of ours begins with.
const AGENT_PREFIX: &str = "camserver/";

/// The ends of names: what a stream is for.
const PURPOSES: [&str; 3] = ["-sub", "-main", STILL];
/// The end of the names of captures' streams.
const STILL: &str = "-still";

/// The name of a stream of ours in go2rtc: `cs-0123456789abcdef-sub`.
///
/// It is opaque and has no slash, because go2rtc takes a source whose path is the name of a stream
/// for that stream, whatever the host (`internal/streams/streams.go`, `Patch`): a stream named
/// after a person's camera would sooner or later meet a path like `/stream1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The name of a camera's stream, different in every installation (and for each text that is
    /// given as one).
    pub fn of(installation: &str, camera: &CameraName, quality: Quality) -> Self {
        let opaque = digest(&[installation, camera.as_str()]);
        Self(format!("{PREFIX}{opaque}-{}", quality.as_str()).into())
    }

    /// The name of the stream that one capture opens, different for each: `number` tells the
    /// captures of a run apart.
    pub fn of_capture(instance: &str, number: u64) -> Self {
        let opaque = digest(&["still", instance, &number.to_string()]);
        Self(format!("{PREFIX}{opaque}{STILL}").into())
    }

    /// The name in a text, when it has the form of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let opaque = PURPOSES.iter().find_map(|purpose| rest.strip_suffix(purpose))?;
        let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        let fits = opaque.len() == 2 * OPAQUE_BYTES && opaque.as_bytes().iter().all(is_hex);
        fits.then(|| Self(text.into()))
    }

    /// Whether it is of a capture: nobody comes back to it.
    pub fn is_of_capture(&self) -> bool {
        self.0.ends_with(STILL)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, to be kept.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The user agent of one consumer of ours: go2rtc shows it, so each consumer is known by its lease.
///
/// It holds a digest of the lease, not the lease: whoever knows that may watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent(Arc<str>);

impl Agent {
    /// The agent of one view on a lease; `number` tells the views of a run apart, so that what is
    /// left of an earlier one is not taken for the present one.
    pub fn of_lease(lease: &LeaseId, number: u64) -> Self {
        let number = number.to_string();
        Self(format!("{AGENT_PREFIX}{}", digest(&["lease", &lease.0, &number])).into())
    }

    /// The agent that takes one picture; `number` tells the captures of a run apart.
    pub fn of_capture(instance: &str, number: u64) -> Self {
        let number = number.to_string();
        Self(format!("{AGENT_PREFIX}{}", digest(&["capture", instance, &number])).into())
    }

    /// The agent that reads a stream for its viewers; `number` tells the readers of a run apart, so
    /// that what is left of an earlier one is not taken for the present one.
    pub fn of_reader(stream: &StreamName, number: u64) -> Self {
        let number = number.to_string();
        Self(format!("{AGENT_PREFIX}{}", digest(&["reader", stream.as_str(), &number])).into())
    }

    /// Who keeps a stream's session open without viewers.
    pub fn of_kept(stream: &StreamName) -> Self {
        Self(format!("{AGENT_PREFIX}{}", digest(&["kept", stream.as_str()])).into())
    }

    /// The agent as text, fit for a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Sixteen hexadecimal digits that name these texts.
fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        // The length stands before each: "a" + "bc" is not "ab" + "c".
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let number = hash.finalize()[..OPAQUE_BYTES].iter().fold(0, |n, b| (n << 8) | u64::from(*b));
    format!("{number:016x}")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_opaque_distinct_and_read_back() {
        let camera = |name: &str| CameraName::parse(name).unwrap();
        let name = StreamName::of("inst", &camera("gate"), Quality::Sub);
        assert_eq!(StreamName::parse(name.as_str()), Some(name.clone()));
        assert!(!name.as_str().contains("gate") && !name.as_str().contains('/'));
        let others = [
            StreamName::of("inst", &camera("gate"), Quality::Main),
            StreamName::of("inst", &camera("gate2"), Quality::Sub),
            StreamName::of("other", &camera("gate"), Quality::Sub),
            StreamName::of("instg", &camera("ate"), Quality::Sub),
        ];
        assert!(!others.contains(&name));
        let still = StreamName::of_capture("run", 1);
        assert_eq!(StreamName::parse(still.as_str()), Some(still.clone()));
        assert_ne!(still, StreamName::of_capture("run", 2));
        for text in ["", "cam-001", "cs--sub", "cs-0123456789abcdeF-sub", "cs-0123456789abcdef-hd"]
        {
            assert_eq!(StreamName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_agent_does_not_tell_the_lease() {
        let lease = LeaseId("00112233445566778899aabbccddeeff".into());
        let agent = Agent::of_lease(&lease, 1);
        assert!(agent.as_str().starts_with("camserver/") && !agent.as_str().contains("0011223344"));
        assert_ne!(agent, Agent::of_capture("00112233445566778899aabbccddeeff", 1));
    }
}
