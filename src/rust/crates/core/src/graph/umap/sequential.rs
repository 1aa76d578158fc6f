//! Stochastic gradient descent edge by edge, as umap-learn's `optimize_layout_euclidean` is
//! structured.

use super::super::random::Stream;
use super::Job;
use crate::error::Result;
use crate::memory;
use crate::session::Monitor;

/// Negative samples between two checks for cancellation.
const CHECK: usize = 1 << 14;

/// Runs all epochs on `x` (n_obs x n_components, row-major) and returns the final positions. Every
/// stored entry (i, j) is sampled in proportion to its weight. A sample moves both ends along the
/// edge, then moves i away from `negative_sample_rate` random points. Steps are clipped to 4 per
/// coordinate.
pub(super) fn optimise(job: &Job, mut x: Vec<f32>, monitor: &Monitor) -> Result<Vec<f32>> {
    let (graph, dim, n) = (job.graph, job.dim, job.graph.n_vertices());
    let least = job.least_weight();
    let rate_of_negatives = job.params.negative_sample_rate;
    let mut difference = memory::zeros::<f32>(dim, "umap: n_components of an observation")?;
    let mut until_check = CHECK;
    for epoch in 0..job.n_epochs {
        let rate = job.rate(epoch) as f32;
        for i in 0..n {
            if i % 1024 == 0 {
                monitor.check()?;
                monitor.advance((n - i).min(1024) as u64);
            }
            let mut stream = Stream::new(job.params.seed, epoch as u64, i as u64);
            let (columns, weights) = graph.row(i);
            for (&j, &weight) in columns.iter().zip(weights) {
                let share = f64::from(weight / job.largest);
                let sampled = (share * epoch as f64).floor() > (share * (epoch as f64 - 1.0)).floor();
                if weight < least || epoch == 0 || !sampled {
                    continue;
                }
                let j = j as usize;
                let d2 = squared_distance(&x, dim, i, j, &mut difference);
                let factor = if d2 > 0.0 { job.curve.attraction_at(d2) } else { 0.0 };
                for d in 0..dim {
                    let step = rate * (factor * difference[d]).clamp(-4.0, 4.0);
                    x[i * dim + d] += step;
                    x[j * dim + d] -= step;
                }
                for _ in 0..rate_of_negatives {
                    until_check -= 1;
                    if until_check == 0 {
                        monitor.check()?;
                        until_check = CHECK;
                    }
                    let k = stream.below(n);
                    let d2 = squared_distance(&x, dim, i, k, &mut difference);
                    let factor = if d2 > 0.0 { job.curve.repulsion_at(d2) } else { 0.0 };
                    for d in 0..dim {
                        x[i * dim + d] += rate * (factor * difference[d]).clamp(-4.0, 4.0);
                    }
                }
            }
        }
    }
    Ok(x)
}

/// Returns the squared distance of points `i` and `j`, and writes the difference of their
/// positions.
fn squared_distance(x: &[f32], dim: usize, i: usize, j: usize, difference: &mut [f32]) -> f32 {
    let mut d2 = 0.0;
    for d in 0..dim {
        difference[d] = x[i * dim + d] - x[j * dim + d];
        d2 += difference[d] * difference[d];
    }
    d2
}
