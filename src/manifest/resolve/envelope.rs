//! The part that all manifests share: `apiVersion`, `kind`, `metadata`, and unique names.
//!
//! What stands in `spec` is read here and judged elsewhere.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;

use crate::manifest::document::{Doc, ParsedFile, Report};
use crate::manifest::nearest::nearest;
use crate::manifest::problem::{ProblemKind, quote};
use crate::manifest::read;
use crate::manifest::schema::{API_VERSION, Kind, Label, Manifest};
use crate::manifest::tree::{Content, Extent, Fault, Mark, Tree};

/// One document, read.
pub(super) struct Read<'f, S> {
    pub(super) doc: Doc<'f>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) spec: S,
    name: Option<Label>,
}

impl<S> Read<'_, S> {
    /// Its name; `None` where it has none or a wrong one, which is reported.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.0.as_str())
    }
}

/// Checks `apiVersion` and `kind`; `None` where it is not known what the document should be.
pub(super) fn open<'f>(
    file: &'f ParsedFile<'f>,
    tree: &'f Tree,
    report: &mut Report,
) -> Option<Doc<'f>> {
    let root = tree.root()?;
    let Content::Map(entries) = &tree.node(root).content else {
        let at = tree.node(root).at;
        let fault = Fault::new(at, ProblemKind::WrongValue, "a manifest is a mapping");
        let help = "begin it with `apiVersion:` and `kind:`; separate documents with `---`";
        report.fault(file, fault.help(help));
        return None;
    };
    let first = entries.first().map_or(tree.node(root).at, |entry| entry.key_at);
    check_version(file, tree, first, report);
    let Some(entry) = tree.entry(root, "kind").filter(|entry| !tree.node(entry.value).is_null())
    else {
        let near = entries.iter().find(|entry| nearest(&entry.key, ["kind"]).is_some());
        let fault = match near {
            Some(entry) => {
                let message = format!("unknown field {}", quote(&entry.key));
                let fault = Fault::new(entry.key_at, ProblemKind::UnknownField, message);
                fault.text(entry.key.clone()).help("did you mean `kind`?")
            }
            None => Fault::new(first, ProblemKind::Missing, "`kind` is missing")
                .help(format!("add one of {}", kinds())),
        };
        report.fault(file, fault);
        return None;
    };
    let node = tree.node(entry.value);
    let word = match &node.content {
        Content::Scalar { text, .. } => text.as_str(),
        Content::List(_) | Content::Map(_) => "",
    };
    let Some(kind) = Kind::parse(word) else {
        let fault =
            Fault::new(node.at, ProblemKind::UnknownKind, format!("unknown kind {}", quote(word)));
        let help = match nearest(word, Kind::ALL.map(Kind::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", kinds()),
        };
        report.fault(file, fault.text(word).help(help));
        return None;
    };
    Some(Doc { file, tree, kind, kind_at: node.at })
}

fn kinds() -> String {
    Kind::ALL.map(Kind::as_str).join(", ")
}

fn check_version(file: &ParsedFile<'_>, tree: &Tree, first: Extent, report: &mut Report) {
    let Some(root) = tree.root() else { return };
    let help = format!("write `apiVersion: {API_VERSION}`");
    let fault = match tree.entry(root, "apiVersion").map(|entry| tree.node(entry.value)) {
        None => Fault::new(first, ProblemKind::Missing, "`apiVersion` is missing"),
        Some(node) => match &node.content {
            Content::Scalar { text, .. } if text == API_VERSION => return,
            Content::Scalar { text, .. } => {
                let message = format!("unknown apiVersion {}", quote(text));
                Fault::new(node.at, ProblemKind::UnknownKind, message).text(text.clone())
            }
            Content::List(_) | Content::Map(_) => {
                Fault::new(node.at, ProblemKind::UnknownKind, "`apiVersion` is a text")
            }
        },
    };
    report.fault(file, fault.help(help));
}

/// Reads a document of a known kind, with every mistake in it.
pub(super) fn read<'f, S>(doc: Doc<'f>, report: &mut Report) -> Option<Read<'f, S>>
where
    S: DeserializeOwned + Default,
{
    let (manifest, faults) = read::read::<Manifest<S>>(doc.tree, doc.tree.root()?);
    for fault in faults {
        report.fault(doc.file, fault);
    }
    if !doc.kind.is_single() {
        let help = format!("give the {} a name of a-z, 0-9 and '-'", doc.kind);
        doc.missing(report, &["metadata", "name"], &help);
    }
    let manifest = manifest?;
    let (name, labels) = (manifest.metadata.name, manifest.metadata.labels);
    Some(Read { doc, labels, spec: manifest.spec, name })
}

fn name_mark<S>(read: &Read<'_, S>) -> Mark {
    read.doc.at(&["metadata", "name"]).start
}

/// Keeps the first of each name and reports the others.
pub(super) fn keep_first<S>(reads: &mut Vec<Read<'_, S>>, report: &mut Report) {
    let mut first: HashMap<String, String> = HashMap::new();
    reads.retain(|read| {
        let Some(name) = read.name() else { return true };
        let here = read.doc.file.place(name_mark(read));
        let Some(before) = first.get(name) else {
            first.insert(name.to_owned(), here);
            return true;
        };
        let message = format!("a second {} is called {}", read.doc.kind, quote(name));
        let fault = read.doc.fault(&["metadata", "name"], ProblemKind::Duplicate, message);
        report.fault(read.doc.file, fault.help(format!("the first one is at {before}")));
        false
    });
}

/// Keeps the first and reports the others: there can be only one of this kind.
pub(super) fn keep_only<S>(reads: &mut Vec<Read<'_, S>>, report: &mut Report) {
    let Some(first) = reads.first() else { return };
    let before = first.doc.file.place(first.doc.kind_at.start);
    for read in reads.iter().skip(1) {
        let message = format!("a second {}; there can be only one", read.doc.kind);
        let fault = Fault::new(read.doc.kind_at, ProblemKind::Duplicate, message);
        let fault = fault.text(read.doc.kind.as_str());
        report.fault(read.doc.file, fault.help(format!("the first one is at {before}")));
    }
    reads.truncate(1);
}
