//! The sound that a session description offers: AAC as RFC 3640 carries it, "AAC-hbr".
//!
//! Other codecs and other forms of AAC are as good as no sound: nothing here is an error.

use super::{Section, parameter, resolve};
use url::Url;

/// `audioObjectType` of AAC with low complexity, the one that cameras send and browsers play.
const LOW_COMPLEXITY: u8 = 2;
/// `samplingFrequencyIndex` to samples a second (ISO/IEC 14496-3, 1.6.3.4).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// How AAC is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundFormat {
    /// `samplingFrequencyIndex`.
    pub rate_index: u8,
    /// Samples a second.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl SoundFormat {
    /// From an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1); `None` for what is not taken.
    pub fn read(config: &[u8]) -> Option<Self> {
        let [first, second, ..] = *config else { return None };
        let rate_index = (first & 7) << 1 | second >> 7;
        let channels = second >> 3 & 0x0f;
        // `frameLengthFlag`: frames of 960 samples, which no browser plays.
        let is_short = second & 0x04 != 0;
        let rate = *RATES.get(usize::from(rate_index))?;
        let is_taken = first >> 3 == LOW_COMPLEXITY && (1..=2).contains(&channels) && !is_short;
        is_taken.then_some(Self { rate_index, rate, channels })
    }
}

/// The track of sound to set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundTrack {
    /// How it is coded.
    pub format: SoundFormat,
    /// What SETUP asks for.
    pub control: String,
    /// Its payload type.
    pub payload_type: u8,
    /// Ticks of its RTP clock in a second.
    pub clock: u32,
}

/// The first track of sound in a form that is taken.
pub(super) fn choose(sections: &[Section<'_>], base: &Url) -> Option<SoundTrack> {
    // What is only sent *to* the camera is no sound of it (ONVIF's back channel).
    let heard = |section: &&Section<'_>| {
        section.media == "audio" && section.attribute("sendonly").is_none()
    };
    let tracks = sections.iter().filter(heard).flat_map(|section| {
        section.payload_types.iter().filter_map(|payload_type| of(section, payload_type, base))
    });
    tracks.into_iter().next()
}

fn of(section: &Section<'_>, payload_type: &str, base: &Url) -> Option<SoundTrack> {
    let map = section.of_payload_type("rtpmap", payload_type)?;
    let mut map = map.split('/').map(str::trim);
    if !map.next()?.eq_ignore_ascii_case("mpeg4-generic") {
        return None;
    }
    let clock = map.next()?.parse().ok().filter(|clock| (1_000..=192_000).contains(clock))?;
    let fmtp = section.of_payload_type("fmtp", payload_type)?;
    let value = |key| parameter(fmtp, key);
    let is_hbr = value("mode")?.eq_ignore_ascii_case("AAC-hbr")
        && value("sizelength") == Some("13")
        && value("indexlength") == Some("3")
        && value("indexdeltalength") == Some("3");
    let format = SoundFormat::read(&bytes(value("config")?)?).filter(|_| is_hbr)?;
    let control = resolve(base, section.attribute("control")?);
    let payload_type = payload_type.parse().ok().filter(|number| *number < 128)?;
    Some(SoundTrack { format, control, payload_type, clock })
}

/// Bytes out of hexadecimal digits; of a long text only the beginning counts.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches('"').as_bytes();
    let pairs = text.chunks_exact(2).take(8);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
