//! What comes over the WebSocket, cut into an initialisation segment and fragments, and checked.
//!
//! It does not look into pictures. Messages may hold several fragments, or part of one.

use bytes::{Bytes, BytesMut};

use super::boxes::{self, Head};
use super::error::LiveError;

/// Largest piece that is put together.
pub(super) const PIECE_BYTES_MAX: usize = 8 << 20;

/// One piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `ftyp` and `moov`: the first piece, and only that.
    Init(Bytes),
    /// `moof` and `mdat`.
    Fragment(Bytes),
}

/// Puts pieces together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    waiting: BytesMut,
    begun: bool,
}

impl Assembler {
    /// Takes what a message held.
    pub(super) fn push(&mut self, message: &[u8]) -> Result<(), LiveError> {
        if self.waiting.len() + message.len() > 2 * PIECE_BYTES_MAX {
            return Err(LiveError::TooLarge(PIECE_BYTES_MAX));
        }
        self.waiting.extend_from_slice(message);
        Ok(())
    }

    /// The next whole piece.
    pub(super) fn next(&mut self) -> Result<Option<Segment>, LiveError> {
        let (first, second) = if self.begun { (*b"moof", *b"mdat") } else { (*b"ftyp", *b"moov") };
        let Some(begin) = expect(&self.waiting, first)? else { return Ok(None) };
        let Some(rest) = self.waiting.get(begin.whole..) else { return Ok(None) };
        let Some(end) = expect(rest, second)? else { return Ok(None) };
        let whole = begin.whole.saturating_add(end.whole);
        if whole > PIECE_BYTES_MAX {
            return Err(LiveError::TooLarge(PIECE_BYTES_MAX));
        }
        if self.waiting.len() < whole {
            return Ok(None);
        }
        let piece = self.waiting.split_to(whole).freeze();
        let checked = if self.begun { &piece[..begin.whole] } else { &piece[..] };
        if !boxes::is_sound(checked) {
            return Err(LiveError::Malformed("a box does not fit into the one around it"));
        }
        if self.begun {
            return Ok(Some(Segment::Fragment(piece)));
        }
        self.begun = true;
        Ok(Some(Segment::Init(piece)))
    }
}

/// The head of the box at the front, which must be of this kind; `None` when it is not here yet.
fn expect(bytes: &[u8], kind: [u8; 4]) -> Result<Option<Head>, LiveError> {
    let head = boxes::head(bytes).map_err(|_| LiveError::Malformed("a box has no sane size"))?;
    let Some(head) = head else { return Ok(None) };
    if head.kind != kind {
        return Err(LiveError::Malformed("a box of another kind was due"));
    }
    if head.whole > PIECE_BYTES_MAX {
        return Err(LiveError::TooLarge(PIECE_BYTES_MAX));
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(first: [u8; 4], second: [u8; 4], length: usize) -> Vec<u8> {
        let mut out = b"\0\0\0\x08".to_vec();
        out.extend(first);
        out.extend(u32::try_from(8 + length).unwrap().to_be_bytes());
        out.extend(second);
        out.extend(std::iter::repeat_n(7, length));
        out
    }

    fn whole() -> (Vec<u8>, Vec<Segment>) {
        let init = piece(*b"ftyp", *b"moov", 0);
        let fragments = [piece(*b"moof", *b"mdat", 300), piece(*b"moof", *b"mdat", 5)];
        let mut expected = vec![Segment::Init(init.clone().into())];
        expected.extend(fragments.iter().map(|f| Segment::Fragment(f.clone().into())));
        ([init, fragments.concat()].concat(), expected)
    }

    fn all(messages: &[&[u8]]) -> Result<Vec<Segment>, LiveError> {
        let mut assembler = Assembler::default();
        let mut found = Vec::new();
        for message in messages {
            assembler.push(message)?;
            while let Some(segment) = assembler.next()? {
                found.push(segment);
            }
        }
        Ok(found)
    }

    #[test]
    fn what_is_out_of_order_or_too_large_ends_the_stream() {
        let fragment = piece(*b"moof", *b"mdat", 5);
        let init = piece(*b"ftyp", *b"moov", 0);
        assert!(matches!(all(&[&fragment]), Err(LiveError::Malformed(_))));
        assert!(matches!(all(&[&init, &init]), Err(LiveError::Malformed(_))));
        assert!(matches!(all(&[&init, b"<html><body>"]), Err(LiveError::Malformed(_))));
        assert!(matches!(all(&[&piece(*b"ftyp", *b"moov", 3)]), Err(LiveError::Malformed(_))));
        let huge = b"\0\0\0\x08moof\x7f\0\0\0mdat";
        assert_eq!(all(&[&init, huge]), Err(LiveError::TooLarge(PIECE_BYTES_MAX)));
        assert_eq!(all(&[b"\x01\0\0\0ftyp"]), Err(LiveError::TooLarge(PIECE_BYTES_MAX)));
    }

    proptest! {
        #[test]
        fn pieces_are_the_same_however_they_are_cut(cuts in proptest::collection::vec(0..400_usize, 0..6)) {
            let (bytes, expected) = whole();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let messages: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(all(&messages), Ok(expected));
        }
    }
}
