//! Rows of a contiguous dataset, read directly.

use super::DensePass;
use crate::error::Result;
use crate::matrix::disk::{as_bytes_mut, grow, Plain};
use crate::matrix::rows::Wanted;
use crate::memory;

/// Bytes read at once when only some columns are kept.
const PIECE: usize = 1 << 20;

/// Appends the wanted rows, with the columns of the pass, to `out`.
pub(super) fn read_rows<T: Plain, O>(pass: &DensePass<'_, O>, wanted: &Wanted<'_>, out: &mut Vec<T>) -> Result<()> {
    let (m, values) = (pass.source.shape.1, &pass.source.values);
    let Some(map) = &pass.columns else {
        for run in wanted.runs() {
            let start = grow(out, run.len() * m);
            values.read_run((run.start * m) as u64, as_bytes_mut(&mut out[start..]))?;
        }
        return Ok(());
    };
    let low = map.selected().iter().copied().min().unwrap_or(0) as usize;
    let high = map.selected().iter().copied().max().map_or(0, |c| c as usize + 1);
    // A few neighbouring columns of long rows are read row by row, everything else whole rows at a
    // time.
    let narrow = (high - low) * 4 < m && m * size_of::<T>() > 1 << 14;
    let (from, width) = if narrow { (low, high - low) } else { (0, m) };
    let rows_at_once = if narrow { 1 } else { (PIECE / (m * size_of::<T>()).max(1)).max(1) };
    let mut piece: Vec<T> = Vec::new();
    for run in wanted.runs() {
        for first in run.clone().step_by(rows_at_once) {
            let n = rows_at_once.min(run.end - first);
            memory::lengthen(&mut piece, n * width, T::default(), "rows of a dense matrix")?;
            piece.truncate(n * width);
            values.read_run((first * m + from) as u64, as_bytes_mut(&mut piece))?;
            for row in piece.chunks_exact(width) {
                out.extend(map.selected().iter().map(|&c| row[c as usize - from]));
            }
        }
    }
    Ok(())
}
