//! A tree of the groups of cells by the correlation of their mean coordinates, as
//! `scanpy.tl.dendrogram`.

use super::linkage::{draw, linkage, Drawing, LinkageMethod, Merge};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Monitor, Session};
use ndarray::{Array2, ArrayView2};
use std::fmt;
use std::str::FromStr;

/// The coefficient of correlation of two groups' mean coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correlation {
    /// Pearson's, of the values.
    #[default]
    Pearson,
    /// Spearman's, of the ranks; equal values share the mean of their ranks.
    Spearman,
    /// Kendall's tau-b.
    Kendall,
}

const NAMES: [(&str, Correlation); 3] =
    [("pearson", Correlation::Pearson), ("spearman", Correlation::Spearman), ("kendall", Correlation::Kendall)];

impl FromStr for Correlation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|n| n.0 == name).map(|n| n.1);
        found.ok_or_else(|| Error::parameter("cor_method", "one of pearson, spearman, kendall", name))
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|n| n.1 == *self).map_or("", |n| n.0))
    }
}

/// The correlations of groups of cells and the tree made of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Dendrogram {
    /// n_groups x n_groups correlations, within -1 to 1.
    pub correlation: Array2<f64>,
    /// The merges, nearest first, by distances 1 - correlation.
    pub linkage: Vec<Merge>,
    /// The tree as drawn.
    pub drawing: Drawing,
}

/// Makes the tree of `groups` (one number below `n_groups` per cell) by their mean coordinates in
/// `points` (n_obs x d, at least two columns).
///
/// # Errors
/// [`Error::Shape`] when `groups` has not one entry per row; [`Error::Parameter`] for fewer than
/// two groups, a group without cells, or groups whose mean is the same in every column (it
/// correlates with nothing); [`Error::Cancelled`].
pub fn dendrogram(
    points: ArrayView2<'_, f32>,
    groups: &[u32],
    n_groups: usize,
    correlation: Correlation,
    method: LinkageMethod,
    session: &Session,
) -> Result<Dendrogram> {
    // The means and correlations of the groups, and the distances between groups.
    let bytes = n_groups.saturating_mul(points.ncols().saturating_add(n_groups.saturating_mul(2))).saturating_mul(8);
    let _held = session.hold(format!("dendrogram of {n_groups} groups"), bytes)?;
    let means = means(points, groups, n_groups, session)?;
    let copy =
        |row: ndarray::ArrayView1<'_, f64>| memory::collected(row.iter().copied(), "dendrogram: mean coordinates");
    let mut rows: Vec<Vec<f64>> = means.outer_iter().map(copy).collect::<Result<_>>()?;
    if correlation == Correlation::Spearman {
        for row in &mut rows {
            *row = ranks(row)?;
        }
    }
    let what = "dendrogram: correlations of all pairs of groups";
    let mut matrix = square(n_groups, n_groups, what)?;
    (0..n_groups).for_each(|i| matrix[[i, i]] = 1.0);
    for i in 0..n_groups {
        for j in 0..i {
            session.monitor.check()?;
            let value = match correlation {
                Correlation::Kendall => kendall(&rows[i], &rows[j], &session.monitor)?,
                Correlation::Pearson | Correlation::Spearman => pearson(&rows[i], &rows[j]),
            };
            if !value.is_finite() {
                let expected = "groups whose mean coordinates are finite and not all equal";
                return Err(Error::parameter(
                    "groupby",
                    expected,
                    format!("groups {j} and {i} of correlation {value}"),
                ));
            }
            matrix[[i, j]] = value.clamp(-1.0, 1.0);
            matrix[[j, i]] = matrix[[i, j]];
        }
    }
    let merges = linkage(memory::collected(matrix.iter().map(|r| 1.0 - r), what)?, n_groups, method, &session.monitor)?;
    Ok(Dendrogram { drawing: draw(&merges), linkage: merges, correlation: matrix })
}

/// Returns a `rows` x `columns` matrix of zeros; `what` names it in errors.
fn square(rows: usize, columns: usize, what: &str) -> Result<Array2<f64>> {
    let zeros = memory::zeros(memory::count(&[rows, columns], what)?, what)?;
    Array2::from_shape_vec((rows, columns), zeros).map_err(|e| Error::Internal(e.to_string()))
}

/// Returns the mean of the rows of each group, n_groups x d.
fn means(points: ArrayView2<'_, f32>, groups: &[u32], n_groups: usize, session: &Session) -> Result<Array2<f64>> {
    let (n, d) = points.dim();
    if groups.len() != n {
        return Err(Error::shape("groups", n, groups.len()));
    }
    if n_groups < 2 || d < 2 {
        let found = format!("{n_groups} groups, {d} columns");
        return Err(Error::parameter("groupby", "at least two groups and two columns to correlate", found));
    }
    if let Some(group) = groups.iter().find(|&&g| g as usize >= n_groups) {
        return Err(Error::parameter("groupby", format!("numbers below {n_groups}"), group));
    }
    let mut sums = square(n_groups, d, "dendrogram: mean coordinates of every group")?;
    let mut counts = memory::zeros::<u64>(n_groups, "dendrogram: cells of every group")?;
    session.monitor.begin(n as u64);
    for (i, (row, &group)) in points.outer_iter().zip(groups).enumerate() {
        if i % 4096 == 0 {
            session.monitor.check()?;
            session.monitor.advance((n - i).min(4096) as u64);
        }
        counts[group as usize] += 1;
        sums.row_mut(group as usize).iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    if let Some(group) = counts.iter().position(|&count| count == 0) {
        let found = format!("none in group {group} (counted from 0)");
        return Err(Error::parameter("groupby", "cells in every group; drop the categories not in use", found));
    }
    for (mut row, &count) in sums.outer_iter_mut().zip(&counts) {
        row /= count as f64;
    }
    Ok(sums)
}

/// Returns Pearson's coefficient; NaN where `x` or `y` is constant.
fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mx) * (y - my);
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
    }
    xy / (xx.sqrt() * yy.sqrt())
}

/// Returns the ranks, from 1; equal values share the mean of their ranks.
fn ranks(x: &[f64]) -> Result<Vec<f64>> {
    const WHAT: &str = "dendrogram: ranks of the columns";
    let mut order: Vec<usize> = memory::collected(0..x.len(), WHAT)?;
    order.sort_by(|&i, &j| x[i].total_cmp(&x[j]));
    let mut ranks = memory::zeros::<f64>(x.len(), WHAT)?;
    let mut before = 0;
    for equal in order.chunk_by(|&i, &j| x[i] == x[j]) {
        equal.iter().for_each(|&i| ranks[i] = before as f64 + (equal.len() + 1) as f64 / 2.0);
        before += equal.len();
    }
    Ok(ranks)
}

/// Returns Kendall's tau-b: concordant less discordant pairs, over the geometric mean of the number
/// of pairs untied in `x` and of those untied in `y`. NaN where `x` or `y` is constant.
fn kendall(x: &[f64], y: &[f64], monitor: &Monitor) -> Result<f64> {
    let (mut sum, mut untied_x, mut untied_y) = (0i64, 0i64, 0i64);
    for i in 0..x.len() {
        monitor.check()?;
        for j in 0..i {
            let sign = |v: &[f64]| i64::from(v[i] > v[j]) - i64::from(v[i] < v[j]);
            let (a, b) = (sign(x), sign(y));
            sum += a * b;
            untied_x += a.abs();
            untied_y += b.abs();
        }
    }
    Ok(sum as f64 / ((untied_x as f64).sqrt() * (untied_y as f64).sqrt()))
}
