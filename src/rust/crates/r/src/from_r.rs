//! Conversion of R objects to values of the core. Only this module and `to_r` know both.

use crate::reply::r_error;
use anndataoom_core::element::{
    Array, Categorical, Data, DataFrame, Nullable, Number, Scalar, Sparse, SparseFormat, Strings as Text, Value,
};
use anndataoom_core::{memory, Error, Result};
use extendr_api::prelude::*;

/// Describes values copied from R in errors of memory.
const VALUES: &str = "a copy of values of R";

/// The place that an R object is written to. It decides what vectors of length 1 and missing
/// strings become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// An element of its own. A vector of length 1 is a scalar (unless in `I()`), strings with NA
    /// are nullable strings.
    Element,
    /// A column or an array aligned with an axis. A vector is always 1-D, strings with NA become
    /// categories as in anndata.
    Column,
}

/// Converts `x` to the encoding that anndata would choose; `name` names it in errors.
///
/// # Errors
/// [`Error::Shape`] for a kind of R object that has no encoding (dates, functions, ...).
pub(crate) fn from_r(x: &Robj, name: &str, place: Place) -> Result<Value> {
    if x.is_null() {
        return Ok(Value::Null);
    }
    if x.inherits("factor") {
        return factor(x, name);
    }
    if x.inherits("data.frame") {
        return data_frame(x, name);
    }
    if x.rtype() == Rtype::S4 {
        return Ok(Value::Sparse(sparse(x, name)?));
    }
    if x.inherits("anndataoom_graph") {
        return Ok(Value::Sparse(graph(x, name)?));
    }
    if x.inherits("anndataoom_float32") {
        return Ok(Value::Array(float32(x, name)?));
    }
    let class: Vec<String> = x.get_attrib("class").and_then(|c| c.as_string_vector()).unwrap_or_default();
    if let Some(c) = class.iter().find(|c| !matches!(c.as_str(), "AsIs" | "matrix" | "array" | "anndataoom_awkward")) {
        return Err(unknown(name, c));
    }
    match x.rtype() {
        Rtype::Logicals => logical(x, place),
        Rtype::Integers => integer(x, place),
        Rtype::Doubles => shaped(x, memory::copied(x.as_real_slice().unwrap_or_default(), VALUES)?, place),
        Rtype::Complexes => complex(x, place),
        Rtype::Strings => string(x, place),
        Rtype::Raw => Ok(Value::Scalar(Scalar::Bytes(x.as_raw_slice().unwrap_or_default().to_vec()))),
        Rtype::List if class.iter().any(|c| c == "anndataoom_awkward") => awkward(x, name),
        Rtype::List => Ok(Value::Dict(named_items(x, name, place)?)),
        other => Err(unknown(name, &format!("{other:?}").to_lowercase())),
    }
}

fn unknown(name: &str, found: &str) -> Error {
    Error::shape(
        format!("'{name}'"),
        "numbers, TRUE/FALSE, strings, a factor, a matrix, a dgCMatrix, a data.frame or a named list",
        format!("{found} (convert it first, for instance with as.character())"),
    )
}

/// Converts the members of a named list.
///
/// # Errors
/// [`Error::Shape`] when a name is missing, empty, repeated or has a '/'; the errors of [`from_r`].
pub(crate) fn named_items(x: &Robj, name: &str, place: Place) -> Result<Vec<(String, Value)>> {
    let list = x.as_list().ok_or_else(|| unknown(name, "something else"))?;
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let bad = |found: &str| {
        Error::shape(format!("names of the list '{name}'"), "one distinct name per member, without '/'", found)
    };
    let names = list.names().ok_or_else(|| bad("no names"))?;
    let mut out: Vec<(String, Value)> = Vec::with_capacity(list.len());
    for (key, value) in names.zip(list.values()) {
        if key.is_empty() || key.is_na() || key.contains('/') || out.iter().any(|(k, _)| k == key) {
            return Err(bad(&format!("\"{key}\"")));
        }
        out.push((key.to_owned(), from_r(&value, &format!("{name}/{key}"), place)?));
    }
    Ok(out)
}

/// Returns the row-major values and the numbers of rows and columns of an `anndataoom_float32`,
/// without a copy; `None` for other objects.
pub(crate) fn float32_in_place(x: &Robj) -> Option<(&[f32], usize, usize)> {
    // The bits are an R matrix with one column for each row of the values.
    match extents(x)?.as_slice() {
        &[k, n] if x.inherits("anndataoom_float32") => Some((bytemuck::cast_slice(x.as_integer_slice()?), n, k)),
        _ => None,
    }
}

/// Copies the matrix of an `anndataoom_float32`.
pub(crate) fn float32(x: &Robj, name: &str) -> Result<Array> {
    let (values, n, k) = float32_in_place(x).ok_or_else(|| unknown(name, "an anndataoom_float32 without its bits"))?;
    Ok(Array { shape: vec![n, k], data: Data::F32(memory::copied(values, VALUES)?) })
}

/// Row starts, columns and weights of a graph.
type Links<'a> = (Vec<usize>, &'a [u32], &'a [f32]);

/// Returns offsets, columns and values of R's `anndataoom_graph`, the latter two borrowed; `None`
/// for any other object.
pub(crate) fn graph_in_place(x: &Robj) -> Result<Option<Links<'_>>> {
    if !x.inherits("anndataoom_graph") {
        return Ok(None);
    }
    let Some(list) = x.as_list() else { return Ok(None) };
    let part = |name: &str| list.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let (Some(starts), Some(columns), Some(bits)) = (part("starts"), part("columns"), part("bits")) else {
        return Ok(None);
    };
    let starts = starts.as_real_slice().unwrap_or_default().iter().map(|&p| p as usize);
    let starts = memory::collected(starts, VALUES)?;
    let place = |part: &Robj| {
        let values = part.as_integer_slice().unwrap_or_default();
        // SAFETY: the parts belong to `x`: nobody takes them out of the list while Rust has it.
        unsafe { std::slice::from_raw_parts(values.as_ptr(), values.len()) }
    };
    Ok(Some((starts, bytemuck::cast_slice(place(&columns)), bytemuck::cast_slice(place(&bits)))))
}

/// Copies the matrix of R's `anndataoom_graph`.
pub(crate) fn graph(x: &Robj, name: &str) -> Result<Sparse> {
    let parts = graph_in_place(x)?.ok_or_else(|| unknown(name, "an anndataoom_graph without its parts"))?;
    let (starts, columns, values) = parts;
    let n = starts.len().saturating_sub(1);
    Ok(Sparse {
        format: SparseFormat::Csr,
        shape: (n, n),
        indptr: memory::collected(starts.iter().map(|&p| p as u64), VALUES)?,
        indices: memory::copied(columns, VALUES)?,
        data: Data::F32(memory::copied(values, VALUES)?),
    })
}

fn extents(x: &Robj) -> Option<Vec<usize>> {
    let dim = x.get_attrib("dim")?;
    Some(dim.as_integer_slice()?.iter().map(|&n| n as usize).collect())
}

/// Reorders the column-major values of an R array of `shape` to row-major order.
fn row_major<T: Copy>(shape: &[usize], v: &[T]) -> Result<Vec<T>> {
    Ok(match *shape {
        [] | [_] => memory::copied(v, VALUES)?,
        [n, ref rest @ ..] => {
            // Row i of the first axis holds every n-th value, itself in column-major order.
            let mut out = memory::room(v.len(), VALUES)?;
            for i in 0..n {
                let row =
                    memory::exactly(v.len().div_ceil(n.max(1)), v.iter().skip(i).step_by(n.max(1)).copied(), VALUES)?;
                if rest.len() > 1 {
                    out.extend(row_major(rest, &row)?);
                } else {
                    out.extend(row);
                }
            }
            out
        }
    })
}

fn is_scalar(x: &Robj, place: Place) -> bool {
    place == Place::Element && x.len() == 1 && !x.inherits("AsIs")
}

fn shaped<T: Number>(x: &Robj, v: Vec<T>, place: Place) -> Result<Value> {
    Ok(match extents(x) {
        Some(shape) => Value::Array(Array { data: T::wrap(row_major(&shape, &v)?), shape }),
        None if is_scalar(x, place) => Value::Scalar(Scalar::Number(T::wrap(v))),
        None => Value::vector(T::wrap(v)),
    })
}

fn logical(x: &Robj, place: Place) -> Result<Value> {
    let v = x.as_logical_slice().unwrap_or_default();
    let values = memory::collected(v.iter().map(Rbool::is_true), VALUES)?;
    if !v.iter().any(|b| b.is_na()) {
        return shaped(x, values, place);
    }
    if extents(x).is_some() {
        let numbers = v.iter().map(|b| if b.is_na() { f64::NAN } else { f64::from(u8::from(b.is_true())) });
        return shaped(x, memory::collected(numbers, VALUES)?, place);
    }
    Ok(Value::Nullable(Nullable::new(Value::vector(values), memory::collected(v.iter().map(|b| b.is_na()), VALUES)?)))
}

fn integer(x: &Robj, place: Place) -> Result<Value> {
    let v = x.as_integer_slice().unwrap_or_default();
    let na = |i: &i32| *i == i32::MIN;
    if !v.iter().any(na) {
        return shaped(x, memory::copied(v, VALUES)?, place);
    }
    if extents(x).is_some() {
        let numbers = v.iter().map(|i| if na(i) { f64::NAN } else { f64::from(*i) });
        return shaped(x, memory::collected(numbers, VALUES)?, place);
    }
    let values = memory::collected(v.iter().map(|i| if na(i) { 0 } else { *i }), VALUES)?;
    Ok(Value::Nullable(Nullable::new(Value::vector(values), memory::collected(v.iter().map(na), VALUES)?)))
}

fn complex(x: &Robj, place: Place) -> Result<Value> {
    let values: Complexes = x.clone().try_into().map_err(r_error)?;
    let data = memory::exactly(values.len(), values.iter().map(|c| (c.re().0, c.im().0)), VALUES)?;
    let shape = extents(x).unwrap_or_else(|| vec![data.len()]);
    if let ([(re, im)], true) = (data.as_slice(), is_scalar(x, place) && shape.len() == 1) {
        return Ok(Value::Scalar(Scalar::Complex(*re, *im)));
    }
    Ok(Value::Complex { data: row_major(&shape, &data)?, shape, single: false })
}

fn string(x: &Robj, place: Place) -> Result<Value> {
    let values: Strings = x.clone().try_into().map_err(r_error)?;
    let items: Vec<&str> =
        memory::exactly(values.len(), values.iter().map(|s| if s.is_na() { "" } else { s.as_ref() }), VALUES)?;
    let mask = memory::exactly(values.len(), values.iter().map(|s| s.is_na()), VALUES)?;
    let missing = mask.contains(&true);
    let column = |items: Vec<&str>| Ok(Value::Strings { shape: vec![items.len()], data: Text::collected(items)? });
    Ok(match extents(x) {
        Some(shape) => Value::Strings { data: Text::collected(row_major(&shape, &items)?)?, shape },
        None if !missing && is_scalar(x, place) => Value::string(items.first().copied().unwrap_or_default()),
        None if !missing => column(items)?,
        None if place == Place::Element => Value::Nullable(Nullable::new(column(items)?, mask)),
        None => {
            let texts = items.iter().zip(&mask).map(|(&s, &na)| (!na).then_some(s));
            let texts: Vec<Option<&str>> = memory::collected(texts, VALUES)?;
            Value::Categorical(Categorical::from_texts(&texts)?)
        }
    })
}

/// Converts a factor. If it was read from categories other than strings, it gets these back,
/// provided that all levels still parse as their type.
fn factor(x: &Robj, name: &str) -> Result<Value> {
    let codes = x.as_integer_slice().ok_or_else(|| unknown(name, "a factor without integer codes"))?;
    let labels: Strings = match x.get_attrib("levels") {
        Some(levels) => levels.try_into().map_err(r_error)?,
        None => Strings::new(0),
    };
    // NA as a level, as `addNA()` makes it, is no category: its values are missing.
    let mut levels: Vec<String> = Vec::with_capacity(labels.len());
    let mut code_of: Vec<i32> = Vec::with_capacity(labels.len());
    for label in labels.iter() {
        code_of.push(if label.is_na() { -1 } else { levels.len() as i32 });
        if !label.is_na() {
            levels.push(label.as_ref().to_owned());
        }
    }
    let code = |&c: &i32| match c {
        i32::MIN => Some(-1),
        c => usize::try_from(c).ok().and_then(|c| code_of.get(c.checked_sub(1)?).copied()),
    };
    let outside = || unknown(name, "a factor with codes outside its levels");
    let codes = memory::tried(codes.iter().map(|c| code(c).ok_or_else(outside)), VALUES)?;
    let kind = x.get_attrib("categories").and_then(|k| k.as_str().map(str::to_owned));
    let typed = match kind.as_deref() {
        Some("int64") => levels.iter().map(|l| l.parse::<i64>().ok()).collect::<Option<Vec<_>>>().map(Value::vector),
        Some("float64") => levels.iter().map(|l| l.parse::<f64>().ok()).collect::<Option<Vec<_>>>().map(Value::vector),
        Some("bool") => {
            let parse = |l: &String| ["FALSE", "TRUE"].iter().position(|t| t == l).map(|i| i == 1);
            levels.iter().map(parse).collect::<Option<Vec<bool>>>().map(Value::vector)
        }
        _ => None,
    };
    Ok(Value::Categorical(Categorical {
        codes,
        categories: Box::new(typed.unwrap_or_else(|| Value::strings(&levels))),
        ordered: x.inherits("ordered"),
    }))
}

/// Converts a `dgCMatrix`, `lgCMatrix`, `dgRMatrix` or `lgRMatrix`; R's `plain_sparse()` converts
/// other classes to these.
pub(crate) fn sparse(x: &Robj, name: &str) -> Result<Sparse> {
    let class = x.class().and_then(|mut c| c.next().map(str::to_owned)).unwrap_or_default();
    let (format, minor) = match class.as_str() {
        "dgCMatrix" | "lgCMatrix" => (SparseFormat::Csc, "i"),
        "dgRMatrix" | "lgRMatrix" => (SparseFormat::Csr, "j"),
        other => return Err(unknown(name, other)),
    };
    let slot = |s: &str| x.get_attrib(s).ok_or_else(|| unknown(name, &class));
    let dim = slot("Dim")?;
    let &[rows, columns] = dim.as_integer_slice().unwrap_or_default() else { return Err(unknown(name, &class)) };
    let values = slot("x")?;
    let data: Data = if let Some(v) = values.as_real_slice() {
        memory::copied(v, VALUES)?.into()
    } else {
        let v = values.as_logical_slice().unwrap_or_default();
        if v.iter().any(|b| b.is_na()) {
            let numbers = v.iter().map(|b| if b.is_na() { f64::NAN } else { f64::from(u8::from(b.is_true())) });
            memory::collected(numbers, VALUES)?.into()
        } else {
            memory::collected(v.iter().map(Rbool::is_true), VALUES)?.into()
        }
    };
    let (starts, places) = (slot("p")?, slot(minor)?);
    let starts = starts.as_integer_slice().unwrap_or_default().iter().map(|&p| p as u64);
    let places = places.as_integer_slice().unwrap_or_default().iter().map(|&i| i as u32);
    Ok(Sparse {
        format,
        shape: (rows as usize, columns as usize),
        indptr: memory::collected(starts, VALUES)?,
        indices: memory::collected(places, VALUES)?,
        data,
    })
}

fn data_frame(x: &Robj, name: &str) -> Result<Value> {
    let columns = named_items(x, name, Place::Column)?;
    if x.get_attrib("encoding").is_some_and(|e| e.as_str() == Some("rec-array")) && !columns.is_empty() {
        return Ok(Value::RecArray(columns));
    }
    let names = x.get_attrib("row.names").ok_or_else(|| unknown(name, "a data.frame without row names"))?;
    let index: Text = match (Strings::try_from(names.clone()), names.as_integer_slice()) {
        (Ok(v), _) => Text::collected(v.iter().map(AsRef::<str>::as_ref))?,
        (Err(_), Some(v)) => Text::collected(v.iter().map(i32::to_string))?,
        _ => return Err(unknown(name, "a data.frame whose row names are neither strings nor integers")),
    };
    let n = index.len();
    if let Some((column, v)) = columns.iter().find(|(_, v)| v.len() != Some(n)) {
        return Err(Error::shape(format!("column '{name}/{column}'"), format!("{n} values"), format!("{:?}", v.len())));
    }
    let index = Value::Strings { shape: vec![n], data: index };
    // In a file, a column named like the index is the same element. If the two differ, the index
    // loses its name.
    let differs = |name: &String| columns.iter().any(|(column, v)| column == name && *v != index);
    let index_name = x.get_attrib("index_name").and_then(|i| i.as_str().map(str::to_owned));
    let index_name = index_name.filter(|name| !differs(name));
    Ok(Value::DataFrame(DataFrame { index_name, index: Box::new(index), columns }))
}

/// Converts values to the dtype named `dtype`.
fn cast(data: &Data, dtype: &str) -> Result<Data> {
    fn converted<T: Number>(data: &Data) -> Result<Data> {
        Ok(T::wrap(memory::collected(data.to_f64()?.into_iter().map(T::from_f64), VALUES)?))
    }
    match dtype {
        "bool" => converted::<bool>(data),
        "int8" => converted::<i8>(data),
        "int16" => converted::<i16>(data),
        "int32" => converted::<i32>(data),
        "int64" => converted::<i64>(data),
        "uint8" => converted::<u8>(data),
        "uint16" => converted::<u16>(data),
        "uint32" => converted::<u32>(data),
        "uint64" => converted::<u64>(data),
        "float32" => converted::<f32>(data),
        _ => data.copied(VALUES),
    }
}

fn awkward(x: &Robj, name: &str) -> Result<Value> {
    let part = |k: &str| x.dollar(k).map_err(r_error);
    let length = part("length")?.as_real().unwrap_or(0.0) as u64;
    let form = part("form")?.as_str().unwrap_or_default().to_owned();
    let list = part("buffers")?;
    let mut buffers = named_items(&list, name, Place::Column)?;
    for ((_, value), found) in buffers.iter_mut().zip(list.as_list().map(|l| l.values().collect()).unwrap_or(vec![])) {
        let dtype = found.get_attrib("dtype").and_then(|d| d.as_str().map(str::to_owned));
        if let (Value::Array(a), Some(dtype)) = (value, dtype) {
            a.data = cast(&a.data, &dtype)?;
        }
    }
    Ok(Value::Awkward { length, form, buffers })
}
