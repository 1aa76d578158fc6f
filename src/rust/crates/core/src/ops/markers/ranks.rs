//! Rank sums of a gene's values by group. Zeros, which most values are, are one tie whose ranks
//! follow from their number, so that only the other values are sorted. Ranks are doubled, so that
//! they are whole numbers and their sums exact in any order.

use super::groups::Chosen;
use crate::error::Result;
use crate::memory;
use crate::stream::{Label, Value};

const RANKS: &str = "rank_genes_groups: the ranks of a gene";

/// Twice the rank sum of every group, and the correction for ties.
pub(super) struct Ranks {
    /// Twice the rank sum of each group. Without a reference, ranks are among all cells; with one,
    /// they are among the cells of the group and the reference.
    pub(super) doubled: Vec<u64>,
    /// The sum of t^3 - t over ties of t values: a single number without a reference, else one for
    /// each group.
    pub(super) ties: Vec<u128>,
}

/// A value and the label of its cell, ordered by value.
trait Entry: Copy {
    fn ties(self, other: Self) -> bool;
    fn negative(self) -> bool;
    fn label(self) -> usize;
}

/// The key of a float32 in the upper 32 bits, the label in the lower ones.
impl Entry for u64 {
    #[inline(always)]
    fn ties(self, other: u64) -> bool {
        self >> 32 == other >> 32
    }

    #[inline(always)]
    fn negative(self) -> bool {
        self >> 63 == 0
    }

    #[inline(always)]
    fn label(self) -> usize {
        self as u32 as usize
    }
}

/// The key of a float64, and the label.
impl Entry for (u64, u32) {
    #[inline(always)]
    fn ties(self, other: (u64, u32)) -> bool {
        self.0 == other.0
    }

    #[inline(always)]
    fn negative(self) -> bool {
        self.0 >> 63 == 0
    }

    #[inline(always)]
    fn label(self) -> usize {
        self.1 as usize
    }
}

fn single(x: f32) -> u32 {
    let bits = x.to_bits();
    bits ^ (((bits as i32 >> 31) as u32) | 1 << 31)
}

fn double(x: f64) -> u64 {
    let bits = x.to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

fn cubed(t: u64) -> u128 {
    let t = u128::from(t);
    t * t * t - t
}

/// Computes the ranks of a column without NaN and 0, whose labels are groups of `chosen`.
pub(super) fn ranks<T: Value, L: Label>(labels: &[L], values: &[T], chosen: &Chosen) -> Result<Ranks> {
    // Values that fit float32, which is nearly always all of them, are sorted with their labels as
    // single integers.
    if values.iter().all(|x| f64::from(x.to_f64() as f32) == x.to_f64()) {
        let pairs = values.iter().zip(labels);
        let keys = pairs.map(|(x, l)| u64::from(single(x.to_f64() as f32)) << 32 | l.index() as u64);
        let mut keys = memory::collected(keys, RANKS)?;
        if keys.len() < FEW {
            keys.sort_unstable();
        } else {
            let mut room = memory::zeros::<u64>(keys.len(), RANKS)?;
            radix(&mut keys, &mut room);
        }
        return of_sorted(&keys, chosen);
    }
    let pairs = values.iter().zip(labels).map(|(x, l)| (double(x.to_f64()), l.index() as u32));
    let mut pairs = memory::collected(pairs, RANKS)?;
    pairs.sort_unstable();
    of_sorted(&pairs, chosen)
}

/// The number of values below which a sort by comparisons is quicker.
const FEW: usize = 768;

fn of_sorted<E: Entry>(sorted: &[E], chosen: &Chosen) -> Result<Ranks> {
    match chosen.reference {
        None => among_all(sorted, chosen),
        Some(reference) => with_reference(sorted, chosen, reference),
    }
}

/// Sorts by the upper 32 bits, stably, in three steps of 11, 11 and 10 bits.
fn radix(keys: &mut Vec<u64>, room: &mut Vec<u64>) {
    const BITS: usize = 11;
    const SIZE: usize = 1 << BITS;
    let mut counts = [[0u32; SIZE]; 3];
    let digit = |key: u64, step: usize| (key >> (32 + step * BITS)) as usize & (SIZE - 1);
    for &key in keys.iter() {
        (0..3).for_each(|step| counts[step][digit(key, step)] += 1);
    }
    for (step, counts) in counts.iter_mut().enumerate() {
        // The step is skipped if all keys have the same digit.
        if counts[digit(keys[0], step)] as usize == keys.len() {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for &key in keys.iter() {
            let at = &mut counts[digit(key, step)];
            room[*at as usize] = key;
            *at += 1;
        }
        std::mem::swap(keys, room);
    }
}

/// Returns the number of cells of each group whose value is not 0.
fn nonzero<E: Entry>(sorted: &[E], groups: usize) -> Result<Vec<u64>> {
    let mut n = memory::zeros::<u64>(groups, RANKS)?;
    sorted.iter().for_each(|v| n[v.label()] += 1);
    Ok(n)
}

fn among_all<E: Entry>(sorted: &[E], chosen: &Chosen) -> Result<Ranks> {
    let k = chosen.sizes.len();
    let stored = nonzero(sorted, k)?;
    let zeros = (chosen.n_cells() - sorted.len()) as u64;
    let mut doubled = memory::zeros::<u64>(k, RANKS)?;
    let (below, above) = sorted.split_at(sorted.partition_point(|v| v.negative()));
    let (mut before, mut ties) = (0u64, cubed(zeros));
    let mut add = |some: &[E], mut before: u64, doubled: &mut [u64]| {
        for equal in some.chunk_by(|a, b| a.ties(*b)) {
            let t = equal.len() as u64;
            // The mean of the ranks `before + 1` to `before + t`, doubled.
            let rank = 2 * before + t + 1;
            equal.iter().for_each(|v| doubled[v.label()] += rank);
            if t > 1 {
                ties += cubed(t);
            }
            before += t;
        }
    };
    add(below, before, &mut doubled);
    before += below.len() as u64;
    let rank = 2 * before + zeros + 1;
    doubled.iter_mut().zip(&chosen.sizes).zip(&stored).for_each(|((d, &n), &s)| *d += (n as u64 - s) * rank);
    before += zeros;
    add(above, before, &mut doubled);
    doubled.truncate(chosen.names.len());
    Ok(Ranks { doubled, ties: memory::filled(1, ties, RANKS)? })
}

/// Computes rank sums of each group among its cells and the cells of the reference. A rank sum is
/// that of the group by itself, n (n + 1) / 2, and for each value of the group the number of
/// smaller values of the reference, with equal ones counted by half.
fn with_reference<E: Entry>(sorted: &[E], chosen: &Chosen, reference: usize) -> Result<Ranks> {
    let k = chosen.sizes.len();
    let stored = nonzero(sorted, k)?;
    let n = |g: usize| chosen.sizes[g] as u64;
    let mut all = Against {
        reference,
        doubled: memory::collected((0..k).map(|g| n(g) * (n(g) + 1)), RANKS)?,
        ties: memory::zeros::<u128>(k, RANKS)?,
        counts: memory::zeros::<u64>(k, RANKS)?,
        met: memory::room(k, RANKS)?,
        below: 0,
        common: 0,
    };
    let (below, above) = sorted.split_at(sorted.partition_point(|v| v.negative()));
    all.add(below);
    let zeros = n(reference) - stored[reference];
    for g in (0..k).filter(|&g| g != reference) {
        all.meets(g, n(g) - stored[g], zeros);
    }
    all.pass(zeros);
    all.add(above);
    let Against { doubled, mut ties, common, .. } = all;
    ties.iter_mut().for_each(|t| *t += common);
    Ok(Ranks { doubled, ties })
}

/// The state of a walk over ascending values, in which groups are compared with the reference.
struct Against {
    reference: usize,
    doubled: Vec<u64>,
    /// The ties of each group with the reference, less those within the reference.
    ties: Vec<u128>,
    /// The number of values of each group in the present run of equal values; 0 between runs.
    counts: Vec<u64>,
    /// The groups with values in the present run.
    met: Vec<u32>,
    /// The number of values of the reference below the present run.
    below: u64,
    /// The ties within the reference, which all groups have in common.
    common: u128,
}

impl Against {
    /// Adds `own` values of a group that equal `equal` values of the reference.
    fn meets(&mut self, group: usize, own: u64, equal: u64) {
        self.doubled[group] += own * (2 * self.below + equal);
        if own + equal > 1 {
            self.ties[group] += cubed(own + equal) - cubed(equal);
        }
    }

    /// Moves past `equal` values of the reference.
    fn pass(&mut self, equal: u64) {
        self.common += cubed(equal);
        self.below += equal;
    }

    fn add<E: Entry>(&mut self, sorted: &[E]) {
        for run in sorted.chunk_by(|a, b| a.ties(*b)) {
            for v in run {
                let label = v.label();
                if self.counts[label] == 0 {
                    self.met.push(label as u32);
                }
                self.counts[label] += 1;
            }
            let equal = self.counts[self.reference];
            while let Some(g) = self.met.pop() {
                let own = std::mem::take(&mut self.counts[g as usize]);
                if g as usize != self.reference {
                    self.meets(g as usize, own, equal);
                }
            }
            self.pass(equal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the ranks of all `values` from 1, ties by their mean, and the correction for ties.
    fn brute(values: &[f64]) -> (Vec<f64>, f64) {
        let rank = |x: f64| {
            let (below, equal) = values
                .iter()
                .fold((0.0, 0.0), |(b, e), &y| (b + f64::from(u8::from(y < x)), e + f64::from(u8::from(y == x))));
            (below + (equal + 1.0) / 2.0, equal)
        };
        let ties = values.iter().map(|&x| rank(x).1).map(|t| t * t - 1.0).sum();
        (values.iter().map(|&x| rank(x).0).collect(), ties)
    }

    #[test]
    fn ranks_are_those_of_a_brute_force_twin() {
        let mut random = crate::random::Stream::new(7, 0, 0);
        let mut below = |n: usize| random.below(n);
        for case in 0..60 {
            let k = 2 + below(5);
            let n = 2 * k + if case % 7 == 0 { 2500 } else { below(60) };
            let labels: Vec<u32> = (0..n).map(|i| if i < 2 * k { (i % k) as u32 } else { below(k) as u32 }).collect();
            // Ties, zeros, negative values, and some values that float32 does not hold.
            let fine = if case % 3 == 0 { 1e-9 } else { 0.0 };
            let values: Vec<f64> = (0..n)
                .map(|_| match below(4) {
                    0 => 0.0,
                    1 => below(3) as f64 - 1.0,
                    _ => (below(40) as f64 - 12.0) / 8.0 + fine,
                })
                .collect();
            let codes = labels.clone();
            let names: Vec<String> = (0..k).map(|g| format!("g{g}")).collect();
            let at: Vec<usize> = (0..n).filter(|&i| values[i] != 0.0).collect();
            let stored: (Vec<u32>, Vec<f64>) = at.iter().map(|&i| (labels[i], values[i])).unzip();
            let rest = Chosen::new("of", &codes, &names, None, "rest").unwrap();
            let found = ranks(&stored.0, &stored.1, &rest).unwrap();
            let (all, ties) = brute(&values);
            assert_eq!(found.ties[0] as f64, ties);
            for g in 0..k {
                let sum: f64 = (0..n).filter(|&i| labels[i] as usize == g).map(|i| 2.0 * all[i]).sum();
                assert_eq!(found.doubled[g] as f64, sum);
            }
            let against = Chosen::new("of", &codes, &names, None, "g1").unwrap();
            let found = ranks(&stored.0, &stored.1, &against).unwrap();
            for g in (0..k).filter(|&g| g != 1) {
                let both: Vec<usize> = (0..n).filter(|&i| [g, 1].contains(&(labels[i] as usize))).collect();
                let (all, ties) = brute(&both.iter().map(|&i| values[i]).collect::<Vec<_>>());
                let own = both.iter().zip(&all).filter(|(&i, _)| labels[i] as usize == g);
                assert_eq!(found.doubled[g] as f64, own.map(|(_, r)| 2.0 * r).sum::<f64>(), "case {case}");
                assert_eq!(found.ties[g] as f64, ties);
            }
        }
    }
}
