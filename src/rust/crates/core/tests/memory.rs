//! Checks that the memory budget holds for a file several times its size. The test is alone in its
//! process because the peak is that of all threads.
#![cfg(target_os = "linux")]

use anndataoom_core::matrix::open;
use anndataoom_core::ops::{self, Flavor, HvgOptions, NormalizeOptions, PcaOptions, QcOptions, ScaleOptions};
use anndataoom_core::sim::{simulate_h5ad, Simulation};
use anndataoom_core::store::Store;
use anndataoom_core::write::{Compression, WriteOptions};
use anndataoom_core::{LazyMatrix, Session};
use std::process::Command;

/// Returns the value in bytes of a line of /proc/self/status.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}

/// Writes the file that the variable `ANNDATAOOM_MEMORY_FILE` names.
#[test]
#[ignore = "started by the other, with the variable set"]
fn in_a_process_of_its_own() {
    let path = std::env::var("ANNDATAOOM_MEMORY_FILE").unwrap();
    let simulation = Simulation { n_obs: 24_000, n_vars: 6000, density: 0.1, ..Simulation::default() };
    let options = WriteOptions { compression: Compression::Lzf, ..WriteOptions::default() };
    simulate_h5ad(&simulation, &path, &options, &Session { memory: 16 << 20, ..Session::with_threads(2) }).unwrap();
}

#[test]
fn a_pipeline_stays_within_its_budget() {
    // Another process writes the file, because the peak of this one is measured.
    let path = std::env::temp_dir().join(format!("anndataoom-memory-{}.h5ad", std::process::id()));
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer.args(["in_a_process_of_its_own", "--exact", "--ignored"]).env("ANNDATAOOM_MEMORY_FILE", &path);
    let written = writer.output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stdout));

    let session = Session { memory: 32 << 20, ..Session::with_threads(2) };
    let x = LazyMatrix::new(open(&Store::open(&path).unwrap(), "X").unwrap());
    std::fs::remove_file(&path).unwrap();
    let decoded = x.source().nnz().unwrap() as usize * 8;
    assert!(decoded > 3 * session.memory, "{decoded}");
    let idle = status("VmRSS:");
    ops::calculate_qc_metrics(&x, &QcOptions::default(), &session).unwrap();
    let pearson = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(300), ..HvgOptions::default() };
    let chosen = ops::highly_variable_genes(&x, &pearson, &session).unwrap().positions();
    let x = ops::normalize_total(&x, &NormalizeOptions::default(), &session).unwrap().0;
    let x = ops::log1p(&x, None).unwrap().0.select(None, Some(&chosen)).unwrap();
    let x = ops::scale(&x, &ScaleOptions::default(), &session).unwrap().0;
    let found = ops::pca(&x, &PcaOptions { n_comps: Some(20), ..PcaOptions::default() }, &session).unwrap();
    let used = status("VmHWM:") - idle;
    // Scores, second moments with their decomposition, and a few numbers per cell and per gene.
    let results = found.x_pca.len() * 4 + 8 * 300 * 300 * 8 + 24_000 * 100 + 6000 * 200;
    eprintln!("{used} bytes over idle, {results} of results, a budget of {}", session.memory);
    assert!(used <= session.memory + results, "{used} bytes used, {} allowed", session.memory + results);
}
