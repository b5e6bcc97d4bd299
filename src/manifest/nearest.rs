//! The known word nearest to a misspelt one, for "did you mean".
//!
//! Says nothing where no word is near: a wrong guess is worse than none.

/// Longest text that is compared; what is longer is no misspelt word.
const WORD_CHARS_MAX: usize = 64;

/// The candidate that is nearest to `word`, if one is near enough.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let chars = word.chars().count();
    if chars == 0 || chars > WORD_CHARS_MAX {
        return None;
    }
    let bound = (chars / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, candidate)| candidate)
}

/// Insertions, removals, replacements and swaps of neighbours that lead from one word to the
/// other. Upper and lower case are the same.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *b && to[j - 1] == *a {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised_and_a_different_word_is_not() {
        let fields = ["address", "port", "family"];
        assert_eq!(nearest("adress", fields), Some("address"));
        assert_eq!(nearest("addresss", fields), Some("address"));
        assert_eq!(nearest("famliy", fields), Some("family"));
        assert_eq!(nearest("Port", fields), Some("port"));
        assert_eq!(nearest("colour", fields), None);
        assert_eq!(nearest("", fields), None);
    }
}
