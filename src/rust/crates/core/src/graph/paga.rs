//! Partition-based graph abstraction (Wolf et al. 2019, Genome Biology 20:59): the number of
//! neighbours that two groups of cells have in each other, relative to the number expected by
//! chance.

use super::groups::members;
use super::links::Links;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use sprs::CsMatI;

/// The name, in errors, of memory that grows with the number of groups.
const GROUPS: &str = "links between the groups";

/// The abstracted graph of `n_groups` groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Paga {
    /// n_groups x n_groups, symmetric CSR without diagonal: links found divided by links expected,
    /// at most 1.
    pub connectivities: CsMatI<f64, u32, usize>,
    /// The maximum spanning forest of the connectivities, each edge once, above the diagonal.
    pub tree: CsMatI<f64, u32, usize>,
    /// Number of cells in each group.
    pub sizes: Vec<u64>,
}

/// Computes the abstracted graph of `groups` (one number below `n_groups` per cell) from the
/// directed neighbours of `distances` (n_obs x n_obs CSR as `obsp["distances"]`). Only the places
/// of the stored entries are used, not their values.
///
/// Equals `scanpy.tl.paga(model = "v1.2")`: with e_i links from the n_i cells of group i, links
/// within it included, groups i and j of n cells are expected to share (e_i n_j + e_j n_i) / (n -
/// 1) links.
///
/// # Errors
/// [`Error::Shape`] where `groups` has not one entry per cell; [`Error::Parameter`] for a CSC
/// matrix or a group number of `n_groups` or more; [`Error::Cancelled`].
pub fn paga(distances: &impl Links, groups: &[u32], n_groups: usize, session: &Session) -> Result<Paga> {
    let distances = distances.borrowed();
    let n = groups.len();
    if distances.shape() != (n, n) {
        let (rows, cols) = distances.shape();
        return Err(Error::shape("distances", format!("{n} x {n}"), format!("{rows} x {cols}")));
    }
    if !distances.is_csr() {
        return Err(Error::parameter("distances", "a matrix stored as CSR", "CSC"));
    }
    if let Some(group) = groups.iter().find(|&&g| g as usize >= n_groups) {
        return Err(Error::parameter("groups", format!("numbers below {n_groups}"), group));
    }
    // The cells by group, and the links between groups.
    let bytes = n.saturating_mul(4).saturating_add(n_groups.saturating_mul(32));
    let _held = session.hold(format!("paga of {n} cells in {n_groups} groups"), bytes)?;
    let (start, cells) = members(groups, n_groups)?;
    let sizes: Vec<u64> = start.windows(2).map(|w| (w[1] - w[0]) as u64).collect();
    let mut links = memory::zeros::<u64>(n_groups, GROUPS)?;
    let mut shared: Vec<(u32, u32, u64)> = Vec::new();
    let mut counts = memory::zeros::<u64>(n_groups, GROUPS)?;
    session.monitor.begin(n as u64);
    for (g, range) in start.windows(2).enumerate() {
        for cells in cells[range[0]..range[1]].chunks(4096) {
            session.monitor.check()?;
            for &cell in cells {
                let row = distances.outer_view(cell as usize);
                let row = row.as_ref().map_or(&[][..], |row| row.indices());
                row.iter().for_each(|&other| counts[groups[other as usize] as usize] += 1);
            }
            session.monitor.advance(cells.len() as u64);
        }
        links[g] = counts.iter().sum();
        memory::reserve(&mut shared, 2 * counts.iter().filter(|&&count| count > 0).count(), GROUPS)?;
        for (h, count) in counts.iter_mut().enumerate() {
            if *count > 0 && h != g {
                shared.extend([(g as u32, h as u32, *count), (h as u32, g as u32, *count)]);
            }
            *count = 0;
        }
    }
    shared.sort_unstable();
    let (mut indptr, mut indices, mut data) = (
        memory::zeros::<usize>(n_groups + 1, GROUPS)?,
        memory::room(shared.len(), GROUPS)?,
        memory::room(shared.len(), GROUPS)?,
    );
    for pair in shared.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (i, j) = (pair[0].0 as usize, pair[0].1 as usize);
        let found: u64 = pair.iter().map(|p| p.2).sum();
        let expected = (links[i] as f64 * sizes[j] as f64 + links[j] as f64 * sizes[i] as f64) / (n - 1) as f64;
        indices.push(j as u32);
        data.push((found as f64 / expected).min(1.0));
        indptr[i + 1] = indices.len();
    }
    (0..n_groups).for_each(|i| indptr[i + 1] = indptr[i + 1].max(indptr[i]));
    let connectivities = CsMatI::new((n_groups, n_groups), indptr, indices, data);
    Ok(Paga { tree: spanning_tree(&connectivities)?, connectivities, sizes })
}

/// Returns the maximum spanning forest, by Kruskal's algorithm from the strongest edge on; ties are
/// in the order of rows and columns.
fn spanning_tree(graph: &CsMatI<f64, u32, usize>) -> Result<CsMatI<f64, u32, usize>> {
    let n = graph.rows();
    let mut edges: Vec<(u32, u32, f64)> = memory::room(graph.nnz(), GROUPS)?;
    edges.extend(graph.iter().map(|(&weight, (i, j))| (i, j, weight)).filter(|&(i, j, _)| i < j));
    edges.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let mut root: Vec<u32> = (0..n as u32).collect();
    edges.retain(|&(i, j, _)| {
        let (i, j) = (find(&mut root, i), find(&mut root, j));
        root[i as usize] = j;
        i != j
    });
    edges.sort_unstable_by_key(|&(i, j, _)| (i, j));
    let mut indptr = vec![0; n + 1];
    edges.iter().for_each(|e| indptr[e.0 as usize + 1] += 1);
    (0..n).for_each(|i| indptr[i + 1] += indptr[i]);
    Ok(CsMatI::new((n, n), indptr, edges.iter().map(|e| e.1).collect(), edges.iter().map(|e| e.2).collect()))
}

/// Returns the representative of an item, and halves the path to it.
fn find(root: &mut [u32], mut item: u32) -> u32 {
    while root[item as usize] != item {
        root[item as usize] = root[root[item as usize] as usize];
        item = root[item as usize];
    }
    item
}
