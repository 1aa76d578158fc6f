//! Files of SeuratDisk (h5Seurat), by their specification
//! (<https://mojaveazure.github.io/seurat-disk/articles/h5Seurat-spec.html>). Matrices are features
//! x cells by columns, which are cells x features by rows.

use super::{Array, Categorical, Data, DataFrame, Layer, Nullable, Number, Slots, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{Attribute, Node, Store};
use crate::with_data;
use std::collections::HashMap;
use std::sync::Arc;

const TURNED: &str = "a matrix of a Seurat object";
/// Names of the matrices of an assay; the first one there becomes X.
const SLOTS: [&str; 3] = ["counts", "data", "scale.data"];

/// Returns the names of the assays; `None` for a file that is no h5Seurat file.
///
/// # Errors
/// The errors of reading.
pub fn assays(store: &Arc<Store>) -> Result<Option<Vec<String>>> {
    if !store.exists("cell.names") || !store.exists("assays") || !store.is_group("assays")? {
        return Ok(None);
    }
    store.keys("assays").map(Some)
}

/// Reads all of an assay (`None` for the active one) but the values of its matrices. `slot` names
/// the matrix that becomes X; `None` chooses the first of `counts`, `data` and `scale.data`.
///
/// # Errors
/// [`Error::Missing`] for a file of another kind; [`Error::Parameter`] for an assay or a slot that
/// does not exist; the errors of [`read`](super::read()).
pub fn read_h5seurat(store: &Arc<Store>, assay: Option<&str>, slot: Option<&str>) -> Result<Slots> {
    let Some(names) = assays(store)? else {
        return Err(Error::Missing {
            path: store.location().clone(),
            element: "assays".to_owned(),
            hint: "; is this an h5Seurat file? read() opens files of any kind".to_owned(),
        });
    };
    let active = store.attribute("", "active.assay")?;
    let wanted = assay.or(active.as_ref().and_then(Attribute::text)).or(names.first().map(String::as_str));
    let Some(assay) = wanted.filter(|w| names.iter().any(|n| n == w)) else {
        let expected = format!("one of the assays of '{}': {}", store.location(), names.join(", "));
        return Err(Error::parameter("assay", expected, wanted.map_or("none".to_owned(), |w| format!("'{w}'"))));
    };
    let group = store.node("assays")?.child(assay)?;
    let (cells, features) = (texts(&store.node("cell.names")?)?, texts(&group.child("features")?)?);
    let mut layers = matrices(&group, &features)?;
    let at = match slot {
        None => (!layers.is_empty()).then_some(0),
        Some(slot) => layers.iter().position(|l| l.0 == slot),
    };
    let Some(at) = at else {
        let there = layers.iter().map(|l| l.0.as_str()).collect::<Vec<_>>().join(", ");
        let expected = format!("one of the matrices of all features of the assay '{assay}': {there}");
        return Err(Error::parameter("slot", expected, slot.map_or("none".to_owned(), |s| format!("'{s}'"))));
    };
    let (_, x) = layers.remove(at);
    let n = cells.len().unwrap_or(0);
    let obs = DataFrame {
        index_name: None,
        columns: if store.exists("meta.data") { table(&store.node("meta.data")?, n)? } else { Vec::new() },
        index: Box::new(cells),
    };
    let var = var_of(&group, &features)?;
    let mut out = Slots {
        x,
        layers,
        obs,
        var,
        obsm: Vec::new(),
        varm: Vec::new(),
        obsp: graphs(store, assay, n)?,
        varp: Vec::new(),
        uns: Vec::new(),
    };
    reductions(store, assay, n, &features, &mut out)?;
    Ok(out)
}

/// Returns the members of a group; none when it does not exist.
fn members(store: &Arc<Store>, group: &str) -> Result<Vec<(String, Node)>> {
    if !store.exists(group) || !store.is_group(group)? {
        return Ok(Vec::new());
    }
    let node = store.node(group)?;
    node.keys()?.into_iter().map(|key| Ok((key.clone(), node.child(&key)?))).collect()
}

fn texts(node: &Node) -> Result<Value> {
    match read(node)? {
        found @ Value::Strings { .. } => Ok(found),
        other => Err(node.format("texts", other.encoding())),
    }
}

fn read(node: &Node) -> Result<Value> {
    super::read(node.store(), node.path())
}

fn names(value: &Value) -> impl Iterator<Item = &str> {
    let data = match value {
        Value::Strings { data, .. } => Some(data),
        _ => None,
    };
    data.into_iter().flat_map(super::Strings::iter)
}

/// Returns the matrices that have all features; those with fewer (often `scale.data`) are left out.
fn matrices(group: &Node, features: &Value) -> Result<Vec<(String, Layer)>> {
    let mut out = Vec::new();
    for slot in SLOTS {
        let Some(node) = group.optional(slot)? else { continue };
        if node.is_group() && node.optional("indptr")?.is_none() {
            // An empty slot, stored as a list.
            continue;
        }
        let mut columns = None;
        if slot == "scale.data" {
            let Some(own) = group.optional("scaled.features")? else { continue };
            let own = texts(&own)?;
            if own.len() != features.len() {
                continue;
            }
            if !names(&own).eq(names(features)) {
                let places: HashMap<&str, u32> = names(&own).zip(0..).collect();
                let found: Option<Vec<u32>> = names(features).map(|name| places.get(name).copied()).collect();
                let Some(found) = found else { continue };
                columns = Some(found);
            }
        }
        out.push((slot.to_owned(), (node.path().to_owned(), columns)));
    }
    Ok(out)
}

/// Reads the columns of a table of `n` rows: a group with a member for each, or a compound dataset.
fn table(node: &Node, n: usize) -> Result<Vec<(String, Value)>> {
    let listed = |name: &str| -> Result<Vec<String>> {
        Ok(node.attribute(name)?.as_ref().and_then(Attribute::texts).unwrap_or_default().to_vec())
    };
    let logicals = listed("logicals")?;
    let mut out = Vec::new();
    if node.is_group() {
        let keys: Vec<String> =
            node.keys()?.into_iter().filter(|k| !["row.names", "_index", "index"].contains(&k.as_str())).collect();
        let mut order: Vec<String> = listed("colnames")?.into_iter().filter(|name| keys.contains(name)).collect();
        order.extend(keys.into_iter().filter(|key| !order.contains(key)).collect::<Vec<_>>());
        for name in order {
            let member = node.child(&name)?;
            let is_logical = logicals.contains(&name)
                || member.attribute("s3class")?.as_ref().and_then(Attribute::text) == Some("logical");
            let value = if member.is_group() { factor(&member)? } else { column(read(&member)?, is_logical)? };
            if value.len() != Some(n) {
                let found = value.len().map_or("none".to_owned(), |l| l.to_string());
                return Err(member.format(format!("{n} values, one for each row"), found));
            }
            out.push((name, value));
        }
        return Ok(out);
    }
    match read(node)? {
        Value::RecArray(fields) => {
            for (name, value) in fields {
                let is_logical = logicals.contains(&name);
                out.push((name, column(value, is_logical)?));
            }
        }
        other => return Err(node.format("a table", other.encoding())),
    }
    if let Some((name, _)) = out.iter().find(|(_, value)| value.len() != Some(n)) {
        return Err(node.format(format!("{n} rows"), format!("another number in the column '{name}'")));
    }
    Ok(out)
}

/// Reads a factor: levels, and values that are their positions from 1.
fn factor(node: &Node) -> Result<Value> {
    let levels = texts(&node.child("levels")?)?;
    let Value::Array(Array { data, .. }) = read(&node.child("values")?)? else {
        return Err(node.format("whole numbers in 'values'", "values of another type"));
    };
    let most = levels.len().unwrap_or(0);
    let code = |value: &f64| match value {
        // R's missing integer.
        v if *v == f64::from(i32::MIN) || v.is_nan() => Ok(-1),
        v if *v >= 1.0 && *v <= most as f64 && v.fract() == 0.0 => Ok(*v as i32 - 1),
        v => Err(node.format(format!("values from 1 to {most}, the number of levels"), v.to_string())),
    };
    let codes = data.to_f64()?.iter().map(code).collect::<Result<Vec<i32>>>()?;
    Ok(Value::Categorical(Categorical { codes, categories: Box::new(levels), ordered: false }))
}

/// Converts a column of R: logicals are 0, 1 and, for missing, 2; the smallest 32-bit integer is
/// missing.
fn column(value: Value, is_logical: bool) -> Result<Value> {
    let Value::Array(Array { shape, data }) = value else { return Ok(value) };
    if is_logical {
        let numbers = data.to_f64()?;
        let mask: Vec<bool> = numbers.iter().map(|&v| v != 0.0 && v != 1.0).collect();
        let values = Value::Array(Array { shape, data: Data::Bool(numbers.iter().map(|&v| v == 1.0).collect()) });
        return Ok(if mask.contains(&true) { Value::Nullable(Nullable::new(values, mask)) } else { values });
    }
    match &data {
        Data::I32(values) if values.contains(&i32::MIN) => {
            let mask: Vec<bool> = values.iter().map(|&v| v == i32::MIN).collect();
            let values: Vec<i32> = values.iter().map(|&v| if v == i32::MIN { 0 } else { v }).collect();
            Ok(Value::Nullable(Nullable::new(Value::Array(Array { shape, data: Data::I32(values) }), mask)))
        }
        _ => Ok(Value::Array(Array { shape, data })),
    }
}

fn var_of(group: &Node, features: &Value) -> Result<DataFrame> {
    let mut columns = match group.optional("meta.features")? {
        Some(node) => table(&node, features.len().unwrap_or(0))?,
        None => Vec::new(),
    };
    if let Some(node) = group.optional("variable.features")? {
        if !node.is_group() && !columns.iter().any(|c| c.0 == "highly_variable") {
            let variable = texts(&node)?;
            let variable: std::collections::HashSet<&str> = names(&variable).collect();
            let flags: Vec<bool> = names(features).map(|name| variable.contains(name)).collect();
            columns.push(("highly_variable".to_owned(), Value::vector(flags)));
        }
    }
    Ok(DataFrame { index_name: None, index: Box::new(features.copied()?), columns })
}

/// Reads embeddings into obsm, loadings into varm, and the variances of `pca` (squared standard
/// deviations) into uns.
fn reductions(store: &Arc<Store>, assay: &str, n: usize, features: &Value, out: &mut Slots) -> Result<()> {
    for (name, node) in members(store, "reductions")? {
        let text = |name: &str| -> Result<Option<String>> {
            Ok(node.attribute(name)?.and_then(|a| a.text().map(str::to_owned)))
        };
        let is_global = node.attribute("global")?.and_then(|a| a.integers().map(|i| i == [1])) == Some(true);
        if text("active.assay")?.is_some_and(|own| own != assay) && !is_global {
            continue;
        }
        if let Some(embedding) = node.optional("cell.embeddings")? {
            out.obsm.push((format!("X_{name}"), turned(&embedding, n)?));
        }
        if let (Some(loadings), Some(own)) = (node.optional("feature.loadings")?, node.optional("features")?) {
            let own = texts(&own)?;
            let places: HashMap<&str, usize> = names(features).zip(0..).collect();
            let rows: Option<Vec<usize>> = names(&own).map(|name| places.get(name).copied()).collect();
            if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
                let value = turned(&loadings, rows.len())?;
                let key = if name == "pca" { "PCs".to_owned() } else { name.clone() };
                out.varm.push((key, spread(value, &rows, features.len().unwrap_or(0))?));
            }
        }
        if let Some(Value::Array(Array { data, .. })) = node.optional("stdev")?.map(|s| read(&s)).transpose()? {
            if name == "pca" && !data.is_empty() {
                let variance: Vec<f64> = data.to_f64()?.iter().map(|sd| sd * sd).collect();
                let pca = vec![("variance".to_owned(), Value::vector(variance))];
                out.uns.push((name, Value::Dict(pca)));
            }
        }
    }
    Ok(())
}

/// Reads a dense matrix of R, stored by columns, and transposes it to rows; checks that it has `n`
/// rows.
fn turned(node: &Node, n: usize) -> Result<Value> {
    fn turn<T: Number>(values: &[T], rows: usize, columns: usize) -> Result<Data> {
        let mut out = memory::room(values.len(), TURNED)?;
        for i in 0..rows {
            out.extend((0..columns).map(|j| values[j * rows + i]));
        }
        Ok(T::wrap(out))
    }
    match read(node)? {
        Value::Array(Array { shape, data }) if shape.len() == 2 && shape[1] == n => {
            let data = with_data!(&data, v => turn(v, n, shape[0])?);
            Ok(Value::Array(Array { shape: vec![n, shape[0]], data }))
        }
        other => Err(node.format(
            format!("a matrix of {n} rows"),
            match other {
                Value::Array(a) => format!("extents {:?}", a.shape),
                other => other.encoding().to_owned(),
            },
        )),
    }
}

/// Puts the rows of a matrix at `places` of a matrix of `n` rows, zero elsewhere.
fn spread(value: Value, places: &[usize], n: usize) -> Result<Value> {
    fn put<T: Number>(values: &[T], places: &[usize], n: usize) -> Result<Data> {
        let width = values.len() / places.len().max(1);
        let mut out = memory::filled(memory::count(&[n, width], TURNED)?, T::default(), TURNED)?;
        for (&place, row) in places.iter().zip(values.chunks(width.max(1))) {
            out[place * width..(place + 1) * width].copy_from_slice(row);
        }
        Ok(T::wrap(out))
    }
    let Value::Array(Array { shape, data }) = value else { return Ok(value) };
    let data = with_data!(&data, v => put(v, places, n)?);
    Ok(Value::Array(Array { shape: vec![n, shape.get(1).copied().unwrap_or(0)], data }))
}

/// Reads the graphs of an assay, cells x cells.
fn graphs(store: &Arc<Store>, assay: &str, n: usize) -> Result<Vec<(String, Value)>> {
    let mut out = Vec::new();
    for (name, node) in members(store, "graphs")? {
        if node.attribute("assay.used")?.and_then(|a| a.text().map(|own| own != assay)) == Some(true) {
            continue;
        }
        let vector = |key: &str| -> Result<Data> {
            let member = node.child(key)?;
            match read(&member)? {
                Value::Array(a) if a.shape.len() == 1 => Ok(a.data),
                other => Err(member.format("a vector of numbers", other.encoding())),
            }
        };
        let whole = |key: &str| -> Result<Vec<u64>> {
            let number = |v: &f64| if *v >= 0.0 && v.fract() == 0.0 { Some(*v as u64) } else { None };
            let found: Option<Vec<u64>> = vector(key)?.to_f64()?.iter().map(number).collect();
            found.ok_or_else(|| node.format(format!("whole numbers in '{key}'"), "negative or fractional numbers"))
        };
        let (indptr, indices, data) = (whole("indptr")?, whole("indices")?, vector("data")?);
        let indices: Option<Vec<u32>> =
            indices.into_iter().map(|i| u32::try_from(i).ok().filter(|&i| (i as usize) < n)).collect();
        let indices = indices.ok_or_else(|| node.format(format!("indices below {n}"), "a larger one"))?;
        let graph = Sparse { format: SparseFormat::Csc, shape: (n, n), indptr, indices, data };
        // The conversion checks the parts, too.
        let graph = graph.to_format(SparseFormat::Csr).map_err(|e| node.format("a sparse matrix", e.to_string()))?;
        let key = name.strip_prefix(&format!("{assay}_")).unwrap_or(&name).to_owned();
        out.push((key, Value::Sparse(graph)));
    }
    Ok(out)
}
