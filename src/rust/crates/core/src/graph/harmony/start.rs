//! The initial centroids: k-means of unit vectors on a sample.

use super::soft::{products, unit};
use super::HARMONY;
use crate::error::Result;
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use rayon::prelude::*;

/// Cells of the sample per cluster.
const SAMPLE: usize = 256;
/// Iterations of Lloyd's algorithm.
const ITERATIONS: usize = 10;
/// Rows per matrix product.
const ROWS: usize = 256;

/// Returns unit centroids, clusters x dimensions: by k-means++ (Arthur & Vassilvitskii 2007), then
/// Lloyd's algorithm.
pub(super) fn centroids(z: &[f32], d: usize, k: usize, seed: u64, session: &Session) -> Result<Vec<f32>> {
    let n = z.len() / d;
    let mut random = Stream::new(seed, 0, 0);
    let chosen = random.sample(n, SAMPLE.saturating_mul(k).min(n))?;
    let mut rows = memory::zeros::<f32>(memory::count(&[chosen.len(), d], HARMONY)?, HARMONY)?;
    for (row, &cell) in rows.chunks_exact_mut(d).zip(&chosen) {
        unit(&z[cell as usize * d..][..d], row);
    }
    let mut centroids = spread(&rows, d, k, &mut random, session)?;
    let mut nearest = memory::zeros::<u32>(chosen.len(), HARMONY)?;
    for _ in 0..ITERATIONS {
        let tasks = nearest.par_chunks_mut(ROWS).zip(rows.par_chunks(ROWS * d));
        tasks.try_for_each_init(Vec::new, |cosines, (nearest, rows)| {
            session.monitor.check()?;
            memory::lengthen(cosines, ROWS * k, 0.0, HARMONY)?;
            let cosines = &mut cosines[..nearest.len() * k];
            products(rows, &centroids, d, cosines);
            for (to, cosines) in nearest.iter_mut().zip(cosines.chunks_exact(k)) {
                let best =
                    cosines.iter().enumerate().fold(
                        (0, f32::NEG_INFINITY),
                        |best, (j, &x)| {
                            if x > best.1 {
                                (j, x)
                            } else {
                                best
                            }
                        },
                    );
                *to = best.0 as u32;
            }
            Ok::<_, crate::error::Error>(())
        })?;
        let mut sums = memory::zeros::<f32>(k * d, HARMONY)?;
        for (row, &cluster) in rows.chunks_exact(d).zip(&nearest) {
            let sum = &mut sums[cluster as usize * d..][..d];
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
        }
        for (centroid, sum) in centroids.chunks_exact_mut(d).zip(sums.chunks_exact(d)) {
            if sum.iter().any(|&s| s != 0.0) {
                unit(sum, centroid);
            }
        }
    }
    Ok(centroids)
}

/// Draws `k` of the rows, each with a probability in proportion to its squared distance from the
/// nearest row drawn before.
fn spread(rows: &[f32], d: usize, k: usize, random: &mut Stream, session: &Session) -> Result<Vec<f32>> {
    let mut centroids = memory::room(k * d, HARMONY)?;
    centroids.extend_from_slice(&rows[..d]);
    let mut far = memory::filled(rows.len() / d, f32::INFINITY, HARMONY)?;
    while centroids.len() < k * d {
        session.monitor.check()?;
        let last = &centroids[centroids.len() - d..];
        far.par_chunks_mut(ROWS).zip(rows.par_chunks(ROWS * d)).for_each(|(far, rows)| {
            for (far, row) in far.iter_mut().zip(rows.chunks_exact(d)) {
                let cosine: f32 = row.iter().zip(last).map(|(a, b)| a * b).sum();
                *far = far.min((1.0 - cosine).max(0.0));
            }
        });
        let total: f64 = far.iter().map(|&x| f64::from(x)).sum();
        let mut left = random.uniform() * total;
        let drawn = far.iter().position(|&x| {
            left -= f64::from(x);
            x > 0.0 && left <= 0.0
        });
        // There are fewer directions than clusters, so one of them is repeated.
        let drawn = drawn.unwrap_or_else(|| random.below(far.len()));
        centroids.extend_from_slice(&rows[drawn * d..][..d]);
    }
    Ok(centroids)
}
