//! Compares the recovery of gene sets in a cell's ranking with random orders of ties and with the
//! sum of the definition.

mod matrix_common;

use anndataoom_core::ops::score_aucell;
use anndataoom_core::LazyMatrix;
use matrix_common::*;
use std::sync::Arc;

/// Computes the area under the recovery curve by its definition, for genes in one order.
fn area(order: &[usize], set: &[u32], last: usize) -> f64 {
    let mut steps: Vec<usize> = set.iter().map(|&g| order.iter().position(|&o| o == g as usize).unwrap() + 1).collect();
    steps.retain(|&r| r < last);
    steps.sort_unstable();
    steps.push(last);
    steps.windows(2).enumerate().map(|(k, w)| (k + 1) as f64 * (w[1] - w[0]) as f64).sum()
}

#[test]
fn scores_are_means_over_the_orders_of_ties() {
    let (cells, genes) = (40, 60);
    let mut m = random_csr::<f32>(cells, genes, 20, 3);
    // Few distinct values make ties; some are negative, some are stored zeros.
    let data: Vec<f32> = m.data.to_f64().unwrap().iter().map(|&x| ((x as i32 % 5) - 1) as f32).collect();
    m.data = anndataoom_core::element::Data::F32(data.clone());
    let source = |m: &_| LazyMatrix::new(Arc::new(anndataoom_core::matrix::MemorySource::from_sparse(m).unwrap()));
    let sets = vec![vec![0, 7, 13, 21], (10..35).collect(), vec![59]];
    let share = 0.4;
    let last = 24;
    let found = score_aucell(&source(&m), &sets, share, &call(2)).unwrap();
    assert_eq!(score_aucell(&source(&to_csc(&m)), &sets, share, &call(1)).unwrap(), found);
    let mut random = Random(4);
    for i in 0..cells {
        let own: Vec<f64> = found.iter().map(|set| set[i]).collect();
        let mut values = vec![0f32; genes];
        for k in m.indptr[i] as usize..m.indptr[i + 1] as usize {
            values[m.indices[k] as usize] = data[k];
        }
        const ORDERS: usize = 3000;
        let mut mean = vec![0.0; sets.len()];
        for _ in 0..ORDERS {
            let mut order: Vec<usize> = (0..genes).collect();
            (1..genes).rev().for_each(|k| order.swap(k, random.below(k + 1)));
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            for (to, set) in mean.iter_mut().zip(&sets) {
                let best: Vec<usize> = set.iter().map(|&g| g as usize).chain(0..genes).collect();
                let mut seen = std::collections::BTreeSet::new();
                let best: Vec<usize> = best.into_iter().filter(|&g| seen.insert(g)).collect();
                *to += area(&order, set, last) / area(&best, set, last) / ORDERS as f64;
            }
        }
        for (k, mean) in mean.iter().enumerate() {
            assert!((own[k] - mean).abs() < 0.05, "cell {i}, set {k}: {}, not {mean}", own[k]);
        }
    }
}

#[test]
fn without_ties_scores_are_those_of_the_definition() {
    let (cells, genes) = (30, 90);
    let a = random_dense::<f64>(cells, genes, 8);
    let mut values = a.data.to_f64().unwrap();
    values.iter_mut().enumerate().for_each(|(k, x)| *x += 1e-7 * (k % genes) as f64 - 20.0);
    let array = anndataoom_core::element::Array { shape: vec![cells, genes], data: values.clone().into() };
    let x = LazyMatrix::new(Arc::new(anndataoom_core::matrix::MemorySource::from_array(array).unwrap()));
    let sets = vec![(0..9).collect::<Vec<u32>>(), vec![30, 4, 77]];
    let found = score_aucell(&x, &sets, 0.25, &call(3)).unwrap();
    for i in 0..cells {
        let own: Vec<f64> = found.iter().map(|set| set[i]).collect();
        let row = &values[i * genes..(i + 1) * genes];
        let mut order: Vec<usize> = (0..genes).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        for (k, set) in sets.iter().enumerate() {
            let best: f64 = (1..=set.len()).map(|r| (23 - r) as f64).sum();
            let expected = area(&order, set, 23) / best;
            assert!((own[k] - expected).abs() < 1e-12, "{} {expected}", own[k]);
        }
    }
    // The bounds: 1 if all genes of a set come first, 0 if none of them is among the first ranks.
    assert!(found.iter().flatten().all(|x| (0.0..=1.0).contains(x)));
}
