//! Leiden (Traag, Waltman & van Eck 2019, Scientific Reports 9:5233) and Louvain clustering of a
//! connectivity graph.
//!
//! Weights and sums are f64. The result depends on the graph, the parameters and the seed, not on
//! the number of threads.

mod aggregate;
mod aside;
mod components;
mod moving;
mod refine;

use super::links::{Links, Origin};
use super::locality::Renumbered;
use super::random::Stream;
use super::symmetric::{check, Graph};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Monitor, Session};
use aggregate::{aggregate, renumber, Network};
use aside::{Base, CLUSTERS};
use rayon::prelude::*;

/// The objective that is maximised. A is the weight matrix, k_i = sum of row i, S = sum of A; i, j
/// in the same cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Objective {
    /// Modularity with a resolution (Reichardt & Bornholdt 2006): 1/S sum_ij (A_ij - resolution k_i
    /// k_j / S).
    #[default]
    Modularity,
    /// Constant Potts model (Traag, Van Dooren & Nesterov 2011): 1/S sum_ij (A_ij - resolution).
    Cpm,
}

/// Parameters of [`leiden`] and [`louvain`]; names and defaults are those of `scanpy.tl.leiden`
/// where it has them.
#[derive(Debug, Clone)]
pub struct LeidenParams {
    /// Higher values give more clusters.
    pub resolution: f64,
    /// The objective.
    pub objective: Objective,
    /// Number of iterations, each of which starts from the partition of the one before. Negative:
    /// until the partition is stable. It is stable when an iteration changes nothing (three in a
    /// row for at most 16,384 observations) or, for more observations, when it raises the objective
    /// by less than 5e-5.
    pub n_iterations: i64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Randomness of the refinement, in units of edge weight: a node joins a cluster with
    /// probability proportional to exp(gain / theta). 0 takes the cluster of largest gain. Louvain
    /// does not use it.
    pub theta: f64,
}

impl Default for LeidenParams {
    fn default() -> Self {
        LeidenParams { resolution: 1.0, objective: Objective::Modularity, n_iterations: -1, seed: 0, theta: 0.01 }
    }
}

/// A clustering.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Cluster of each observation; clusters are numbered by decreasing size, ties by their first
    /// member.
    pub membership: Vec<u32>,
    /// Number of clusters.
    pub n_clusters: usize,
    /// Value of the objective; 0 for a graph without edges.
    pub quality: f64,
    /// Number of iterations that were run.
    pub n_iterations: usize,
}

/// Clusters the graph of `connectivities` (n_obs x n_obs, symmetric CSR) by the Leiden algorithm.
/// Every cluster is connected; an observation without neighbours is a cluster of its own. A
/// diagonal entry counts once, as stored.
///
/// # Errors
/// [`Error::Parameter`] for parameters outside their domain and an asymmetric graph,
/// [`Error::Shape`] for a graph that is not square, [`Error::Values`] for negative or non-finite
/// weights, [`Error::Cancelled`].
pub fn leiden(connectivities: impl Links + Send + Sync, params: &LeidenParams, session: &Session) -> Result<Partition> {
    leiden_of(Origin::Memory(connectivities), params, session)
}

/// Works as [`leiden`], for a graph in memory or a kept one.
///
/// # Errors
/// Errors of [`leiden`]; [`Error::Io`] where a kept graph cannot be read.
pub fn leiden_of(
    connectivities: Origin<impl Links + Send + Sync>,
    params: &LeidenParams,
    session: &Session,
) -> Result<Partition> {
    run(connectivities, params, true, session)
}

/// Clusters the graph by the Louvain algorithm (Blondel et al. 2008), with the queue of [`leiden`]
/// but without refinement, so a cluster may be disconnected.
///
/// # Errors
/// Errors of [`leiden`].
pub fn louvain(
    connectivities: impl Links + Send + Sync,
    params: &LeidenParams,
    session: &Session,
) -> Result<Partition> {
    louvain_of(Origin::Memory(connectivities), params, session)
}

/// Works as [`louvain`], for a graph in memory or a kept one.
///
/// # Errors
/// Errors of [`leiden_of`].
pub fn louvain_of(
    connectivities: Origin<impl Links + Send + Sync>,
    params: &LeidenParams,
    session: &Session,
) -> Result<Partition> {
    run(connectivities, params, false, session)
}

/// Returns the modularity of a partition ([`Objective::Modularity`]); 0 for a graph without edges.
///
/// # Errors
/// [`Error::Shape`] where `membership` has not one entry per vertex; errors of [`leiden`] for the
/// graph.
pub fn modularity(connectivities: &impl Links, membership: &[u32], resolution: f64) -> Result<f64> {
    let connectivities = connectivities.borrowed();
    let graph = check(&connectivities, "modularity", &Monitor::default())?;
    if membership.len() != graph.n_vertices() {
        return Err(Error::shape("membership", graph.n_vertices(), membership.len()));
    }
    let mut membership = memory::copied(membership, CLUSTERS)?;
    renumber_any(&mut membership);
    let problem = Problem::new(graph, Objective::Modularity, resolution)?;
    Session::with_threads(1).install(|| quality(graph, &problem, &membership))
}

/// The number of vertices up to which a graph is stable only after three iterations in a row that
/// change nothing.
const SMALL: usize = 16_384;
/// The rise of the objective below which an iteration ends the clustering of larger graphs. The
/// number of ever smaller gains grows with the graph, and different seeds differ by ten times as
/// much.
const LEAST_RISE: f64 = 5e-5;
/// Vertices per parallel task.
const VERTICES: usize = 4096;

/// The numbers that unify both objectives. The gain of moving a node of size s
/// into a cluster of size S is (weight to it) - `penalty` s S; sizes are sums of strengths
/// (modularity) or counts (CPM).
struct Problem {
    size: Vec<f64>,
    penalty: f64,
    total: f64,
}

impl Problem {
    fn new(graph: Graph, objective: Objective, resolution: f64) -> Result<Self> {
        let n = graph.n_vertices();
        let mut strength = memory::zeros::<f64>(n, CLUSTERS)?;
        let of = |(i, to): (usize, &mut f64)| *to = graph.row(i).1.iter().map(|&w| f64::from(w)).sum();
        strength.par_iter_mut().enumerate().for_each(of);
        let total: f64 = strength.iter().sum();
        Ok(match objective {
            Objective::Modularity if total > 0.0 => Problem { size: strength, penalty: resolution / total, total },
            Objective::Modularity => Problem { size: strength, penalty: 0.0, total },
            Objective::Cpm => Problem { size: memory::filled(n, 1.0, CLUSTERS)?, penalty: resolution, total },
        })
    }

    fn network<'a>(&'a self, graph: Graph<'a>) -> Network<'a, f32> {
        Network { graph, size: &self.size }
    }
}

/// Returns the value of the objective for clusters numbered below n.
fn quality(graph: Graph, problem: &Problem, membership: &[u32]) -> Result<f64> {
    if problem.total <= 0.0 {
        return Ok(0.0);
    }
    let mut sizes = memory::zeros::<f64>(membership.len(), CLUSTERS)?;
    membership.iter().zip(&problem.size).for_each(|(&c, size)| sizes[c as usize] += size);
    let within = |block: usize| {
        let vertices = block * VERTICES..((block + 1) * VERTICES).min(membership.len());
        let of = |i: usize| {
            let (columns, weights) = graph.row(i);
            let same = columns.iter().zip(weights).filter(|(&j, _)| membership[j as usize] == membership[i]);
            same.map(|(_, &w)| f64::from(w)).sum::<f64>()
        };
        vertices.map(of).sum::<f64>()
    };
    // Sums of blocks of vertices are added in order, so that the result does not depend on the
    // number of threads.
    let blocks = memory::parallel((0..membership.len().div_ceil(VERTICES)).into_par_iter().map(within), CLUSTERS)?;
    let inside: f64 = blocks.iter().sum();
    Ok((inside - problem.penalty * sizes.iter().map(|s| s * s).sum::<f64>()) / problem.total)
}

fn run(
    connectivities: Origin<impl Links + Send + Sync>,
    params: &LeidenParams,
    refining: bool,
    session: &Session,
) -> Result<Partition> {
    for (name, value) in [("resolution", params.resolution), ("theta", params.theta)] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::parameter(name, "a number >= 0", value));
        }
    }
    if params.n_iterations == 0 {
        return Err(Error::parameter("n_iterations", "at least 1, or negative (until nothing changes)", 0));
    }
    let name = if refining { "leiden" } else { "louvain" };
    let (n, links) = (connectivities.rows(), connectivities.nnz());
    // A copy of the graph, and numbers of its vertices.
    let bytes = links.saturating_add(3 * n).saturating_mul(8);
    let _held = session.hold(format!("{name} of {n} cells with {links} links"), bytes)?;
    session.install(|| {
        let monitor = &*session.monitor;
        let mut renumbered = Renumbered::from_origin(connectivities, name, session)?;
        let mut base = Base::new(renumbered.hand_over(), session)?;
        let problem = Problem::new(base.graph(), params.objective, params.resolution)?;
        let mut membership: Vec<u32> = memory::collected(0..n as u32, CLUSTERS)?;
        let mut done = 0u64;
        // Another random refinement may find a gain that one missed; this is worth its time on
        // small graphs, where near-optima differ.
        let patience = if refining && n <= SMALL { 3 } else { 1 };
        let more = |done: u64| params.n_iterations < 0 || done < params.n_iterations.unsigned_abs();
        let mut before = f64::NEG_INFINITY;
        loop {
            let mut idle = 0;
            while idle < patience && more(done) {
                let moved = iterate(&mut base, &problem, params, refining, &mut membership, done, session)?;
                base.take_back(session)?;
                let mut rising = moved;
                if moved && n > SMALL && params.n_iterations < 0 {
                    let now = quality(base.graph(), &problem, &membership)?;
                    rising = now - before >= LEAST_RISE;
                    before = now;
                }
                idle = if rising { 0 } else { idle + 1 };
                done += 1;
            }
            // Leiden's levels end with connected clusters, except when the refinement finds nothing
            // to merge.
            if !refining || !components::split(base.graph(), &mut membership, monitor)? || !more(done) {
                break;
            }
        }
        let quality = quality(base.graph(), &problem, &membership)?;
        let mut membership = renumbered.restore(&membership, 1)?;
        let n_clusters = order_by_size(&mut membership)?;
        Ok(Partition { membership, n_clusters, quality, n_iterations: done as usize })
    })
}

/// Runs one iteration: moves, refines and aggregates until nothing is left to aggregate. Returns
/// whether any node moved.
///
/// The graph in `base` is put aside as soon as there is a level above it.
fn iterate(
    base: &mut Base,
    problem: &Problem,
    params: &LeidenParams,
    refining: bool,
    membership: &mut [u32],
    iteration: u64,
    session: &Session,
) -> Result<bool> {
    let monitor = &*session.monitor;
    let penalty = problem.penalty;
    let random = |level: u64| Stream::new(params.seed, iteration, level);
    let mut stream = random(0);
    let network = problem.network(base.graph());
    let mut moved = moving::move_nodes(&network, membership, penalty, &mut stream, monitor)?;

    // `node_of[v]` is the node of the present level that holds vertex v; `clusters` is the
    // partition of these nodes.
    let mut clusters = memory::copied(membership, CLUSTERS)?;
    let mut n_clusters = renumber(&mut clusters)?;
    let mut node_of = if refining {
        refine::refine(&network, &clusters, n_clusters, penalty, params.theta, &mut stream, monitor)?
    } else {
        memory::copied(&clusters, CLUSTERS)?
    };
    let mut n_nodes = renumber(&mut node_of)?;
    if n_clusters == clusters.len() || n_nodes == clusters.len() {
        membership.copy_from_slice(&clusters);
        return Ok(moved);
    }
    let (made, mut upper) = aggregate(&network, &node_of, n_nodes, &clusters, session)?;
    drop(clusters);
    base.put_aside();
    let mut level = made.level(session)?;
    for depth in 1.. {
        let mut stream = random(depth);
        let network = level.network();
        moved |= moving::move_nodes(&network, &mut upper, penalty, &mut stream, monitor)?;
        n_clusters = renumber(&mut upper)?;
        if n_clusters == n_nodes {
            break;
        }
        let mut finer = if refining {
            refine::refine(&network, &upper, n_clusters, penalty, params.theta, &mut stream, monitor)?
        } else {
            memory::copied(&upper, CLUSTERS)?
        };
        let n_finer = renumber(&mut finer)?;
        if n_finer == n_nodes {
            break;
        }
        let (made, next) = aggregate(&network, &finer, n_finer, &upper, session)?;
        node_of.iter_mut().for_each(|node| *node = finer[*node as usize]);
        drop(level);
        (level, upper) = (made.level(session)?, next);
        n_nodes = n_finer;
    }
    membership.iter_mut().zip(&node_of).for_each(|(cluster, &node)| *cluster = upper[node as usize]);
    Ok(moved)
}

/// Replaces any labels by 0, 1, ... in the order of first members.
fn renumber_any(membership: &mut [u32]) {
    let mut number = std::collections::HashMap::new();
    for cluster in membership {
        let next = number.len() as u32;
        *cluster = *number.entry(*cluster).or_insert(next);
    }
}

/// Renumbers clusters by decreasing size, ties by first member, and returns their number.
fn order_by_size(membership: &mut [u32]) -> Result<usize> {
    let count = renumber(membership)?;
    let mut size = memory::zeros::<usize>(count, CLUSTERS)?;
    membership.iter().for_each(|&c| size[c as usize] += 1);
    let mut order: Vec<usize> = memory::collected(0..count, CLUSTERS)?;
    order.sort_by_key(|&c| (std::cmp::Reverse(size[c]), c));
    let mut rank = memory::zeros::<u32>(count, CLUSTERS)?;
    order.iter().enumerate().for_each(|(r, &c)| rank[c] = r as u32);
    membership.iter_mut().for_each(|c| *c = rank[*c as usize]);
    Ok(count)
}
