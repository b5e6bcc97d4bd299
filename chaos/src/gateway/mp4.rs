//! Fragmented MP4 in the form that go2rtc writes: one video track, one picture a fragment.

use super::depacketize::Picture;
use super::sdp::{Codec, Track};
use crate::video::unescape;

const TIME_SCALE: u32 = 90_000;
/// The unity matrix of ISO/IEC 14496-12.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

fn boxed(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(&kind);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// `ftyp` and `moov`.
#[expect(clippy::similar_names, reason = "boxes are called as the standard calls them")]
pub(super) fn init(track: &Track) -> Vec<u8> {
    let ftyp = boxed(*b"ftyp", &[b"iso5", &words(&[512]), b"iso5iso6mp41"]);
    let matrix = words(&MATRIX);
    let (zeros, one) = (words(&[0; 2]), words(&[1]));
    let mvhd = boxed(
        *b"mvhd",
        &[
            &words(&[0, 0, 0, 1000, 0, 0x1_0000, 0x0100_0000]),
            &zeros,
            &matrix,
            &words(&[0; 6]),
            &words(&[2]),
        ],
    );
    let size = words(&[u32::from(track.width) << 16, u32::from(track.height) << 16]);
    let tkhd = boxed(*b"tkhd", &[&words(&[3, 0, 0, 1, 0, 0]), &zeros, &zeros, &matrix, &size]);
    let mdhd = boxed(*b"mdhd", &[&words(&[0, 0, 0, TIME_SCALE, 0, 0x55c4_0000])]);
    let hdlr = boxed(*b"hdlr", &[&zeros, b"vide", &words(&[0; 3]), b"\0"]);
    let vmhd = boxed(*b"vmhd", &[&one, &zeros]);
    let url = boxed(*b"url ", &[&one]);
    let dinf = boxed(*b"dinf", &[&boxed(*b"dref", &[&words(&[0, 1]), &url])]);
    let stsd = boxed(*b"stsd", &[&words(&[0, 1]), &entry(track)]);
    let empty = |kind| boxed(kind, &[&zeros]);
    let stsz = boxed(*b"stsz", &[&words(&[0; 3])]);
    let stbl =
        boxed(*b"stbl", &[&stsd, &empty(*b"stts"), &empty(*b"stsc"), &stsz, &empty(*b"stco")]);
    let minf = boxed(*b"minf", &[&vmhd, &dinf, &stbl]);
    let mdia = boxed(*b"mdia", &[&mdhd, &hdlr, &minf]);
    let trak = boxed(*b"trak", &[&tkhd, &mdia]);
    let trex = boxed(*b"trex", &[&words(&[0, 1, 1, 0, 0, 0])]);
    let moov = boxed(*b"moov", &[&mvhd, &trak, &boxed(*b"mvex", &[&trex])]);
    [ftyp, moov].concat()
}

fn entry(track: &Track) -> Vec<u8> {
    let mut visual = vec![0; 78];
    visual[7] = 1;
    visual[24..26].copy_from_slice(&track.width.to_be_bytes());
    visual[26..28].copy_from_slice(&track.height.to_be_bytes());
    visual[28..32].copy_from_slice(&0x48_0000_u32.to_be_bytes());
    visual[32..36].copy_from_slice(&0x48_0000_u32.to_be_bytes());
    visual[41] = 1;
    visual[74..78].copy_from_slice(&[0, 24, 0xff, 0xff]);
    match track.codec {
        Codec::H264 | Codec::Jpeg => {
            boxed(*b"avc1", &[&visual, &boxed(*b"avcC", &[&avc_record(&track.sets)])])
        }
        Codec::H265 => boxed(*b"hvc1", &[&visual, &boxed(*b"hvcC", &[&hevc_record(&track.sets)])]),
    }
}

fn with_length(set: &[u8]) -> Vec<u8> {
    [&u16::try_from(set.len()).unwrap_or(0).to_be_bytes()[..], set].concat()
}

fn avc_record(sets: &[Vec<u8>]) -> Vec<u8> {
    let empty = Vec::new();
    let (sps, pps) = (sets.first().unwrap_or(&empty), sets.get(1).unwrap_or(&empty));
    let profile = sps.get(1..4).unwrap_or(&[0x42, 0, 0x1e]);
    [&[1][..], profile, &[0xff, 0xe1], &with_length(sps), &[1], &with_length(pps)].concat()
}

fn hevc_record(sets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![1];
    // General profile, tier and level stand after the unit's header and one byte of the SPS.
    let sps = sets.get(1).map(|sps| unescape(sps)).unwrap_or_default();
    out.extend_from_slice(sps.get(3..15).unwrap_or(&[0; 12]));
    out.extend_from_slice(&[0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3]);
    for (kind, set) in [32, 33, 34].into_iter().zip(sets) {
        out.extend_from_slice(&[0x80 | kind, 0, 1]);
        out.extend_from_slice(&with_length(set));
    }
    out
}

/// The fragments of one consumer.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    number: u32,
    decode_time: u64,
    stamp: Option<u32>,
}

impl Fragments {
    /// `moof` and `mdat`.
    pub(super) fn next(&mut self, picture: &Picture) -> Vec<u8> {
        self.number += 1;
        let passed = self.stamp.map_or(0, |before| picture.stamp.wrapping_sub(before));
        self.stamp = Some(picture.stamp);
        // As go2rtc: the duration is the time since the picture before.
        let duration =
            if passed == 0 || passed > TIME_SCALE { TIME_SCALE / 1000 + 1 } else { passed };
        let size = u32::try_from(picture.data.len()).unwrap_or(u32::MAX);
        let flags = if picture.key { 0x0200_0000 } else { 0x0101_0000 };
        let mfhd = boxed(*b"mfhd", &[&words(&[0, self.number])]);
        let tfhd = boxed(*b"tfhd", &[&words(&[0x02_0038, 1, duration, size, flags])]);
        let tfdt = boxed(*b"tfdt", &[&words(&[0x0100_0000]), &self.decode_time.to_be_bytes()]);
        // 20 bytes of `trun`, 8 of each box around it.
        let offset = 8 + mfhd.len() + 8 + tfhd.len() + tfdt.len() + 20 + 8;
        let offset = u32::try_from(offset).unwrap_or(0);
        let trun = boxed(*b"trun", &[&words(&[1, 1, offset])]);
        let traf = boxed(*b"traf", &[&tfhd, &tfdt, &trun]);
        self.decode_time += u64::from(duration);
        [boxed(*b"moof", &[&mfhd, &traf]), boxed(*b"mdat", &[&picture.data])].concat()
    }
}
