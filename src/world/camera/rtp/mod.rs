//! From RTP packets (RFC 3550) to whole pictures: H.264 (RFC 6184), H.265 (RFC 7798) and JPEG
//! (RFC 2435).
//!
//! Sound is AAC (RFC 3640), and sender reports say how it belongs to the pictures. A picture with a
//! hole in it never leaves here. Memory is bounded by the largest picture that is accepted. Nothing
//! is decoded, and no socket is touched.

pub mod aac;
mod assemble;
pub mod clocks;
mod h264;
mod h265;
mod jpeg;
pub mod order;
pub mod report;

use std::collections::VecDeque;

use bytes::Bytes;

use super::rtsp::sdp::VideoTrack;
use crate::model::picture::Codec;

/// Why packets make no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// A picture does not end within the bound.
    #[error("a picture of more than {0} bytes")]
    TooLong(usize),
    /// A packet breaks its payload format.
    #[error("malformed media: {0}")]
    Malformed(&'static str),
    /// The payload format has a form that is not read here.
    #[error("unsupported media: {0}")]
    Unsupported(&'static str),
}

/// One RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Last packet of a picture, if the sender keeps the rules.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Number of the packet, wraps.
    pub sequence: u16,
    /// Moment of the picture in the payload format's clock (90 kHz).
    pub timestamp: u32,
    /// Which source sent it.
    pub source: u32,
    /// What is in it.
    pub payload: Bytes,
}

impl Packet {
    /// Reads a packet's header; padding and extensions are left out of the payload.
    pub fn parse(bytes: &Bytes) -> Result<Self, MediaError> {
        const SHORT: MediaError = MediaError::Malformed("RTP packet too short");
        let header = bytes.first_chunk::<12>().ok_or(SHORT)?;
        if header[0] >> 6 != 2 {
            return Err(MediaError::Malformed("not RTP version 2"));
        }
        let mut start = 12 + 4 * usize::from(header[0] & 0x0f);
        if header[0] & 0x10 != 0 {
            let extension = bytes.get(start..start + 4).ok_or(SHORT)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            start += 4 + 4 * usize::from(words);
        }
        let padding = match bytes.last() {
            Some(length) if header[0] & 0x20 != 0 => usize::from(*length),
            _ => 0,
        };
        let end = bytes.len().checked_sub(padding).filter(|end| *end >= start).ok_or(SHORT)?;
        Ok(Self {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            source: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: bytes.slice(start..end),
        })
    }

    /// Whether this is RTCP that came on the channel of RTP.
    pub fn is_rtcp(&self) -> bool {
        (72..=76).contains(&self.payload_type)
    }
}

/// One whole picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Whether it can be decoded without any other picture.
    pub key: bool,
    /// Moment of the picture in the 90 kHz clock, wraps.
    pub timestamp: u32,
    /// Annex B with the parameter sets in front of every key picture, or a JPEG.
    pub data: Bytes,
}

/// Which pictures are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// All of them, and the sound that goes with them.
    Everything,
    /// Key pictures; the bytes of others are not even copied.
    KeysOnly,
}

/// What came of the packets so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pictures that ended, broken ones included.
    pub pictures: u64,
    /// Pictures that were left out because something of them was missing.
    pub broken: u64,
    /// Packets that broke their payload format.
    pub malformed: u64,
    /// Packets that never came, as far as their numbers tell.
    pub lost: u64,
}

/// Puts the packets of one track together.
#[derive(Debug)]
pub struct Depacketizer {
    format: Format,
    tally: Tally,
}

#[derive(Debug)]
enum Format {
    H264(assemble::Assembler),
    H265(assemble::Assembler),
    Jpeg(jpeg::Reader),
}

impl Depacketizer {
    /// For one track; no picture may be longer than `limit` bytes.
    pub fn new(track: &VideoTrack, wanted: Wanted, limit: usize) -> Self {
        let assembler = |syntax| {
            let mut assembler = assemble::Assembler::new(syntax, wanted, limit);
            track.parameter_sets.iter().for_each(|set| assembler.announce(set));
            assembler
        };
        let format = match track.codec {
            Codec::H264 => Format::H264(assembler(h264::SYNTAX)),
            Codec::H265 => Format::H265(assembler(h265::SYNTAX)),
            Codec::Jpeg => Format::Jpeg(jpeg::Reader::new(track.dimensions, limit)),
        };
        Self { format, tally: Tally::default() }
    }

    /// Takes the next packet, before which `lost` are known to be missing. Pictures that it
    /// completes are appended to `ready`.
    ///
    /// A malformed packet spoils its picture and is counted. `Err` is final: pictures without end,
    /// or a form of the payload that is not read here.
    pub fn push(
        &mut self,
        packet: &Packet,
        lost: u16,
        ready: &mut VecDeque<Unit>,
    ) -> Result<(), MediaError> {
        self.tally.lost += u64::from(lost);
        let outcome = match &mut self.format {
            Format::H264(assembler) => h264::push(assembler, packet, lost, ready, &mut self.tally),
            Format::H265(assembler) => h265::push(assembler, packet, lost, ready, &mut self.tally),
            Format::Jpeg(reader) => reader.push(packet, lost, ready, &mut self.tally),
        };
        match outcome {
            Err(MediaError::Malformed(_)) => {
                self.tally.malformed += 1;
                if let Format::H264(assembler) | Format::H265(assembler) = &mut self.format {
                    assembler.spoil();
                }
                Ok(())
            }
            other => other,
        }
    }

    /// What came of the packets so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests;
