//! The one video track of a session description, with what MP4 needs of it.

use base64::Engine as _;

/// A video track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub codec: Codec,
    /// `a=control`.
    pub control: String,
    /// VPS (H.265), SPS, PPS.
    pub sets: Vec<Vec<u8>>,
    pub width: u16,
    pub height: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    /// Not for MP4.
    Jpeg,
}

impl Codec {
    /// As go2rtc prints it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Jpeg => "JPEG",
        }
    }

    /// What a client of MSE has to name.
    pub(super) fn mime(self) -> Option<&'static str> {
        match self {
            Self::H264 => Some("avc1.640029"),
            Self::H265 => Some("hvc1.1.6.L153.B0"),
            Self::Jpeg => None,
        }
    }
}

/// The first video track of a description.
pub(super) fn video(text: &str) -> Option<Track> {
    let section = text.split("\nm=").find(|section| section.starts_with("video "))?;
    let line = |start: &str| section.lines().find_map(|line| line.trim_end().strip_prefix(start));
    let codec = if section.contains("H264/90000") {
        Codec::H264
    } else if section.contains("H265/90000") {
        Codec::H265
    } else if section.contains("JPEG/90000") {
        Codec::Jpeg
    } else {
        return None;
    };
    let fields = line("a=fmtp:").and_then(|fmtp| fmtp.split_once(' ')).map_or("", |(_, f)| f);
    let field = |name: &str| {
        fields.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let sets = if let Some(both) = field("sprop-parameter-sets") {
        both.split(',').filter_map(decode).collect()
    } else {
        let names = ["sprop-vps", "sprop-sps", "sprop-pps"];
        names.iter().filter_map(|name| field(name)).filter_map(decode).collect()
    };
    let size = line("a=x-dimensions:").and_then(|size| size.split_once(','));
    let number = |text: &str| text.trim().parse().ok();
    let (width, height) = size
        .and_then(|(width, height)| Some((number(width)?, number(height)?)))
        .unwrap_or((1920, 1080));
    Some(Track { codec, control: line("a=control:")?.to_owned(), sets, width, height })
}
