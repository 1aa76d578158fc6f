//! Every point against every other, pair by pair in f64: the search for metrics that are no product
//! of rows.

use super::metric::Pairwise;
use super::POINTS;
use super::{Knn, KnnResult, Method, Metric, NEIGHBOURS};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use ndarray::ArrayView2;
use rayon::prelude::*;

/// Queries between two checks for cancellation.
const QUERIES: usize = 16;

/// Finds the `k` neighbours of all points: each point first, then the others by distance, equal
/// distances by row number.
pub(super) fn search(points: ArrayView2<'_, f32>, metric: Pairwise, k: usize, session: &Session) -> Result<KnnResult> {
    let (n, d) = points.dim();
    let rows = prepared(points, metric)?;
    let mut knn = Knn::empty(n, k)?;
    session.monitor.begin(n as u64);
    knn.indices
        .par_chunks_mut(k * QUERIES)
        .zip(knn.distances.par_chunks_mut(k * QUERIES))
        .enumerate()
        .try_for_each_init(Vec::new, |found: &mut Vec<(f64, u32)>, (block, (indices, distances))| {
            session.monitor.check()?;
            found.clear();
            memory::reserve(found, n, NEIGHBOURS)?;
            let each = indices.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            let done = each.len();
            for (i, (indices, distances)) in (block * QUERIES..).zip(each) {
                let own = rows.get(i * d..(i + 1) * d).unwrap_or_default();
                found.clear();
                found.extend(rows.chunks_exact(d).zip(0u32..).map(|(row, j)| (metric.distance(own, row), j)));
                // The point itself comes first, whatever its distance to itself is.
                if let Some(own) = found.get_mut(i) {
                    own.0 = f64::NEG_INFINITY;
                }
                let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
                if k < n {
                    found.select_nth_unstable_by(k - 1, order);
                    found.truncate(k);
                }
                found.sort_unstable_by(order);
                for ((index, distance), &(key, j)) in indices.iter_mut().zip(distances).zip(found.iter()) {
                    (*index, *distance) = (j, key.max(0.0) as f32);
                }
            }
            session.monitor.advance(done as u64);
            Ok::<_, Error>(())
        })?;
    Ok(KnnResult { knn, method: Method::Exact, n_lists: None, nprobe: None, recall: None })
}

/// Returns the coordinates in f64, n x d, row-major, once it has checked that they are finite. They
/// are scaled (standardized Euclidean) or mapped (Mahalanobis) for [`Pairwise::distance`].
fn prepared(points: ArrayView2<'_, f32>, metric: Pairwise) -> Result<Vec<f64>> {
    let (_, d) = points.dim();
    if let Some(((row, column), found)) = points.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::Values {
            element: "points".into(),
            operation: "neighbours",
            expected: "finite coordinates",
            found: found.to_string(),
            row,
            column,
        });
    }
    let mut rows: Vec<f64> = memory::collected(points.iter().map(|&v| f64::from(v)), POINTS)?;
    if matches!(metric, Pairwise::StandardizedEuclidean | Pairwise::Mahalanobis) {
        // Differences do not change, and a constant column becomes exactly 0, however its mean
        // rounds.
        let first = memory::copied(rows.get(..d).unwrap_or_default(), POINTS)?;
        rows.par_chunks_mut(d).for_each(|row| row.iter_mut().zip(&first).for_each(|(v, f)| *v -= f));
    }
    match metric {
        Pairwise::StandardizedEuclidean => {
            let covariance = covariance(&rows, d)?;
            let deviations: Vec<f64> = (0..d).map(|j| covariance[j * d + j].sqrt()).collect();
            if let Some(column) = deviations.iter().position(|&s| s.is_nan() || s <= 0.0) {
                return Err(degenerate(Metric::Pairwise(metric), format!("column {column} (zero-based) is constant")));
            }
            rows.par_chunks_mut(d).for_each(|row| row.iter_mut().zip(&deviations).for_each(|(v, s)| *v /= s));
        }
        Pairwise::Mahalanobis => {
            let triangle = cholesky(covariance(&rows, d)?, d)
                .ok_or_else(|| degenerate(Metric::Pairwise(metric), "columns depend on one another".into()))?;
            rows.par_chunks_mut(d).for_each(|row| solve(&triangle, row));
        }
        _ => {}
    }
    Ok(rows)
}

/// Returns the error for a metric that the columns of the embedding do not allow.
fn degenerate(metric: Metric, found: String) -> Error {
    let expected = "a metric that the columns of the embedding allow (each varies, none is a sum of others)";
    Error::parameter("metric", expected, format!("{metric}, and {found}"))
}

/// Returns the d x d covariance of the columns, divisor n - 1.
fn covariance(rows: &[f64], d: usize) -> Result<Vec<f64>> {
    let n = rows.len() / d;
    let mut mean = memory::zeros::<f64>(d, POINTS)?;
    for row in rows.chunks_exact(d) {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / n as f64);
    }
    let mut out = memory::zeros::<f64>(memory::count(&[d, d], POINTS)?, POINTS)?;
    for row in rows.chunks_exact(d) {
        for (i, line) in out.chunks_exact_mut(d).enumerate() {
            let a = row[i] - mean[i];
            line.iter_mut().zip(row.iter().zip(&mean)).for_each(|(o, (v, m))| *o += a * (v - m));
        }
    }
    out.iter_mut().for_each(|v| *v /= (n as f64 - 1.0).max(1.0));
    Ok(out)
}

/// Returns the lower triangle L with L L' = a; `None` where a is not positive definite.
fn cholesky(mut a: Vec<f64>, d: usize) -> Option<Vec<f64>> {
    let largest = (0..d).map(|i| a[i * d + i]).fold(0.0, f64::max);
    for i in 0..d {
        for j in 0..=i {
            let sum = a[i * d + j] - (0..j).map(|k| a[i * d + k] * a[j * d + k]).sum::<f64>();
            if i != j {
                a[i * d + j] = sum / a[j * d + j];
            } else if sum > largest * 1e-14 {
                a[i * d + i] = sum.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(a)
}

/// Solves L x = row in place.
fn solve(triangle: &[f64], row: &mut [f64]) {
    let d = row.len();
    for i in 0..d {
        let sum = row[i] - (0..i).map(|k| triangle[i * d + k] * row[k]).sum::<f64>();
        row[i] = sum / triangle[i * d + i];
    }
}
