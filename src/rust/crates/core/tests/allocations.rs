//! Checks that verbs survive failing allocations: whichever large request is refused, the verb
//! returns its right result or an error that names memory. The test is alone in its process because
//! the allocator counts the requests of all threads. With `TRACE_REFUSED=1` every refusal prints its
//! backtrace, which locates an abort.

use anndataoom_core::element::{self, Array, Categorical, DataFrame, Sparse, SparseFormat, Value};
use anndataoom_core::graph::{
    diffmap, embedding_density, fuzzy_simplicial_set, gauss_connectivities, harmony, knn, leiden, louvain, paga,
    spectral, umap, Factor, HarmonyParams, KnnParams, LeidenParams, Method, Metric, Pairwise, UmapParams,
};
use anndataoom_core::matrix::{open as open_matrix, MemorySource};
use anndataoom_core::ops::*;
use anndataoom_core::reserve::{asking, SMALL};
use anndataoom_core::store::Store;
use anndataoom_core::stream::{collect, Team};
use anndataoom_core::write::{write_h5ad, Compression, H5adPlan, WriteOptions};
use anndataoom_core::{Error, LazyMatrix, Result, Session};
use ndarray::Array2;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The size in bytes from which a request counts as large.
const LARGE: usize = 1 << 15;

/// The system's allocator with a countdown of large requests: the request that ends it is refused.
struct Failing {
    left: AtomicI64,
}

// SAFETY: every call either goes to the system's allocator unchanged or is refused with null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE && !asking() && AUDIT.load(Ordering::Relaxed) {
            audit(layout.size());
        }
        if layout.size() >= LARGE && asking() && self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            if std::env::var_os("TRACE_REFUSED").is_some() {
                eprintln!("{}", std::backtrace::Backtrace::force_capture());
            }
            return std::ptr::null_mut();
        }
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static FAILING: Failing = Failing { left: AtomicI64::new(-1) };

/// Whether large requests that cannot be refused are noted, see [`audit`].
static AUDIT: AtomicBool = AtomicBool::new(false);

thread_local! {
    static AUDITING: Cell<bool> = const { Cell::new(false) };
}

/// Notes a large request that cannot be refused. With `AUDIT_REQUESTS=1` the test prints where such
/// requests are made and refuses nothing. The places are source lines if the core was built with
/// `--config 'profile.release.package.anndataoom-core.debug="line-tables-only"'`.
fn audit(size: usize) {
    LARGEST.fetch_max(size, Ordering::Relaxed);
    if std::env::var_os("AUDIT_REQUESTS").is_none() || AUDITING.replace(true) {
        return;
    }
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let places: Vec<&str> = trace.lines().filter(|line| line.contains("core/src/")).take(3).map(str::trim).collect();
    let mut seen = PLACES.lock().unwrap();
    if seen.insert(places.join(" < ")) {
        eprintln!("{size} bytes {}", places.join(" < "));
    }
    drop(seen);
    AUDITING.set(false);
}

/// The size in bytes of the largest request that could not be refused.
static LARGEST: AtomicUsize = AtomicUsize::new(0);
static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Runs `verb` once for each of its large requests, with that request refused. Checks that the
/// value is `right` or the error is one of memory, and that larger requests than [`SMALL`] can be
/// refused.
fn survives<T>(name: &str, verb: impl Fn() -> Result<T>, right: impl Fn(&T) -> bool) {
    AUDIT.store(true, Ordering::Relaxed);
    let found = verb().unwrap();
    AUDIT.store(false, Ordering::Relaxed);
    assert!(right(&found), "{name}: as it is");
    drop(found);
    let largest = LARGEST.swap(0, Ordering::Relaxed);
    assert!(largest <= SMALL, "{name}: a request of {largest} bytes cannot be refused");
    if std::env::var_os("AUDIT_REQUESTS").is_some() {
        return;
    }
    for nth in 0..10_000 {
        FAILING.left.store(nth, Ordering::Relaxed);
        let found = verb();
        let left = FAILING.left.swap(-1, Ordering::Relaxed);
        match found {
            Ok(found) => assert!(right(&found), "{name}, request {nth}: another result"),
            // Only a refusal is a reason for an error: the last run has none.
            Err(Error::OutOfMemory { .. } | Error::Memory { .. }) if left < 0 => {}
            Err(e) => panic!("{name}, request {nth}: {e}"),
        }
        if left >= 0 {
            eprintln!("{name}: {nth} large requests");
            return;
        }
    }
    panic!("{name} does not end");
}

fn values(n: usize, m: usize, every: usize) -> Vec<f64> {
    let value =
        |i: usize| if (i * 2_654_435_761) % 4096 < 4096 / every { ((i * 40_503) % 23) as f64 + 1.0 } else { 0.0 };
    (0..n * m).map(value).collect()
}

/// Makes `N` points in `D` dimensions that lie in five groups.
fn points() -> Array2<f32> {
    let of = |(i, &v): (usize, &f64)| v as f32 + (i / D % 5 * 20) as f32 + (i % 977) as f32 / 97.0;
    Array2::from_shape_vec((N, D), values(N, D, 1).iter().enumerate().map(of).collect()).unwrap()
}

/// Runs [`survives`] for every expression whose value can be compared with that of an undisturbed
/// run.
macro_rules! all_survive {
    ($($name:expr => $verb:expr;)*) => {$({
        let expected = $verb.unwrap();
        survives($name, || $verb, |found| *found == expected);
    })*};
}

const N: usize = 8400;
const D: usize = 20;

fn neighbours(session: &Session) {
    let points = points();
    let points = points.view();
    let params = KnnParams { k: 8, method: Method::Exact, ..KnnParams::default() };
    let lists = KnnParams { method: Method::Ivf, ..params.clone() };
    let few = points.slice(ndarray::s![..1500, ..]);
    let pairs = KnnParams { metric: Metric::Pairwise(Pairwise::Mahalanobis), ..params.clone() };
    let knns = knn(points, &params, session).unwrap().knn;
    let graph = fuzzy_simplicial_set(&knns, session).unwrap();
    let codes: Vec<u32> = (0..N as u32).map(|i| i % 7).collect();
    let batches = [Factor { codes: codes.clone(), n_levels: 7 }];
    let few_rounds =
        HarmonyParams { max_iter_harmony: 2, max_iter_kmeans: 1, block_size: 0.5, ..HarmonyParams::default() };
    all_survive! {
        "knn, exact" => knn(points, &params, session).map(|r| r.knn);
        "knn, inverted file" => knn(points, &lists, session).map(|r| r.knn);
        "knn, mahalanobis" => knn(few, &pairs, session).map(|r| r.knn);
        "fuzzy simplicial set" => fuzzy_simplicial_set(&knns, session);
        "gauss connectivities" => gauss_connectivities(&knns, session);
        "spectral layout" => spectral::spectral_layout(&graph, 2, 0, session).map(|l| l.coordinates);
        "umap" => umap::umap(&graph, &UmapParams { n_epochs: Some(3), ..UmapParams::default() }, session).map(|u| u.embedding);
        "leiden" => leiden(&graph, &LeidenParams { n_iterations: 1, ..LeidenParams::default() }, session);
        "louvain" => louvain(&graph, &LeidenParams { n_iterations: 1, ..LeidenParams::default() }, session);
        "diffusion map" => diffmap(&graph, 4, 0, session).map(|m| m.components);
        "paga" => paga(&graph, &codes, 7, session).map(|p| p.connectivities);
        "harmony" => harmony(points, &batches, &few_rounds, session).map(|h| h.coordinates);
        "densities" => embedding_density(points, [0, 1], None, session);
    }
}

/// Makes a sparse matrix of counts, `N` cells x 60 genes, in `format`.
fn counts(format: SparseFormat) -> Sparse {
    let (n, m) = (N, 60);
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::<f32>::new());
    for row in values(n, m, 4).chunks(m) {
        for (c, &v) in row.iter().enumerate().filter(|(_, &v)| v != 0.0) {
            indices.push(c as u32);
            data.push(v as f32);
        }
        indptr.push(indices.len() as u64);
    }
    let csr = Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data: data.into() };
    csr.to_format(format).unwrap()
}

/// Runs every verb that takes a matrix.
fn verbs(name: &str, counts: &LazyMatrix, session: &Session) {
    let (n, m) = counts.shape();
    let named = |verb: &str| format!("{verb} of {name}");
    let half: Vec<u32> = (0..n as u32).rev().step_by(2).collect();
    let columns: Vec<u32> = (0..m as u32).rev().step_by(3).collect();
    let batch: Vec<i32> = (0..n as i32).map(|i| i % 3).collect();
    let codes = |n: usize| (0..n as u32).map(|i| i % 4).collect::<Vec<_>>();
    let names: Vec<String> = (0..4).map(|g| format!("type {g}")).collect();
    let markers =
        |test| MarkerOptions { codes: codes(n), names: names.clone(), pts: true, ..MarkerOptions::new("type", test) };
    let wilcoxon = markers(Test::Wilcoxon { tie_correct: true });
    let sets = [vec![1, 5, 9], vec![2]];
    let scored = ScoreOptions { ctrl_as_ref: true, ctrl_size: 5, gene_pool: None, n_bins: 5, seed: 0 };
    let against = MarkerOptions { reference: "type 1".to_owned(), ..wilcoxon.clone() };
    let of_half = MarkerOptions { codes: codes(half.len()), ..wilcoxon };
    let of_half_by = |test| MarkerOptions { codes: codes(half.len()), ..markers(test) };
    let log = normalize_total(counts, &NormalizeOptions::default(), session).unwrap().0;
    let log = log1p(&log, None).unwrap().0;
    let selected = log.select(Some(&half), Some(&columns)).unwrap();
    let scaled = scale(&log, &ScaleOptions::default(), session).unwrap().0;
    let numbers = Regressors::Numbers(vec![("n".into(), (0..n).map(|i| (i % 13) as f64).collect())]);
    let residuals = regress_out(&log, &numbers, session).unwrap();
    let y = values(m, 3, 1);
    let wide = values(n, 3, 1);
    let hvg = |x: &LazyMatrix, flavor| {
        let options = HvgOptions { flavor, n_top_genes: Some(20), ..HvgOptions::default() };
        highly_variable_genes(x, &options, session).map(|h| h.highly_variable)
    };
    let by_batch = HvgOptions { batch: Some(batch), n_top_genes: Some(20), ..HvgOptions::default() };
    let doublets = DoubletOptions {
        sim_doublet_ratio: 0.5,
        synthetic_doublet_umi_subsampling: 1.0,
        normalize_variance: true,
        log_transform: false,
        mean_center: true,
        n_prin_comps: 5,
        seed: 0,
    };
    let of_batches = CombatModel {
        key: "batch".to_owned(),
        batches: codes(n),
        names: names.clone(),
        covariates: vec!["n".to_owned()],
        columns: vec![("n".to_owned(), (0..n).map(|i| (i % 13) as f64).collect())],
    };
    let grouped = |axis, n: usize| {
        let codes = (0..n as i32).map(|i| i % 5 - 1).collect();
        Aggregation { axis, codes, n_groups: 4, functions: Functions::named(&Functions::NAMES).unwrap(), dof: 1 }
    };
    let qc = QcOptions { percent_top: vec![5], ..QcOptions::default() };
    let few = PcaOptions { n_comps: Some(5), ..PcaOptions::default() };
    // A session that knows nothing of earlier passes.
    let fresh = || Session::with_threads(session.threads);
    all_survive! {
        &named("collect") => collect(counts, session, u64::MAX);
        &named("collect of a selection") => collect(&selected, session, u64::MAX);
        &named("collect of scaled values") => collect(&scaled, session, u64::MAX);
        &named("collect of residuals") => collect(&residuals, session, u64::MAX);
        &named("sums of cells") => row_sums(counts, session);
        &named("sums of genes") => col_sums(counts, session);
        &named("moments of genes") => mean_var(&log, Axis::Obs, 1, session);
        &named("moments of cells") => mean_var(&log, Axis::Var, 1, session);
        &named("cross product") => cross_product(&selected, session);
        &named("quality control") => counts.select(None, None).and_then(|x| calculate_qc_metrics(&x, &qc, session));
        &named("columns of metrics") => counts.select(None, None).and_then(|x| calculate_qc_metrics(&x, &qc, session)?.patch());
        &named("filter_cells") => filter_cells(counts, CellCriterion::MinGenes(3.0), &fresh()).map(|f| f.keep);
        &named("filter_cells, known") => filter_cells(counts, CellCriterion::MinGenes(3.0), session).map(|f| f.keep);
        &named("totals, known") => counts.select(Some(&half), None).and_then(|x| normalize_total(&x, &NormalizeOptions::default(), session)).map(|n| n.1);
        &named("cells kept") => filter_cells(counts, CellCriterion::MinCounts(3.0), session).and_then(|f| Ok((f.positions()?, f.patch()?)));
        &named("sums as numpy has them") => sums(counts, Some(Axis::Var), session).and_then(Sums::into_numpy);
        &named("scale") => scale(&log, &ScaleOptions::default(), session).map(|s| (s.1.mean, s.1.std));
        &named("seurat") => hvg(&log, Flavor::Seurat);
        &named("cell_ranger") => hvg(&log, Flavor::CellRanger);
        &named("seurat_v3") => hvg(counts, Flavor::SeuratV3);
        &named("pearson_residuals") => hvg(counts, Flavor::PearsonResiduals);
        &named("seurat by batch") => highly_variable_genes(&log, &by_batch, session).map(|h| h.highly_variable);
        &named("pca") => pca(&log, &few, session);
        &named("pca of scaled values") => pca(&scaled, &few, session);
        &named("t-test") => rank_genes_groups(&log, &markers(Test::T), session);
        &named("wilcoxon") => rank_genes_groups(&selected, &of_half, session);
        &named("wilcoxon against one") => rank_genes_groups(&log, &against, session);
        &named("scores") => score_genes(&log, &sets, &scored, session);
        &named("doublets") => simulate_doublets(counts, &doublets, session);
        &named("doublets of logarithms") => simulate_doublets(counts, &DoubletOptions { log_transform: true, ..doublets.clone() }, session);
        &named("combat") => combat(&log, &of_batches, session).and_then(|c| collect(&c.matrix, session, u64::MAX));
        &named("a regression") => rank_genes_groups(&selected, &of_half_by(Test::Logistic), session);
        &named("recovery of genes") => score_aucell(&log, &sets, 0.1, session);
        &named("sums of groups") => aggregate(&log, &grouped(Axis::Obs, n), session);
        &named("sums of groups of genes") => aggregate(&selected, &grouped(Axis::Var, columns.len()), session);
        &named("times") => times(&log, &y, 3, session);
        &named("transposed times") => transposed_times(&log, &wide, 3, session);
    }
    all_survive! {
        &named("normalize_total") => normalize_total(counts, &NormalizeOptions::default(), session).map(|n| n.1);
        &named("factors of cells") => normalize_total(counts, &NormalizeOptions::default(), session).and_then(|n| n.1.patch(Some("n")));
        &named("a saved chain") => log.to_bytes().and_then(|b| LazyMatrix::from_bytes(log.source().clone(), &b)?.to_bytes());
        &named("regress_out") => regress_out(&log, &numbers, session).and_then(|x| collect(&x, session, u64::MAX));
    }
}

fn matrices(session: &Session) {
    let dir = std::env::temp_dir().join(format!("anndataoom-allocations-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("x.h5ad");
    let name = |prefix: &str, n: usize| DataFrame {
        index_name: None,
        index: Box::new(Value::strings((0..n).map(|i| format!("{prefix} {i} of a long name")))),
        columns: Vec::new(),
    };
    let csr = counts(SparseFormat::Csr);
    let memory = LazyMatrix::new(Arc::new(MemorySource::from_sparse(&csr).unwrap()));
    let dense = MemorySource::from_array(Array { shape: vec![N, 60], data: values(N, 60, 4).into() }).unwrap();
    let dense = LazyMatrix::new(Arc::new(dense));
    let codes = (0..N as i32).map(|i| i % 9).collect();
    let categories = Box::new(Value::strings((0..9).map(|i| format!("type {i}"))));
    let types = Value::Categorical(Categorical { codes, categories, ordered: false });
    let mut obs = name("cell", N);
    obs.columns.push(("type".into(), types));
    obs.columns.push(("score".into(), Value::vector(values(N, 1, 1))));
    let mut plan = H5adPlan::new(Some(memory.clone().into()), obs.into(), name("gene", 60).into());
    plan.layers.push(("dense".into(), dense.clone().into()));
    plan.layers.push(("csc".into(), Value::Sparse(counts(SparseFormat::Csc)).into()));
    let options = WriteOptions { compression: Compression::Gzip(1), ..WriteOptions::default() };
    let written = || {
        write_h5ad(&plan, &path, &options, session)?;
        let store = Store::open(&path)?;
        Ok((element::read(&store, "obs")?, element::read(&store, "layers/csc")?))
    };
    all_survive! {
        "write and read" => written();
    }
    let store = Store::open(&path).unwrap();
    let rows: Vec<u32> = (0..N as u32).rev().collect();
    all_survive! {
        "rows of a frame" => element::read_selected(&store, "obs", Some(&rows), None);
        "rows of a sparse matrix" => element::read_selected(&store, "X", Some(&rows), Some(&[5, 3, 3]));
        "rows of an array" => element::read_selected(&store, "layers/dense", Some(&rows), Some(&[5, 3, 3]));
        "a matrix in memory" => MemorySource::from_sparse(&csr).and_then(|m| m.to_dense());
    }
    let open = |element: &str| LazyMatrix::new(open_matrix(&store, element).unwrap());
    verbs("rows in memory", &memory, session);
    verbs("values in memory", &dense, session);
    verbs("rows in a file", &open("X"), session);
    verbs("columns in a file", &open("layers/csc"), session);
    verbs("values in a file", &open("layers/dense"), session);
    in_pieces(&memory, &store, &dir.join("index"), session);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A team of one process: every pass serializes its partial result and reads it back.
#[derive(Debug)]
struct Alone;

impl Team for Alone {
    fn share(&self, n: usize) -> Range<usize> {
        0..n
    }

    fn exchange(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        Ok(vec![own])
    }
}

/// Runs, in a team of one, the verbs whose partial results are large.
fn in_pieces(x: &LazyMatrix, store: &Arc<Store>, folder: &Path, session: &Session) {
    let session = &Session { team: Some(Arc::new(Alone)), ..Session::with_threads(session.threads) };
    let few = PcaOptions { n_comps: Some(20), ..PcaOptions::default() };
    let indexed = || {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).unwrap();
        let x = LazyMatrix::new(open_matrix(store, "X")?);
        index_columns(&x, folder, session).map(|i| (i.bytes, i.made))
    };
    all_survive! {
        "sums of cells, in a team" => row_sums(x, session);
        "pca, in a team" => pca(x, &few, session);
        "index of columns, in a team" => indexed();
    }
}

/// Checks every verb under every refusal. The file has one test only, because a test beside it would
/// have its requests refused too.
#[test]
fn every_verb_survives_every_refusal() {
    let session = Session::with_threads(2);
    neighbours(&session);
    matrices(&session);
}
