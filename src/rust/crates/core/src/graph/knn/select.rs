//! The nearest of the candidates of a query, by exact distance.

use super::candidates::shrink;
use super::points::{Points, Runs, Table};

/// A point and its exact distance key ([`Points::key`]), by which neighbours are ordered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbour {
    /// The distance key.
    pub(super) key: f64,
    /// The number of the point.
    pub(super) id: u32,
}

/// Keeps the `most` nearest, by ascending key, equal keys by point number.
fn order(found: &mut Vec<Neighbour>, most: usize) {
    let by = |a: &Neighbour, b: &Neighbour| a.key.total_cmp(&b.key).then(a.id.cmp(&b.id));
    if most > 0 && found.len() > most {
        found.select_nth_unstable_by(most - 1, by);
    }
    found.truncate(most);
    found.sort_unstable_by(by);
}

/// Finds the `most` nearest points to `id` among the candidates, by exact distance; `id` itself is
/// left out. `candidates` has scores and rows, and the threshold: only rows with scores at or above
/// it were dropped. `square` is the squared length of the mapped query.
///
/// Writes the points to `found`. Returns whether it is certain that no dropped row is nearer than
/// the last of them.
pub(super) fn refine(
    points: &Points,
    table: &Table,
    id: u32,
    square: f64,
    candidates: (&mut [(f32, u32)], f32),
    most: usize,
    found: &mut Vec<Neighbour>,
) -> bool {
    let (entries, threshold) = candidates;
    let slack = points.slack(square);
    entries.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.clear();
    let mut worst = f64::INFINITY;
    for &(score, row) in entries.iter() {
        if f64::from(score) - slack > worst {
            break;
        }
        let Some(other) = table.runs.id(row as usize) else { continue };
        if other == id {
            continue;
        }
        found.push(Neighbour { key: points.key(id as usize, other as usize), id: other });
        if found.len() == most {
            worst = found.iter().fold(f64::NEG_INFINITY, |m, f| m.max(points.score(f.key, square)));
        }
    }
    order(found, most);
    if most == 0 || threshold == f32::INFINITY {
        return true;
    }
    let last = found.get(most - 1).map_or(f64::INFINITY, |f| points.score(f.key, square));
    last < f64::from(threshold) - slack
}

/// Finds the `most` nearest points to `id`, by exact distance, among the `keep` best candidates;
/// `id` itself is left out.
pub(super) fn nearest(
    points: &Points,
    runs: &Runs,
    id: u32,
    entries: &mut [(f32, u32)],
    keep: usize,
    most: usize,
    found: &mut Vec<Neighbour>,
) {
    shrink(entries, keep);
    let others = entries.iter().take(keep).filter_map(|&(_, row)| runs.id(row as usize)).filter(|&other| other != id);
    found.clear();
    found.extend(others.map(|other| Neighbour { key: 0.0, id: other }));
    // The rows are scattered in memory: prefetch all of them before the first is needed.
    found.iter().for_each(|f| points.fetch(f.id as usize));
    found.iter_mut().for_each(|f| f.key = points.key(id as usize, f.id as usize));
    order(found, most);
}

/// Finds the `most` nearest points to `id` in the table, in f64 throughout. It serves the rare
/// query whose neighbours f32 cannot tell apart (many duplicates, or distances tiny beside the
/// coordinates).
pub(super) fn scan(points: &Points, table: &Table, id: u32, most: usize, found: &mut Vec<Neighbour>) {
    found.clear();
    let mut worst = f64::INFINITY;
    for other in table.runs.points().filter(|&other| other != id) {
        let key = points.key(id as usize, other as usize);
        if key <= worst {
            found.push(Neighbour { key, id: other });
            if found.len() >= 2 * most + 32 {
                order(found, most);
                worst = found.last().map_or(f64::INFINITY, |f| f.key);
            }
        }
    }
    order(found, most);
}

/// Compares the entries of a row of the result: the point itself (false) first, then by distance,
/// then by number.
pub(super) fn own_first(a: &(bool, f32, u32), b: &(bool, f32, u32)) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
}

/// Writes a row of the result: `own` (the query, if it is one of the points searched) at distance
/// 0, then its neighbours.
pub(super) fn write_row(
    points: &Points,
    own: Option<u32>,
    found: &[Neighbour],
    indices: &mut [u32],
    distances: &mut [f32],
) {
    let row = own.map(|id| (id, 0.0)).into_iter().chain(found.iter().map(|f| (f.id, points.distance(f.key))));
    for ((index, distance), (i, d)) in indices.iter_mut().zip(distances).zip(row) {
        (*index, *distance) = (i, d);
    }
}
