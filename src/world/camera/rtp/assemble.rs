//! Puts NAL units of H.264 and H.265 together to pictures.
//!
//! The two differ in how a NAL unit says what it is; the differences are in [`Syntax`]. Pictures
//! end at the marker or at the next timestamp. Slices are not looked into, except for the bit
//! that says that a slice is the picture's first.

use std::collections::VecDeque;

use super::{MediaError, Packet, Tally, Unit, Wanted};

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Longest parameter set that is kept, in bytes.
const SET_BYTES_MAX: usize = 4096;
/// Most parameter sets that are kept.
const SETS_MAX: usize = 32;

/// What a NAL unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NalKind {
    /// A parameter set: rank (VPS, SPS, PPS from 0) and number.
    Set { rank: u8, id: u32 },
    /// A piece of a picture.
    Slice { key: bool },
    /// Anything else: delimiters, supplemental information.
    Other,
}

/// How one codec's NAL units are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Bytes before the payload of a NAL unit.
    pub header: usize,
    /// What a NAL unit is; called with at least `header` bytes.
    pub kind: fn(&[u8]) -> NalKind,
    /// Ranks of the parameter sets without which a key picture cannot be decoded.
    pub needs: &'static [u8],
}

#[derive(Debug)]
struct Picture {
    timestamp: u32,
    data: Vec<u8>,
    key: bool,
    slices: u32,
    damaged: bool,
}

/// Collects the NAL units of the picture that is arriving.
#[derive(Debug)]
pub(super) struct Assembler {
    syntax: Syntax,
    wanted: Wanted,
    limit: usize,
    sets: Vec<(u8, u32, Vec<u8>)>,
    picture: Option<Picture>,
    // Where the NAL unit that is arriving in fragments starts in the picture's data.
    open: Option<usize>,
    // Its bytes are not kept, since its picture is not wanted.
    skipping: bool,
}

impl Assembler {
    pub(super) fn new(syntax: Syntax, wanted: Wanted, limit: usize) -> Self {
        let sets = Vec::new();
        Self { syntax, wanted, limit, sets, picture: None, open: None, skipping: false }
    }

    /// Takes a parameter set from the session description.
    pub(super) fn announce(&mut self, nal: &[u8]) {
        if nal.len() > self.syntax.header
            && let NalKind::Set { rank, id } = (self.syntax.kind)(nal)
        {
            self.keep_set(rank, id, nal);
        }
    }

    /// Starts on a packet: ends the picture before it when the timestamp has changed.
    pub(super) fn enter(
        &mut self,
        packet: &Packet,
        lost: u16,
        ready: &mut VecDeque<Unit>,
        tally: &mut Tally,
    ) {
        if lost > 0 {
            self.spoil();
        }
        if self.picture.as_ref().is_some_and(|picture| picture.timestamp != packet.timestamp) {
            self.finish(ready, tally);
        }
        self.picture.get_or_insert_with(|| Picture {
            timestamp: packet.timestamp,
            data: Vec::new(),
            key: false,
            slices: 0,
            damaged: false,
        });
    }

    /// Ends a packet: ends the picture if the packet is marked as its last.
    pub(super) fn leave(&mut self, packet: &Packet, ready: &mut VecDeque<Unit>, tally: &mut Tally) {
        // Some cameras mark parameter sets as if they were pictures.
        if packet.marker && self.picture.as_ref().is_some_and(|picture| picture.slices > 0) {
            self.finish(ready, tally);
        }
    }

    /// Something of the picture that is arriving is missing.
    pub(super) fn spoil(&mut self) {
        self.open = None;
        if let Some(picture) = &mut self.picture {
            picture.damaged = true;
            picture.data = Vec::new();
        }
    }

    /// Takes a whole NAL unit.
    pub(super) fn nal(&mut self, nal: &[u8]) -> Result<(), MediaError> {
        if nal.len() <= self.syntax.header {
            return Err(MediaError::Malformed("empty NAL unit"));
        }
        self.begin(&nal[..self.syntax.header])?;
        self.append(&nal[self.syntax.header..])?;
        self.end()
    }

    /// Takes the header of a NAL unit that comes in fragments.
    pub(super) fn begin(&mut self, header: &[u8]) -> Result<(), MediaError> {
        if self.open.is_some() {
            return Err(MediaError::Malformed("a NAL unit begins within another"));
        }
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let kind = (self.syntax.kind)(header);
        if let NalKind::Slice { key } = kind {
            picture.key |= key;
        }
        self.skipping = self.wanted == Wanted::KeysOnly && kind == NalKind::Slice { key: false };
        self.open = Some(picture.data.len());
        if !self.skipping && !picture.damaged {
            picture.data.extend_from_slice(&START_CODE);
            picture.data.extend_from_slice(header);
        }
        Ok(())
    }

    /// Takes a fragment.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        if picture.damaged {
            return Ok(());
        }
        if self.open.is_none() {
            return Err(MediaError::Malformed("a fragment without its beginning"));
        }
        if self.skipping {
            return Ok(());
        }
        if picture.data.len() + bytes.len() > self.limit {
            return Err(MediaError::TooLong(self.limit));
        }
        picture.data.extend_from_slice(bytes);
        Ok(())
    }

    /// The NAL unit is complete.
    pub(super) fn end(&mut self) -> Result<(), MediaError> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let start = self.open.take();
        if picture.damaged {
            return Ok(());
        }
        let start = start.ok_or(MediaError::Malformed("a fragment without its beginning"))?;
        if self.skipping {
            picture.slices += 1;
            return Ok(());
        }
        let nal = &picture.data[start + START_CODE.len()..];
        if matches!((self.syntax.kind)(nal), NalKind::Slice { .. }) {
            // Without its first slice the picture has a hole, even if no number is missing: the
            // session may have begun in the middle of it.
            let first = nal.get(self.syntax.header).is_some_and(|byte| byte & 0x80 != 0);
            picture.slices += 1;
            if picture.slices == 1 && !first {
                self.spoil();
            }
            return Ok(());
        }
        // Anything but a slice may hide several NAL units with start codes between them, which
        // some cameras send as one.
        let units = picture.data.split_off(start);
        for unit in split_at_start_codes(&units[START_CODE.len()..]) {
            self.take_unit(unit)?;
        }
        Ok(())
    }

    fn take_unit(&mut self, unit: &[u8]) -> Result<(), MediaError> {
        if unit.len() <= self.syntax.header {
            return Ok(());
        }
        match (self.syntax.kind)(unit) {
            NalKind::Set { rank, id } => self.keep_set(rank, id, unit),
            NalKind::Slice { .. } => return self.nal(unit),
            NalKind::Other => {
                if let Some(picture) = &mut self.picture {
                    picture.data.extend_from_slice(&START_CODE);
                    picture.data.extend_from_slice(unit);
                }
            }
        }
        Ok(())
    }

    fn keep_set(&mut self, rank: u8, id: u32, nal: &[u8]) {
        if nal.len() > SET_BYTES_MAX {
            return;
        }
        let same = |set: &&mut (u8, u32, Vec<u8>)| (set.0, set.1) == (rank, id);
        if let Some(set) = self.sets.iter_mut().find(same) {
            if set.2 != nal {
                set.2 = nal.to_vec();
            }
        } else if self.sets.len() < SETS_MAX {
            self.sets.push((rank, id, nal.to_vec()));
            self.sets.sort_by_key(|set| (set.0, set.1));
        }
    }

    fn finish(&mut self, ready: &mut VecDeque<Unit>, tally: &mut Tally) {
        let cut = self.open.take().is_some();
        let Some(picture) = self.picture.take() else { return };
        let damaged = picture.damaged || cut;
        if picture.slices == 0 && !damaged {
            return;
        }
        tally.pictures += 1;
        let known = |rank: &u8| self.sets.iter().any(|set| set.0 == *rank);
        if damaged || (picture.key && !self.syntax.needs.iter().all(known)) {
            tally.broken += 1;
            return;
        }
        if picture.key {
            let sets: usize = self.sets.iter().map(|set| set.2.len() + START_CODE.len()).sum();
            let mut data = Vec::with_capacity(sets + picture.data.len());
            for (_, _, nal) in &self.sets {
                data.extend_from_slice(&START_CODE);
                data.extend_from_slice(nal);
            }
            data.extend_from_slice(&picture.data);
            ready.push_back(Unit { key: true, timestamp: picture.timestamp, data: data.into() });
        } else if self.wanted != Wanted::KeysOnly {
            let data = picture.data.into();
            ready.push_back(Unit { key: false, timestamp: picture.timestamp, data });
        }
    }
}

fn split_at_start_codes(bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(3).position(|window| window == [0, 0, 1]) {
        units.push(&bytes[start..at + found]);
        at += found + 3;
        start = at;
    }
    units.push(&bytes[start..]);
    // The zero before a start code belongs to it, and a NAL unit never ends with one.
    units.into_iter().map(without_last_zeros).collect()
}

fn without_last_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

/// An Exp-Golomb number at the beginning of a text of bits, up to 16 bits long.
pub(super) fn exp_golomb(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    let bits = u32::from_be_bytes(word);
    let zeros = bits.leading_zeros();
    if zeros > 15 {
        return 0;
    }
    (bits >> (31 - 2 * zeros)).saturating_sub(1)
}
