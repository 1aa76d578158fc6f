//! Selections of rows and columns, to compare what is known with what is asked.

use super::Vector;

/// A selection of rows and columns of a source; `None` stands for all of them in order.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) rows: Option<Vector<u32>>,
    pub(super) columns: Option<Vector<u32>>,
}

impl Selection {
    /// Returns whether two selections of rows, or of columns, are the same.
    pub(super) fn same(a: Option<&[u32]>, b: Option<&[u32]>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a, b) || a == b,
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// Returns whether the selection is of these rows and columns.
    pub(super) fn matches(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> bool {
        Self::same(self.rows(), rows) && Self::same(self.columns(), columns)
    }

    /// Returns the rows; `None` for all.
    pub(super) fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }

    /// Returns the columns; `None` for all.
    pub(super) fn columns(&self) -> Option<&[u32]> {
        self.columns.as_deref()
    }
}
