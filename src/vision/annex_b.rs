//! Splits an Annex B byte stream into NAL units.
//!
//! It does not look inside a NAL unit.

/// The NAL units of `stream`, without start codes and without the zero bytes between them.
pub(crate) fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let current = rest?;
        let end = find_start_code(current).unwrap_or(current.len());
        rest = after_start_code(current.get(end..).unwrap_or_default());
        Some(trim_zeros(current.get(..end).unwrap_or_default()))
    })
    .filter(|nal| !nal.is_empty())
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    find_start_code(stream).and_then(|at| stream.get(at + 3..))
}

fn find_start_code(stream: &[u8]) -> Option<usize> {
    let mut at = 0;
    // The last byte of a start code is looked at first: most positions are then skipped by three.
    while let Some(&last) = stream.get(at + 2) {
        match last {
            0 => at += 1,
            1 if stream.get(at..at + 2) == Some(&[0, 0]) => return Some(at),
            _ => at += 3,
        }
    }
    None
}

fn trim_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or_default()
}
