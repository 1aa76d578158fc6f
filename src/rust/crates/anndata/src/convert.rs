//! Converts arrays in memory between the types of the crate `anndata` and those of the core.

use anndata::data::{DynArray, DynCscMatrix, DynCsrMatrix};
use anndata::ArrayData;
use anndataoom_core::element::{Array, Data, Sparse, SparseFormat, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::LazyMatrix;
use anyhow::{anyhow, bail, Result};
use nalgebra_sparse::{CscMatrix, CsrMatrix};
use ndarray::ArrayD;
use std::sync::Arc;

/// Runs `$body` with `$v` bound to the content of a numeric variant; gives `$otherwise` for texts.
macro_rules! numbers {
    ($enum:ident, $value:expr, $v:ident => $body:expr, $otherwise:expr) => {
        match $value {
            $enum::Bool($v) => $body,
            $enum::I8($v) => $body,
            $enum::I16($v) => $body,
            $enum::I32($v) => $body,
            $enum::I64($v) => $body,
            $enum::U8($v) => $body,
            $enum::U16($v) => $body,
            $enum::U32($v) => $body,
            $enum::U64($v) => $body,
            $enum::F32($v) => $body,
            $enum::F64($v) => $body,
            $enum::String(_) => $otherwise,
        }
    };
}

/// Runs `$body` with `$v` bound to the buffer of numbers, in a dtype that the crate `anndata` has:
/// float16 becomes float32.
macro_rules! buffer {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::Bool($v) => $body,
            Data::I8($v) => $body,
            Data::I16($v) => $body,
            Data::I32($v) => $body,
            Data::I64($v) => $body,
            Data::U8($v) => $body,
            Data::U16($v) => $body,
            Data::U32($v) => $body,
            Data::U64($v) => $body,
            Data::F16($v) => {
                let $v: Vec<f32> = $v.into_iter().map(f32::from).collect();
                $body
            }
            Data::F32($v) => $body,
            Data::F64($v) => $body,
        }
    };
}

/// Returns a chain over a matrix in memory, cells x genes. A matrix in CSC form is converted to
/// CSR.
///
/// # Errors
/// Fails for a table, for texts, for an array of other than two dimensions, and for a CSR matrix
/// that repeats columns in a row.
pub fn of_array(array: ArrayData) -> Result<LazyMatrix> {
    let texts = || anyhow!("expected a matrix of numbers, found texts");
    let source = match array {
        ArrayData::Array(a) => MemorySource::from_array(numbers!(DynArray, a, a => Ok(dense(a)), Err(texts()))?)?,
        ArrayData::CsrMatrix(m) => numbers!(DynCsrMatrix, m, m => {
            let shape = (m.nrows(), m.ncols());
            sparse(SparseFormat::Csr, shape, m.disassemble())
        }, Err(texts()))?,
        ArrayData::CscMatrix(m) => numbers!(DynCscMatrix, m, m => {
            let shape = (m.nrows(), m.ncols());
            sparse(SparseFormat::Csc, shape, m.disassemble())
        }, Err(texts()))?,
        ArrayData::CsrNonCanonical(_) => {
            bail!("expected at most one value for each row and column, found a CSR matrix that repeats some; call canonicalize() first")
        }
        ArrayData::DataFrame(_) => bail!("expected a matrix of numbers, found a table"),
    };
    Ok(LazyMatrix::new(Arc::new(source)))
}

fn dense<T: Clone>(a: ArrayD<T>) -> Array
where
    Data: From<Vec<T>>,
{
    // In C order, whatever the strides.
    Array { shape: a.shape().to_vec(), data: a.iter().cloned().collect::<Vec<T>>().into() }
}

fn sparse<T>(
    format: SparseFormat,
    shape: (usize, usize),
    (offsets, indices, values): (Vec<usize>, Vec<usize>, Vec<T>),
) -> Result<MemorySource>
where
    Data: From<Vec<T>>,
{
    let narrow = |i: usize| u32::try_from(i).map_err(|_| anyhow!("expected indices below 2^32, found {i}"));
    let indices = indices.into_iter().map(narrow).collect::<Result<_>>()?;
    let indptr = offsets.into_iter().map(|o| o as u64).collect();
    Ok(MemorySource::from_sparse(&Sparse { format, shape, indptr, indices, data: values.into() })?)
}

/// Converts an array, a sparse matrix or an array of texts to the type of the crate `anndata`, in
/// its own dtype. float16, which that crate does not have, becomes float32.
///
/// # Errors
/// Fails for a value of another encoding, with the encoding's name.
pub fn array_of(value: Value) -> Result<ArrayData> {
    match value {
        Value::Array(Array { shape, data }) => {
            buffer!(data, v => Ok(ArrayD::from_shape_vec(shape, v)?.into()))
        }
        Value::Strings { shape, data } => {
            let texts: Vec<String> = data.iter().map(str::to_owned).collect();
            Ok(ArrayD::from_shape_vec(shape, texts)?.into())
        }
        Value::Sparse(Sparse { format, shape: (rows, columns), indptr, indices, data }) => {
            let offsets: Vec<usize> = indptr.into_iter().map(|o| o as usize).collect();
            let indices: Vec<usize> = indices.into_iter().map(|i| i as usize).collect();
            let wrong = |e: nalgebra_sparse::SparseFormatError| anyhow!("a sparse matrix that contradicts itself: {e}");
            buffer!(data, v => Ok(match format {
                SparseFormat::Csr => CsrMatrix::try_from_csr_data(rows, columns, offsets, indices, v).map_err(wrong)?.into(),
                SparseFormat::Csc => CscMatrix::try_from_csc_data(rows, columns, offsets, indices, v).map_err(wrong)?.into(),
            }))
        }
        other => bail!("expected an array or a sparse matrix, found the encoding '{}'", other.encoding()),
    }
}
