//! Harmony: an embedding in which cells of different batches mix (Korsunsky et al. 2019), with the
//! changes of Harmony 2 (Patikas et al. 2026). These are a diversity penalty that stays bounded in
//! small clusters, ridge penalties in proportion to the cells expected of a batch in a cluster, and
//! the omission of batches from clusters in which they have no cells.
//!
//! Soft assignments of cells to clusters are functions of the coordinates, the centroids and one
//! table of penalties per block of cells. They are computed again, as a product of matrices, where
//! they are needed, and never stored. Memory is that of the two embeddings and a list of the cells.
//! Cells of one combination of batches are processed together, in fixed pieces whose sums are added
//! in order, so that the result is the same for any number of threads.

mod assign;
mod blocks;
mod ridge;
mod soft;
mod start;

use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use assign::Clustering;
use blocks::Batches;
use ndarray::{Array2, ArrayView2};
use soft::Space;

/// The name of the work in errors.
const HARMONY: &str = "harmony_integrate: coordinates and batches of every cell";

/// A column of batches, one level per cell.
#[derive(Debug, Clone)]
pub struct Factor {
    /// The level of each cell.
    pub codes: Vec<u32>,
    /// Number of levels.
    pub n_levels: usize,
}

/// The parameters of [`harmony`]; names and defaults of harmonypy.
#[derive(Debug, Clone, PartialEq)]
pub struct HarmonyParams {
    /// Weight of the diversity penalty, one per factor; a single one is for all factors.
    pub theta: Vec<f64>,
    /// Ridge penalty, one per factor; a single one is for all factors. Empty: `alpha` times the
    /// cells expected.
    pub lamb: Vec<f64>,
    /// Width of the soft clusters, in units of the squared distance of unit vectors.
    pub sigma: f64,
    /// Number of clusters; `None` is one per 30 cells, at least 1 and at most 100.
    pub nclust: Option<usize>,
    /// Weights of the diversity penalty of batches with fewer than about this many cells per
    /// cluster are reduced; 0 reduces none.
    pub tau: f64,
    /// Share of the cells in a block, which are assigned with the same penalties.
    pub block_size: f64,
    /// Rounds of clustering and correction at most.
    pub max_iter_harmony: usize,
    /// Passes of clustering per round at most.
    pub max_iter_kmeans: usize,
    /// Relative decrease of the objective below which the passes of a round end.
    pub epsilon_cluster: f64,
    /// Relative decrease of the objective below which the rounds end.
    pub epsilon_harmony: f64,
    /// Ridge penalty as a factor of the cells expected of a batch in a cluster.
    pub alpha: f64,
    /// A batch is left out of a cluster's correction if no more than this share of its cells is in
    /// the cluster.
    pub batch_prop_cutoff: f64,
    /// Seed of the initial centroids and of the blocks.
    pub seed: u64,
}

impl Default for HarmonyParams {
    fn default() -> Self {
        HarmonyParams {
            theta: vec![2.0],
            lamb: Vec::new(),
            sigma: 0.1,
            nclust: None,
            tau: 0.0,
            block_size: 0.05,
            max_iter_harmony: 10,
            max_iter_kmeans: 4,
            epsilon_cluster: 1e-3,
            epsilon_harmony: 1e-2,
            alpha: 0.2,
            batch_prop_cutoff: 1e-5,
            seed: 0,
        }
    }
}

/// Coordinates in which batches mix, and the course of the objective.
#[derive(Debug, Clone)]
pub struct Harmonised {
    /// Cells x dimensions: the coordinates as given less the corrections.
    pub coordinates: Array2<f32>,
    /// The objective before the first pass and after every round.
    pub objective: Vec<f64>,
    /// Whether the relative decrease of the objective fell below `epsilon_harmony`.
    pub converged: bool,
}

/// Moves the rows of `points` (cells x dimensions), cluster by cluster, so that cells of the levels
/// of every factor mix.
///
/// # Errors
/// [`Error::Shape`] for no cells, no dimensions, or codes of another number of cells;
/// [`Error::Index`] for a code that is no level; [`Error::Parameter`] for a factor with fewer than
/// two levels that occur, more clusters than cells, or another number of `theta` or `lamb` than
/// factors; [`Error::Values`] for coordinates that are not finite; [`Error::Memory`],
/// [`Error::Cancelled`].
pub fn harmony(
    points: ArrayView2<'_, f32>,
    factors: &[Factor],
    params: &HarmonyParams,
    session: &Session,
) -> Result<Harmonised> {
    session.install(|| run(points, factors, params, session))
}

fn run(
    points: ArrayView2<'_, f32>,
    factors: &[Factor],
    params: &HarmonyParams,
    session: &Session,
) -> Result<Harmonised> {
    let (n, d) = points.dim();
    check(points, factors)?;
    let n_clusters = match params.nclust {
        None => ((n as f64 / 30.0).round() as usize).clamp(1, 100),
        Some(k) if k > n => return Err(Error::parameter("nclust", format!("at most {n}, the number of cells"), k)),
        Some(k) => k,
    };
    // Both embeddings, the cells in order, the blocks of a pass.
    let bytes = n.saturating_mul(8 * d + 8 + (4.0 * n_clusters as f64 * params.block_size) as usize);
    let _held = session.hold(format!("harmony_integrate of {n} cells in {d} dimensions"), bytes)?;
    let batches = Batches::new(n, factors, params)?;
    let rows = points.as_standard_layout();
    let z = rows.as_slice().ok_or_else(|| Error::Internal("coordinates in rows".to_owned()))?;
    let mut moved = memory::copied(z, HARMONY)?;
    let mut centroids = start::centroids(z, d, n_clusters, params.seed, session)?;
    session.monitor.begin(params.max_iter_harmony as u64);

    let mut objective = Vec::new();
    let mut converged = false;
    for round in 0..params.max_iter_harmony {
        let space = Space { d, centroids: &centroids, sigma: params.sigma };
        let mut clusters = Clustering::new(&moved, space, &batches, params, round, session)?;
        if round == 0 {
            objective.push(clusters.objective());
        }
        let mut trace = vec![clusters.objective()];
        for pass in 0..params.max_iter_kmeans {
            clusters.pass(&moved, pass)?;
            trace.push(clusters.objective());
            if settled(&trace, params.epsilon_cluster) {
                break;
            }
        }
        let found = ridge::solve(z, &moved, &clusters, params)?;
        ridge::correct(z, &mut moved, &clusters, &found)?;
        found.centroids_into(&mut centroids, d);
        session.monitor.advance(1);
        let before = objective.last().copied().unwrap_or(0.0);
        let now = trace.last().copied().unwrap_or(before);
        objective.push(now);
        if (before - now) / before.abs() < params.epsilon_harmony {
            converged = true;
            break;
        }
    }
    let coordinates = Array2::from_shape_vec((n, d), moved).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Harmonised { coordinates, objective, converged })
}

/// Returns whether the objective stopped falling, by comparing sums over three passes.
fn settled(trace: &[f64], epsilon: f64) -> bool {
    let Some(last) = trace.last_chunk::<4>().filter(|_| trace.len() > 4) else { return false };
    let before: f64 = last[..3].iter().sum();
    let now: f64 = last[1..].iter().sum();
    (before - now) / before.abs() < epsilon
}

/// Checks that coordinates are finite and that every cell has a level of each factor.
fn check(points: ArrayView2<'_, f32>, factors: &[Factor]) -> Result<()> {
    let (n, d) = points.dim();
    if n == 0 || d == 0 {
        return Err(Error::shape("basis", "at least one cell and one dimension", format!("{n} x {d}")));
    }
    for factor in factors {
        if factor.codes.len() != n {
            return Err(Error::shape("key, one batch a cell", n, factor.codes.len()));
        }
        if let Some(&code) = factor.codes.iter().find(|&&code| code as usize >= factor.n_levels) {
            return Err(Error::Index { axis: "batches", index: i64::from(code), len: factor.n_levels });
        }
    }
    for (row, values) in points.outer_iter().enumerate() {
        if let Some((column, value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Values {
                element: "basis".into(),
                operation: "harmony_integrate",
                expected: "finite coordinates",
                found: value.to_string(),
                row,
                column,
            });
        }
    }
    Ok(())
}
