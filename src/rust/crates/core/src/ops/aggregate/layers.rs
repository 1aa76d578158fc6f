//! Results as matrices: dense, or compressed rows where there are many groups.

use super::options::{Functions, AGGREGATE};
use crate::dtype::Number;
use crate::element::{Array, DType, Data, Sparse, SparseFormat, Value};
use crate::error::Result;
use crate::memory;
use crate::ops::group_sums::{Cell, Summed};

/// Values of a result (groups x genes) up to which it is dense.
pub const DENSE: usize = 1 << 25;

/// A matrix a function, made row by row.
pub(super) struct Layers {
    dof: usize,
    n_cols: usize,
    /// The present row, how many members its group has.
    row: usize,
    size: usize,
    all: Vec<Layer>,
}

/// One of them.
struct Layer {
    function: Function,
    /// Of compressed rows; empty in a dense one.
    indptr: Vec<u64>,
    indices: Vec<u32>,
    sparse: bool,
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
}

impl Layers {
    /// Of `sizes.len()` rows, in all of which together there are `stored` sums of values of `dtype`.
    pub(super) fn of_groups(
        functions: &Functions,
        dtype: DType,
        sizes: &[usize],
        dof: usize,
        n_cols: usize,
        stored: usize,
    ) -> Result<Self> {
        let sparse = memory::count(&[sizes.len(), n_cols], AGGREGATE)? > DENSE;
        let undefined = |least: usize| sizes.iter().filter(|&&n| n < least).count().saturating_mul(n_cols);
        let room = |function| {
            let n = match function {
                Function::Mean => stored.saturating_add(undefined(1)),
                Function::Var => stored.saturating_add(undefined(dof + 1)),
                _ => stored,
            };
            if sparse {
                n
            } else {
                sizes.len() * n_cols
            }
        };
        Layers::new(functions, dtype, sizes.len(), n_cols, dof, sparse, room)
    }

    /// Dense, of `n_rows` rows.
    pub(super) fn dense(functions: &Functions, dtype: DType, n_rows: usize, n_cols: usize, dof: usize) -> Result<Self> {
        let n = memory::count(&[n_rows, n_cols], AGGREGATE)?;
        Layers::new(functions, dtype, n_rows, n_cols, dof, false, |_| n)
    }

    fn new(
        functions: &Functions,
        dtype: DType,
        n_rows: usize,
        n_cols: usize,
        dof: usize,
        sparse: bool,
        room: impl Fn(Function) -> usize,
    ) -> Result<Self> {
        let asked = [
            (functions.sum, Function::Sum),
            (functions.mean, Function::Mean),
            (functions.var, Function::Var),
            (functions.count_nonzero, Function::CountNonzero),
        ];
        let layer = |function| {
            let n = room(function);
            let whole = function == Function::CountNonzero || function == Function::Sum && dtype == DType::I64;
            Ok(Layer {
                function,
                indptr: memory::exactly(
                    if sparse { n_rows + 1 } else { 0 },
                    sparse.then_some(0).into_iter(),
                    AGGREGATE,
                )?,
                indices: memory::room(if sparse { n } else { 0 }, AGGREGATE)?,
                sparse,
                data: match (whole, sparse) {
                    (true, true) => Data::I64(memory::room(n, AGGREGATE)?),
                    (true, false) => Data::I64(memory::zeros(n, AGGREGATE)?),
                    (false, true) => Data::F64(memory::room(n, AGGREGATE)?),
                    (false, false) => Data::F64(memory::zeros(n, AGGREGATE)?),
                },
            })
        };
        let all = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, function)| layer(function));
        Ok(Layers { dof, n_cols, row: 0, size: 0, all: all.collect::<Result<_>>()? })
    }

    /// Begins the values of a group of `size` members, in a row.
    pub(super) fn begin(&mut self, row: usize, size: usize) {
        (self.row, self.size) = (row, size);
        for layer in &mut self.all {
            if layer.is_undefined(size, self.dof) {
                (0..self.n_cols).for_each(|c| layer.real(row * self.n_cols, c, f64::NAN));
            }
        }
    }

    /// Puts what the sums of a column say.
    pub(super) fn put<C: Cell>(&mut self, column: usize, cell: &C) {
        let Layers { dof, n_cols, row, size, all } = self;
        let (start, n, sum) = (*row * *n_cols, *size as f64, cell.sum());
        for layer in all {
            match layer.function {
                _ if layer.is_undefined(*size, *dof) => {}
                Function::Sum => match &layer.data {
                    Data::I64(_) => layer.whole(start, column, C::Value::whole(sum)),
                    _ => layer.real(start, column, sum.to_f64()),
                },
                Function::Mean => layer.real(start, column, sum.to_f64() / n),
                Function::Var => layer.real(start, column, cell.moments(*size).m2 / (n - *dof as f64)),
                Function::CountNonzero => layer.whole(start, column, cell.n() as i64),
            }
        }
    }

    /// Puts one value into a dense result: what the sums of `size` members of a column's group say.
    pub(super) fn set<C: Cell>(&mut self, row: usize, column: usize, size: usize, cell: &C) {
        (self.row, self.size) = (row, size);
        let start = row * self.n_cols;
        let undefined = |layer: &&mut Layer| layer.is_undefined(size, self.dof);
        self.all.iter_mut().filter(undefined).for_each(|layer| layer.real(start, column, f64::NAN));
        self.put(column, cell);
    }

    /// Ends a row.
    pub(super) fn end(&mut self) {
        for layer in self.all.iter_mut().filter(|layer| layer.sparse) {
            layer.indptr.push(layer.indices.len() as u64);
        }
    }

    /// The matrices, by function.
    pub(super) fn finish(self, n_rows: usize) -> Vec<(&'static str, Value)> {
        let shape = (n_rows, self.n_cols);
        let value = |layer: Layer| {
            let Layer { function, indptr, indices, sparse, data } = layer;
            let value = if sparse {
                Value::Sparse(Sparse { format: SparseFormat::Csr, shape, indptr, indices, data })
            } else {
                Value::Array(Array { shape: vec![shape.0, shape.1], data })
            };
            (function.name(), value)
        };
        self.all.into_iter().map(value).collect()
    }
}

impl Layer {
    fn is_undefined(&self, size: usize, dof: usize) -> bool {
        match self.function {
            Function::Mean => size == 0,
            Function::Var => size <= dof,
            _ => false,
        }
    }

    fn real(&mut self, start: usize, column: usize, x: f64) {
        if let Data::F64(v) = &mut self.data {
            put(v, &mut self.indices, self.sparse, start, column, x);
        }
    }

    fn whole(&mut self, start: usize, column: usize, x: i64) {
        if let Data::I64(v) = &mut self.data {
            put(v, &mut self.indices, self.sparse, start, column, x);
        }
    }
}

fn put<T>(v: &mut Vec<T>, indices: &mut Vec<u32>, sparse: bool, start: usize, column: usize, x: T) {
    if sparse {
        v.push(x);
        indices.push(column as u32);
    } else {
        v[start + column] = x;
    }
}
