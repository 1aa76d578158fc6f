//! Any AnnData element in memory, as readers return, writers take and the faces convert it.

use super::{Data, Strings};

/// One element of an AnnData, by its encoding in the on-disk specification
/// (<https://anndata.readthedocs.io/en/stable/fileformat-prose.html>).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `numeric-scalar`, `string` and `bytes`.
    Scalar(Scalar),
    /// `array`: dense, any number of dimensions.
    Array(Array),
    /// Dense complex array, stored as (real, imaginary) pairs.
    Complex {
        /// Extents, row-major.
        shape: Vec<usize>,
        /// One (real, imaginary) pair for each value.
        data: Vec<(f64, f64)>,
        /// Whether it is complex64 on disk, else complex128.
        single: bool,
    },
    /// `string-array`, any number of dimensions.
    Strings {
        /// Extents, row-major.
        shape: Vec<usize>,
        /// The strings.
        data: Strings,
    },
    /// `categorical`.
    Categorical(Categorical),
    /// `nullable-integer`, `nullable-boolean`, `nullable-string-array`.
    Nullable(Nullable),
    /// `csr_matrix`, `csc_matrix`.
    Sparse(Sparse),
    /// `dataframe`.
    DataFrame(DataFrame),
    /// `dict`: keys in the file's order.
    Dict(Vec<(String, Value)>),
    /// `rec-array`: one entry per field, all of the same length; fields may have further axes.
    RecArray(Vec<(String, Value)>),
    /// `awkward-array`: its buffers, and the attributes that describe them.
    Awkward {
        /// Number of rows.
        length: u64,
        /// The form, in awkward's JSON.
        form: String,
        /// Buffers by key.
        buffers: Vec<(String, Value)>,
    },
}

/// A value without axes.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Scalar {
    /// One number or bool in its on-disk dtype: a buffer of length 1.
    Number(Data),
    Complex(f64, f64),
    String(String),
    /// Raw bytes that are not text.
    Bytes(Vec<u8>),
}

/// A dense numeric or boolean array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extents, row-major (C order).
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values.
    pub data: Data,
}

/// Codes that point into categories.
#[derive(Debug, Clone, PartialEq)]
pub struct Categorical {
    /// Code of each row; -1 is missing.
    pub codes: Vec<i32>,
    /// The distinct values in order, used or not: a 1-D [`Value::Strings`], [`Value::Array`] or
    /// [`Value::Nullable`].
    pub categories: Box<Value>,
    /// Whether the order of the categories has a meaning.
    pub ordered: bool,
}

/// Values with a mask of missing ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Nullable {
    /// 1-D [`Value::Array`] (integer or bool) or [`Value::Strings`].
    pub values: Box<Value>,
    /// Mask, `true` where a value is missing.
    pub mask: Vec<bool>,
    /// The way missing texts compare; ignored for numbers.
    pub na_value: NaValue,
}

/// The way missing texts of a `nullable-string-array` compare in pandas: its attribute `na-value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NaValue {
    /// No attribute, which means [`NaValue::Na`] (anndata up to 0.12). None is written.
    #[default]
    Unstated,
    /// `pandas.NA`: a comparison with a missing text is missing.
    Na,
    /// NaN: a comparison with a missing text is false, as in `str` columns of pandas 3.
    NaN,
}

impl Nullable {
    /// Makes nullable values; `mask` is `true` where a value is missing. The kind of missing is
    /// [`NaValue::Unstated`].
    pub fn new(values: Value, mask: Vec<bool>) -> Nullable {
        Nullable { values: Box::new(values), mask, na_value: NaValue::default() }
    }
}

/// The axis that a sparse matrix is compressed along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SparseFormat {
    /// Compressed rows.
    Csr,
    /// Compressed columns.
    Csc,
}

/// A compressed sparse matrix in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    /// The compressed axis.
    pub format: SparseFormat,
    /// Numbers of rows and columns.
    pub shape: (usize, usize),
    /// Start of each compressed row (column) in `indices` and `data`, followed by their length.
    pub indptr: Vec<u64>,
    /// Column (row) of each stored value.
    pub indices: Vec<u32>,
    /// The stored values.
    pub data: Data,
}

/// A table: an index and named columns of the same length, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFrame {
    /// Name of the index; `None` for pandas' unnamed index, stored as `_index`.
    pub index_name: Option<String>,
    /// The index, usually a 1-D [`Value::Strings`].
    pub index: Box<Value>,
    /// Columns in order, each a 1-D value of the length of the index.
    pub columns: Vec<(String, Value)>,
}

impl Value {
    /// Makes a 1-D numeric array.
    pub fn vector(data: impl Into<Data>) -> Value {
        let data = data.into();
        Value::Array(Array { shape: vec![data.len()], data })
    }

    /// Makes a dense matrix of `rows x columns` values, row-major.
    pub fn matrix(rows: usize, columns: usize, data: impl Into<Data>) -> Value {
        Value::Array(Array { shape: vec![rows, columns], data: data.into() })
    }

    /// Makes a 1-D string array.
    pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
        let data: Strings = items.into_iter().collect();
        Value::Strings { shape: vec![data.len()], data }
    }

    /// Makes a numeric scalar: `Value::number(1.5_f64)`, `Value::number(3_i64)`,
    /// `Value::number(true)`.
    pub fn number<T: super::Number>(x: T) -> Value {
        Value::Scalar(Scalar::Number(T::wrap(vec![x])))
    }

    /// Makes a string scalar.
    pub fn string(s: impl Into<String>) -> Value {
        Value::Scalar(Scalar::String(s.into()))
    }

    /// Returns the length of the first axis; `None` for a value without axes.
    #[allow(clippy::len_without_is_empty)] // a value without axes is neither empty nor not
    pub fn len(&self) -> Option<usize> {
        match self {
            Value::Array(Array { shape, .. }) | Value::Complex { shape, .. } | Value::Strings { shape, .. } => {
                shape.first().copied()
            }
            Value::Categorical(c) => Some(c.codes.len()),
            Value::Nullable(n) => Some(n.mask.len()),
            Value::Sparse(s) => Some(s.shape.0),
            Value::DataFrame(d) => d.index.len(),
            Value::RecArray(fields) => fields.first().and_then(|(_, v)| v.len()),
            Value::Awkward { length, .. } => usize::try_from(*length).ok(),
            Value::Null | Value::Scalar(_) | Value::Dict(_) => None,
        }
    }
}
