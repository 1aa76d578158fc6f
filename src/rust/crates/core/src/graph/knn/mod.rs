//! The k nearest neighbours of every row of an embedding.
//!
//! | [`Method`] | neighbours | reproducible | cost |
//! |---|---|---|---|
//! | `Exact` | all true neighbours, certified | bit for bit, any thread count | n² d |
//! | `Ivf` | recall measured on a sample, [`KnnParams::recall`] or more | bit for bit, any thread count | about n^1.5 d |
//! | `Hnsw` | recall depends on the data; measured and reported | with one thread only | n log n, large constant |
//!
//! For the first four [`Metric`]s all three find candidates by cheaper distances (f32; bytes in the
//! lists of IVF). The distances of the candidates that matter are computed again in f64 from the
//! coordinates as given, so a pair of points has the same distance whichever method found it. The
//! other metrics of scikit-learn are compared pair by pair, in f64 ([`Pairwise`]).

mod batches;
mod brute;
mod candidates;
mod codes;
mod compare;
mod exact;
mod hnsw;
mod ivf;
mod kmeans;
mod lists;
mod loops;
mod metric;
mod panels;
mod points;
mod product;
mod select;

pub use batches::Batches;
pub use metric::{Metric, Pairwise};

use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use ndarray::ArrayView2;
use points::Points;
use std::fmt;
use std::str::FromStr;

/// The number of points up to which [`Method::Auto`] uses [`Method::Exact`].
pub const EXACT_UP_TO: usize = 20_000;

/// The neighbours of `n` points, `k` each, the point itself included and first.
#[derive(Debug, Clone, PartialEq)]
pub struct Knn {
    /// Number of points.
    pub n: usize,
    /// Neighbours per point, counting the point itself, like scanpy's `n_neighbors`.
    pub k: usize,
    /// `n` x `k` row numbers, row-major: the point itself, then the others by distance, equal
    /// distances by row number.
    pub indices: Vec<u32>,
    /// `n` x `k` distances, row-major: 0 for the point itself, then ascending.
    pub distances: Vec<f32>,
}

impl Knn {
    /// Makes the result for `n` points with `k` neighbours each, filled with zeros.
    fn empty(n: usize, k: usize) -> Result<Self> {
        let size = memory::count(&[n, k], NEIGHBOURS)?;
        Ok(Knn { n, k, indices: memory::zeros(size, NEIGHBOURS)?, distances: memory::zeros(size, NEIGHBOURS)? })
    }

    /// Checks that the two arrays have `n * k` elements, that no distance is NaN or infinite, and
    /// that every index is below `n` and every row starts with its own point.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Index`], [`Error::Values`], [`Error::State`].
    pub fn validate(&self) -> Result<()> {
        let size = self.n.checked_mul(self.k);
        if self.k == 0 || self.n == 0 {
            return Err(Error::shape(
                "neighbours",
                "at least one point and one neighbour",
                format!("{} x {}", self.n, self.k),
            ));
        }
        for (what, len) in [("neighbour indices", self.indices.len()), ("neighbour distances", self.distances.len())] {
            if size != Some(len) {
                return Err(Error::shape(what, format!("{} x {} elements", self.n, self.k), len));
            }
        }
        for (row, (indices, distances)) in self.rows().enumerate() {
            if let Some(&index) = indices.iter().find(|&&index| index as usize >= self.n) {
                return Err(Error::Index { axis: "obs", index: i64::from(index), len: self.n });
            }
            if let Some((column, distance)) = distances.iter().enumerate().find(|(_, d)| !d.is_finite()) {
                return Err(Error::Values {
                    element: "neighbour distances".into(),
                    operation: "connectivities",
                    expected: "finite distances",
                    found: distance.to_string(),
                    row,
                    column,
                });
            }
            if indices.first().map(|&first| first as usize) != Some(row) {
                return Err(Error::State(format!("the first neighbour of point {row} is not the point itself")));
            }
        }
        Ok(())
    }

    /// Returns the rows in turn, each as its `k` indices and its `k` distances.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[u32], &[f32])> + '_ {
        let k = self.k.max(1);
        self.indices.chunks_exact(k).zip(self.distances.chunks_exact(k))
    }
}

/// The name of neighbours in errors.
const NEIGHBOURS: &str = "neighbours: n_neighbors of every point";
/// The name of copies of the points in errors.
const POINTS: &str = "neighbours: the coordinates of the points";

/// The algorithm that finds neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// `Exact` up to [`EXACT_UP_TO`] points and for inner products and [`Metric::Pairwise`], `Ivf`
    /// above.
    #[default]
    Auto,
    /// Every point against every other.
    Exact,
    /// Inverted file: points are grouped by k-means, and a point is compared with the groups near
    /// it.
    Ivf,
    /// Hierarchical navigable small worlds (the crate `hnsw_rs`). Its graph depends on the order in
    /// which threads insert, so results differ from run to run with more than one thread.
    Hnsw,
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Method::Auto),
            "exact" | "brute" => Ok(Method::Exact),
            "ivf" => Ok(Method::Ivf),
            "hnsw" => Ok(Method::Hnsw),
            _ => Err(Error::parameter("method", "one of auto, exact, ivf, hnsw", name)),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Auto => "auto",
            Method::Exact => "exact",
            Method::Ivf => "ivf",
            Method::Hnsw => "hnsw",
        })
    }
}

/// Options of [`knn`].
#[derive(Debug, Clone, PartialEq)]
pub struct KnnParams {
    /// Neighbours per point, counting the point itself (scanpy's `n_neighbors`), 1 to n.
    pub k: usize,
    /// The distance.
    pub metric: Metric,
    /// The algorithm.
    pub method: Method,
    /// Share of the true neighbours that [`Method::Ivf`] must find, above 0 and up to 1; measured
    /// on a sample, with a margin of two standard errors. Exact search has recall 1 and ignores it,
    /// as does HNSW.
    pub recall: f64,
    /// Seed of the sample and of k-means.
    pub seed: u64,
}

impl Default for KnnParams {
    fn default() -> Self {
        KnnParams { k: 15, metric: Metric::Euclidean, method: Method::Auto, recall: 0.99, seed: 0 }
    }
}

/// The neighbours that [`knn`] found, and the method it used.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnResult {
    /// The neighbours.
    pub knn: Knn,
    /// The method used, never [`Method::Auto`].
    pub method: Method,
    /// The number of lists; `None` unless the method is IVF.
    pub n_lists: Option<usize>,
    /// The number of lists compared with a point, its own included, on average over the points;
    /// `None` unless the method is IVF.
    pub nprobe: Option<f64>,
    /// Share of the true neighbours found, over the sample of points checked against exact search;
    /// `None` for exact search.
    pub recall: Option<f64>,
}

/// Finds the `k` nearest rows of every row of `points` (n x d, any memory layout).
///
/// # Errors
/// [`Error::Parameter`] for `n_neighbors` outside 1 to n, `recall` outside (0, 1], or inner
/// products or a pairwise metric with an approximate method; [`Error::Shape`] for no points, no
/// columns, or 2³² points and more; [`Error::Values`] for NaN, infinite or enormous coordinates,
/// and for zero (constant) rows with the cosine (correlation) distance; [`Error::Cancelled`].
pub fn knn(points: ArrayView2<'_, f32>, params: &KnnParams, session: &Session) -> Result<KnnResult> {
    let (n, d) = validate(points, params)?;
    if params.k == 0 || params.k > n {
        return Err(Error::parameter("n_neighbors", format!("1 to {n}, the number of points"), params.k));
    }
    if let Metric::Pairwise(pairwise) = params.metric {
        // The points in f64, and the neighbours.
        let _held = session.hold(searched(n, params.k), n.saturating_mul(8 * (d + params.k)))?;
        return session.install(|| brute::search(points, pairwise, params.k, session));
    }
    let method = match params.method {
        Method::Auto if n <= EXACT_UP_TO || params.metric == Metric::InnerProduct => Method::Exact,
        Method::Auto => Method::Ivf,
        method => method,
    };
    // A copy of the points, and the neighbours.
    let graph = if method == Method::Hnsw { hnsw::bytes_of_point(d) } else { 0 };
    let _held = session.hold(searched(n, params.k), n.saturating_mul(graph + 4 * (d + 1 + 2 * params.k)))?;
    session.install(|| {
        let points = Points::new(points, params.metric)?;
        match method {
            Method::Exact | Method::Auto => exact::search(&points, params.k, session),
            Method::Ivf => ivf::search(&points, params, session),
            Method::Hnsw => hnsw::search(&points, params, session),
        }
    })
}

/// Returns the name of a search in errors.
fn searched(n: usize, k: usize) -> String {
    format!("the search for {k} neighbours of {n} cells")
}

/// Finds, for every row of `points` (n x d), the nearest rows of each batch; `params.k` is not
/// used. With [`Method::Auto`] a batch is searched exactly up to [`EXACT_UP_TO`]² pairs of points,
/// and else with the recall asked for.
///
/// # Errors
/// Errors of [`knn`]; [`Error::Shape`] and [`Error::Parameter`] for batches that do not fit the
/// points or have fewer than `neighbors_within_batch` points, for [`Method::Hnsw`] and for a
/// pairwise metric.
pub fn knn_by_batch(
    points: ArrayView2<'_, f32>,
    batches: &Batches,
    params: &KnnParams,
    session: &Session,
) -> Result<KnnResult> {
    let (n, d) = validate(points, params)?;
    batches.validate(n)?;
    if matches!(params.metric, Metric::Pairwise(_)) {
        let expected = "euclidean, cosine, correlation or inner_product with batch_key";
        return Err(Error::parameter("metric", expected, params.metric));
    }
    let method = match params.method {
        Method::Hnsw => return Err(Error::parameter("method", "auto, exact or ivf with batch_key", "hnsw")),
        Method::Auto if params.metric == Metric::InnerProduct => Method::Exact,
        method => method,
    };
    let params = KnnParams { method, ..params.clone() };
    let k = batches.neighbors_within_batch.saturating_mul(batches.n_batches);
    let _held = session.hold(searched(n, k), n.saturating_mul(4 * (d + 1 + 2 * k)))?;
    session.install(|| batches::search(&Points::new(points, params.metric)?, batches, &params, session))
}

/// Finds, for every row of `points` from row `n` on, the `k` nearest of the first `n` rows,
/// exactly. Returns the numbers and the distances of the neighbours, rows x `k`, by ascending
/// distance.
///
/// # Errors
/// Errors of [`knn`]; [`Error::Parameter`] for a pairwise metric.
pub(super) fn nearest_of_first(
    points: ArrayView2<'_, f32>,
    n: usize,
    k: usize,
    metric: Metric,
    session: &Session,
) -> Result<(Vec<u32>, Vec<f32>)> {
    validate(points, &KnnParams { metric, ..KnnParams::default() })?;
    if matches!(metric, Metric::Pairwise(_)) {
        let expected = "euclidean, cosine, correlation or inner_product for neighbours across";
        return Err(Error::parameter("metric", expected, metric));
    }
    session.install(|| {
        let points = Points::new(points, metric)?;
        let all = points.ids()?;
        let (reference, query) = all.split_at(n);
        exact::of_sample(&points, &points.part(reference)?, query, k, session)
    })
}

/// Makes the checks that every search needs and returns (n, d).
fn validate(points: ArrayView2<'_, f32>, params: &KnnParams) -> Result<(usize, usize)> {
    let (n, d) = points.dim();
    if n == 0 || d == 0 || u32::try_from(n).is_err() {
        return Err(Error::shape("points", "1 to 2^32 - 1 rows and at least 1 column", format!("{n} x {d}")));
    }
    if !(params.recall > 0.0 && params.recall <= 1.0) {
        return Err(Error::parameter("recall", "a number above 0 and up to 1", params.recall));
    }
    let exact_only = matches!(params.metric, Metric::InnerProduct | Metric::Pairwise(_));
    if exact_only && !matches!(params.method, Method::Exact | Method::Auto) {
        let expected = format!("exact (or auto) for metric {}", params.metric);
        return Err(Error::parameter("method", expected, params.method));
    }
    Ok((n, d))
}
