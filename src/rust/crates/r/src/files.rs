//! Opening of files, and reading of their elements.

use crate::args::Args;
use crate::handles::StoreHandle;
use crate::reply::{clean, reply, Notes};
use crate::run::run;
use crate::to_r::{by_columns, frame_of, list_of, to_r};
use anndataoom_core::element::loom::LoomOptions;
use anndataoom_core::element::{self, Layer, Slots};
use anndataoom_core::error::printable;
use anndataoom_core::session::Session;
use anndataoom_core::store::{named, External, Store};
use anndataoom_core::{Error, Location, Result};
use extendr_api::prelude::*;
use std::sync::Arc;

/// Opens a file or store and returns `list(path =, pointer =)`; arguments `path`, `save` (whether
/// it is opened for saving into it), `external` (which external files it may open, optional),
/// `group` (to open within it, optional), `format` (that the file must have, optional).
#[extendr]
fn rs_open(args: Robj) -> Robj {
    reply(args, |a, _| {
        let save = a.get("save").and_then(|s| s.as_bool()) == Some(true);
        let external = External::parse(a.opt_str("external")?.unwrap_or("refuse"))?;
        let (place, format, group) = (a.str("path")?, a.opt_str("format")?, a.opt_str("group")?);
        let open = || {
            let whole = Store::open_as(place, save, external)?;
            format.map_or(Ok(()), |format| whole.expect_format(format))?;
            let store = group.map_or_else(|| Ok(whole.clone()), |group| whole.subgroup(group))?;
            Ok((whole, store))
        };
        let (whole, store) = match is_url(place) {
            true => run(a, |_| open())?,
            false => open()?,
        };
        let path: Robj = whole.location().to_string().into();
        let (mark, size): (Robj, Robj) = match whole.mark() {
            Some((bytes, state)) => (format!("{bytes} {state:016x}").into(), (bytes as f64).into()),
            None => (().into(), ().into()),
        };
        let pointer: Robj = ExternalPtr::new(StoreHandle(store)).into();
        list_of(["path", "pointer", "mark", "size"].into_iter(), vec![path, pointer, mark, size])
    })
}

fn is_url(place: &str) -> bool {
    Location::named(place.as_ref()).is_url()
}

/// Returns the text by which a URL is opened again, without secrets; arguments `path`, `names` and
/// `values` of options. The secrets stay in this process.
#[extendr]
fn rs_place(args: Robj) -> Robj {
    reply(args, |a, _| {
        let names = a.opt_strings("names")?.unwrap_or_default();
        let options: Vec<(String, String)> =
            names.into_iter().zip(a.opt_strings("values")?.unwrap_or_default()).collect();
        Ok(named(a.str("path")?.as_ref(), &options)?.to_string_lossy().into_owned().into())
    })
}

/// Runs something that is short for a file of this machine; for one far away it may be long, and is
/// watched.
fn watched<T: Send>(a: &Args, store: &Arc<Store>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match store.traffic() {
        Some(_) => run(a, |_| work()),
        None => work(),
    }
}

/// Returns whether an error says that the content of a remote store is unknown, rather than what is
/// wrong with it.
fn is_unknown(store: &Store, error: &Error) -> bool {
    store.traffic().is_some()
        && matches!(error, Error::Io { .. } | Error::File { .. } | Error::Cancelled | Error::OutOfMemory { .. })
}

/// Lists the elements of a file by slot, without their values: `X`, each mapping, and `raw` if it
/// has one; argument `store`.
#[extendr]
fn rs_tree(args: Robj) -> Robj {
    reply(args, |a, _| {
        let store = a.store()?;
        let tree = watched(a, &store, || element::tree(&store))?;
        let mut names = vec!["X"];
        let mut values: Vec<Robj> = vec![tree.x.map_or_else(|| ().into(), Robj::from)];
        for (slot, entries) in &tree.slots {
            names.push(slot);
            values.push(members(&store, entries)?);
        }
        if let Some(raw) = tree.raw {
            names.push("raw");
            let parts = vec![raw.x.into(), raw.var.into(), members(&store, &raw.varm)?];
            values.push(list_of(["X", "var", "varm"].into_iter(), parts)?);
        }
        list_of(names.into_iter(), values)
    })
}

/// Lists the elements of a slot with path, encoding and shape. An element that cannot be described
/// is listed as unreadable, and fails when it is read.
fn members(store: &Arc<Store>, entries: &element::Entries) -> Result<Robj> {
    let described: Result<Vec<Robj>> = entries
        .iter()
        .map(|(_, path)| {
            let (encoding, shape) = match element::describe(store, path) {
                Ok(d) => (d.encoding, d.shape),
                Err(e) if is_unknown(store, &e) => return Err(e),
                Err(e) => (format!("unreadable ({})", e.class()), Vec::new()),
            };
            let shape: Vec<f64> = shape.into_iter().map(|n| n as f64).collect();
            list_of(["element", "encoding", "shape"].into_iter(), vec![path.into(), encoding.into(), shape.into()])
        })
        .collect();
    list_of(entries.iter().map(|e| e.0.as_str()), described?)
}

/// Reads the axes of a file of 10x Genomics: `list(element =, obs =, var =)`, where `element` is
/// the path of the matrix; arguments `store`, `genome` (optional).
#[extendr]
fn rs_read_10x(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let store = a.store()?;
        let genome = a.opt_str("genome")?;
        let found = run(a, |_| element::read_10x(&store, genome))?;
        let frame = |d: element::DataFrame, name: &str| to_r(&element::Value::DataFrame(d), name, notes);
        list_of(
            ["element", "obs", "var"].into_iter(),
            vec![found.element.into(), frame(found.obs, "obs")?, frame(found.var, "var")?],
        )
    })
}

/// Returns the names of the modalities of an h5mu file, `NULL` for other files; argument `store`.
#[extendr]
fn rs_modalities(args: Robj) -> Robj {
    reply(args, |a, _| {
        let store = a.store()?;
        let found = watched(a, &store, || element::mudata::modalities(&store))?;
        Ok(found.map_or_else(|| ().into(), Robj::from))
    })
}

/// Returns the path of the group of a modality; arguments `store`, `mod` (optional when there is
/// only one).
#[extendr]
fn rs_modality(args: Robj) -> Robj {
    reply(args, |a, _| Ok(element::mudata::modality(&a.store()?, a.opt_str("mod")?)?.into()))
}

/// Reads the columns of the file's own obs for the cells of a modality, a data.frame; arguments
/// `store`, `mod`.
#[extendr]
fn rs_shared_frame(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (store, name) = (a.store()?, a.str("mod")?);
        let frame = run(a, |_| element::mudata::shared_frame(&store, "obs", name))?;
        to_r(&element::Value::DataFrame(frame), "obs", notes)
    })
}

/// Reads an assay of an h5Seurat file, by slots; arguments `store`, `assay` and `slot` (optional).
#[extendr]
fn rs_read_h5seurat(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (store, assay, slot) = (a.store()?, a.opt_str("assay")?, a.opt_str("slot")?);
        let found = run(a, |session| by_slots(element::seurat::read_h5seurat(&store, assay, slot)?, session))?;
        slots_to_r(&found, notes)
    })
}

/// Reads a loom file, by slots; arguments `store`, `X_name`, `obs_names`, `var_names`, `obsm` and
/// `varm` (names of attributes), `obsm_of` and `varm_of` (for each of them, the name of the array
/// that it becomes a column of).
#[extendr]
fn rs_read_loom(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let store = a.store()?;
        let text = |name: &'static str| Ok::<_, Error>(a.str(name)?.to_owned());
        let mapping = |parts: &'static str, of: &'static str| {
            let (parts, of) = (a.opt_strings(parts)?.unwrap_or_default(), a.opt_strings(of)?.unwrap_or_default());
            let mut out: Vec<(String, Vec<String>)> = Vec::new();
            for (part, of) in parts.into_iter().zip(of) {
                match out.last_mut() {
                    Some((last, parts)) if *last == of => parts.push(part),
                    _ => out.push((of, vec![part])),
                }
            }
            Ok::<_, Error>(out)
        };
        let options = LoomOptions {
            x_name: text("X_name")?,
            obs_names: text("obs_names")?,
            var_names: text("var_names")?,
            obsm: mapping("obsm", "obsm_of")?,
            varm: mapping("varm", "varm_of")?,
        };
        let found = run(a, |session| by_slots(element::loom::read_loom(&store, &options)?, session))?;
        slots_to_r(&found, notes)
    })
}

/// Converts the sparse matrices of the slots to compressed columns, as R has them.
fn by_slots(mut found: Slots, session: &Session) -> Result<Slots> {
    let Slots { obsm, varm, obsp, varp, .. } = &mut found;
    for (_, value) in obsm.iter_mut().chain(varm).chain(obsp).chain(varp) {
        *value = by_columns(std::mem::replace(value, element::Value::Null), &session.monitor)?;
    }
    Ok(found)
}

/// Makes a list of the slots. A matrix is `list(element =, columns =)`: its path, and the columns
/// to take (from 1), `NULL` for all in order.
fn slots_to_r(found: &Slots, notes: &Notes) -> Result<Robj> {
    let layer = |(element, columns): &Layer| {
        let columns: Robj = match columns {
            Some(columns) => columns.iter().map(|&c| f64::from(c) + 1.0).collect::<Vec<f64>>().into(),
            None => ().into(),
        };
        list_of(["element", "columns"].into_iter(), vec![element.as_str().into(), columns])
    };
    let layers: Result<Vec<Robj>> = found.layers.iter().map(|l| layer(&l.1)).collect();
    let mut names = vec!["X", "layers"];
    let mut values = vec![layer(&found.x)?, list_of(found.layers.iter().map(|l| l.0.as_str()), layers?)?];
    for (name, frame) in [("obs", &found.obs), ("var", &found.var)] {
        names.push(name);
        values.push(to_r(&element::Value::DataFrame(frame.clone()), name, notes)?);
    }
    let slots = [&found.obsm, &found.varm, &found.obsp, &found.varp, &found.uns];
    for (slot, items) in ["obsm", "varm", "obsp", "varp", "uns"].into_iter().zip(slots) {
        let parts: Result<Vec<Robj>> = items.iter().map(|(key, v)| to_r(v, &format!("{slot}/{key}"), notes)).collect();
        names.push(slot);
        values.push(list_of(items.iter().map(|i| i.0.as_str()), parts?)?);
    }
    list_of(names.into_iter(), values)
}

/// Reads the value of an element; arguments `store`, `element`, `rows` and `columns` (positions
/// from 1, optional).
#[extendr]
fn rs_read(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (store, path) = (a.store()?, a.str("element")?);
        let (rows, columns) = (a.opt_positions("rows")?, a.opt_positions("columns")?);
        let value = run(a, |session| {
            let value = element::read_selected(&store, path, rows.as_deref(), columns.as_deref())?;
            by_columns(value, &session.monitor)
        })?;
        to_r(&value, path, notes)
    })
}

/// Reads a table column by column: `list(value =, failed =, order =)`, where `value` is a
/// data.frame of the readable columns, `failed` holds the error of each other one, and `order` the
/// names of all; arguments `store`, `element`.
#[extendr]
fn rs_read_frame(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (store, path) = (a.store()?, a.str("element")?);
        let (names, index, columns) = run(a, |session| {
            let names = element::column_names(&store, path)?;
            let index = element::read_index(&store, path)?;
            let mut unknown = None;
            let columns: Vec<Result<element::Value>> = names
                .iter()
                .map(|name| {
                    session.monitor.check()?;
                    let value = match element::read_column(&store, path, name) {
                        Err(e) if is_unknown(&store, &e) => {
                            unknown.get_or_insert(e.clone());
                            return Err(e);
                        }
                        value => value?,
                    };
                    match (value.len(), index.1.len()) {
                        (Some(found), Some(n)) if found == n => Ok(value),
                        (found, n) => Err(Error::Format {
                            path: store.location().clone(),
                            element: format!("{path}/{name}"),
                            expected: format!("{} values, as the index has", n.unwrap_or(0)),
                            found: found.map_or_else(|| value.encoding().to_owned(), |f| f.to_string()),
                        }),
                    }
                })
                .collect();
            session.monitor.check()?;
            unknown.map_or(Ok(()), Err)?;
            Ok((names, index, columns))
        })?;
        let (mut good, mut values, mut bad, mut reasons): (Vec<&str>, Vec<Robj>, Vec<&str>, Vec<Robj>) =
            Default::default();
        for (name, column) in names.iter().zip(columns) {
            match column.and_then(|v| to_r(&v, &format!("{path}/{name}"), notes)) {
                Ok(v) => {
                    good.push(name);
                    values.push(v);
                }
                Err(e) => {
                    bad.push(name);
                    reasons.push(clean(&printable(&e.to_string())).as_ref().into());
                }
            }
        }
        let columns = list_of(good.into_iter(), values)?;
        let row_names = to_r(&index.1, path, notes)?;
        let frame = frame_of(columns, row_names, index.0.as_deref(), path, notes)?;
        let order = Strings::from_values(names.iter().map(|n| clean(n)));
        list_of(["value", "failed", "order"].into_iter(), vec![frame, list_of(bad.into_iter(), reasons)?, order.into()])
    })
}

extendr_module! {
    mod files;
    fn rs_open;
    fn rs_place;
    fn rs_tree;
    fn rs_read_10x;
    fn rs_modalities;
    fn rs_modality;
    fn rs_shared_frame;
    fn rs_read_h5seurat;
    fn rs_read_loom;
    fn rs_read;
    fn rs_read_frame;
}
