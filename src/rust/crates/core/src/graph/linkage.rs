//! Agglomerative clustering of a few hundred items by their distances, and the drawing of its tree.
//! The merges, their order and the layout are those of `scipy.cluster.hierarchy.linkage` and
//! `dendrogram`.

use crate::error::{Error, Result};
use crate::session::Monitor;
use std::fmt;
use std::str::FromStr;

/// The distance of two clusters, given the distances of their members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum LinkageMethod {
    Single,
    #[default]
    Complete,
    Average,
    Weighted,
    Centroid,
    Median,
    Ward,
}

const NAMES: [(&str, LinkageMethod); 7] = [
    ("single", LinkageMethod::Single),
    ("complete", LinkageMethod::Complete),
    ("average", LinkageMethod::Average),
    ("weighted", LinkageMethod::Weighted),
    ("centroid", LinkageMethod::Centroid),
    ("median", LinkageMethod::Median),
    ("ward", LinkageMethod::Ward),
];

impl FromStr for LinkageMethod {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        NAMES.iter().find(|n| n.0 == name).map(|n| n.1).ok_or_else(|| {
            let expected = "one of single, complete, average, weighted, centroid, median, ward";
            Error::parameter("linkage_method", expected, name)
        })
    }
}

impl fmt::Display for LinkageMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|n| n.1 == *self).map_or("", |n| n.0))
    }
}

/// A merge of two clusters: their numbers, the smaller first; their distance; the number of items
/// of the result. Items have the numbers 0 to n - 1; the cluster of merge m has the number n + m.
pub type Merge = (usize, usize, f64, usize);

/// Returns the n - 1 merges of `n` items, nearest first, from their `n` x `n` symmetric distances.
///
/// Distances of a merged cluster follow Lance and Williams (1967).
///
/// # Errors
/// [`Error::Cancelled`].
pub fn linkage(mut distances: Vec<f64>, n: usize, method: LinkageMethod, monitor: &Monitor) -> Result<Vec<Merge>> {
    let mut label: Vec<usize> = (0..n).collect();
    let mut size = vec![1usize; n];
    let mut alive: Vec<usize> = (0..n).collect();
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    while alive.len() > 1 {
        let mut best = (f64::INFINITY, alive[0], alive[1]);
        for (at, &i) in alive.iter().enumerate() {
            monitor.check()?;
            for &j in &alive[at + 1..] {
                if distances[i * n + j] < best.0 {
                    best = (distances[i * n + j], i, j);
                }
            }
        }
        let (between, i, j) = best;
        let (ni, nj) = (size[i] as f64, size[j] as f64);
        for &k in alive.iter().filter(|&&k| k != i && k != j) {
            let (a, b, nk) = (distances[i * n + k], distances[j * n + k], size[k] as f64);
            let new = match method {
                LinkageMethod::Single => a.min(b),
                LinkageMethod::Complete => a.max(b),
                LinkageMethod::Average => (ni * a + nj * b) / (ni + nj),
                LinkageMethod::Weighted => (a + b) / 2.0,
                LinkageMethod::Centroid => {
                    ((ni * a * a + nj * b * b - ni * nj * between * between / (ni + nj)) / (ni + nj)).sqrt()
                }
                LinkageMethod::Median => ((a * a + b * b) / 2.0 - between * between / 4.0).sqrt(),
                LinkageMethod::Ward => {
                    let sum = (ni + nk) * a * a + (nj + nk) * b * b - nk * between * between;
                    (sum / (ni + nj + nk)).sqrt()
                }
            };
            distances[j * n + k] = new;
            distances[k * n + j] = new;
        }
        merges.push((label[i].min(label[j]), label[i].max(label[j]), between, size[i] + size[j]));
        size[j] += size[i];
        label[j] = n + merges.len() - 1;
        alive.retain(|&k| k != i);
    }
    Ok(merges)
}

/// A drawn tree: one inverted U per merge; subtrees come before the merge that joins them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawing {
    /// Items from left to right.
    pub leaves: Vec<usize>,
    /// Horizontal positions of the four corners of each U; leaves stand at 5, 15, 25, ...
    pub icoord: Vec<[f64; 4]>,
    /// Heights of the four corners of each U.
    pub dcoord: Vec<[f64; 4]>,
    /// Matplotlib colour of each U: one per subtree below 0.7 of the greatest height, "C0" above.
    pub colors: Vec<String>,
    /// Colour of the U that each leaf hangs from, in the order of `leaves`.
    pub leaf_colors: Vec<String>,
}

/// Draws the tree of `merges`.
pub fn draw(merges: &[Merge]) -> Drawing {
    let n = merges.len() + 1;
    let threshold = 0.7 * merges.iter().fold(0.0f64, |m, merge| m.max(merge.2));
    let mut drawing = Drawing::default();
    // An explicit stack instead of recursion: a merge is visited before its left subtree, between
    // its subtrees, and after its right subtree.
    let mut stack = vec![(2 * n - 2, 0u8)];
    let mut done: Vec<(f64, f64)> = Vec::new(); // centre and height of finished subtrees
    let mut color_of = vec![String::new(); merges.len()];
    let (mut color, mut below) = (0, false);
    while let Some((node, stage)) = stack.pop() {
        let Some(&(left, right, height, _)) = node.checked_sub(n).and_then(|m| merges.get(m)) else {
            done.push((10.0 * drawing.leaves.len() as f64 + 5.0, 0.0));
            drawing.leaves.push(node);
            continue;
        };
        match stage {
            0 => stack.extend([(node, 1), (left, 0)]),
            1 => {
                let under = height < threshold && threshold > 0.0;
                if below && !under {
                    color = (color + 1) % 9;
                }
                below = under;
                color_of[node - n] = format!("C{}", if under { color + 1 } else { 0 });
                stack.extend([(node, 2), (right, 0)]);
            }
            _ => {
                let (Some(b), Some(a)) = (done.pop(), done.pop()) else { continue };
                drawing.icoord.push([a.0, a.0, b.0, b.0]);
                drawing.dcoord.push([a.1, height, height, b.1]);
                drawing.colors.push(color_of[node - n].clone());
                done.push(((a.0 + b.0) / 2.0, height));
            }
        }
    }
    let mut colors = vec![String::from("C0"); n];
    for (merge, color) in merges.iter().zip(&color_of) {
        [merge.0, merge.1].iter().filter(|&&c| c < n).for_each(|&leaf| colors[leaf].clone_from(color));
    }
    drawing.leaf_colors = drawing.leaves.iter().map(|&leaf| colors[leaf].clone()).collect();
    drawing
}
