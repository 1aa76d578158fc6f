//! Checks the promises of the simulator: the requested density, the same counts however they are
//! read, distributions like those of real data.

use anndataoom_core::element::{Data, Value};
use anndataoom_core::sim::{SimulatedSource, Simulation};
use anndataoom_core::stream::collect;
use anndataoom_core::{LazyMatrix, Session};
use std::sync::Arc;

fn make(simulation: &Simulation) -> (SimulatedSource, LazyMatrix) {
    let again = SimulatedSource::new(simulation.clone()).unwrap();
    (SimulatedSource::new(simulation.clone()).unwrap(), LazyMatrix::new(Arc::new(again)))
}

fn counts(x: &LazyMatrix, threads: usize) -> (Vec<u64>, Vec<u32>, Vec<f32>) {
    match collect(x, &Session::with_threads(threads), u64::MAX).unwrap() {
        Value::Sparse(s) => match s.data {
            Data::F32(v) => (s.indptr, s.indices, v),
            other => panic!("{}", other.dtype()),
        },
        other => panic!("{}", other.encoding()),
    }
}

#[test]
fn density_is_what_was_asked_for() {
    for (n_vars, density, n_types) in [(2000, 0.25, 6), (20_000, 0.07, 10), (500, 0.5, 3), (5000, 0.02, 1)] {
        let s = Simulation { n_obs: 2000, n_vars, n_types, density, seed: 11, ..Simulation::default() };
        let (indptr, ..) = counts(&make(&s).1, 2);
        let found = indptr[2000] as f64 / (2000 * n_vars) as f64;
        assert!((found / density - 1.0).abs() < 0.08, "{found} instead of {density}");
    }
}

#[test]
fn rows_are_the_same_in_any_order_and_on_any_thread() {
    let s = Simulation { n_obs: 4000, n_vars: 3000, density: 0.1, seed: 3, ..Simulation::default() };
    let (_, x) = make(&s);
    let all = counts(&x, 1);
    assert_eq!(all, counts(&x, 3));
    let rows: Vec<u32> = vec![3999, 0, 17, 17, 2500];
    let columns: Vec<u32> = vec![2999, 5, 5, 100];
    let some = counts(&x.select(Some(&rows), None).unwrap(), 2);
    for (i, &r) in rows.iter().enumerate() {
        let (a, b) =
            (some.0[i] as usize..some.0[i + 1] as usize, all.0[r as usize] as usize..all.0[r as usize + 1] as usize);
        assert_eq!((&some.1[a.clone()], &some.2[a]), (&all.1[b.clone()], &all.2[b]));
    }
    let narrow = counts(&x.select(Some(&rows), Some(&columns)).unwrap(), 1);
    for (i, &r) in rows.iter().enumerate() {
        let row = all.0[r as usize] as usize..all.0[r as usize + 1] as usize;
        let value = |c: u32| row.clone().find(|&k| all.1[k] == c).map_or(0.0, |k| all.2[k]);
        for (j, &c) in columns.iter().enumerate() {
            let found = (narrow.0[i] as usize..narrow.0[i + 1] as usize).find(|&k| narrow.1[k] == j as u32);
            assert_eq!(found.map_or(0.0, |k| narrow.2[k]), value(c));
        }
    }
    let other = make(&Simulation { seed: 4, ..s }).1;
    assert_ne!(all, counts(&other, 1));
}

#[test]
fn it_looks_like_cells() {
    let s = Simulation { n_obs: 3000, n_vars: 10_000, n_types: 6, density: 0.1, seed: 1, ..Simulation::default() };
    let (source, x) = make(&s);
    let (indptr, indices, values) = counts(&x, 2);
    let (obs, var) = (source.obs(), source.var());
    let Value::Strings { data: genes, .. } = &*var.index else { panic!("no names") };
    let markers = ["MS4A1", "CD3D"].map(|name| genes.iter().position(|g| g == name).unwrap() as u32);
    let mt: Vec<bool> = genes.iter().map(|g| g.starts_with("MT-")).collect();
    let Value::Categorical(types) = &obs.columns[0].1 else { panic!("no types") };
    let Value::Strings { data: type_names, .. } = &*types.categories else { panic!("no names") };
    assert_eq!((genes.len(), type_names.len(), types.codes.len()), (10_000, 6, 3000));
    assert_eq!(mt.iter().filter(|&&m| m).count(), 13);

    let (mut share, mut gene_sums) = (Vec::new(), vec![0.0f64; 10_000]);
    let mut marker = [[0.0f64; 2]; 6];
    let mut cells = [0.0f64; 6];
    for i in 0..3000 {
        let row = indptr[i] as usize..indptr[i + 1] as usize;
        assert!(indices[row.clone()].windows(2).all(|w| w[0] < w[1]));
        let total: f64 = row.clone().map(|k| f64::from(values[k])).sum();
        let in_mt: f64 = row.clone().filter(|&k| mt[indices[k] as usize]).map(|k| f64::from(values[k])).sum();
        share.push(in_mt / total);
        let t = types.codes[i] as usize;
        cells[t] += 1.0;
        for k in row {
            assert!(values[k] >= 1.0 && values[k].fract() == 0.0);
            gene_sums[indices[k] as usize] += f64::from(values[k]);
            for (m, &gene) in markers.iter().enumerate() {
                if indices[k] == gene {
                    marker[t][m] += f64::from(values[k]) / total;
                }
            }
        }
    }
    // Mitochondrial shares are around 5 %, with a tail of poor cells.
    share.sort_by(f64::total_cmp);
    assert!((share[1500] - 0.05).abs() < 0.01, "{}", share[1500]);
    let poor = share.iter().filter(|&&s| s > 0.18).count();
    assert!((40..200).contains(&poor), "{poor} poor cells");
    // Gene means span about four decades.
    gene_sums.sort_by(f64::total_cmp);
    let decades = (gene_sums[9990] / gene_sums[500].max(1.0)).log10();
    assert!((3.0..5.5).contains(&decades), "{decades}");
    // Marker genes have higher counts in their type.
    let of = |t: &str, m: usize| {
        let t = type_names.iter().position(|n| n == t).unwrap();
        marker[t][m] / cells[t]
    };
    assert!(of("B", 0) > 5.0 * of("CD4 T", 0) && of("CD4 T", 1) > 5.0 * of("B", 1));
}

#[test]
fn parameters_are_checked() {
    let bad = |s: Simulation, name: &str| {
        let e = SimulatedSource::new(s).unwrap_err();
        assert!(e.to_string().starts_with(name), "{e}");
    };
    bad(Simulation { n_vars: 3, ..Simulation::default() }, "n_vars");
    bad(Simulation { n_types: 0, ..Simulation::default() }, "n_types");
    bad(Simulation { n_batches: 0, ..Simulation::default() }, "n_batches");
    bad(Simulation { density: f64::NAN, ..Simulation::default() }, "density");
    bad(Simulation { density: 1.0, ..Simulation::default() }, "density");
    assert_eq!(make(&Simulation { n_obs: 0, ..Simulation::default() }).1.shape().0, 0);
}
