//! Saves into an h5ad file over and over, for the test that kills it (tests/faults/save_kill.sh):
//!
//! ```text
//! save file.h5ad FROM TO     saves rounds FROM to TO - 1, printing each when it is done
//! save --check file.h5ad     opens the file, reads everything, and prints the round it holds
//! ```
//!
//! A round writes its number into every value of an embedding, a column of obs and an entry of uns.

use anndataoom_core::element::{self, Value};
use anndataoom_core::store::Store;
use anndataoom_core::write::{save_h5ad, Compression, Frame, H5adPlan, Part, SaveOptions};
use anndataoom_core::{Context, Error, Result};
use std::sync::Arc;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--check", path] => check(path),
        [path, from, to] => match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => save(path, from, to),
            _ => Err(Error::parameter("FROM TO", "two whole numbers", format!("{from} {to}"))),
        },
        _ => Err(Error::parameter("arguments", "file.h5ad FROM TO, or --check file.h5ad", words.join(" "))),
    };
    if let Err(e) = done {
        eprintln!("save: {e}");
        std::process::exit(1);
    }
}

/// The plan of everything the file holds, as it is there.
fn untouched(store: &Arc<Store>) -> Result<H5adPlan> {
    let mut plan = H5adPlan::new(Some(Part::copy(store, "X")), Part::copy(store, "obs"), Part::copy(store, "var"));
    let all = |slot: &str| -> Result<Vec<(String, Part)>> {
        let keys = if store.exists(slot) { store.keys(slot)? } else { Vec::new() };
        Ok(keys.into_iter().map(|key| (key.clone(), Part::copy(store, format!("{slot}/{key}")))).collect())
    };
    (plan.layers, plan.obsm, plan.varm) = (all("layers")?, all("obsm")?, all("varm")?);
    (plan.obsp, plan.varp, plan.uns) = (all("obsp")?, all("varp")?, all("uns")?);
    Ok(plan)
}

fn set(parts: &mut Vec<(String, Part)>, key: &str, value: Value) {
    parts.retain(|(k, _)| k != key);
    parts.push((key.to_owned(), value.into()));
}

fn save(path: &str, from: u32, to: u32) -> Result<()> {
    let mut store = Store::open_to_save(path)?;
    for round in from..to {
        let (name, index) = element::read_index(&store, "obs")?;
        let n = index.len().unwrap_or(0);
        let key = name.clone().unwrap_or_else(|| "_index".to_owned());
        let mut columns: Vec<(String, Part)> = element::column_names(&store, "obs")?
            .into_iter()
            .map(|column| (column.clone(), Part::copy(&store, format!("obs/{column}"))))
            .collect();
        set(&mut columns, "round", Value::vector(vec![f64::from(round); n]));
        let mut plan = untouched(&store)?;
        let index = Box::new(Part::copy(&store, format!("obs/{key}")));
        plan.obs = Part::Frame(Frame { index_name: name, index, columns });
        set(&mut plan.obsm, "X_round", Value::matrix(n, 20, vec![f64::from(round); 20 * n]));
        set(&mut plan.uns, "round", Value::number(f64::from(round)));
        let options = SaveOptions { compression: Compression::Gzip(1), x: false };
        store = save_h5ad(&plan, &store, &options, &Context::with_threads(1))?.store;
        println!("{round}");
    }
    Ok(())
}

fn check(path: &str) -> Result<()> {
    let store = Store::open(path)?;
    for slot in ["X", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"] {
        element::read(&store, slot)?;
    }
    let values = |value: Value| match value {
        Value::Array(a) => a.data.to_f64(),
        Value::Scalar(element::Scalar::Number(x)) => x.to_f64(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    if store.exists("uns/round") {
        found.extend(values(element::read(&store, "uns/round")?));
        found.extend(values(element::read_column(&store, "obs", "round")?));
        found.extend(values(element::read(&store, "obsm/X_round")?));
    }
    found.dedup();
    match found.as_slice() {
        [] => println!("none"),
        [round] => println!("{round}"),
        mixed => return Err(Error::State(format!("the file holds several rounds at once: {mixed:?}"))),
    }
    Ok(())
}
