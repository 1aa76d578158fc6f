//! Writing: conversion of R's plan (see `write_plan()` there) to the core's.

use crate::args::Args;
use crate::from_r::{from_r, Place};
use crate::handles::StoreHandle;
use crate::reply::reply;
use crate::run::run;
use crate::to_r::list_of;
use anndataoom_core::element::{self, SparseFormat, Value};
use anndataoom_core::store::ZarrFormat;
use anndataoom_core::write::{
    self, Compression, Conversion, Frame, H5adPlan, Part, RawPlan, SaveOptions, WriteOptions,
};
use anndataoom_core::{text, Error, Monitor, Result};
use extendr_api::prelude::*;

fn bad(what: &str) -> Error {
    Error::Internal(format!("a plan of writing has {what}"))
}

/// Converts one part of a plan by its `kind`:
/// - "value": `value`, `name`, `element` (whether it is an element of its own)
/// - "matrix": `matrix`, `store`
/// - "copy": `store`, `element`, `rows`, `columns`
/// - "in use": `store`, `element`, `column`, `rows`, a column of a table with only the categories
///   in use
/// - "frame": `index_name`, `index`, `columns`
fn part(x: &Robj) -> Result<Part> {
    let a = Args::new(x)?;
    Ok(match a.str("kind")? {
        "value" => {
            let place =
                if a.get("element").and_then(|e| e.as_bool()) == Some(true) { Place::Element } else { Place::Column };
            let null: Robj = ().into();
            Part::Value(from_r(a.get("value").unwrap_or(&null), a.opt_str("name")?.unwrap_or("value"), place)?)
        }
        "matrix" => {
            let store = if a.get("store").is_some() { Some(a.store()?) } else { None };
            Part::of_chain(&a.matrix("matrix")?, store.as_ref())
        }
        "copy" => Part::Copy {
            store: a.store()?,
            element: a.str("element")?.to_owned(),
            rows: a.opt_positions("rows")?,
            columns: a.opt_positions("columns")?,
        },
        // Read here, because the file has categories that no value of the selection has.
        "in use" => {
            let (frame, column) = (a.str("element")?, a.str("column")?);
            let value = element::read_column(&a.store()?, frame, column)?;
            match value.select(a.opt_positions("rows")?.as_deref(), None)? {
                Value::Categorical(c) => Part::Value(Value::Categorical(c.in_use()?)),
                other => Part::Value(other),
            }
        }
        "frame" => Part::Frame(Frame {
            index_name: a.opt_str("index_name")?.map(str::to_owned),
            index: Box::new(part(a.get("index").ok_or_else(|| bad("a frame without an index"))?)?),
            columns: parts(&a, "columns")?,
        }),
        other => return Err(bad(other)),
    })
}

fn parts(a: &Args, name: &str) -> Result<Vec<(String, Part)>> {
    let Some(list) = a.get(name).and_then(|l| l.as_list()) else { return Ok(Vec::new()) };
    list.iter().map(|(key, x)| Ok((key.to_owned(), part(&x)?))).collect()
}

fn optional(a: &Args, name: &str) -> Result<Option<Part>> {
    a.get(name).map(part).transpose()
}

fn plan(x: &Robj) -> Result<H5adPlan> {
    let a = Args::new(x)?;
    let need = |name: &str| optional(&a, name)?.ok_or_else(|| bad(&format!("no {name}")));
    let mut plan = H5adPlan::new(optional(&a, "X")?, need("obs")?, need("var")?);
    plan.layers = parts(&a, "layers")?;
    plan.obsm = parts(&a, "obsm")?;
    plan.varm = parts(&a, "varm")?;
    plan.obsp = parts(&a, "obsp")?;
    plan.varp = parts(&a, "varp")?;
    plan.uns = parts(&a, "uns")?;
    if let Some(raw) = a.get("raw") {
        let raw = Args::new(raw)?;
        plan.raw = Some(RawPlan {
            x: optional(&raw, "X")?.ok_or_else(|| bad("raw without X"))?,
            var: optional(&raw, "var")?.ok_or_else(|| bad("raw without var"))?,
            varm: parts(&raw, "varm")?,
        });
    }
    Ok(plan)
}

/// Converts the square matrices of a plan to compressed rows, as in scanpy. With a million cells
/// that takes seconds, so it belongs into work that Ctrl-C stops.
fn square_by_rows(mut plan: H5adPlan, monitor: &Monitor) -> Result<H5adPlan> {
    for (_, part) in plan.obsp.iter_mut().chain(&mut plan.varp) {
        match part {
            Part::Value(Value::Sparse(s)) if s.format != SparseFormat::Csr => {
                *s = s.turned(SparseFormat::Csr, monitor)?;
            }
            _ => {}
        }
    }
    Ok(plan)
}

fn compression(a: &Args) -> Result<Compression> {
    Compression::for_hdf5(a.str("compression")?, level(a)?)
}

/// Writes an h5ad file; arguments `plan`, `path`, `compression`, `compression_opts`, `as_dense`,
/// `as_csr`, `as_csc`, `recompress`.
#[extendr]
fn rs_write_h5ad(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plan = plan(a.get("plan").ok_or_else(|| bad("nothing in it"))?)?;
        let options = WriteOptions {
            compression: compression(a)?,
            recompress: a.bool("recompress")?,
            as_dense: a.opt_strings("as_dense")?.unwrap_or_default(),
            as_csr: a.opt_strings("as_csr")?.unwrap_or_default(),
            as_csc: a.opt_strings("as_csc")?.unwrap_or_default(),
            chunk: None,
        };
        let path = a.str("path")?;
        run(a, |session| write::write_h5ad(&square_by_rows(plan, &session.monitor)?, path, &options, session))?;
        Ok(().into())
    })
}

fn format_of(a: &Args, compression: Compression) -> Result<ZarrFormat> {
    let whole = |name: &'static str| Ok::<_, Error>(a.opt_usize(name)?.unwrap_or(0));
    let (version, shards) = (whole("zarr_format")? as u8, whole("shards")? as u64);
    Ok(ZarrFormat { version, shards: (shards > 0).then_some(shards), consolidate: true, compression })
}

fn level(a: &Args) -> Result<Option<u8>> {
    Ok(a.opt_usize("compression_opts")?.map(|level| u8::try_from(level).unwrap_or(u8::MAX)))
}

/// Writes a Zarr store; arguments `plan`, `path`, `zarr_format`, `shards`, `chunks`, `compression`,
/// `compression_opts`, `as_dense`, `as_csr`, `as_csc`, `recompress`.
#[extendr]
fn rs_write_zarr(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plan = plan(a.get("plan").ok_or_else(|| bad("nothing in it"))?)?;
        let compression = Compression::for_zarr(a.str("compression")?, level(a)?)?;
        let options = WriteOptions {
            compression,
            recompress: a.bool("recompress")?,
            as_dense: a.opt_strings("as_dense")?.unwrap_or_default(),
            as_csr: a.opt_strings("as_csr")?.unwrap_or_default(),
            as_csc: a.opt_strings("as_csc")?.unwrap_or_default(),
            chunk: a.opt_usize("chunks")?,
        };
        let (path, format) = (a.str("path")?, format_of(a, compression)?);
        run(a, |session| write::write_zarr(&square_by_rows(plan, &session.monitor)?, path, format, &options, session))?;
        Ok(().into())
    })
}

/// Converts a file or store to another one, of the format that the end of its name tells; arguments
/// `store`, `to`, `zarr_format`, `shards`, `chunks`, `compression` (optional), `compression_opts`.
#[extendr]
fn rs_convert(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (store, to, level) = (a.store()?, a.str("to")?, level(a)?);
        let compression = a.opt_str("compression")?.map(|name| (name.to_owned(), level));
        let how = Conversion { compression, chunk: a.opt_usize("chunks")?, format: format_of(a, Compression::None)? };
        run(a, |session| write::convert_to(&store, to.as_ref(), &how, session))?;
        Ok(().into())
    })
}

/// Writes the modalities of an h5mu file; arguments `plans` (by name), `path`, `compression`,
/// `compression_opts`.
#[extendr]
fn rs_write_h5mu(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plans = a.get("plans").and_then(|p| p.as_list()).ok_or_else(|| bad("no modalities"))?;
        let plans: Result<Vec<(String, H5adPlan)>> =
            plans.iter().map(|(name, p)| Ok((name.to_owned(), plan(&p)?))).collect();
        let (plans, path) = (plans?, a.str("path")?);
        let options = WriteOptions { compression: compression(a)?, ..WriteOptions::default() };
        run(a, |session| {
            let by_rows = |(name, plan)| Ok((name, square_by_rows(plan, &session.monitor)?));
            let plans: Result<Vec<(String, H5adPlan)>> = plans.into_iter().map(by_rows).collect();
            write::write_h5mu(&plans?, path, &options, session)
        })?;
        Ok(().into())
    })
}

/// Writes an HDF5 file of Cell Ranger; arguments `plan` (with X, obs and var), `path`.
#[extendr]
fn rs_write_10x_h5(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plan = plan(a.get("plan").ok_or_else(|| bad("nothing in it"))?)?;
        let path = a.str("path")?;
        run(a, |session| write::write_10x_h5(&plan, path, session))?;
        Ok(().into())
    })
}

/// Writes a folder of Cell Ranger; arguments `plan` (with X, obs and var), `path`.
#[extendr]
fn rs_write_10x_mtx(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plan = plan(a.get("plan").ok_or_else(|| bad("nothing in it"))?)?;
        let path = a.str("path")?;
        run(a, |session| text::write_10x_mtx(&plan, path, session))?;
        Ok(().into())
    })
}

/// Saves changes into the file of `store` and returns `list(pointer =, written =, removed =, left
/// =)`: a handle on the new state, and paths; arguments `plan`, `store`, `compression`,
/// `compression_opts`, `x` (whether X is saved).
#[extendr]
fn rs_save_h5ad(args: Robj) -> Robj {
    reply(args, |a, _| {
        let plan = plan(a.get("plan").ok_or_else(|| bad("nothing in it"))?)?;
        let options = SaveOptions { compression: compression(a)?, x: a.bool("x")? };
        let store = a.store()?;
        let saved =
            run(a, |session| write::save_h5ad(&square_by_rows(plan, &session.monitor)?, &store, &options, session))?;
        let pointer: Robj = ExternalPtr::new(StoreHandle(saved.store)).into();
        let (written, removed, left): (Robj, Robj, Robj) =
            (saved.written.into(), saved.removed.into(), saved.left.into());
        list_of(["pointer", "written", "removed", "left"].into_iter(), vec![pointer, written, removed, left])
    })
}

extendr_module! {
    mod write;
    fn rs_write_h5ad;
    fn rs_write_zarr;
    fn rs_convert;
    fn rs_save_h5ad;
    fn rs_write_h5mu;
    fn rs_write_10x_h5;
    fn rs_write_10x_mtx;
}
