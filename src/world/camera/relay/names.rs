//! The two names of everything: the relay's own for the client, the camera's for the camera.
//!
//! A client is only told the grant's address and numbers of tracks, so that what it asks for is
//! looked up, never pieced together from what it says.

use url::Url;

use super::description::{Described, track_uri};

/// Both names of one session.
pub(super) struct Names {
    /// The grant's address, as clients know it.
    own: String,
    /// What the camera is asked to describe.
    source: Url,
    described: Option<Described>,
}

impl Names {
    /// Before the camera has described anything. `own` is the grant's address without a slash at
    /// its end.
    pub(super) fn new(own: String, source: Url) -> Self {
        Self { own, source, described: None }
    }

    /// The grant's address.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// What the camera is asked to describe.
    pub(super) fn source(&self) -> &Url {
        &self.source
    }

    /// Takes the camera's names over.
    pub(super) fn describe(&mut self, described: Described) {
        self.described = Some(described);
    }

    /// The camera's name of the whole session.
    pub(super) fn aggregate(&self) -> &str {
        self.described.as_ref().map_or(self.source.as_str(), |described| &described.aggregate)
    }

    /// Whether the camera has described what there is.
    pub(super) fn is_described(&self) -> bool {
        self.described.is_some()
    }

    /// The camera's name for what a client asks for; `None` when it asks for something else.
    pub(super) fn camera_uri(&self, uri: &str) -> Option<&str> {
        let own_token = self.own.rsplit('/').next()?;
        let (token, rest) = split(uri)?;
        if token != own_token {
            return None;
        }
        match rest.trim_end_matches('/') {
            "" => Some(self.aggregate()),
            rest => {
                let number: usize = rest.strip_prefix("track")?.parse().ok()?;
                self.described.as_ref()?.tracks.get(number).map(|track| &**track)
            }
        }
    }

    /// A camera's `RTP-Info` with the relay's addresses. Entries for what the client does not know
    /// are left out.
    pub(super) fn rtp_info(&self, value: &str) -> String {
        let entries = value.split(',').filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let url = parts.next()?.strip_prefix("url=")?;
            let own = format!("url={}", self.own_uri(url.trim_matches('"'))?);
            let numbers = parts.filter_map(|part| {
                let (key, number) = part.split_once('=')?;
                let number: u32 = number.parse().ok()?;
                matches!(key, "seq" | "rtptime").then(|| format!("{key}={number}"))
            });
            Some(std::iter::once(own).chain(numbers).collect::<Vec<_>>().join(";"))
        });
        entries.collect::<Vec<_>>().join(",")
    }

    /// The relay's name for a camera's track, which it may shorten or spell otherwise.
    fn own_uri(&self, camera: &str) -> Option<String> {
        let tracks = &self.described.as_ref()?.tracks;
        let exact = tracks.iter().position(|track| track == camera);
        let last = |uri: &str| uri.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
        let similar = || {
            let name = last(camera).filter(|name| !name.is_empty());
            tracks.iter().position(|track| name.is_some() && last(track) == name)
        };
        let only = || (tracks.len() == 1).then_some(0);
        let number = exact.or_else(similar).or_else(only)?;
        Some(track_uri(&self.own, number))
    }
}

/// Token and rest of the address that a client names, whatever it takes this host to be called.
pub(super) fn split(uri: &str) -> Option<(&str, &str)> {
    let after_scheme = uri.strip_prefix("rtsp://").or_else(|| uri.strip_prefix("RTSP://"))?;
    let (_, path) = after_scheme.split_once('/')?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (token, rest) = path.split_once('/').unwrap_or((path, ""));
    (!token.is_empty()).then_some((token, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Names {
        let source: Url = "rtsp://10.0.0.5:554/s?key=1".parse().unwrap();
        let mut names = Names::new("rtsp://127.0.0.1:9/0123".into(), source);
        names.describe(Described {
            text: String::new(),
            aggregate: "rtsp://10.0.0.5/s/".into(),
            tracks: vec!["rtsp://10.0.0.5/s/trackID=0".into(), "rtsp://10.0.0.5/s/a".into()],
        });
        names
    }

    #[test]
    fn what_a_client_names_is_looked_up() {
        let names = names();
        for (uri, camera) in [
            ("rtsp://127.0.0.1:9/0123", Some("rtsp://10.0.0.5/s/")),
            ("rtsp://localhost:9/0123/?x=y", Some("rtsp://10.0.0.5/s/")),
            ("rtsp://127.0.0.1:9/0123/track1", Some("rtsp://10.0.0.5/s/a")),
            ("rtsp://127.0.0.1:9/0123/track0/", Some("rtsp://10.0.0.5/s/trackID=0")),
            ("rtsp://127.0.0.1:9/0123/track2", None),
            ("rtsp://127.0.0.1:9/0123/../track1", None),
            ("rtsp://127.0.0.1:9/0124", None),
            ("rtsp://10.0.0.9/s", None),
            ("http://127.0.0.1:9/0123", None),
            ("*", None),
        ] {
            assert_eq!(names.camera_uri(uri), camera, "{uri}");
        }
    }

    #[test]
    fn before_a_description_there_is_only_the_source() {
        let source: Url = "rtsp://10.0.0.5/s".parse().unwrap();
        let names = Names::new("rtsp://127.0.0.1:9/0123".into(), source);
        assert_eq!(names.camera_uri("rtsp://127.0.0.1:9/0123/"), Some("rtsp://10.0.0.5/s"));
        assert_eq!(names.camera_uri("rtsp://127.0.0.1:9/0123/track0"), None);
    }

    #[test]
    fn rtp_info_is_mapped_however_the_camera_spells_its_tracks() {
        let value = "url=rtsp://10.0.0.5/s/trackID=0;seq=7;rtptime=9;from=10.0.0.5, \
                     url=rtsp://other/x/a;seq=1,url=rtsp://10.0.0.5/s/zzz;seq=2,nonsense";
        assert_eq!(
            names().rtp_info(value),
            "url=rtsp://127.0.0.1:9/0123/track0;seq=7;rtptime=9,\
             url=rtsp://127.0.0.1:9/0123/track1;seq=1"
        );
    }

    proptest! {
        #[test]
        fn nothing_a_camera_says_of_its_tracks_reaches_the_client(text in "(url=|[ -~]){0,30}") {
            let own = names().rtp_info(&format!("url=rtsp://10.0.0.5/{text};seq={text},{text}"));
            prop_assert!(!own.contains("10.0.0.5"), "{own}");
        }

        #[test]
        fn a_client_reaches_nothing_but_its_grant(uri in "[ -~]{0,60}") {
            prop_assert!(names().camera_uri(&uri).is_none() || uri.contains("/0123"));
        }
    }
}
