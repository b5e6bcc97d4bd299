//! AAC out of RTP packets (RFC 3640, "AAC-hbr"): frames with their moments, whole ones only.
//!
//! A packet that breaks the format is passed over: sound is never worth a session. Memory is
//! bounded by the largest frame.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Packet;
use crate::world::camera::rtsp::sdp::{SoundFormat, SoundTrack};

/// Samples in one frame.
pub const FRAME_SAMPLES: u32 = 1024;
/// Most frames of one packet.
const FRAMES_MAX: usize = 64;
/// Bits of a header: thirteen of size, three of index.
const HEADER_BITS: usize = 16;

/// One frame of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundFrame {
    /// Samples since some beginning, wraps.
    pub sample: u32,
    /// One raw data block, without ADTS.
    pub data: Bytes,
}

/// A frame that comes in pieces.
#[derive(Debug)]
struct Partial {
    timestamp: u32,
    size: usize,
    data: BytesMut,
}

/// Takes the packets of one track apart.
#[derive(Debug)]
pub struct SoundReader {
    track: SoundTrack,
    partial: Option<Partial>,
}

impl SoundReader {
    /// For one track.
    pub fn new(track: SoundTrack) -> Self {
        Self { track, partial: None }
    }

    /// How the frames are coded.
    pub fn format(&self) -> SoundFormat {
        self.track.format
    }

    /// Takes the next packet, before which `lost` are known to be missing; hands frames to `take`.
    pub fn push(&mut self, packet: &Packet, lost: u16, take: impl FnMut(SoundFrame)) {
        if lost > 0 {
            self.partial = None;
        }
        if packet.payload_type == self.track.payload_type {
            // A packet that breaks the format is as good as lost.
            let _nothing = self.read(packet, take);
        }
    }

    fn read(&mut self, packet: &Packet, mut take: impl FnMut(SoundFrame)) -> Option<()> {
        let mut rest = packet.payload.clone();
        let bits = usize::from(rest.try_get_u16().ok()?);
        let headers = bits / HEADER_BITS;
        if bits % HEADER_BITS != 0 || headers == 0 || headers > FRAMES_MAX {
            return None;
        }
        let sizes: Vec<u16> =
            (0..headers).map(|_| rest.try_get_u16()).collect::<Result<_, _>>().ok()?;
        // Frames out of order: nobody sends that.
        if sizes.iter().any(|header| header & 7 != 0) {
            return None;
        }
        let size = |header: u16| usize::from(header >> 3);
        if headers == 1 && (self.partial.is_some() || size(sizes[0]) > rest.len()) {
            let whole = self.piece(packet, size(sizes[0]), &rest)?;
            take(SoundFrame { sample: self.sample(packet.timestamp), data: whole });
            return Some(());
        }
        let mut sample = self.sample(packet.timestamp);
        for header in sizes {
            let size = size(header);
            if size > rest.len() {
                return None;
            }
            let data = rest.split_to(size);
            if !data.is_empty() {
                take(SoundFrame { sample, data });
            }
            sample = sample.wrapping_add(FRAME_SAMPLES);
        }
        Some(())
    }

    /// A piece of a frame; the frame when it is whole.
    fn piece(&mut self, packet: &Packet, size: usize, bytes: &[u8]) -> Option<Bytes> {
        let same =
            |partial: &Partial| (partial.timestamp, partial.size) == (packet.timestamp, size);
        let mut partial = self.partial.take().filter(same).unwrap_or_else(|| Partial {
            timestamp: packet.timestamp,
            size,
            data: BytesMut::new(),
        });
        partial.data.extend_from_slice(bytes);
        match partial.data.len().cmp(&size) {
            std::cmp::Ordering::Less => {
                self.partial = Some(partial);
                None
            }
            std::cmp::Ordering::Equal => Some(partial.data.freeze()),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// A timestamp in samples. Most clocks tick once a sample; where one does not, the wrap shows as
    /// a jump, as of a clock that was set.
    pub fn sample(&self, timestamp: u32) -> u32 {
        let (rate, clock) = (u64::from(self.track.format.rate), u64::from(self.track.clock));
        let samples = u64::from(timestamp) * rate / clock;
        u32::try_from(samples & u64::from(u32::MAX)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reader() -> SoundReader {
        let format = SoundFormat { rate_index: 8, rate: 16_000, channels: 1 };
        SoundReader::new(SoundTrack {
            format,
            control: String::new(),
            payload_type: 97,
            clock: 16_000,
        })
    }

    fn packet(timestamp: u32, payload: &[u8]) -> Packet {
        let payload = Bytes::copy_from_slice(payload);
        Packet { marker: true, payload_type: 97, sequence: 0, timestamp, source: 1, payload }
    }

    fn read(reader: &mut SoundReader, packet: &Packet, lost: u16) -> Vec<(u32, Vec<u8>)> {
        let mut frames = Vec::new();
        reader.push(packet, lost, |frame| frames.push((frame.sample, frame.data.to_vec())));
        frames
    }

    #[test]
    fn several_frames_of_a_packet_follow_each_other() {
        let two = packet(500, &[0, 32, 0, 2 << 3, 0, 3 << 3, 1, 2, 3, 4, 5]);
        let frames = read(&mut reader(), &two, 0);
        assert_eq!(frames, [(500, vec![1, 2]), (1_524, vec![3, 4, 5])]);
    }

    #[test]
    fn a_frame_in_pieces_is_put_together_unless_one_is_lost() {
        let pieces = [
            packet(7, &[0, 16, 0, 5 << 3, 1, 2]),
            packet(7, &[0, 16, 0, 5 << 3, 3, 4]),
            packet(7, &[0, 16, 0, 5 << 3, 5]),
        ];
        let mut whole = reader();
        let frames: Vec<_> = pieces.iter().flat_map(|piece| read(&mut whole, piece, 0)).collect();
        assert_eq!(frames, [(7, vec![1, 2, 3, 4, 5])]);
        let mut holed = reader();
        assert!(read(&mut holed, &pieces[0], 0).is_empty());
        assert!(read(&mut holed, &pieces[2], 1).is_empty());
        assert_eq!(read(&mut holed, &packet(1031, &[0, 16, 0, 1 << 3, 9]), 0), [(1031, vec![9])]);
    }

    #[test]
    fn broken_packets_and_strange_ones_are_passed_over() {
        let mut reader = reader();
        for payload in [
            &[][..],
            &[0],
            &[0, 0],
            &[0, 15, 0, 8, 1],
            &[0, 32, 0, 8],
            &[0, 32, 0, 9 << 3, 0, 9 << 3, 1],
            &[0, 16, 0, 1 << 3 | 1, 1],
            &[255, 255, 0],
        ] {
            assert!(read(&mut reader, &packet(0, payload), 0).is_empty(), "{payload:?}");
        }
        let other = Packet { payload_type: 8, ..packet(0, &[0, 16, 0, 1 << 3, 9]) };
        assert!(read(&mut reader, &other, 0).is_empty());
        assert_eq!(read(&mut reader, &packet(0, &[0, 16, 0, 1 << 3, 9]), 0).len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_comes_frames_stay_small(
            payloads in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..300), 1..40),
        ) {
            let mut reader = reader();
            for payload in payloads {
                for (_, frame) in read(&mut reader, &packet(0, &payload), 0) {
                    prop_assert!((1..8192).contains(&frame.len()));
                }
                prop_assert!(reader.partial.as_ref().is_none_or(|p| p.data.len() < 8192));
            }
        }
    }
}
