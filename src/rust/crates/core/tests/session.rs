//! Checks sessions: every chain on a matrix finds what passes have left in the session, which is
//! dropped with the matrix. All work in progress shares the session's memory. Results depend on
//! neither.

mod matrix_common;

use anndataoom_core::element::Sparse;
use anndataoom_core::given::Syntax;
use anndataoom_core::graph::{
    self, Batches, Correlation, KnnParams, LeidenParams, LinkageMethod, Method, NeighborsParams, UmapParams,
};
use anndataoom_core::ops::{self, Axis, NormalizeOptions, PcaOptions, QcOptions, ScaleOptions, ScoreOptions};
use anndataoom_core::stream::{self as columns, map_columns, Blocks, Column, Label, Order, PerColumn};
use anndataoom_core::{Error, LazyMatrix, Result, Session};
use matrix_common::*;
use ndarray::Array2;
use std::path::Path;

const STORED: Stored = Stored::Chunked { chunk: 5000, filter: "gzip" };

fn matrix(path: &Path) -> LazyMatrix {
    LazyMatrix::new(open(path, "X").unwrap())
}

fn written(dir: &Dir) -> std::path::PathBuf {
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &random_csr::<f32>(6000, 300, 90, 3), &STORED);
    path
}

/// Returns the number of passes of every verb that `explain` lists, by verb.
fn passes(x: &LazyMatrix, session: &Session) -> Vec<(String, usize)> {
    let plan = ops::explain(x, |d| d.verb.to_owned(), session).unwrap();
    plan.steps.into_iter().map(|step| (step.verb, step.passes.len())).collect()
}

fn bits(x: &LazyMatrix, session: &Session) -> Vec<u64> {
    let (scaled, _) = ops::scale(x, &ScaleOptions::default(), session).unwrap();
    let options = PcaOptions { n_comps: Some(5), ..PcaOptions::default() };
    let found = ops::pca(&scaled, &options, session).unwrap();
    found.loadings.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn what_is_known_is_found_by_chains_on_the_matrix_and_goes_with_them() {
    let dir = Dir::new();
    let path = written(&dir);
    let session = Session::with_threads(2);
    let x = matrix(&path);
    let copy = x.select(None, None).unwrap();
    let fresh = passes(&x, &session);
    ops::calculate_qc_metrics(&x, &QcOptions { percent_top: Vec::new(), ..QcOptions::default() }, &session.call())
        .unwrap();
    let known = passes(&copy, &session.call());
    let of = |plan: &[(String, usize)]| plan.iter().find(|(verb, _)| verb == "normalize_total").unwrap().1;
    assert_eq!((of(&fresh), of(&known)), (1, 0));
    // The same file opened again knows the sums too; another session does not, nor does a team,
    // whose processes have to know the same.
    assert_eq!(of(&passes(&x, &Session::with_threads(2))), 1);
    assert_eq!(of(&passes(&matrix(&path), &session)), 0);
    let team = Session { team: Some(std::sync::Arc::new(Alone)), ..session.call() };
    assert_eq!(of(&passes(&matrix(&path), &team)), 1);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(of(&passes(&matrix(&path), &session)), 1);

    // Columns that a selection has kept are also found through a copy of it, without reading the
    // file.
    let columns: Vec<u32> = (0..300).step_by(3).collect();
    let part = x.select(None, Some(&columns)).unwrap();
    let first = bits(&part, &session.call());
    let read = x.source().reads().decoded;
    assert_eq!(bits(&part.clone(), &session.call()), first);
    assert_eq!(x.source().reads().decoded, read);
    assert!(session.caches.len() == 2 && session.budget.leased() > 0);
    assert_eq!(bits(&part, &Session::with_threads(3)), first);

    drop((x, copy));
    assert_eq!(session.caches.len(), 2);
    drop(part);
    assert!(session.caches.is_empty());
    assert_eq!(session.budget.leased(), 0);
}

/// A team of one process.
#[derive(Debug)]
struct Alone;

impl columns::Team for Alone {
    fn share(&self, n: usize) -> std::ops::Range<usize> {
        0..n
    }

    fn exchange(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        Ok(vec![own])
    }
}

/// Checks that one pass of quality control answers for filters, gene sets, normalisation and
/// moments, also of parts of the matrix, as far as a pass over the part would give the same.
#[test]
fn quality_control_answers_for_what_follows() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    // The last 50 columns are empty.
    let counts = Sparse { shape: (6000, 300), ..random_csr::<f32>(6000, 250, 90, 3) };
    write_sparse::<i32>(&path, "X", &counts, &STORED);
    let half: Vec<f32> = (0..counts.indices.len()).map(|i| i as f32 / 2.0).collect();
    write_sparse::<i32>(&path, "halves", &Sparse { data: half.into(), ..counts.clone() }, &STORED);
    write_sparse::<i32>(&path, "csc", &to_csc(&counts), &STORED);
    let set: Vec<bool> = (0..300).map(|j| j % 7 == 0).collect();
    let qc = QcOptions {
        qc_vars: vec![ops::QcSubset { name: "set".to_owned(), mask: set.clone() }],
        percent_top: Vec::new(),
        log1p: false,
    };
    let of_set: Vec<u32> = (0..300).filter(|j| j % 7 == 0).collect();
    let cells: Vec<u32> = (0..6000).rev().filter(|i| i % 5 > 0).collect();
    let genes: Vec<u32> = (0..250).filter(|j| j % 3 > 0).collect();
    let counted: Vec<u32> = (0..250).collect();
    let fewer: Vec<u32> = (0..249).collect();
    let unpacked = || Session { packed: Some(0), ..Session::with_threads(2) };
    for element in ["X", "halves", "csc"] {
        let x = LazyMatrix::new(open(&path, element).unwrap());
        let (session, chunks) = (unpacked(), x.source().reads().chunks);
        let first = ops::calculate_qc_metrics(&x, &qc, &session).unwrap();
        assert_eq!(x.source().reads().decoded, chunks);
        // Runs `of` with what is known and without, and returns the passes that the first took.
        macro_rules! passes {
            ($x:expr, |$part:ident, $session:ident| $of:expr) => {{
                let run = |$part: &LazyMatrix, $session: &Session| $of;
                let part = $x;
                let before = part.source().reads().decoded;
                let known = run(&part, &session.call());
                let read = part.source().reads().decoded - before;
                let fresh = run(&part, &unpacked());
                assert_eq!(format!("{known:?}"), format!("{fresh:?}"), "{element}");
                read.div_ceil(chunks.max(1))
            }};
        }
        let select = |rows: Option<&[u32]>, columns: Option<&[u32]>| x.select(rows, columns).unwrap();
        let all = || x.select(None, None).unwrap();
        let again = passes!(all(), |x, s| ops::calculate_qc_metrics(x, &qc, s).unwrap());
        let filters = passes!(all(), |x, s| ops::filter_cells(x, ops::CellCriterion::MinGenes(60.0), s).unwrap())
            + passes!(all(), |x, s| ops::filter_cells(x, ops::CellCriterion::MaxCounts(90.0), s).unwrap())
            + passes!(all(), |x, s| ops::filter_genes(x, ops::GeneCriterion::MinCells(600.0), s).unwrap())
            + passes!(all(), |x, s| ops::filter_genes(x, ops::GeneCriterion::MinCounts(600.0), s).unwrap());
        let sums = passes!(select(None, Some(&of_set)), |x, s| ops::row_sums(x, s).unwrap())
            + passes!(select(Some(&cells), Some(&of_set)), |x, s| ops::row_sums(x, s).unwrap());
        let normal =
            passes!(select(Some(&cells), None), |x, s| ops::normalize_total(x, &NormalizeOptions::default(), s)
                .unwrap()
                .1);
        assert_eq!((again, filters, sums, normal), (0, 0, 0, 0), "{element}");
        // Empty columns may go, others not.
        assert_eq!(passes!(select(None, Some(&counted)), |x, s| ops::row_sums(x, s).unwrap()), 0, "{element}");
        assert_eq!(passes!(select(Some(&cells), Some(&counted)), |x, s| ops::row_sums(x, s).unwrap()), 0, "{element}");
        assert_eq!(passes!(select(None, Some(&fewer)), |x, s| ops::row_sums(x, s).unwrap()), 1, "{element}");
        // Whole numbers add up to the same in any company; halves may round otherwise.
        let whole = u64::from(element == "halves");
        let columns = passes!(select(None, Some(&genes)), |x, s| ops::col_sums(x, s).unwrap());
        assert_eq!(columns, whole, "{element}");
        let fewer_cells = passes!(select(Some(&cells), Some(&genes)), |x, s| ops::col_sums(x, s).unwrap());
        assert_eq!(fewer_cells, 1, "{element}");
        let plan = ops::explain(&select(Some(&cells), None), |d| d.verb.to_owned(), &session).unwrap().to_string();
        assert!(plan.contains("  known    sums of every cell, from an earlier pass"), "{plan}");
        // The file, opened again.
        let x = LazyMatrix::new(open(&path, element).unwrap());
        assert_eq!(ops::calculate_qc_metrics(&x, &qc, &session).unwrap(), first);
        assert_eq!(x.source().reads().decoded, 0);
    }
}

/// Checks that a selection of all, in order, is none.
#[test]
fn all_in_order_is_no_selection() {
    let dir = Dir::new();
    let x = matrix(&written(&dir));
    let all: Vec<u32> = (0..6000).collect();
    let same = x.select(Some(&all), Some(&all[..300])).unwrap();
    assert!(same.rows().is_none() && same.columns().is_none() && same.queued().is_empty());
    let turned: Vec<u32> = all.iter().rev().copied().collect();
    let part = x.select(Some(&turned), Some(&all[..299])).unwrap();
    assert_eq!((part.rows().map(<[u32]>::len), part.columns().map(<[u32]>::len)), (Some(6000), Some(299)));
    assert_eq!(part.select(Some(&all), None).unwrap().rows(), Some(&turned[..]));
}

/// Checks that sums, means and variances of counts that one pass has read are not read again, and
/// equal those of a pass of their own (means and variances up to rounding).
#[test]
fn sums_of_counts_are_read_once() {
    let dir = Dir::new();
    let x = matrix(&written(&dir));
    let of = |session: &Session| {
        let moments = ops::mean_var(&x, Axis::Obs, 1, session).unwrap();
        (ops::row_sums(&x, session).unwrap(), ops::col_sums(&x, session).unwrap(), moments.mean, moments.var)
    };
    let (fresh, session) = (of(&Session::with_threads(2)), Session::with_threads(2));
    let before = x.source().reads().decoded;
    ops::learn_sums(&x, &session.call()).unwrap();
    let once = x.source().reads().decoded;
    assert!(once > before);
    let known = of(&session.call());
    ops::learn_sums(&x, &session.call()).unwrap();
    assert_eq!(x.source().reads().decoded, once);
    assert_eq!((fresh.0, fresh.1), (known.0, known.1));
    for (a, b) in fresh.2.iter().chain(&fresh.3).zip(known.2.iter().chain(&known.3)) {
        assert!((a - b).abs() <= 1e-12 * a.abs(), "{a} {b}");
    }
}

/// Checks that scores of genes, which need the means of all genes first, find them if an earlier
/// pass over the same chain has left them: a pass for scores or for sums of genes. The scores have
/// the same bits.
#[test]
fn means_of_genes_are_read_once_for_scores() {
    let dir = Dir::new();
    let counts = matrix(&written(&dir));
    let source = counts.source().clone();
    let chunks = source.reads().chunks;
    let sets: Vec<Vec<u32>> = (0..3).map(|k| (0..9).map(|j| j * 31 + k).collect()).collect();
    let options = ScoreOptions { ctrl_as_ref: true, ctrl_size: 2, gene_pool: None, n_bins: 5, seed: 0 };
    let log = |session: &Session| {
        let normal = ops::normalize_total(&counts, &NormalizeOptions::default(), session).unwrap().0;
        ops::log1p(&normal, None).unwrap().0
    };
    let passes = |x: &LazyMatrix, session: &Session| {
        let plan = ops::explain(x, |d| d.verb.to_owned(), session).unwrap();
        let planned = plan.steps.iter().find(|s| s.verb == "score_genes").unwrap().passes.len();
        let before = source.reads().decoded;
        let found = ops::score_genes(x, &sets, &options, session).unwrap();
        let read = source.reads().decoded - before;
        assert_eq!(read, planned as u64 * chunks);
        (planned, found)
    };
    // Packed rows are off, because reading them decodes nothing of the file.
    let unpacked = |threads| Session { packed: Some(0), ..Session::with_threads(threads) };
    let session = unpacked(2);
    let x = log(&session);
    let (cold, expected) = passes(&x, &session);
    assert_eq!((cold, passes(&x, &session.call())), (2, (1, expected.clone())));
    // Another chain of the same operations, or a selection, does not share the means.
    assert_eq!(passes(&log(&session), &session), (2, expected.clone()));
    let part = x.select(Some(&(0..5000).collect::<Vec<u32>>()), None).unwrap();
    let of_part = ops::score_genes(&part, &sets, &options, &session).unwrap();
    assert_eq!(of_part, ops::score_genes(&part, &sets, &options, &Session::with_threads(1)).unwrap());
    let session = unpacked(3);
    let x = log(&session);
    ops::col_sums(&x, &session).unwrap();
    assert_eq!(passes(&x, &session), (1, expected.clone()));
    // There are too many sets for a separate weight of each set and gene.
    let many: Vec<Vec<u32>> = (0..12).map(|k| sets[k % 3].clone()).collect();
    let found = ops::score_genes(&x, &many, &options, &session).unwrap();
    assert!(found.iter().enumerate().all(|(k, scores)| *scores == expected[k % 3]));
}

#[test]
fn whatever_others_hold_a_pass_gets_on_and_gives_the_same_bits() {
    let dir = Dir::new();
    let columns: Vec<u32> = (0..300).step_by(2).collect();
    let x = matrix(&written(&dir)).select(None, Some(&columns)).unwrap();
    let free = bits(&x, &Session::with_threads(2));

    let session = Session::with_threads(2);
    let all = session.lease("everything", session.memory, session.memory).unwrap();
    assert_eq!(bits(&x, &session.call()), free);
    let error = session.lease("a graph", 1, 1).unwrap_err().to_string();
    assert!(error.contains("raise the setting memory"), "{error}");
    drop(all);

    // One pass in the middle of another.
    let mut blocks = Blocks::new(&x, Order::Matrix, &session.call()).unwrap();
    let first = blocks.next().unwrap().unwrap();
    assert!(first.n_rows() > 0);
    assert_eq!(bits(&x, &session.call()), free);
    drop(blocks);
    drop(x);
    assert_eq!(session.budget.leased(), 0);
}

#[test]
fn columns_past_the_memory_go_to_the_scratch_space_and_leave_it_with_the_matrix() {
    let dir = Dir::new();
    let columns: Vec<u32> = (0..300).step_by(2).collect();
    let x = matrix(&written(&dir)).select(None, Some(&columns)).unwrap();
    // Packed rows are off: they would stay for when the file is opened again.
    let session = Session { memory: 1 << 12, packed: Some(0), ..Session::with_threads(2) };
    let first = bits(&x, &session.call());
    assert!(session.scratch.used() > 0);
    assert_eq!(bits(&x, &session.call()), first);
    assert_eq!(bits(&x, &Session::with_threads(1)), first);
    drop(x);
    assert_eq!((session.scratch.used(), session.budget.leased()), (0, 0));
}

#[test]
fn what_no_scratch_space_is_left_for_is_an_error_or_read_again() {
    let dir = Dir::new();
    let columns: Vec<u32> = (0..300).step_by(2).collect();
    let path = written(&dir);
    let all = matrix(&path);
    let x = all.select(None, Some(&columns)).unwrap();
    let small = |limit| {
        let session = Session { memory: 1 << 12, packed: Some(0), ..Session::with_threads(2) };
        Session { scratch: session.scratch.limited(limit), ..session }
    };
    let (free, bound) = (small(None), small(Some(1000)));
    // Columns kept between passes are a convenience, so no room for them is no error.
    assert_eq!(bits(&x, &free.call()), bits(&x, &bound.call()));
    assert!(free.scratch.used() > 0 && bound.scratch.used() <= 1000);
    // Values on their way to columns must be stored somewhere.
    let labels = vec![0; 6000];
    let expected = map_columns(&x, Some(&labels), &Sum, &free).unwrap();
    assert_eq!(expected, map_columns(&x, Some(&labels), &Sum, &Session::default()).unwrap());
    let error = map_columns(&x, Some(&labels), &Sum, &bound).unwrap_err();
    let text = error.to_string();
    let start = format!("scratch files in '{}' need ", std::env::temp_dir().display());
    assert!(error.class() == "io" && text.starts_with(&start), "{text}");
    assert!(text.contains("of the 1000 they may take; raise the setting scratch_limit"), "{text}");
    assert!(error.in_syntax(&Syntax::R).contains("raise options(anndataoom.scratch_limit = )"));
    assert!(error.in_syntax(&Syntax::PYTHON).contains("raise settings.scratch_limit, or raise settings.memory so"));
    // The column index is in a folder of its own; its scratch file still counts.
    std::fs::create_dir(dir.file("index")).unwrap();
    let error = ops::index_columns(&all, &dir.file("index"), &bound).err().unwrap().to_string();
    assert!(error.starts_with(&format!("scratch files in '{}' need ", dir.file("index").display())), "{error}");
    ops::index_columns(&all, &dir.file("index"), &small(None)).unwrap();
    drop((x, all));
    assert_eq!((free.scratch.used(), bound.scratch.used(), bound.budget.leased()), (0, 0, 0));
}

/// Computes the sum of a column.
struct Sum;

impl PerColumn for Sum {
    type Output = f64;

    fn column<T: columns::Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<f64> {
        Ok(column.values.iter().map(|x| x.to_f64()).sum())
    }
}

/// Returns the bytes that are leased while a column is visited.
struct Leased<'a>(&'a Session);

impl PerColumn for Leased<'_> {
    type Output = usize;

    fn column<T: columns::Value, L: Label>(&self, _: &Column<'_, T, L>) -> Result<usize> {
        Ok(self.0.budget.leased())
    }
}

#[test]
fn columns_take_a_lease_and_get_on_whatever_others_hold() {
    let dir = Dir::new();
    let path = written(&dir);
    let x = matrix(&path);
    let session = Session::with_threads(2);
    let expected = map_columns(&x, None, &Sum, &session).unwrap();
    // A quarter for the values, and a quarter in which tasks assemble columns.
    let leased = map_columns(&x, None, &Leased(&session), &session).unwrap();
    assert!(leased.iter().all(|&bytes| bytes == session.memory / 2), "{leased:?}");
    let all = session.lease("everything", session.memory, session.memory).unwrap();
    assert_eq!(map_columns(&x, None, &Sum, &session.call()).unwrap(), expected);
    drop(all);
    assert_eq!(session.budget.leased(), 0);
}

#[test]
fn the_graph_stage_is_bound_by_a_memory_of_its_own() {
    let points = Array2::from_shape_fn((90, 4), |(i, j)| ((i * 7 + j * 13) % 31) as f32 + (i % 2 * 40) as f32);
    let groups: Vec<u32> = (0..90).map(|i| i % 2).collect();
    let codes = Batches { codes: groups.clone(), n_batches: 2, names: Vec::new(), neighbors_within_batch: 3 };
    let searches =
        [Method::Exact, Method::Ivf, Method::Hnsw].map(|method| KnnParams { method, ..KnnParams::default() });
    let manhattan = KnnParams { metric: "manhattan".parse().unwrap(), ..KnnParams::default() };
    let found = graph::neighbors(points.view(), &NeighborsParams::default(), &Session::with_threads(2)).unwrap();
    let (linked, knn) = (&found.connectivities, &found.found.knn);
    let distances = graph::distances_matrix(knn).unwrap();
    let map = graph::diffmap(linked, 5, 0, &Session::with_threads(2)).unwrap();
    let run = |session: &Session| {
        let mut errors: Vec<(&str, Option<Error>)> = Vec::new();
        for params in searches.iter().chain([&manhattan]) {
            errors.push(("the search for 15 neighbours of 90 cells", graph::knn(points.view(), params, session).err()));
        }
        let default = KnnParams::default();
        errors.extend([
            (
                "the search for 6 neighbours of 90 cells",
                graph::knn_by_batch(points.view(), &codes, &default, session).err(),
            ),
            ("the graph of 1350 links", graph::fuzzy_simplicial_set(knn, session).err()),
            ("the graph of 1350 links", graph::gauss_connectivities(knn, session).err()),
            ("the graph of 1350 links", graph::gauss_of_all(knn, 5, session).err()),
            ("umap of 90 cells in 2 components", graph::umap(linked, &UmapParams::default(), session).err()),
            ("leiden of 90 cells", graph::leiden(linked, &LeidenParams::default(), session).err()),
            ("louvain of 90 cells", graph::louvain(linked, &LeidenParams::default(), session).err()),
            ("the spectral layout of 90 cells", graph::spectral::spectral_layout(linked, 2, 0, session).err()),
            ("diffmap of 90 cells in 5 components", graph::diffmap(linked, 5, 0, session).err()),
            ("dpt of 90 cells", graph::dpt(linked, map.components.view(), &map.eigenvalues, 5, 0, session).err()),
            ("paga of 90 cells in 2 groups", graph::paga(&distances, &groups, 2, session).err()),
            (
                "dendrogram of 2 groups",
                graph::dendrogram(points.view(), &groups, 2, Correlation::Pearson, LinkageMethod::Complete, session)
                    .err(),
            ),
        ]);
        assert_eq!((session.held.leased(), session.budget.leased()), (0, 0));
        errors
    };
    let bound = Session { graph_memory: Some(50), ..Session::with_threads(2) };
    for (what, error) in run(&bound) {
        let error = error.unwrap_or_else(|| panic!("{what}"));
        let text = error.to_string();
        assert!(error.class() == "memory" && text.starts_with(what), "{what}: {text}");
        assert!(
            text.contains(" bytes, the limit is 50; ") && text.ends_with("raise the setting graph_memory"),
            "{text}"
        );
        assert!(error.in_syntax(&Syntax::PYTHON).ends_with("raise settings.graph_memory"));
    }
    // The memory of passes does not bound the graph stage, however small it is. The machine does
    // not bound work that fits into it.
    for session in [Session { memory: 1, ..Session::with_threads(2) }, Session::with_threads(2)] {
        for (what, error) in run(&session) {
            assert!(error.is_none(), "{what}: {error:?}");
        }
    }
}
