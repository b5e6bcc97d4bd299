//! One key picture out of fragmented MP4: parameter sets from `avcC` or `hvcC` (ISO/IEC 14496-15),
//! the picture from `mdat`, joined in Annex B form.
//!
//! Knows the one shape in which go2rtc writes: a video track, one picture a fragment.

use bytes::Bytes;

use super::error::LiveError;
use super::{aggregates, boxes};
use crate::model::picture::{Codec, KeyPicture};

/// Bytes of a visual sample entry before its boxes (ISO/IEC 14496-12, `VisualSampleEntry`).
const VISUAL_ENTRY_BYTES: usize = 78;
/// Bytes of `hvcC` before the number of its arrays.
const HVCC_HEAD_BYTES: usize = 22;
/// What stands before a unit in Annex B.
const START: [u8; 4] = [0, 0, 0, 1];

/// What the initialisation segment says of the video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    codec: Codec,
    // Bytes of the length before each unit.
    length_bytes: usize,
    // Units, in order.
    sets: Vec<Bytes>,
}

/// The units of one picture.
struct Units<'a> {
    list: Vec<&'a [u8]>,
    // Some stood in aggregation packets.
    are_packed: bool,
}

/// Reads bytes from the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(digits.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }
}

impl Parameters {
    /// From `ftyp` and `moov`.
    pub(super) fn read(init: &[u8]) -> Result<Self, LiveError> {
        Self::find(init).ok_or(LiveError::Malformed("no avcC or hvcC where it should be"))
    }

    /// What the camera sends.
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    fn find(init: &[u8]) -> Option<Self> {
        let path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
        // Version, flags and the number of entries stand before the entries.
        let entries = boxes::descend(init, &path)?.get(8..)?;
        let entry = boxes::boxes(entries).next()?.ok()?;
        let inner = entry.body.get(VISUAL_ENTRY_BYTES..)?;
        match &entry.kind {
            b"avc1" | b"avc3" => Self::avc(boxes::child(inner, *b"avcC")?),
            b"hvc1" | b"hev1" => Self::hevc(boxes::child(inner, *b"hvcC")?),
            _ => None,
        }
    }

    fn avc(record: &[u8]) -> Option<Self> {
        let mut reader = Reader(record);
        reader.take(4)?;
        let length_bytes = usize::from(reader.byte()? & 3) + 1;
        let mut sets = Vec::new();
        for mask in [0x1f, 0xff] {
            for _ in 0..reader.byte()? & mask {
                let length = reader.number(2)?;
                sets.push(Bytes::copy_from_slice(reader.take(length)?));
            }
        }
        Some(Self { codec: Codec::H264, length_bytes, sets })
    }

    fn hevc(record: &[u8]) -> Option<Self> {
        let mut reader = Reader(record);
        let head = reader.take(HVCC_HEAD_BYTES)?;
        let length_bytes = usize::from(head[HVCC_HEAD_BYTES - 1] & 3) + 1;
        let mut sets = Vec::new();
        for _ in 0..reader.byte()? {
            reader.byte()?;
            for _ in 0..reader.number(2)? {
                let length = reader.number(2)?;
                sets.push(Bytes::copy_from_slice(reader.take(length)?));
            }
        }
        Some(Self { codec: Codec::H265, length_bytes, sets })
    }

    /// The picture of a fragment; `None` when it needs other pictures.
    ///
    /// Parameter sets beside the picture count more than those of the initialisation segment:
    /// those are made up by go2rtc for a camera whose description has none.
    pub(super) fn key_picture(&self, fragment: &[u8]) -> Result<Option<KeyPicture>, LiveError> {
        let units = self.units(fragment)?.list;
        if !units.iter().any(|unit| self.is_key(unit)) {
            return Ok(None);
        }
        let has_own = units.iter().any(|unit| self.is_picture_parameters(unit));
        let sets = self.sets.iter().map(AsRef::as_ref).filter(|_| !has_own);
        let mut data = Vec::with_capacity(fragment.len() + 256);
        for unit in sets.chain(units.iter().copied()) {
            data.extend_from_slice(&START);
            data.extend_from_slice(unit);
        }
        Ok(Some(KeyPicture { codec: self.codec, data: data.into() }))
    }

    /// A fragment as players read it, and whether its picture needs no other.
    ///
    /// One that cannot be read is left as it is, and needs others.
    pub(super) fn checked(&self, fragment: Bytes) -> (Bytes, bool) {
        let Ok(Units { list, are_packed }) = self.units(&fragment) else {
            return (fragment, false);
        };
        let is_key = list.iter().any(|unit| self.is_key(unit));
        let form = (self.length_bytes, is_key);
        let apart = are_packed.then(|| aggregates::rewritten(&fragment, &list, form)).flatten();
        (apart.unwrap_or(fragment), is_key)
    }

    /// The units of a fragment's picture.
    fn units<'a>(&self, fragment: &'a [u8]) -> Result<Units<'a>, LiveError> {
        let mut units = Units { list: Vec::new(), are_packed: false };
        let mut reader = Reader(sample(fragment)?);
        while !reader.0.is_empty() {
            let unit = reader.number(self.length_bytes).and_then(|length| reader.take(length));
            let unit = unit.ok_or(LiveError::Malformed("a unit is longer than its picture"))?;
            if self.is_packet(unit) {
                units.are_packed = true;
                let inner = aggregates::inner(unit);
                units
                    .list
                    .extend(inner.ok_or(LiveError::Malformed("a unit is longer than its packet"))?);
            } else {
                units.list.extend(Some(unit).filter(|unit| !unit.is_empty()));
            }
        }
        Ok(units)
    }

    /// Whether it is an aggregation packet of H.265, which go2rtc passes on as it is.
    fn is_packet(&self, unit: &[u8]) -> bool {
        let is_it = |first: &u8| (first >> 1) & 0x3f == aggregates::TYPE;
        self.codec == Codec::H265 && unit.first().is_some_and(is_it)
    }

    /// Table 7-1 of H.264 (5: IDR) and of H.265 (16 to 21: random access).
    fn is_key(&self, unit: &[u8]) -> bool {
        match self.codec {
            Codec::H264 => unit[0] & 0x1f == 5,
            Codec::H265 => (16..=21).contains(&((unit[0] >> 1) & 0x3f)),
            Codec::Jpeg => false,
        }
    }

    /// The same tables: 8 and 34 are picture parameter sets, the last of the sets.
    fn is_picture_parameters(&self, unit: &[u8]) -> bool {
        match self.codec {
            Codec::H264 => unit[0] & 0x1f == 8,
            Codec::H265 => (unit[0] >> 1) & 0x3f == 34,
            Codec::Jpeg => false,
        }
    }
}

/// The one sample of a fragment.
fn sample(fragment: &[u8]) -> Result<&[u8], LiveError> {
    let run = boxes::descend(fragment, &[b"moof", b"traf", b"trun"]);
    let count = run.and_then(|run| run.get(4..8)).map(|count| Reader(count).number(4));
    if count.flatten() != Some(1) {
        return Err(LiveError::Malformed("a fragment without exactly one picture"));
    }
    boxes::child(fragment, *b"mdat").ok_or(LiveError::Malformed("a fragment without data"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + body.len()).unwrap();
        [&size.to_be_bytes()[..], &kind, body].concat()
    }

    fn init(entry: [u8; 4], record: [u8; 4], body: &[u8]) -> Vec<u8> {
        let visual = [vec![0; VISUAL_ENTRY_BYTES], boxed(record, body)].concat();
        let stsd = [vec![0, 0, 0, 0, 0, 0, 0, 1], boxed(entry, &visual)].concat();
        let path = [b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"];
        let moov = path.iter().fold(stsd, |body, kind| boxed(**kind, &body));
        [boxed(*b"ftyp", b"iso5"), moov].concat()
    }

    fn fragment(count: u8, sample: &[u8]) -> Vec<u8> {
        let moof =
            boxed(*b"moof", &boxed(*b"traf", &boxed(*b"trun", &[0, 0, 0, 0, 0, 0, 0, count])));
        [moof, boxed(*b"mdat", sample)].concat()
    }

    const AVCC: [u8; 16] = [1, 0x42, 0, 0x1e, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 3, 0x68, 2, 3];

    #[test]
    fn sets_come_from_the_record_unless_the_picture_has_its_own() {
        let parameters = Parameters::read(&init(*b"avc1", *b"avcC", &AVCC)).unwrap();
        let picture = |sample: &[u8]| parameters.key_picture(&fragment(1, sample)).unwrap();
        let data = |sample: &[u8]| picture(sample).unwrap().data;
        let start = START.as_slice();
        let idr = [0, 0, 0, 2, 0x65, 9];
        let expected = [start, &[0x67, 1], start, &[0x68, 2, 3], start, &[0x65, 9]].concat();
        assert_eq!(data(&idr), expected);
        let own = [&[0, 0, 0, 2, 0x67, 8, 0, 0, 0, 2, 0x68, 8][..], &idr].concat();
        let expected = [start, &[0x67, 8], start, &[0x68, 8], start, &[0x65, 9]].concat();
        assert_eq!(data(&own), expected);
        assert_eq!(picture(&[0, 0, 0, 2, 0x41, 9]), None);
        assert!(parameters.key_picture(&fragment(1, &[0, 0, 0, 3, 0x65, 9])).is_err());
        assert!(parameters.key_picture(&fragment(2, &idr)).is_err());
    }

    #[test]
    fn h265_records_are_read() {
        let mut record = vec![0; HVCC_HEAD_BYTES];
        record[HVCC_HEAD_BYTES - 1] = 0xf3;
        record.extend([2, 32, 0, 1, 0, 2, 0x40, 1, 34, 0, 1, 0, 2, 0x44, 1]);
        let parameters = Parameters::read(&init(*b"hvc1", *b"hvcC", &record)).unwrap();
        let picture =
            parameters.key_picture(&fragment(1, &[0, 0, 0, 2, 0x26, 1])).unwrap().unwrap();
        assert_eq!(picture.codec, Codec::H265);
        assert_eq!(picture.data.len(), 3 * 6);
        let packet = [0, 0, 0, 10, 0x60, 1, 0, 2, 0x4e, 1, 0, 2, 0x26, 1];
        let unpacked = parameters.key_picture(&fragment(1, &packet)).unwrap().unwrap();
        assert_eq!(unpacked.data.len(), 4 * 6);
        assert!(parameters.key_picture(&fragment(1, &packet[..13])).is_err());
        assert!(Parameters::read(&init(*b"mp4a", *b"esds", &[])).is_err());
    }

    proptest! {
        #[test]
        fn damaged_segments_are_refused_and_no_more(
            at in 0..400_usize, byte: u8, length in 0..400_usize,
        ) {
            let mut bytes = init(*b"avc1", *b"avcC", &AVCC);
            bytes.truncate(length);
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            if let Ok(parameters) = Parameters::read(&bytes) {
                let mut bytes = fragment(1, &[0, 0, 0, 2, 0x65, 9]);
                if let Some(place) = bytes.get_mut(at % 60) { *place = byte; }
                let _picture = parameters.key_picture(&bytes);
            }
        }
    }
}
