//! H.264 over RTP, RFC 6184: single NAL units, STAP-A and FU-A (packetization modes 0 and 1).
//!
//! Not read: the interleaved mode 2 (STAP-B, MTAP, FU-B), which no camera is known to use.

use std::collections::VecDeque;

use super::assemble::{Assembler, NalKind, Syntax, exp_golomb};
use super::{MediaError, Packet, Tally, Unit};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// How H.264 says what a NAL unit is.
pub(super) const SYNTAX: Syntax = Syntax { header: 1, kind, needs: &[1, 2] };

fn kind(nal: &[u8]) -> NalKind {
    match nal[0] & 0x1f {
        1..=4 => NalKind::Slice { key: false },
        5 => NalKind::Slice { key: true },
        7 => NalKind::Set { rank: 1, id: exp_golomb(nal.get(4..).unwrap_or_default()) },
        8 => NalKind::Set { rank: 2, id: exp_golomb(&nal[1..]) },
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
    let Some(first) = payload.first() else { return Ok(()) };
    match first & 0x1f {
        1..=23 => assembler.nal(payload)?,
        STAP_A => aggregate(assembler, &payload[1..])?,
        FU_A => fragment(assembler, payload)?,
        25..=27 | 29 => return Err(MediaError::Unsupported("interleaved H.264 packets")),
        _ => return Err(MediaError::Malformed("reserved H.264 packet type")),
    }
    assembler.leave(packet, ready, tally);
    Ok(())
}

fn fragment(assembler: &mut Assembler, payload: &[u8]) -> Result<(), MediaError> {
    let [indicator, header, fragment @ ..] = payload else {
        return Err(MediaError::Malformed("fragment too short"));
    };
    if header & 0x80 != 0 {
        assembler.begin(&[indicator & 0xe0 | header & 0x1f])?;
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
