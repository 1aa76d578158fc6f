//! Compares marker genes of groups with a twin written for clarity: in every layout, with any
//! memory, on any number of threads.

mod matrix_common;

use anndataoom_core::element::{Array, Data};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::ops::{
    index_columns, log1p, rank_genes_groups, Correction, MarkerOptions, NormalizeOptions, Ranked, Test,
};
use anndataoom_core::{Error, LazyMatrix, Session};
use matrix_common::*;
use std::sync::Arc;

const CELLS: usize = 900;
const GENES: usize = 70;
const TESTS: [Test; 4] =
    [Test::T, Test::TOverestimated, Test::Wilcoxon { tie_correct: false }, Test::Wilcoxon { tie_correct: true }];

fn codes() -> Vec<u32> {
    (0..CELLS as u32).map(|i| (i * i / 7 + i) % 4).collect()
}

fn options(test: Test, reference: &str) -> MarkerOptions {
    MarkerOptions {
        codes: codes(),
        names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        reference: reference.to_owned(),
        pts: true,
        ..MarkerOptions::new("type", test)
    }
}

/// Writes a file with the same matrix in CSR, CSC and dense form. Returns its path and the values,
/// row by row.
fn file(dir: &Dir) -> (std::path::PathBuf, Vec<f64>) {
    let m = random_csr::<f32>(CELLS, GENES, 22, 11);
    let path = dir.file("x.h5ad");
    let stored = Stored::Chunked { chunk: 3001, filter: "lzf" };
    write_sparse::<i32>(&path, "csr", &m, &stored);
    write_sparse::<i32>(&path, "csc", &to_csc(&m), &stored);
    let (mut dense, values) = (vec![0f32; CELLS * GENES], m.data.to_f64().unwrap());
    for i in 0..CELLS {
        for k in m.indptr[i] as usize..m.indptr[i + 1] as usize {
            dense[i * GENES + m.indices[k] as usize] = values[k] as f32;
        }
    }
    let all = dense.iter().map(|&x| f64::from(x)).collect();
    write_dense(&path, "dense", &Array { shape: vec![CELLS, GENES], data: Data::F32(dense) }, Some((100, 30)), "lzf");
    (path, all)
}

/// Computes the score of one gene by the definition: the values in a group, `own`, against
/// `others`.
fn score(test: Test, own: &[f64], others: &[f64]) -> f64 {
    let (n, m) = (own.len() as f64, others.len() as f64);
    let moments = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        (mean, v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0))
    };
    match test {
        Test::T | Test::TOverestimated => {
            let ((a, va), (b, vb)) = (moments(own), moments(others));
            (a - b) / (va / n + vb / if test == Test::T { m } else { n }).sqrt()
        }
        Test::Wilcoxon { tie_correct } => {
            let all: Vec<f64> = own.iter().chain(others).copied().collect();
            let count = |f: &dyn Fn(f64) -> bool| all.iter().filter(|&&y| f(y)).count() as f64;
            let sum: f64 = own.iter().map(|&x| count(&|y| y < x) + (count(&|y| y == x) + 1.0) / 2.0).sum();
            let ties: f64 = all.iter().map(|&x| count(&|y| y == x).powi(2) - 1.0).sum();
            let kept = if tie_correct { 1.0 - ties / ((n + m).powi(3) - (n + m)) } else { 1.0 };
            (sum - n * (n + m + 1.0) / 2.0) / (kept * n * m * (n + m + 1.0) / 12.0).sqrt()
        }
        Test::Logistic => panic!("a regression is of all genes together"),
    }
}

fn near(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * a.abs().max(b.abs()) + 1e-12
}

#[test]
fn scores_are_those_of_the_twin() {
    let dir = Dir::new();
    let (path, dense) = file(&dir);
    let x = log1p(&LazyMatrix::new(open(&path, "csr").unwrap()), None).unwrap().0;
    let value = |i: usize, j: usize| f64::from(dense[i * GENES + j].ln_1p() as f32);
    let codes = codes();
    for test in TESTS {
        for reference in ["rest", "c"] {
            let found = rank_genes_groups(&x, &options(test, reference), &Session::with_threads(2)).unwrap();
            assert_eq!(found.groups.len(), if reference == "rest" { 4 } else { 3 });
            for group in &found.groups {
                let g = ["a", "b", "c", "d"].iter().position(|n| *n == group.name).unwrap() as u32;
                assert!(group.scores.windows(2).all(|w| w[0] >= w[1]));
                for (k, &j) in group.genes.iter().enumerate() {
                    let of = |keep: &dyn Fn(u32) -> bool| -> Vec<f64> {
                        (0..CELLS).filter(|&i| keep(codes[i])).map(|i| value(i, j as usize)).collect()
                    };
                    let (own, others) = (of(&|c| c == g), of(&|c| if reference == "rest" { c != g } else { c == 2 }));
                    let expected = score(test, &own, &others);
                    assert!(near(group.scores[k].into(), expected, 1e-6), "{test:?} {} {expected}", group.scores[k]);
                    let level = |v: &[f64]| (v.iter().sum::<f64>() / v.len() as f64).exp_m1() + 1e-9;
                    assert!(near(group.logfoldchanges[k].into(), (level(&own) / level(&others)).log2(), 1e-5));
                    let share = |v: &[f64]| v.iter().filter(|&&x| x != 0.0).count() as f64 / v.len() as f64;
                    assert_eq!(found.pts.as_ref().unwrap()[g as usize][j as usize], share(&own));
                    if reference == "rest" {
                        assert_eq!(found.pts_rest.as_ref().unwrap()[g as usize][j as usize], share(&others));
                    }
                }
            }
            assert_eq!(found.pts_rest.is_some(), reference == "rest");
        }
    }
}

#[test]
fn every_layout_memory_and_number_of_threads_gives_the_same_bits() {
    let dir = Dir::new();
    let (path, _) = file(&dir);
    let rows: Vec<u32> = (0..CELLS as u32).rev().filter(|i| i % 5 != 2).collect();
    for test in TESTS {
        for reference in ["rest", "b"] {
            let mut expected: Option<Ranked> = None;
            let mut options = options(test, reference);
            options.codes = rows.iter().map(|&i| options.codes[i as usize]).collect();
            for element in ["csr", "csc", "dense", "indexed"] {
                let x = LazyMatrix::new(open(&path, if element == "indexed" { "csr" } else { element }).unwrap());
                if element == "indexed" {
                    index_columns(&x, &dir.file(""), &call(1)).unwrap();
                }
                let x = log1p(&x, None).unwrap().0.select(Some(&rows), None).unwrap();
                for (threads, memory) in [(1, 256 << 20), (2, 1 << 20), (5, 64 << 10), (2, 4 << 10)] {
                    let session = Session { memory, ..call(threads) };
                    let found = rank_genes_groups(&x, &options, &session).unwrap();
                    let expected = expected.get_or_insert_with(|| found.clone());
                    assert_eq!(found, *expected, "{element}, {threads} threads, {memory} bytes");
                }
            }
        }
    }
}

fn matrix(n: usize, m: usize, values: Vec<f64>) -> LazyMatrix {
    let array = Array { shape: vec![n, m], data: values.into() };
    LazyMatrix::new(Arc::new(MemorySource::from_array(array).unwrap()))
}

#[test]
fn constants_and_values_far_from_0_keep_their_digits() {
    // The groups have four cells. One gene is constant, one has deviations far below its mean, one
    // has a single value.
    let n = 8;
    let small = [3.0, -1.0, 2.0, 0.0, 5.0, 7.0, 4.0, 8.0];
    let values: Vec<f64> = (0..n).flat_map(|i| [0.1, 1e9 + small[i], if i == 0 { 2.0 } else { 0.0 }]).collect();
    for test in TESTS {
        let mut options = options(test, "rest");
        (options.codes, options.names) = ((0..8).map(|i| i / 4).collect(), vec!["a".into(), "b".into()]);
        let found = rank_genes_groups(&matrix(n, 3, values.clone()), &options, &Session::with_threads(1)).unwrap();
        let place = |j: i32| found.groups[0].genes.iter().position(|&g| g == j).unwrap();
        let (constant, far) = (place(0), place(1));
        assert_eq!((found.groups[0].scores[constant], found.groups[0].pvals[constant]), (0.0, 1.0));
        let expected = score(test, &small[..4], &small[4..]);
        assert!(near(found.groups[0].scores[far].into(), expected, 1e-6), "{test:?}");
        assert_eq!(found.note, None);
    }
}

#[test]
fn orders_corrections_and_chosen_groups() {
    let dir = Dir::new();
    let (path, _) = file(&dir);
    let x = log1p(&LazyMatrix::new(open(&path, "csr").unwrap()), None).unwrap().0;
    let session = Session::with_threads(2);
    let run = |options: &MarkerOptions| rank_genes_groups(&x, options, &session).unwrap();
    let all = options(Test::T, "rest");
    let full = run(&all);
    let few = run(&MarkerOptions { n_genes: Some(7), ..all.clone() });
    assert_eq!(few.groups[2].genes, full.groups[2].genes[..7]);
    assert_eq!(few.groups[2].pvals_adj, full.groups[2].pvals_adj[..7]);
    let by_size = run(&MarkerOptions { rankby_abs: true, ..all.clone() });
    assert!(by_size.groups[0].scores.windows(2).all(|w| w[0].abs() >= w[1].abs()));
    let bonferroni = run(&MarkerOptions { correction: Correction::Bonferroni, ..all.clone() });
    for group in &bonferroni.groups {
        let expected = group.pvals.iter().map(|p| (p * GENES as f64).min(1.0));
        assert_eq!(group.pvals_adj, expected.collect::<Vec<_>>());
    }
    let mut by_p: Vec<(f64, f64)> =
        full.groups[1].pvals.iter().copied().zip(full.groups[1].pvals_adj.iter().copied()).collect();
    by_p.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (k, &(_, adjusted)) in by_p.iter().enumerate() {
        let of = |(i, p): (usize, &(f64, f64))| p.0 * GENES as f64 / (i + 1) as f64;
        let least = by_p.iter().enumerate().skip(k).map(of).fold(1.0, f64::min);
        assert!(near(adjusted, least, 1e-12));
    }
    // The cells of other groups still belong to the rest.
    let chosen = run(&MarkerOptions { groups: Some(vec!["d".into(), "b".into()]), ..all.clone() });
    assert_eq!([&chosen.groups[0].name, &chosen.groups[1].name], ["d", "b"]);
    assert_eq!((&chosen.groups[0].genes, &chosen.groups[1].genes), (&full.groups[3].genes, &full.groups[1].genes));
    assert!(near(chosen.groups[0].pvals[3], full.groups[3].pvals[3], 1e-10));
    // A reference that is not among the groups is added to them.
    let one = run(&MarkerOptions { groups: Some(vec!["a".into()]), ..options(Test::T, "d") });
    assert_eq!((one.groups.len(), one.names.as_slice()), (1, ["a".to_owned(), "d".to_owned()].as_slice()));
}

#[test]
fn what_cannot_be_compared_is_an_error_that_names_it() {
    let session = Session::with_threads(2);
    let x = matrix(6, 2, (0..12).map(f64::from).collect());
    let of = |codes: [u32; 6], reference: &str, groups: Option<&str>| MarkerOptions {
        codes: codes.to_vec(),
        groups: groups.map(|g| vec![g.to_owned()]),
        ..options(Test::T, reference)
    };
    let told = |options: &MarkerOptions| rank_genes_groups(&x, options, &session).unwrap_err().to_string();
    let cases = [
        (of([0, 0, 1, 1, 2, 2], "rest", None), "no cell in 'd'"),
        (of([0, 0, 1, 2, 3, 3], "rest", None), "1 cell in 'b', the first of 'b', 'c'"),
        (of([0, 0, 1, 1, 2, 2], "e", Some("a")), "reference"),
        (of([0, 0, 1, 1, 2, 2], "rest", Some("e")), "a group of 'type' ('a', 'b', 'c', 'd'), found 'e'"),
        (of([0, 0, 0, 0, 0, 0], "rest", Some("a")), "at least two groups in 'type', found all cells in 'a'"),
        (of([0, 0, 1, 1, 2, 2], "a", Some("a")), "at least one group beside the reference"),
    ];
    for (options, expected) in cases {
        let error = told(&options);
        assert!(error.contains(expected), "{error}");
    }
    for (test, bad) in TESTS.into_iter().zip([f64::NAN, f64::INFINITY, f64::NAN, f64::NEG_INFINITY]) {
        let mut values: Vec<f64> = (0..12).map(f64::from).collect();
        values[7] = bad;
        let options = MarkerOptions { test, ..of([0, 0, 0, 1, 1, 1], "rest", Some("a")) };
        let error = rank_genes_groups(&matrix(6, 2, values), &options, &session).unwrap_err();
        assert!(matches!(error, Error::Values { row: 3, column: 1, .. }), "{error}");
    }
    // There is a note for counts, and none for their logarithms.
    let two = of([0, 0, 0, 1, 1, 1], "rest", Some("a"));
    let note = |x: &LazyMatrix| rank_genes_groups(x, &two, &session).unwrap().note.is_some();
    assert!(note(&x) && !note(&log1p(&x, None).unwrap().0));
    let normal = anndataoom_core::ops::normalize_total(&x, &NormalizeOptions::default(), &session).unwrap().0;
    assert!(!note(&normal));
}

/// Returns the coefficients by gene, for each ranked group.
fn coefficients(found: &Ranked) -> Vec<Vec<f64>> {
    let by_gene = |group: &anndataoom_core::ops::RankedGroup| {
        let mut out = vec![0.0; GENES];
        group.genes.iter().zip(&group.scores).for_each(|(&j, &x)| out[j as usize] = f64::from(x));
        out
    };
    found.groups.iter().map(by_gene).collect()
}

#[test]
fn a_regression_is_at_its_minimum() {
    let dir = Dir::new();
    let (path, values) = file(&dir);
    let run = |element: &str, options: &MarkerOptions, threads| {
        let x = LazyMatrix::new(open(&path, element).unwrap());
        rank_genes_groups(&x, options, &call(threads)).unwrap()
    };
    // All groups: no group is left out, so the coefficients of a gene add up to 0. Layouts and
    // threads change no bit.
    let all = run("csr", &options(Test::Logistic, "rest"), 1);
    assert!(all.groups.len() == 4 && !all.tested && all.groups[0].pvals.is_empty() && all.pts.is_none());
    let of = coefficients(&all);
    assert!((0..GENES).all(|j| of.iter().map(|group| group[j]).sum::<f64>().abs() < 1e-6));
    assert_eq!(run("csc", &options(Test::Logistic, "rest"), 3).groups, all.groups);
    assert_eq!(run("dense", &options(Test::Logistic, "rest"), 2).groups, all.groups);
    // Two groups: the gradient of half the squared coefficients plus the loss is 0, at the
    // intercept where the derivative of the loss is 0.
    let two = MarkerOptions { groups: Some(vec!["c".into(), "a".into()]), ..options(Test::Logistic, "rest") };
    let found = run("csr", &two, 2);
    assert_eq!(found.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["c"]);
    let w = &coefficients(&found)[0];
    let cells: Vec<usize> = (0..CELLS).filter(|&i| [0, 2].contains(&codes()[i])).collect();
    let row = |i: usize| &values[i * GENES..(i + 1) * GENES];
    let excess = |intercept: f64, of: &dyn Fn(usize, f64)| {
        for &i in &cells {
            let z: f64 = intercept + row(i).iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            of(i, 1.0 / (1.0 + (-z).exp()) - f64::from(u8::from(codes()[i] == 2)));
        }
    };
    let total = |intercept: f64| {
        let sum = std::cell::Cell::new(0.0);
        excess(intercept, &|_, e| sum.set(sum.get() + e));
        sum.get()
    };
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        *if total(middle) > 0.0 { &mut high } else { &mut low } = middle;
    }
    let slope = std::cell::RefCell::new(w.clone());
    excess(low, &|i, e| slope.borrow_mut().iter_mut().zip(row(i)).for_each(|(s, x)| *s += e * x));
    // The coefficients are float32.
    assert!(slope.borrow().iter().all(|s| s.abs() < 2e-3), "{:?}", slope.borrow());
    let one = MarkerOptions { groups: Some(vec!["c".into()]), ..options(Test::Logistic, "rest") };
    let x = LazyMatrix::new(open(&path, "csr").unwrap());
    assert!(matches!(rank_genes_groups(&x, &one, &call(1)), Err(Error::Parameter { parameter: "groups", .. })));
    let small = Session { memory: 1 << 10, ..call(1) };
    let found = rank_genes_groups(&x, &two, &small).unwrap_err().to_string();
    assert!(found.contains("choose genes with mask_var"), "{found}");
}
