//! Secrets that cannot be printed, and the replacement of known secrets in any text.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

/// What stands in a text where a secret was.
pub const REDACTED: &str = "***";

/// Shortest value worth replacing: replacing shorter ones would mangle ordinary words.
const REDACT_BYTES_MIN: usize = 4;

/// A password or token. `Debug` shows `***`; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a value over.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Replaces every known secret in texts that leave the process.
///
/// Besides the value itself it knows the percent-encoded form, in which a password appears in a
/// URL.
#[derive(Clone, Default)]
pub struct Redactor {
    // One search for all of them at once: a thousand cameras may have a thousand passwords, and
    // every text that leaves is searched. `None` when there is nothing to replace.
    needles: Option<Arc<AhoCorasick>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} needles)", self.needles.as_ref().map_or(0, |n| n.patterns_len()))
    }
}

impl Redactor {
    /// Builds the list of what to replace.
    ///
    /// # Panics
    ///
    /// When the secrets are longer than 2 GiB in all; manifests are bounded far below that.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for secret in secrets {
            let plain = secret.expose();
            if plain.len() < REDACT_BYTES_MIN {
                continue;
            }
            needles.push(plain.to_owned());
            let encoded: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
            if encoded != plain {
                needles.push(encoded.replace('+', "%20"));
                needles.push(encoded);
            }
        }
        needles.sort();
        needles.dedup();
        if needles.is_empty() {
            return Self::default();
        }
        // Longest, so that a secret that contains another one is replaced whole.
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&needles);
        Self { needles: Some(Arc::new(search.expect("secrets are short and not too many"))) }
    }

    /// The text with `***` where a secret was.
    pub fn redact(&self, text: &str) -> String {
        let Some(needles) = &self.needles else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        needles.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(REDACTED);
            true
        });
        out
    }
}

/// The URL of a stream or picture. It shows itself without password and without query.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl(url::Url);

impl SourceUrl {
    /// Wraps a URL that the manifest has already checked.
    pub fn new(url: url::Url) -> Self {
        Self(url)
    }

    /// The whole URL, for the one place that opens it.
    pub fn expose(&self) -> &url::Url {
        &self.0
    }

    /// The port, also where it is the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.0.port_or_known_default().or(match self.0.scheme() {
            "rtsp" => Some(554),
            "rtsps" => Some(322),
            "rtmp" => Some(1935),
            _ => None,
        })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.0.scheme())?;
        if let Some(host) = self.0.host() {
            write!(f, "{host}")?;
        }
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_replaced_plain_and_encoded() {
        let redactor = Redactor::new([&Secret::new("p@ss word"), &Secret::new("p@ss word2")]);
        let text = redactor.redact("a p@ss word2 b rtsp://u:p%40ss%20word@h c p%40ss+word");
        assert_eq!(text, "a *** b rtsp://u:***@h c ***");
    }

    #[test]
    fn a_url_shows_neither_password_nor_query() {
        let url = SourceUrl::new("rtsp://u:pw@10.0.0.1:554/a?token=x".parse().unwrap());
        assert_eq!(format!("{url} {url:?}"), "rtsp://10.0.0.1:554/a rtsp://10.0.0.1:554/a");
    }
}
