//! Basic and digest authentication as cameras do it: MD5, no quality of protection asked for, but
//! accepted. Nonces expire (`stale=true`). It compares, it does not log.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::message::Request;

const REALM: &str = "camsim";

/// What a camera asks of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Nothing.
    None,
    /// Name and password in the clear.
    Basic,
    /// A hash over a nonce.
    Digest,
}

/// The result of looking at a request's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, or none needed.
    Passed,
    /// None, or wrong ones.
    Denied,
    /// Right, but for a nonce that has expired.
    Stale,
}

/// Checks the credentials of one camera's clients.
#[derive(Debug)]
pub(crate) struct Authenticator {
    scheme: Scheme,
    username: String,
    password: String,
    nonce_lifetime: Duration,
    secret: [u8; 16],
}

impl Authenticator {
    /// A checker with a secret of its own, so that no camera takes another's nonce.
    pub(crate) fn new(
        scheme: Scheme,
        username: &str,
        password: &str,
        nonce_lifetime: Duration,
    ) -> Self {
        Self {
            scheme,
            username: username.to_owned(),
            password: password.to_owned(),
            nonce_lifetime,
            secret: rand::random(),
        }
    }

    /// The value of `WWW-Authenticate`; a camera without authentication that pretends to be full
    /// by a 401 asks for basic.
    pub(crate) fn challenge(&self, stale: bool, now_millis: u64) -> String {
        match self.scheme {
            Scheme::None | Scheme::Basic => format!("Basic realm=\"{REALM}\""),
            Scheme::Digest => {
                let stale = if stale { ", stale=true" } else { "" };
                let nonce = self.nonce(now_millis);
                format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5{stale}")
            }
        }
    }

    /// Looks at a request.
    pub(crate) fn check(&self, request: &Request, now_millis: u64) -> Verdict {
        let header = request.header("authorization").unwrap_or_default();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        match self.scheme {
            Scheme::None => Verdict::Passed,
            Scheme::Basic if scheme.eq_ignore_ascii_case("basic") => self.check_basic(rest.trim()),
            Scheme::Digest if scheme.eq_ignore_ascii_case("digest") => {
                self.check_digest(&request.method, rest, now_millis)
            }
            Scheme::Basic | Scheme::Digest => Verdict::Denied,
        }
    }

    fn check_basic(&self, encoded: &str) -> Verdict {
        let expected = format!("{}:{}", self.username, self.password);
        match base64::engine::general_purpose::STANDARD.decode(encoded) {
            Ok(given) if given == expected.as_bytes() => Verdict::Passed,
            Ok(_) | Err(_) => Verdict::Denied,
        }
    }

    fn check_digest(&self, method: &str, fields: &str, now_millis: u64) -> Verdict {
        let field = |name| digest_field(fields, name).unwrap_or_default();
        if field("username") != self.username || field("realm") != REALM {
            return Verdict::Denied;
        }
        let nonce = field("nonce");
        let first = md5_hex(&format!("{}:{REALM}:{}", self.username, self.password));
        let second = md5_hex(&format!("{method}:{}", field("uri")));
        let expected = match field("qop") {
            "" => md5_hex(&format!("{first}:{nonce}:{second}")),
            quality => {
                let (count, client) = (field("nc"), field("cnonce"));
                md5_hex(&format!("{first}:{nonce}:{count}:{client}:{quality}:{second}"))
            }
        };
        if !expected.eq_ignore_ascii_case(field("response")) {
            return Verdict::Denied;
        }
        let issued = nonce.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        match issued {
            Some(issued) if self.nonce(issued) == nonce => {
                let age = Duration::from_millis(now_millis.saturating_sub(issued));
                if age <= self.nonce_lifetime { Verdict::Passed } else { Verdict::Stale }
            }
            Some(_) | None => Verdict::Stale,
        }
    }

    fn nonce(&self, issued_millis: u64) -> String {
        let mut hash = Md5::new();
        hash.update(self.secret);
        hash.update(issued_millis.to_be_bytes());
        format!("{issued_millis:016x}{}", hex(&hash.finalize()))
    }
}

/// A field of a digest header, without its quotes.
fn digest_field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = fields;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.split_once(',').map_or("", |(_, next)| next))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = next;
    }
    None
}

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::message::{Incoming, take};
    use super::*;

    fn request(authorization: &str) -> Request {
        let text =
            format!("DESCRIBE rtsp://h/sub RTSP/1.0\r\nAuthorization: {authorization}\r\n\r\n");
        match take(&mut BytesMut::from(text.as_bytes())) {
            Ok(Some(Incoming::Request(request))) => request,
            other => panic!("{other:?}"),
        }
    }

    fn checker(scheme: Scheme) -> Authenticator {
        Authenticator::new(scheme, "admin", "camsim", Duration::from_mins(1))
    }

    fn answer(checker: &Authenticator, password: &str, now: u64) -> Request {
        let challenge = checker.challenge(false, now);
        let nonce = digest_field(challenge.strip_prefix("Digest ").unwrap(), "nonce").unwrap();
        let first = md5_hex(&format!("admin:{REALM}:{password}"));
        let second = md5_hex("DESCRIBE:rtsp://h/sub");
        let response = md5_hex(&format!("{first}:{nonce}:{second}"));
        request(&format!(
            "Digest username=\"admin\", realm=\"{REALM}\", nonce=\"{nonce}\", \
             uri=\"rtsp://h/sub\", response=\"{response}\""
        ))
    }

    #[test]
    fn basic_takes_the_right_password_only() {
        let checker = checker(Scheme::Basic);
        assert_eq!(checker.check(&request("Basic YWRtaW46Y2Ftc2lt"), 0), Verdict::Passed);
        assert_eq!(checker.check(&request("Basic YWRtaW46d3Jvbmc="), 0), Verdict::Denied);
        assert_eq!(checker.check(&request(""), 0), Verdict::Denied);
    }

    #[test]
    fn digest_takes_the_right_password_while_its_nonce_is_young() {
        let checker = checker(Scheme::Digest);
        let right = answer(&checker, "camsim", 1_000);
        assert_eq!(checker.check(&right, 2_000), Verdict::Passed);
        assert_eq!(checker.check(&right, 62_000), Verdict::Stale);
        assert_eq!(checker.check(&answer(&checker, "wrong", 1_000), 2_000), Verdict::Denied);
    }

    #[test]
    fn nonce_of_another_camera_is_stale() {
        let foreign = answer(&checker(Scheme::Digest), "camsim", 1_000);
        assert_eq!(checker(Scheme::Digest).check(&foreign, 1_000), Verdict::Stale);
    }
}
