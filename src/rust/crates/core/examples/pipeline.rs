//! Runs the pipeline from reading to PCA, step by step:
//!
//! ```text
//! pipeline [--threads 2] [--memory-mb 256] [--n-top-genes 2000] [--n-comps 50] FILE.h5ad
//! ```
//!
//! The steps are quality control, highly variable genes by Pearson residuals, normalisation, log1p,
//! selection, scaling (clipped at 10) and PCA. The program prints for each step the wall time, the
//! processor time of all threads and the peak memory so far (Linux), then the first variances.
//! Their digits do not depend on threads or memory.

use anndataoom_core::matrix::open;
use anndataoom_core::ops::{self, Flavor, HvgOptions, NormalizeOptions, PcaOptions, QcOptions, ScaleOptions};
use anndataoom_core::store::Store;
use anndataoom_core::{LazyMatrix, Session};
use std::error::Error;
use std::time::Instant;

/// Returns the processor seconds of this process so far (Linux).
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// Returns the peak resident memory so far in MB (Linux).
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("");
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1024.0)
}

fn step<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let (start, used) = (Instant::now(), processor());
    let out = work()?;
    let (wall, used) = (start.elapsed().as_secs_f64(), processor() - used);
    println!("{name:<12} {wall:7.2} s   processor {used:7.2} s   peak {:6.0} MB", peak());
    Ok(out)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut session, mut n_top, mut n_comps, mut path) = (Session::default(), 2000, 50, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<usize, Box<dyn Error>> {
            Ok(words.next().ok_or_else(|| format!("{word} needs a number"))?.parse()?)
        };
        match word.as_str() {
            "--threads" => session.threads = number()?.max(1),
            "--memory-mb" => session.memory = number()? << 20,
            "--n-top-genes" => n_top = number()?,
            "--n-comps" => n_comps = number()?,
            _ => path = Some(word),
        }
    }
    let path = path.ok_or("usage: pipeline [--threads N] [--memory-mb M] FILE.h5ad")?;
    let found = step("total", || -> Result<_, Box<dyn Error>> {
        let x = step("open", || Ok::<_, anndataoom_core::Error>(LazyMatrix::new(open(&Store::open(&path)?, "X")?)))?;
        let qc = QcOptions { percent_top: Vec::new(), ..QcOptions::default() };
        step("qc", || ops::calculate_qc_metrics(&x, &qc, &session))?;
        let options =
            HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(n_top), ..HvgOptions::default() };
        let hvg = step("hvg", || ops::highly_variable_genes(&x, &options, &session))?;
        let to = NormalizeOptions { target_sum: Some(1e4), ..NormalizeOptions::default() };
        let (x, _) = step("normalize", || ops::normalize_total(&x, &to, &session))?;
        let (x, _) = ops::log1p(&x, None)?;
        let x = x.select(None, Some(&hvg.positions()))?;
        let to = ScaleOptions { max_value: Some(10.0), ..ScaleOptions::default() };
        let (x, _) = step("scale", || ops::scale(&x, &to, &session))?;
        let to = PcaOptions { n_comps: Some(n_comps), ..PcaOptions::default() };
        Ok(step("pca", || ops::pca(&x, &to, &session))?)
    })?;
    let scores: f64 = found.x_pca.iter().map(|&x| f64::from(x).abs()).sum();
    println!("variance {:?} ... sum of |scores| {scores:?}", &found.variance[..found.variance.len().min(3)]);
    Ok(())
}
