//! Local quadratic regression on one predictor (Cleveland & Devlin 1988; Cleveland & Grosse 1991).
//!
//! As in the original LOESS, local fits are computed at the vertices of a k-d tree and blended
//! between them. With one predictor, the tree cuts at the median point until a cell has at most
//! `0.2 * span * n` points. The values and slopes at its ends give a cubic in each cell.

use crate::error::{Error, Result};

/// The largest number of points of a cell, as a share of the neighbourhood of a fit.
const CELL: f64 = 0.2;
/// The distance of the outer vertices from the data, relative to the range of the data.
const MARGIN: f64 = 0.005;

/// Returns the fitted values at `x`, in the order of `x`, of a degree-2 local regression of `y` on
/// `x`, both of `n` values. Each local fit is over the nearest `span` (above 0, at most 1) of the
/// points.
///
/// # Errors
/// [`Error::State`] where the span holds fewer than three points; [`Error::Numerical`] for values
/// that are not finite.
pub fn loess(x: &[f64], y: &[f64], span: f64) -> Result<Vec<f64>> {
    let n = x.len();
    if n == 0 {
        return Ok(Vec::new());
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let sx: Vec<f64> = order.iter().map(|&i| x[i]).collect();
    let sy: Vec<f64> = order.iter().map(|&i| y[i]).collect();
    let near = ((n as f64 * span + 1e-5).floor() as usize).min(n);
    if near < 3 {
        return Err(Error::State(format!(
            "LOESS: span = {span} of {n} genes with variance leaves {near} for a local quadratic fit; raise span or keep \
             more genes"
        )));
    }
    let (low, high) = (sx[0], sx[n - 1]);
    let margin = MARGIN * (high - low).max(1e-10 * low.abs().max(high.abs()) + 1e-30);
    let mut vertices = vec![low - margin, high + margin];
    let most = (near as f64 * CELL).floor().max(1.0) as usize;
    let ends = (vertices[0], vertices[1]);
    split(&sx, 0, n, most, ends, &mut vertices);
    vertices.sort_by(f64::total_cmp);
    vertices.dedup();
    let fits: Vec<(f64, f64)> = vertices.iter().map(|&v| fit_at(v, &sx, &sy, near)).collect();

    let mut fitted = vec![0.0; n];
    for (&i, &at) in order.iter().zip(&sx) {
        let k = vertices.partition_point(|v| *v <= at).clamp(1, vertices.len() - 1);
        fitted[i] = blend(at, (vertices[k - 1], fits[k - 1]), (vertices[k], fits[k]));
    }
    if fitted.iter().any(|f| !f.is_finite()) {
        return Err(Error::Numerical("LOESS: the fit is not finite".into()));
    }
    Ok(fitted)
}

/// Cuts the points `from..to`, which lie between the vertices `ends`, at their median until a cell
/// has at most `most` points. Appends the cuts to `vertices`.
///
/// A cut between equal points moves to the nearest pair that differs, at distances 0, +1, -1,
/// +2, -2, ..., until one of these is outside the cell, so that equal points share a cell.
fn split(x: &[f64], from: usize, to: usize, most: usize, ends: (f64, f64), vertices: &mut Vec<f64>) {
    if to - from <= most {
        return;
    }
    let middle = (from + to - 1) / 2;
    let near = (0..to - from).flat_map(|d| [middle + d, middle.wrapping_sub(d)]);
    let last = near.take_while(|m| (from..to - 1).contains(m)).find(|&m| x[m] < x[m + 1]).unwrap_or(middle);
    let cut = x[last];
    if cut <= ends.0 || cut >= ends.1 {
        return;
    }
    vertices.push(cut);
    split(x, from, last + 1, most, (ends.0, cut), vertices);
    split(x, last + 1, to, most, (cut, ends.1), vertices);
}

/// Returns value and slope at `v` of the tricube-weighted quadratic through the `near` nearest
/// points.
fn fit_at(v: f64, x: &[f64], y: &[f64], near: usize) -> (f64, f64) {
    // The nearest points are a window in sorted order.
    let n = x.len();
    let (mut from, mut to) = (0, n);
    while to - from > near {
        if v - x[from] > x[to - 1] - v {
            from += 1;
        } else {
            to -= 1;
        }
    }
    let reach = (v - x[from]).max(x[to - 1] - v).max(f64::MIN_POSITIVE);
    let weight = |xi: f64| {
        let d = (xi - v).abs() / reach;
        if d >= 0.999 {
            0.0
        } else {
            let c = 1.0 - d * d * d;
            c * c * c
        }
    };
    // Orthogonal polynomials in u = (x - v) / reach under the weights (Forsythe), then value and
    // slope at u = 0.
    let mut points = Vec::with_capacity(to - from);
    for i in from..to {
        let w = weight(x[i]);
        if w > 0.0 {
            points.push(((x[i] - v) / reach, y[i], w));
        }
    }
    if points.is_empty() {
        // All neighbours lie at the same distance, so that they get equal weights.
        points.extend((from..to).map(|i| ((x[i] - v) / reach, y[i], 1.0)));
    }
    let dot = |f: &dyn Fn(f64) -> f64, g: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|&(u, y, w)| w * f(u) * g(u, y)).sum()
    };
    let n0 = dot(&|_| 1.0, &|_, _| 1.0);
    let a0 = dot(&|_| 1.0, &|u, _| u) / n0;
    let p1 = move |u: f64| u - a0;
    let n1 = dot(&p1, &|u, _| p1(u));
    let mut value = dot(&|_| 1.0, &|_, y| y) / n0;
    let mut slope = 0.0;
    // A direction that the points do not span is left out, as by the pseudo-inverse of the
    // original.
    let tiny = 1e-14 * n0;
    if n1 > tiny {
        let c1 = dot(&p1, &|_, y| y) / n1;
        value += c1 * p1(0.0);
        slope += c1;
        let a1 = dot(&p1, &|u, _| u * p1(u)) / n1;
        let b1 = n1 / n0;
        let p2 = move |u: f64| (u - a1) * (u - a0) - b1;
        let n2 = dot(&p2, &|u, _| p2(u));
        if n2 > tiny {
            let c2 = dot(&p2, &|_, y| y) / n2;
            value += c2 * p2(0.0);
            slope -= c2 * (a1 + a0);
        }
    }
    (value, slope / reach)
}

/// Returns the value at `at` of the cubic with the given values and slopes at both ends.
fn blend(at: f64, left: (f64, (f64, f64)), right: (f64, (f64, f64))) -> f64 {
    let ((x0, (y0, s0)), (x1, (y1, s1))) = (left, right);
    let h = x1 - x0;
    let t = (at - x0) / h;
    let s = 1.0 - t;
    s * s * (1.0 + 2.0 * t) * y0 + t * t * (3.0 - 2.0 * t) * y1 + h * t * s * (s * s0 - t * s1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reproduces_a_quadratic() {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i % 50) * 0.37 + f64::from(i) * 1e-3).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 - 0.7 * x + 0.05 * x * x).collect();
        let fitted = loess(&x, &y, 0.3).unwrap();
        assert!(fitted.iter().zip(&y).all(|(f, y)| (f - y).abs() < 1e-10));
    }

    #[test]
    fn few_points_and_ties() {
        assert!(loess(&[], &[], 0.3).unwrap().is_empty());
        assert!(loess(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.3).is_err());
        let fitted = loess(&[1.0; 20], &[2.0; 20], 0.5).unwrap();
        assert!(fitted.iter().all(|f| (f - 2.0).abs() < 1e-12), "{fitted:?}");
    }
}
