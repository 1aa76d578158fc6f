//! Matrices: opening, selection, collection and plans.

use crate::args::Args;
use crate::from_r;
use crate::handles::MatrixHandle;
use crate::reply::{reply, Notes};
use crate::run::run;
use crate::to_r::{by_columns, filled, list_of, sparse, to_r, transposed_to_r, turned_over};
use crate::vector::raws;
use anndataoom_core::chain::{Along, Description, Fill, Member, Parameter, Stacked, MISSING};
use anndataoom_core::element::{DType, SparseFormat, Value};
use anndataoom_core::matrix::{MemorySource, Source};
use anndataoom_core::{memory, ops, stream, Error, LazyMatrix, Result, Session};
use extendr_api::prelude::*;
use std::sync::Arc;

/// Makes the list that every new matrix is for R: a handle, the recorded operations as bytes, and
/// the dimensions.
pub(crate) fn handle(x: LazyMatrix) -> Result<Robj> {
    let (rows, columns) = x.shape();
    let bytes = x.to_bytes()?;
    let dim = vec![rows as i32, columns as i32];
    let pointer: Robj = ExternalPtr::new(MatrixHandle(x)).into();
    list_of(["pointer", "chain", "dim"].into_iter(), vec![pointer, raws("chain", bytes.into_iter())?, dim.into()])
}

/// Makes a source of an R matrix in memory.
fn memory_source(x: &Robj) -> Result<Arc<dyn Source>> {
    let source = match from_r::from_r(x, "X", from_r::Place::Column)? {
        Value::Sparse(s) => MemorySource::taking(s)?,
        Value::Array(a) => MemorySource::from_array(a)?,
        other => return Err(Error::shape("X", "a matrix or a dgCMatrix", other.encoding())),
    };
    Ok(Arc::new(source))
}

/// Makes a matrix of an R matrix; arguments `matrix`, `chain` (recorded operations as bytes,
/// optional).
#[extendr]
fn rs_matrix_memory(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.get("matrix").ok_or_else(|| Error::parameter("X", "a matrix", "NULL"))?;
        handle(recorded(memory_source(x)?, a)?)
    })
}

/// Opens a matrix in a file; arguments `store`, `element`, `chain` (recorded operations as bytes,
/// optional).
#[extendr]
fn rs_matrix_open(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (store, element) = (a.store()?, a.str("element")?);
        let open = || anndataoom_core::matrix::open(&store, element);
        let source = if store.traffic().is_some() { run(a, |_| open())? } else { open()? };
        handle(recorded(source, a)?)
    })
}

fn recorded(source: Arc<dyn Source>, a: &Args) -> Result<LazyMatrix> {
    match a.get("chain").and_then(|c| c.as_raw_slice()).filter(|b| !b.is_empty()) {
        Some(bytes) => LazyMatrix::from_bytes(source, bytes),
        None => Ok(LazyMatrix::new(source)),
    }
}

/// Stacks matrices; arguments `along` ("obs" or "var"), `members` (each a list of `matrix` and
/// `from`, the position in it, or 0 for none, of every entry of the other axis), `aligned` (length
/// of the other axis), `fill` (optional), `chain` (recorded operations as bytes, optional).
#[extendr]
fn rs_matrix_stack(args: Robj) -> Robj {
    reply(args, |a, _| {
        let along = match a.str("along")? {
            "obs" => Along::Obs,
            "var" => Along::Var,
            other => return Err(Error::parameter("axis", "\"obs\" or \"var\"", format!("\"{other}\""))),
        };
        let list = a.get("members").and_then(|l| l.as_list()).unwrap_or_else(|| List::new(0));
        let members = list
            .values()
            .map(|member| {
                let member = Args::new(&member)?;
                let place = |p: f64| if p >= 1.0 { p as u32 - 1 } else { MISSING };
                let from = member.opt_doubles("from")?;
                let from = from.map(|from| memory::collected(from.into_iter().map(place), "positions")).transpose()?;
                Ok(Member { x: member.matrix("matrix")?, from: from.map(Into::into) })
            })
            .collect::<Result<Vec<_>>>()?;
        let fill = a.opt_fill("fill")?.map(|value| Fill { value, integer: value.fract() == 0.0 });
        handle(recorded(Arc::new(Stacked::new(along, members, a.usize("aligned")?, fill)?), a)?)
    })
}

/// Selects rows and columns; arguments `matrix`, `rows`, `columns` (positions from 1, optional).
#[extendr]
fn rs_matrix_select(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (rows, columns) = (a.opt_positions("rows")?, a.opt_positions("columns")?);
        handle(a.matrix("matrix")?.select(rows.as_deref(), columns.as_deref())?)
    })
}

/// Returns the properties that `show()` prints; argument `matrix`.
#[extendr]
fn rs_matrix_info(args: Robj) -> Robj {
    reply(args, |a, _| {
        let x = a.matrix("matrix")?;
        let source = x.source();
        let stored = source.shape();
        let ops: Vec<&str> = x.nodes().iter().map(|node| node.name()).collect();
        let names = [
            "layout",
            "stored_dtype",
            "dtype",
            "nnz",
            "disk_bytes",
            "stored_dim",
            "sparse",
            "queued",
            "ops",
            "in_memory",
        ];
        let values: Vec<Robj> = vec![
            source.layout().name().into(),
            source.dtype().name().into(),
            x.dtype().name().into(),
            source.nnz().map_or_else(f64::na, |n| n as f64).into(),
            (source.disk_bytes() as f64).into(),
            vec![stored.0 as f64, stored.1 as f64].into(),
            x.is_sparse().into(),
            x.queued().iter().map(|q| q.line(call)).collect::<Vec<_>>().into(),
            ops.into(),
            (source.location().is_none() && source.disk_bytes() == 0).into(),
        ];
        list_of(names.into_iter(), values)
    })
}

/// Returns the memory that the values of `x` take in R. A dgCMatrix (lgCMatrix) takes 8 (4) bytes
/// for a value, 4 for its index and 4 for each column; a matrix takes 4 bytes for an integer or a
/// logical, else 8.
fn room_in_r(x: &LazyMatrix, limit: u64, transposed: bool) -> stream::Room {
    let (n, m) = x.shape();
    let dtype = x.dtype();
    if x.is_sparse() {
        let value = if dtype == DType::Bool { 8 } else { 12 };
        return stream::Room { limit, value, fixed: 4 * (1 + if transposed { n } else { m } as u64) };
    }
    let small = matches!(dtype, DType::Bool | DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16);
    stream::Room { limit, value: if small { 4 } else { 8 }, fixed: 0 }
}

/// Reads the values, or their transpose, as a dgCMatrix or a matrix; arguments `matrix`, `limit`
/// (bytes, optional), `transposed` (optional).
#[extendr]
fn rs_matrix_collect(args: Robj) -> Robj {
    reply(args, |a, notes: &Notes| {
        let x = a.matrix("matrix")?;
        let limit = a.opt_f64("limit")?.map_or(u64::MAX, |limit| limit as u64);
        let transposed = a.get("transposed").is_some() && a.bool("transposed")?;
        let room = room_in_r(&x, limit, transposed);
        let (rows, columns) = x.shape();
        let numbers = x.is_sparse() && x.dtype() != DType::Bool;
        if numbers && transposed {
            // The rows are the columns of the transpose already.
            if let Some(n) = stream::known_in(&x, &room)? {
                return filled(n, "X", (columns, rows), |to| {
                    run(a, |session| stream::collect_rows_into(&x, session, to, |i| i as i32, |value| value))
                });
            }
        }
        let value = run(a, |session| {
            let value = stream::collect_in(&x, session, &room)?;
            if transposed || numbers {
                Ok(value)
            } else {
                session.install(|| by_columns(value, &session.monitor))
            }
        })?;
        let value = match value {
            Value::Sparse(s) if numbers && !transposed && s.format == SparseFormat::Csr => {
                return filled(s.data.len() as u64, "X", s.shape, |to| {
                    let turn = |session: &Session| {
                        session.install(|| s.turned_into(to, |i| i as i32, |value| value, &session.monitor))
                    };
                    run(a, turn)
                });
            }
            other => other,
        };
        let threads = a.session()?.threads;
        match (value, transposed) {
            (Value::Sparse(s), false) => sparse(&s, "X", threads),
            (Value::Sparse(s), true) => sparse(&turned_over(s), "X", threads),
            (value, true) => transposed_to_r(value, "X", notes),
            (value, false) => to_r(&value, "X", notes),
        }
    })
}

/// Returns the verb of a step of a plan as a call in R.
fn r_verb(verb: &str) -> String {
    match verb.split_once(" '") {
        Some((verb, choice)) => {
            let parameter = match verb {
                "rank_genes_groups" => "method",
                "aggregate" => "func",
                _ => "flavor",
            };
            format!("{verb}({parameter} = \"{}\")", choice.trim_end_matches('\''))
        }
        None => match verb.split_once(' ') {
            Some((verb, rest)) => format!("{verb}() {rest}"),
            None => format!("{verb}()"),
        },
    }
}

/// Returns the plan of the queued operations, as text and as columns of a table; argument `matrix`.
#[extendr]
fn rs_explain(args: Robj) -> Robj {
    reply(args, |a, _| {
        let mut plan = ops::explain(&a.matrix("matrix")?, call, &a.session()?)?;
        for step in &mut plan.steps {
            step.verb = r_verb(&step.verb);
        }
        let over: Vec<String> = plan.steps.iter().map(ops::Step::places).collect();
        let names = ["text", "verb", "passes", "over", "columns", "bytes"];
        let values: Vec<Robj> = vec![
            plan.to_string().into(),
            plan.steps.iter().map(|s| s.verb.as_str()).collect::<Vec<_>>().into(),
            plan.steps.iter().map(|s| s.passes.len() as i32).collect::<Vec<_>>().into(),
            over.into(),
            plan.steps.iter().map(|s| s.columns as i32).collect::<Vec<_>>().into(),
            plan.steps.iter().map(|s| s.bytes as f64).collect::<Vec<_>>().into(),
        ];
        list_of(names.into_iter(), values)
    })
}

/// Makes or finds the column index of a matrix and attaches it; arguments `matrix`, `dir` (folder
/// of the index).
#[extendr]
fn rs_index_columns(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, dir) = (a.matrix("matrix")?, a.str("dir")?.to_owned());
        copy_in_use(run(a, |session| ops::index_columns(&x, dir.as_ref(), session))?)
    })
}

/// Reads packed rows from a copy in a folder from now on; arguments `matrix`, `dir`.
#[extendr]
fn rs_pack(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, dir) = (a.matrix("matrix")?, a.str("dir")?.to_owned());
        copy_in_use(run(a, |session| ops::pack(&x, dir.as_ref(), session))?)
    })
}

/// Converts a file in use to `list(path, bytes, made)`.
fn copy_in_use(found: ops::Indexed) -> Result<Robj> {
    let path: Robj = found.path.to_string_lossy().as_ref().into();
    list_of(["path", "bytes", "made"].into_iter(), vec![path, (found.bytes as f64).into(), found.made.into()])
}

/// Converts an R object to the core's value and back, for tests; arguments `x`, `column` (whether
/// as a column).
#[extendr]
fn rs_echo(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let x = a.get("x").cloned().unwrap_or_else(|| ().into());
        let place = if a.bool("column")? { from_r::Place::Column } else { from_r::Place::Element };
        let value = from_r::from_r(&x, "x", place)?;
        let encoding: Robj = value.encoding().into();
        list_of(["encoding", "value"].into_iter(), vec![encoding, to_r(&value, "x", notes)?])
    })
}

/// Returns the call of a verb in R's syntax.
fn call(d: &Description) -> String {
    let value = |p: &Parameter| match p {
        Parameter::Nothing => "NULL".to_owned(),
        Parameter::Flag(flag) => if *flag { "TRUE" } else { "FALSE" }.to_owned(),
        Parameter::Number(x) => x.to_string(),
        Parameter::Names(names) => match names.as_slice() {
            [name] => format!("{name:?}"),
            names => format!("c({})", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")),
        },
    };
    let parameters: Vec<String> = d.parameters.iter().map(|(name, p)| format!("{name} = {}", value(p))).collect();
    format!("{}({})", d.verb, parameters.join(", "))
}

extendr_module! {
    mod matrices;
    fn rs_matrix_memory;
    fn rs_matrix_open;
    fn rs_matrix_stack;
    fn rs_matrix_select;
    fn rs_matrix_info;
    fn rs_matrix_collect;
    fn rs_explain;
    fn rs_index_columns;
    fn rs_pack;
    fn rs_echo;
}
