//! Writes a simulated h5ad file:
//!
//! ```text
//! simulate [--n-obs 10000] [--n-vars 20000] [--n-types 8] [--n-batches 2] [--density 0.07] [--seed 0]
//!          [--compression gzip:4|lzf|none] [--format csr|csc|dense] [--threads N] [--memory-mb 256] out.h5ad
//! ```

use anndataoom_core::sim::{simulate_h5ad, Simulation};
use anndataoom_core::write::{Compression, WriteOptions};
use anndataoom_core::Session;

struct Arguments {
    simulation: Simulation,
    options: WriteOptions,
    session: Session,
    path: String,
}

fn main() {
    let result = arguments(std::env::args().skip(1))
        .and_then(|a| simulate_h5ad(&a.simulation, &a.path, &a.options, &a.session).map_err(|e| e.to_string()));
    if let Err(message) = result {
        eprintln!("simulate: {message}");
        std::process::exit(1);
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut a = Arguments {
        simulation: Simulation::default(),
        options: WriteOptions { compression: Compression::Gzip(4), ..WriteOptions::default() },
        session: Session::default(),
        path: String::new(),
    };
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else {
            a.path = word;
            continue;
        };
        let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
        let s = &mut a.simulation;
        match name {
            "n-obs" => s.n_obs = number(name, &value)?,
            "n-vars" => s.n_vars = number(name, &value)?,
            "n-types" => s.n_types = number(name, &value)?,
            "n-batches" => s.n_batches = number(name, &value)?,
            "density" => s.density = number(name, &value)?,
            "seed" => s.seed = number(name, &value)?,
            "threads" => a.session.threads = number::<usize>(name, &value)?.max(1),
            "memory-mb" => a.session.memory = number::<usize>(name, &value)? << 20,
            "compression" => {
                a.options.compression = match value.split_once(':').unwrap_or((&value, "4")) {
                    ("gzip", level) => Compression::Gzip(number(name, level)?),
                    ("lzf", _) => Compression::Lzf,
                    ("none", _) => Compression::None,
                    _ => return Err(format!("--compression: expected gzip:LEVEL, lzf or none, found '{value}'")),
                }
            }
            "format" => match value.as_str() {
                "csr" => {}
                "csc" => a.options.as_csc = vec!["X".to_owned()],
                "dense" => a.options.as_dense = vec!["X".to_owned()],
                _ => return Err(format!("--format: expected csr, csc or dense, found '{value}'")),
            },
            _ => return Err(format!("unknown option --{name}")),
        }
    }
    if a.path.is_empty() {
        return Err("the name of the file to write is missing".to_owned());
    }
    Ok(a)
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("--{name}: expected a number, found '{value}'"))
}
