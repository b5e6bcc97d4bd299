//! Where a command prints: the streams, the width, and whether colours are wanted.

use std::fmt;
use std::io::{IsTerminal as _, Stderr, Stdout, Write};

/// Width where there is no terminal to ask.
const WIDTH_DEFAULT: usize = 80;

/// Where a command prints.
pub struct Screen<'a> {
    /// Results.
    pub out: &'a mut (dyn Write + Send),
    /// Remarks and errors.
    pub err: &'a mut (dyn Write + Send),
    /// Columns for tables.
    pub width: usize,
    /// Whether a person is looking: wide tables are cut to the width only then, where that is enough.
    pub terminal: bool,
    /// Whether to use colours.
    pub colour: bool,
}

impl fmt::Debug for Screen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("width", &self.width)
            .field("terminal", &self.terminal)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

impl<'a> Screen<'a> {
    /// The streams of this process.
    ///
    /// Colours need a terminal and no `NO_COLOR` (<https://no-color.org>).
    pub fn of_process(out: &'a mut Stdout, err: &'a mut Stderr) -> Self {
        let terminal = out.is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let width = columns.or_else(|| terminal.then(|| ask_terminal(out)).flatten());
        Self {
            width: width.filter(|width| *width >= 20).unwrap_or(WIDTH_DEFAULT),
            terminal,
            colour: terminal && !no_colour,
            out,
            err,
        }
    }
}

fn ask_terminal(out: &Stdout) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(out).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}
