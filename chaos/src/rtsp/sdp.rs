//! The session description that answers DESCRIBE.

use std::net::Ipv4Addr;

use base64::Engine as _;

use crate::sound;
use crate::video::{Coder, PieceSet};

/// The dynamic payload type of H.264 and H.265.
pub(crate) const DYNAMIC: u8 = 96;
/// The payload type of AAC.
pub(crate) const AAC: u8 = 97;
/// What controls the pictures' track.
pub(crate) const PICTURES: &str = "trackID=0";
/// What controls the sound's.
pub(crate) const SOUND: &str = "trackID=1";
/// The payload type of JPEG.
pub(crate) const JPEG: u8 = 26;

/// The payload type of a stream.
pub(crate) fn payload_type(set: &PieceSet) -> u8 {
    match set.coder {
        Coder::H264(_) | Coder::H265(_) => DYNAMIC,
        Coder::Mjpeg(_) => JPEG,
    }
}

/// Describes one video stream; `huge` announces pictures of 20000x20000.
pub(crate) fn describe(set: &PieceSet, address: Ipv4Addr, fps: u32, huge: bool) -> String {
    let (width, height) = (set.layout.width, set.layout.height);
    let payload = payload_type(set);
    let media = media(set, huge);
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=camsim\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=0-\r\nm=video 0 RTP/AVP {payload}\r\n{media}\
         a=framerate:{fps}\r\na=x-dimensions:{width},{height}\r\na=control:{PICTURES}\r\n"
    )
}

/// Describes the sound, after the video.
pub(crate) fn describe_sound() -> String {
    format!(
        "m=audio 0 RTP/AVP {AAC}\r\na=rtpmap:{AAC} MPEG4-GENERIC/{}/1\r\na=fmtp:{AAC} streamtype=5;\
         profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={}\r\n\
         a=control:{SOUND}\r\n",
        sound::RATE,
        sound::CONFIG
    )
}

fn media(set: &PieceSet, huge: bool) -> String {
    let encode = |unit: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(unit);
    let sets = set.coder.parameter_sets(huge);
    let encoded: Vec<String> = sets.iter().map(encode).collect();
    match &set.coder {
        Coder::H264(parameters) => {
            let sps = &parameters.sps;
            format!(
                "a=rtpmap:{DYNAMIC} H264/90000\r\na=fmtp:{DYNAMIC} packetization-mode=1;\
                 profile-level-id={:02X}{:02X}{:02X};sprop-parameter-sets={},{}\r\n",
                sps[1], sps[2], sps[3], encoded[0], encoded[1]
            )
        }
        Coder::H265(_) => format!(
            "a=rtpmap:{DYNAMIC} H265/90000\r\na=fmtp:{DYNAMIC} sprop-vps={};sprop-sps={};\
             sprop-pps={}\r\n",
            encoded[0], encoded[1], encoded[2]
        ),
        Coder::Mjpeg(_) => format!("a=rtpmap:{JPEG} JPEG/90000\r\n"),
    }
}
