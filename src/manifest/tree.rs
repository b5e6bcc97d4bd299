//! YAML text to trees that know where every value stands, within bounds.
//!
//! Knows nothing of manifests. An alias points to the one node it names, so that a text cannot
//! grow in memory; how large it would be when written out is counted and bounded.

mod builder;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScanError, Span, StrInput, options};

use self::builder::Builder;
use super::problem::ProblemKind;

/// Most documents in one file.
const DOCUMENTS_MAX: usize = 5_000;
/// Deepest nesting of lists and mappings.
const DEPTH_MAX: usize = 64;

/// Index of a node in its tree.
pub(crate) type NodeId = usize;

/// A place in a text, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// From a place up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Extent {
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// A scalar; `plain` when it stands without quotes, so that it may be a number or null.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<NodeId>),
    /// A mapping with each key once.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Extent,
    pub(crate) value: NodeId,
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) at: Extent,
    /// Values in it when aliases are written out, itself included.
    weight: u32,
    /// Lists and mappings inside each other, itself included, aliases written out.
    depth: usize,
}

impl Node {
    /// Whether it is a single text.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.content, Content::Scalar { .. })
    }

    /// Whether it says that there is no value.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain: true } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) => false,
        }
    }
}

/// One document.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

impl Tree {
    /// The outermost value.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node of this tree.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The entry of a key, where `id` is a mapping.
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<&Entry> {
        match &self.node(id).content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Content::Scalar { .. } | Content::List(_) => None,
        }
    }
}

/// Something wrong at a place of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Extent,
    pub(crate) kind: ProblemKind,
    pub(crate) text: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(at: Extent, kind: ProblemKind, message: impl Into<String>) -> Self {
        let (text, remedy) = (String::new(), String::new());
        Self { at, kind, text, message: message.into(), remedy }
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(crate) fn help(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// All documents of a text that could be read, and what is wrong with it as YAML.
pub(crate) fn parse(text: &str) -> (Vec<Tree>, Vec<Fault>) {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut trees = Vec::new();
    let mut faults = Vec::new();
    let mut builder = Builder::default();
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((Event::DocumentEnd, span))) => {
                let tree = std::mem::take(&mut builder).finish(&mut faults);
                trees.extend(tree.filter(|tree| !is_blank(tree)));
                if trees.len() > DOCUMENTS_MAX {
                    faults.push(too_many_documents(span));
                    break;
                }
            }
            Some(Ok((event, span))) => builder.event(event, span),
            Some(Err(error)) => {
                faults.push(syntax_fault(&error));
                faults.append(&mut std::mem::take(&mut builder).faults);
                if !recover(&mut parser) || faults.len() > DOCUMENTS_MAX {
                    break;
                }
            }
        }
    }
    (trees, faults)
}

/// Goes on to the next document; `false` where there is none.
fn recover<'i>(parser: &mut Parser<'i, StrInput<'i>>) -> bool {
    parser.proceed_next_document().unwrap_or(false)
}

fn is_blank(tree: &Tree) -> bool {
    tree.root.is_none_or(|root| tree.node(root).is_null())
}

fn too_many_documents(span: Span) -> Fault {
    let message = format!("more than {DOCUMENTS_MAX} documents in one file");
    Fault::new(extent(span), ProblemKind::TooLarge, message).help("split the file")
}

fn syntax_fault(error: &ScanError) -> Fault {
    let start = mark(error.marker().line(), error.marker().col());
    let at = Extent { start, end: Mark { column: start.column.saturating_add(1), ..start } };
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(at);
    }
    let message = format!("invalid YAML: {}", error.info());
    let help = if error.info().contains("tab") {
        "indent with spaces; YAML does not allow tabs there"
    } else {
        "check the indentation, quotes and brackets here and in the line above"
    };
    Fault::new(at, ProblemKind::Syntax, message).help(help)
}

fn too_deep(at: Extent) -> Fault {
    let message = format!("more than {DEPTH_MAX} lists and mappings inside each other");
    Fault::new(at, ProblemKind::TooLarge, message)
}

fn mark(line: usize, column: usize) -> Mark {
    let clamp = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark { line: clamp(line).max(1), column: clamp(column).saturating_add(1) }
}

fn extent(span: Span) -> Extent {
    let start = mark(span.start.line(), span.start.col());
    let end = mark(span.end.line(), span.end.col());
    Extent { start, end }
}
