//! Results as matrices: dense, or compressed rows where there are many groups.

use super::options::{Functions, AGGREGATE};
use crate::dtype::Number;
use crate::element::{Array, DType, Data, Sparse, SparseFormat, Value};
use crate::error::Result;
use crate::memory;
use crate::ops::group_sums::{Accumulator, Summed};
use std::ops::Range;

/// The number of values of a result (groups x genes) up to which it is dense.
pub const DENSE: usize = 1 << 25;

/// The results: a matrix for each function.
pub(super) struct Layers {
    dof: usize,
    n_cols: usize,
    all: Vec<Layer>,
}

/// The result of one function.
struct Layer {
    function: Function,
    /// The row starts and the columns of compressed rows; `None` for a dense result.
    sparse: Option<(Vec<u64>, Vec<u32>)>,
    data: Data,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Sum,
    Mean,
    Var,
    CountNonzero,
}

impl Function {
    fn name(self) -> &'static str {
        Functions::NAMES[self as usize]
    }

    /// Returns whether the function is NaN for a group of `size` values.
    fn is_undefined(self, size: usize, dof: usize) -> bool {
        match self {
            Function::Mean => size == 0,
            Function::Var => size <= dof,
            _ => false,
        }
    }
}

impl Layers {
    /// Makes results with a row of `n_cols` columns for each group, dense up to [`DENSE`] elements
    /// and else compressed. A compressed row has room for the sums of the group, whose number is in
    /// `counts`. `sizes` has the number of members of each group.
    pub(super) fn of_groups(
        functions: &Functions,
        dtype: DType,
        sizes: &[usize],
        dof: usize,
        n_cols: usize,
        counts: &[usize],
    ) -> Result<Self> {
        if memory::count(&[sizes.len(), n_cols], AGGREGATE)? <= DENSE {
            return Layers::dense(functions, dtype, sizes.len(), n_cols, dof);
        }
        Layers::new(functions, dtype, dof, n_cols, |function| {
            let mut starts = memory::zeros::<u64>(sizes.len() + 1, AGGREGATE)?;
            for (g, (&size, &n)) in sizes.iter().zip(counts).enumerate() {
                let n = if function.is_undefined(size, dof) { n_cols } else { n };
                starts[g + 1] = starts[g] + n as u64;
            }
            let n = starts[sizes.len()] as usize;
            Ok((n, Some((starts, memory::zeros(n, AGGREGATE)?))))
        })
    }

    /// Makes dense results of zeros.
    pub(super) fn dense(functions: &Functions, dtype: DType, n_rows: usize, n_cols: usize, dof: usize) -> Result<Self> {
        let n = memory::count(&[n_rows, n_cols], AGGREGATE)?;
        Layers::new(functions, dtype, dof, n_cols, |_| Ok((n, None)))
    }

    fn new(
        functions: &Functions,
        dtype: DType,
        dof: usize,
        n_cols: usize,
        room: impl Fn(Function) -> Result<(usize, Option<(Vec<u64>, Vec<u32>)>)>,
    ) -> Result<Self> {
        let asked = [
            (functions.sum, Function::Sum),
            (functions.mean, Function::Mean),
            (functions.var, Function::Var),
            (functions.count_nonzero, Function::CountNonzero),
        ];
        let layer = |function| {
            let (n, sparse) = room(function)?;
            let whole = function == Function::CountNonzero || function == Function::Sum && dtype == DType::I64;
            let data =
                if whole { Data::I64(memory::zeros(n, AGGREGATE)?) } else { Data::F64(memory::zeros(n, AGGREGATE)?) };
            Ok(Layer { function, sparse, data })
        };
        let all = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, function)| layer(function));
        Ok(Layers { dof, n_cols, all: all.collect::<Result<_>>()? })
    }

    /// Splits the rows of all layers into parts, which follow each other.
    pub(super) fn parts(&mut self, rows: &[Range<usize>]) -> Result<Vec<Part<'_>>> {
        let (dof, n_cols) = (self.dof, self.n_cols);
        let part = |rows: &Range<usize>| {
            Ok(Part { dof, n_cols, first: rows.start, all: memory::room(self.all.len(), AGGREGATE)? })
        };
        let mut out = memory::tried(rows.iter().map(part), AGGREGATE)?;
        for layer in &mut self.all {
            let (mut columns, starts) = match &mut layer.sparse {
                Some((starts, columns)) => (Some(columns.as_mut_slice()), Some(starts.as_slice())),
                None => (None, None),
            };
            let mut values = match &mut layer.data {
                Data::I64(v) => Values::Whole(v),
                Data::F64(v) => Values::Real(v),
                other => return Err(crate::error::Error::Internal(format!("a layer of {}", other.dtype()))),
            };
            for (part, rows) in out.iter_mut().zip(rows) {
                let starts = starts.map(|starts| &starts[rows.start..=rows.end]);
                let n = starts.map_or(rows.len() * n_cols, |s| (s[s.len() - 1] - s[0]) as usize);
                let own;
                (own, values) = values.split_at(n);
                let (of_sparse, rest) = match columns {
                    Some(columns) => {
                        let (own, rest) = columns.split_at_mut(n);
                        (starts.map(|starts| (starts, own)), Some(rest))
                    }
                    None => (None, None),
                };
                columns = rest;
                part.all.push(PartOf { function: layer.function, sparse: of_sparse, values: own });
            }
        }
        Ok(out)
    }

    /// Returns the matrices with the names of their functions.
    pub(super) fn finish(self, n_rows: usize) -> Vec<(&'static str, Value)> {
        let shape = (n_rows, self.n_cols);
        let value = |layer: Layer| {
            let Layer { function, sparse, data } = layer;
            let value = match sparse {
                Some((indptr, indices)) => {
                    Value::Sparse(Sparse { format: SparseFormat::Csr, shape, indptr, indices, data })
                }
                None => Value::Array(Array { shape: vec![shape.0, shape.1], data }),
            };
            (function.name(), value)
        };
        self.all.into_iter().map(value).collect()
    }
}

/// A range of neighbouring rows of all layers.
pub(super) struct Part<'a> {
    dof: usize,
    n_cols: usize,
    first: usize,
    all: Vec<PartOf<'a>>,
}

struct PartOf<'a> {
    function: Function,
    sparse: Option<(&'a [u64], &'a mut [u32])>,
    values: Values<'a>,
}

enum Values<'a> {
    Whole(&'a mut [i64]),
    Real(&'a mut [f64]),
}

impl<'a> Values<'a> {
    fn split_at(self, n: usize) -> (Self, Self) {
        match self {
            Values::Whole(v) => {
                let (own, rest) = v.split_at_mut(n);
                (Values::Whole(own), Values::Whole(rest))
            }
            Values::Real(v) => {
                let (own, rest) = v.split_at_mut(n);
                (Values::Real(own), Values::Real(rest))
            }
        }
    }
}

impl Part<'_> {
    /// Writes the sums of a group of `size` members into row `row` of all layers. `sums` has pairs
    /// of a column and its sum; columns are counted from the first of `columns`. In compressed
    /// rows, `before` sums of the row were written by earlier calls.
    pub(super) fn put<C: Accumulator>(
        &mut self,
        row: usize,
        size: usize,
        columns: Range<usize>,
        before: usize,
        sums: &[(u32, C)],
    ) {
        let (dof, n_cols, i) = (self.dof, self.n_cols, row - self.first);
        for PartOf { function, sparse, values } in &mut self.all {
            if function.is_undefined(size, dof) {
                // Only means and variances can be undefined, and both are doubles.
                let Values::Real(values) = values else { continue };
                let start = match sparse {
                    None => i * n_cols,
                    Some((starts, of)) => {
                        let start = (starts[i] - starts[0]) as usize;
                        of[start..][columns.clone()].iter_mut().zip(columns.clone()).for_each(|(c, j)| *c = j as u32);
                        start
                    }
                };
                values[start..][columns.clone()].fill(f64::NAN);
                continue;
            }
            let place = match sparse {
                None => Place::Dense(i * n_cols + columns.start),
                Some((starts, of)) => {
                    let start = (starts[i] - starts[0]) as usize + before;
                    let of = of[start..].iter_mut().zip(sums);
                    of.for_each(|(c, (j, _))| *c = columns.start as u32 + j);
                    Place::Next(start)
                }
            };
            let n = size as f64;
            match (function, values) {
                (Function::Sum, Values::Whole(v)) => place.fill(v, sums, |cell| C::Value::whole(cell.sum())),
                (Function::Sum, Values::Real(v)) => place.fill(v, sums, |cell| cell.sum().to_f64()),
                (Function::Mean, Values::Real(v)) => place.fill(v, sums, |cell| cell.sum().to_f64() / n),
                (Function::Var, Values::Real(v)) => {
                    place.fill(v, sums, |cell| cell.moments(size).m2 / (n - dof as f64));
                }
                (Function::CountNonzero, Values::Whole(v)) => place.fill(v, sums, |cell| cell.n() as i64),
                (Function::Mean | Function::Var, Values::Whole(_)) | (Function::CountNonzero, Values::Real(_)) => {}
            }
        }
    }
}

/// The place of sums in a row: each at its column, counted from a position on, or one after the
/// other from a position on.
enum Place {
    Dense(usize),
    Next(usize),
}

impl Place {
    fn fill<T, C>(&self, to: &mut [T], sums: &[(u32, C)], of: impl Fn(&C) -> T) {
        match *self {
            Place::Dense(start) => sums.iter().for_each(|(j, cell)| to[start + *j as usize] = of(cell)),
            Place::Next(start) => to[start..].iter_mut().zip(sums).for_each(|(to, (_, cell))| *to = of(cell)),
        }
    }
}
