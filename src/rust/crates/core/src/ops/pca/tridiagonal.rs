//! Reduces symmetric matrices to tridiagonal form and takes vectors back, by Householder
//! reflections.
//!
//! Reflections are found a panel at a time and applied to the rest of the matrix in one product
//! (Dongarra, Sorensen & Hammarling 1989), so that the matrix is read once a column and written
//! once a panel. Work is cut into a fixed number of parts, independent of the number of threads.
//! The buffers are a few columns, independent of the processor.

use crate::error::Result;
use crate::memory;
use crate::session::Monitor;
use crate::simd::{self, Level};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// The name, in errors, of the buffers of the decomposition.
pub(super) const SCRATCH: &str = "the eigenvalue decomposition";
/// The number of reflections of a panel.
const PANEL: usize = 32;
/// The number of columns right of a panel that are updated together.
const COLUMNS: usize = 128;
/// The number of rows below which other threads do not pay.
const SMALL: usize = 320;
/// The number of vectors that are transformed together.
const TOGETHER: usize = 8;

/// A matrix reduced to its diagonal and subdiagonal, with the reflections that reduced it.
pub(super) struct Reduced<'a> {
    p: usize,
    parts: usize,
    /// The vectors of the reflections, column-major. Column `i` holds its vector below the
    /// diagonal, with its first entry 1.
    a: &'a [f64],
    /// The scale of each reflection: reflection `i` is `I - scale v v'`.
    scales: Vec<f64>,
    pub(super) diagonal: Vec<f64>,
    pub(super) below: Vec<f64>,
}

/// Reduces the column-major `p x p` matrix `a` in place. Reads only its lower triangle. With more
/// than one of `parts` it runs on the pool of the caller.
///
/// # Errors
/// [`Error::Cancelled`](crate::error::Error::Cancelled) when the monitor asks to stop.
pub(super) fn reduce<'a>(a: &'a mut [f64], p: usize, parts: usize, monitor: &Monitor) -> Result<Reduced<'a>> {
    let (mut scales, mut diagonal, mut below) = (Vec::new(), Vec::new(), Vec::new());
    let mut w = memory::zeros(PANEL * p, SCRATCH)?;
    let mut partial = memory::zeros(parts * p, SCRATCH)?;
    let mut from = 0;
    while from + 1 < p {
        monitor.check()?;
        let width = PANEL.min(p - 1 - from);
        for i in from..from + width {
            let (done, rest) = a.split_at_mut(i * p);
            let (column, rest) = rest.split_at_mut(p);
            let earlier = || (from..i).map(|j| &done[j * p..][..p]).zip(w.chunks_exact(p));
            for (v, w) in earlier() {
                subtract_two(&mut column[i..], (&v[i..], w[i]), (&w[i..], v[i]));
            }
            diagonal.push(column[i]);
            let at = i + 1;
            let (beta, scale) = reflect(&mut column[at..]);
            below.push(beta);
            scales.push(scale);

            let v = &column[at..];
            let (w_before, w_now) = w.split_at_mut((i - from) * p);
            let to = &mut w_now[at..p];
            times(&rest[at..], p, v, parts, &mut partial, to);
            for (j, w) in w_before.chunks_exact(p).enumerate() {
                let (u, w) = (&done[(from + j) * p..][at..p], &w[at..]);
                let (along_w, along_u) = dots(w, u, v);
                subtract_two(to, (u, along_w), (w, along_u));
            }
            let half = -0.5 * scale * scale * dot(to, v);
            to.iter_mut().zip(v).for_each(|(w, v)| *w = scale * *w + half * v);
        }
        update(a, p, from, width, &w, parts);
        from += width;
    }
    diagonal.extend(a.last());
    Ok(Reduced { p, parts, a, scales, diagonal, below })
}

impl Reduced<'_> {
    /// Transforms eigenvectors of the tridiagonal matrix, row-major `p x k`, to eigenvectors of the
    /// original matrix, in place.
    pub(super) fn back_transform(&self, vectors: &mut [f64], k: usize) {
        let p = self.p;
        let starts: Vec<usize> = (0..k).step_by(TOGETHER).collect();
        let group = |&from: &usize| {
            let width = TOGETHER.min(k - from);
            let mut group = vec![[0.0; TOGETHER]; p];
            for (to, row) in group.iter_mut().zip(vectors.chunks_exact(k)) {
                to[..width].copy_from_slice(&row[from..from + width]);
            }
            for (i, &scale) in self.scales.iter().enumerate().rev() {
                reflect_rows(&self.a[i * p..][i + 1..p], scale, &mut group[i + 1..]);
            }
            group
        };
        let groups: Vec<_> =
            if self.parts > 1 { starts.par_iter().map(group).collect() } else { starts.iter().map(group).collect() };
        for (from, group) in starts.into_iter().zip(groups) {
            let width = TOGETHER.min(k - from);
            for (row, of) in vectors.chunks_exact_mut(k).zip(&group) {
                row[from..from + width].copy_from_slice(&of[..width]);
            }
        }
    }
}

/// Overwrites `x` with the vector of the reflection that maps `x` to a multiple of the first axis.
/// Returns the multiple and the scale of the reflection.
fn reflect(x: &mut [f64]) -> (f64, f64) {
    let (first, tail) = (x[0], &mut x[1..]);
    let rest = dot(tail, tail);
    let (beta, scale) = if rest == 0.0 {
        (first, 0.0)
    } else {
        let beta = -(first * first + rest).sqrt().copysign(first);
        let by = 1.0 / (first - beta);
        tail.iter_mut().for_each(|x| *x *= by);
        (beta, (beta - first) / beta)
    };
    x[0] = 1.0;
    (beta, scale)
}

/// Multiplies the symmetric matrix whose lower triangle starts at `a`, with columns `stride` apart,
/// with `v`.
fn times(a: &[f64], stride: usize, v: &[f64], parts: usize, partial: &mut [f64], to: &mut [f64]) {
    let m = v.len();
    // Parts hold equal areas of the triangle.
    let start = |t: usize| {
        let share = 1.0 - (1.0 - t as f64 / parts as f64).sqrt();
        if t == parts {
            m
        } else {
            (m as f64 * share) as usize / 4 * 4
        }
    };
    let part = |(t, sum): (usize, &mut [f64])| {
        sum[start(t)..m].fill(0.0);
        times_columns(a, stride, start(t), start(t + 1), v, &mut sum[..m]);
    };
    if m < SMALL || parts == 1 {
        partial.chunks_exact_mut(stride).enumerate().for_each(part);
    } else {
        partial.par_chunks_exact_mut(stride).enumerate().for_each(part);
    }
    to.copy_from_slice(&partial[..m]);
    for (t, sum) in partial.chunks_exact(stride).enumerate().skip(1) {
        to[start(t)..].iter_mut().zip(&sum[start(t)..m]).for_each(|(t, s)| *t += s);
    }
}

/// Subtracts the products with the panel's reflections from the columns right of the panel.
fn update(a: &mut [f64], p: usize, from: usize, width: usize, w: &[f64], parts: usize) {
    let at = from + width;
    let m = p - at;
    let v = || (from..at).map(|j| &a[j * p..][at..p]);
    let w = || w.chunks_exact(p).take(width).map(|w| &w[at..]);
    let (left, right) = (v().chain(w()).collect::<Vec<_>>().concat(), w().chain(v()).collect::<Vec<_>>().concat());
    let left = MatRef::from_column_major_slice(&left, m, 2 * width);
    let right = MatRef::from_column_major_slice(&right, m, 2 * width);
    let columns = |(t, to): (usize, &mut [f64])| {
        let first = t * COLUMNS;
        let count = to.len() / p;
        let to = MatMut::from_column_major_slice_mut(to, p, count).subrows_mut(at + first, m - first);
        let (left, right) = (left.as_ref().subrows(first, m - first), right.as_ref().subrows(first, count));
        matmul(to, Accum::Add, left, right.transpose(), -1.0, Par::Seq);
    };
    if m < SMALL || parts == 1 {
        a[at * p..].chunks_mut(COLUMNS * p).enumerate().for_each(columns);
    } else {
        a[at * p..].par_chunks_mut(COLUMNS * p).enumerate().for_each(columns);
    }
}

/// The number of rows of four columns that stay in the first-level cache while they are read twice.
const ROWS: usize = 512;

/// Adds to `sum` the columns `from..end` of a symmetric matrix, and the rows that mirror them,
/// times `v`. `from` is a multiple of four past the first column, and so is `end` unless it is the
/// last.
fn times_columns(a: &[f64], stride: usize, from: usize, end: usize, v: &[f64], sum: &mut [f64]) {
    let m = v.len();
    let column = |j: usize| &a[j * stride..][..m];
    for j in (from..end).step_by(4) {
        let corner = (j + 4).min(m);
        for q in j..corner {
            let c = column(q);
            sum[q] += c[q] * v[q];
            for r in q + 1..corner {
                sum[r] += c[r] * v[q];
                sum[q] += c[r] * v[r];
            }
        }
        for top in (corner..m).step_by(ROWS) {
            let rows = top..(top + ROWS).min(m);
            let c = [0, 1, 2, 3].map(|q| &column(j + q)[rows.clone()]);
            add_four(&mut sum[rows.clone()], c, [v[j], v[j + 1], v[j + 2], v[j + 3]]);
            let (first, second) = (dots(c[0], c[1], &v[rows.clone()]), dots(c[2], c[3], &v[rows]));
            sum[j..].iter_mut().zip([first.0, first.1, second.0, second.1]).for_each(|(sum, d)| *sum += d);
        }
    }
}

simd::vectorized! {
    /// Adds four vectors, each times its factor, to `to`.
    fn add_four [](to: &mut [f64], c: [&[f64]; 4], x: [f64; 4]) where level in [Avx2]: Level {
        for ((((to, a), b), c), d) in to.iter_mut().zip(c[0]).zip(c[1]).zip(c[2]).zip(c[3]) {
            *to = level.fused(*d, x[3], level.fused(*c, x[2], level.fused(*b, x[1], level.fused(*a, x[0], *to))));
        }
    }
}

/// The number of entries of a vector that are summed side by side.
const LANES: usize = 8;

simd::vectorized! {
    /// Returns the dot products `a . v` and `b . v`.
    fn dots [](a: &[f64], b: &[f64], v: &[f64]) -> (f64, f64) where level in [Avx2]: Level {
        let ((a, a_last), (b, b_last)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let (v, v_last) = v.as_chunks::<LANES>();
        let mut sums = ([0.0; LANES], [0.0; LANES]);
        for ((a, b), v) in a.iter().zip(b).zip(v) {
            for k in 0..LANES {
                sums.0[k] = level.fused(a[k], v[k], sums.0[k]);
                sums.1[k] = level.fused(b[k], v[k], sums.1[k]);
            }
        }
        let mut last = (0.0, 0.0);
        for ((a, b), v) in a_last.iter().zip(b_last).zip(v_last) {
            last.0 += a * v;
            last.1 += b * v;
        }
        (last.0 + sums.0.iter().sum::<f64>(), last.1 + sums.1.iter().sum::<f64>())
    }
}

simd::vectorized! {
    /// Subtracts two vectors, each times its factor, from `to`.
    fn subtract_two [](to: &mut [f64], a: (&[f64], f64), b: (&[f64], f64)) where level in [Avx2]: Level {
        for ((to, a_), b_) in to.iter_mut().zip(a.0).zip(b.0) {
            *to = level.fused(-b.1, *b_, level.fused(-a.1, *a_, *to));
        }
    }
}

simd::vectorized! {
    /// Applies the reflection with `v` and `scale` to the columns of `rows`.
    fn reflect_rows [](v: &[f64], scale: f64, rows: &mut [[f64; TOGETHER]]) where level in [Avx2]: Level {
        let mut along = [0.0; TOGETHER];
        for (v, row) in v.iter().zip(rows.iter()) {
            for k in 0..TOGETHER {
                along[k] = level.fused(*v, row[k], along[k]);
            }
        }
        along.iter_mut().for_each(|a| *a *= -scale);
        for (v, row) in v.iter().zip(rows) {
            for k in 0..TOGETHER {
                row[k] = level.fused(*v, along[k], row[k]);
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    dots(a, a, b).0
}
