//! Medians of groups. Zeros, which most values are, lie between negative and positive values, so
//! that only the others are sorted.

use super::layers::DENSE;
use super::options::{Members, AGGREGATE};
use crate::chain::LazyMatrix;
use crate::element::{Array, Data, Sparse, SparseFormat, Value as Element};
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::view::with_view;
use crate::session::Session;
use crate::stream::{gives_rows, map_columns, reduce, Column, Label, Needs, PerColumn, Reducer, Value, NO_LABEL};
use serde::Serialize;

/// Returns the median of `n` values, of which `stored` are not 0. NaN if a value is NaN or there
/// are no values.
fn median(stored: &mut [f64], n: usize) -> f64 {
    if n == 0 || stored.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let zeros = n - stored.len();
    if 2 * zeros > n {
        return 0.0;
    }
    stored.sort_unstable_by(f64::total_cmp);
    let below = stored.partition_point(|&x| x < 0.0);
    let at = |k: usize| match k {
        _ if k < below => stored[k],
        _ if k < below + zeros => 0.0,
        _ => stored[k - zeros],
    };
    let (low, high) = (at((n - 1) / 2), at(n / 2));
    // Halved before they are added, as their sum could overflow. Infinities of opposite signs give
    // NaN.
    if low == high {
        low
    } else {
        low / 2.0 + high / 2.0
    }
}

/// Returns the medians of groups of cells, groups x genes.
pub(super) fn medians_of_cells(x: &LazyMatrix, members: &Members, session: &Session) -> Result<Element> {
    let (groups, genes) = (members.sizes.len(), x.shape().1);
    let found = map_columns(x, Some(&members.labels), members, session)?;
    let n = memory::count(&[groups, genes], AGGREGATE)?;
    if n <= DENSE {
        let mut all = memory::zeros::<f64>(n, AGGREGATE)?;
        for (gene, of) in found.iter().enumerate() {
            of.iter().for_each(|&(g, x)| all[g as usize * genes + gene] = x);
        }
        return Ok(Element::Array(Array { shape: vec![groups, genes], data: Data::F64(all) }));
    }
    let mut indptr = memory::zeros::<u64>(groups + 1, AGGREGATE)?;
    found.iter().flatten().for_each(|&(g, _)| indptr[g as usize + 1] += 1);
    (0..groups).for_each(|g| indptr[g + 1] += indptr[g]);
    let stored = indptr[groups] as usize;
    let mut next = memory::copied(&indptr, AGGREGATE)?;
    let (mut indices, mut data) = (memory::zeros(stored, AGGREGATE)?, memory::zeros::<f64>(stored, AGGREGATE)?);
    for (gene, of) in found.into_iter().enumerate() {
        for (g, x) in of {
            let at = next[g as usize] as usize;
            (indices[at], data[at]) = (gene as u32, x);
            next[g as usize] += 1;
        }
    }
    let data = Data::F64(data);
    Ok(Element::Sparse(Sparse { format: SparseFormat::Csr, shape: (groups, genes), indptr, indices, data }))
}

impl PerColumn for Members {
    /// The medians that are not 0, with their groups.
    type Output = Vec<(u32, f64)>;

    fn column<T: Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<Vec<(u32, f64)>> {
        let groups = self.sizes.len();
        let mut next = memory::zeros::<usize>(groups + 1, AGGREGATE)?;
        column.labels.iter().for_each(|l| next[l.index() + 1] += 1);
        (0..groups).for_each(|g| next[g + 1] += next[g]);
        let mut values = memory::zeros::<f64>(column.values.len(), AGGREGATE)?;
        for (l, x) in column.labels.iter().zip(column.values) {
            values[next[l.index()]] = x.to_f64();
            next[l.index()] += 1;
        }
        let (mut out, mut start) = (Vec::new(), 0);
        for (g, &n) in self.sizes.iter().enumerate() {
            let found = median(&mut values[start..next[g]], n);
            start = next[g];
            if found != 0.0 {
                memory::reserve(&mut out, 1, AGGREGATE)?;
                out.push((g as u32, found));
            }
        }
        Ok(out)
    }
}

/// Returns the medians of groups of genes, n_obs x groups.
pub(super) fn medians_of_genes(x: &LazyMatrix, members: &Members, session: &Session) -> Result<Element> {
    let n = x.shape().0;
    let data = Data::F64(reduce(x, &OfGenes { n_rows: n, members }, session)?);
    Ok(Element::Array(Array { shape: vec![n, members.sizes.len()], data }))
}

#[derive(Serialize)]
struct OfGenes<'a> {
    n_rows: usize,
    members: &'a Members,
}

impl Reducer for OfGenes<'_> {
    const NAME: &'static str = "aggregate: medians of groups of genes";
    const NEEDS: Needs = Needs::FILE;
    gives_rows!(Vec<f64>);

    fn map(&self, block: Block) -> Result<((), Vec<f64>)> {
        let Members { labels, sizes } = self.members;
        let mut out = memory::room(memory::count(&[block.n_rows(), sizes.len()], AGGREGATE)?, AGGREGATE)?;
        let mut groups: Vec<Vec<f64>> = memory::filled(sizes.len(), Vec::new(), AGGREGATE)?;
        with_view!(block, view => {
            for i in 0..view.n_rows() {
                let (columns, values) = view.row(i);
                for (k, x) in values.iter().enumerate().map(|(k, x)| (k, crate::element::Number::to_f64(*x))) {
                    if x == 0.0 {
                        continue;
                    }
                    let label = labels[columns.map_or(k, |c| c[k] as usize)];
                    if label != NO_LABEL {
                        let to = &mut groups[label as usize];
                        memory::reserve(to, 1, AGGREGATE)?;
                        to.push(x);
                    }
                }
                for (stored, &n) in groups.iter_mut().zip(sizes) {
                    out.push(median(stored, n));
                    stored.clear();
                }
            }
            Ok(((), out))
        })
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(memory::count(&[self.n_rows, self.members.sizes.len()], AGGREGATE)?, AGGREGATE)
    }
}
