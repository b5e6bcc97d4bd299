//! H.265 over RTP, RFC 7798: single NAL units, aggregation packets and fragmentation units.
//!
//! Not read: decoding order numbers (`sprop-max-don-diff`) and PACI packets, which no camera is
//! known to use, and layers other than the base layer.

use std::collections::VecDeque;

use super::assemble::{Assembler, NalKind, Syntax, exp_golomb};
use super::{MediaError, Packet, Tally, Unit};

const AGGREGATE: u8 = 48;
const FRAGMENT: u8 = 49;
const PACI: u8 = 50;

/// How H.265 says what a NAL unit is.
pub(super) const SYNTAX: Syntax = Syntax { header: 2, kind, needs: &[0, 1, 2] };

fn kind(nal: &[u8]) -> NalKind {
    match (nal[0] >> 1) & 0x3f {
        // BLA, IDR and CRA: pictures at which decoding may begin.
        16..=21 => NalKind::Slice { key: true },
        0..=31 => NalKind::Slice { key: false },
        32 => NalKind::Set { rank: 0, id: nal.get(2).map_or(0, |byte| u32::from(byte >> 4)) },
        33 => NalKind::Set { rank: 1, id: 0 },
        34 => NalKind::Set { rank: 2, id: exp_golomb(nal.get(2..).unwrap_or_default()) },
        _ => NalKind::Other,
    }
}

/// Takes one packet.
pub(super) fn push(
    assembler: &mut Assembler,
    packet: &Packet,
    lost: u16,
    ready: &mut VecDeque<Unit>,
    tally: &mut Tally,
) -> Result<(), MediaError> {
    assembler.enter(packet, lost, ready, tally);
    let payload = &packet.payload[..];
    let [first, second, rest @ ..] = payload else { return Ok(()) };
    let layer = (first & 1) << 5 | second >> 3;
    if layer == 0 {
        match (first >> 1) & 0x3f {
            AGGREGATE => aggregate(assembler, rest)?,
            FRAGMENT => fragment(assembler, *first, *second, rest)?,
            PACI => return Err(MediaError::Unsupported("H.265 PACI packets")),
            51.. => return Err(MediaError::Malformed("reserved H.265 packet type")),
            0..AGGREGATE => assembler.nal(payload)?,
        }
    }
    assembler.leave(packet, ready, tally);
    Ok(())
}

fn fragment(
    assembler: &mut Assembler,
    first: u8,
    second: u8,
    rest: &[u8],
) -> Result<(), MediaError> {
    let [header, fragment @ ..] = rest else {
        return Err(MediaError::Malformed("fragment too short"));
    };
    if header & 0x80 != 0 {
        assembler.begin(&[first & 0x81 | (header & 0x3f) << 1, second])?;
    }
    assembler.append(fragment)?;
    if header & 0x40 != 0 { assembler.end() } else { Ok(()) }
}

fn aggregate(assembler: &mut Assembler, mut rest: &[u8]) -> Result<(), MediaError> {
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let nal = behind.get(..length).ok_or(MediaError::Malformed("aggregate too short"))?;
        assembler.nal(nal)?;
        rest = &behind[length..];
    }
    Ok(())
}
