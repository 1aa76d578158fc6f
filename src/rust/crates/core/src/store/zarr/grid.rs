//! Grids of chunks: a chunk has a place (its index along each axis) and a row-major number.

use std::ops::Range;

/// Returns the number of chunks along each axis, for an array of extents `shape` in chunks of
/// extents `chunk`.
pub(super) fn counts(shape: &[u64], chunk: &[u64]) -> Vec<u64> {
    shape.iter().zip(chunk).map(|(&n, &c)| n.div_ceil(c.max(1))).collect()
}

/// Returns the product of extents, at most `u64::MAX`.
pub(super) fn count(extents: &[u64]) -> u64 {
    extents.iter().fold(1_u64, |n, &e| n.saturating_mul(e))
}

/// Returns the place of the chunk `number` in a grid.
pub(super) fn place(mut number: u64, grid: &[u64]) -> Vec<u64> {
    let mut place = grid.to_vec();
    for at in place.iter_mut().rev() {
        let across = (*at).max(1);
        *at = number % across;
        number /= across;
    }
    place
}

/// Returns the number of the chunk at a place; `None` for a place outside the grid.
pub(super) fn number(place: &[u64], grid: &[u64]) -> Option<u64> {
    if place.len() != grid.len() {
        return None;
    }
    place.iter().zip(grid).try_fold(
        0_u64,
        |n, (&at, &across)| {
            if at < across {
                n.checked_mul(across)?.checked_add(at)
            } else {
                None
            }
        },
    )
}

/// Returns the stride of each axis, in values: the distance of neighbours along it. `order` lists
/// the axes from the slowest to the fastest.
pub(super) fn strides(extents: &[u64], order: Option<&[usize]>) -> Vec<u64> {
    let mut strides = vec![1; extents.len()];
    let mut step = 1_u64;
    for i in (0..extents.len()).rev() {
        let axis = order.map_or(i, |order| order[i]);
        strides[axis] = step;
        step = step.saturating_mul(extents[axis]);
    }
    strides
}

/// Calls `each` for every run of values along the last axis that a chunk shares with a box. The
/// arguments are the position of the run in the chunk, its position in the box, and its length, all
/// in values.
///
/// # Errors
/// The errors of `each`.
pub(super) fn shared<E>(
    chunk: &[Range<u64>],
    within: &[Range<u64>],
    mut each: impl FnMut(usize, usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let both: Vec<Range<u64>> = chunk.iter().zip(within).map(|(a, b)| a.start.max(b.start)..a.end.min(b.end)).collect();
    if both.iter().any(|r| r.is_empty()) {
        return Ok(());
    }
    let Some((last, before)) = both.split_last() else { return each(0, 0, 1) };
    let steps = |of: &[Range<u64>]| strides(&of.iter().map(|r| r.end - r.start).collect::<Vec<_>>(), None);
    let (from, to) = (steps(chunk), steps(within));
    let at = |place: &[u64], of: &[Range<u64>], steps: &[u64]| -> usize {
        place.iter().zip(of).zip(steps).map(|((&p, r), &s)| (p - r.start) * s).sum::<u64>() as usize
    };
    let mut place: Vec<u64> = both.iter().map(|r| r.start).collect();
    loop {
        each(at(&place, chunk, &from), at(&place, within, &to), (last.end - last.start) as usize)?;
        let mut axis = before.len();
        loop {
            if axis == 0 {
                return Ok(());
            }
            axis -= 1;
            place[axis] += 1;
            if place[axis] < before[axis].end {
                break;
            }
            place[axis] = before[axis].start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_numbers() {
        let grid = counts(&[7, 5], &[3, 2]);
        assert_eq!(grid, [3, 3]);
        for n in 0..9 {
            assert_eq!(number(&place(n, &grid), &grid), Some(n));
        }
        assert_eq!(number(&[3, 0], &grid), None);
        assert_eq!(strides(&[4, 3, 2], None), [6, 2, 1]);
        assert_eq!(strides(&[4, 3, 2], Some(&[2, 1, 0])), [1, 4, 12]);
        assert_eq!(number(&[], &[]), Some(0));
    }

    #[test]
    fn runs_of_a_box() {
        let mut runs = Vec::new();
        let mut add = |a, b, n| -> Result<(), ()> {
            runs.push((a, b, n));
            Ok(())
        };
        shared(&[3..6, 2..4], &[4..7, 0..5], &mut add).unwrap();
        shared(&[0..3, 2..4], &[4..7, 0..5], &mut add).unwrap();
        shared(&[], &[], &mut add).unwrap();
        assert_eq!(runs, [(2, 2, 2), (4, 7, 2), (0, 0, 1)]);
    }
}
