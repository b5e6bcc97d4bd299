//! Tables in fixed-width text: widths computed, long cells cut with an ellipsis.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::text::{Tone, paint};

/// Between two columns.
const GAP: usize = 2;
/// What a cut cell ends with.
const ELLIPSIS: char = '…';

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    right: bool,
    /// The narrowest it may become; `None` for one that is never cut.
    least: Option<usize>,
}

impl Column {
    /// A column of texts that are never cut.
    pub(super) const fn left(title: &'static str) -> Self {
        Self { title, right: false, least: None }
    }

    /// A column of numbers.
    pub(super) const fn right(title: &'static str) -> Self {
        Self { title, right: true, least: None }
    }

    /// A column of texts that may be cut down to a width.
    pub(super) const fn flexible(title: &'static str, least: usize) -> Self {
        Self { title, right: false, least: Some(least) }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell; what could steer a terminal is taken out.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()), tone: Tone::Plain }
    }

    /// The cell in a colour.
    pub(super) fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// The text without control characters: names and messages come from elsewhere.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A table whose columns keep their widths while rows are added (`--watch`).
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    colour: bool,
}

impl Table {
    /// Computes the widths for these rows; `width` is `None` for as wide as it takes.
    pub(super) fn fit(
        columns: Vec<Column>,
        rows: &[Vec<Cell>],
        width: Option<usize>,
        colour: bool,
    ) -> Self {
        let mut widths: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        if let Some(width) = width {
            shrink(&columns, &mut widths, width);
        }
        Self { columns, widths, colour }
    }

    /// How wide its lines are.
    pub(super) fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// The line of titles.
    pub(super) fn header(&self) -> String {
        let cells: Vec<Cell> = self.columns.iter().map(|column| Cell::new(column.title)).collect();
        self.row(&cells)
    }

    /// One line.
    pub(super) fn row(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        let last = self.columns.len().saturating_sub(1);
        for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let width = self.widths.get(at).copied().unwrap_or_default();
            // Only flexible columns are cut; a later row of `--watch` may be wider than its column.
            let text = match column.least {
                Some(_) => cut(&cell.text, width),
                None => cell.text.clone(),
            };
            let pad = " ".repeat(width.saturating_sub(text.width()));
            let text = paint(&text, cell.tone, self.colour);
            if column.right {
                line.push_str(&pad);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                if at != last {
                    line.push_str(&pad);
                }
            }
            if at != last {
                line.push_str(&" ".repeat(GAP));
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    /// The whole table.
    pub(super) fn text(&self, rows: &[Vec<Cell>]) -> String {
        let rows = rows.iter().map(|row| self.row(row));
        std::iter::once(self.header()).chain(rows).collect()
    }
}

/// Takes what is too much from the flexible columns, the widest first.
fn shrink(columns: &[Column], widths: &mut [usize], width: usize) {
    let gaps = GAP * columns.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    while excess > 0 {
        let spare = |at: usize, width: usize| {
            let least = columns.get(at).and_then(|c| c.least.map(|l| l.max(c.title.width())))?;
            (width > least).then_some(width)
        };
        let widest = widths.iter().enumerate().filter_map(|(at, w)| Some((spare(at, *w)?, at)));
        let Some((_, at)) = widest.max() else { return };
        if let Some(width) = widths.get_mut(at) {
            *width -= 1;
            excess -= 1;
        }
    }
}

/// The text within a width, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push(ELLIPSIS);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_keep_the_columns_in_line() {
        let columns = vec![Column::flexible("NAME", 6), Column::right("N"), Column::left("X")];
        let row = |name: &str, n: &str| vec![Cell::new(name), Cell::new(n), Cell::new("end")];
        let rows = [row("北門カメラ", "1"), row("gate", "1234")];
        let table = Table::fit(columns, &rows, Some(20), false);
        insta::assert_snapshot!(table.text(&rows), @r"
        NAME          N  X
        北門カメ…     1  end
        gate       1234  end
        ");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(Cell::new("a\u{1b}[31mb\n").text, "a [31mb ");
    }
}
