//! Conversion of values of the core to R objects. Only this module and `from_r` know both.

use crate::reply::{clean, r_error, Notes};
use crate::run::uninterrupted;
use crate::vector::{
    doubles, doubles_from, integers, integers_from, logicals, texts, uninitialised, uninitialised_doubles,
};
use anndataoom_core::dtype::Number;
use anndataoom_core::element::{
    Array, Categorical, DType, Data, DataFrame, Nullable, Scalar, Sparse, SparseFormat, Strings as Text, Value,
};
use anndataoom_core::patch::Patch;
use anndataoom_core::session::Monitor;
use anndataoom_core::{memory, Error, Result};
use extendr_api::prelude::*;
use extendr_api::AsTypedSlice;

/// Integers above 2^53 are not all exact in an R double.
const EXACT: u64 = 1 << 53;

/// Converts `value` to an R object; `name` names it in warnings and errors.
///
/// # Errors
/// [`Error::Shape`] when the value contradicts itself, [`Error::Memory`] when R cannot hold it.
pub(crate) fn to_r(value: &Value, name: &str, notes: &Notes) -> Result<Robj> {
    Ok(match value {
        Value::Null => ().into(),
        Value::Scalar(s) => scalar(s, name, notes)?,
        Value::Array(a) => array(a, name, notes)?,
        Value::Complex { shape, data, .. } => {
            let data = column_major(shape, data)?;
            let v = Complexes::from_values(data.into_iter().map(|(re, im)| Rcplx::new(re, im)));
            with_dim(v.into(), shape)?
        }
        Value::Strings { shape, data } => strings(shape, data, name)?,
        Value::Categorical(c) => factor(c, name)?,
        Value::Nullable(n) => nullable(n, name, notes)?,
        Value::Sparse(s) => sparse(s, name, 1)?,
        Value::DataFrame(d) => data_frame(d, name, notes)?,
        Value::Dict(items) => named_list(items, name, notes)?,
        Value::RecArray(fields) => rec_array(fields, name, notes)?,
        Value::Awkward { length, form, buffers } => {
            let buffers = awkward_buffers(buffers, name, notes)?;
            let mut out: Robj = list!(length = *length as f64, form = clean(form).as_ref(), buffers = buffers).into();
            out.set_class(["anndataoom_awkward"]).map_err(r_error)?;
            out
        }
    })
}

/// Converts the buffers of an awkward array. Each keeps its dtype in an attribute, because R has
/// fewer types.
fn awkward_buffers(buffers: &[(String, Value)], name: &str, notes: &Notes) -> Result<Robj> {
    let typed = |(key, value): &(String, Value)| {
        let mut out = to_r(value, &format!("{name}/{key}"), notes)?;
        if let Value::Array(a) = value {
            out.set_attrib("dtype", a.data.dtype().name()).map_err(r_error)?;
        }
        Ok(out)
    };
    list_of(buffers.iter().map(|(k, _)| k.as_str()), buffers.iter().map(typed).collect::<Result<_>>()?)
}

/// Converts the transpose of a matrix. No value is moved: compressed rows of one are compressed
/// columns of the other, and row-major values of one are column-major values of the other.
///
/// # Errors
/// The errors of [`to_r`].
pub(crate) fn transposed_to_r(value: Value, name: &str, notes: &Notes) -> Result<Robj> {
    match value {
        Value::Sparse(s) => sparse(&turned_over(s), name, 1),
        Value::Array(Array { shape, data: values }) => match *shape {
            [n, m] => with_dim(data(&values, name, notes)?, &[m, n]),
            _ => Err(Error::shape(format!("'{name}'"), "2 dimensions", shape.len())),
        },
        other => Err(Error::shape(format!("'{name}'"), "a matrix", other.encoding())),
    }
}

/// Returns the transpose of a sparse matrix, without moving a value.
pub(crate) fn turned_over(s: Sparse) -> Sparse {
    let format = match s.format {
        SparseFormat::Csr => SparseFormat::Csc,
        SparseFormat::Csc => SparseFormat::Csr,
    };
    Sparse { format, shape: (s.shape.1, s.shape.0), ..s }
}

/// Converts named values to `list(name = value, ...)`.
pub(crate) fn named_list(items: &[(String, Value)], name: &str, notes: &Notes) -> Result<Robj> {
    let values: Result<Vec<Robj>> = items.iter().map(|(k, v)| to_r(v, &format!("{name}/{k}"), notes)).collect();
    list_of(items.iter().map(|(k, _)| k.as_str()), values?)
}

/// Makes a named list of R objects.
pub(crate) fn list_of<'a>(names: impl ExactSizeIterator<Item = &'a str>, values: Vec<Robj>) -> Result<Robj> {
    if values.is_empty() {
        return Ok(List::new(0).into());
    }
    let names: Vec<String> = names.map(|n| clean(n).into_owned()).collect();
    Ok(List::from_names_and_values(names, values).map_err(r_error)?.into())
}

/// Makes an `anndataoom_float32` of the bits of the row-major values of an `n x k` matrix.
pub(crate) fn float32(bits: Robj, n: usize, k: usize) -> Result<Robj> {
    let mut out = with_dim(bits, &[k, n])?;
    out.set_class(["anndataoom_float32"]).map_err(r_error)?;
    Ok(out)
}

/// Converts a square matrix to R's `anndataoom_graph`: compressed rows, float32 as their bits. Each
/// part is dropped once R has it.
fn graph(s: Sparse, name: &str) -> Result<Robj> {
    let Sparse { shape, indptr, indices, data, .. } = s;
    let Data::F32(values) = data else { return Err(Error::Internal("a graph of other numbers".to_owned())) };
    let n = dimension(shape.0)?;
    let starts = doubles(name, indptr.iter().map(|&p| p as f64))?;
    drop(indptr);
    let columns = integers(name, indices.iter().map(|&j| j as i32))?;
    drop(indices);
    let bits = integers(name, values.iter().map(|x| x.to_bits() as i32))?;
    let mut out: Robj = list!(n = n, starts = starts, columns = columns, bits = bits).into();
    out.set_class(["anndataoom_graph"]).map_err(r_error)?;
    Ok(out)
}

/// Tells whether R keeps a matrix as the core made it.
fn is_graph(s: &Sparse) -> bool {
    s.format == SparseFormat::Csr && s.shape.0 == s.shape.1 && s.data.dtype() == DType::F32
}

/// Converts the sparse matrices of a value to compressed columns, as R has them. With a million
/// cells that takes seconds, so it belongs into work that Ctrl-C stops, before [`to_r`].
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::Shape`] for a matrix that contradicts itself.
pub(crate) fn by_columns(value: Value, monitor: &Monitor) -> Result<Value> {
    Ok(match value {
        Value::Sparse(s) if s.format != SparseFormat::Csc => Value::Sparse(s.turned(SparseFormat::Csc, monitor)?),
        Value::Dict(items) => Value::Dict(all_by_columns(items, monitor)?),
        other => other,
    })
}

fn all_by_columns(items: Vec<(String, Value)>, monitor: &Monitor) -> Result<Vec<(String, Value)>> {
    items.into_iter().map(|(key, value)| Ok((key, by_columns(value, monitor)?))).collect()
}

/// Converts the sparse matrices of a verb's results that R keeps as columns like [`by_columns`].
///
/// # Errors
/// The errors of [`by_columns`].
pub(crate) fn patch_by_columns(patch: Patch, monitor: &Monitor) -> Result<Patch> {
    let turned = |(key, value)| match value {
        Value::Sparse(s) if is_graph(&s) => Ok((key, Value::Sparse(s))),
        other => Ok((key, by_columns(other, monitor)?)),
    };
    let obsp = patch.obsp.into_iter().map(turned).collect::<Result<_>>()?;
    Ok(Patch { obsp, uns: all_by_columns(patch.uns, monitor)?, ..patch })
}

/// Converts a verb's results to lists by slot. Each value is dropped once R has it: graphs of a
/// million cells are 400 MB.
pub(crate) fn patch_to_r(patch: Patch, notes: &Notes) -> Result<Robj> {
    let Patch { obs, var, obsm, varm, obsp, uns } = patch;
    let slots = [("obs", obs), ("var", var), ("obsm", obsm), ("varm", varm), ("obsp", obsp), ("uns", uns)];
    let mut lists = Vec::with_capacity(slots.len());
    for (slot, items) in slots {
        let names: Vec<String> = items.iter().map(|(name, _)| name.clone()).collect();
        let values: Result<Vec<Robj>> = items
            .into_iter()
            .map(|(name, value)| match value {
                // Embeddings stay float32, as bits.
                Value::Array(Array { shape, data: Data::F32(v) }) if slot == "obsm" && shape.len() == 2 => {
                    let bits = integers(&name, v.iter().map(|x| x.to_bits() as i32))?;
                    float32(bits, shape[0], shape[1])
                }
                Value::Sparse(s) if slot == "obsp" && is_graph(&s) => graph(s, &name),
                other => to_r(&other, &format!("{slot}/{name}"), notes),
            })
            .collect();
        lists.push((slot, list_of(names.iter().map(String::as_str), values?)?));
    }
    let (names, lists): (Vec<&str>, Vec<Robj>) = lists.into_iter().unzip();
    list_of(names.into_iter(), lists)
}

/// Converts a buffer to a logical, integer or double vector. Integer needs all values in 32 bits
/// and none equal to R's NA.
fn data(d: &Data, name: &str, notes: &Notes) -> Result<Robj> {
    fn int<T: Copy + TryInto<i32>>(v: &[T], name: &str) -> Result<Robj> {
        integers(name, v.iter().map(|&x| x.try_into().unwrap_or(i32::MIN)))
    }
    fn fits<T: Copy + TryInto<i32>>(v: &[T]) -> bool {
        v.iter().all(|&x| x.try_into().is_ok_and(|i| i != i32::MIN))
    }
    let real = || anndataoom_core::with_data!(d, v => doubles_of(v, name));
    let inexact = |huge: bool| {
        if huge {
            notes.warn("precision", format!("'{name}' holds integers beyond 2^53; they are rounded to doubles"));
        }
    };
    match d {
        Data::Bool(v) => logicals(name, v.iter().map(|&b| Rbool::from(b))),
        Data::I8(v) => int(v, name),
        Data::I16(v) => int(v, name),
        Data::U8(v) => int(v, name),
        Data::U16(v) => int(v, name),
        Data::I32(v) if fits(v) => int(v, name),
        Data::U32(v) if fits(v) => int(v, name),
        Data::I64(v) if fits(v) => int(v, name),
        Data::U64(v) if fits(v) => int(v, name),
        Data::I64(v) => {
            inexact(v.iter().any(|x| x.unsigned_abs() > EXACT));
            real()
        }
        Data::U64(v) => {
            inexact(v.iter().any(|&x| x > EXACT));
            real()
        }
        _ => real(),
    }
}

fn scalar(s: &Scalar, name: &str, notes: &Notes) -> Result<Robj> {
    Ok(match s {
        Scalar::Number(d) => data(d, name, notes)?,
        Scalar::Complex(re, im) => Complexes::from_values([Rcplx::new(*re, *im)]).into(),
        Scalar::String(s) => clean(s).as_ref().into(),
        Scalar::Bytes(b) => Raw::from_bytes(b).into(),
    })
}

/// Reorders the row-major values of an array of `shape` to column-major order.
fn column_major<T: Copy>(shape: &[usize], v: &[T]) -> Result<Vec<T>> {
    const WHAT: &str = "an array in R's order";
    Ok(match *shape {
        [n, m] if n > 1 && m > 1 => {
            let mut out = memory::room(v.len(), WHAT)?;
            for j in 0..m {
                out.extend(v.iter().skip(j).step_by(m));
            }
            out
        }
        [] | [_] | [_, _] => memory::copied(v, WHAT)?,
        [first, ref rest @ ..] => {
            // The first axis runs fastest in R: interleave the slabs, each already in R's order.
            let slab = rest.iter().product::<usize>().max(1);
            let slabs: Vec<Vec<T>> =
                v.chunks(slab).take(first).map(|c| column_major(rest, c)).collect::<Result<_>>()?;
            let turned = (0..slab).flat_map(|k| slabs.iter().filter_map(move |s| s.get(k).copied()));
            memory::exactly(v.len(), turned, WHAT)?
        }
    })
}

fn with_dim(mut x: Robj, shape: &[usize]) -> Result<Robj> {
    if shape.len() > 1 {
        let dim: Result<Vec<i32>> = shape.iter().map(|&n| dimension(n)).collect();
        x.set_attrib("dim", dim?).map_err(r_error)?;
    }
    Ok(x)
}

fn dimension(n: usize) -> Result<i32> {
    i32::try_from(n).map_err(|_| Error::shape("extent of an R matrix", "less than 2^31", n))
}

fn array(a: &Array, name: &str, notes: &Notes) -> Result<Robj> {
    fn reorder<T: anndataoom_core::element::Number>(shape: &[usize], v: &[T]) -> Result<Data> {
        Ok(T::wrap(column_major(shape, v)?))
    }
    if a.shape.iter().product::<usize>() != a.data.len() {
        return Err(Error::shape(format!("'{name}'"), format!("{:?} values", a.shape), a.data.len()));
    }
    if a.shape.len() < 2 {
        return data(&a.data, name, notes);
    }
    if let (&[n, m], Data::F32(v)) = (a.shape.as_slice(), &a.data) {
        // An embedding of a million cells is written into R's memory without intermediate copies.
        return with_dim(doubles(name, (0..n * m).map(|k| f64::from(v[k % n * m + k / n])))?, &a.shape);
    }
    let turned = anndataoom_core::with_data!(&a.data, v => reorder(&a.shape, v))?;
    with_dim(data(&turned, name, notes)?, &a.shape)
}

fn strings(shape: &[usize], text: &Text, name: &str) -> Result<Robj> {
    if shape.len() < 2 {
        return texts(name, text.len(), || text.iter().map(Some));
    }
    let items = column_major(shape, &memory::exactly(text.len(), text.iter(), "strings")?)?;
    with_dim(texts(name, items.len(), || items.iter().map(|&s| Some(s)))?, shape)
}

/// Returns the labels of categories, and the type of those that are no strings; `None` for
/// categories R cannot have.
fn labels(categories: &Value) -> Option<(Vec<String>, Option<&'static str>)> {
    match categories {
        Value::Strings { data, .. } => Some((data.iter().map(|s| clean(s).into_owned()).collect(), None)),
        Value::Array(Array { data, .. }) => {
            let kind = match data.dtype() {
                DType::Bool => "bool",
                DType::F16 | DType::F32 | DType::F64 => "float64",
                _ => "int64",
            };
            let labels = match data {
                Data::Bool(v) => v.iter().map(|&b| if b { "TRUE" } else { "FALSE" }.to_owned()).collect(),
                Data::U64(v) => v.iter().map(u64::to_string).collect(),
                Data::I64(v) => v.iter().map(i64::to_string).collect(),
                other => {
                    anndataoom_core::with_data!(other, v => v.iter().map(|x| x.to_f64().to_string()).collect())
                }
            };
            Some((labels, Some(kind)))
        }
        Value::Nullable(n) => labels(&n.values),
        _ => None,
    }
}

fn factor(c: &Categorical, name: &str) -> Result<Robj> {
    let (levels, kind) = labels(&c.categories).ok_or_else(|| {
        Error::shape(format!("categories of '{name}'"), "strings or numbers", c.categories.encoding())
    })?;
    let n = i32::try_from(levels.len())
        .map_err(|_| Error::shape(format!("categories of '{name}'"), "less than 2^31", levels.len()))?;
    if let Some(bad) = c.codes.iter().find(|&&k| k < -1 || k >= n) {
        return Err(Error::shape(format!("codes of '{name}'"), format!("-1 to {}", n - 1), bad));
    }
    let mut out = integers(name, c.codes.iter().map(|&k| if k < 0 { i32::MIN } else { k + 1 }))?;
    out.set_attrib("levels", texts(name, levels.len(), || levels.iter().map(|l| Some(l.as_str())))?)
        .map_err(r_error)?;
    let class: &[&str] = if c.ordered { &["ordered", "factor"] } else { &["factor"] };
    out.set_class(class).map_err(r_error)?;
    if let Some(kind) = kind {
        out.set_attrib("categories", kind).map_err(r_error)?;
    }
    Ok(out)
}

fn nullable(n: &Nullable, name: &str, notes: &Notes) -> Result<Robj> {
    if n.values.len() != Some(n.mask.len()) {
        return Err(Error::shape(format!("mask of '{name}'"), format!("{:?} entries", n.values.len()), n.mask.len()));
    }
    Ok(match &*n.values {
        Value::Strings { data, .. } => {
            texts(name, n.mask.len(), || data.iter().zip(&n.mask).map(|(s, &na)| (!na).then_some(s)))?
        }
        Value::Array(Array { data: Data::Bool(v), .. }) => {
            logicals(name, v.iter().zip(&n.mask).map(|(&b, &na)| if na { Rbool::na() } else { Rbool::from(b) }))?
        }
        Value::Array(a) => {
            let base = data(&a.data, name, notes)?;
            if let Some(v) = base.as_integer_slice() {
                integers(name, v.iter().zip(&n.mask).map(|(&x, &na)| if na { i32::MIN } else { x }))?
            } else {
                let v = base.as_real_slice().unwrap_or_default();
                doubles(name, v.iter().zip(&n.mask).map(|(&x, &na)| if na { f64::na() } else { x }))?
            }
        }
        other => return Err(Error::shape(format!("'{name}'"), "numbers or strings with a mask", other.encoding())),
    })
}

/// Converts to a `dgCMatrix`, or to an `lgCMatrix` for bool, whose slots are set directly, on
/// `threads` threads.
pub(crate) fn sparse(s: &Sparse, name: &str, threads: usize) -> Result<Robj> {
    fits(s.data.len() as u64, name)?;
    let turned;
    let s = if s.format == SparseFormat::Csc {
        s
    } else {
        turned = s.to_format(SparseFormat::Csc)?;
        &turned
    };
    let class = if s.data.dtype() == DType::Bool { "lgCMatrix" } else { "dgCMatrix" };
    // Written into R's memory without copies: the graph of a million cells is 300 MB.
    let i = integers_from(name, &s.indices, |i| i as i32, threads)?;
    let x = match &s.data {
        Data::Bool(v) => logicals(name, v.iter().map(|&b| Rbool::from(b)))?,
        d => anndataoom_core::with_data!(d, v => doubles_from(name, v, |x| x.to_f64(), threads))?,
    };
    of_slots(class, name, &s.indptr, i, x, s.shape)
}

/// Refuses more values than R's sparse matrices hold.
fn fits(values: u64, name: &str) -> Result<()> {
    if values < i32::MAX as u64 {
        return Ok(());
    }
    Err(Error::Memory {
        what: format!("'{name}' as a dgCMatrix"),
        needed: values.saturating_mul(12),
        limit: i32::MAX as u64 * 12,
        hint: "; R's sparse matrices hold less than 2^31 values: select rows, or use chunk_apply()".to_owned(),
    })
}

/// Makes a sparse matrix of its slots.
fn of_slots(class: &str, name: &str, indptr: &[u64], i: Robj, x: Robj, shape: (usize, usize)) -> Result<Robj> {
    // Ctrl-C has to wait: it would leave Matrix half loaded.
    let new = format!("methods::new(methods::getClass('{class}', where = base::asNamespace('Matrix')))");
    let mut out: S4 = uninterrupted(|| eval_string(&new)).and_then(S4::try_from).map_err(r_error)?;
    let mut set = |slot: &str, value: Robj| out.set_slot(slot, value).map(|_| ()).map_err(r_error);
    set("p", integers(name, indptr.iter().map(|&p| p as i32))?)?;
    set("i", i)?;
    set("x", x)?;
    set("Dim", vec![dimension(shape.0)?, dimension(shape.1)?].into())?;
    Ok(out.into())
}

/// Makes a `dgCMatrix` of `n` columns-compressed values, which `fill` writes into R's memory: an
/// index and a value each. It returns `indptr`, and may run on another thread. Memory that R has
/// and nobody else is half of what a copy would take.
///
/// # Errors
/// [`Error::Memory`] for more values than R's sparse matrices hold; [`Error::OutOfMemory`]; the
/// errors of `fill`.
pub(crate) fn filled(
    n: u64,
    name: &str,
    shape: (usize, usize),
    fill: impl FnOnce((&mut [i32], &mut [f64])) -> Result<Vec<u64>>,
) -> Result<Robj> {
    fits(n, name)?;
    let (mut i, mut x) = (uninitialised(name, n as usize)?, uninitialised_doubles(name, n as usize)?);
    let lost = || Error::Internal("a vector of another kind".to_owned());
    let to: (&mut [i32], &mut [f64]) =
        (i.as_typed_slice_mut().ok_or_else(lost)?, x.as_typed_slice_mut().ok_or_else(lost)?);
    let indptr = fill(to)?;
    // Repeated entries of a file are summed.
    let found = indptr.last().copied().unwrap_or(0);
    if found < n {
        let part = |values: &[i32]| integers(name, values[..found as usize].iter().copied());
        i = part(i.as_integer_slice().ok_or_else(lost)?)?;
        x = doubles(name, x.as_real_slice().ok_or_else(lost)?[..found as usize].iter().copied())?;
    }
    of_slots("dgCMatrix", name, &indptr, i, x, shape)
}

fn doubles_of<T: Number>(v: &[T], name: &str) -> Result<Robj> {
    doubles(name, v.iter().map(|x| x.to_f64()))
}

/// Converts a table to a data.frame. Repeated row names, which R does not allow, get "-1", "-2",
/// ... as in anndata's `obs_names_make_unique`.
fn data_frame(d: &DataFrame, name: &str, notes: &Notes) -> Result<Robj> {
    let columns = named_list(&d.columns, name, notes)?;
    let index = to_r(&d.index, name, notes)?;
    frame_of(columns, index, d.index_name.as_deref(), name, notes)
}

/// Makes a data.frame with R's `build_frame()`. That function may not raise conditions; it returns
/// its warning, which R's `rs_call()` raises later.
pub(crate) fn frame_of(
    columns: Robj,
    index: Robj,
    index_name: Option<&str>,
    name: &str,
    notes: &Notes,
) -> Result<Robj> {
    let build = uninterrupted(|| eval_string("anndataoom:::build_frame")).map_err(r_error)?;
    let build = build.as_function().ok_or_else(|| Error::Internal("build_frame is not a function".to_owned()))?;
    let given = pairlist!(columns, index, index_name, name);
    let built = uninterrupted(|| build.call(given)).map_err(r_error)?;
    let mut parts = built.as_list().map(|l| l.values().collect::<Vec<_>>()).unwrap_or_default().into_iter();
    let frame = parts.next().ok_or_else(|| Error::Internal("build_frame gave no data.frame".to_owned()))?;
    if let Some(warning) = parts.next().as_ref().and_then(Robj::as_str) {
        notes.warn("names", warning.to_owned());
    }
    Ok(frame)
}

fn rec_array(fields: &[(String, Value)], name: &str, notes: &Notes) -> Result<Robj> {
    let flat = fields.iter().all(
        |(_, v)| matches!(v, Value::Strings { shape, .. } | Value::Array(Array { shape, .. }) if shape.len() == 1),
    );
    let columns = named_list(fields, name, notes)?;
    if flat {
        // The mark lets it be written as a rec-array again.
        let mut frame = frame_of(columns, ().into(), None, name, notes)?;
        frame.set_attrib("encoding", "rec-array").map_err(r_error)?;
        Ok(frame)
    } else {
        Ok(columns)
    }
}
