//! Compares Harmony with harmonypy (values of tests/golden/make_harmony.py), and checks properties
//! that hold for any result.

mod graph_golden;

use anndataoom_core::graph::{harmony, Factor, HarmonyParams};
use anndataoom_core::{Result, Session};
use graph_golden::{numbers, splitmix64};
use ndarray::Array2;

const GOLDEN: &str = include_str!("../../../../../tests/golden/harmony.json");
const D: usize = 5;

fn points() -> Array2<f32> {
    let values: Vec<f32> = numbers(GOLDEN, "points").into_iter().map(|v| v as f32).collect();
    Array2::from_shape_vec((values.len() / D, D), values).unwrap()
}

fn factor(key: &str) -> Factor {
    let codes: Vec<u32> = numbers(GOLDEN, key).into_iter().map(|v| v as u32).collect();
    let n_levels = codes.iter().max().map_or(0, |&most| most as usize + 1);
    Factor { codes, n_levels }
}

fn run(keys: &[&str], params: &HarmonyParams, threads: usize) -> Vec<f32> {
    let factors: Vec<Factor> = keys.iter().map(|key| factor(key)).collect();
    let found = harmony(points().view(), &factors, params, &Session::with_threads(threads)).unwrap();
    assert!(found.converged && found.objective.last() < found.objective.first());
    found.coordinates.into_raw_vec_and_offset().0
}

/// Returns the largest and the mean absolute difference between `found` and the golden values under
/// `key`.
fn apart(found: &[f32], key: &str) -> (f64, f64) {
    let expected = numbers(GOLDEN, key);
    assert_eq!(found.len(), expected.len());
    let apart: Vec<f64> = found.iter().zip(&expected).map(|(&a, b)| (f64::from(a) - b).abs()).collect();
    (apart.iter().copied().fold(0.0, f64::max), apart.iter().sum::<f64>() / apart.len() as f64)
}

#[test]
fn coordinates_are_those_of_harmonypy() {
    for seed in 0..3 {
        let (most, _) = apart(&run(&["batch"], &HarmonyParams { seed, ..HarmonyParams::default() }, 2), "corrected");
        assert!(most < 1e-3, "seed {seed}: {most}");
        let params = HarmonyParams {
            theta: vec![1.0, 3.0],
            lamb: vec![1.0, 2.0],
            sigma: 0.15,
            nclust: Some(12),
            tau: 5.0,
            seed,
            ..HarmonyParams::default()
        };
        // With few wide clusters, two seeds of harmonypy differ by 0.18 themselves.
        let (most, mean) = apart(&run(&["batch", "lane"], &params, 2), "corrected_two");
        assert!(most < 0.4 && mean < 0.06, "seed {seed}: {most} {mean}");
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    for keys in [&["batch"][..], &["batch", "lane"]] {
        let one = run(keys, &HarmonyParams::default(), 1);
        for threads in [2, 5] {
            let other = run(keys, &HarmonyParams::default(), threads);
            assert!(one.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}

/// Returns the share of a cell's 15 nearest neighbours that have the cell's level, as the mean over
/// cells.
fn share_of_own(points: &Array2<f32>, levels: &[u32]) -> f64 {
    let n = points.nrows();
    let share = |i: usize| {
        let mut near: Vec<(f32, usize)> =
            (0..n).filter(|&j| j != i).map(|j| ((&points.row(i) - &points.row(j)).mapv(|x| x * x).sum(), j)).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near[..15].iter().filter(|(_, j)| levels[*j] == levels[i]).count() as f64 / 15.0
    };
    (0..n).map(share).sum::<f64>() / n as f64
}

#[test]
fn batches_mix_and_types_stay() {
    let (batch, kind) = (factor("batch").codes, factor("type").codes);
    let found = run(&["batch"], &HarmonyParams::default(), 2);
    let found = Array2::from_shape_vec((found.len() / D, D), found).unwrap();
    assert!(
        share_of_own(&points(), &batch) > 0.8 && share_of_own(&found, &batch) < 0.45,
        "{}",
        share_of_own(&found, &batch)
    );
    assert!(share_of_own(&found, &kind) > 0.99);
}

#[test]
fn odd_cells_and_batches() {
    let session = Session::with_threads(2);
    let call = |points: &Array2<f32>, factors: &[Factor], params: &HarmonyParams| -> Result<Array2<f32>> {
        harmony(points.view(), factors, params, &session).map(|found| found.coordinates)
    };
    let class = |found: Result<Array2<f32>>| found.unwrap_err().class();
    let (all, batch, params) = (points(), factor("batch"), HarmonyParams::default());
    let n = all.nrows();
    let single = Factor { codes: vec![1; n], n_levels: 2 };
    assert_eq!(class(call(&all, &[single], &params)), "parameter");
    let short = Factor { codes: batch.codes[1..].to_vec(), n_levels: 3 };
    assert_eq!(class(call(&all, &[short], &params)), "shape");
    let past = Factor { n_levels: 2, ..batch.clone() };
    assert_eq!(class(call(&all, &[past], &params)), "index");
    let many = HarmonyParams { nclust: Some(n + 1), ..params.clone() };
    assert_eq!(class(call(&all, std::slice::from_ref(&batch), &many)), "parameter");
    let weights = HarmonyParams { theta: vec![1.0; 3], ..params.clone() };
    assert_eq!(class(call(&all, std::slice::from_ref(&batch), &weights)), "parameter");
    let mut bad = all.clone();
    bad[[3, 2]] = f32::NAN;
    assert_eq!(class(call(&bad, std::slice::from_ref(&batch), &params)), "values");

    // A batch of one cell, a cell at the origin, more clusters than directions, as many batches as
    // cells.
    let finite = |found: Array2<f32>| assert!(found.iter().all(|x| x.is_finite()));
    let mut lonely = batch.clone();
    lonely.codes.iter_mut().for_each(|c| *c = (*c).min(1));
    lonely.codes[0] = 2;
    let mut origin = all.clone();
    origin.row_mut(0).fill(0.0);
    finite(call(&origin, &[lonely], &params).unwrap());
    let same = Array2::from_elem((n, D), 1.0f32);
    finite(call(&same, std::slice::from_ref(&batch), &HarmonyParams { nclust: Some(40), ..params.clone() }).unwrap());
    let each = Factor { codes: (0..n as u32).collect(), n_levels: n };
    finite(call(&all, std::slice::from_ref(&each), &params).unwrap());
    finite(call(&all, &[batch, each], &HarmonyParams { theta: vec![1e9], sigma: 1e-6, ..params.clone() }).unwrap());
    let two = Factor { codes: vec![0, 1], n_levels: 2 };
    finite(call(&all.slice(ndarray::s![..2, ..]).to_owned(), &[two], &params).unwrap());
}

#[test]
fn large_rows_need_more_than_one_task() {
    let n = 3000;
    let noise = |i: usize| (splitmix64(i as u64) >> 40) as f32 / (1u64 << 24) as f32;
    let points =
        Array2::from_shape_fn((n, 3), |(i, j)| noise(i * 3 + j) + if i % 2 == 0 { 1.0 } else { 3.0 * j as f32 });
    let batch = Factor { codes: (0..n as u32).map(|i| (i / 2) % 2).collect(), n_levels: 2 };
    let call = |threads| {
        harmony(points.view(), std::slice::from_ref(&batch), &HarmonyParams::default(), &Session::with_threads(threads))
    };
    assert_eq!(call(1).unwrap().coordinates, call(4).unwrap().coordinates);
}
