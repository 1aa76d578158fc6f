//! Cells by group: members, subgraphs, and the order of group names.

use crate::error::{Error, Result};
use sprs::CsMatI;
use std::cmp::Ordering;

/// The members of each group, ascending: those of group g are `members[start[g]..start[g + 1]]`.
pub(super) fn members(group: &[u32], n_groups: usize) -> (Vec<usize>, Vec<u32>) {
    let mut start = vec![0usize; n_groups + 1];
    group.iter().for_each(|&g| start[g as usize + 1] += 1);
    (0..n_groups).for_each(|g| start[g + 1] += start[g]);
    let mut members = vec![0u32; group.len()];
    let mut next = start.clone();
    for (item, &g) in group.iter().enumerate() {
        members[next[g as usize]] = item as u32;
        next[g as usize] += 1;
    }
    (start, members)
}

/// The graph of the vertices in `keep` alone, in their order.
///
/// # Errors
/// [`Error::Shape`] when the graph is not square with one row per entry of `keep`; [`Error::Parameter`] for CSC.
pub fn subgraph(graph: &CsMatI<f32, u32, usize>, keep: &[bool]) -> Result<CsMatI<f32, u32, usize>> {
    const NONE: u32 = u32::MAX;
    let n = keep.len();
    if graph.shape() != (n, n) {
        let (rows, cols) = graph.shape();
        return Err(Error::shape("connectivities", format!("{n} x {n}"), format!("{rows} x {cols}")));
    }
    if !graph.is_csr() {
        return Err(Error::parameter("connectivities", "a matrix stored as CSR", "CSC"));
    }
    let mut number = vec![NONE; n];
    let mut count = 0;
    for (number, _) in number.iter_mut().zip(keep).filter(|(_, &keep)| keep) {
        *number = count as u32;
        count += 1;
    }
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for (row, _) in graph.outer_iterator().zip(keep).filter(|(_, &keep)| keep) {
        for (j, &weight) in row.iter().filter(|&(j, _)| number[j] != NONE) {
            indices.push(number[j]);
            data.push(weight);
        }
        indptr.push(indices.len());
    }
    Ok(CsMatI::new((count, count), indptr, indices, data))
}

/// Order of names in which runs of digits count as numbers: "2" before "10" (as Python's `natsort`).
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (run(&mut a), run(&mut b));
        let order = match (x, y) {
            ("", "") => return Ordering::Equal,
            _ if is_number(x) && is_number(y) => {
                let (m, n) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                m.len().cmp(&n.len()).then(m.cmp(n)).then(x.cmp(y))
            }
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes the leading run of digits or of other characters.
fn run<'a>(text: &mut &'a str) -> &'a str {
    let digits = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_in_natural_order() {
        let mut names = ["10", "2", "0-1,10", "0-1,9", "b", "B cell 12", "B cell 3", "1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["0-1,9", "0-1,10", "1", "2", "10", "B cell 3", "B cell 12", "b"]);
    }
}
