//! Leading components of matrices that are too wide to keep their second moments: block Lanczos
//! with full orthogonalisation and thick restarts (Golub & Underwood 1977; Wu & Simon 2000), with
//! one pass over the matrix a step.
//!
//! `A = X' X` is only ever applied to a block of vectors. Let `Q` be the orthonormal vectors so far
//! and `A Q = Q T + B R E'`. The leading eigenpairs of the small matrix `T` give the components.
//! `R` times the last rows of its eigenvectors gives their exact residuals `A v - l v`. The steps
//! end when every residual is small against its eigenvalue. The start is random with a fixed seed.
//! Every sum runs in the order of rows and columns, so that the bits do not depend on threads.

use super::eigen::leading_eigenpairs;
use super::vectors::{matrix, TOGETHER};
use crate::error::Result;
use crate::memory;
use crate::random::Stream;
use crate::session::Monitor;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// A residual is small when its norm is below this share of its eigenvalue.
pub(super) const TOLERANCE: f64 = 1e-6;
/// The number of passes after which the present vectors are taken, whatever their residuals.
const MAX_STEPS: usize = 100;
/// The columns of a matrix in memory that a task multiplies.
const COLUMNS: usize = 128;
/// The columns and rows that are mirrored together.
const SQUARE: usize = 64;
/// The bytes of the vectors kept between restarts.
const BASIS: usize = 192 << 20;

/// A truncated eigendecomposition, with its accuracy.
pub(super) struct Found {
    /// The eigenvalues, descending.
    pub(super) values: Vec<f64>,
    /// The eigenvectors, row-major `p x k`.
    pub(super) vectors: Vec<f64>,
    /// The largest norm of a residual over its eigenvalue.
    pub(super) residual: f64,
    /// The number of applications of the matrix.
    pub(super) steps: usize,
}

/// Returns the number of vectors of a block. It is more than the `k` asked for, which speeds up
/// convergence, and a multiple of [`TOGETHER`], unless `p` is smaller.
pub(super) fn block_width(p: usize, k: usize) -> usize {
    (k + 14).next_multiple_of(TOGETHER).min(3 * TOGETHER).min(p)
}

/// Returns the `k` leading eigenpairs of a symmetric `p x p` matrix without negative eigenvalues.
/// `apply` multiplies the matrix with a block of [`block_width`] columns. `4 * (k + 3 *
/// block_width)` is at most `p`.
///
/// # Errors
/// Errors of `apply` and of the small decompositions.
pub(super) fn leading(p: usize, k: usize, apply: impl FnMut(&Mat<f64>) -> Result<Mat<f64>>) -> Result<Found> {
    let fewest = k + 3 * block_width(p, k);
    iterate_within(p, k, (BASIS / (8 * p)).clamp(fewest, fewest.max(1024)), apply)
}

/// Returns whether [`leading`] can find `k` eigenpairs of a `p x p` matrix.
pub(super) fn fits(p: usize, k: usize) -> bool {
    4 * (k + 3 * block_width(p, k)) <= p
}

/// Returns the `k` leading eigenpairs of a symmetric matrix in memory without negative eigenvalues,
/// column-major `p x p`, for which [`fits`] holds. Reads its lower triangle and fills the upper
/// one.
///
/// # Errors
/// [`Error::Cancelled`](crate::Error::Cancelled), and errors of the small decompositions.
pub(super) fn of_matrix(a: &mut [f64], p: usize, k: usize, monitor: &Monitor) -> Result<Found> {
    mirror(a, p);
    let a = &*a;
    leading(p, k, |block| {
        monitor.check()?;
        let width = block.ncols();
        let mut product = memory::zeros(p * width, "pca: products with a block of vectors")?;
        // Tasks are cut at fixed columns, so that the bits do not depend on threads.
        product.par_chunks_mut(COLUMNS * width).zip(a.par_chunks(COLUMNS * p)).for_each(|(to, columns)| {
            let n = columns.len() / p;
            let to = MatMut::from_column_major_slice_mut(to, width, n);
            let columns = MatRef::from_column_major_slice(columns, p, n);
            matmul(to, Accum::Replace, block.transpose(), columns, 1.0, Par::Seq);
        });
        matrix(p, width, |i, c| product[i * width + c])
    })
}

/// Copies the lower triangle of a column-major `p x p` matrix into the upper one, square by square,
/// so that both sides of a copy stay in the cache.
fn mirror(a: &mut [f64], p: usize) {
    for (first, second) in (0..p).step_by(SQUARE).flat_map(|j| (j..p).step_by(SQUARE).map(move |i| (j, i))) {
        for j in first..(first + SQUARE).min(p) {
            for i in second.max(j + 1)..(second + SQUARE).min(p) {
                a[i * p + j] = a[j * p + i];
            }
        }
    }
}

/// Returns the eigenpairs of [`leading`] with at most `most` vectors between restarts.
fn iterate_within(
    p: usize,
    k: usize,
    most: usize,
    mut apply: impl FnMut(&Mat<f64>) -> Result<Mat<f64>>,
) -> Result<Found> {
    let width = block_width(p, k);
    let keep = (most / 2).max(k + width);
    let mut random = Stream::new(0, 0, 0);
    let mut basis = matrix(p, most, |_, _| 0.0)?;
    let mut small = matrix(most, most, |_, _| 0.0)?;
    let mut used = 0;
    let mut block = matrix(p, width, |_, _| random.normal())?;
    orthonormalise(&mut block, basis.as_ref().subcols(0, 0), 0.0, &mut random)?;
    let mut steps = 0;
    loop {
        let end = used + block.ncols();
        basis.as_mut().subcols_mut(used, end - used).copy_from(&block);
        let mut next = apply(&block)?;
        steps += 1;
        let size = (0..next.ncols()).map(|j| norm(&next.as_ref().subcols(j, 1).to_owned())).fold(0.0, f64::max);
        let part = project_out(&mut next, basis.as_ref().subcols(0, end))?;
        for j in used..end {
            for i in 0..end {
                small[(i, j)] = part[(i, j - used)];
                small[(j, i)] = part[(i, j - used)];
            }
        }
        let r = orthonormalise(&mut next, basis.as_ref().subcols(0, end), 1e-13 * size, &mut random)?;
        let last = used;
        used = end;

        let full = used + width > most;
        let wanted = if full { keep.min(used) } else { k };
        if used >= k {
            // The matrix is small, so that the decomposition needs no monitor.
            let mut projected: Vec<f64> = (0..used).flat_map(|j| &small.col_as_slice(j)[..used]).copied().collect();
            let (values, vectors) = leading_eigenpairs(&mut projected, used, wanted, 1, &Monitor::default())?;
            let residual = (0..k).map(|i| {
                let tail = |c: usize| vectors[(last + c) * wanted + i];
                let norm2: f64 = (0..r.nrows())
                    .map(|row| (row..r.ncols()).map(|c| r[(row, c)] * tail(c)).sum::<f64>().powi(2))
                    .sum();
                norm2.sqrt() / values[i].max(1e-6 * values[0]).max(f64::MIN_POSITIVE)
            });
            let residual = residual.fold(0.0, f64::max);
            if residual <= TOLERANCE || steps == MAX_STEPS || used >= p {
                let vectors = Mat::from_fn(used, k, |i, j| vectors[i * wanted + j]);
                let found = times(&basis, used, &vectors)?;
                let rows = (0..p).flat_map(|i| (0..k).map(move |j| (i, j))).map(|at| found[at]).collect();
                return Ok(Found { values: values[..k].to_vec(), vectors: rows, residual, steps });
            }
            if full {
                // The restart keeps the best vectors so far.
                let vectors = Mat::from_fn(used, wanted, |i, j| vectors[i * wanted + j]);
                let best = times(&basis, used, &vectors)?;
                basis.as_mut().subcols_mut(0, wanted).copy_from(&best);
                small.fill(0.0);
                (0..wanted).for_each(|i| small[(i, i)] = values[i]);
                used = wanted;
            }
        }
        block = next;
    }
}

/// Multiplies the first `used` columns of `basis` with `vectors`.
fn times(basis: &Mat<f64>, used: usize, vectors: &Mat<f64>) -> Result<Mat<f64>> {
    let mut out = matrix(basis.nrows(), vectors.ncols(), |_, _| 0.0)?;
    matmul(&mut out, Accum::Replace, basis.as_ref().subcols(0, used), vectors, 1.0, Par::Seq);
    Ok(out)
}

/// Subtracts from `block` its part along the orthonormal columns of `basis`, and returns that part.
/// It does so twice, for the sake of rounding.
fn project_out(block: &mut Mat<f64>, basis: MatRef<'_, f64>) -> Result<Mat<f64>> {
    let mut total = Mat::zeros(basis.ncols(), block.ncols());
    for _ in 0..2 {
        let mut part = Mat::<f64>::zeros(basis.ncols(), block.ncols());
        matmul(&mut part, Accum::Replace, basis.transpose(), &*block, 1.0, Par::Seq);
        matmul(&mut *block, Accum::Add, basis, &part, -1.0, Par::Seq);
        total += part;
    }
    Ok(total)
}

/// Makes the columns of `block` orthonormal, and orthogonal to `basis` where rounding has left them
/// not quite so. Returns the upper triangular `R` of the QR decomposition. A column with a
/// remainder of norm at most `negligible` becomes a random direction; its entry on the diagonal is
/// then 0.
fn orthonormalise(
    block: &mut Mat<f64>,
    basis: MatRef<'_, f64>,
    negligible: f64,
    random: &mut Stream,
) -> Result<Mat<f64>> {
    let (p, width) = (block.nrows(), block.ncols());
    let mut r = Mat::<f64>::zeros(width, width);
    for c in 0..width {
        let mut column = block.as_ref().subcols(c, 1).to_owned();
        let whole = norm(&column);
        let along = project_out(&mut column, block.as_ref().subcols(0, c))?;
        (0..c).for_each(|i| r[(i, c)] = along[(i, 0)]);
        let mut left = norm(&column);
        if left > negligible {
            r[(c, c)] = left;
            if left < 1e-2 * whole {
                // After cancellation the part along the basis is large against the remainder.
                project_out(&mut column, basis)?;
                left = norm(&column);
            }
        } else {
            column = Mat::from_fn(p, 1, |_, _| random.normal());
            project_out(&mut column, basis)?;
            project_out(&mut column, block.as_ref().subcols(0, c))?;
            left = norm(&column);
        }
        let scale = if left > 0.0 { 1.0 / left } else { 0.0 };
        (0..p).for_each(|i| block[(i, c)] = column[(i, 0)] * scale);
    }
    Ok(r)
}

/// Returns the norm of a single column.
fn norm(column: &Mat<f64>) -> f64 {
    (0..column.nrows()).map(|i| column[(i, 0)] * column[(i, 0)]).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_in_memory_has_the_pairs_that_the_direct_solver_finds() {
        let (n, p, k) = (400, 900, 12);
        let mut random = Stream::new(7, 0, 0);
        let x = Mat::from_fn(n, p, |i, j| random.normal() * if j % 7 == i % 7 { 3.0 } else { 1.0 });
        let gram = x.transpose() * &x;
        let lower = |i: usize, j: usize| if i >= j { gram[(i, j)] } else { f64::NAN };
        let mut a: Vec<f64> = (0..p * p).map(|at| lower(at % p, at / p)).collect();
        let mut b: Vec<f64> = a.iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect();
        assert!(fits(p, k));
        let found = of_matrix(&mut a, p, k, &Monitor::default()).unwrap();
        assert!((0..p).all(|i| (0..p).all(|j| a[j * p + i] == a[i * p + j])));
        let (values, vectors) = leading_eigenpairs(&mut b, p, k, 1, &Monitor::default()).unwrap();
        for c in 0..k {
            assert!((found.values[c] - values[c]).abs() < 1e-9 * values[0]);
            let along: f64 = (0..p).map(|i| found.vectors[i * k + c] * vectors[i * k + c]).sum();
            assert!(along.abs() > 1.0 - 1e-6, "{c}: {along}");
        }
    }

    /// Checks a diagonal matrix with close eigenvalues, and few enough vectors that restarts occur.
    #[test]
    fn restarts_lose_nothing() {
        let (p, k) = (1500, 10);
        let value = |i: usize| 1.0 + (i as f64 * 0.618_034).fract().powi(2);
        let mut expected: Vec<f64> = (0..p).map(value).collect();
        expected.sort_unstable_by(|a, b| b.total_cmp(a));
        let apply = |b: &Mat<f64>| Ok(Mat::from_fn(p, b.ncols(), |i, j| value(i) * b[(i, j)]));
        let found = iterate_within(p, k, 140, apply).unwrap();
        assert!(found.steps > 8 && found.steps < MAX_STEPS, "{} steps", found.steps);
        assert!(found.residual <= TOLERANCE);
        for (c, (v, e)) in found.values.iter().zip(&expected).enumerate() {
            assert!((v - e).abs() < 1e-9, "{v} {e}");
            let norm: f64 = (0..p).map(|i| found.vectors[i * k + c].powi(2)).sum();
            let error: f64 = (0..p).map(|i| ((value(i) - v) * found.vectors[i * k + c]).powi(2)).sum();
            assert!((norm - 1.0).abs() < 1e-9 && error.sqrt() <= 2.0 * TOLERANCE * v);
        }
    }
}
