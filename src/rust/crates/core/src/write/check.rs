//! The checks of a plan, made before a byte is written.

use super::part::value_of;
use super::plan::{known_shape, shape_of, Frame, H5adPlan, Part, WriteOptions};
use crate::element::{check_names, same_texts, Value};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Checks every extent of a plan against the numbers of cells and genes, and checks the dataframes,
/// the names and the options.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) and [`Error::Parameter`](crate::Error::Parameter), naming
/// slot and key.
pub(super) fn check(plan: &H5adPlan, options: &WriteOptions) -> Result<()> {
    let n_obs = frame_rows("obs", &plan.obs)?;
    let n_vars = frame_rows("var", &plan.var)?;
    let mut matrices = Vec::new();
    let mut matrix = |name: String, part: &Part, expected: (usize, usize)| -> Result<()> {
        let found = known_shape(part)?;
        if let Some(found) = found.filter(|f| *f != [expected.0, expected.1]) {
            return Err(Error::shape(name, format!("{} x {}", expected.0, expected.1), show(&found)));
        }
        if !matches!(part, Part::Value(_) | Part::Rows(_)) {
            matrices.push(name);
        }
        Ok(())
    };
    if let Some(x) = &plan.x {
        matrix("X".to_owned(), x, (n_obs, n_vars))?;
    }
    for (slot, parts, shape) in [
        ("layers", &plan.layers, (n_obs, n_vars)),
        ("obsp", &plan.obsp, (n_obs, n_obs)),
        ("varp", &plan.varp, (n_vars, n_vars)),
    ] {
        unique(slot, parts)?;
        parts.iter().try_for_each(|(key, part)| matrix(format!("{slot}/{key}"), part, shape))?;
    }
    if let Some(raw) = &plan.raw {
        let n_raw = frame_rows("raw/var", &raw.var)?;
        matrix("raw/X".to_owned(), &raw.x, (n_obs, n_raw))?;
        aligned("raw/varm", &raw.varm, n_raw, "genes of raw")?;
    }
    aligned("obsm", &plan.obsm, n_obs, "cells")?;
    aligned("varm", &plan.varm, n_vars, "genes")?;
    unique("uns", &plan.uns)?;

    let known = |parameter: &'static str, names: &[String]| match names.iter().find(|n| !matrices.contains(n)) {
        None => Ok(()),
        Some(name) => {
            let expected = format!("one of the matrices that are not held in memory ({})", matrices.join(", "));
            Err(Error::parameter(parameter, expected, format!("'{name}'")))
        }
    };
    known("as_dense", &options.as_dense)?;
    known("as_csr", &options.as_csr)?;
    known("as_csc", &options.as_csc)?;
    if let Some(both) = options.as_dense.iter().find(|n| options.as_csc.contains(n)) {
        return Err(Error::parameter("as_csc", "no matrix of as_dense", format!("'{both}'")));
    }
    if let Some(both) = options.as_csr.iter().find(|n| options.as_csc.contains(n) || options.as_dense.contains(n)) {
        return Err(Error::parameter("as_csr", "no matrix of as_dense or as_csc", format!("'{both}'")));
    }
    Ok(())
}

/// Returns the words for an extent in errors.
fn show(shape: &[usize]) -> String {
    match shape {
        [] => "a value without extent".to_owned(),
        [n] => format!("a vector of {n}"),
        more => more.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x "),
    }
}

/// Checks that no key of a slot occurs twice.
fn unique(slot: &str, parts: &[(String, Part)]) -> Result<()> {
    let mut seen = HashSet::new();
    match parts.iter().find(|(key, _)| !seen.insert(key)) {
        None => Ok(()),
        Some((key, _)) => Err(Error::parameter("key", format!("every key of {slot} once"), format!("'{key}' twice"))),
    }
}

/// Checks that no key of a slot occurs twice and that every part has `n` rows; `what` says of what
/// in errors.
fn aligned(slot: &str, parts: &[(String, Part)], n: usize, what: &str) -> Result<()> {
    unique(slot, parts)?;
    for (key, part) in parts {
        let found = known_shape(part)?;
        if let Some(found) = found.filter(|f| f.first() != Some(&n)) {
            return Err(Error::shape(format!("{slot}/{key}"), format!("{n} rows ({what})"), show(&found)));
        }
    }
    Ok(())
}

/// Checks the columns of a dataframe and returns its number of rows.
fn frame_rows(slot: &str, part: &Part) -> Result<usize> {
    let rows = shape_of(part)?.first().copied().unwrap_or(0);
    match part {
        Part::Value(Value::DataFrame(_)) | Part::Copy { .. } => Ok(rows),
        Part::Frame(frame) => columns(slot, frame, rows).map(|()| rows),
        Part::Value(other) => Err(Error::shape(slot, "a dataframe", other.encoding())),
        Part::Matrix(_) | Part::Rows(_) => Err(Error::shape(slot, "a dataframe", "a matrix")),
    }
}

/// Checks the names and the lengths of a dataframe's columns.
fn columns(slot: &str, frame: &Frame, rows: usize) -> Result<()> {
    unique(slot, &frame.columns)?;
    let index = frame.index_name.as_deref().unwrap_or("_index");
    check_names(slot, index, frame.columns.iter().map(|c| c.0.as_str()))?;
    for (name, part) in &frame.columns {
        if name == index && !same_texts(&*value_of(&frame.index)?, &*value_of(part)?) {
            let expected = format!("a column of {slot} named otherwise than its index, or with the same values");
            return Err(Error::parameter("column", expected, format!("'{name}' with other values")));
        }
        // A stored column that does not fit its table was left out when the table was read; it
        // needs no check here.
        let Some(found) = known_shape(part)?.filter(|_| !matches!(part, Part::Copy { rows: None, .. })) else {
            continue;
        };
        if found != [rows] || matches!(part, Part::Matrix(_) | Part::Frame(_)) {
            return Err(Error::shape(format!("{slot}/{name}"), format!("a vector of {rows}"), show(&found)));
        }
    }
    Ok(())
}
