//! RTP payloads put together into pictures (RFC 6184, RFC 7798).

use super::sdp::Codec;

/// Largest picture.
const MAX_PICTURE: usize = 8 << 20;

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Its units with the length before each, as in `mdat`.
    pub data: Vec<u8>,
    pub key: bool,
    /// RTP time stamp, 90 kHz.
    pub stamp: u32,
}

/// Pictures of one track.
#[derive(Debug)]
pub(super) struct Depacketizer {
    codec: Codec,
    data: Vec<u8>,
    fragments: Vec<u8>,
    // By the first unit that tells.
    key: Option<bool>,
}

impl Depacketizer {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, data: Vec::new(), fragments: Vec::new(), key: None }
    }

    /// Takes a packet; the picture that it ends.
    pub(super) fn push(&mut self, packet: &[u8]) -> Option<Picture> {
        let marker = packet.get(1)? & 0x80 != 0;
        let stamp = u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?);
        let payload = packet.get(12 + 4 * usize::from(packet[0] & 15)..)?;
        match self.codec {
            Codec::H264 => self.h264(payload)?,
            Codec::H265 => self.h265(payload)?,
            Codec::Jpeg => return None,
        }
        if self.data.len() + self.fragments.len() > MAX_PICTURE {
            self.data.clear();
            self.fragments.clear();
        }
        if !marker || self.data.is_empty() {
            return None;
        }
        let key = self.key.take().unwrap_or_default();
        Some(Picture { data: std::mem::take(&mut self.data), key, stamp })
    }

    fn h264(&mut self, payload: &[u8]) -> Option<()> {
        match payload.first()? & 0x1f {
            24 => self.aggregate(payload.get(1..)?),
            28 => {
                let (indicator, header) = (payload[0], *payload.get(1)?);
                let first = [(indicator & 0xe0) | (header & 0x1f)];
                self.fragment(header, &first, payload.get(2..)?);
            }
            _ => self.unit(payload),
        }
        Some(())
    }

    fn h265(&mut self, payload: &[u8]) -> Option<()> {
        match (payload.first()? >> 1) & 0x3f {
            // Several units in one packet (48) are one unit to go2rtc 1.9.14, which no decoder knows,
            // and in which it sees no key picture.
            49 => {
                let header = *payload.get(2)?;
                let first = [(payload[0] & 0x81) | ((header & 0x3f) << 1), *payload.get(1)?];
                self.fragment(header, &first, payload.get(3..)?);
            }
            _ => self.unit(payload),
        }
        Some(())
    }

    fn aggregate(&mut self, mut rest: &[u8]) {
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((unit, after)) = after.split_at_checked(length) else { return };
            self.unit(unit);
            rest = after;
        }
    }

    fn fragment(&mut self, header: u8, first: &[u8], payload: &[u8]) {
        if header & 0x80 != 0 {
            self.fragments = first.to_vec();
        }
        self.fragments.extend_from_slice(payload);
        if header & 0x40 != 0 {
            let unit = std::mem::take(&mut self.fragments);
            self.unit(&unit);
        }
    }

    fn unit(&mut self, unit: &[u8]) {
        let (Some(first), Ok(length)) = (unit.first(), u32::try_from(unit.len())) else { return };
        let tells = match (self.codec, first & 0x1f, (first >> 1) & 0x3f) {
            (Codec::H264, 5, _) | (Codec::H265, _, 19..=21) => Some(true),
            (Codec::H264, 1, _) | (Codec::H265, _, 1) => Some(false),
            _ => None,
        };
        self.key = self.key.or(tells);
        self.data.extend_from_slice(&length.to_be_bytes());
        self.data.extend_from_slice(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_several_units_are_handed_on_whole_and_unseen() {
        let picture = |units: &[&[u8]]| {
            let mut depacketizer = Depacketizer::new(Codec::H265);
            let last = units.len() - 1;
            let packets = units.iter().enumerate().map(|(nth, unit)| {
                let marker = if nth == last { 0x80 } else { 0 };
                [&[0x80, marker | 0x60, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1][..], unit].concat()
            });
            packets.filter_map(|packet| depacketizer.push(&packet)).last().unwrap()
        };
        let packet = [0x60, 1, 0, 3, 0x42, 1, 1, 0, 3, 0x26, 1, 9];
        let (idr, other) = ([0x26, 1, 9], [0x02, 1, 9]);
        let alone = picture(&[&packet]);
        assert_eq!(alone.data, [&[0, 0, 0, 12][..], &packet].concat());
        assert!(!alone.key && picture(&[&packet, &idr]).key);
        assert!(!picture(&[&other, &idr]).key);
    }
}
