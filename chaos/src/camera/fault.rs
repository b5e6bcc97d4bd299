//! What can be made to go wrong with a camera: the stage of a session, the kind of fault, and which
//! pairs make sense. Carrying a fault out is the business of `connection` and `stream`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where in a session a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// At the connection, before any request. New connections only; the HTTP port too.
    Accept,
    /// The answer to OPTIONS.
    Options,
    /// The answer to DESCRIBE.
    Describe,
    /// The answer to SETUP.
    Setup,
    /// The answer to PLAY.
    Play,
    /// The pictures, also those of running sessions.
    Stream,
    /// The answer to TEARDOWN.
    Teardown,
    /// The answer to a request on the HTTP port.
    Http,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The socket stays, nothing comes until the fault ends.
    Hang,
    /// The connection ends with RST.
    Reset,
    /// The connection ends with FIN.
    Close,
    /// Nothing listens.
    Refuse,
    /// Everything comes `ms` later.
    Delay,
    /// Random bytes come instead.
    Garbage,
    /// What comes never ends; see [`Endless`].
    Endless,
    /// What comes, comes byte by byte, one each `ms`.
    Crawl,
    /// The answer is the status `code`.
    Error,
    /// A key picture that is due comes `ms` later.
    IdrLate,
    /// No key picture comes.
    IdrNever,
    /// Key pictures are truncated and have wrong bits.
    IdrCorrupt,
    /// The parameter sets announce 20000x20000 pixels.
    HugeSps,
}

/// What never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endless {
    /// Header lines.
    Headers,
    /// A body that is announced as 1 GiB and keeps coming.
    Body,
    /// A body that is announced as 1 GiB and does not come.
    Length,
}

/// A fault of one camera, as the control API takes and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Where it strikes.
    pub stage: Stage,
    /// What happens.
    pub kind: Kind,
    /// With `error`: the status, 100-999; 500 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// With `delay`, `crawl`, `idr-late`: milliseconds; 3000, 100, 5000 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// With `endless` in place of an answer: what is endless. DESCRIBE and HTTP: `body` unless
    /// given, else `headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Endless>,
}

/// The longest delay that a fault may ask for, in milliseconds.
const MAX_MS: u64 = 3_600_000;

/// Why a fault is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    /// The kind cannot happen at that stage.
    #[error("no fault \"{kind}\" at stage \"{stage}\"; valid there: {valid}")]
    Pair {
        /// The stage.
        stage: String,
        /// The kind.
        kind: String,
        /// The kinds that can happen there.
        valid: String,
    },
    /// The status cannot be sent.
    #[error("code {0} is no status from 100 to 999")]
    Code(u16),
    /// The time is too long.
    #[error("{0} ms is more than an hour")]
    Ms(u64),
}

impl Stage {
    /// The kinds of fault that can happen at this stage.
    pub fn kinds(self) -> &'static [Kind] {
        use Kind::{
            Close, Crawl, Delay, Endless, Error, Garbage, Hang, HugeSps, IdrCorrupt, IdrLate,
            IdrNever, Refuse, Reset,
        };
        match self {
            Self::Accept => &[Hang, Reset, Close, Refuse, Delay, Garbage, Endless, Crawl, Error],
            Self::Describe => &[Hang, Reset, Close, Delay, Garbage, Endless, Crawl, Error, HugeSps],
            Self::Options | Self::Setup | Self::Play | Self::Teardown | Self::Http => {
                &[Hang, Reset, Close, Delay, Garbage, Endless, Crawl, Error]
            }
            Self::Stream => &[
                Hang, Reset, Close, Delay, Garbage, Endless, Crawl, IdrLate, IdrNever, IdrCorrupt,
                HugeSps,
            ],
        }
    }
}

impl Fault {
    /// Refuses pairs and numbers that make no sense.
    pub fn check(&self) -> Result<(), FaultError> {
        if !self.stage.kinds().contains(&self.kind) {
            let valid: Vec<String> = self.stage.kinds().iter().map(word).collect();
            return Err(FaultError::Pair {
                stage: word(&self.stage),
                kind: word(&self.kind),
                valid: valid.join(", "),
            });
        }
        match (self.code, self.ms) {
            (Some(code), _) if !(100..=999).contains(&code) => Err(FaultError::Code(code)),
            (_, Some(ms)) if ms > MAX_MS => Err(FaultError::Ms(ms)),
            _ => Ok(()),
        }
    }

    /// The status of `error`.
    pub(crate) fn status(&self) -> u16 {
        self.code.unwrap_or(500)
    }

    /// The time of the kind.
    pub(crate) fn time(&self) -> Duration {
        let usual = match self.kind {
            Kind::Crawl => 100,
            Kind::IdrLate => 5_000,
            Kind::Hang
            | Kind::Reset
            | Kind::Close
            | Kind::Refuse
            | Kind::Delay
            | Kind::Garbage
            | Kind::Endless
            | Kind::Error
            | Kind::IdrNever
            | Kind::IdrCorrupt
            | Kind::HugeSps => 3_000,
        };
        Duration::from_millis(self.ms.unwrap_or(usual))
    }

    /// What is endless in place of an answer.
    pub(crate) fn endless(&self) -> Endless {
        self.variant.unwrap_or(match self.stage {
            Stage::Describe | Stage::Http => Endless::Body,
            Stage::Accept
            | Stage::Options
            | Stage::Setup
            | Stage::Play
            | Stage::Stream
            | Stage::Teardown => Endless::Headers,
        })
    }
}

fn word(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Fault {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unknown_pair_names_the_valid_kinds() {
        let fault = parse(r#"{"stage": "setup", "kind": "idr-late"}"#);
        let text = fault.check().unwrap_err().to_string();
        assert!(text.contains("\"idr-late\" at stage \"setup\""), "{text}");
        assert!(text.contains("hang, reset, close"), "{text}");
    }

    #[test]
    fn describe_is_endless_in_its_body_unless_told_otherwise() {
        let fault = parse(r#"{"stage": "describe", "kind": "endless"}"#);
        assert_eq!(fault.endless(), Endless::Body);
        let fault = parse(r#"{"stage": "describe", "kind": "endless", "variant": "headers"}"#);
        assert_eq!(fault.endless(), Endless::Headers);
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let fault = parse(r#"{"stage": "play", "kind": "error", "code": 7}"#);
        assert_eq!(fault.check(), Err(FaultError::Code(7)));
    }
}
