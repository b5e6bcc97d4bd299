//! Fragments of H.265 whose sample holds aggregation packets (RFC 7798 section 4.4.2), taken apart.
//!
//! go2rtc 1.9.14 puts such packets into MP4 as if they were units (`pkg/h265/rtp.go`), and no player
//! knows what they are. What is left of its `moof` stays as it is: only sizes and flags change, so
//! that the offset of the data in it holds (ISO/IEC 14496-12, sections 8.8.7 and 8.8.8).

use bytes::Bytes;

use super::boxes;

/// Type of a unit that is such a packet.
pub(super) const TYPE: u8 = 48;
/// What go2rtc says of a picture that needs no other: `sample_depends_on` 2. It does not look into
/// packets, so it does not say so of one that is in there.
const NEEDS_NO_OTHER: u32 = 0x0200_0000;

/// The units in a packet that stands where a unit should; `None` when one is longer than what is
/// left of it.
pub(super) fn inner(packet: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = packet.get(2..)?;
    let mut units = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        units.extend(Some(unit).filter(|unit| !unit.is_empty()));
        rest = after;
    }
    Some(units)
}

/// A fragment of one sample with these units in place of those that it had. `None` when it has not
/// the shape in which go2rtc writes, or nothing would be left.
pub(super) fn rewritten(
    fragment: &[u8],
    units: &[&[u8]],
    (length_bytes, is_key): (usize, bool),
) -> Option<Bytes> {
    let sample: usize = units.iter().map(|unit| length_bytes + unit.len()).sum();
    let whole = u32::try_from(8 + sample).ok().filter(|_| !units.is_empty())?;
    let head = boxes::head(fragment).ok()?.filter(|head| head.kind == *b"moof")?;
    let mut out = Vec::with_capacity(head.whole + 8 + sample);
    out.extend_from_slice(fragment.get(..head.whole)?);
    let fields = Fields::find(&out)?;
    write(&mut out, fields.size?, whole - 8)?;
    if is_key {
        write(&mut out, fields.flags?, NEEDS_NO_OTHER)?;
    }
    out.extend_from_slice(&whole.to_be_bytes());
    out.extend_from_slice(b"mdat");
    for unit in units {
        let length = u64::try_from(unit.len()).ok()?.to_be_bytes();
        let (unused, length) = length.split_at(length.len().checked_sub(length_bytes)?);
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(length);
        out.extend_from_slice(unit);
    }
    Some(out.into())
}

/// Where the fields of the one sample stand: in its run, else among the defaults of its track.
struct Fields {
    size: Option<usize>,
    flags: Option<usize>,
}

impl Fields {
    fn find(moof: &[u8]) -> Option<Self> {
        let run = boxes::place(moof, &[b"moof", b"traf", b"trun"])?.start;
        let track = boxes::place(moof, &[b"moof", b"traf", b"tfhd"])?.start;
        let (in_run, in_track) = (number(moof, run)?, number(moof, track)?);
        let of_run = |field| {
            let order = [(0x1, 4), (0x4, 4), (0x100, 4), (0x200, 4), (0x400, 4), (0x800, 4)];
            offset(in_run, field, &order).map(|at| run + at)
        };
        let of_track = |field| {
            let order = [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)];
            offset(in_track, field, &order).map(|at| track + at)
        };
        let flags = of_run(0x4).or_else(|| of_run(0x400)).or_else(|| of_track(0x20));
        Some(Self { size: of_run(0x200).or_else(|| of_track(0x10)), flags })
    }
}

/// Where a field stands that flags say is there, behind the 8 bytes that always are.
fn offset(flags: u32, field: u32, order: &[(u32, usize)]) -> Option<usize> {
    let before = order.iter().take_while(|(other, _)| *other != field);
    let before: usize = before.filter(|(other, _)| flags & other != 0).map(|(_, n)| n).sum();
    (flags & field != 0).then_some(8 + before)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn write(bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&u32::try_from(8 + body.len()).unwrap().to_be_bytes()[..], &kind, &body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn moof(head: &[u32], run: &[u32]) -> Vec<u8> {
        let (head, run) = (boxed(*b"tfhd", &[&words(head)]), boxed(*b"trun", &[&words(run)]));
        boxed(*b"moof", &[&boxed(*b"traf", &[&head, &run])])
    }

    const UNITS: [&[u8]; 2] = [&[0x4e, 1], &[0x26, 1, 9]];
    const SAMPLE: [u8; 13] = [0, 0, 0, 2, 0x4e, 1, 0, 0, 0, 3, 0x26, 1, 9];

    /// A `moof` of this size and these flags.
    type Make = fn(u32, u32) -> Vec<u8>;

    #[test]
    fn sizes_and_flags_are_put_right_wherever_they_stand() {
        let flags = [0x0101_0000, 0x0200_0000];
        // As go2rtc writes: what holds for all samples. Then: what holds for this one.
        let defaults: Make = |n, f| moof(&[0x2_0038, 1, 3_000, n, f], &[1, 1, 92]);
        let own: Make = |n, f| moof(&[0x2_0000, 1], &[0x701, 1, 92, 3_000, n, f]);
        let first: Make = |n, f| moof(&[0x2_0010, 1, 77], &[0x205, 1, 92, f, n]);
        for make in [defaults, own, first] {
            for is_key in [false, true] {
                let before = [make(99, flags[0]), boxed(*b"mdat", &[&[7; 99]])].concat();
                let after = rewritten(&before, &UNITS, (4, is_key)).unwrap();
                let expected = make(13, flags[usize::from(is_key)]);
                assert_eq!(after, [expected, boxed(*b"mdat", &[&SAMPLE])].concat());
                assert_eq!(rewritten(&before, &[], (4, is_key)), None);
            }
        }
        let nowhere = moof(&[0x2_0000, 1], &[1, 1, 92]);
        assert_eq!(rewritten(&nowhere, &UNITS, (4, false)), None);
        assert_eq!(rewritten(&defaults(9, 0), &[&[1; 256]], (1, false)), None);
    }

    #[test]
    fn a_packet_holds_units_with_their_lengths() {
        let packet = [0x60, 1, 0, 2, 0x4e, 1, 0, 0, 0, 3, 0x26, 1, 9];
        assert_eq!(inner(&packet), Some(UNITS.to_vec()));
        for cut in [12, 10, 5, 3, 1] {
            assert_eq!(inner(&packet[..cut]), None, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(
            at in 0..80_usize, byte: u8, length in 0..200_usize, packet: Vec<u8>,
        ) {
            let mut bytes = moof(&[0x2_0038, 1, 3_000, 99, 0], &[0x701, 1, 92, 1, 1, 1]);
            bytes.truncate(length);
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            let units = inner(&packet).unwrap_or_default();
            let most = packet.len();
            prop_assert!(units.iter().map(|unit| 2 + unit.len()).sum::<usize>() <= most);
            if let Some(after) = rewritten(&bytes, &units, (4, true)) {
                prop_assert!(after.len() <= bytes.len() + 8 + 2 * most);
            }
        }
    }
}
