//! Distances by name: scikit-learn's names (`sklearn.metrics.pairwise_distances`) for rows of
//! numbers.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The distance of two points.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Metric {
    /// sqrt(sum (x - y)²).
    #[default]
    Euclidean,
    /// 1 - <x, y> / (|x| |y|); a zero row is an error.
    Cosine,
    /// The cosine distance of the rows after subtracting from each row its own mean; a constant row
    /// is an error.
    Correlation,
    /// 1 - <x, y>, as pynndescent's `dot`: not a metric, may be negative, and the nearest point to
    /// a point need not be the point itself (which still comes first, at 0). Only by
    /// [`Method::Exact`](super::Method::Exact).
    InnerProduct,
    /// Any of the others of scikit-learn's metrics, compared pair by pair. Only by
    /// [`Method::Exact`](super::Method::Exact).
    Pairwise(Pairwise),
}

/// Distances that are no product of rows, by the definitions of `scipy.spatial.distance`; 0 / 0
/// counts as 0. The metrics of truth values take every number other than 0 as true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pairwise {
    /// (x - y)², summed.
    SquaredEuclidean,
    /// |x - y|, summed.
    Manhattan,
    /// The largest |x - y|.
    Chebyshev,
    /// (sum |x - y|^p)^(1/p), with p of 1 or more.
    Minkowski(f64),
    /// |x - y| / (|x| + |y|), summed.
    Canberra,
    /// sum |x - y| / sum |x + y|.
    BrayCurtis,
    /// Share of the coordinates that differ.
    Hamming,
    /// Euclidean, each coordinate over its standard deviation (divisor n - 1).
    StandardizedEuclidean,
    /// Euclidean after whitening by the covariance of the coordinates (divisor n - 1).
    Mahalanobis,
    /// Truth values: R / (both + R), with R the number that differ and both the number true in both
    /// rows.
    Jaccard,
    /// Truth values: R / (2 both + R), with R the number that differ and both the number true in
    /// both rows.
    Dice,
    /// Truth values: 2 R / (all + R), with R the number that differ and all the number of
    /// coordinates.
    RogersTanimoto,
    /// Truth values: the share that are not true in both rows.
    RussellRao,
    /// Truth values: 2 R / (both + 2 R), with R the number that differ and both the number true in
    /// both rows.
    SokalSneath,
    /// Truth values: 2 ab / (cd + ab), with a and b the numbers true in one row only, c in both, d
    /// in neither.
    Yule,
}

const NAMES: [(&str, Metric); 21] = [
    ("euclidean", Metric::Euclidean),
    ("cosine", Metric::Cosine),
    ("correlation", Metric::Correlation),
    ("inner_product", Metric::InnerProduct),
    ("sqeuclidean", Metric::Pairwise(Pairwise::SquaredEuclidean)),
    ("manhattan", Metric::Pairwise(Pairwise::Manhattan)),
    ("cityblock", Metric::Pairwise(Pairwise::Manhattan)),
    ("l1", Metric::Pairwise(Pairwise::Manhattan)),
    ("chebyshev", Metric::Pairwise(Pairwise::Chebyshev)),
    ("minkowski", Metric::Pairwise(Pairwise::Minkowski(2.0))),
    ("canberra", Metric::Pairwise(Pairwise::Canberra)),
    ("braycurtis", Metric::Pairwise(Pairwise::BrayCurtis)),
    ("hamming", Metric::Pairwise(Pairwise::Hamming)),
    ("seuclidean", Metric::Pairwise(Pairwise::StandardizedEuclidean)),
    ("mahalanobis", Metric::Pairwise(Pairwise::Mahalanobis)),
    ("jaccard", Metric::Pairwise(Pairwise::Jaccard)),
    ("dice", Metric::Pairwise(Pairwise::Dice)),
    ("rogerstanimoto", Metric::Pairwise(Pairwise::RogersTanimoto)),
    ("russellrao", Metric::Pairwise(Pairwise::RussellRao)),
    ("sokalsneath", Metric::Pairwise(Pairwise::SokalSneath)),
    ("yule", Metric::Pairwise(Pairwise::Yule)),
];

impl Metric {
    /// Returns the metric of a name; Minkowski's has the power `p` (2 where `None`).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a name that does not exist, and for `p` below 1 or with another
    /// metric.
    pub fn named(name: &str, p: Option<f64>) -> Result<Metric> {
        let metric = name.parse()?;
        match (metric, p) {
            (_, None) => Ok(metric),
            (Metric::Pairwise(Pairwise::Minkowski(_)), Some(p)) if p >= 1.0 => {
                Ok(Metric::Pairwise(Pairwise::Minkowski(p)))
            }
            (Metric::Pairwise(Pairwise::Minkowski(_)), Some(p)) => {
                Err(Error::parameter("p", "a number of 1 or more", p))
            }
            (_, Some(_)) => Err(Error::parameter("metric", "minkowski, the only one with p", name)),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "l2" => return Ok(Metric::Euclidean),
            "dot" => return Ok(Metric::InnerProduct),
            // The same formula; scipy has dropped the name.
            "sokalmichener" => return Ok(Metric::Pairwise(Pairwise::RogersTanimoto)),
            _ => {}
        }
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|&(_, metric)| metric);
        found.ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            Error::parameter("metric", format!("one of {}", names.join(", ")), name)
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |m: &Metric| match (m, self) {
            (Metric::Pairwise(Pairwise::Minkowski(_)), Metric::Pairwise(Pairwise::Minkowski(_))) => true,
            (a, b) => a == b,
        };
        f.write_str(NAMES.iter().find(|(_, metric)| kind(metric)).map_or("", |(name, _)| name))
    }
}

/// Counts of the coordinates of two rows by their truth values.
#[derive(Default)]
struct Truths {
    both: f64,
    first: f64,
    second: f64,
    neither: f64,
}

impl Truths {
    /// Counts the coordinates of `x` and `y`, rows of the same length.
    fn count(x: &[f64], y: &[f64]) -> Truths {
        let mut t = Truths::default();
        for (a, b) in x.iter().zip(y) {
            match (*a != 0.0, *b != 0.0) {
                (true, true) => t.both += 1.0,
                (true, false) => t.first += 1.0,
                (false, true) => t.second += 1.0,
                (false, false) => t.neither += 1.0,
            }
        }
        t
    }

    /// Returns the number of coordinates that are true in exactly one row.
    fn different(&self) -> f64 {
        self.first + self.second
    }
}

/// Returns `a / b`, and 0 where `a` is 0.
fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        0.0
    } else {
        a / b
    }
}

impl Pairwise {
    /// Returns the distance of two rows of the same length, prepared by [`super::brute`].
    pub(super) fn distance(self, x: &[f64], y: &[f64]) -> f64 {
        let pairs = || x.iter().zip(y).map(|(a, b)| (a - b).abs());
        let squares = || pairs().map(|d| d * d).sum::<f64>();
        match self {
            Pairwise::SquaredEuclidean => squares(),
            Pairwise::StandardizedEuclidean | Pairwise::Mahalanobis => squares().sqrt(),
            Pairwise::Manhattan => pairs().sum(),
            Pairwise::Chebyshev => pairs().fold(0.0, f64::max),
            Pairwise::Minkowski(p) if p.is_infinite() => pairs().fold(0.0, f64::max),
            Pairwise::Minkowski(p) => pairs().map(|d| d.powf(p)).sum::<f64>().powf(p.recip()),
            Pairwise::Canberra => x.iter().zip(y).map(|(a, b)| ratio((a - b).abs(), a.abs() + b.abs())).sum(),
            Pairwise::BrayCurtis => ratio(pairs().sum(), x.iter().zip(y).map(|(a, b)| (a + b).abs()).sum()),
            Pairwise::Hamming => x.iter().zip(y).filter(|(a, b)| a != b).count() as f64 / x.len() as f64,
            _ => self.of_truths(&Truths::count(x, y)),
        }
    }

    /// Returns the distance of two rows of truth values; `self` is one of the metrics of truth
    /// values.
    fn of_truths(self, t: &Truths) -> f64 {
        let all = t.both + t.neither + t.different();
        match self {
            Pairwise::Jaccard => ratio(t.different(), t.both + t.different()),
            Pairwise::Dice => ratio(t.different(), 2.0 * t.both + t.different()),
            Pairwise::RogersTanimoto => ratio(2.0 * t.different(), all + t.different()),
            Pairwise::RussellRao => (all - t.both) / all,
            Pairwise::SokalSneath => ratio(2.0 * t.different(), t.both + 2.0 * t.different()),
            _ => ratio(2.0 * t.first * t.second, t.both * t.neither + t.first * t.second),
        }
    }
}
