//! Checks reducers whose runs are split: the partial results of any split give the same bits as one
//! process, also in three processes that share every verb. Partial results that do not belong
//! together are refused by name.

mod matrix_common;

use anndataoom_core::chain::{Along, Member, Stacked};
use anndataoom_core::element::{Array, Data};
use anndataoom_core::error::{Error, Result};
use anndataoom_core::matrix::{Block, Storage};
use anndataoom_core::ops::{self, *};
use anndataoom_core::stream::{
    finish, no_rows, no_state, reduce, reduce_runs, Needs, Partial, Reducer, Schedule, Team,
};
use anndataoom_core::{LazyMatrix, Session};
use matrix_common::{open, random_csr, to_csc, write_dense, write_sparse, Dir, Random, Stored};
use serde::Serialize;
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CELLS: usize = 9300;
const GENES: usize = 40;
/// The number of cells of a stack's member, and so of a block: 388 blocks, which make seven runs.
const MEMBER: usize = 24;
/// The number of cells of a member for reducers with long runs: 2,325 blocks, which make three
/// runs.
const SMALL: usize = 4;

/// The sums of columns and rows of floats, in runs of `RUN` blocks.
#[derive(Serialize)]
struct Added<const RUN: usize> {
    shape: (usize, usize),
    factor: f64,
}

impl<const RUN: usize> Reducer for Added<RUN> {
    const NAME: &'static str = "sums of the test";
    const NEEDS: Needs = Needs { run: RUN, ..Needs::FILE };
    type Part = Vec<f64>;
    type Rows = Vec<f64>;
    type State = Vec<f64>;
    type Whole = Vec<f64>;
    type Output = (Vec<f64>, Vec<f64>);

    fn map(&self, block: Block) -> Result<(Vec<f64>, Vec<f64>)> {
        let Storage::Csr { indptr, indices, data } = &block.storage else { panic!() };
        let (mut columns, values) = (vec![0.0; self.shape.1], data.to_f64().unwrap());
        let rows = indptr.windows(2).map(|w| {
            (w[0]..w[1]).for_each(|k| columns[indices[k] as usize] += self.factor * values[k]);
            values[w[0]..w[1]].iter().sum()
        });
        let rows = rows.collect();
        Ok((columns, rows))
    }

    fn state(&self) -> Result<Vec<f64>> {
        Ok(vec![0.0; self.shape.1])
    }

    fn whole(&self) -> Result<Vec<f64>> {
        Ok(vec![0.0; self.shape.0])
    }

    fn fold(&self, state: &mut Vec<f64>, part: Vec<f64>) -> Result<()> {
        state.iter_mut().zip(part).for_each(|(s, p)| *s += p);
        Ok(())
    }

    fn merge(&self, state: &mut Vec<f64>, next: Vec<f64>) -> Result<()> {
        self.fold(state, next)
    }

    fn finish(&self, state: Vec<f64>, whole: Vec<f64>) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((state, whole))
    }
}

/// Returns the same matrix as a stack whose blocks have `size` rows.
fn in_blocks(x: &LazyMatrix, size: usize) -> LazyMatrix {
    let (n, m) = x.shape();
    let member = |from: usize| {
        let rows: Vec<u32> = (from..(from + size).min(n)).map(|r| r as u32).collect();
        Member { x: x.select(Some(&rows), None).unwrap(), from: None }
    };
    let members = (0..n).step_by(size).map(member).collect();
    LazyMatrix::new(Arc::new(Stacked::new(Along::Obs, members, m, None).unwrap()))
}

/// Makes positive values of widely different sizes, so that sums depend on their order.
fn uneven(seed: u64) -> anndataoom_core::element::Sparse {
    let mut m = random_csr::<f64>(CELLS, GENES, 9, seed);
    let mut random = Random(seed);
    m.data = Data::F64((0..m.data.len()).map(|_| 1.0 + random.below(1 << 20) as f64 / 7.0).collect());
    m
}

fn in_memory(m: &anndataoom_core::element::Sparse) -> LazyMatrix {
    LazyMatrix::new(Arc::new(anndataoom_core::matrix::MemorySource::from_sparse(m).unwrap()))
}

fn bits(v: &[f64]) -> Vec<u64> {
    v.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn any_split_of_the_runs_gives_the_same_bits() {
    let x = in_blocks(&in_memory(&uneven(3)), SMALL);
    let mut random = Random(5);
    let permuted: Vec<u32> = (0..CELLS as u32 / 2).map(|_| random.below(CELLS) as u32).collect();
    for x in [x.select(Some(&permuted), Some(&[3, 1, 39])).unwrap(), x] {
        let r = Added::<7> { shape: x.shape(), factor: 0.1 };
        let session = Session::with_threads(3);
        let whole = reduce(&x, &r, &session).unwrap();
        let n_runs = Schedule::for_reducer(&x, &r, &session).unwrap().n_runs();
        assert!(n_runs > 100, "{n_runs}");
        for cuts in [vec![0, n_runs], vec![0, 1, n_runs], vec![0, 5, 5, 60, n_runs - 1, n_runs]] {
            let part = |w: &[usize]| {
                let threads = Session::with_threads(1 + w[1] % 3);
                let partial = reduce_runs(&x, &r, w[0]..w[1], &threads).unwrap();
                Partial::from_bytes(&r, &partial.to_bytes().unwrap()).unwrap()
            };
            let mut partials: Vec<_> = cuts.windows(2).map(part).collect();
            partials.reverse();
            let found = finish(&r, partials).unwrap();
            assert_eq!((bits(&found.0), bits(&found.1)), (bits(&whole.0), bits(&whole.1)), "{cuts:?}");
        }
        // With a single run the sums are added in another order, so only the last bits differ.
        let one = reduce(&x, &Added::<1000000> { shape: x.shape(), factor: 0.1 }, &session).unwrap();
        assert_eq!(bits(&one.1), bits(&whole.1));
        assert!(one.0.iter().zip(&whole.0).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs()));
        assert_ne!(bits(&one.0), bits(&whole.0));
    }
}

/// Returns the largest difference between `a` and `b`, divided by the largest absolute value of
/// `b`.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / most
}

#[test]
fn runs_change_nothing_but_rounding() {
    let session = Session::with_threads(2);
    let m = uneven(9);
    let plain = in_memory(&m);
    // Values far from 0 with a spread of one in a million, and constant genes.
    let mut values = m.data.to_f64().unwrap();
    values.iter_mut().for_each(|v| *v /= (1 << 20) as f64);
    let mut dense = vec![1e6; CELLS * GENES];
    for i in 0..CELLS {
        let row = m.indptr[i] as usize..m.indptr[i + 1] as usize;
        for (&j, value) in m.indices[row.clone()].iter().zip(&values[row]) {
            dense[i * GENES + j as usize] += if j == 7 { 0.0 } else { *value };
        }
    }
    let array = Array { shape: vec![CELLS, GENES], data: Data::F64(dense) };
    let offset = LazyMatrix::new(Arc::new(anndataoom_core::matrix::MemorySource::from_array(array).unwrap()));
    for x in [plain, offset] {
        let runs = in_blocks(&x, SMALL);
        for zero_center in [true, false] {
            let options = PcaOptions { n_comps: Some(6), zero_center };
            let (a, b) = (pca(&runs, &options, &session).unwrap(), pca(&x, &options, &session).unwrap());
            assert!(apart(&a.variance, &b.variance) < 1e-9, "{:?} {:?}", a.variance, b.variance);
            assert!(apart(&a.variance_ratio, &b.variance_ratio) < 1e-9);
            assert!(apart(&a.loadings, &b.loadings) < 1e-5);
        }
        let (a, b) = (cross_product(&runs, &session).unwrap(), cross_product(&x, &session).unwrap());
        assert!(apart(&a, &b) < 1e-13);
        let (a, b) = (mean_var(&runs, Axis::Obs, 1, &session).unwrap(), mean_var(&x, Axis::Obs, 1, &session).unwrap());
        assert!(apart(&a.mean, &b.mean) < 1e-13 && apart(&a.var, &b.var) < 1e-12);
        assert!(x.is_sparse() || a.var[7] == 0.0);
    }
}

#[test]
fn a_matrix_without_rows_has_the_state_of_no_rows() {
    let x = in_memory(&uneven(3)).select(Some(&[]), None).unwrap();
    let r = Added::<7> { shape: x.shape(), factor: 0.1 };
    let session = Session::with_threads(2);
    assert_eq!(reduce(&x, &r, &session).unwrap(), (vec![0.0; GENES], Vec::new()));
    let none = reduce_runs(&x, &r, 0..0, &session).unwrap();
    assert_eq!(finish(&r, vec![none]).unwrap(), (vec![0.0; GENES], Vec::new()));
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let x = in_blocks(&in_memory(&uneven(3)), SMALL);
    let session = Session::with_threads(2);
    let r = Added::<7> { shape: x.shape(), factor: 0.1 };
    let n = Schedule::for_reducer(&x, &r, &session).unwrap().n_runs();
    let of = |x: &LazyMatrix, runs: Range<usize>| reduce_runs(x, &r, runs, &session).unwrap();
    let told = |e: Result<Partial<Added<7>>>| e.unwrap_err().to_string();
    let bytes = of(&x, 0..2).to_bytes().unwrap();

    let text = "a partial result of sums of the test was cut short, was changed, or was made by another version of \
                anndataoom: make it again";
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for some in [&bytes[..bytes.len() - 1], &bytes[..7], &[], &changed] {
        assert_eq!(told(Partial::from_bytes(&r, some)), text);
    }
    let e = told(Partial::from_bytes(&Added::<7> { shape: x.shape(), factor: 0.2 }, &bytes));
    assert_eq!(
        e,
        "a partial result of sums of the test over matrix is one with other parameters: it cannot be put together with \
         the others"
    );
    #[derive(Serialize)]
    struct Other;
    impl Reducer for Other {
        const NAME: &'static str = "something else";
        const NEEDS: Needs = Needs::FILE;
        no_state!();
        no_rows!();
        type Output = ();

        fn map(&self, _: Block) -> Result<((), ())> {
            Ok(((), ()))
        }

        fn finish(&self, (): (), (): ()) -> Result<()> {
            Ok(())
        }
    }
    let e = Partial::from_bytes(&Other, &bytes).unwrap_err().to_string();
    assert!(e.starts_with("a partial result of sums of the test over matrix is not one of something else"), "{e}");

    let told = |partials: Vec<_>| finish(&r, partials).unwrap_err().to_string();
    assert_eq!(told(vec![]), "no partial result of sums of the test was given");
    let runs = |from: usize, to: usize, what: &str| {
        format!(
            "partial results of sums of the test over matrix: runs {from} to {to} (zero-based, the last not included) are \
             {what}"
        )
    };
    assert_eq!(told(vec![of(&x, 0..2), of(&x, 3..n)]), runs(2, 3, "missing"));
    assert_eq!(told(vec![of(&x, 1..n)]), runs(0, 1, "missing"));
    assert_eq!(told(vec![of(&x, 0..2)]), runs(2, n, "missing"));
    assert_eq!(told(vec![of(&x, 0..4), of(&x, 3..n)]), runs(3, 4, "there more than once"));
    let other = in_blocks(&in_memory(&uneven(3)), SMALL).select(Some(&(0..8000).collect::<Vec<u32>>()), None).unwrap();
    let e = told(vec![of(&other, 0..2), of(&x, 2..n)]);
    assert!(e.contains("of another matrix than that over matrix"), "{e}");
    let e = reduce_runs(&x, &r, 3..n + 1, &session).unwrap_err();
    assert!(matches!(e, Error::Index { axis: "runs", .. }), "{e}");
}

/// One of three processes, which exchange partial results through files in a folder.
#[derive(Debug)]
struct Three {
    folder: PathBuf,
    rank: usize,
    round: AtomicUsize,
}

impl Team for Three {
    /// Gives a fifth of the runs to the first process, three fifths to the second, the rest to the
    /// third.
    fn share(&self, n_runs: usize) -> Range<usize> {
        let ends = [0, n_runs.div_ceil(5), n_runs.div_ceil(5) + n_runs * 3 / 5, n_runs];
        ends[self.rank].min(n_runs)..ends[self.rank + 1].min(n_runs)
    }

    fn exchange(&self, partial: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        let name = |rank: usize| self.folder.join(format!("{round}.{rank}"));
        let fresh = self.folder.join(format!("{round}.{}.fresh", self.rank));
        std::fs::write(&fresh, partial).unwrap();
        std::fs::rename(&fresh, name(self.rank)).unwrap();
        let start = Instant::now();
        (0..3)
            .map(|rank| loop {
                if let Ok(bytes) = std::fs::read(name(rank)) {
                    return Ok(bytes);
                }
                assert!(start.elapsed() < Duration::from_secs(120), "process {rank} does not answer");
                std::thread::sleep(Duration::from_millis(2));
            })
            .collect()
    }
}

/// Returns the matrices of a file: permuted cells of selected genes in every layout, in small
/// blocks and in the file's own, and the whole CSR matrix in small blocks.
fn matrices(path: &Path) -> Vec<(String, LazyMatrix)> {
    let mut random = Random(11);
    let cells: Vec<u32> = (0..CELLS as u32 * 2 / 3).map(|_| random.below(CELLS) as u32).collect();
    let genes: Vec<u32> = (0..GENES as u32).rev().step_by(2).collect();
    let mut all = Vec::new();
    for layout in ["csr", "csc", "dense"] {
        let x = LazyMatrix::new(open(path, layout).unwrap());
        let blocks = in_blocks(&x, MEMBER);
        all.push((format!("{layout} permuted"), blocks.select(Some(&cells), Some(&genes)).unwrap()));
        all.push((format!("{layout} file, permuted"), x.select(Some(&cells), Some(&genes)).unwrap()));
        if layout == "csr" {
            all.push(("csr in blocks".to_owned(), blocks));
        }
    }
    all
}

/// Returns the results of all verbs, each as a name and a hash of all bits.
fn results(path: &Path, session: &Session) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |name: String, found: &dyn Debug| {
        let text = format!("{found:?}");
        assert!(!text.contains("Err("), "{name}: {text}");
        // A hash (FNV-1a) keeps a line short.
        let hash =
            text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        out.push(format!("{name}: {hash:016x}"));
    };
    for (name, x) in matrices(path) {
        let (n, m) = x.shape();
        let mut of = |what: &str, found: &dyn Debug| add(format!("{name}, {what}"), found);
        // A fresh chain, because a verb would otherwise find values that another has kept.
        let fresh = || LazyMatrix::from_bytes(x.source().clone(), &x.to_bytes().unwrap()).unwrap();
        let mask: Vec<bool> = (0..m).map(|j| j % 3 == 0).collect();
        let qc = QcOptions {
            qc_vars: vec![QcSubset { name: "third".into(), mask }],
            percent_top: vec![2, 5],
            ..QcOptions::default()
        };
        of("qc", &calculate_qc_metrics(&fresh(), &qc, session));
        of("moments of genes", &mean_var(&x, Axis::Obs, 1, session));
        of("moments of cells", &mean_var(&x, Axis::Var, 1, session));
        of("sums of genes", &sums(&x, Some(Axis::Obs), session));
        of("sums of cells", &sums(&x, Some(Axis::Var), session));
        for axis in [Axis::Obs, Axis::Var] {
            let extent = if axis == Axis::Obs { n } else { m };
            let codes = (0..extent as i32).map(|i| i * i % 5 - 1).collect();
            let functions = Functions { median: axis == Axis::Var, ..Functions::named(&Functions::NAMES).unwrap() };
            let asked = Aggregation { axis, codes, n_groups: 4, functions, dof: 1 };
            of(&format!("groups along {axis:?}"), &aggregate(&x, &asked, session));
        }
        of("recovery of genes", &score_aucell(&x, &[vec![1, 4, 7], vec![m as u32 - 1]], 0.2, session));
        of("ranges", &gene_ranges(&x, 1.0, session));
        of("totals", &totals(&x, session));
        of("cross product", &cross_product(&x, session));
        let y: Vec<f64> = (0..n.max(m) * 3).map(|i| 1.0 / (1.0 + i as f64)).collect();
        of("product", &times(&x, &y[..m * 3], 3, session));
        of("transposed product", &transposed_times(&x, &y[..n * 3], 3, session));
        of("cells", &filter_cells(&x, CellCriterion::MinCounts(3.0), session));
        of("genes", &filter_genes(&x, GeneCriterion::MinCells(3.0), session));
        let exclude =
            NormalizeOptions { exclude_highly_expressed: true, max_fraction: 0.4, ..NormalizeOptions::default() };
        of("highly expressed", &normalize_total(&fresh(), &exclude, session).map(|r| r.1));
        let (normal, found) = normalize_total(&x, &NormalizeOptions::default(), session).unwrap();
        of("normalize", &found);
        let log = ops::log1p(&normal, None).unwrap().0;
        let batch: Vec<i32> = (0..n as i32).map(|i| i * 7 % 3).collect();
        for flavor in
            [Flavor::Seurat, Flavor::CellRanger, Flavor::SeuratV3, Flavor::SeuratV3Paper, Flavor::PearsonResiduals]
        {
            let counts = !matches!(flavor, Flavor::Seurat | Flavor::CellRanger);
            for batch in [None, Some(batch.clone())] {
                let options = HvgOptions { flavor, n_top_genes: Some(8), batch, ..HvgOptions::default() };
                let x = if counts { fresh() } else { log.clone() };
                let label = format!("hvg {} {}", flavor.name(), options.batch.is_some());
                of(&label, &highly_variable_genes(&x, &options, session));
            }
        }
        let (scaled, found) =
            scale(&log, &ScaleOptions { max_value: Some(3.0), ..ScaleOptions::default() }, session).unwrap();
        of("scale", &found);
        for (x, zero_center) in [(&scaled, true), (&log, true), (&log, false)] {
            of(&format!("pca {zero_center}"), &pca(x, &PcaOptions { n_comps: Some(5), zero_center }, session));
        }
        let depth: Vec<f64> = (0..n).map(|i| (i % 17) as f64).collect();
        let groups = (0..n as u32).map(|i| i * 5 % 3).collect();
        for by in [
            Regressors::Numbers(vec![("depth".into(), depth)]),
            Regressors::Groups { name: "group".into(), codes: groups, n_groups: 3 },
        ] {
            of("regress_out", &regress_out(&log, &by, session).map(|x| x.to_bytes()));
        }
    }
    // Sums over long runs.
    let mut add = |name: String, found: &dyn Debug| add(name, found);
    for layout in ["csr", "dense"] {
        let x = in_blocks(&LazyMatrix::new(open(path, layout).unwrap()), SMALL);
        let log = ops::log1p(&x, None).unwrap().0;
        let scaled = scale(&log, &ScaleOptions::default(), session).unwrap().0;
        for (x, zero_center) in [(&scaled, true), (&log, false)] {
            let options = PcaOptions { n_comps: Some(5), zero_center };
            add(format!("{layout}, long runs, pca {zero_center}"), &pca(x, &options, session));
        }
        add(format!("{layout}, long runs, cross product"), &cross_product(&x, session));
        let y: Vec<f64> = (0..CELLS * 2).map(|i| 1.0 / (1.0 + i as f64)).collect();
        add(format!("{layout}, long runs, transposed product"), &transposed_times(&x, &y, 2, session));
    }
    let wide = in_blocks(&in_memory(&random_csr::<f32>(1100, MAX_EXACT + 100, 60, 5)), 1);
    add("wide pca".to_owned(), &pca(&wide, &PcaOptions { n_comps: Some(2), zero_center: true }, session));
    out
}

const ENV: &str = "ANNDATAOOM_REDUCE_RANK";

/// Runs as one of the three processes; does nothing when started as a test.
#[test]
fn worker() {
    let Ok(rank) = std::env::var(ENV) else { return };
    let folder = PathBuf::from(std::env::var("ANNDATAOOM_REDUCE_FOLDER").unwrap());
    let rank = rank.parse().unwrap();
    let team = Three { folder: folder.clone(), rank, round: AtomicUsize::new(0) };
    let team: Option<Arc<dyn Team>> = Some(Arc::new(team));
    let session = Session { team, ..Session::with_threads(1 + rank) };
    std::fs::write(folder.join(format!("result.{rank}")), results(&folder.join("x.h5ad"), &session).join("\n"))
        .unwrap();
}

#[test]
fn three_processes_give_the_bits_of_one() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let m = random_csr::<f32>(CELLS, GENES, 9, 7);
    write_sparse::<i32>(&path, "csr", &m, &Stored::Chunked { chunk: 10_000, filter: "gzip" });
    write_sparse::<i32>(&path, "csc", &to_csc(&m), &Stored::Contiguous);
    let dense = Array { shape: vec![CELLS, GENES], data: Data::F32(dense_of(&m)) };
    write_dense(&path, "dense", &dense, None, "none");
    let start = |rank: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture"])
            .env(ENV, rank.to_string())
            .env("ANNDATAOOM_REDUCE_FOLDER", path.parent().unwrap())
            .spawn()
            .unwrap()
    };
    let started: Vec<_> = (0..3).map(start).collect();
    let alone = results(&path, &Session::with_threads(2));
    for mut process in started {
        assert!(process.wait().unwrap().success());
    }
    for rank in 0..3 {
        let found = std::fs::read_to_string(dir.file(&format!("result.{rank}"))).unwrap();
        let found: Vec<&str> = found.lines().collect();
        let other: Vec<_> = found.iter().zip(&alone).filter(|(f, a)| *f != a).collect();
        assert!(other.is_empty() && found.len() == alone.len(), "process {rank}: {other:?}");
    }
}

fn dense_of(m: &anndataoom_core::element::Sparse) -> Vec<f32> {
    let (mut out, values) = (vec![0f32; CELLS * GENES], m.data.to_f64().unwrap());
    for i in 0..CELLS {
        for k in m.indptr[i] as usize..m.indptr[i + 1] as usize {
            out[i * GENES + m.indices[k] as usize] = values[k] as f32;
        }
    }
    out
}
