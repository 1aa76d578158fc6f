//! Data rows in the order in which products with queries read them: panels of 16 rows, coordinate
//! by coordinate. One vector register holds a coordinate of 16 rows, and no repacking is needed
//! when a product is taken.

use super::POINTS;
use crate::error::Result;
use crate::memory;
use rayon::prelude::*;

/// Rows per panel.
pub(super) const LANES: usize = 16;

/// Data rows in panels; the last panel of a run is padded with rows of infinite score.
pub(super) struct Panels {
    /// Panels one after the other; in each, the first coordinate of its 16 rows, then the second,
    /// and so on.
    pub(super) values: Vec<f32>,
    /// Values per row.
    pub(super) width: usize,
}

impl Panels {
    /// Makes panels for `rows` rows, a multiple of [`LANES`], of `width` values. All rows are
    /// padding (of infinite score) until they are written.
    pub(super) fn new(rows: usize, width: usize) -> Result<Self> {
        let mut values = memory::zeros(memory::count(&[rows, width], POINTS)?, POINTS)?;
        for panel in values.chunks_exact_mut(LANES * width) {
            let last = (width - 1) * LANES;
            panel.get_mut(last..).unwrap_or_default().fill(f32::INFINITY);
        }
        Ok(Panels { values, width })
    }

    /// Makes panels of `rows`, one row of `width` values after the other.
    pub(super) fn from_rows(rows: &[f32], width: usize) -> Result<Self> {
        let mut panels = Panels::new((rows.len() / width).next_multiple_of(LANES), width)?;
        for (panel, rows) in panels.values.chunks_exact_mut(LANES * width).zip(rows.chunks(LANES * width)) {
            write_panel(panel, rows, width);
        }
        Ok(panels)
    }

    /// Returns the panels in turn, in parallel, to be filled by [`write_panel`].
    pub(super) fn each_mut(&mut self) -> rayon::slice::ChunksExactMut<'_, f32> {
        self.values.par_chunks_exact_mut(LANES * self.width)
    }

    /// Returns the panels that hold rows `from..to`; `from` is a multiple of [`LANES`].
    pub(super) fn rows(&self, from: usize, to: usize) -> &[f32] {
        self.values.get(from * self.width..to.next_multiple_of(LANES) * self.width).unwrap_or_default()
    }
}

/// Writes up to 16 rows of `width` values, one after the other, into a panel.
pub(super) fn write_panel(panel: &mut [f32], rows: &[f32], width: usize) {
    for (lane, row) in rows.chunks_exact(width).take(LANES).enumerate() {
        for (to, &from) in panel.chunks_exact_mut(LANES).zip(row) {
            to[lane] = from;
        }
    }
}
