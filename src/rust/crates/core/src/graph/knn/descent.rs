//! Neighbours of neighbours: one round of the local search of NN-descent (Dong, Charikar and Li 2011).
//!
//! All points look at the neighbours of their neighbours as the round found them, so that the result does not depend on
//! the order in which they are taken.

use super::points::{Points, Table};
use super::select::{order, write_table_row, Neighbour};
use super::simd::squared_distance_f32;
use crate::context::Context;
use crate::error::Result;
use rayon::prelude::*;

/// Points per task.
const BLOCK: usize = 512;
/// Candidates taken to full precision beyond `k`, against the error of f32.
const SPARE: usize = 8;

/// Neighbours in rows of a table: n x k each, the row's own first, then by distance.
pub(super) struct Graph {
    pub(super) rows: Vec<u32>,
    pub(super) distances: Vec<f32>,
}

/// A set of rows that is emptied in no time.
struct Seen {
    slots: Vec<(u32, u32)>,
    turn: u32,
}

impl Seen {
    fn new(most: usize) -> Self {
        Seen { slots: vec![(0, 0); (2 * most).next_power_of_two()], turn: 0 }
    }

    fn clear(&mut self) {
        if self.turn == u32::MAX {
            self.slots.fill((0, 0));
            self.turn = 0;
        }
        self.turn += 1;
    }

    /// Whether `row` is new.
    fn insert(&mut self, row: u32) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = (row.wrapping_mul(0x9E37_79B1) >> 8) as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.0 != self.turn {
                *slot = (self.turn, row);
                return true;
            }
            if slot.1 == row {
                return false;
            }
            at = (at + 1) & mask;
        }
        false
    }
}

struct Scratch {
    seen: Seen,
    better: Vec<(f32, u32)>,
    found: Vec<Neighbour>,
}

/// One round. `old` has `k` neighbours, at least 2, for every row of `table`.
pub(super) fn round(points: &Points, table: &Table, old: &Graph, k: usize, ctx: &Context) -> Result<Graph> {
    let mut new = Graph { rows: old.rows.clone(), distances: old.distances.clone() };
    ctx.monitor.begin(table.len() as u64);
    let tasks = new.rows.par_chunks_mut(BLOCK * k).zip(new.distances.par_chunks_mut(BLOCK * k)).enumerate();
    tasks.try_for_each_init(
        || Scratch { seen: Seen::new(k * k + k), better: Vec::new(), found: Vec::new() },
        |scratch, (block, (rows, distances))| {
            ctx.monitor.check()?;
            for (offset, (rows, distances)) in rows.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k)).enumerate() {
                improve(points, table, old, (block * BLOCK + offset) as u32, rows, distances, scratch);
            }
            ctx.monitor.advance((distances.len() / k) as u64);
            Ok(())
        },
    )?;
    Ok(new)
}

fn improve(
    points: &Points,
    table: &Table,
    old: &Graph,
    own: u32,
    rows: &mut [u32],
    distances: &mut [f32],
    scratch: &mut Scratch,
) {
    let k = rows.len();
    let Scratch { seen, better, found } = scratch;
    let coordinates = |row: u32| {
        let data = table.rows(row as usize, row as usize + 1);
        data.get(..points.d).unwrap_or_default()
    };
    let x = coordinates(own);
    let last = distances.last().copied().unwrap_or(0.0);
    let bound = points.mapped_square(last, x);
    seen.clear();
    better.clear();
    rows.iter().for_each(|&row| {
        seen.insert(row);
    });
    for &neighbour in rows.iter().skip(1) {
        let at = neighbour as usize * k;
        for &row in old.rows.get(at + 1..at + k).unwrap_or_default() {
            if seen.insert(row) {
                let square = squared_distance_f32(x, coordinates(row));
                if square <= bound {
                    better.push((square, row));
                }
            }
        }
    }
    if better.is_empty() {
        return;
    }
    if better.len() > k + SPARE {
        better.select_nth_unstable_by(k + SPARE - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        better.truncate(k + SPARE);
    }
    let id = table.ids.get(own as usize).copied().unwrap_or(0);
    let known = rows.iter().skip(1).copied();
    found.clear();
    found.extend(known.chain(better.iter().map(|b| b.1)).map(|row| {
        let other = table.ids.get(row as usize).copied().unwrap_or(0);
        Neighbour { key: points.key(id as usize, other as usize), id: other, row }
    }));
    order(found, k - 1);
    write_table_row(points, own, found, rows, distances);
}
