//! `csr_matrix` and `csc_matrix`: compressed rows or columns.

use super::{array, encoding_of, unknown_value, DatasetOptions, Encoding, Matrix, Reading, PLAIN};
use crate::element::{Description, Number, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{Attribute, GroupWriter, Kind, Layout, Node, Values};
use crate::with_data;

pub(super) const CSR: Encoding = Encoding {
    name: "csr_matrix",
    takes: |value| matches!(value, Value::Sparse(Sparse { format: SparseFormat::Csr, .. })),
    matrix: |node| matrix(node, SparseFormat::Csr).map(Some),
    ..COMPRESSED
};

pub(super) const CSC: Encoding = Encoding {
    name: "csc_matrix",
    takes: |value| matches!(value, Value::Sparse(Sparse { format: SparseFormat::Csc, .. })),
    matrix: |node| matrix(node, SparseFormat::Csc).map(Some),
    ..COMPRESSED
};

const COMPRESSED: Encoding = Encoding { versions: &["0.1.0"], read, describe, write, ..PLAIN };

fn encoding(format: SparseFormat) -> &'static Encoding {
    match format {
        SparseFormat::Csr => &CSR,
        SparseFormat::Csc => &CSC,
    }
}

/// Writes the attributes of the group of a sparse matrix: encoding and shape.
pub(crate) fn start(group: &GroupWriter<'_>, format: SparseFormat, shape: (usize, usize)) -> Result<()> {
    encoding(format).mark_group(group)?;
    group.set_integers("shape", &[shape.0 as i64, shape.1 as i64])
}

/// Returns the format and extents of a sparse matrix, for streaming.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) without two extents, or for an extent of 2^32 or more.
pub(super) fn matrix(node: &Node, format: SparseFormat) -> Result<Matrix> {
    let shape = match node.attribute("shape")? {
        None => node.attribute("h5sparse_shape")?,
        found => found,
    };
    let shape = shape.ok_or_else(|| node.format("an attribute 'shape'", "none"))?;
    let extent = |n: i64| u32::try_from(n).ok().map(|n| n as usize);
    let extents = match shape.integers() {
        Some(&[n, m]) => extent(n).zip(extent(m)),
        Some(_) => None,
        None => return Err(node.format("an attribute 'shape' of two integers", shape.to_string())),
    };
    let found = || shape.to_string();
    let extents = extents.ok_or_else(|| node.format("a shape of two numbers below 4294967296", found()))?;
    Ok(Matrix::Sparse(format, extents))
}

fn read(node: &Node, _: &Reading) -> Result<Value> {
    let format = match encoding_of(node)?.0.as_str() {
        "csc_matrix" => SparseFormat::Csc,
        _ => SparseFormat::Csr,
    };
    read_as(node, format, shape_of(node, "shape")?)
}

/// Returns the extents stored in an attribute.
pub(super) fn shape_of(node: &Node, attribute: &str) -> Result<(usize, usize)> {
    let expected = || format!("two extents in the attribute '{attribute}'");
    let Some(found) = node.attribute(attribute)? else {
        return Err(node.format(expected(), "no such attribute"));
    };
    let extents: Option<Vec<usize>> = match &found {
        Attribute::Integer(v) => v.iter().map(|&x| usize::try_from(x).ok()).collect(),
        // R sometimes writes integers as doubles.
        Attribute::Float(v) => {
            let whole = |x: f64| (x >= 0.0 && x <= 2_f64.powi(53) && x.fract() == 0.0).then_some(x as usize);
            v.iter().map(|&x| whole(x)).collect()
        }
        _ => None,
    };
    match extents.as_deref() {
        Some(&[rows, columns]) => Ok((rows, columns)),
        _ => Err(node.format(expected(), found.to_string())),
    }
}

/// Reads the three datasets and checks them against the shape and each other.
pub(super) fn read_as(node: &Node, format: SparseFormat, shape: (usize, usize)) -> Result<Value> {
    let (major, minor) = match format {
        SparseFormat::Csr => shape,
        SparseFormat::Csc => (shape.1, shape.0),
    };
    if minor > u32::MAX as usize {
        return Err(node.unsupported(format!("a sparse matrix of {minor} rows or columns in 'indices'"), ""));
    }
    let (data, indices, indptr) = (node.child("data")?, node.child("indices")?, node.child("indptr")?);
    let nnz = data.shape().unwrap_or_default();
    if indices.shape().unwrap_or_default() != nnz || nnz.len() != 1 {
        return Err(indices.format(format!("extents {nnz:?}, as 'data'"), format!("{:?}", indices.shape())));
    }
    // Checked before anything is allocated for a shape that the file only claims.
    let pointers = indptr.shape().unwrap_or_default();
    if pointers != [major.saturating_add(1)] {
        return Err(indptr.format(format!("{} offsets", major.saturating_add(1)), format!("extents {pointers:?}")));
    }
    let indptr = offsets(&indptr, nnz[0])?;
    let indices = positions(&indices.values()?, minor)?;
    let data = array::numbers(&data.values()?)?;
    Ok(Value::Sparse(Sparse { format, shape, indptr, indices, data }))
}

/// Reads offsets; checks that they start at 0, never descend and end at `nnz`.
fn offsets(node: &Node, nnz: usize) -> Result<Vec<u64>> {
    let values = node.values()?.read_integers(None)?;
    let (first, last) = (values.first().copied(), values.last().copied());
    if first != Some(0) || last != i64::try_from(nnz).ok() {
        let found =
            first.zip(last).map_or("none".to_owned(), |(first, last)| format!("offsets from {first} to {last}"));
        return Err(node.format(format!("offsets from 0 to {nnz}"), found));
    }
    if let Some(at) = values.windows(2).position(|w| w[0] > w[1]) {
        let found = format!("{} before {} at {at} (zero-based)", values[at], values[at + 1]);
        return Err(node.format("offsets that never descend", found));
    }
    Ok(values.into_iter().map(|x| x as u64).collect())
}

/// Reads positions of any integer type; checks that they are below `minor`.
fn positions(values: &Values<'_>, minor: usize) -> Result<Vec<u32>> {
    fn narrow<T: Number>(values: &Values<'_>, v: Vec<T>, minor: usize) -> Result<Vec<u32>> {
        let to = |(k, x): (usize, T)| {
            let wide = x.to_f64();
            if wide >= 0.0 && wide < minor as f64 {
                Ok(wide as u32)
            } else {
                Err(values
                    .format(format!("positions from 0 to {}", minor as i64 - 1), format!("{wide} at {k} (zero-based)")))
            }
        };
        memory::tried(v.into_iter().enumerate().map(to), "indices of a sparse matrix")
    }
    if let Kind::Integer { bytes: 4, signed: true } = values.kind() {
        // The usual type needs no conversion to f64.
        let v: Vec<i32> = values.read(None)?;
        return match v.iter().position(|&x| x < 0 || x as usize >= minor) {
            None => Ok(v.into_iter().map(|x| x as u32).collect()),
            Some(_) => narrow(values, v, minor),
        };
    }
    if !matches!(values.kind(), Kind::Integer { .. }) {
        return Err(values.format("whole numbers", values.kind().name()));
    }
    with_data!(array::numbers(values)?, v => narrow(values, v, minor))
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
    let (rows, columns) = shape_of(node, "shape")?;
    describe_as(node, rows, columns, out)
}

/// Describes a sparse matrix of this shape by its values and dtype.
pub(super) fn describe_as(node: &Node, rows: usize, columns: usize, out: &mut Description) -> Result<()> {
    let data = node.child("data")?;
    out.shape = vec![rows, columns];
    out.nnz = data.shape().and_then(|s| s.first().copied()).map(|n| n as u64);
    out.dtype = Some(data.values()?.kind().name());
    Ok(())
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    let Value::Sparse(m) = value else { return Err(unknown_value(key, value)) };
    check(key, m)?;
    let group = group.group(key)?;
    start(&group, m.format, m.shape)?;
    let layout = Layout { resizable: true, ..options.layout() };
    fn put<T: Number>(group: &GroupWriter<'_>, v: &[T], layout: &Layout) -> Result<()> {
        group.dataset::<T>("data", &[v.len()], layout)?.write(v)
    }
    with_data!(&m.data, v => put(&group, v, &layout))?;
    // scipy wants indices and indptr of the same width.
    let wide = m.indices.len().max(m.shape.0).max(m.shape.1) > i32::MAX as usize;
    let (indices, indptr) = (m.indices.iter().map(|&i| u64::from(i)), m.indptr.iter().copied());
    put_offsets(&group, "indices", indices, wide, &layout)?;
    put_offsets(&group, "indptr", indptr, wide, &layout)
}

/// Writes offsets as i32 or, if `wide`, i64, in runs of 2^20.
fn put_offsets(
    group: &GroupWriter<'_>,
    key: &str,
    mut values: impl ExactSizeIterator<Item = u64>,
    wide: bool,
    layout: &Layout,
) -> Result<()> {
    const RUN: usize = 1 << 20;
    let n = values.len();
    let dataset =
        if wide { group.dataset::<i64>(key, &[n], layout)? } else { group.dataset::<i32>(key, &[n], layout)? };
    for start in (0..n).step_by(RUN) {
        let run = values.by_ref().take(RUN.min(n - start));
        if wide {
            let run: Vec<i64> = run.map(|x| x as i64).collect();
            dataset.write_at(&[start], &[run.len()], &run)?;
        } else {
            let run: Vec<i32> = run.map(|x| x as i32).collect();
            dataset.write_at(&[start], &[run.len()], &run)?;
        }
    }
    Ok(())
}

fn check(key: &str, m: &Sparse) -> Result<()> {
    let (major, minor) = match m.format {
        SparseFormat::Csr => m.shape,
        SparseFormat::Csc => (m.shape.1, m.shape.0),
    };
    let what = |part: &str| format!("writing '{key}': {part}");
    if m.indptr.len() != major + 1 {
        return Err(Error::shape(what("indptr"), major + 1, m.indptr.len()));
    }
    let nnz = m.data.len();
    let ends = m.indptr.first() == Some(&0) && m.indptr.last() == Some(&(nnz as u64));
    if m.indices.len() != nnz || !ends || m.indptr.windows(2).any(|w| w[0] > w[1]) {
        return Err(Error::shape(
            what("indices and indptr"),
            format!("{nnz} indices, as data, and ascending offsets from 0 to {nnz}"),
            format!("{} indices", m.indices.len()),
        ));
    }
    match m.indices.iter().find(|&&i| i as usize >= minor) {
        Some(i) => Err(Error::shape(what("indices"), format!("positions below {minor}"), i)),
        None => Ok(()),
    }
}
