//! Cells by group: members and subgraphs.

use super::links::Links;
use crate::error::{Error, Result};
use crate::memory;
use sprs::CsMatI;

/// Returns the offset of each group in the members, and the members by group: group g has
/// `members[start[g]..start[g + 1]]`, ascending.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn members(group: &[u32], n_groups: usize) -> Result<(Vec<usize>, Vec<u32>)> {
    const MEMBERS: &str = "members of groups";
    let mut start = memory::zeros::<usize>(n_groups + 1, MEMBERS)?;
    group.iter().for_each(|&g| start[g as usize + 1] += 1);
    (0..n_groups).for_each(|g| start[g + 1] += start[g]);
    let mut members = memory::zeros::<u32>(group.len(), MEMBERS)?;
    let mut next = memory::copied(&start, MEMBERS)?;
    for (item, &g) in group.iter().enumerate() {
        members[next[g as usize]] = item as u32;
        next[g as usize] += 1;
    }
    Ok((start, members))
}

/// Returns the graph of the vertices in `keep` only, in their order.
///
/// # Errors
/// [`Error::Shape`] where the graph is not square with one row per entry of `keep`;
/// [`Error::Parameter`] for CSC.
pub fn subgraph(graph: &impl Links, keep: &[bool]) -> Result<CsMatI<f32, u32, usize>> {
    let graph = graph.borrowed();
    const NONE: u32 = u32::MAX;
    const GRAPH: &str = "the graph of some observations";
    let n = keep.len();
    if graph.shape() != (n, n) {
        let (rows, cols) = graph.shape();
        return Err(Error::shape("connectivities", format!("{n} x {n}"), format!("{rows} x {cols}")));
    }
    if !graph.is_csr() {
        return Err(Error::parameter("connectivities", "a matrix stored as CSR", "CSC"));
    }
    let mut number = memory::filled(n, NONE, GRAPH)?;
    let mut count = 0;
    for (number, _) in number.iter_mut().zip(keep).filter(|(_, &keep)| keep) {
        *number = count as u32;
        count += 1;
    }
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    memory::reserve(&mut indptr, count, GRAPH)?;
    for (row, _) in graph.outer_iterator().zip(keep).filter(|(_, &keep)| keep) {
        memory::reserve(&mut indices, row.nnz(), GRAPH)?;
        memory::reserve(&mut data, row.nnz(), GRAPH)?;
        for (j, &weight) in row.iter().filter(|&(j, _)| number[j] != NONE) {
            indices.push(number[j]);
            data.push(weight);
        }
        indptr.push(indices.len());
    }
    Ok(CsMatI::new((count, count), indptr, indices, data))
}
