//! The only way from R into the table of verbs, and the few sums and products of a matrix that R
//! calls directly.

use crate::args::{doubles, matrix, Args};
use crate::from_r::{self, float32_in_place, from_r, graph_in_place, sparse, Place};
use crate::given::{given, to_robj};
use crate::matrices::handle;
use crate::reply::reply;
use crate::run::run;
use crate::to_r::{by_columns, float32, list_of, patch_by_columns, patch_to_r, to_r, transposed_to_r};
use crate::vector::{self, logicals, uninitialised};
use anndataoom_core::element::{Array, Strings, Value};
use anndataoom_core::given::Given;
use anndataoom_core::graph::shared_links;
use anndataoom_core::verbs::{self, Call, Column, Face, Groups, Input, Param, Preset, Source, Verb};
use anndataoom_core::{memory, ops, Error, Result};
use extendr_api::prelude::*;
use extendr_api::AsTypedSlice;
use ndarray::{Array2, ArrayView2, CowArray, Ix2};
use std::collections::HashMap;

/// Finds the verb `name` in the table and checks its arguments `args`.
fn checked(a: &Args) -> Result<(&'static Verb, verbs::Args)> {
    let name = a.str("name")?;
    let verb = verbs::find(name)?;
    Ok((verb, verb.check(arguments(a))?))
}

/// Converts the argument `args`, a named list.
fn arguments(a: &Args) -> Vec<(String, Given)> {
    let list = a.get("args").and_then(|l| l.as_list()).unwrap_or_else(|| List::new(0));
    list.iter().map(|(k, v)| (k.to_owned(), given(&v))).collect()
}

/// Checks the arguments of a function that is no verb: returns `NULL` or an error; arguments
/// `name`, `args` (a named list).
#[extendr]
fn rs_check(args: Robj) -> Robj {
    reply(args, |a, _| {
        let name = a.str("name")?;
        verbs::function_named(name)?.check(name, arguments(a)).map(Robj::from)
    })
}

/// Checks the arguments of a verb and returns `list(needs =, label =)`: the source of every input,
/// by name, and the label of a progress bar; arguments `name`, `args` (a named list).
#[extendr]
fn rs_verb_check(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (verb, _) = checked(a)?;
        let needs = verb.needs;
        let sources: Vec<Robj> = needs.iter().map(|need| need.source.name().into()).collect();
        let needs = list_of(needs.iter().map(|need| need.name), sources)?;
        list_of(["needs", "label"].into_iter(), vec![needs, verb.label.into()])
    })
}

/// Runs a verb; arguments `name`, `args` and `inputs` (named lists). Returns a list:
/// - `matrix`: the handle of the new matrix, or `NULL`
/// - `patch`: the new elements, by slot
/// - `cells`, `keep`: whether `keep` is about cells or genes; a mask of them, or the positions to
///   take
/// - `placed`, `scores`: the key in obsm of new coordinates, and the coordinates
#[extendr]
fn rs_verb(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (verb, args) = checked(a)?;
        let given = a.get("inputs").and_then(|l| l.as_list()).unwrap_or_else(|| List::new(0));
        let given: Vec<(&str, Robj)> = given.iter().collect();
        let mut inputs = HashMap::new();
        for (name, x) in given.iter().filter(|(_, x)| !x.is_null()) {
            inputs.insert((*name).to_owned(), input(verb, name, x)?);
        }
        let mut call = Call::new(args, inputs);
        // The coordinates are written into R's memory, because a copy for a million cells would be
        // 200 MB.
        let room = verb.room(&call)?;
        let (n, k) = room.unwrap_or_default();
        let mut scores: Robj = uninitialised("scores", n.saturating_mul(k))?;
        if room.is_some() {
            let bits: Option<&mut [i32]> = scores.as_typed_slice_mut();
            call.place(bytemuck::cast_slice_mut(bits.unwrap_or_default()));
        }
        let found = run(a, |session| {
            let mut found = verb.run(call, session)?;
            // R needs compressed columns. They are made here, where Ctrl-C can stop it.
            found.patch = patch_by_columns(found.patch, &session.monitor)?;
            Ok(found)
        })?;
        found.notes.iter().for_each(|(kind, note)| notes.warn(kind, note.clone()));
        let matrix = found.matrix.map_or(Ok(().into()), handle)?;
        let (cells, keep): (Robj, Robj) = match (found.keep, found.take) {
            (Some((cells, mask)), _) => (cells.into(), logicals("keep", mask.into_iter().map(Rbool::from))?),
            (None, Some((cells, at))) => {
                (cells.into(), vector::doubles("positions", at.into_iter().map(|i| f64::from(i) + 1.0))?)
            }
            (None, None) => Default::default(),
        };
        let placed: Robj = found.placed.as_deref().map_or(().into(), Into::into);
        let scores = if found.placed.is_some() { float32(scores, n, k)? } else { ().into() };
        let names = ["matrix", "patch", "cells", "keep", "placed", "scores"];
        list_of(names.into_iter(), vec![matrix, patch_to_r(found.patch, notes)?, cells, keep, placed, scores])
    })
}

/// Converts an input to the type that its source in the table has.
fn input<'a>(verb: &Verb, name: &str, x: &'a Robj) -> Result<Input<'a>> {
    let unknown = || Error::Internal(format!("{}: an unknown input '{name}'", verb.name));
    let logicals =
        |x: &Robj| memory::collected(x.as_logical_slice().ok_or_else(unknown)?.iter().map(Rbool::is_true), "a mask");
    let source = verb.needs.iter().find(|need| need.name == name).ok_or_else(unknown)?.source;
    Ok(match source {
        Source::Matrix => Input::Matrix(matrix(x)?),
        Source::Connectivities | Source::Distances => graph(x)?,
        Source::Embedding | Source::Start | Source::Obsm | Source::Basis => Input::Points(points(x, name)?),
        Source::Covariates if !x.inherits("factor") => {
            let list = x.as_list().ok_or_else(unknown)?;
            Input::Columns(list.iter().map(|(k, v)| Ok((k.to_owned(), doubles("keys", &v)?))).collect::<Result<_>>()?)
        }
        Source::Groups | Source::Chosen | Source::Covariates => Input::Groups(groups(x).ok_or_else(unknown)??),
        Source::Factors => {
            let list = x.as_list().ok_or_else(unknown)?;
            let column = |(k, v): (&str, Robj)| Ok((k.to_owned(), groups(&v).ok_or_else(unknown)??));
            Input::Factors(list.iter().map(column).collect::<Result<_>>()?)
        }
        Source::Reference => reference(x, name, unknown)?,
        Source::Model => {
            let list = x.as_list().ok_or_else(unknown)?;
            let column = |(k, v): (&str, Robj)| {
                let column = if v.inherits("factor") {
                    Column::Groups(groups(&v).ok_or_else(unknown)??)
                } else {
                    Column::Numbers(doubles("covariates", &v)?)
                };
                Ok((k.to_owned(), column))
            };
            Input::Model(list.iter().map(column).collect::<Result<_>>()?)
        }
        Source::Mask => Input::Mask(logicals(x)?),
        Source::Masks => {
            let list = x.as_list().ok_or_else(unknown)?;
            Input::Masks(list.iter().map(|(k, v)| Ok((k.to_owned(), logicals(&v)?))).collect::<Result<_>>()?)
        }
        Source::Genes => {
            let names = x.as_str_iter().ok_or_else(unknown)?;
            Input::Names(Strings::collected(names)?)
        }
        Source::Sets => {
            let list = x.as_list().ok_or_else(unknown)?;
            let genes = |v: &Robj| v.as_string_vector().ok_or_else(unknown);
            Input::Sets(list.iter().map(|(k, v)| Ok((k.to_owned(), genes(&v)?))).collect::<Result<_>>()?)
        }
        Source::LogBase | Source::Uns | Source::Root | Source::Weights => Input::Numbers(doubles("uns", x)?),
    })
}

/// Converts a graph, which is borrowed if R keeps it as the core made it.
fn graph(x: &Robj) -> Result<Input<'_>> {
    match graph_in_place(x)? {
        Some((starts, columns, values)) => {
            let broken = || Error::shape("connectivities", "the parts of a graph as neighbors() left them", "others");
            shared_links(starts, columns, values).map(Input::Links).ok_or_else(broken)
        }
        None => Ok(Input::Graph(Value::Sparse(sparse(x, "connectivities")?))),
    }
}

/// Converts a part of a reference by its type: a handle, a matrix, numbers, names, or a list of
/// factors.
fn reference<'a>(x: &'a Robj, name: &str, unknown: impl Fn() -> Error) -> Result<Input<'a>> {
    if x.rtype() == Rtype::ExternalPtr {
        return Ok(Input::Matrix(matrix(x)?));
    }
    if let Some(list) = x.as_list().filter(|_| !x.inherits("anndataoom_float32")) {
        let column = |(k, v): (&str, Robj)| Ok((k.to_owned(), groups(&v).ok_or_else(&unknown)??));
        return Ok(Input::Factors(list.iter().map(column).collect::<Result<_>>()?));
    }
    if let Some(names) = x.as_str_iter() {
        return Ok(Input::Names(Strings::collected(names)?));
    }
    match x.get_attrib("dim") {
        Some(_) => Ok(Input::Points(points(x, name)?)),
        None => Ok(Input::Numbers(doubles("uns", x)?)),
    }
}

/// Converts a factor; `None` for any other object.
fn groups(x: &Robj) -> Option<Result<Groups>> {
    let code = |&code: &i32| if code == i32::MIN { -1 } else { code - 1 };
    let codes = memory::collected(x.as_integer_slice()?.iter().map(code), "the groups of cells");
    let names = x.get_attrib("levels").and_then(|l| l.as_string_vector()).unwrap_or_default();
    Some(codes.map(|codes| Groups { codes, names }))
}

/// Converts a numeric R matrix to f32 rows; an `anndataoom_float32` is read in place.
fn points<'a>(x: &'a Robj, name: &str) -> Result<CowArray<'a, f32, Ix2>> {
    if let Some((values, n, d)) = float32_in_place(x) {
        let view = ArrayView2::from_shape((n, d), values).map_err(|e| Error::shape(name, format!("{n} x {d}"), e))?;
        return Ok(view.into());
    }
    match from_r(x, name, Place::Column)? {
        Value::Array(Array { shape, data }) if shape.len() == 2 => {
            let (n, d) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
            Array2::from_shape_vec((n, d), data.into_f32()?)
                .map(Into::into)
                .map_err(|e| Error::shape(name, format!("{n} x {d}"), e))
        }
        other => Err(Error::shape(name, "a numeric matrix", other.encoding())),
    }
}

/// Lists the parameters of the R face by name, each with `kind` and `default`.
fn parameters(params: &[Param]) -> Result<Robj> {
    let params: Vec<_> = params.iter().filter(|p| p.face != Face::Python).collect();
    let described = params.iter().map(|p| {
        let kind = match p.preset {
            Preset::Required => "required",
            Preset::Object => "object",
            _ => "value",
        };
        list_of(["kind", "default"].into_iter(), vec![kind.into(), to_robj(&p.preset.given())])
    });
    list_of(params.iter().map(|p| p.name), described.collect::<Result<_>>()?)
}

/// Lists the parameters of every function that is no verb, by its name in R, for tests.
#[extendr]
fn rs_function_table(args: Robj) -> Robj {
    reply(args, |_, _| {
        let names = verbs::FUNCTIONS.iter().map(|f| f.in_r.unwrap_or(f.name));
        list_of(names, verbs::FUNCTIONS.iter().map(|f| parameters(f.params)).collect::<Result<_>>()?)
    })
}

/// Lists `params` and `gives` of every verb, by name, for tests.
#[extendr]
fn rs_verb_table(args: Robj) -> Robj {
    reply(args, |_, _| {
        let names: Vec<&str> = verbs::all().map(|verb| verb.name).collect();
        let entries = verbs::all().map(|verb| {
            let gives: Vec<String> = verb.gives.iter().map(|g| (*g).to_owned()).collect();
            list_of(["params", "gives"].into_iter(), vec![parameters(verb.params)?, gives.into()])
        });
        list_of(names.into_iter(), entries.collect::<Result<_>>()?)
    })
}

/// Returns the sum of each row; argument `matrix`.
#[extendr]
fn rs_row_sums(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        vector::doubles("sums", run(a, |session| ops::row_sums(&x, session))?.into_iter())
    })
}

/// Returns the sum of each column; argument `matrix`.
#[extendr]
fn rs_col_sums(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        vector::doubles("sums", run(a, |session| ops::col_sums(&x, session))?.into_iter())
    })
}

/// Returns the totals of all values: `sum`, `min`, `max`, `count` (without NaN) and `nan` (number
/// of NaN); argument `matrix`.
#[extendr]
fn rs_totals(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        let all = run(a, |session| ops::totals(&x, session))?;
        let values = [all.sum, all.min, all.max, all.count as f64, all.nan as f64];
        list_of(["sum", "min", "max", "count", "nan"].into_iter(), values.into_iter().map(Robj::from).collect())
    })
}

/// Returns `t(matrix) %*% matrix`; argument `matrix`.
#[extendr]
fn rs_cross_product(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let p = x.shape().1;
        let product = run(a, |session| ops::cross_product(&x, session))?;
        // The product is symmetric, so its rows are its columns.
        transposed_to_r(Value::Array(Array { shape: vec![p, p], data: product.into() }), "product", notes)
    })
}

/// Returns `matrix %*% by`, or `t(matrix) %*% by`; arguments `matrix`, `by` (a numeric R matrix),
/// `transposed`.
#[extendr]
fn rs_product(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (x, transposed) = (a.matrix("matrix")?, a.bool("transposed")?);
        let by = a.get("by").ok_or_else(|| Error::parameter("y", "a numeric matrix", "NULL"))?;
        let (y, width) = match from_r(by, "y", Place::Column)? {
            Value::Array(Array { shape, data }) if shape.len() == 2 => {
                (data.to_f64()?, shape.last().copied().unwrap_or(0))
            }
            other => return Err(Error::parameter("y", "a numeric matrix", other.encoding())),
        };
        let (rows, product) = if transposed {
            (x.shape().1, run(a, |session| ops::transposed_times(&x, &y, width, session))?)
        } else {
            (x.shape().0, run(a, |session| ops::times(&x, &y, width, session))?)
        };
        to_r(&Value::Array(Array { shape: vec![rows, width], data: product.into() }), "product", notes)
    })
}

/// Returns means and variances; arguments `matrix`, `axis` ("obs" for those of each cell, "var" of
/// each gene), `ddof`.
#[extendr]
fn rs_mean_var(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, ddof) = (a.matrix("matrix")?, a.usize("ddof")?);
        // numpy's axis is the one that is reduced.
        let axis = match a.str("axis")? {
            "var" => ops::Axis::Obs,
            "obs" => ops::Axis::Var,
            other => return Err(Error::parameter("axis", "\"obs\" or \"var\"", format!("\"{other}\""))),
        };
        let moments = run(a, |session| ops::mean_var(&x, axis, ddof, session))?;
        let values = vec![
            vector::doubles("means", moments.mean.into_iter())?,
            vector::doubles("variances", moments.var.into_iter())?,
        ];
        list_of(["mean", "var"].into_iter(), values)
    })
}

/// Aggregates values by group and returns one matrix per function, by name: groups x genes, or
/// cells x groups; arguments `matrix`, `rows` (whether the groups are of rows), `groups` (a
/// factor), `func` (names), `dof`.
#[extendr]
fn rs_aggregate(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.matrix("matrix")?;
        let groups = a.get("groups").ok_or_else(|| Error::parameter("by", "groups", "NULL"))?;
        let code = |&code: &i32| if code == i32::MIN { -1 } else { code - 1 };
        let codes = groups.as_integer_slice().unwrap_or_default();
        let names = a.get("func").and_then(|f| f.as_string_vector()).unwrap_or_default();
        let asked = ops::Aggregation {
            axis: if a.bool("rows")? { ops::Axis::Obs } else { ops::Axis::Var },
            codes: memory::collected(codes.iter().map(code), "the groups of cells")?,
            n_groups: groups.get_attrib("levels").map_or(0, |l| l.len()),
            functions: ops::Functions::named(&names)?,
            dof: a.usize("dof")?,
        };
        let found = run(a, |session| ops::aggregate(&x, &asked, session))?;
        let values = found.iter().map(|(name, value)| to_r(value, name, notes)).collect::<Result<_>>()?;
        list_of(found.iter().map(|(name, _)| *name), values)
    })
}

/// Converts an `anndataoom_float32` to a matrix of doubles; argument `x`.
#[extendr]
fn rs_float32(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.get("x").ok_or_else(|| Error::parameter("x", "a float32 matrix", "NULL"))?;
        to_r(&Value::Array(from_r::float32(x, "x")?), "x", notes)
    })
}

/// Converts `x`, an `anndataoom_graph`, to a dgCMatrix.
#[extendr]
fn rs_graph(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.get("x").ok_or_else(|| Error::parameter("x", "a graph", "NULL"))?;
        let graph = Value::Sparse(from_r::graph(x, "x")?);
        let turned = run(a, |session| by_columns(graph, &session.monitor))?;
        to_r(&turned, "x", notes)
    })
}

extendr_module! {
    mod verbs;
    fn rs_check;
    fn rs_function_table;
    fn rs_verb_check;
    fn rs_verb;
    fn rs_verb_table;
    fn rs_row_sums;
    fn rs_col_sums;
    fn rs_mean_var;
    fn rs_product;
    fn rs_totals;
    fn rs_cross_product;
    fn rs_aggregate;
    fn rs_float32;
    fn rs_graph;
}
