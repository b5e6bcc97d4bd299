//! Keeps secrets out of the source lines and texts that problems show.
//!
//! Works on what the YAML says, not on what it means: a misspelt `pasword` is masked as well.

use super::nearest::distance;
use super::tree::{Content, Extent, Mark, NodeId, Tree};

/// What stands where a secret was.
const MASK: &str = "***";

/// Words in a key that make its value a secret.
const SECRET_WORDS: [&str; 5] = ["password", "passwd", "passphrase", "secret", "token"];

/// Longest line that is shown whole.
const LINE_CHARS_MAX: usize = 160;

/// What is shown of a longer line before the place that matters.
const LINE_CHARS_BEFORE: u32 = 60;

/// Places of secrets in one file.
#[derive(Debug, Default)]
pub(crate) struct Masks(Vec<Extent>);

impl Masks {
    /// Adds every secret of a document.
    pub(crate) fn add(&mut self, tree: &Tree) {
        if let Some(root) = tree.root() {
            let mut visited = vec![false; tree.len()];
            self.walk(tree, root, &mut visited);
        }
    }

    fn walk(&mut self, tree: &Tree, id: NodeId, visited: &mut [bool]) {
        if std::mem::replace(&mut visited[id], true) {
            return;
        }
        let node = tree.node(id);
        match &node.content {
            Content::Scalar { text, plain } => {
                if redact_url(text) != *text {
                    self.add_url(node.at, text, *plain);
                }
            }
            Content::List(items) => {
                for item in items {
                    self.walk(tree, *item, visited);
                }
            }
            Content::Map(entries) => {
                for entry in entries {
                    let value = tree.node(entry.value);
                    if is_secret_key(&entry.key) && !matches!(value.content, Content::Map(_))
                        || entry.key == "credentials" && value.is_scalar()
                    {
                        self.0.push(value.at);
                    }
                    self.walk(tree, entry.value, visited);
                }
            }
        }
    }

    /// Masks the part of a URL that must not be shown, from the first secret character on.
    fn add_url(&mut self, at: Extent, text: &str, plain: bool) {
        let query = text.find('?');
        let user = text.find("://").filter(|_| userinfo(text).is_some()).map(|start| start + 3);
        let Some(first) = [query, user].into_iter().flatten().min() else { return };
        let mut start = at.start;
        if at.end.line == start.line {
            let before = text.get(..first).map_or(0, |head| head.chars().count());
            let before = before + usize::from(!plain);
            start.column = start.column.saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        }
        self.0.push(Extent { start, end: at.end });
    }

    /// The line `number` (from 1) with `***` for secrets, and where two columns (from 1) of it
    /// went. Of a very long line only the part around the first column is kept.
    pub(crate) fn line(
        &self,
        text: &str,
        number: u32,
        columns: (u32, u32),
    ) -> (String, usize, usize) {
        let skipped = match text.chars().nth(LINE_CHARS_MAX) {
            Some(_) => columns.0.saturating_sub(LINE_CHARS_BEFORE),
            None => 0,
        };
        let skip = usize::try_from(skipped).unwrap_or(usize::MAX);
        let chars: Vec<char> = text.chars().skip(skip).take(LINE_CHARS_MAX).collect();
        let secrets: Vec<&Extent> = self
            .0
            .iter()
            .filter(|secret| secret.start.line <= number && number <= secret.end.line)
            .collect();
        let mut shown = if skip > 0 { "...".to_owned() } else { String::new() };
        let mut length = shown.len();
        let mut places = Vec::with_capacity(chars.len() + 1);
        let mut was_hidden = false;
        for (column, char) in (skipped + 1..).zip(&chars) {
            let here = Mark { line: number, column };
            let hidden = secrets.iter().any(|secret| secret.start <= here && here < secret.end);
            places.push(length);
            if !hidden {
                shown.push(*char);
                length += 1;
            } else if !was_hidden {
                shown.push_str(MASK);
                length += MASK.len();
            }
            was_hidden = hidden;
        }
        places.push(length);
        let place = |column: u32| {
            let index = usize::try_from(column.saturating_sub(skipped)).unwrap_or(usize::MAX);
            places.get(index.saturating_sub(1)).copied().unwrap_or(length)
        };
        (shown, place(columns.0), place(columns.1))
    }
}

/// Whether a key names a secret, also when misspelt.
fn is_secret_key(key: &str) -> bool {
    let lower = key.to_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
        || distance(&lower, "password") <= 2
        || distance(&lower, "secret") <= 1
        || ["pass", "pwd", "pw"].contains(&lower.as_str())
}

/// Any text as it may be shown: without what follows a key of a secret, whatever YAML made of
/// it (a quote that is not closed turns the rest of a file into one text), and without what a
/// URL must not show.
pub(crate) fn redact(text: &str) -> String {
    text.split('\n').map(redact_line).collect::<Vec<_>>().join("\n")
}

fn redact_line(line: &str) -> String {
    const BREAKS: [char; 9] = [' ', '\t', '{', '}', ',', '[', ']', '"', '\''];
    let mut shown = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(BREAKS).map_or(rest.len(), |at| at + 1);
        let (word, after) = rest.split_at(end);
        let bare = word.trim_end_matches(BREAKS);
        // A quoted key has its colon after the quote.
        let quoted = word.ends_with(['"', '\'']) && after.trim_start().starts_with(':');
        let key = bare.split_once(':').map(|(key, _)| key).or(quoted.then_some(bare));
        let value = match bare.split_once(':') {
            Some((_, "")) | None => after.trim_start().trim_start_matches([':', ' ', '"', '\'']),
            Some((_, value)) => value,
        };
        let nothing = value.is_empty() || value.starts_with(MASK) || value.starts_with("//");
        if key.is_some_and(|key| is_secret_key(key) && !key.ends_with("From")) && !nothing {
            shown.push_str(key.unwrap_or_default());
            shown.push_str(": ");
            shown.push_str(MASK);
            return shown;
        }
        shown.push_str(&redact_url(bare));
        shown.push_str(word.get(bare.len()..).unwrap_or_default());
        rest = after;
    }
    shown
}

/// The text of a URL or path without user name, password and query.
pub(crate) fn redact_url(text: &str) -> String {
    if !text.contains("://") && !text.starts_with('/') {
        return text.to_owned();
    }
    let mut shown = text.to_owned();
    if let Some(query) = shown.find('?') {
        shown.truncate(query + 1);
        shown.push_str(MASK);
    }
    if let Some((start, end)) = userinfo(&shown) {
        shown.replace_range(start..end, MASK);
    }
    shown
}

/// Where `user:password` stands in a URL, in bytes.
fn userinfo(text: &str) -> Option<(usize, usize)> {
    let start = text.find("://")? + 3;
    let rest = text.get(start..)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // A password with an unescaped '/' or '#' ends the authority early: look further for '@'.
    let at = authority.rfind('@').or_else(|| rest.split('?').next()?.rfind('@'))?;
    Some((start, start + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_and_query() {
        assert_eq!(redact_url("rtsp://u:p@10.0.0.1/a?k=1"), "rtsp://***@10.0.0.1/a?***");
        assert_eq!(redact_url("rtsp://u:p/q@10.0.0.1/a"), "rtsp://***@10.0.0.1/a");
        assert_eq!(redact_url("/a?user=admin&password=x"), "/a?***");
        assert_eq!(redact_url("admin: what?"), "admin: what?");
    }

    #[test]
    fn the_value_of_a_secret_key_is_never_shown() {
        for line in [
            "  password: hunter2 x",
            "  pasword: hunter2",
            "{username: a, password: hunter2}",
            "\"password\": hunter2",
            "\"password\" : \"hunter2\"",
            "{password:hunter2}",
            "shop\n  password: hunter2\n",
        ] {
            let shown = redact(line);
            assert!(!shown.contains("hunter2") && shown.contains("***"), "{line} -> {shown}");
        }
        for line in [
            "  passwordFrom: {env: PW}",
            "  username: admin, [a: \"b\"]",
            "{password: ***, x: 1}",
            "password:",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    #[test]
    fn the_caret_moves_with_a_masked_value() {
        let (trees, _) = super::super::tree::parse("{a: 1, password: hunter2, b: 3}");
        let mut masks = Masks::default();
        masks.add(&trees[0]);
        let (line, from, to) = masks.line("{a: 1, password: hunter2, b: 3}", 1, (27, 28));
        assert_eq!(line, "{a: 1, password: ***, b: 3}");
        assert_eq!(&line[from..to], "b");
    }
}
