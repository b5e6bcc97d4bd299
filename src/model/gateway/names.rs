//! The names under which this server has streams and consumers in go2rtc.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::lease::{LeaseId, Quality};
use crate::model::names::CameraName;

/// What every name of a camserver's begins with.
const PREFIX: &str = "cs-";
/// Digits of the part of a name that says whose it is.
const OWNER_DIGITS: usize = 8;
/// Digits of the part that tells streams of one owner apart.
const OPAQUE_DIGITS: usize = 16;
/// What every user agent of ours begins with.
const AGENT_PREFIX: &str = "camserver/";

/// The ends of names: what a stream is for.
const PURPOSES: [&str; 3] = ["-sub", "-main", STILL];
/// The end of the names of captures' streams.
const STILL: &str = "-still";

/// Whose streams are whose, in a go2rtc that several servers use.
///
/// It is made of the installation, so that a server knows what it left behind when it was killed,
/// and leaves alone what another one has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(Arc<str>);

/// The name of a stream of ours in go2rtc: `cs-01234567-0123456789abcdef-sub`.
///
/// It is opaque and has no slash, because go2rtc takes a source whose path is the name of a stream
/// for that stream, whatever the host (`internal/streams/streams.go`, `Patch`): a stream named
/// after a person's camera would sooner or later meet a path like `/stream1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl Owner {
    /// The owner of what an installation has in go2rtc.
    pub fn of(installation: &str) -> Self {
        Self(digest(&["owner", installation])[..OWNER_DIGITS].into())
    }

    /// The name of a camera's stream that was cut so often.
    pub fn stream(&self, camera: &CameraName, quality: Quality, cuts: u64) -> StreamName {
        let opaque = digest(&[&self.0, camera.as_str(), &cuts.to_string()]);
        StreamName(format!("{PREFIX}{}-{opaque}-{}", self.0, quality.as_str()).into())
    }

    /// The name of the stream that one capture opens, different for each: `number` tells the
    /// captures of a run apart.
    pub fn still(&self, instance: &str, number: u64) -> StreamName {
        let opaque = digest(&["still", instance, &number.to_string()]);
        StreamName(format!("{PREFIX}{}-{opaque}{STILL}", self.0).into())
    }

    /// The name in a text, when it is one of this owner's.
    pub fn parse(&self, text: &str) -> Option<StreamName> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix(&*self.0)?;
        rest.starts_with('-').then(|| StreamName::parse(text))?
    }
}

impl StreamName {
    /// The name in a text, when it has the form of those of a camserver, whichever.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let rest = PURPOSES.iter().find_map(|purpose| rest.strip_suffix(purpose))?;
        let (owner, opaque) = rest.split_once('-')?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let fits = |text: &str, digits| text.len() == digits && text.bytes().all(is_hex);
        let is_name = fits(owner, OWNER_DIGITS) && fits(opaque, OPAQUE_DIGITS);
        is_name.then(|| Self(text.into()))
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
    let bytes = &hash.finalize()[..OPAQUE_DIGITS / 2];
    let number = bytes.iter().fold(0, |n, b| (n << 8) | u64::from(*b));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_opaque_distinct_and_read_back() {
        let camera = |name: &str| CameraName::parse(name).unwrap();
        let (owner, other) = (Owner::of("inst"), Owner::of("instg"));
        let name = owner.stream(&camera("gate"), Quality::Sub, 0);
        assert_eq!(StreamName::parse(name.as_str()), Some(name.clone()));
        assert!(!name.as_str().contains("gate") && !name.as_str().contains('/'));
        let others = [
            owner.stream(&camera("gate"), Quality::Main, 0),
            owner.stream(&camera("gate"), Quality::Sub, 1),
            owner.stream(&camera("gate2"), Quality::Sub, 0),
            other.stream(&camera("gate"), Quality::Sub, 0),
            other.stream(&camera("ate"), Quality::Sub, 0),
        ];
        assert!(!others.contains(&name));
        let still = owner.still("run", 1);
        assert_eq!(StreamName::parse(still.as_str()), Some(still.clone()));
        assert_ne!(still, owner.still("run", 2));
        for text in [
            "",
            "cam-001",
            "cs--sub",
            "cs-0123456789abcdef-sub",
            "cs-01234567-0123456789abcdeF-sub",
            "cs-01234567-0123456789abcdef-hd",
            "cs-0123456-0123456789abcdef-sub",
        ] {
            assert_eq!(StreamName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn another_owners_names_are_known_as_such() {
        let camera = CameraName::parse("gate").unwrap();
        let (owner, other) = (Owner::of("inst"), Owner::of("other"));
        for name in [owner.stream(&camera, Quality::Sub, 3), owner.still("run", 1)] {
            assert_eq!(owner.parse(name.as_str()), Some(name.clone()));
            assert_eq!(other.parse(name.as_str()), None);
            assert!(StreamName::parse(name.as_str()).is_some());
        }
        assert_eq!(owner.parse("front-door"), None);
    }

    #[test]
    fn an_agent_does_not_tell_the_lease() {
        let lease = LeaseId("00112233445566778899aabbccddeeff".into());
        let agent = Agent::of_lease(&lease, 1);
        assert!(agent.as_str().starts_with("camserver/") && !agent.as_str().contains("0011223344"));
        assert_ne!(agent, Agent::of_capture("00112233445566778899aabbccddeeff", 1));
    }
}
