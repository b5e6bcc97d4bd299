//! What a browser can play of a stream, by the names of codecs that it gives.

use std::sync::Arc;

use crate::model::picture::Codec;

/// Whether a browser that names these codecs can decode a stream; one that names none is trusted.
pub(super) fn plays(codecs: &[Arc<str>], codec: Codec) -> bool {
    let families: &[&str] = match codec {
        Codec::H264 => &["avc1", "avc3"],
        Codec::H265 => &["hvc1", "hev1"],
        Codec::Jpeg => return false,
    };
    let family = |name: &Arc<str>| name.split('.').next().is_some_and(|f| families.contains(&f));
    codecs.is_empty() || codecs.iter().any(family)
}

/// The codec of the video in a MIME type (`video/mp4; codecs="avc1.640028"`); `None` for others.
pub(super) fn codec_in(mime: &str) -> Option<Codec> {
    let (_, codecs) = mime.split_once("codecs=\"")?;
    match codecs.get(..4)? {
        "avc1" | "avc3" => Some(Codec::H264),
        "hvc1" | "hev1" => Some(Codec::H265),
        _ => None,
    }
}

/// The codec's name, for people.
pub(super) fn name_of(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Jpeg => "MJPEG",
    }
}

/// Whether a browser that names these codecs cannot play the sound; one that names none is trusted.
pub(super) fn is_deaf(codecs: &[Arc<str>]) -> bool {
    !codecs.is_empty() && !codecs.iter().any(|codec| codec.starts_with("mp4a."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_what_it_names_and_everything_when_it_names_nothing() {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        assert!(plays(&[], Codec::H265) && !is_deaf(&[]));
        let deaf = names(&["avc1.640028", "avc1.42E01E"]);
        assert!(plays(&deaf, Codec::H264) && !plays(&deaf, Codec::H265) && is_deaf(&deaf));
        assert!(!is_deaf(&names(&["hvc1.1.6.L93.B0", "mp4a.40.2"])));
        assert!(!plays(&[], Codec::Jpeg));
    }

    #[test]
    fn a_type_tells_its_codec() {
        assert_eq!(codec_in("video/mp4; codecs=\"avc1.640028\""), Some(Codec::H264));
        assert_eq!(codec_in("video/mp4; codecs=\"hvc1.1.6.L93.B0\""), Some(Codec::H265));
        for other in ["video/mp4", "video/mp4; codecs=\"mp4a.40.2\"", "codecs=\"\u{e9}\u{e9}"] {
            assert_eq!(codec_in(other), None);
        }
    }
}
