//! Manifest files on the way to `Desired`: parsed text, places in it, and the problems found.
//!
//! Knows where things stand, not what they mean.

use std::path::{Path, PathBuf};

use super::mask::{Masks, redact};
use super::problem::{Problem, ProblemKind, Severity, SourceLine};
use super::schema::Kind;
use super::tree::{self, Content, Extent, Fault, Mark, NodeId, Tree};

/// Most problems that are reported at once.
const PROBLEMS_MAX: usize = 1_000;

/// One manifest file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path relative to the manifest directory, with `/`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// One file, parsed.
pub(crate) struct ParsedFile<'s> {
    /// What problems call it.
    shown: String,
    /// What files of secrets are relative to.
    directory: PathBuf,
    lines: Vec<&'s str>,
    pub(crate) trees: Vec<Tree>,
    faults: Vec<Fault>,
    masks: Masks,
}

impl<'s> ParsedFile<'s> {
    /// Parses the text of a file below `directory`.
    pub(crate) fn new(directory: &Path, source: &'s SourceText) -> Self {
        let path = directory.join(&source.name);
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        let (trees, faults) = tree::parse(text);
        let mut masks = Masks::default();
        for tree in &trees {
            masks.add(tree);
        }
        Self {
            shown: path.display().to_string(),
            directory: path.parent().unwrap_or(directory).to_path_buf(),
            lines: text.lines().collect(),
            trees,
            faults,
            masks,
        }
    }

    /// Takes out what is wrong with the text as YAML.
    pub(crate) fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    /// What files of secrets are relative to.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn problem(&self, fault: Fault, severity: Severity) -> Problem {
        let Mark { line, column } = fault.at.start;
        Problem {
            file: self.shown.clone(),
            line,
            column,
            kind: fault.kind,
            text: redact(&fault.text),
            message: fault.message,
            remedy: fault.remedy,
            severity,
            source: self.source_line(fault.at),
        }
    }

    fn source_line(&self, at: Extent) -> Option<SourceLine> {
        let index = usize::try_from(at.start.line).ok()?.checked_sub(1)?;
        let text = *self.lines.get(index)?;
        let end = if at.end.line == at.start.line { at.end.column } else { u32::MAX };
        let (mut text, from, to) = self.masks.line(text, at.start.line, (at.start.column, end));
        // What could not be parsed is not in the masks.
        text = redact(&text);
        let shown = text.trim_end().chars().count();
        let from = from.min(shown);
        Some(SourceLine { length: to.min(shown).saturating_sub(from).max(1), from, text })
    }

    /// Where the file and a place in it are, for messages.
    pub(crate) fn place(&self, at: Mark) -> String {
        format!("{}:{}:{}", self.shown, at.line, at.column)
    }
}

/// All problems so far, bounded.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    more: usize,
}

impl Report {
    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Adds an error at a place of a file.
    pub(crate) fn fault(&mut self, file: &ParsedFile<'_>, fault: Fault) {
        self.place(file, fault, Severity::Error);
    }

    /// Adds a warning at a place of a file.
    pub(crate) fn warning(&mut self, file: &ParsedFile<'_>, fault: Fault) {
        self.place(file, fault, Severity::Warning);
    }

    fn place(&mut self, file: &ParsedFile<'_>, fault: Fault, severity: Severity) {
        // Making a problem searches its line, which would add up for what is not shown anyway.
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(file.problem(fault, severity));
        } else {
            self.more += 1;
        }
    }

    /// Everything in order of place, each once.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by(|a, b| {
            (&a.file, a.line, a.column, a.severity)
                .cmp(&(&b.file, b.line, b.column, b.severity))
                .then_with(|| a.message.cmp(&b.message))
        });
        self.problems.dedup();
        if self.more > 0 {
            let file = self.problems.last().map(|last| last.file.clone()).unwrap_or_default();
            let message = format!("{} more problems are not shown", self.more);
            let help = "repair these first";
            self.problems.push(Problem::of_file(file, ProblemKind::TooLarge, message, help));
        }
        self.problems
    }
}

/// One document of a known kind.
#[derive(Clone, Copy)]
pub(crate) struct Doc<'f> {
    pub(crate) file: &'f ParsedFile<'f>,
    pub(crate) tree: &'f Tree,
    pub(crate) kind: Kind,
    /// Where its kind stands.
    pub(crate) kind_at: Extent,
}

impl<'f> Doc<'f> {
    /// The value at a path, or the nearest key above where it is missing.
    fn find(&self, path: &[&str]) -> Result<NodeId, Extent> {
        let mut at = self.kind_at;
        let mut id = self.tree.root().ok_or(at)?;
        for step in path {
            match &self.tree.node(id).content {
                Content::Map(entries) => {
                    let entry = entries.iter().find(|entry| entry.key == *step).ok_or(at)?;
                    at = entry.key_at;
                    id = entry.value;
                }
                Content::List(items) => {
                    let item = step.parse::<usize>().ok().and_then(|index| items.get(index));
                    id = *item.ok_or(at)?;
                    at = self.tree.node(id).at;
                }
                Content::Scalar { .. } => return Err(at),
            }
        }
        if self.tree.node(id).is_null() { Err(at) } else { Ok(id) }
    }

    /// Where the value at a path stands, or the nearest key above where it is missing.
    pub(crate) fn at(&self, path: &[&str]) -> Extent {
        match self.find(path) {
            Ok(id) => self.tree.node(id).at,
            Err(at) => at,
        }
    }

    /// Whether something other than null stands there, be it right or wrong.
    pub(crate) fn given(&self, path: &[&str]) -> bool {
        self.find(path).is_ok()
    }

    /// The text at a path, where one stands there.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&'f str> {
        match &self.tree.node(self.find(path).ok()?).content {
            Content::Scalar { text, .. } => Some(text),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// A fault at a path.
    pub(crate) fn fault(
        &self,
        path: &[&str],
        kind: ProblemKind,
        message: impl Into<String>,
    ) -> Fault {
        Fault::new(self.at(path), kind, message).text(self.text(path).unwrap_or_default())
    }

    /// Reports that a field is missing, unless something wrong stood there.
    pub(crate) fn missing(&self, report: &mut Report, path: &[&str], help: &str) {
        if !self.given(path) {
            let message = format!("`{}` is missing", path.join("."));
            let at = self.at(path);
            report.fault(self.file, Fault::new(at, ProblemKind::Missing, message).help(help));
        }
    }
}
