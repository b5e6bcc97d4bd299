//! Boxes of the ISO base media file format (ISO/IEC 14496-12), as slices of what was received.
//!
//! Nothing is allocated by a size that stands in the data, and every size is checked against the
//! box around it: what is behind go2rtc is a camera, and cameras send anything.

use std::ops::Range;

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 8;

/// One box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Box<'a> {
    /// Its four letters.
    pub kind: [u8; 4],
    /// What is in it.
    pub body: &'a [u8],
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its four letters.
    pub kind: [u8; 4],
    /// Where its body begins.
    pub body_at: usize,
    /// Length with head.
    pub whole: usize,
}

/// A size that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSize;

/// The head of the box at the front; `None` when more bytes are needed to tell.
///
/// A box without end (size 0) is not accepted: it has no place in a stream of fragments.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, BadSize> {
    let (Some(size), Some(kind)) = (bytes.first_chunk::<4>(), bytes.get(4..8)) else {
        return Ok(None);
    };
    let Ok(kind) = <[u8; 4]>::try_from(kind) else { return Ok(None) };
    let (body_at, whole) = match u32::from_be_bytes(*size) {
        1 => {
            let Some(large) = bytes.get(8..16).and_then(|large| large.first_chunk::<8>()) else {
                return Ok(None);
            };
            (16, usize::try_from(u64::from_be_bytes(*large)).map_err(|_| BadSize)?)
        }
        size => (8, usize::try_from(size).map_err(|_| BadSize)?),
    };
    if whole < body_at { Err(BadSize) } else { Ok(Some(Head { kind, body_at, whole })) }
}

/// The boxes side by side in a slice. Ends with an error where one does not fit.
pub fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = Result<Box<'_>, BadSize>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Ok(Some(Head { kind, body_at, whole })) = head(bytes) else {
            bytes = &[];
            return Some(Err(BadSize));
        };
        let Some(body) = bytes.get(body_at..whole) else {
            bytes = &[];
            return Some(Err(BadSize));
        };
        bytes = &bytes[whole..];
        Some(Ok(Box { kind, body }))
    })
}

/// The first box of this kind side by side in a slice.
pub fn child(bytes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    boxes(bytes).map_while(Result::ok).find(|inner| inner.kind == kind).map(|inner| inner.body)
}

/// The first box at the end of a path.
pub fn descend<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    bytes.get(place(bytes, path)?)
}

/// Where what is in the first box at the end of a path stands.
pub fn place(bytes: &[u8], path: &[&[u8; 4]]) -> Option<Range<usize>> {
    path.iter().try_fold(0..bytes.len(), |around, kind| {
        let mut at = around.start;
        loop {
            let head = head(bytes.get(at..around.end)?).ok()??;
            let end = at.checked_add(head.whole).filter(|end| *end <= around.end)?;
            if head.kind == **kind {
                return Some(at + head.body_at..end);
            }
            at = end;
        }
    })
}

/// Whether all boxes in a slice, and in those that hold boxes, have sizes that fit.
pub fn is_sound(bytes: &[u8]) -> bool {
    fn at(bytes: &[u8], depth: usize) -> bool {
        boxes(bytes).all(|inner| {
            inner.is_ok_and(|inner| {
                let holds = matches!(
                    &inner.kind,
                    b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"moof" | b"traf"
                );
                !holds || (depth < DEPTH_MAX && at(inner.body, depth + 1))
            })
        })
    }
    at(bytes, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_that_do_not_fit_are_seen() {
        assert_eq!(head(b"\0\0\0\x08fre"), Ok(None));
        assert_eq!(head(b"\0\0\0\x07free"), Err(BadSize));
        assert_eq!(head(b"\0\0\0\0free"), Err(BadSize));
        let large = b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x11x";
        assert_eq!(head(large), Ok(Some(Head { kind: *b"mdat", body_at: 16, whole: 17 })));
        assert!(is_sound(b"\0\0\0\x10moov\0\0\0\x08trak"));
        assert!(!is_sound(b"\0\0\0\x10moov\0\0\0\x09trak"));
        assert_eq!(descend(b"\0\0\0\x11moov\0\0\0\x09trakx", &[b"moov", b"trak"]), Some(&b"x"[..]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _head = head(&bytes);
            let _sound = is_sound(&bytes);
            let _found = descend(&bytes, &[b"moov", b"trak"]);
        }
    }
}
