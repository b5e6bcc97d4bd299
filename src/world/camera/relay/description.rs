//! The session description as a client of the relay sees it: the camera's media, and not a word of
//! where the camera is.
//!
//! Control addresses become addresses of the relay with a number for each track, and the camera's
//! own are kept to be put back into requests. Which codecs there are is not its business.

use url::Url;

use super::hidden::Hidden;
use crate::world::camera::fault::Fault;
use crate::world::camera::rtsp::sdp::{SdpError, resolve};

/// Most tracks of one description.
const TRACKS_MAX: usize = 16;
/// Longest control address, in bytes: it becomes part of a request.
const CONTROL_BYTES_MAX: usize = 4096;

/// A camera's description, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// What the client is sent.
    pub(super) text: String,
    /// The camera's address of the whole session.
    pub(super) aggregate: String,
    /// The camera's addresses of the tracks, by number.
    pub(super) tracks: Vec<String>,
}

/// The address of a track, `own` being that of the grant.
pub(super) fn track_uri(own: &str, number: usize) -> String {
    format!("{own}/track{number}")
}

/// Rewrites a description. `base` is the URL that relative control addresses belong to.
pub(super) fn rewrite(
    text: &str,
    base: &Url,
    own: &str,
    hidden: &Hidden,
) -> Result<Described, Fault> {
    let mut rewriting = Rewriting {
        base,
        own,
        // Of the lines before the media, those that must be there say nothing.
        text: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=stream\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n".into(),
        control: None,
        aggregate: None,
        tracks: Vec::new(),
    };
    for line in text.lines().map(str::trim) {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match kind {
            "m" => {
                rewriting.end_section()?;
                if !hidden.lets_pass(value) || rewriting.tracks.len() == TRACKS_MAX {
                    return Err(Fault::Answer("the camera describes media that make no sense"));
                }
                rewriting.line(line);
            }
            "a" => match value.strip_prefix("control:") {
                Some(control) => rewriting.control = Some(control.trim().to_owned()),
                None if hidden.lets_pass(value) => rewriting.line(line),
                None => {}
            },
            "b" if rewriting.aggregate.is_some() && hidden.lets_pass(value) => rewriting.line(line),
            _ => {}
        }
    }
    rewriting.end_section()?;
    match rewriting {
        Rewriting { text, aggregate: Some(aggregate), tracks, .. } if !tracks.is_empty() => {
            Ok(Described { text, aggregate, tracks })
        }
        Rewriting { .. } => Err(SdpError::Empty.into()),
    }
}

/// A description half-way.
struct Rewriting<'a> {
    base: &'a Url,
    own: &'a str,
    text: String,
    // Of the section that is being read.
    control: Option<String>,
    // Known once the first section has ended; from then on sections are tracks.
    aggregate: Option<String>,
    tracks: Vec<String>,
}

impl Rewriting<'_> {
    fn line(&mut self, line: &str) {
        self.text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.text.push_str("\r\n");
    }

    fn end_section(&mut self) -> Result<(), Fault> {
        let control = self.control.take();
        let address = resolve(self.base, control.as_deref().unwrap_or("*"));
        if address.len() > CONTROL_BYTES_MAX {
            return Err(Fault::Answer("the camera gives a track an address that is too long"));
        }
        // A request line has no room for spaces, and none for what could end it.
        let address = address.replace(|c: char| c.is_whitespace() || c.is_control(), "%20");
        if self.aggregate.is_none() {
            self.aggregate = Some(address);
            self.line("a=control:*");
        } else {
            let own = track_uri(self.own, self.tracks.len());
            self.line(&format!("a=control:{own}"));
            self.tracks.push(address);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testkit::source;
    use super::*;

    const OWN: &str = "rtsp://127.0.0.1:9/0123";

    fn of(text: &str) -> Result<Described, Fault> {
        let source = source("rtsp://10.0.0.5/s?key=1", Some("swordfish"));
        let base = source.request_url().unwrap();
        rewrite(text, &base, OWN, &Hidden::new(&source))
    }

    #[test]
    fn tracks_are_numbered_and_their_addresses_kept() {
        let text = "v=0\r\no=- 9 9 IN IP4 10.0.0.5\r\ns=swordfish\r\nu=http://10.0.0.5/\r\n\
            c=IN IP4 10.0.0.5\r\na=control:*\r\na=range:npt=0-\r\n\
            m=video 0 RTP/AVP 96\r\nc=IN IP4 10.0.0.5\r\na=rtpmap:96 H264/90000\r\n\
            a=control:trackID=1\r\na=rtcp:5 IN IP4 10.0.0.5\r\n\
            m=audio 0 RTP/AVP 0\r\na=control:rtsp://10.0.0.5/s/a b\r\n\
            m=application 0 RTP/AVP 107\r\n";
        let described = of(text).unwrap();
        assert_eq!(described.aggregate, "rtsp://10.0.0.5/s?key=1");
        let tracks = ["rtsp://10.0.0.5/s?key=1/trackID=1", "rtsp://10.0.0.5/s/a%20b"];
        assert_eq!(described.tracks[..2], tracks);
        assert_eq!(described.tracks[2], described.aggregate);
        let (session, media) = described.text.split_once("m=").unwrap();
        assert!(session.contains("\r\na=range:npt=0-\r\n") && session.ends_with("a=control:*\r\n"));
        assert_eq!(
            media,
            "video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=control:rtsp://127.0.0.1:9/0123/track0\r\n\
             m=audio 0 RTP/AVP 0\r\na=control:rtsp://127.0.0.1:9/0123/track1\r\n\
             m=application 0 RTP/AVP 107\r\na=control:rtsp://127.0.0.1:9/0123/track2\r\n"
        );
    }

    #[test]
    fn what_describes_nothing_or_too_much_is_refused() {
        assert!(matches!(of("v=0\r\ns=x\r\n"), Err(Fault::Sdp(SdpError::Empty))));
        assert!(of(&"m=video 0 RTP/AVP 96\r\n".repeat(TRACKS_MAX)).is_ok());
        assert!(of(&"m=video 0 RTP/AVP 96\r\n".repeat(TRACKS_MAX + 1)).is_err());
        assert!(of(&format!("m=video 0 x 1\na=control:{}\n", "a".repeat(5000))).is_err());
    }

    proptest! {
        #[test]
        fn no_description_whatever_names_the_camera(
            lines in prop::collection::vec(
                "(m=|a=control:|a=|o=|c=|u=|b=|x)[ -~]{0,20}(10\\.0\\.0\\.5|SwordFish|)[ -~\\pC]{0,20}",
                0..40,
            ),
        ) {
            if let Ok(described) = of(&lines.join("\n")) {
                let text = described.text.to_lowercase();
                prop_assert!(!text.contains("10.0.0.5") && !text.contains("swordfish"), "{text}");
                prop_assert_eq!(text.matches("\r\nm=").count(), described.tracks.len());
                prop_assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
                for track in described.tracks.iter().chain([&described.aggregate]) {
                    prop_assert!(!track.contains([' ', '\r', '\n']));
                }
            }
        }
    }
}
