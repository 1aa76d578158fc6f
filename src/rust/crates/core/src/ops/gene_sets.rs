//! The sets of each gene, and scores of sets as columns.

use crate::error::Result;
use crate::memory;

/// Returns the sets of each of `m` genes: the start of each gene in a list, and the list, which has
/// the set numbers of gene after gene.
pub(super) fn by_gene(m: usize, sets: &[Vec<u32>], what: &str) -> Result<(Vec<usize>, Vec<u32>)> {
    let mut starts = memory::zeros::<usize>(m + 1, what)?;
    sets.iter().flatten().for_each(|&j| starts[j as usize + 1] += 1);
    (0..m).for_each(|j| starts[j + 1] += starts[j]);
    let (mut next, mut of_gene) = (memory::copied(&starts, what)?, memory::zeros::<u32>(starts[m], what)?);
    for (k, set) in sets.iter().enumerate() {
        for &j in set {
            of_gene[next[j as usize]] = k as u32;
            next[j as usize] += 1;
        }
    }
    Ok((starts, of_gene))
}

/// Turns scores, cell after cell, into a column for each set.
pub(super) fn by_set(scores: &[f64], n_sets: usize, what: &str) -> Result<Vec<Vec<f64>>> {
    let of = |k: usize| memory::collected(scores.chunks_exact(n_sets.max(1)).map(|row| row[k]), what);
    (0..n_sets).map(of).collect()
}
