//! What a client of the relay must never be sent: where the camera is, and how to get in.
//!
//! The relay writes most of what a client sees itself. This is for the rest, which comes from the
//! camera: a line that holds one of these texts is left out whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::world::camera::request::Source;

/// Shortest password that is looked for: shorter ones occur in ordinary words.
const PASSWORD_BYTES_MIN: usize = 4;

/// Texts that stay on the camera's side.
pub(super) struct Hidden(Vec<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({} texts)", self.0.len())
    }
}

impl Hidden {
    /// Those of a source.
    pub(super) fn new(source: &Source) -> Self {
        let mut texts = vec![source.device.ip().to_string()];
        if let Some(host) = source.url.expose().host_str() {
            texts.push(host.trim_matches(['[', ']']).to_owned());
        }
        if let Some(login) = &source.login {
            let password = login.password.expose();
            if password.len() >= PASSWORD_BYTES_MIN {
                let encoded: String =
                    url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
                texts.push(encoded.replace('+', "%20"));
                texts.push(encoded);
                texts.push(password.to_owned());
            }
            texts.push(STANDARD.encode(format!("{}:{password}", login.user)));
        }
        for text in &mut texts {
            *text = text.to_lowercase();
        }
        texts.sort();
        texts.dedup();
        Self(texts)
    }

    /// Whether a text may be sent to a client.
    pub(super) fn lets_pass(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        !self.0.iter().any(|hidden| text.contains(hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testkit::source;
    use super::*;

    #[test]
    fn address_and_password_are_found_in_every_spelling() {
        let hidden = Hidden::new(&source("rtsp://Front-Door.local:8554/a", Some("p@ss WORD")));
        for text in [
            "o=- 1 1 IN IP4 10.0.0.5",
            "a=x:rtsp://FRONT-DOOR.local/",
            "u:p@ss word@",
            "p%40ss%20word",
            "P%40ss+word",
            "Basic YWRtaW46cEBzcyBXT1JE",
        ] {
            assert!(!hidden.lets_pass(text), "{text}");
        }
        assert!(hidden.lets_pass("a=rtpmap:96 H264/90000"));
        assert!(!format!("{hidden:?}").contains("p@ss"));
    }

    #[test]
    fn a_password_of_a_few_letters_does_not_hide_everything() {
        let hidden = Hidden::new(&source("rtsp://10.0.0.5/", Some("a")));
        assert!(hidden.lets_pass("a=recvonly"));
    }
}
