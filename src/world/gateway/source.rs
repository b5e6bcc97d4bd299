//! The URL under which go2rtc reaches a camera.
//!
//! Without any option go2rtc asks for a back channel first, and where the camera refuses that it
//! dials again and forgets the first socket: it stays until Go's garbage collector finds it, up to
//! two minutes. So the options are always appended.

use std::fmt;

use url::Url;

use super::error::GatewayError;
use crate::model::gateway::StreamName;

/// No back channel (see above), video only (a viewer who wanted a further track would make go2rtc
/// reconnect for all), ten seconds for dialling and reading.
const OPTIONS: &str = "#backchannel=0#media=video#timeout=10";
/// Schemes that go2rtc dials itself. Others may run a program or name another stream.
const SCHEMES: [&str; 3] = ["rtsp", "rtsps", "rtspx"];

/// A source as go2rtc is given it. It may hold a relay grant or, for an external gateway, a
/// password, so it shows only its host.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewaySource {
    text: String,
    // The same with user and password as go2rtc masks them (`pkg/creds`).
    masked: String,
    host: String,
}

impl GatewaySource {
    /// From the URL of a grant or of a camera.
    ///
    /// Refuses what go2rtc would take for anything else than a camera: another scheme, a fragment
    /// of its own, and a path that is the name of a stream of ours.
    pub fn new(url: &Url) -> Result<Self, GatewayError> {
        let is_plain = SCHEMES.contains(&url.scheme()) && url.fragment().is_none();
        let Some(host) = url.host_str().filter(|_| is_plain) else {
            return Err(GatewayError::Nonsense("not a plain RTSP URL".into()));
        };
        // go2rtc compares names with the decoded path, an `url` has it encoded; names of ours have
        // no character that is ever encoded, but what is encoded may decode to one.
        let path = percent_decoded(url.path().trim_start_matches('/'));
        if StreamName::parse(&path).is_some() {
            return Err(GatewayError::Alias);
        }
        let text = format!("{url}{OPTIONS}");
        let is_open = url.username().is_empty() && url.password().is_none();
        let masked = match text.split_once('@') {
            Some((_, after)) if !is_open => format!("{}://***@{after}", url.scheme()),
            Some(_) | None => text.clone(),
        };
        Ok(Self { text, masked, host: host.to_owned() })
    }

    /// The whole text, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.text
    }

    /// Whether what go2rtc shows is this source: it shows the URL with masked credentials, with
    /// the options while idle and without them while it has a session.
    pub(super) fn matches(&self, shown: &str) -> bool {
        let plain = |text: &str| text.split('#').next().unwrap_or_default().to_owned();
        [&self.text, &self.masked].iter().any(|known| plain(known) == plain(shown))
    }

    /// The path that go2rtc compares with the names of its streams.
    pub(super) fn aliases(&self, name: &str) -> bool {
        let Ok(url) = self.text.parse::<Url>() else { return false };
        percent_decoded(url.path().trim_start_matches('/')) == name || self.text == name
    }
}

impl fmt::Debug for GatewaySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatewaySource({})", self.host)
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'%').then(|| bytes.clone().take(2).collect::<Vec<u8>>());
        let decoded = escaped
            .and_then(|digits| String::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(&digits, 16).ok());
        match decoded {
            Some(decoded) => {
                out.push(decoded);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> Result<GatewaySource, GatewayError> {
        GatewaySource::new(&url.parse().unwrap())
    }

    #[test]
    fn options_are_always_there_and_nothing_is_shown() {
        let source = source("rtsp://u:p@10.0.0.1/s?token=1").unwrap();
        let expected = "rtsp://u:p@10.0.0.1/s?token=1#backchannel=0#media=video#timeout=10";
        assert_eq!(source.expose(), expected);
        assert_eq!(format!("{source:?}"), "GatewaySource(10.0.0.1)");
        assert!(source.matches("rtsp://***@10.0.0.1/s?token=1"));
        assert!(
            source.matches("rtsp://***@10.0.0.1/s?token=1#backchannel=0#media=video#timeout=10")
        );
        assert!(!source.matches("rtsp://***@10.0.0.1/other"));
    }

    #[test]
    fn what_go2rtc_would_take_for_something_else_is_refused() {
        for url in ["exec:ffmpeg", "http://h/x", "rtsp://h/x#exec=1", "ffmpeg:x", "echo:y"] {
            assert!(matches!(source(url), Err(GatewayError::Nonsense(_))), "{url}");
        }
        for url in [
            "rtsp://h/cs-01234567-0123456789abcdef-sub",
            "rtsp://h/c%73-01234567-0123456789abcdef-sub",
        ] {
            assert!(matches!(source(url), Err(GatewayError::Alias)), "{url}");
        }
        let plain = source("rtsp://h/cam%31").unwrap();
        assert!(plain.aliases("cam1") && !plain.aliases("cam"));
    }
}
