//! The part of a session description (RFC 4566) that opening a video track needs.
//!
//! It picks one video track, and one of sound where there is one that is taken, and says how to
//! ask for them. Metadata and everything else a camera offers are only named, never set up. The text's length is bounded by the message layer.

mod sound;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::Url;

pub use self::sound::{SoundFormat, SoundTrack};
use super::message::quote;
use crate::model::picture::Codec;

/// Longest parameter set that is taken from a description, in bytes.
const PARAMETER_SET_BYTES_MAX: usize = 4096;
/// Most parameter sets that are taken from a description.
const PARAMETER_SETS_MAX: usize = 16;

/// Cameras forget the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The codec that an SDP encoding name stands for.
fn codec_of(encoding: &str) -> Option<Codec> {
    match encoding.to_ascii_uppercase().as_str() {
        "H264" => Some(Codec::H264),
        "H265" | "HEVC" => Some(Codec::H265),
        "JPEG" => Some(Codec::Jpeg),
        _ => None,
    }
}

/// Why no track was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The text describes no media at all.
    #[error("the session description names no media")]
    Empty,
    /// There is no video in a codec that is known.
    #[error("no video in H.264, H.265 or JPEG is offered, only {0}")]
    Codec(String),
}

/// The video track to set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// How it is coded.
    pub codec: Codec,
    /// What SETUP asks for.
    pub control: String,
    /// What PLAY and TEARDOWN ask for.
    pub aggregate: String,
    /// Parameter sets of H.264 or H.265 as NAL units, in the order VPS, SPS, PPS.
    pub parameter_sets: Vec<Vec<u8>>,
    /// Width and height in pixels, where the description says them.
    pub dimensions: Option<(u16, u16)>,
    /// The sound that goes with it, where it is offered in a form that is taken.
    pub sound: Option<SoundTrack>,
}

/// One `m=` section.
#[derive(Debug, Default)]
struct Section<'a> {
    media: &'a str,
    payload_types: Vec<&'a str>,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The rest of `a=NAME:PT REST` for one payload type.
    fn of_payload_type(&self, name: &str, payload_type: &str) -> Option<&'a str> {
        self.attributes.iter().filter(|(key, _)| *key == name).find_map(|(_, value)| {
            let (number, rest) = value.trim().split_once([' ', '\t'])?;
            (number == payload_type).then(|| rest.trim())
        })
    }

    fn encoding(&self, payload_type: &str) -> Option<&'a str> {
        match self.of_payload_type("rtpmap", payload_type) {
            Some(map) => map.split('/').next().map(str::trim),
            None if payload_type == "26" => Some("JPEG"),
            None => None,
        }
    }

    fn dimensions(&self, payload_type: &str) -> Option<(u16, u16)> {
        let text = self
            .of_payload_type("framesize", payload_type)
            .or_else(|| self.attribute("x-dimensions"))?;
        let (width, height) = text.split_once(['-', ','])?;
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    }
}

/// Chooses the first video track in a known codec.
///
/// `base` is the URL that relative control addresses belong to.
pub fn choose_video(text: &str, base: &Url) -> Result<VideoTrack, SdpError> {
    let (session, sections) = split(text);
    if sections.is_empty() {
        return Err(SdpError::Empty);
    }
    for section in sections.iter().filter(|section| matches!(section.media, "video" | "image")) {
        for payload_type in &section.payload_types {
            let Some(codec) = section.encoding(payload_type).and_then(codec_of) else { continue };
            let fmtp = section.of_payload_type("fmtp", payload_type).unwrap_or_default();
            return Ok(VideoTrack {
                codec,
                control: resolve(base, section.attribute("control").unwrap_or("*")),
                aggregate: resolve(base, session.attribute("control").unwrap_or("*")),
                parameter_sets: parameter_sets(codec, fmtp),
                dimensions: section.dimensions(payload_type),
                sound: sound::choose(&sections, base),
            });
        }
    }
    Err(SdpError::Codec(offered(&sections)))
}

fn split(text: &str) -> (Section<'_>, Vec<Section<'_>>) {
    let mut session = Section::default();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.split_ascii_whitespace();
            let media = words.next().unwrap_or_default();
            sections.push(Section {
                media,
                payload_types: words.skip(2).collect(),
                ..Section::default()
            });
        } else if let Some(attribute) = line.strip_prefix("a=") {
            let pair = attribute.split_once(':').unwrap_or((attribute, ""));
            sections.last_mut().unwrap_or(&mut session).attributes.push(pair);
        }
    }
    (session, sections)
}

/// A control address made absolute the way cameras mean it: appended to the base, not resolved
/// against its directory, since bases come without the last slash and with queries in them.
pub fn resolve(base: &Url, control: &str) -> String {
    let control = control.trim();
    if control.is_empty() || control == "*" {
        return base.as_str().to_owned();
    }
    if Url::parse(control).is_ok_and(|url| url.has_host()) {
        return control.to_owned();
    }
    if control.starts_with('/') {
        return base.join(control).map_or_else(|_| control.to_owned(), String::from);
    }
    let slash = if base.as_str().ends_with('/') { "" } else { "/" };
    format!("{base}{slash}{control}")
}

fn parameter_sets(codec: Codec, fmtp: &str) -> Vec<Vec<u8>> {
    let keys: &[&str] = match codec {
        Codec::H264 => &["sprop-parameter-sets"],
        Codec::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
        Codec::Jpeg => &[],
    };
    keys.iter()
        .filter_map(|key| parameter(fmtp, key))
        .flat_map(|list| list.split(','))
        .filter_map(|text| BASE64.decode(text.trim()).ok())
        .map(strip_start_code)
        .filter(|set| (2..=PARAMETER_SET_BYTES_MAX).contains(&set.len()))
        .take(PARAMETER_SETS_MAX)
        .collect()
}

/// One of the values of an `fmtp` attribute.
fn parameter<'a>(fmtp: &'a str, key: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
    })
}

/// Some cameras put an Annex B start code before the parameter set and one behind it.
fn strip_start_code(mut set: Vec<u8>) -> Vec<u8> {
    let zeros = set.iter().take_while(|b| **b == 0).count();
    if zeros >= 2 && set.get(zeros) == Some(&1) {
        set.drain(..=zeros);
    }
    if set.ends_with(&[0, 0, 0, 1]) || set.ends_with(&[0, 0, 1]) {
        set.pop();
    }
    while set.last() == Some(&0) {
        set.pop();
    }
    set
}

fn offered(sections: &[Section<'_>]) -> String {
    let mut names = Vec::new();
    for section in sections {
        let codecs: Vec<&str> =
            section.payload_types.iter().map(|pt| section.encoding(pt).unwrap_or(pt)).collect();
        names.push(format!("{}/{}", section.media, codecs.join("+")));
    }
    quote(&names.join(", "))
}

#[cfg(test)]
mod tests;
