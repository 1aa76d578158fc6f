//! Finds neighbours and clusters with other crates, on the embedding and the graph that
//! `examples/graph` of the core leaves:
//!
//! ```text
//! peers knn EMBEDDING.f32 TRUTH.u32 METHOD     exhaustive, kmknn, hnswEF, ivfLISTS or nndK of ann-search-rs
//! peers exact EMBEDDING.f32 OUT.u32            14 neighbours of 2,000 points by brute force, the point itself not counted
//! peers recall FOUND.u32 TRUTH.u32             of neighbours in rows of 15, the point itself among them
//! peers leiden PREFIX METHOD                   bixverse, bixverse-stable, bixverse-coloured or leiden-rs, on
//!                                              PREFIX.{indptr.u64,indices.u32,data.f32}
//! ```
//!
//! A method has a process of its own, which prints wall seconds, processor seconds, peak memory in
//! MB and the quality as a line of JSON. RAYON_NUM_THREADS sets the threads.

use std::error::Error;
use std::time::Instant;

const DIM: usize = 50;
/// The number of neighbours of a point, itself included, as scanpy counts.
const K: usize = 15;
const SAMPLE: usize = 2000;
const USAGE: &str = "usage: see the head of bench/peers/src/main.rs";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn numbers<T, const N: usize>(path: &str, of: fn([u8; N]) -> T) -> Outcome<Vec<T>> {
    Ok(std::fs::read(path)?.as_chunks().0.iter().map(|bytes| of(*bytes)).collect())
}

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

/// Runs `work`, and returns its value with the time and memory it took, as fields of JSON.
fn measured<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, String)> {
    let (start, used) = (Instant::now(), processor());
    let out = work()?;
    let (wall, used) = (start.elapsed().as_secs_f64(), processor() - used);
    Ok((out, format!("\"seconds\":{wall:.2},\"processor\":{used:.2},\"peak_mb\":{:.0}", peak())))
}

/// Returns the points, of `n`, whose neighbours are checked.
fn sample(n: usize) -> impl Iterator<Item = usize> {
    (0..SAMPLE).map(move |i| i * n / SAMPLE)
}

/// Returns the nearest K - 1 other points of every sampled point, by squared distances in f64.
fn exact(x: &[f32]) -> Vec<u32> {
    let n = x.len() / DIM;
    let row = |i: usize| &x[i * DIM..][..DIM];
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let mut out = Vec::new();
    for i in sample(n) {
        let mut all: Vec<(f64, u32)> =
            (0..n).filter(|&j| j != i).map(|j| (distance(row(i), row(j)), j as u32)).collect();
        all.select_nth_unstable_by(K - 2, |a, b| a.0.total_cmp(&b.0));
        out.extend(all[..K - 1].iter().map(|&(_, j)| j));
    }
    out
}

/// Returns the share of true neighbours that were found; `of(i)` gives the neighbours of point `i`
/// of `n`.
fn recall<'a>(n: usize, truth: &[u32], of: impl Fn(usize) -> &'a [u32]) -> f64 {
    let found = sample(n).zip(truth.chunks(K - 1)).map(|(i, truth)| truth.iter().filter(|j| of(i).contains(j)).count());
    found.sum::<usize>() as f64 / truth.len() as f64
}

fn search(x: &[f32], method: &str) -> Outcome<Vec<Vec<usize>>> {
    use ann_search_rs::*;
    let matrix = (x, x.len() / DIM, DIM);
    let (name, number) = method.split_at(method.find(|c: char| c.is_ascii_digit()).unwrap_or(method.len()));
    // Neighbours include the point itself, and distances are computed, as ours does.
    let (found, _) = match name {
        "exhaustive" => query_exhaustive_self(&build_exhaustive_index(matrix, "euclidean"), K, true, false)?,
        "kmknn" => {
            let index = build_kmknn_index(matrix, "euclidean", None, None, 0, false)?;
            query_kmknn_self(&index, K, true, false)?
        }
        "hnsw" => {
            let index = build_hnsw_index(matrix, 16, 200, "euclidean", 0, false);
            query_hnsw_self(&index, K, number.parse()?, true, false)?
        }
        "ivf" => {
            let index = build_ivf_index(matrix, None, None, "euclidean", 0, false)?;
            query_ivf_self(&index, K, Some(number.parse()?), true, false)?
        }
        "nnd" => {
            let k = Some(number.parse()?);
            let index = build_nndescent_index(matrix, "euclidean", 0.001f32, 0.0, k, None, None, None, 0, false)?;
            extract_nndescent_knn(&index, Some(K), true, true)?
        }
        _ => return Err(USAGE.into()),
    };
    Ok(found)
}

fn knn(path: &str, truth: &str, method: &str) -> Outcome {
    let x = numbers(path, f32::from_le_bytes)?;
    let truth = numbers(truth, u32::from_le_bytes)?;
    let (found, took) = measured(|| search(&x, method))?;
    let rows: Vec<Vec<u32>> = found.iter().map(|row| row.iter().map(|&j| j as u32).collect()).collect();
    let recall = recall(x.len() / DIM, &truth, |i| &rows[i]);
    println!("{{\"method\":\"ann-search-rs {method}\",{took},\"recall\":{recall:.4}}}");
    Ok(())
}

/// A symmetric graph with weights, in CSR form.
struct Graph {
    indptr: Vec<u64>,
    indices: Vec<u32>,
    data: Vec<f32>,
}

impl Graph {
    fn read(prefix: &str) -> Outcome<Self> {
        Ok(Graph {
            indptr: numbers(&format!("{prefix}.indptr.u64"), u64::from_le_bytes)?,
            indices: numbers(&format!("{prefix}.indices.u32"), u32::from_le_bytes)?,
            data: numbers(&format!("{prefix}.data.f32"), f32::from_le_bytes)?,
        })
    }

    fn n(&self) -> usize {
        self.indptr.len() - 1
    }

    fn edges(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let rows = self.indptr.windows(2).enumerate();
        rows.flat_map(|(i, w)| (w[0] as usize..w[1] as usize).map(move |e| (i, e)))
            .map(|(i, e)| (i, self.indices[e] as usize, f64::from(self.data[e])))
    }

    /// Computes Newman's modularity of clusters.
    fn modularity(&self, labels: &[usize]) -> f64 {
        let (mut inside, mut degree) = (0.0, vec![0.0; labels.iter().max().map_or(0, |&l| l + 1)]);
        for (i, j, weight) in self.edges() {
            degree[labels[i]] += weight;
            if labels[i] == labels[j] {
                inside += weight;
            }
        }
        let total: f64 = degree.iter().sum();
        inside / total - degree.iter().map(|d| (d / total).powi(2)).sum::<f64>()
    }
}

/// Returns clusters at resolution 1. The time to convert the graph to the crate's own form counts,
/// as checking it does in ours.
fn clusters(graph: &Graph, method: &str) -> Outcome<Vec<usize>> {
    let n = graph.n();
    if let Some(how) = method.strip_prefix("bixverse") {
        use bixverse_methods::graph::leiden::{leiden_sparse_graph, LeidenParams, LocalMoving};
        use bixverse_methods::prelude::SparseGraph;
        use bixverse_sparse::sparse::CompressedSparseData2;
        let params = match how {
            "" => LeidenParams::default(),
            "-stable" => LeidenParams { n_iterations: None, ..LeidenParams::default() },
            "-coloured" => LeidenParams { local_moving: LocalMoving::Coloured, ..LeidenParams::default() },
            _ => return Err(USAGE.into()),
        };
        let starts: Vec<u32> = graph.indptr.iter().map(|&p| p as u32).collect();
        let rows = CompressedSparseData2::<f32>::new_csr(&graph.data, &graph.indices, &starts, None, (n, n));
        return Ok(leiden_sparse_graph(&SparseGraph::new(n, rows, false), Some(params))?);
    }
    if method != "leiden-rs" {
        return Err(USAGE.into());
    }
    use leiden_rs::{GraphDataBuilder, Leiden, LeidenConfig};
    let mut built = GraphDataBuilder::new(n);
    for (i, j, weight) in graph.edges().filter(|&(i, j, _)| j > i) {
        built.add_edge(i, j, weight)?;
    }
    let found = Leiden::new(LeidenConfig { seed: Some(0), ..LeidenConfig::default() }).run(&built.build()?)?;
    Ok((0..n).map(|i| found.partition.community_of(i)).collect())
}

fn leiden(prefix: &str, method: &str) -> Outcome {
    let graph = Graph::read(prefix)?;
    let (labels, took) = measured(|| clusters(&graph, method))?;
    let mut names = labels.clone();
    names.sort_unstable();
    names.dedup();
    let (quality, clusters) = (graph.modularity(&labels), names.len());
    println!("{{\"method\":\"{method}\",{took},\"modularity\":{quality:.6},\"clusters\":{clusters}}}");
    Ok(())
}

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["knn", path, truth, method] => knn(path, truth, method),
        ["exact", path, out] => {
            let found = exact(&numbers(path, f32::from_le_bytes)?);
            Ok(std::fs::write(out, found.iter().flat_map(|j| j.to_le_bytes()).collect::<Vec<u8>>())?)
        }
        ["recall", found, truth] => {
            let (found, truth) = (numbers(found, u32::from_le_bytes)?, numbers(truth, u32::from_le_bytes)?);
            println!("{{\"recall\":{:.4}}}", recall(found.len() / K, &truth, |i| &found[i * K..][..K]));
            Ok(())
        }
        ["leiden", prefix, method] => leiden(prefix, method),
        _ => Err(USAGE.into()),
    }
}
