//! Makes the graph that links cells both ways from neighbours that link them one way.
//!
//! Links that come in are gathered for a band of rows at a time and merged with those that go out,
//! straight into the rows of the result: beside neighbours and result there are some bands,
//! whatever the number of cells.

use super::knn::Knn;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Monitor, Session};
use rayon::prelude::*;
use sprs::CsMatI;
use std::ops::Range;

/// The name of edges in errors.
pub(super) const EDGES: &str = "connectivities: the edges of the graph";
/// Links that come into a band: this many, or this part of all links where that is more. Every band
/// reads all neighbours once.
const BAND: (usize, usize) = (1 << 20, 32);
/// Bands at work at the same time, at most.
const TOGETHER: usize = 8;
/// Rows between looks at the monitor.
const CHECKED: usize = 1 << 14;

/// Returns a graph with an entry `combine(a_ij, a_ji)` wherever the matrix A or its transpose has
/// one. An absent entry of A counts as 0. A has the entry `weight(i, j, distance)` for each
/// neighbour j of i; its diagonal and its zeros are left out. Columns of the result are in order.
pub(super) fn union(
    knn: &Knn,
    weight: impl Fn(usize, u32, f32) -> f32 + Sync,
    combine: impl Fn(f32, f32) -> f32 + Sync,
    session: &Session,
) -> Result<CsMatI<f32, u32, usize>> {
    in_bands(knn, weight, combine, (knn.indices.len() / BAND.1).max(BAND.0), session)
}

/// Works as [`union`], by bands into which about `links` links come.
fn in_bands(
    knn: &Knn,
    weight: impl Fn(usize, u32, f32) -> f32 + Sync,
    combine: impl Fn(f32, f32) -> f32 + Sync,
    links: usize,
    session: &Session,
) -> Result<CsMatI<f32, u32, usize>> {
    let coming = coming(knn)?;
    let bands = bands(&coming, links);
    // Pages that are never written take no memory; unused capacity is freed at the end.
    let most = 2 * knn.indices.len();
    let mut indptr = memory::room(knn.n + 1, EDGES)?;
    let (mut indices, mut data) = (memory::room(most, EDGES)?, memory::room(most, EDGES)?);
    indptr.push(0usize);
    for together in bands.chunks(rayon::current_num_threads().min(TOGETHER)) {
        let of = |band: &Range<usize>| {
            let coming = &coming[band.clone()];
            Band { knn, rows: band.clone(), coming, monitor: &session.monitor }.merged(&weight, &combine)
        };
        let made: Vec<Rows> = together.par_iter().map(of).collect::<Result<_>>()?;
        for rows in made {
            let mut end = indices.len();
            indptr.extend(rows.sizes.iter().map(|&size| {
                end += size as usize;
                end
            }));
            indices.extend_from_slice(&rows.indices);
            data.extend_from_slice(&rows.data);
        }
    }
    indices.shrink_to_fit();
    data.shrink_to_fit();
    assemble(knn.n, indptr, indices, data)
}

/// Returns, for each point, the number of points that have it as a neighbour, itself included.
fn coming(knn: &Knn) -> Result<Vec<u32>> {
    let mut coming = memory::zeros::<u32>(knn.n, EDGES)?;
    knn.indices.iter().for_each(|&j| coming[j as usize] += 1);
    Ok(coming)
}

/// Returns runs of successive rows into which about `links` links come.
fn bands(coming: &[u32], links: usize) -> Vec<Range<usize>> {
    let (mut bands, mut first, mut sum) = (Vec::new(), 0, 0);
    for (row, &count) in coming.iter().enumerate() {
        sum += count as usize;
        if sum >= links {
            bands.push(first..row + 1);
            (first, sum) = (row + 1, 0);
        }
    }
    if first < coming.len() {
        bands.push(first..coming.len());
    }
    bands
}

/// Successive rows of the result.
struct Rows {
    sizes: Vec<u32>,
    indices: Vec<u32>,
    data: Vec<f32>,
}

/// Successive rows that are still to be made.
struct Band<'a> {
    knn: &'a Knn,
    rows: Range<usize>,
    /// Upper bound of the links into each row.
    coming: &'a [u32],
    monitor: &'a Monitor,
}

impl Band<'_> {
    fn merged(&self, weight: &impl Fn(usize, u32, f32) -> f32, combine: &impl Fn(f32, f32) -> f32) -> Result<Rows> {
        let (knn, n) = (self.knn, self.rows.len());
        let mut starts = memory::room(n + 1, EDGES)?;
        let mut end = 0usize;
        starts.push(end);
        starts.extend(self.coming.iter().map(|&count| {
            end += count as usize;
            end
        }));
        // By the row they come into, and there in the order of the rows they come from.
        let mut links = memory::zeros::<(u32, f32)>(end, EDGES)?;
        let mut next = memory::copied(&starts, EDGES)?;
        for (i, (columns, distances)) in knn.rows().enumerate() {
            if i % CHECKED == 0 {
                self.monitor.check()?;
            }
            for (&j, &distance) in columns.iter().zip(distances) {
                let row = (j as usize).wrapping_sub(self.rows.start);
                if row < n && j as usize != i {
                    let value = weight(i, j, distance);
                    if value > 0.0 {
                        links[next[row]] = (i as u32, value);
                        next[row] += 1;
                    }
                }
            }
        }
        let most = end + n * (knn.k - 1);
        let mut made = Rows {
            sizes: memory::room(n, EDGES)?,
            indices: memory::room(most, EDGES)?,
            data: memory::room(most, EDGES)?,
        };
        let mut going: Vec<(u32, f32)> = memory::room(knn.k, EDGES)?;
        for (row, i) in self.rows.clone().enumerate() {
            if row % CHECKED == 0 {
                self.monitor.check()?;
            }
            let (columns, distances) = (&knn.indices[i * knn.k..][..knn.k], &knn.distances[i * knn.k..][..knn.k]);
            going.clear();
            let weighed = columns.iter().zip(distances).map(|(&j, &distance)| (j, weight(i, j, distance)));
            going.extend(weighed.filter(|&(j, value)| j as usize != i && value > 0.0));
            going.sort_unstable_by_key(|entry| entry.0);
            let before = made.indices.len();
            merge(&going, &links[starts[row]..next[row]], |j, a, b| {
                made.indices.push(j);
                made.data.push(combine(a, b));
            });
            made.sizes.push((made.indices.len() - before) as u32);
        }
        Ok(made)
    }
}

/// Walks two sparse rows with columns in order; `entry(column, left, right)`, 0 for an absent
/// value.
fn merge(left: &[(u32, f32)], right: &[(u32, f32)], mut entry: impl FnMut(u32, f32, f32)) {
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    loop {
        match (left.peek().copied(), right.peek().copied()) {
            (Some((i, a)), Some((j, b))) if i == j => {
                entry(i, a, b);
                left.next();
                right.next();
            }
            (Some((i, a)), Some((j, _))) if i < j => {
                entry(i, a, 0.0);
                left.next();
            }
            (_, Some((j, b))) => {
                entry(j, 0.0, b);
                right.next();
            }
            (Some((i, a)), None) => {
                entry(i, a, 0.0);
                left.next();
            }
            (None, None) => break,
        }
    }
}

/// Makes a graph of its parts.
pub(super) fn assemble(
    n: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<f32>,
) -> Result<CsMatI<f32, u32, usize>> {
    CsMatI::try_new((n, n), indptr, indices, data)
        .map_err(|(_, _, _, e)| Error::State(format!("the neighbours of a point are not all different: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const N: usize = 300;
    const K: usize = 6;

    /// Draws neighbours at random, some of them far more often than others.
    fn neighbours() -> Knn {
        let mut stream = Stream::new(3, 0, 0);
        let (mut indices, mut distances) = (Vec::new(), Vec::new());
        for i in 0..N {
            let mut row = vec![i as u32];
            while row.len() < K {
                let other = (stream.uniform().powi(2) * N as f64) as u32;
                if !row.contains(&other) {
                    row.push(other);
                }
            }
            indices.extend(row);
            distances.extend((0..K).map(|k| k as f32));
        }
        Knn { n: N, k: K, indices, distances }
    }

    #[test]
    fn bands_of_any_size_give_what_all_pairs_give() {
        let knn = neighbours();
        // Some weights are 0: no links.
        let weight =
            |i: usize, j: u32, d: f32| if (i + j as usize).is_multiple_of(7) { 0.0 } else { d + i as f32 / 512.0 };
        let combine = |a: f32, b: f32| a + 0.25 * b;
        let mut dense = vec![[0.0f32; N]; N];
        for (i, (columns, distances)) in knn.rows().enumerate() {
            let others = columns.iter().zip(distances).filter(|(&j, _)| j as usize != i);
            others.for_each(|(&j, &d)| dense[i][j as usize] = weight(i, j, d));
        }
        for threads in [1, 3] {
            let session = Session::with_threads(threads);
            for links in [1, 40, usize::MAX] {
                let made = session.install(|| in_bands(&knn, weight, combine, links, &session)).unwrap();
                let found: Vec<_> = made.iter().map(|(&w, (i, j))| (i as usize, j as usize, w)).collect();
                let pairs = (0..N).flat_map(|i| (0..N).map(move |j| (i, j)));
                let linked = pairs.filter(|&(i, j)| dense[i][j] > 0.0 || dense[j][i] > 0.0);
                let expected: Vec<_> = linked.map(|(i, j)| (i, j, combine(dense[i][j], dense[j][i]))).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
