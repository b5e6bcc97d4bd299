//! What is wrong with the manifests, and how it is shown.
//!
//! Rendering is plain text without colours: whoever prints it may add them.

use std::fmt;

use serde::Serialize;

use super::mask;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The set cannot come into force.
    Error,
    /// The set can come into force; somebody should look.
    Warning,
}

impl Severity {
    /// The word of the rendering.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What sort of mistake a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProblemKind {
    /// A file or the directory cannot be read.
    Unreadable,
    /// The text is no YAML.
    Syntax,
    /// A bound on size, number or nesting is passed.
    TooLarge,
    /// No such field.
    UnknownField,
    /// No such kind, or another `apiVersion`.
    UnknownKind,
    /// A field that must be there is not.
    Missing,
    /// A value of the wrong type, form or range.
    WrongValue,
    /// A name, key or element that is there twice.
    Duplicate,
    /// A reference to something that does not exist.
    Dangling,
    /// Two values that do not go together.
    Conflict,
    /// A URL that could run a program, or that leads elsewhere.
    UnsafeUrl,
    /// A secret in clear text.
    PlainSecret,
}

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, as a path that begins with the directory as the user gave it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What sort of mistake it is.
    pub kind: ProblemKind,
    /// The offending text; empty where something is missing. Never a secret.
    pub text: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What would be right; empty where the message says it.
    pub remedy: String,
    /// How bad it is.
    pub severity: Severity,
    /// The line of the source, secrets replaced; `None` where there is none.
    #[serde(skip)]
    pub source: Option<SourceLine>,
}

/// A line of a manifest as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The text, secrets replaced.
    pub text: String,
    /// First underlined character, from 0.
    pub from: usize,
    /// Underlined characters, at least 1.
    pub length: usize,
}

impl Problem {
    /// Whether it keeps the set from coming into force.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// A problem of a whole file or directory.
    pub(crate) fn of_file(
        file: impl Into<String>,
        kind: ProblemKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            kind,
            text: String::new(),
            message: message.into(),
            remedy: remedy.into(),
            severity: Severity::Error,
            source: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.as_str();
        write!(f, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        if let Some(source) = &self.source {
            let number = self.line.to_string();
            let blank = " ".repeat(number.len());
            write!(f, "\n  {number} | {}", source.text.trim_end())?;
            write!(f, "\n  {blank} | {}", underline(source))?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n  help: {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Carets below the marked characters. Tabs stay tabs, so that both lines stay aligned.
fn underline(source: &SourceLine) -> String {
    let mut line = String::new();
    for (index, char) in source.text.chars().enumerate().take(source.from + source.length) {
        if index < source.from {
            if char == '\t' { line.push('\t') } else { line.push_str(&" ".repeat(cells(char))) }
        } else {
            line.push_str(&"^".repeat(cells(char)));
        }
    }
    if !line.ends_with('^') {
        line.push('^');
    }
    line
}

/// Cells of a terminal that a character takes: two for the scripts of East Asia and emoji.
fn cells(char: char) -> usize {
    match u32::from(char) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// All problems as text, with a last line that counts them; empty without any.
pub fn render(problems: &[Problem]) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for problem in problems {
        text.push_str(&problem.to_string());
        text.push_str("\n\n");
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{number} {word}s")),
    };
    let counts: Vec<String> =
        [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    text.push_str(&counts.join(", "));
    text.push('\n');
    text
}

/// A quoted excerpt of an offending text: one line, bounded, nothing that a URL must not show.
pub(crate) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let shown = mask::redact(text);
    let flat: String =
        shown.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if flat.chars().count() <= CHARS_MAX {
        return format!("`{flat}`");
    }
    let cut: String = flat.chars().take(CHARS_MAX).collect();
    format!("`{cut}...`")
}
