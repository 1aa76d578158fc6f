//! Checks the promises of the engine for any file: a pass decodes every chunk once, the bits do not
//! depend on the number of threads, and the plan says what happens.

mod matrix_common;

use anndataoom_core::element::{Array, Data};
use anndataoom_core::matrix::{MemorySource, Source};
use anndataoom_core::ops::{
    self, Axis, CellCriterion, Flavor, GeneCriterion, HvgOptions, NormalizeOptions, PcaOptions,
};
use anndataoom_core::ops::{Aggregation, CombatModel, Components, Counts, DoubletOptions, Functions, ScoreOptions};
use anndataoom_core::ops::{MarkerOptions, QcOptions, QcSubset, ReadFrom, ScaleOptions, Test};
use anndataoom_core::stream::{collect, Order};
use anndataoom_core::{LazyMatrix, Session};
use matrix_common::*;
use std::path::Path;
use std::sync::Arc;

/// Writes a file with the matrix in all three layouts. There are several blocks, and no chunk ends
/// where a block ends.
fn write(path: &Path) {
    write_with(path, "lzf");
}

fn write_with(path: &Path, filter: &'static str) {
    let m = random_csr::<f32>(8000, 900, 520, 7);
    assert!(m.data.len() > 2 << 20);
    let stored = Stored::Chunked { chunk: 65_537, filter };
    write_sparse::<i32>(path, "csr", &m, &stored);
    write_sparse::<i32>(path, "csc", &to_csc(&m), &stored);
    let mut dense = vec![0f32; 8000 * 900];
    let Data::F32(values) = &m.data else { panic!() };
    for i in 0..8000 {
        for k in m.indptr[i] as usize..m.indptr[i + 1] as usize {
            dense[i * 900 + m.indices[k] as usize] = values[k];
        }
    }
    let dense = anndataoom_core::element::Array { shape: vec![8000, 900], data: Data::F32(dense) };
    write_dense(path, "dense", &dense, Some((333, 100)), "lzf");
}

fn decoded(source: &Arc<dyn Source>, work: impl FnOnce()) -> u64 {
    let before = source.reads().decoded;
    work();
    source.reads().decoded - before
}

#[test]
fn no_chunk_is_decoded_twice_in_a_pass() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write(&path);
    let mut random = Random(3);
    let permuted: Vec<u32> = (0..8000).map(|_| random.below(8000) as u32).collect();
    let skipping: Vec<u32> = (0..8000).step_by(3).collect();
    let run: Vec<u32> = (1000..3000).collect();
    for element in ["csr", "csc", "dense"] {
        for rows in [None, Some(&permuted), Some(&skipping), Some(&run)] {
            for columns in [None, Some(vec![5, 400, 401, 899]), Some(vec![7, 3, 3])] {
                for threads in [1, 2, 3, 8] {
                    let source = open(&path, element).unwrap();
                    let chunks = source.reads().chunks;
                    assert!(chunks > 20);
                    let x = LazyMatrix::new(source.clone());
                    let x = x.select(rows.map(|r| &r[..]), columns.as_deref()).unwrap();
                    let n = decoded(&source, || {
                        blocks(&x, Order::File, threads).unwrap();
                    });
                    let what = format!("{element}, {threads} threads, {n} of {chunks}");
                    match (rows, &columns) {
                        (None, None) => assert_eq!(n, chunks, "{what}"),
                        _ => assert!(n <= chunks, "{what}"),
                    }
                    // Chunks without selected values are not decoded where the layout permits.
                    let spared = match element {
                        "csr" => rows == Some(&run),
                        "csc" => columns.is_some(),
                        _ => rows == Some(&run) || columns.is_some(),
                    };
                    assert!(!spared || 2 * n < chunks, "{what}");
                }
            }
        }
    }
}

/// Returns the results of every reducer as text, to the bit: printed floats are exact, and NaN
/// equals NaN.
fn everything(source: &Arc<dyn Source>, session: &Session) -> Vec<String> {
    let x = LazyMatrix::new(source.clone());
    let mut out = vec![
        format!("{:?}", ops::row_sums(&x, session).unwrap()),
        format!("{:?}", ops::col_sums(&x, session).unwrap()),
        format!("{:?}", ops::mean_var(&x, Axis::Obs, 1, session).unwrap()),
        format!("{:?}", ops::mean_var(&x, Axis::Var, 1, session).unwrap()),
        format!("{:?}", ops::filter_cells(&x, CellCriterion::MinGenes(300.0), session).unwrap()),
        format!("{:?}", ops::filter_genes(&x, GeneCriterion::MaxCounts(1e4), session).unwrap()),
    ];
    let set = QcSubset { name: "mt".to_owned(), mask: (0..900).map(|j| j % 9 == 0).collect() };
    let qc = QcOptions { qc_vars: vec![set], ..QcOptions::default() };
    out.push(format!("{:?}", ops::calculate_qc_metrics(&x, &qc, session).unwrap()));
    let excluding =
        NormalizeOptions { exclude_highly_expressed: true, max_fraction: 0.005, ..NormalizeOptions::default() };
    out.push(format!("{:?}", ops::normalize_total(&x, &excluding, session).unwrap().1));
    let hvg = |x: &LazyMatrix, flavor| {
        let options = HvgOptions { flavor, n_top_genes: Some(200), ..HvgOptions::default() };
        ops::highly_variable_genes(x, &options, session).unwrap()
    };
    out.push(format!("{:?}", hvg(&x, Flavor::SeuratV3)));
    let chosen = hvg(&x, Flavor::PearsonResiduals);
    out.push(format!("{chosen:?}"));
    let log = ops::log1p(&ops::normalize_total(&x, &NormalizeOptions::default(), session).unwrap().0, None).unwrap().0;
    out.push(format!("{:?}", hvg(&log, Flavor::Seurat)));
    out.push(format!("{:?}", hvg(&log, Flavor::CellRanger)));
    let chosen = log.select(None, Some(&chosen.positions())).unwrap();
    let (scaled, found) =
        ops::scale(&chosen, &ScaleOptions { max_value: Some(10.0), ..Default::default() }, session).unwrap();
    out.push(format!("{found:?}"));
    let pca = PcaOptions { n_comps: Some(10), ..PcaOptions::default() };
    out.push(format!("{:?}", ops::pca(&scaled, &pca, session).unwrap()));
    out.push(format!("{:?}", ops::pca(&log, &PcaOptions { zero_center: false, ..pca }, session).unwrap().variance));
    let rows: Vec<u32> = (0..8000).rev().step_by(70).collect();
    out.push(format!("{:?}", collect(&scaled.select(Some(&rows), None).unwrap(), session, u64::MAX).unwrap()));
    out
}

#[test]
fn every_reducer_gives_the_same_bits_for_1_2_3_and_8_threads() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write(&path);
    for element in ["csr", "csc", "dense"] {
        let run = |threads: usize, memory: usize| {
            let session = Session { memory, ..Session::with_threads(threads) };
            everything(&open(&path, element).unwrap(), &session)
        };
        let one = run(1, 256 << 20);
        // One layout gets all the settings, as all layouts share the code after the blocks.
        let all = [(8, 1 << 20), (2, 256 << 20), (3, 64 << 20)];
        for &(threads, memory) in &all[..if element == "csr" { 3 } else { 1 }] {
            for (i, (a, b)) in one.iter().zip(run(threads, memory)).enumerate() {
                assert!(*a == b, "{element}: result {i} with {threads} threads and {memory} bytes");
            }
        }
    }
}

/// Checks that results have the same bits with and without packed rows, in one thread and in many,
/// and that with packed rows the file is decoded once in all.
#[test]
fn packed_rows_change_no_bit_of_any_reducer() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_with(&path, "gzip");
    for element in ["csr", "csc"] {
        let run = |threads: usize, packed: Option<u64>| {
            let source = open(&path, element).unwrap();
            let found = everything(&source, &Session { packed, ..Session::with_threads(threads) });
            (found, source.reads())
        };
        let (expected, reads) = run(2, Some(0));
        assert!(reads.decoded > 8 * reads.chunks);
        // The bound may also be smaller than the packed rows.
        for (threads, packed) in [(1, None), (8, None), (3, Some(1 << 20))] {
            let (found, reads) = run(threads, packed);
            assert!(packed.is_some() || reads.decoded == reads.chunks, "{element}, {threads} threads: {reads:?}");
            for (i, (a, b)) in expected.iter().zip(found).enumerate() {
                assert!(*a == b, "{element}: result {i} with {threads} threads and packed rows in {packed:?} bytes");
            }
        }
    }
}

/// Compares the plan with the chunks that each verb decodes.
#[test]
fn the_plan_is_what_happens() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write(&path);
    let session = Session::with_threads(2);
    let source = open(&path, "csr").unwrap();
    let chunks = source.reads().chunks;
    let x = LazyMatrix::new(source.clone());
    let planned = |x: &LazyMatrix, verb: &str| {
        let plan = ops::explain(x, |d| d.verb.to_owned(), &session).unwrap();
        let step = plan.steps.iter().find(|s| s.verb == verb).unwrap_or_else(|| panic!("{verb}\n{plan}")).clone();
        let from_file = step.passes.iter().filter(|f| **f == ReadFrom::File).count() as u64;
        assert_eq!(step.bytes, from_file * source.disk_bytes());
        from_file * chunks
    };
    macro_rules! step {
        ($x:expr, $verb:expr, $run:expr) => {{
            let expected = planned(&$x, $verb);
            let mut out = None;
            let n = decoded(&source, || out = Some($run));
            assert_eq!(n, expected, "{}", $verb);
            out.unwrap()
        }};
    }
    let pearson = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(200), ..HvgOptions::default() };
    // Two passes without sums from an earlier pass, one pass with them.
    step!(x, "highly_variable_genes 'pearson_residuals'", ops::highly_variable_genes(&x, &pearson, &session).unwrap());
    let x = LazyMatrix::new(source.clone());
    step!(x, "calculate_qc_metrics", ops::calculate_qc_metrics(&x, &QcOptions::default(), &session).unwrap());
    let hvg = step!(
        x,
        "highly_variable_genes 'pearson_residuals'",
        ops::highly_variable_genes(&x, &pearson, &session).unwrap()
    );
    let normal =
        step!(x, "normalize_total", ops::normalize_total(&x, &NormalizeOptions::default(), &session).unwrap().0);
    let log = ops::log1p(&normal, None).unwrap().0;
    let seurat = HvgOptions::default();
    step!(log, "highly_variable_genes 'seurat'", ops::highly_variable_genes(&log, &seurat, &session).unwrap());
    let codes: Vec<u32> = (0..x.shape().0 as u32).map(|i| i % 3).collect();
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let markers =
        |test| MarkerOptions { codes: codes.clone(), names: names.clone(), ..MarkerOptions::new("type", test) };
    let wilcoxon = Test::Wilcoxon { tie_correct: true };
    step!(log, "rank_genes_groups 't-test'", ops::rank_genes_groups(&log, &markers(Test::T), &session).unwrap());
    step!(log, "rank_genes_groups 'wilcoxon'", ops::rank_genes_groups(&log, &markers(wilcoxon), &session).unwrap());
    let sets = vec![(0..20).collect::<Vec<u32>>()];
    step!(log, "score_aucell", ops::score_aucell(&log, &sets, 0.05, &session).unwrap());
    let scores = ScoreOptions { ctrl_as_ref: true, ctrl_size: 5, gene_pool: None, n_bins: 9, seed: 0 };
    // The step that chose variable genes has kept the means.
    step!(log, "score_genes", ops::score_genes(&log, &sets, &scores, &session).unwrap());
    let groups = |functions: &[&str]| {
        let (codes, functions) = (codes.iter().map(|&c| c as i32).collect(), Functions::named(functions).unwrap());
        Aggregation { axis: Axis::Obs, codes, n_groups: 3, functions, dof: 1 }
    };
    step!(log, "aggregate", ops::aggregate(&log, &groups(&["mean", "var"]), &session).unwrap());
    step!(log, "aggregate 'median'", ops::aggregate(&log, &groups(&["median"]), &session).unwrap());
    step!(x, "pseudobulk", ops::aggregate(&x, &groups(&["sum"]), &session).unwrap());
    let model = CombatModel {
        key: "type".to_owned(),
        batches: codes.clone(),
        names: names.clone(),
        covariates: Vec::new(),
        columns: Vec::new(),
    };
    step!(log, "combat", ops::combat(&log, &model, &session).unwrap());
    step!(x, "downsample_counts", ops::downsample_counts(&x, &Counts::Each(50), 0, &session).unwrap());
    let doublets = DoubletOptions {
        sim_doublet_ratio: 2.0,
        synthetic_doublet_umi_subsampling: 1.0,
        normalize_variance: true,
        log_transform: false,
        mean_center: true,
        n_prin_comps: 5,
        seed: 0,
    };
    step!(x, "scrublet", ops::simulate_doublets(&x, &doublets, &session).unwrap());
    let loadings = vec![0.1; 2 * x.shape().1];
    let in_memory = LazyMatrix::new(Arc::new(
        MemorySource::from_array(Array { shape: vec![1, x.shape().1], data: Data::F32(vec![1.0; x.shape().1]) })
            .unwrap(),
    ));
    let by = Components { reference: &in_memory, loadings: &loadings, zero_center: true };
    for verb in ["ingest", "transfer_labels"] {
        step!(log, verb, ops::project(&log, &by, &session).unwrap());
    }
    for verb in ["harmony_integrate", "sketch", "sample"] {
        assert_eq!(planned(&log, verb), 0);
    }
    let chosen = log.select(None, Some(&hvg.positions())).unwrap();
    let scaled = step!(chosen, "scale", ops::scale(&chosen, &ScaleOptions::default(), &session).unwrap().0);
    let pca = PcaOptions { n_comps: Some(5), ..PcaOptions::default() };
    // Scaling has kept the columns, so PCA does not read the file.
    assert_eq!(planned(&scaled, "pca"), 0);
    step!(scaled, "pca", ops::pca(&scaled, &pca, &session).unwrap());
    let text = ops::explain(&scaled, |d| d.verb.to_owned(), &session).unwrap().to_string();
    for line in ["plan for", "8,000 x 900 csr float32", "1. select 200 of 900 columns", "in memory", "pca", "kept"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Without scaling, PCA reads the file once and keeps the selected columns.
    let other = log.select(None, Some(&hvg.positions()[..100])).unwrap();
    step!(other, "pca", ops::pca(&other, &pca, &session).unwrap());
    step!(log, "pca", ops::pca(&log, &pca, &session).unwrap());
    // A selection of rows decodes the chunks of these rows only.
    let part = x.select(Some(&(0..700).collect::<Vec<u32>>()), None).unwrap();
    let plan = ops::explain(&part, |d| d.verb.to_owned(), &session).unwrap();
    let of_a_pass = source.disk_bytes() / 5;
    assert!(plan.steps.iter().all(|s| s.bytes <= s.passes.len() as u64 * of_a_pass), "{plan}");
    for element in ["csc", "dense"] {
        let x = LazyMatrix::new(open(&path, element).unwrap());
        assert!(ops::explain(&x, |d| d.verb.to_owned(), &session).unwrap().to_string().contains(element));
    }
}
