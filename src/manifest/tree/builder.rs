//! Puts the events of the YAML parser together into a tree.
//!
//! Goes on after a mistake in the structure, so that all of them are found.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Span};

use super::{Content, DEPTH_MAX, Entry, Extent, Fault, Mark, Node, NodeId, Tree, extent, too_deep};
use crate::manifest::problem::{ProblemKind, quote};

/// Most values in one document, aliases written out.
const VALUES_MAX: u32 = 50_000;

/// A list or mapping that is still being read.
struct Open {
    at: Extent,
    anchor: usize,
    weight: u32,
    depth: usize,
    items: OpenItems,
}

enum OpenItems {
    List(Vec<NodeId>),
    /// Entries, the key that waits for its value, and where each key stood first.
    Map(Vec<Entry>, Waiting, HashMap<String, Mark>),
}

/// The key of a mapping that waits for its value.
enum Waiting {
    /// A key comes next.
    Nothing,
    /// A key that is no text: its value is left out.
    Unusable,
    Key(String, Extent),
}

/// A document that is being read.
#[derive(Default)]
pub(super) struct Builder {
    tree: Tree,
    stack: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    pub(super) faults: Vec<Fault>,
    too_large: bool,
}

impl Builder {
    pub(super) fn finish(self, faults: &mut Vec<Fault>) -> Option<Tree> {
        faults.extend(self.faults);
        // What is too large to be read is not read at all.
        (!self.too_large).then_some(self.tree)
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Span) {
        let at = extent(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.is_some(), at);
                self.scalar(text, style, anchor, at);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.is_some(), at);
                self.open(OpenItems::List(Vec::new()), anchor, at);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.is_some(), at);
                self.open(OpenItems::Map(Vec::new(), Waiting::Nothing, HashMap::new()), anchor, at);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::UnresolvedAlias(name) => {
                let message = format!("no anchor {} before this alias", quote(&name));
                let fault = Fault::new(at, ProblemKind::Dangling, message).text(name);
                self.faults
                    .push(fault.help(
                        "define it with `&name` above, or quote a text that begins with `*`",
                    ));
                self.null(at);
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..) => {}
            _ => self.null(at),
        }
    }

    fn check_tag(&mut self, tagged: bool, at: Extent) {
        if tagged {
            let fault = Fault::new(at, ProblemKind::Syntax, "YAML tags are not used in manifests");
            self.faults.push(fault.help("remove the word that begins with `!` before the value"));
        }
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, anchor: usize, at: Extent) {
        if let Some(Open { items: OpenItems::Map(_, key @ Waiting::Nothing, _), .. }) =
            self.stack.last_mut()
        {
            *key = Waiting::Key(text.into_owned(), at);
            return;
        }
        let content =
            Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
        self.add(Node { content, at, weight: 1, depth: 0 }, anchor);
    }

    fn null(&mut self, at: Extent) {
        self.scalar(Cow::Borrowed("null"), ScalarStyle::Plain, 0, at);
    }

    fn open(&mut self, items: OpenItems, anchor: usize, at: Extent) {
        self.stack.push(Open { at, anchor, weight: 1, depth: 1, items });
    }

    fn close(&mut self, end: Extent) {
        let Some(open) = self.stack.pop() else { return };
        let content = match open.items {
            OpenItems::List(items) => Content::List(items),
            OpenItems::Map(entries, ..) => Content::Map(entries),
        };
        let at = Extent { start: open.at.start, end: end.end };
        self.add(Node { content, at, weight: open.weight, depth: open.depth }, open.anchor);
    }

    fn add(&mut self, node: Node, anchor: usize) {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(node);
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id, None);
    }

    fn alias(&mut self, anchor: usize, at: Extent) {
        let is_key = matches!(
            self.stack.last(),
            Some(Open { items: OpenItems::Map(_, Waiting::Nothing, _), .. })
        );
        let Some(id) = self.anchors.get(&anchor).copied().filter(|_| !is_key) else {
            let message =
                if is_key { "an alias cannot be a key" } else { "this alias contains itself" };
            let fault = Fault::new(at, ProblemKind::Syntax, message);
            self.faults.push(fault.help("write the value out"));
            self.null(at);
            return;
        };
        self.attach(id, Some(at));
    }

    /// Puts a finished node where it belongs: into the innermost open list or mapping.
    fn attach(&mut self, id: NodeId, alias: Option<Extent>) {
        let Node { weight, depth, .. } = self.tree.nodes[id];
        let at = alias.unwrap_or(self.tree.nodes[id].at);
        let Some(open) = self.stack.last_mut() else {
            self.tree.root = Some(id);
            return;
        };
        open.weight = open.weight.saturating_add(weight);
        open.depth = open.depth.max(depth + 1);
        if open.depth > DEPTH_MAX && !self.too_large {
            self.too_large = true;
            self.faults.push(too_deep(at));
        }
        if open.weight > VALUES_MAX && !self.too_large {
            self.too_large = true;
            let message = format!("more than {VALUES_MAX} values in one document");
            let help = "split the document; an alias counts as much as what it stands for";
            self.faults.push(Fault::new(at, ProblemKind::TooLarge, message).help(help));
        }
        match &mut open.items {
            OpenItems::List(items) => items.push(id),
            OpenItems::Map(entries, waiting, first) => {
                match std::mem::replace(waiting, Waiting::Nothing) {
                    Waiting::Nothing => {
                        *waiting = Waiting::Unusable;
                        let fault =
                            Fault::new(at, ProblemKind::Syntax, "a key must be a plain text");
                        self.faults.push(fault.help("quote a text that begins with `{` or `[`"));
                    }
                    Waiting::Unusable => {}
                    Waiting::Key(key, key_at) => {
                        if let Some(first) = first.get(&key) {
                            self.faults.push(twice(&key, key_at, *first));
                        } else {
                            first.insert(key.clone(), key_at.start);
                            entries.push(Entry { key, key_at, value: id });
                        }
                    }
                }
            }
        }
    }
}

fn twice(key: &str, at: Extent, first: Mark) -> Fault {
    let message =
        format!("{} is given twice, first at line {}:{}", quote(key), first.line, first.column);
    Fault::new(at, ProblemKind::Duplicate, message).text(key).help("keep one of the two")
}
