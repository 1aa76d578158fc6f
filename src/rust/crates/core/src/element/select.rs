//! Selection of rows and columns of a value, in any order, repeats allowed.

use super::copied::copy_all;
use super::{Array, Categorical, DataFrame, Nullable, Sparse, SparseFormat, Strings, Value};
use crate::error::{Error, Result};
use crate::memory;

const SELECTED: &str = "selected values";

impl Value {
    /// Selects positions on the first axis and, for dense arrays and sparse matrices, on the second
    /// one. The order is kept, repeats are allowed; `None` keeps an axis whole.
    ///
    /// # Errors
    /// [`Error::Index`] for a position past the end; [`Error::State`] for a value without that
    /// axis; [`Error::OutOfMemory`].
    pub fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Value> {
        if rows.is_none() && columns.is_none() {
            return self.copied();
        }
        let flat = || match columns {
            Some(_) => Err(Error::State(format!("a value of encoding '{}' has no columns to select", self.encoding()))),
            None => Ok(()),
        };
        match self {
            Value::Array(Array { shape, data }) => {
                let (shape, positions) = dense(shape, rows, columns)?;
                Ok(Value::Array(Array { shape, data: data.select(&positions)? }))
            }
            Value::Complex { shape, data, single } => {
                let (shape, positions) = dense(shape, rows, columns)?;
                Ok(Value::Complex {
                    shape,
                    data: memory::collected(positions.into_iter().map(|p| data[p]), SELECTED)?,
                    single: *single,
                })
            }
            Value::Strings { shape, data } => {
                let (shape, positions) = dense(shape, rows, columns)?;
                Ok(Value::Strings { shape, data: take_strings(data, &positions)? })
            }
            Value::Sparse(m) => m.select(rows, columns).map(Value::Sparse),
            Value::Categorical(c) => {
                flat()?;
                let positions = positions("row", rows, c.codes.len())?;
                Ok(Value::Categorical(Categorical {
                    codes: memory::collected(positions.into_iter().map(|p| c.codes[p]), SELECTED)?,
                    categories: Box::new(c.categories.copied()?),
                    ordered: c.ordered,
                }))
            }
            Value::Nullable(n) => {
                flat()?;
                let positions = positions("row", rows, n.mask.len())?;
                let mask = memory::collected(positions.into_iter().map(|p| n.mask[p]), SELECTED)?;
                let values = Box::new(n.values.select(rows, None)?);
                Ok(Value::Nullable(Nullable { values, mask, na_value: n.na_value }))
            }
            Value::DataFrame(d) => {
                flat()?;
                Ok(Value::DataFrame(DataFrame {
                    index_name: d.index_name.clone(),
                    index: Box::new(d.index.select(rows, None)?),
                    columns: select_columns(&d.columns, rows)?,
                }))
            }
            Value::RecArray(fields) => {
                flat()?;
                select_columns(fields, rows).map(Value::RecArray)
            }
            Value::Awkward { length, form, buffers } => {
                flat()?;
                let rows = positions("row", rows, usize::try_from(*length).unwrap_or(usize::MAX))?;
                indexed(&rows, form, buffers)
            }
            Value::Null | Value::Scalar(_) | Value::Dict(_) => {
                Err(Error::State(format!("rows of a value of encoding '{}' cannot be selected", self.encoding())))
            }
        }
    }
}

/// Selects rows of an awkward array: the same array behind an index, awkward's `IndexedArray`.
fn indexed(rows: &[usize], form: &str, buffers: &[(String, Value)]) -> Result<Value> {
    const KEY: &str = "selected";
    // awkward writes the class of a node first.
    let class = form.split('"').nth(3).unwrap_or_default();
    let plain = ["ListOffsetArray", "ListArray", "RegularArray", "NumpyArray", "RecordArray", "EmptyArray"];
    let index = format!("{KEY}-index");
    if !plain.contains(&class) || buffers.iter().any(|(key, _)| *key == index) {
        return Err(Error::State(format!("rows of an awkward array of kind '{class}' cannot be selected")));
    }
    let form = format!(
        r#"{{"class": "IndexedArray", "index": "i64", "content": {form}, "parameters": {{}}, "form_key": "{KEY}"}}"#
    );
    let list: Vec<i64> = memory::collected(rows.iter().map(|&r| r as i64), SELECTED)?;
    let mut buffers = copy_all(buffers)?;
    buffers.push((index, Value::vector(list)));
    Ok(Value::Awkward { length: rows.len() as u64, form, buffers })
}

fn select_columns(columns: &[(String, Value)], rows: Option<&[u32]>) -> Result<Vec<(String, Value)>> {
    columns.iter().map(|(name, v)| Ok((name.clone(), v.select(rows, None)?))).collect()
}

fn take_strings(data: &Strings, positions: &[usize]) -> Result<Strings> {
    data.select(positions)?.ok_or_else(|| Error::Internal("a text position out of range".into()))
}

/// Returns the wanted positions on an axis of length `len`, or all of them; checks that they are on
/// it.
fn positions(axis: &'static str, wanted: Option<&[u32]>, len: usize) -> Result<Vec<usize>> {
    let Some(wanted) = wanted else { return memory::collected(0..len, SELECTED) };
    match wanted.iter().find(|&&p| p as usize >= len) {
        Some(&p) => Err(Error::Index { axis, index: p.into(), len }),
        None => memory::collected(wanted.iter().map(|&p| p as usize), SELECTED),
    }
}

/// Returns the new extents, and the position in the old buffer of every value of the new one.
fn dense(shape: &[usize], rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<(Vec<usize>, Vec<usize>)> {
    let missing = |n: usize| Error::State(format!("an array of extents {shape:?} has no axis {n} to select from"));
    let &n_rows = shape.first().ok_or_else(|| missing(0))?;
    let rows = positions("row", rows, n_rows)?;
    let mut out = shape.to_vec();
    out[0] = rows.len();
    let Some(wanted) = columns else {
        let width: usize = shape[1..].iter().product();
        let places = rows.iter().flat_map(|r| r * width..(r + 1) * width);
        return Ok((out, memory::exactly(memory::count(&[rows.len(), width], SELECTED)?, places, SELECTED)?));
    };
    let &n_columns = shape.get(1).ok_or_else(|| missing(1))?;
    let columns = positions("column", Some(wanted), n_columns)?;
    out[1] = columns.len();
    let width: usize = shape[2..].iter().product();
    let places = rows.iter().flat_map(|r| {
        columns.iter().flat_map(move |c| {
            let start = (r * n_columns + c) * width;
            start..start + width
        })
    });
    let n = memory::count(&[rows.len(), columns.len(), width], SELECTED)?;
    Ok((out, memory::exactly(n, places, SELECTED)?))
}

impl Sparse {
    /// Selects rows and columns, in the given order, repeats allowed; the format stays. Where
    /// columns (of a CSR matrix) are selected, each row's positions come out sorted; without such a
    /// selection their order stays.
    ///
    /// # Errors
    /// [`Error::Index`] for a position past the end; [`Error::Shape`] for a matrix whose parts
    /// contradict each other; [`Error::OutOfMemory`].
    pub fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Sparse> {
        let csr = self.format == SparseFormat::Csr;
        let (n_major, n_minor) = if csr { self.shape } else { (self.shape.1, self.shape.0) };
        let (major, minor) = if csr { (rows, columns) } else { (columns, rows) };
        let (major_axis, minor_axis) = if csr { ("row", "column") } else { ("column", "row") };
        let bad = || Error::shape("a sparse matrix", "indptr, indices and data that agree", "a contradiction");
        if self.indptr.len() != n_major + 1 || self.indices.len() != self.data.len() {
            return Err(bad());
        }
        let major = positions(major_axis, major, n_major)?;
        let outputs = match minor {
            None => None,
            Some(_) => Some(inverse(&positions(minor_axis, minor, n_minor)?, n_minor)?),
        };
        let n_minor_out = minor.map_or(n_minor, <[u32]>::len);
        let (mut indptr, mut indices, mut taken) = (memory::room(major.len() + 1, SELECTED)?, Vec::new(), Vec::new());
        indptr.push(0_u64);
        let mut row: Vec<(u32, usize)> = Vec::new();
        for m in major.iter().copied() {
            let (start, end) = (self.indptr[m] as usize, self.indptr[m + 1] as usize);
            let stored = self.indices.get(start..end).ok_or_else(bad)?;
            match &outputs {
                None => {
                    memory::reserve(&mut indices, stored.len(), SELECTED)?;
                    memory::reserve(&mut taken, stored.len(), SELECTED)?;
                    indices.extend_from_slice(stored);
                    taken.extend(start..end);
                }
                Some((first, list)) => {
                    row.clear();
                    for (k, &i) in stored.iter().enumerate() {
                        let (from, to) = (first.get(i as usize), first.get(i as usize + 1));
                        let (&from, &to) = from.zip(to).ok_or_else(bad)?;
                        row.extend(list[from..to].iter().map(|&j| (j, start + k)));
                    }
                    row.sort_by_key(|e| e.0);
                    memory::reserve(&mut indices, row.len(), SELECTED)?;
                    memory::reserve(&mut taken, row.len(), SELECTED)?;
                    indices.extend(row.iter().map(|e| e.0));
                    taken.extend(row.iter().map(|e| e.1));
                }
            }
            indptr.push(indices.len() as u64);
        }
        let data = self.data.select(&taken)?;
        let (a, b) = (major.len(), n_minor_out);
        Ok(Sparse { format: self.format, shape: if csr { (a, b) } else { (b, a) }, indptr, indices, data })
    }
}

/// Inverts a selection: position `i` of `n` is selected as `list[first[i]..first[i + 1]]`,
/// ascending.
fn inverse(wanted: &[usize], n: usize) -> Result<(Vec<usize>, Vec<u32>)> {
    let mut first = memory::zeros::<usize>(n + 1, SELECTED)?;
    for &w in wanted {
        first[w + 1] += 1;
    }
    for i in 0..n {
        first[i + 1] += first[i];
    }
    let mut next = memory::copied(&first, SELECTED)?;
    let mut list = memory::zeros::<u32>(wanted.len(), SELECTED)?;
    for (j, &w) in wanted.iter().enumerate() {
        list[next[w]] = j as u32;
        next[w] += 1;
    }
    Ok((first, list))
}
