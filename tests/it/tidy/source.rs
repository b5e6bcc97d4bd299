//! Rust text as words, for rules that must not be fooled by comments and strings.
//!
//! Knows enough of the language to find paths, and no more.

/// A word of Rust: an identifier, `::`, or any other single character that is no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

/// The words of a file without comments, strings and characters.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let rest = &text[at..];
        let length = skipped(rest).unwrap_or_else(|| {
            let length = word_length(rest);
            if !rest.starts_with(char::is_whitespace) {
                words.push(Word { text: &rest[..length], line });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        at += length;
    }
    words
}

fn word_length(rest: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("::") {
        return 2;
    }
    match rest.find(|c| !is_part(c)) {
        Some(0) => rest.chars().next().map_or(1, char::len_utf8),
        Some(end) => end,
        None => rest.len(),
    }
}

/// The length of the comment, string or character that begins here.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    raw_string(rest).or_else(|| quoted(rest)).or_else(|| character(rest))
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let content = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let head = rest.len() - content.len();
    Some(content.find(&end).map_or(rest.len(), |at| head + at + end.len()))
}

fn quoted(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character; not the tick of a lifetime.
fn character(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    if let Some(escape) = content.strip_prefix('\\') {
        // The escaped character itself may be a tick.
        let after = escape.char_indices().nth(1)?.0;
        return escape[after..].find('\'').map(|end| 2 + after + end + 1);
    }
    let (end, _) = content.char_indices().nth(1)?;
    content[end..].starts_with('\'').then_some(end + 2)
}

#[test]
fn comments_and_strings_are_no_words() {
    let text = "use a::b; // crate::x\nlet s = \"crate::y \\\" 'z\"; /* w */ let r = r#\"q\"#;\nf::<'a>('\\'', 'c', b\"k\");";
    let found: Vec<&str> = words(text).iter().map(|word| word.text).collect();
    let expected = "use a :: b ; let s = ; let r = ; f :: < ' a > ( , , b ) ;";
    assert_eq!(found.join(" "), expected);
    assert_eq!(words(text).last().unwrap().line, 3);
}
