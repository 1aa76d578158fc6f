//! From neighbours to the weighted graphs that UMAP and Leiden work on.

use super::bandwidth::smooth_knn_dist;
use super::knn::Knn;
use super::union::{assemble, union, EDGES};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Held, Session};
use rayon::prelude::*;
use sprs::CsMatI;

/// Rows per task.
const ROWS: usize = 2048;

/// Returns UMAP's fuzzy graph of the neighbours: n x n, f32 weights in (0, 1], symmetric, no
/// diagonal, no stored zeros, columns in order.
///
/// Equals `umap.umap_.fuzzy_simplicial_set` (umap-learn 0.5) with `local_connectivity = 1` and
/// `set_op_mix_ratio = 1`, as `scanpy.pp.neighbors(method = "umap")` calls it: point i sees a
/// neighbour at distance d with strength exp(-(d - rho_i) / sigma_i), where rho_i is its smallest
/// positive distance and sigma_i makes the strengths add up to log2(k); the two directions a and b
/// of an edge become a + b - a b (McInnes, Healy and Melville 2018).
///
/// # Errors
/// The errors of [`Knn::validate`]; [`Error::Values`] for negative distances (inner products);
/// [`Error::Cancelled`].
pub fn fuzzy_simplicial_set(knn: &Knn, session: &Session) -> Result<CsMatI<f32, u32, usize>> {
    check(knn)?;
    let _held = hold(knn, session)?;
    let mean = knn.distances.iter().map(|&d| f64::from(d)).sum::<f64>() / knn.distances.len() as f64;
    let target = (knn.k as f64).log2();
    session.install(|| {
        let mut scales = memory::zeros::<[f32; 2]>(knn.n, EDGES)?;
        session.monitor.begin(knn.n as u64);
        scales.par_chunks_mut(ROWS).zip(knn.distances.par_chunks(ROWS * knn.k)).try_for_each_init(
            Vec::new,
            |beyond, (scales, distances)| {
                session.monitor.check()?;
                for (scale, distances) in scales.iter_mut().zip(distances.chunks_exact(knn.k)) {
                    *scale = smooth_knn_dist(distances, target, mean, beyond).into();
                }
                session.monitor.advance(scales.len() as u64);
                Ok(())
            },
        )?;
        let strength = |i: usize, _: u32, distance: f32| {
            let [sigma, rho] = scales.get(i).copied().unwrap_or_default();
            let beyond = distance - rho;
            if beyond <= 0.0 || sigma == 0.0 {
                1.0
            } else {
                (-f64::from(beyond / sigma)).exp() as f32
            }
        };
        // the order of operations of scipy's (A + A') - A * A'
        union(knn, strength, |a, b| (a + b) - a * b, session)
    })
}

/// Leases what a graph of neighbours takes at most: their links both ways, and the scales of the
/// cells.
fn hold(knn: &Knn, session: &Session) -> Result<Held> {
    let links = knn.indices.len();
    let bytes = links.saturating_mul(2 * 8).saturating_add(knn.n.saturating_mul(8));
    session.hold(format!("the graph of {links} links between {} cells", knn.n), bytes)
}

/// Returns the Gaussian kernel graph of Haghverdi et al. (2016): n x n, f32, no diagonal, no stored
/// zeros, columns in order.
///
/// Equals `scanpy.neighbors._connectivity.gauss` with `knn = True`, as
/// `scanpy.pp.neighbors(method = "gauss")` calls it: w_ij = sqrt(2 s_i s_j / (s_i² + s_j²))
/// exp(-d_ij² / (s_i² + s_j²)) for i and j where at least one is a neighbour of the other, s_i²
/// being the median of the squared distances of i's k - 1 neighbours. Two differences, both for
/// points with so many duplicates that s_i = 0: where scanpy divides 0 by 0 the weight here is 1
/// (d_ij = 0) or none, and weights of zero are not stored.
///
/// # Errors
/// The errors of [`Knn::validate`]; [`Error::Values`] for negative distances (inner products);
/// [`Error::Cancelled`].
pub fn gauss_connectivities(knn: &Knn, session: &Session) -> Result<CsMatI<f32, u32, usize>> {
    check(knn)?;
    let _held = hold(knn, session)?;
    session.install(|| {
        let squares = memory::parallel(knn.distances.par_chunks(knn.k).map(median_square), EDGES)?;
        let width = |i: usize| squares.get(i).copied().unwrap_or(0.0);
        let weight =
            |i: usize, j: u32, distance: f32| gauss(width(i), width(j as usize), f64::from(distance).powi(2)) as f32;
        union(knn, weight, |a, b| if a > 0.0 { a } else { b }, session)
    })
}

/// Returns [`gauss_connectivities`] of every pair of points, as scanpy has it with `knn=False`.
/// `knn` holds all n points as neighbours of every point. s_i is half the distance from point i to
/// its neighbour number `n_neighbors`, where the point itself is number 1. Weights up to 1e-14 are
/// left out. The diagonal is 1.
///
/// # Errors
/// The errors of [`Knn::validate`]; [`Error::Parameter`] for `n_neighbors` outside 1 to n.
pub fn gauss_of_all(knn: &Knn, n_neighbors: usize, session: &Session) -> Result<CsMatI<f32, u32, usize>> {
    check(knn)?;
    if n_neighbors == 0 || n_neighbors > knn.k {
        return Err(Error::parameter("n_neighbors", format!("1 to {}, the number of points", knn.n), n_neighbors));
    }
    let _held = hold(knn, session)?;
    session.install(|| {
        let width = |d: &[f32]| f64::from(d.get(n_neighbors - 1).copied().unwrap_or(0.0)).powi(2) / 4.0;
        let squares = memory::parallel(knn.distances.par_chunks(knn.k).map(width), EDGES)?;
        let rows: Vec<Vec<(u32, f32)>> = (0..knn.n)
            .into_par_iter()
            .map(|i| {
                session.monitor.check()?;
                let own = squares.get(i).copied().unwrap_or(0.0);
                let of = |values: std::ops::Range<usize>| (knn.indices.get(values.clone()), knn.distances.get(values));
                let (indices, distances) = of(i * knn.k..(i + 1) * knn.k);
                let pairs = indices.unwrap_or_default().iter().zip(distances.unwrap_or_default());
                let weight = |(&j, &d): (&u32, &f32)| {
                    let other = squares.get(j as usize).copied().unwrap_or(0.0);
                    (j, gauss(own, other, f64::from(d).powi(2)))
                };
                let mut row: Vec<(u32, f32)> = memory::room(knn.k, EDGES)?;
                row.extend(pairs.map(weight).filter(|(_, w)| *w > 1e-14).map(|(j, w)| (j, w as f32)));
                row.sort_unstable_by_key(|entry| entry.0);
                Ok(row)
            })
            .collect::<Result<_>>()?;
        let mut indptr = memory::room(knn.n + 1, EDGES)?;
        indptr.push(0);
        for row in &rows {
            indptr.push(indptr.last().copied().unwrap_or(0) + row.len());
        }
        let n = indptr.last().copied().unwrap_or(0);
        let indices = memory::exactly(n, rows.iter().flatten().map(|entry| entry.0), EDGES)?;
        let data = memory::exactly(n, rows.iter().flatten().map(|entry| entry.1), EDGES)?;
        assemble(knn.n, indptr, indices, data)
    })
}

fn gauss(square_i: f64, square_j: f64, square_distance: f64) -> f64 {
    let sum = square_i + square_j;
    if sum > 0.0 {
        (2.0 * (square_i.sqrt() * square_j.sqrt()) / sum).sqrt() * (-square_distance / sum).exp()
    } else if square_distance == 0.0 {
        1.0
    } else {
        0.0
    }
}

/// Returns the median of the squared distances, the point itself left out.
fn median_square(distances: &[f32]) -> f64 {
    let mut squares: Vec<f64> = distances.iter().skip(1).map(|&d| f64::from(d).powi(2)).collect();
    squares.sort_unstable_by(f64::total_cmp);
    let upper = squares.get(squares.len() / 2).copied().unwrap_or(0.0);
    let lower = squares.get(squares.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    (lower + upper) / 2.0
}

/// Returns the distances as `scanpy.pp.neighbors` stores them in `obsp["distances"]`: n x n CSR
/// with k - 1 entries in every row, the point itself left out, distances of 0 (duplicates) stored.
/// Columns are in order here; scanpy's are by distance.
///
/// # Errors
/// Errors of [`Knn::validate`].
pub fn distances_matrix(knn: &Knn) -> Result<CsMatI<f32, u32, usize>> {
    knn.validate()?;
    let (indices, distances) = (memory::copied(&knn.indices, EDGES)?, memory::copied(&knn.distances, EDGES)?);
    Session::with_threads(1).install(|| into_distances(Knn { indices, distances, ..*knn }))
}

/// Converts valid neighbours to [`distances_matrix`] in the memory they are in.
pub(super) fn into_distances(knn: Knn) -> Result<CsMatI<f32, u32, usize>> {
    let Knn { n, k, mut indices, mut distances } = knn;
    let each = k - 1;
    indices.par_chunks_exact_mut(k).zip(distances.par_chunks_exact_mut(k)).with_min_len(ROWS).for_each_init(
        Vec::new,
        |row: &mut Vec<(u32, f32)>, (indices, distances)| {
            let (indices, distances) = (&mut indices[1..], &mut distances[1..]);
            row.clear();
            row.extend(indices.iter().copied().zip(distances.iter().copied()));
            row.sort_unstable_by_key(|entry| entry.0);
            for ((index, distance), entry) in indices.iter_mut().zip(distances).zip(row.iter()) {
                (*index, *distance) = *entry;
            }
        },
    );
    for i in 0..n {
        let others = i * k + 1..(i + 1) * k;
        indices.copy_within(others.clone(), i * each);
        distances.copy_within(others, i * each);
    }
    // Large vectors give back what they no longer need where they lie.
    indices.truncate(n * each);
    distances.truncate(n * each);
    indices.shrink_to_fit();
    distances.shrink_to_fit();
    assemble(n, memory::exactly(n + 1, (0..=n).map(|i| i * each), EDGES)?, indices, distances)
}

/// Returns the graph without the weak links of cells that have more than `most`: a link stays when
/// it is among the `most` strongest (or equal to the last of them) at both its ends, as in BBKNN.
pub(super) fn trim(graph: &CsMatI<f32, u32, usize>, most: usize, session: &Session) -> Result<CsMatI<f32, u32, usize>> {
    let least: Vec<f32> = session.install(|| {
        let row = |i: usize| graph.outer_view(i).map(|row| row.data().to_vec()).unwrap_or_default();
        let least = |mut weights: Vec<f32>| match most.checked_sub(1) {
            Some(at) if at + 1 < weights.len() => *weights.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1,
            _ => 0.0,
        };
        memory::parallel((0..graph.rows()).into_par_iter().with_min_len(ROWS).map(|i| least(row(i))), EDGES)
    })?;
    let (mut indptr, mut indices, mut data) =
        (memory::room(graph.rows() + 1, EDGES)?, memory::room(graph.nnz(), EDGES)?, memory::room(graph.nnz(), EDGES)?);
    indptr.push(0);
    for (i, row) in graph.outer_iterator().enumerate() {
        if i % ROWS == 0 {
            session.monitor.check()?;
        }
        let own = least.get(i).copied().unwrap_or(0.0);
        for (j, &weight) in row.iter() {
            if weight >= own.max(least.get(j).copied().unwrap_or(0.0)) {
                indices.push(j as u32);
                data.push(weight);
            }
        }
        indptr.push(indices.len());
    }
    assemble(graph.rows(), indptr, indices, data)
}

fn check(knn: &Knn) -> Result<()> {
    knn.validate()?;
    match knn.distances.iter().position(|&d| d < 0.0) {
        None => Ok(()),
        Some(at) => Err(Error::Values {
            element: "neighbour distances".into(),
            operation: "connectivities",
            expected: "distances of 0 or more (metric inner_product has none)",
            found: knn.distances.get(at).map(ToString::to_string).unwrap_or_default(),
            row: at / knn.k,
            column: at % knn.k,
        }),
    }
}
