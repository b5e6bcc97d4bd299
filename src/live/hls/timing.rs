//! The times that stand in fragmented MP4 (ISO/IEC 14496-12): how fast its clock runs, when a
//! fragment begins, and whether its picture needs no other.
//!
//! Reads one video track with one `traf` a fragment, as both engines write it.

use crate::world::gateway::boxes::{child, descend};

/// `sample_is_non_sync_sample` (section 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// When a fragment begins, in ticks of its track, and whether it can be begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) decode: u64,
    pub(super) is_key: bool,
}

/// Ticks a second of the track in an initialisation segment.
pub(super) fn time_scale(init: &[u8]) -> Option<u32> {
    let header = descend(init, &[b"moov", b"trak", b"mdia", b"mdhd"])?;
    let at = if *header.first()? == 0 { 12 } else { 20 };
    number(header, at).filter(|scale| *scale > 0)
}

/// The times of one `moof`.
pub(super) fn timing(fragment: &[u8]) -> Option<Timing> {
    let track = descend(fragment, &[b"moof", b"traf"])?;
    let time = child(track, *b"tfdt")?;
    let decode = match *time.first()? {
        0 => number(time, 4)?.into(),
        _ => u64::from_be_bytes(*time.get(4..12)?.first_chunk()?),
    };
    let (head, run) = (child(track, *b"tfhd")?, child(track, *b"trun")?);
    let flags = first_flags(run).or_else(|| default_flags(head)).unwrap_or(NON_SYNC);
    Some(Timing { decode, is_key: flags & NON_SYNC == 0 })
}

/// Of the first sample, where the run says so (section 8.8.8).
fn first_flags(run: &[u8]) -> Option<u32> {
    let flags = number(run, 0)?;
    let mut at = 8 + if flags & 0x1 == 0 { 0 } else { 4 };
    if flags & 0x4 != 0 {
        return number(run, at);
    }
    at += [0x100, 0x200].iter().filter(|field| flags & **field != 0).count() * 4;
    (flags & 0x400 != 0).then(|| number(run, at)).flatten()
}

/// Of all samples, where the track says so (section 8.8.7).
fn default_flags(head: &[u8]) -> Option<u32> {
    let flags = number(head, 0)?;
    let fields = [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4)];
    let before: usize = fields.iter().filter(|(field, _)| flags & field != 0).map(|(_, n)| n).sum();
    (flags & 0x20 != 0).then(|| number(head, 8 + before)).flatten()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(8 + body.len()).unwrap().to_be_bytes()[..], &kind, body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn fragment(head: &[u32], time: &[u32], run: &[u32]) -> Vec<u8> {
        let parts = [(*b"tfhd", head), (*b"tfdt", time), (*b"trun", run)];
        let track: Vec<u8> = parts.iter().flat_map(|(kind, it)| boxed(*kind, &words(it))).collect();
        boxed(*b"moof", &boxed(*b"traf", &track))
    }

    #[test]
    fn times_and_key_pictures_are_read_in_every_form() {
        let key = Some(Timing { decode: 7, is_key: true });
        let other = Some(Timing { decode: 7, is_key: false });
        // As go2rtc writes: flags of the track.
        let head = |flags| [0x2_0038, 1, 3_000, 99, flags];
        let run = [1, 1, 100];
        let time = [0x0100_0000, 0, 7];
        assert_eq!(timing(&fragment(&head(0x0200_0000), &time, &run)), key);
        assert_eq!(timing(&fragment(&head(0x0101_0000), &time, &run)), other);
        assert_eq!(timing(&fragment(&head(0x0101_0000), &[0, 7], &[5, 1, 100, 0])), key);
        let sample = [0x701, 1, 100, 3_000, 99, 0x0001_0000];
        assert_eq!(timing(&fragment(&[0x2_0000, 1], &time, &sample)), other);
        assert_eq!(timing(&fragment(&head(0), &[0x0100_0000, 0], &run)), None);
        let header = boxed(*b"mdhd", &words(&[0, 0, 0, 90_000, 0]));
        let path = [*b"mdia", *b"trak", *b"moov"];
        let init = path.iter().fold(header, |body, kind| boxed(*kind, &body));
        assert_eq!(time_scale(&init), Some(90_000));
    }

    proptest! {
        #[test]
        fn damage_is_no_time_and_no_more(at in 0..120_usize, byte: u8, length in 0..120_usize) {
            let run = [0x701, 1, 100, 3_000, 99, 0];
            let mut bytes = fragment(&[0x2_0038, 1, 1, 1, 0], &[0x0100_0000, 0, 7], &run);
            bytes.truncate(length);
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            let _timing = timing(&bytes);
            let _scale = time_scale(&bytes);
        }
    }
}
