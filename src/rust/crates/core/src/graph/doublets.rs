//! Doublet scores of cells: the share of simulated doublets among the neighbours of a cell
//! (Scrublet: Wolock, Lopez & Klein 2019), and the score between the two modes of the doublets'
//! scores, as `scanpy.pp.scrublet` finds them.

use super::knn::{knn, KnnParams, Method, Metric};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use ndarray::ArrayView2;

/// The parameters of [`doublet_scores`], by scanpy's names.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubletParams {
    /// Neighbours of a cell among the cells only; the search takes as many more, in proportion to
    /// the number of doublets per cell. `None` is half the square root of the number of cells.
    pub n_neighbors: Option<usize>,
    /// Expected share of doublets among the cells.
    pub expected_doublet_rate: f64,
    /// The algorithm that finds neighbours.
    pub method: Method,
    /// The distance of cells.
    pub metric: Metric,
    /// The score above which a cell is a doublet; `None` determines it from the scores of the
    /// simulated doublets.
    pub threshold: Option<f64>,
    /// Seed of the search.
    pub seed: u64,
}

/// Scores of cells and of simulated doublets.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubletScores {
    /// The score of each cell.
    pub observed: Vec<f64>,
    /// The score of each simulated doublet.
    pub simulated: Vec<f64>,
    /// The score above which a cell is a doublet; `None` where the scores of doublets do not have
    /// two modes.
    pub threshold: Option<f64>,
    /// The number of neighbours of a cell among the cells, given or determined.
    pub n_neighbors: usize,
}

const SCORES: &str = "scrublet: scores of cells and doublets";

/// Computes scores of the first `n` rows of `points` (cells) and of the rows after them (simulated
/// doublets).
///
/// # Errors
/// The errors of [`knn`]; [`Error::Parameter`] for an `n_neighbors` that gives fewer than 2
/// neighbours of a row, or more than there are rows.
pub fn doublet_scores(
    points: ArrayView2<'_, f32>,
    n: usize,
    params: &DoubletParams,
    session: &Session,
) -> Result<DoubletScores> {
    let ratio = (points.nrows() - n) as f64 / n as f64;
    let n_neighbors = params.n_neighbors.unwrap_or((0.5 * (n as f64).sqrt()).round_ties_even().max(1.0) as usize);
    let k = (n_neighbors as f64 * (1.0 + ratio)).round_ties_even() as usize;
    if k < 2 || k > points.nrows() {
        let expected = format!("a number for which there are from 2 to {} neighbours", points.nrows());
        return Err(Error::parameter("n_neighbors", expected, format!("{n_neighbors}, for which there are {k}")));
    }
    let search =
        KnnParams { k, method: params.method, metric: params.metric, seed: params.seed, ..KnnParams::default() };
    let found = knn(points, &search, session)?.knn;
    let rate = params.expected_doublet_rate;
    let score = |(indices, _): (&[u32], &[f32])| {
        let doublets = indices.iter().filter(|&&j| j as usize >= n).count() as f64;
        let share = (doublets + 1.0) / (k as f64 + 2.0);
        share * rate / ratio / (1.0 - rate - share * (1.0 - rate - rate / ratio))
    };
    let mut observed = memory::collected(found.rows().map(score), SCORES)?;
    let simulated = memory::copied(&observed[n..], SCORES)?;
    observed.truncate(n);
    let threshold = params.threshold.or_else(|| valley(&simulated));
    Ok(DoubletScores { observed, simulated, threshold, n_neighbors })
}

/// Bins of the histogram of scores.
const BINS: usize = 256;
/// Rounds of smoothing at most.
const SMOOTHINGS: usize = 10_000;

/// Returns the least frequent value between two modes (Prewitt & Mendelsohn 1966), as
/// `skimage.filters.threshold_minimum`. A histogram is smoothed by means of three bins until only
/// two maxima are left. `None` where it never has exactly two.
pub fn valley(values: &[f64]) -> Option<f64> {
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    if !(low.is_finite() && high.is_finite() && low < high) {
        return None;
    }
    let edge = |i: usize| if i == BINS { high } else { low + i as f64 * ((high - low) / BINS as f64) };
    let mut bins = [0.0f64; BINS];
    for &value in values {
        let mut bin = (((value - low) / (high - low) * BINS as f64) as usize).min(BINS - 1);
        // Rounding can put a value at an edge into the bin on the other side of it.
        if value < edge(bin) {
            bin -= 1;
        } else if bin + 1 < BINS && value >= edge(bin + 1) {
            bin += 1;
        }
        bins[bin] += 1.0;
    }
    for _ in 0..SMOOTHINGS {
        bins = smoothed(&bins);
        let maxima = maxima(&bins);
        if maxima.len() < 3 {
            let [first, last] = maxima[..] else { return None };
            let least = (first..=last).fold(first, |least, i| if bins[i] < bins[least] { i } else { least });
            return Some((edge(least) + edge(least + 1)) / 2.0);
        }
    }
    None
}

/// Returns the means of three neighbouring bins, with the bins at the ends counted twice. The sum
/// is a running one, as in scipy, so that it has the same rounding.
fn smoothed(bins: &[f64; BINS]) -> [f64; BINS] {
    let at = |i: usize| bins[i.saturating_sub(1).min(BINS - 1)];
    let mut sum = at(0) + at(1) + at(2);
    let mut out = [sum / 3.0; BINS];
    for (i, to) in out.iter_mut().enumerate().skip(1) {
        sum += at(i + 2);
        sum -= at(i - 1);
        *to = sum / 3.0;
    }
    out
}

/// Returns the last bins before the histogram falls after it rose.
fn maxima(bins: &[f64; BINS]) -> Vec<usize> {
    let (mut found, mut rises) = (Vec::new(), true);
    for (i, pair) in bins.windows(2).enumerate() {
        if rises && pair[1] < pair[0] {
            rises = false;
            found.push(i);
        } else if !rises && pair[1] > pair[0] {
            rises = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::valley;

    /// Checks against values of `threshold_minimum` of scikit-image 0.26.
    #[test]
    fn thresholds_are_those_of_scikit_image() {
        let value = |i: i32| {
            let x = f64::from(i);
            match i % 3 {
                0 => 0.7 + 0.08 * x.sin() + 0.05 * (x * 0.37).cos(),
                _ => 0.2 + 0.09 * (x * 1.7).sin() + 0.06 * (x * 0.11).cos(),
            }
        };
        let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        close(valley(&(0..3000).map(value).collect::<Vec<_>>()), 0.459_787_770_519_231_03);
        close(
            valley(&(0..3000).map(|i| (value(i) * 100.0).round_ties_even() / 100.0).collect::<Vec<_>>()),
            0.459_804_687_499_999_9,
        );
        close(valley(&(0..3000).map(|i| 0.2 + 0.01 * f64::from(i % 7)).collect::<Vec<_>>()), 0.224_257_812_500_000_01);
        assert_eq!([valley(&[]), valley(&[0.5; 9]), valley(&[1.0, f64::NAN])], [None; 3]);
    }
}
