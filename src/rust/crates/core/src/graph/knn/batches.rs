//! Batch-balanced neighbours (BBKNN: Polański et al. 2020, Bioinformatics 36:964): the same number
//! from every batch.

use super::exact::{self, Output};
use super::points::Points;
use super::select::own_first;
use super::{ivf, Knn, KnnParams, KnnResult, Method, EXACT_UP_TO, NEIGHBOURS};
use crate::error::{Error, Result};
use crate::graph::groups::members;
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;

/// The batch of each point, and how many neighbours are taken from each batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batches {
    /// The batch of each point, a number below `n_batches`.
    pub codes: Vec<u32>,
    /// Number of batches.
    pub n_batches: usize,
    /// Name of each batch, for messages; may be empty.
    pub names: Vec<String>,
    /// Neighbours of each point in each batch; in its own batch the point itself is one of them.
    pub neighbors_within_batch: usize,
}

impl Batches {
    /// Checks that there is one code per point for `n` points, that codes are below `n_batches`,
    /// and that every batch has `neighbors_within_batch` points or more.
    pub(super) fn validate(&self, n: usize) -> Result<()> {
        if self.codes.len() != n {
            return Err(Error::shape("batch_key", format!("{n} points"), self.codes.len()));
        }
        let mut sizes = memory::zeros::<usize>(self.n_batches, "neighbours: sizes of the batches")?;
        for &code in &self.codes {
            match sizes.get_mut(code as usize) {
                Some(size) => *size += 1,
                None => {
                    return Err(Error::parameter("batch_key", format!("numbers below {}", self.n_batches), code));
                }
            }
        }
        if self.neighbors_within_batch == 0 {
            return Err(Error::parameter("neighbors_within_batch", "1 or more", 0));
        }
        match sizes.iter().position(|&size| size < self.neighbors_within_batch) {
            None => Ok(()),
            Some(batch) => {
                let name = self.names.get(batch).cloned().unwrap_or_else(|| batch.to_string());
                let found = format!("{} in batch {name}", sizes.get(batch).copied().unwrap_or(0));
                let expected = format!("at least neighbors_within_batch = {} cells", self.neighbors_within_batch);
                Err(Error::parameter("batch_key", format!("{expected} in every batch"), found))
            }
        }
    }
}

/// Finds the same number of neighbours of all points in every batch: the point itself first, then
/// the others by distance. Recall and lists compared are means over the batches.
pub(super) fn search(points: &Points, batches: &Batches, params: &KnnParams, session: &Session) -> Result<KnnResult> {
    let (n, each) = (points.n, batches.neighbors_within_batch);
    let stride = memory::count(&[batches.n_batches, each], NEIGHBOURS)?;
    let mut knn = Knn::empty(n, stride)?;
    let (start, members) = members(&batches.codes, batches.n_batches)?;
    let all = points.ids()?;
    let mut reports = Vec::new();
    for (b, range) in start.windows(2).enumerate() {
        let ids = members.get(range[0]..range[1]).unwrap_or_default();
        let (indices, distances) = (&mut knn.indices, &mut knn.distances);
        let mut output = Output { indices, distances, stride, offset: b * each };
        let small = (n as u64) * (ids.len() as u64) <= (EXACT_UP_TO as u64).pow(2);
        if params.method == Method::Exact || (params.method == Method::Auto && small) {
            exact::neighbours(points, &points.part(ids)?, &all, each, &mut output, session)?;
        } else {
            reports.push(ivf::search_subset(points, Some(ids), each, params, &mut output, session)?);
        }
    }
    let rows = knn.indices.par_chunks_mut(stride).zip(knn.distances.par_chunks_mut(stride)).enumerate();
    rows.with_min_len(1024).for_each_init(Vec::new, |row: &mut Vec<(bool, f32, u32)>, (i, (indices, distances))| {
        row.clear();
        row.extend(indices.iter().zip(distances.iter()).map(|(&j, &d)| (j as usize != i, d, j)));
        row.sort_unstable_by(own_first);
        for ((index, distance), &(_, d, j)) in indices.iter_mut().zip(distances).zip(row.iter()) {
            (*index, *distance) = (j, d);
        }
    });
    let count = reports.len() as f64;
    let mean = |value: &dyn Fn(&ivf::Report) -> f64| {
        (!reports.is_empty()).then(|| reports.iter().map(value).sum::<f64>() / count)
    };
    Ok(KnnResult {
        knn,
        method: if reports.is_empty() { Method::Exact } else { Method::Ivf },
        n_lists: (!reports.is_empty()).then(|| reports.iter().map(|r| r.n_lists).sum()),
        nprobe: mean(&|r| r.nprobe),
        recall: mean(&|r| r.recall),
    })
}
