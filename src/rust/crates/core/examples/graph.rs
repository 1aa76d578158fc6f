//! Runs the graph stage on an embedding, step by step:
//!
//! ```text
//! graph simulated N OUT.f32      X_pca (N x 50) of simulated counts: 4,000 genes, 20 types
//! graph continuum N OUT.f32      a harder one: overlapping clusters strung along branching paths
//! graph run EMBEDDING.f32 [--threads 2] [--epochs 200] [--recall 0.99] [--search auto] [--umap 1]
//!     [--leiden 1] [--out PREFIX]
//! graph again PREFIX [...]       UMAP and Leiden of the graph that `run --out PREFIX` left
//! ```
//!
//! Embeddings are raw little-endian f32 rows of 50. `run` prints one line of JSON per step: wall
//! seconds, processor seconds, peak memory so far in MB (Linux), a hash of the result, and details
//! of the step. `--umap` and `--leiden` are numbers of seeds. `--out` writes neighbours, graph,
//! embeddings and clusters as raw arrays.

use anndataoom_core::graph::{self, KnnParams, LeidenParams, Method, Partition, UmapParams, UmapResult};
use anndataoom_core::ops::{self, NormalizeOptions, PcaOptions, ScaleOptions};
use anndataoom_core::sim::{SimulatedSource, Simulation};
use anndataoom_core::{LazyMatrix, Session};
use ndarray::Array2;
use sprs::CsMatI;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

const DIM: usize = 50;
const USAGE: &str =
    "usage: graph simulated|continuum N OUT.f32, graph run EMBEDDING.f32 [...] or graph again PREFIX [...]";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

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

fn step<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>, say: impl FnOnce(&T) -> String) -> Result<T, E> {
    let (start, used) = (Instant::now(), processor());
    let out = work()?;
    let (wall, used, said) = (start.elapsed().as_secs_f64(), processor() - used, say(&out));
    println!("{{\"step\":\"{name}\",\"seconds\":{wall:.3},\"processor\":{used:.2},\"peak_mb\":{:.0}{said}}}", peak());
    Ok(out)
}

fn write<T: Copy, const B: usize>(path: &str, values: &[T], bytes: fn(T) -> [u8; B]) -> Outcome {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    values.iter().try_for_each(|&v| file.write_all(&bytes(v)))?;
    Ok(file.flush()?)
}

fn simulated(n_obs: usize, path: &str) -> Outcome {
    let session = Session::default();
    let source = SimulatedSource::new(Simulation { n_obs, n_vars: 4000, n_types: 20, ..Simulation::default() })?;
    let x = LazyMatrix::new(Arc::new(source));
    let to = NormalizeOptions { target_sum: Some(1e4), ..NormalizeOptions::default() };
    let (x, _) = ops::log1p(&ops::normalize_total(&x, &to, &session)?.0, None)?;
    let genes: Vec<u32> = (0..4000).filter(|g| g % 2 == 0).collect();
    let x = x.select(None, Some(&genes))?;
    let (x, _) = ops::scale(&x, &ScaleOptions { max_value: Some(10.0), ..ScaleOptions::default() }, &session)?;
    let found = ops::pca(&x, &PcaOptions { n_comps: Some(DIM), ..PcaOptions::default() }, &session)?;
    write(path, &found.x_pca, f32::to_le_bytes)
}

/// Advances a SplitMix64 generator.
fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn uniform(state: &mut u64) -> f64 {
    (bits(state) >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(state: &mut u64) -> f64 {
    (-2.0 * (1.0 - uniform(state)).ln()).sqrt() * (std::f64::consts::TAU * uniform(state)).cos()
}

/// Writes `n` points around a tree of 24 nodes in 50 dimensions of decreasing variance. A third of
/// the points lie around nodes, the others anywhere on the edges between them. The noise is about
/// two fifths of the length of an edge.
fn continuum(n: usize, path: &str) -> Outcome {
    const NODES: usize = 24;
    let mut random = 7u64;
    let sd: Vec<f64> = (0..DIM).map(|d| 6.0 * 0.93f64.powi(d as i32) + 0.4).collect();
    let mut nodes: Vec<Vec<f64>> = vec![vec![0.0; DIM]];
    let mut parents = vec![0];
    for k in 1..NODES {
        let parent = (bits(&mut random) % k as u64) as usize;
        nodes.push((0..DIM).map(|d| nodes[parent][d] + 0.9 * sd[d] * normal(&mut random)).collect());
        parents.push(parent);
    }
    let mut x = Vec::with_capacity(n * DIM);
    for _ in 0..n {
        let k = (bits(&mut random) % NODES as u64) as usize;
        let along = if bits(&mut random).is_multiple_of(3) { 0.0 } else { uniform(&mut random) };
        let (from, to) = (&nodes[k], &nodes[parents[k]]);
        x.extend((0..DIM).map(|d| (from[d] + along * (to[d] - from[d]) + 0.35 * sd[d] * normal(&mut random)) as f32));
    }
    write(path, &x, f32::to_le_bytes)
}

/// Returns the FNV-1a hash of a result's words as a field of JSON. Runs are compared by it.
fn hash(bytes: impl Iterator<Item = u32>) -> String {
    let mixed = bytes.fold(0xCBF2_9CE4_8422_2325u64, |h, word| (h ^ u64::from(word)).wrapping_mul(0x0100_0000_01B3));
    format!(",\"hash\":\"{mixed:016x}\"")
}

/// The options of `run` and `again`.
struct Options {
    session: Session,
    epochs: usize,
    recall: f64,
    search: Method,
    umap: u64,
    leiden: u64,
    out: Option<String>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let session = Session::default();
        let mut options =
            Options { session, epochs: 200, recall: 0.99, search: Method::Auto, umap: 1, leiden: 1, out: None };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--threads" => options.session.threads = value.parse()?,
                "--epochs" => options.epochs = value.parse()?,
                "--recall" => options.recall = value.parse()?,
                "--search" => options.search = value.parse()?,
                "--umap" => options.umap = value.parse()?,
                "--leiden" => options.leiden = value.parse()?,
                "--out" => options.out = Some(value),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

type Network = CsMatI<f32, u32, usize>;

fn floats(path: &str) -> Outcome<Vec<f32>> {
    Ok(std::fs::read(path)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Computes neighbours and their graph from an embedding file.
fn neighbours(path: &str, options: &Options) -> Outcome<Network> {
    let Options { session, recall, search, out, .. } = options;
    let data = floats(path)?;
    let points = Array2::from_shape_vec((data.len() / DIM, DIM), data)?;
    let params = KnnParams { recall: *recall, method: *search, ..KnnParams::default() };
    let found = step(
        "knn",
        || graph::knn(points.view(), &params, session),
        |f| {
            let number = |x: Option<f64>| x.map_or("null".to_owned(), |x| x.to_string());
            let (recall, nprobe, hash) = (number(f.recall), number(f.nprobe), hash(f.knn.indices.iter().copied()));
            format!(",\"method\":\"{}\",\"recall\":{recall},\"nprobe\":{nprobe}{hash}", f.method)
        },
    )?;
    drop(points);
    let network = step(
        "connectivities",
        || graph::fuzzy_simplicial_set(&found.knn, session),
        |g| format!(",\"nnz\":{}{}", g.nnz(), hash(g.data().iter().map(|w| w.to_bits()))),
    )?;
    if let Some(out) = out {
        write(&format!("{out}.knn.u32"), &found.knn.indices, u32::to_le_bytes)?;
        let indptr: Vec<u64> = network.indptr().into_raw_storage().iter().map(|&p| p as u64).collect();
        write(&format!("{out}.indptr.u64"), &indptr, u64::to_le_bytes)?;
        write(&format!("{out}.indices.u32"), network.indices(), u32::to_le_bytes)?;
        write(&format!("{out}.data.f32"), network.data(), f32::to_le_bytes)?;
    }
    Ok(network)
}

/// Reads the graph that [`neighbours`] left at `prefix`.
fn left(prefix: &str) -> Outcome<Network> {
    let read = |name: &str| std::fs::read(format!("{prefix}.{name}"));
    let indptr: Vec<usize> = read("indptr.u64")?
        .chunks_exact(8)
        .map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as usize)
        .collect();
    let indices = read("indices.u32")?.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let n = indptr.len().saturating_sub(1);
    CsMatI::try_new((n, n), indptr, indices, floats(&format!("{prefix}.data.f32"))?).map_err(|e| e.3.into())
}

/// Computes UMAP and Leiden, once for each seed.
fn embed_and_cluster(network: &Network, options: &Options) -> Outcome {
    let Options { session, epochs, umap, leiden, out, .. } = options;
    for seed in 0..*umap {
        let params = UmapParams { n_epochs: Some(*epochs), seed, ..UmapParams::default() };
        let say = |f: &UmapResult| format!(",\"seed\":{seed}{}", hash(f.embedding.iter().map(|x| x.to_bits())));
        let found = step("umap", || graph::umap(network, &params, session), say)?;
        if let Some(out) = out {
            let x: Vec<f32> = found.embedding.iter().copied().collect();
            write(&format!("{out}.umap{seed}.f32"), &x, f32::to_le_bytes)?;
        }
    }
    for seed in 0..*leiden {
        let params = LeidenParams { seed, ..LeidenParams::default() };
        let say = |p: &Partition| {
            let (quality, clusters, rounds) = (p.quality, p.n_clusters, p.n_iterations);
            let hash = hash(p.membership.iter().copied());
            format!(",\"seed\":{seed},\"modularity\":{quality},\"clusters\":{clusters},\"iterations\":{rounds}{hash}")
        };
        let found = step("leiden", || graph::leiden(network, &params, session), say)?;
        if let Some(out) = out {
            write(&format!("{out}.leiden{seed}.u32"), &found.membership, u32::to_le_bytes)?;
        }
    }
    println!("{{\"cells\":{},\"peak_mb\":{:.0}}}", network.rows(), peak());
    Ok(())
}

fn main() -> Outcome {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(how @ ("run" | "again")) => {
            let path = words.next().ok_or(USAGE)?;
            let options = Options::read(words)?;
            let network = if how == "run" { neighbours(&path, &options)? } else { left(&path)? };
            embed_and_cluster(&network, &options)
        }
        Some(kind @ ("simulated" | "continuum")) => {
            let n = words.next().ok_or(USAGE)?.parse()?;
            let path = words.next().ok_or(USAGE)?;
            if kind == "simulated" {
                simulated(n, &path)
            } else {
                continuum(n, &path)
            }
        }
        _ => Err(USAGE.into()),
    }
}
