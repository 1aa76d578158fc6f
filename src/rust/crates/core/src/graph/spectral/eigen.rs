//! Leading eigenvectors of D^-1/2 A D^-1/2: Chebyshev-filtered subspace iteration (Zhou, Saad,
//! Tiago & Chelikowsky 2006, J. Comput. Phys. 219) with fixed-order reductions, and
//! [`leading_eigenpairs`] of small dense matrices.
//!
//! The iteration works on the similar matrix P = D^-1 A, which is self-adjoint in the inner product
//! weighted by the degrees D: its product with a block needs no scaling of the gathered rows, and
//! its trivial eigenvector is constant.

use super::ROUND_START;
use crate::error::Result;
use crate::graph::ahead::prefetch;
use crate::graph::random::Stream;
use crate::graph::symmetric::Graph;
use crate::memory;
use crate::ops::leading_eigenpairs;
use crate::session::Monitor;
use rayon::prelude::*;
use std::ops::{Add, Mul, Sub};

/// Rows per parallel task; fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 4096;
/// Columns of the block in the usual case (n_components <= 5): one cache line per row.
const BLOCK: usize = 8;
/// Graphs of at most this many vertices are solved densely.
const DENSE: usize = 64;
/// Tolerances of this or more are reached with vectors of single precision.
const SINGLE: f64 = 2e-5;
/// Largest degree of one filter.
const MAX_DEGREE: usize = 24;

/// Element type of the vectors; sums over all rows are f64.
trait Real: Copy + Send + Sync + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// The largest growth of a vector in one filter (conditioning of the block).
    const MAX_GROWTH: f64;

    fn from_f64(x: f64) -> Self;

    fn wide(self) -> f64;
}

impl Real for f32 {
    const MAX_GROWTH: f64 = 1e4;

    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const MAX_GROWTH: f64 = 1e6;

    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

/// The name of vectors of a graph in errors.
const VECTORS: &str = "eigenvectors of the graph";
/// Bytes of the sums of blocks that are in memory at a time.
const SUMS: usize = 16 << 20;

/// The conditions that end the iteration.
#[derive(Clone, Copy)]
struct Limits {
    /// The residual below which a Ritz pair is converged.
    tolerance: f64,
    /// Products with the matrix after which the present approximation is returned.
    products: usize,
}

/// Leading eigenpairs without the trivial one.
pub(in crate::graph) struct Pairs {
    /// n x dim, row-major, columns of norm 1.
    pub(in crate::graph) vectors: Vec<f64>,
    /// Eigenvalues, descending.
    pub(in crate::graph) values: Vec<f64>,
    /// Largest norm of M x - value x.
    pub(in crate::graph) residual: f64,
    /// Whether all residuals are below the tolerance.
    pub(in crate::graph) converged: bool,
}

/// Computes the `dim` largest eigenpairs of M = D^-1/2 A D^-1/2 orthogonal to the trivial one
/// (D^1/2 1, of eigenvalue 1). The graph has more than `dim` + 1 vertices, each with a weight above
/// 0. After `products` products with the matrix the present approximation is returned.
pub(in crate::graph) fn leading(
    graph: Graph,
    dim: usize,
    tolerance: f64,
    products: usize,
    seed: u64,
    monitor: &Monitor,
) -> Result<Pairs> {
    let limits = Limits { tolerance, products };
    let width = if dim + 3 <= BLOCK { BLOCK } else { dim + 4 + dim / 4 };
    if graph.n_vertices() <= DENSE.max(4 * width) {
        return dense(graph, dim, monitor);
    }
    match (tolerance >= SINGLE, width) {
        (true, BLOCK) => filtered::<f32, BLOCK>(graph, dim, width, limits, seed, monitor),
        (true, _) => filtered::<f32, 0>(graph, dim, width, limits, seed, monitor),
        (false, BLOCK) => filtered::<f64, BLOCK>(graph, dim, width, limits, seed, monitor),
        (false, _) => filtered::<f64, 0>(graph, dim, width, limits, seed, monitor),
    }
}

/// Computes [`leading`] by filtered subspace iteration. `W` is the width if it is known at compile
/// time, else 0.
fn filtered<T: Real, const W: usize>(
    graph: Graph,
    dim: usize,
    width: usize,
    limits: Limits,
    seed: u64,
    monitor: &Monitor,
) -> Result<Pairs> {
    let n = graph.n_vertices();
    let degree: Vec<f64> =
        memory::collected((0..n).map(|i| graph.row(i).1.iter().map(|&w| f64::from(w)).sum()), VECTORS)?;
    let size = memory::count(&[n, width], VECTORS)?;
    let mut x = memory::filled(size, T::from_f64(0.0), VECTORS)?;
    x.par_chunks_mut(width).enumerate().for_each(|(i, row)| {
        let mut stream = Stream::new(seed, ROUND_START, i as u64);
        row.iter_mut().for_each(|value| *value = T::from_f64(stream.uniform() - 0.5));
    });
    // The vectors of the recurrence before `x`, replaced in place by those after; later the
    // products.
    let mut y = memory::filled(size, T::from_f64(0.0), VECTORS)?;

    monitor.begin(limits.products as u64);
    let mut products = 0;
    // Everything below `cut` is damped; `cut` follows the smallest Ritz value of the block upwards.
    let mut cut = 0.5;
    loop {
        // Filter: x <- T_m((P - centre) / half) x by the three-term recurrence.
        let (centre, half) = ((cut - 1.0) / 2.0, (cut + 1.0) / 2.0);
        let top: f64 = (1.0 - centre) / half;
        let degree_of_filter = ((2.0 * T::MAX_GROWTH).ln() / top.acosh()) as usize;
        let degree_of_filter = degree_of_filter.clamp(4, MAX_DEGREE).min(limits.products);
        let (shift, scale) = (T::from_f64(centre), T::from_f64(1.0 / half));
        product::<T, W>(graph, &degree, &x, &mut y, width, monitor, |new, old, _| (new - shift * old) * scale)?;
        std::mem::swap(&mut x, &mut y); // x = T_1 x, y = T_0 x
        for _ in 1..degree_of_filter {
            let twice = T::from_f64(2.0 / half);
            let next = |new: T, old: T, older: T| (new - shift * old) * twice - older;
            product::<T, W>(graph, &degree, &x, &mut y, width, monitor, next)?;
            std::mem::swap(&mut x, &mut y);
        }
        products += degree_of_filter + 1;
        monitor.advance(degree_of_filter as u64 + 1);

        // Orthonormalise, twice for accuracy, without the constant vector; then Rayleigh-Ritz.
        remove_constant::<T, W>(&degree, &mut x, width, monitor)?;
        for _ in 0..2 {
            let gram = gram::<T, W>(&degree, &x, &x, width, monitor)?;
            transform::<T, W>(&mut x, &inverse_root(gram, width, monitor)?, width, monitor)?;
        }
        product::<T, W>(graph, &degree, &x, &mut y, width, monitor, |new, _, _| new)?;
        let mut gram = gram::<T, W>(&degree, &x, &y, width, monitor)?;
        let (values, vectors) = leading_eigenpairs(&mut gram, width, width, 1, monitor)?;
        transform::<T, W>(&mut x, &vectors, width, monitor)?;
        transform::<T, W>(&mut y, &vectors, width, monitor)?;
        let residual = residual::<T, W>(&degree, &x, &y, &values, dim, width, monitor)?;
        cut = values[width - 1].clamp(cut, 0.999_999);
        let converged = residual <= limits.tolerance;
        if converged || products >= limits.products {
            let rows = x.chunks(width).zip(&degree);
            let mut vectors = memory::room(n * dim, VECTORS)?;
            vectors.extend(rows.flat_map(|(row, d)| row[..dim].iter().map(move |v| v.wide() * d.sqrt())));
            return Ok(Pairs { vectors, values: values[..dim].to_vec(), residual, converged });
        }
    }
}

/// Sets out = combine(P x, x, out), row by row.
fn product<T: Real, const W: usize>(
    graph: Graph,
    degree: &[f64],
    x: &[T],
    out: &mut [T],
    width: usize,
    monitor: &Monitor,
    combine: impl Fn(T, T, T) -> T + Sync,
) -> Result<()> {
    let width = if W > 0 { W } else { width };
    let zero = T::from_f64(0.0);
    out.par_chunks_mut(ROWS * width).enumerate().try_for_each(|(block, out)| {
        monitor.check()?;
        let mut fixed = [zero; W];
        let mut free = memory::filled(if W > 0 { 0 } else { width }, zero, VECTORS)?;
        for (k, out) in out.chunks_mut(width).enumerate() {
            let i = block * ROWS + k;
            let sum: &mut [T] = if W > 0 { &mut fixed } else { &mut free };
            sum.fill(zero);
            let (columns, weights) = graph.row(i);
            let first = graph.indptr[i];
            for (k, (&column, &weight)) in columns.iter().zip(weights).enumerate() {
                if let Some(&later) = graph.indices.get(first + k + 48) {
                    prefetch(x, later as usize * width);
                }
                let from = &x[column as usize * width..][..width];
                let weight = T::from_f64(f64::from(weight));
                sum.iter_mut().zip(from).for_each(|(sum, &from)| *sum = *sum + weight * from);
            }
            let inverse = T::from_f64(1.0 / degree[i]);
            let old = &x[i * width..][..width];
            for c in 0..width {
                out[c] = combine(sum[c] * inverse, old[c], out[c]);
            }
        }
        Ok(())
    })
}

/// Sums `term(row)` over all rows into a vector of `len` values: per block of rows, then over the
/// blocks in order. As many sums of blocks as fit into [`SUMS`] bytes are in memory at a time.
fn ordered_sum(n: usize, len: usize, monitor: &Monitor, term: impl Fn(usize, &mut [f64]) + Sync) -> Result<Vec<f64>> {
    let mut total = memory::zeros(len, VECTORS)?;
    let (blocks, together) = (n.div_ceil(ROWS), (SUMS / (8 * len.max(1))).max(16));
    for first in (0..blocks).step_by(together) {
        let sums: Vec<Vec<f64>> = (first..blocks.min(first + together))
            .into_par_iter()
            .map(|block| {
                let mut sum = memory::zeros(len, VECTORS)?;
                for i in block * ROWS..n.min((block + 1) * ROWS) {
                    if len > 4096 {
                        monitor.check()?;
                    }
                    term(i, &mut sum);
                }
                Ok(sum)
            })
            .collect::<Result<_>>()?;
        for sum in &sums {
            total.iter_mut().zip(sum).for_each(|(total, value)| *total += value);
        }
    }
    Ok(total)
}

/// Subtracts from each column its component along the constant vector.
fn remove_constant<T: Real, const W: usize>(
    degree: &[f64],
    x: &mut [T],
    width: usize,
    monitor: &Monitor,
) -> Result<()> {
    let width = if W > 0 { W } else { width };
    let sums = ordered_sum(degree.len(), width + 1, monitor, |i, sum| {
        (0..width).for_each(|c| sum[c] += degree[i] * x[i * width + c].wide());
        sum[width] += degree[i];
    })?;
    let means: Vec<T> = sums[..width].iter().map(|sum| T::from_f64(sum / sums[width])).collect();
    x.par_chunks_mut(ROWS * width).for_each(|rows| {
        rows.chunks_mut(width).for_each(|row| (0..width).for_each(|c| row[c] = row[c] - means[c]));
    });
    Ok(())
}

/// Returns X' D Y, width x width row-major, symmetrised.
fn gram<T: Real, const W: usize>(
    degree: &[f64],
    x: &[T],
    y: &[T],
    width: usize,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let width = if W > 0 { W } else { width };
    let mut sum = ordered_sum(degree.len(), width * width, monitor, |i, sum| {
        let (x, y) = (&x[i * width..][..width], &y[i * width..][..width]);
        for (a, sum) in sum.chunks_mut(width).enumerate() {
            let left = degree[i] * x[a].wide();
            (0..width).for_each(|b| sum[b] += left * y[b].wide());
        }
    })?;
    for a in 0..width {
        for b in 0..a {
            let mean = (sum[a * width + b] + sum[b * width + a]) / 2.0;
            sum[a * width + b] = mean;
            sum[b * width + a] = mean;
        }
    }
    Ok(sum)
}

/// Replaces X by X T, with T width x width row-major.
fn transform<T: Real, const W: usize>(x: &mut [T], t: &[f64], width: usize, monitor: &Monitor) -> Result<()> {
    let width = if W > 0 { W } else { width };
    x.par_chunks_mut(ROWS * width).try_for_each(|rows| {
        monitor.check()?;
        let mut new = memory::zeros::<f64>(width, VECTORS)?;
        for row in rows.chunks_mut(width) {
            if width > 128 {
                monitor.check()?;
            }
            new.fill(0.0);
            for (a, &value) in row.iter().enumerate() {
                let t = &t[a * width..][..width];
                (0..width).for_each(|b| new[b] += value.wide() * t[b]);
            }
            row.iter_mut().zip(&new).for_each(|(value, &new)| *value = T::from_f64(new));
        }
        Ok(())
    })
}

/// Returns the largest norm of P x - lambda x over the first `dim` columns.
fn residual<T: Real, const W: usize>(
    degree: &[f64],
    x: &[T],
    y: &[T],
    values: &[f64],
    dim: usize,
    width: usize,
    monitor: &Monitor,
) -> Result<f64> {
    let sums = ordered_sum(degree.len(), dim, monitor, |i, sum| {
        for c in 0..dim {
            sum[c] += degree[i] * (y[i * width + c].wide() - values[c] * x[i * width + c].wide()).powi(2);
        }
    })?;
    Ok(sums.iter().fold(0.0f64, |m, &s| m.max(s.sqrt())))
}

/// Returns V S^-1/2 of a Gram matrix V S V'; directions lost to rounding keep a tiny, harmless
/// weight.
fn inverse_root(mut gram: Vec<f64>, width: usize, monitor: &Monitor) -> Result<Vec<f64>> {
    let (values, mut vectors) = leading_eigenpairs(&mut gram, width, width, 1, monitor)?;
    let least = values[0].max(f64::MIN_POSITIVE) * 1e-15;
    for row in vectors.chunks_mut(width) {
        row.iter_mut().zip(&values).for_each(|(v, &s)| *v /= s.max(least).sqrt());
    }
    Ok(vectors)
}

/// Computes [`leading`] of a small graph from its whole matrix.
fn dense(graph: Graph, dim: usize, monitor: &Monitor) -> Result<Pairs> {
    let n = graph.n_vertices();
    let strength = |i: usize| graph.row(i).1.iter().map(|&w| f64::from(w)).sum::<f64>().sqrt();
    let root: Vec<f64> = memory::collected((0..n).map(strength), VECTORS)?;
    let total: f64 = root.iter().map(|r| r * r).sum();
    // The trivial eigenvalue becomes -1, the smallest.
    let mut a: Vec<f64> = memory::room(memory::count(&[n, n], VECTORS)?, VECTORS)?;
    a.extend(root.iter().flat_map(|x| root.iter().map(move |y| -2.0 * x * y / total)));
    for i in 0..n {
        let (columns, weights) = graph.row(i);
        for (&j, &w) in columns.iter().zip(weights) {
            a[i * n + j as usize] += f64::from(w) / (root[i] * root[j as usize]);
        }
    }
    let (values, vectors) = leading_eigenpairs(&mut a, n, dim, 1, monitor)?;
    Ok(Pairs { vectors, values, residual: 0.0, converged: true })
}
