//! The arguments and the playlist of one run.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use url::Url;

use crate::model::secret::Secret;

/// Where ffmpeg finds the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The relay's address of an RTSP stream: no credentials.
    Relay(String),
    /// What ffmpeg opens by itself.
    Direct {
        /// The camera's URL.
        url: Url,
        /// User name and password.
        login: Option<(String, Secret)>,
    },
}

/// One run that yields one JPEG on standard output.
#[derive(Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Arguments; no secret among them.
    pub arguments: Vec<OsString>,
    /// Standard input: the playlist.
    pub playlist: Vec<u8>,
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

/// Protocols that a source may use; everything else that ffmpeg can open, files and devices above
/// all, is shut off, also for what a camera redirects to.
const PROTOCOLS: &str = "pipe,tcp,udp,rtp,rtsp,tls,http,https,httpproxy,rtmp,rtmps,rtmpt,crypto";

/// How long ffmpeg listens to a container before it says what is in it, microseconds. RTSP tells
/// beforehand.
const ANALYZE_MICROSECONDS: u32 = 2_000_000;

impl Invocation {
    /// Asks for the first key picture, at JPEG quality 3 of 31, one decoding thread.
    ///
    /// `silence` is how long the source may say nothing.
    pub fn picture(input: &Input, silence: Duration) -> Self {
        let arguments = [
            &["-hide_banner", "-nostdin", "-loglevel", "error"][..],
            &["-protocol_whitelist", PROTOCOLS, "-f", "concat", "-safe", "0"],
            &["-analyzeduration", "0", "-threads", "1", "-skip_frame", "nokey", "-i", "pipe:0"],
            &["-map", "0:v:0", "-an", "-sn", "-dn", "-frames:v", "1"],
            &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "image2pipe", "pipe:1"],
        ];
        Self {
            arguments: arguments.concat().into_iter().map(OsString::from).collect(),
            playlist: playlist(input, silence).into_bytes(),
        }
    }
}

fn playlist(input: &Input, silence: Duration) -> String {
    let (address, is_rtsp) = match input {
        Input::Relay(address) => (address.clone(), true),
        Input::Direct { url, login } => {
            (with_login(url, login.as_ref()), matches!(url.scheme(), "rtsp" | "rtsps"))
        }
    };
    // A quotation mark would end the name; a URL never needs one as such.
    let mut text = format!("ffconcat version 1.0\nfile '{}'\n", address.replace('\'', "%27"));
    let microseconds = silence.as_micros();
    let mut option = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        writeln!(text, "option {name} {value}").ok();
    };
    if is_rtsp {
        option("rtsp_transport", &"tcp");
        option("timeout", &microseconds);
        option("analyzeduration", &0);
        option("probesize", &32);
    } else {
        option("rw_timeout", &microseconds);
        option("analyzeduration", &ANALYZE_MICROSECONDS);
    }
    text
}

/// Puts user name and password into the URL, every unusual character encoded: the same form that
/// the redactor knows.
fn with_login(url: &Url, login: Option<&(String, Secret)>) -> String {
    let Some((user, password)) = login else { return url.as_str().to_owned() };
    let mut bare = url.clone();
    // Cannot fail for a URL with a host, which manifests make sure of.
    if bare.set_username("").and_then(|()| bare.set_password(None)).is_err() {
        return url.as_str().to_owned();
    }
    let (scheme, rest) = bare.as_str().split_once("://").unwrap_or(("", bare.as_str()));
    format!("{scheme}://{}:{}@{rest}", encode(user), encode(password.expose()))
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(url: &str, password: &str) -> Invocation {
        let login = Some(("ad'min".to_owned(), Secret::new(password)));
        let input = Input::Direct { url: url.parse().unwrap(), login };
        Invocation::picture(&input, Duration::from_secs(5))
    }

    #[test]
    fn neither_address_nor_password_is_an_argument() {
        let run = direct("rtsps://10.0.0.9:322/live?x=1", "p@ss 'w\n");
        let arguments = format!("{run:?}");
        assert!(!arguments.contains("10.0.0.9") && !arguments.contains("p@ss"), "{arguments}");
        let playlist = String::from_utf8(run.playlist).unwrap();
        assert_eq!(
            playlist.lines().nth(1),
            Some("file 'rtsps://ad%27min:p%40ss%20%27w%0A@10.0.0.9:322/live?x=1'")
        );
    }

    #[test]
    fn what_stands_in_the_url_already_is_replaced() {
        let run = direct("http://other:old@10.0.0.9/a@b", "new");
        let playlist = String::from_utf8(run.playlist).unwrap();
        assert_eq!(playlist.lines().nth(1), Some("file 'http://ad%27min:new@10.0.0.9/a@b'"));
        assert!(playlist.contains("option rw_timeout 5000000"));
    }

    #[test]
    fn a_url_cannot_add_a_line_to_the_playlist() {
        let input = Input::Relay("rtsp://127.0.0.1:9/a'b%0Afile%20x".to_owned());
        let run = Invocation::picture(&input, Duration::from_secs(1));
        let playlist = String::from_utf8(run.playlist).unwrap();
        assert_eq!(playlist.lines().filter(|line| line.starts_with("file")).count(), 1);
        assert!(playlist.contains("a%27b%0Afile%20x'"), "{playlist}");
    }
}
