//! Subsets of cells that represent all: spread evenly over the embedding (geometric sketching: Hie
//! et al. 2019), or drawn by leverage scores (Drineas et al. 2012; of cells: Hao et al. 2023). Rare
//! states keep cells that a uniform sample would lose.

use crate::error::{Error, Result};
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use ndarray::ArrayView2;
use std::collections::HashMap;

const SKETCH: &str = "sketch: boxes and scores of the cells";

/// Draws `n` different numbers below `weights.len()`, one after the other, in proportion to their
/// weights, and returns them in ascending order. A weight of 0 is never drawn; the result is
/// shorter than `n` where fewer weights are above 0.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn sample_by_weight(weights: &[f64], n: usize, seed: u64) -> Result<Vec<u32>> {
    // The numbers with the smallest exponential variables of these rates (Efraimidis & Spirakis
    // 2006).
    let wait = |(i, &weight): (usize, &f64)| {
        let u = 1.0 - Stream::new(seed, 0, i as u64).uniform();
        (if weight > 0.0 { -u.ln() / weight } else { f64::INFINITY }, i as u32)
    };
    let mut waits: Vec<(f64, u32)> = memory::collected(weights.iter().enumerate().map(wait), SKETCH)?;
    waits.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    waits.truncate(n);
    let mut drawn = memory::collected(
        waits.iter().filter(|w| w.0.is_finite()).map(|w| w.1).collect::<Vec<_>>().into_iter(),
        SKETCH,
    )?;
    drawn.sort_unstable();
    Ok(drawn)
}

/// Draws `n` numbers below `weights.len()` with replacement, in proportion to their weights, and
/// returns them in ascending order.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn sample_with_replacement(weights: &[f64], n: usize, seed: u64) -> Result<Vec<u32>> {
    let mut sums = memory::room(weights.len(), SKETCH)?;
    let mut sum = 0.0;
    for weight in weights {
        sum += weight;
        sums.push(sum);
    }
    let draw = |i: usize| {
        let at = Stream::new(seed, 1, i as u64).uniform() * sum;
        sums.partition_point(|&s| s <= at).min(weights.len() - 1) as u32
    };
    let mut drawn = memory::collected((0..n).map(draw), SKETCH)?;
    drawn.sort_unstable();
    Ok(drawn)
}

/// Returns the leverage score of every row of `points` (cells x dimensions): its squared length
/// after whitening by the products of the columns (without centring).
///
/// # Errors
/// [`Error::Values`] for coordinates that are not finite.
pub fn leverage_scores(points: ArrayView2<'_, f32>, session: &Session) -> Result<Vec<f64>> {
    finite(points)?;
    let (n, d) = points.dim();
    let _held = session.hold(format!("sketch of {n} cells in {d} dimensions"), 8 * n)?;
    let mut products = faer::Mat::<f64>::zeros(d, d);
    for row in points.outer_iter() {
        session.monitor.check()?;
        for i in 0..d {
            for j in 0..=i {
                products[(i, j)] += f64::from(row[i]) * f64::from(row[j]);
            }
        }
    }
    let found =
        products.self_adjoint_eigen(faer::Side::Lower).map_err(|e| Error::Internal(format!("sketch: {e:?}")))?;
    let values: Vec<f64> = (0..d).map(|i| found.S()[i]).collect();
    let largest = values.iter().copied().fold(0.0, f64::max);
    let score = |i: usize| {
        let row = points.row(i);
        let along = |c: usize| (0..d).map(|j| f64::from(row[j]) * found.U()[(j, c)]).sum::<f64>();
        (0..d).filter(|&c| values[c] > 1e-12 * largest).map(|c| along(c).powi(2) / values[c]).sum::<f64>()
    };
    memory::collected((0..n).map(score), SKETCH)
}

/// Draws `n` rows of `points` that are spread evenly, in ascending order. The space is divided into
/// boxes of one size, of which about `n` hold rows; rows are drawn at random from the boxes in
/// turn, one from each.
///
/// # Errors
/// [`Error::Values`] for coordinates that are not finite.
pub fn geometric_sketch(points: ArrayView2<'_, f32>, n: usize, seed: u64, session: &Session) -> Result<Vec<u32>> {
    finite(points)?;
    let (n_cells, d) = points.dim();
    let _held =
        session.hold(format!("sketch of {n_cells} cells in {d} dimensions"), n_cells.saturating_mul(8 * d + 64))?;
    let least: Vec<f32> = (0..d).map(|j| points.column(j).iter().copied().fold(f32::INFINITY, f32::min)).collect();
    let span = points.outer_iter().flat_map(|row| row.iter().zip(&least).map(|(x, l)| x - l).collect::<Vec<_>>());
    let span = f64::from(span.fold(0.0f32, f32::max));
    let boxes = |side: f64| -> Result<HashMap<u64, Vec<u32>>> {
        session.monitor.check()?;
        let mut boxes: HashMap<u64, Vec<u32>> = HashMap::new();
        for (i, row) in points.outer_iter().enumerate() {
            let mut key = 0;
            for (x, l) in row.iter().zip(&least) {
                key = crate::random::mix_next(key ^ (f64::from(x - l) / side) as u64);
            }
            boxes.entry(key).or_default().push(i as u32);
        }
        Ok(boxes)
    };
    // Bisection for the largest boxes of which at least `n` hold rows.
    let (mut low, mut high) = (0.0, 2.0 * span.max(f64::MIN_POSITIVE));
    let mut found = boxes(high)?;
    for _ in 0..40 {
        let side = (low + high) / 2.0;
        let there = boxes(side)?;
        let enough = there.len() >= n;
        if enough || there.len() > found.len() {
            found = there;
        }
        if found.len() >= n && found.len() <= n + n / 100 {
            break;
        }
        if enough {
            low = side;
        } else {
            high = side;
        }
    }
    let mut order: Vec<Vec<u32>> = found.into_values().collect();
    order.sort_unstable_by_key(|cells| cells.first().copied());
    let mut random = Stream::new(seed, 2, 0);
    random.shuffle(&mut order);
    order.iter_mut().for_each(|cells| random.shuffle(cells));
    let mut drawn = memory::room(n, SKETCH)?;
    while drawn.len() < n && !order.is_empty() {
        for cells in &mut order {
            if let Some(cell) = cells.pop().filter(|_| drawn.len() < n) {
                drawn.push(cell);
            }
        }
        order.retain(|cells| !cells.is_empty());
    }
    drawn.sort_unstable();
    Ok(drawn)
}

/// Checks that all coordinates are finite.
fn finite(points: ArrayView2<'_, f32>) -> Result<()> {
    match points.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(()),
        Some(((row, column), v)) => Err(Error::Values {
            element: "points".into(),
            operation: "sketch",
            expected: "finite coordinates",
            found: v.to_string(),
            row,
            column,
        }),
    }
}
