//! Compares UMAP and the spectral layout with umap-learn and numpy (values of
//! tests/golden/make_graph.py) and with brute force.

mod graph_golden;

use anndataoom_core::graph::spectral::spectral_layout;
use anndataoom_core::graph::umap::{find_ab_params, umap, umap_of};
use anndataoom_core::graph::{Init, Mode, Origin, UmapParams, UmapResult};
use anndataoom_core::Session;
use graph_golden::{
    assert_bad_graphs_are_refused, from_edges, kept, knn500, knn500_points, numbers, planted, random_graph,
    small_sessions, Graph, AB, KNN500,
};
use ndarray::{Array2, ArrayView2};

fn run(graph: &Graph, params: &UmapParams) -> UmapResult {
    umap(graph, params, &Session::with_threads(2)).expect("umap")
}

/// Computes `sklearn.manifold.trustworthiness` by its definition.
fn trustworthiness(points: ArrayView2<f32>, embedding: ArrayView2<f32>, k: usize) -> f64 {
    let n = points.nrows();
    let order = |x: &ArrayView2<f32>, i: usize| {
        let distance = |j: usize| -> f32 { x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b) * (a - b)).sum() };
        let mut others: Vec<(f32, usize)> = (0..n).filter(|&j| j != i).map(|j| (distance(j), j)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        others.into_iter().map(|(_, j)| j).collect::<Vec<_>>()
    };
    let mut penalty = 0.0;
    for i in 0..n {
        let mut rank = vec![0; n];
        order(&points, i).into_iter().enumerate().for_each(|(r, j)| rank[j] = r + 1);
        penalty += order(&embedding, i)[..k].iter().map(|&j| rank[j].saturating_sub(k) as f64).sum::<f64>();
    }
    1.0 - penalty * 2.0 / (n as f64 * k as f64 * (2 * n - 3 * k - 1) as f64)
}

fn points() -> Array2<f32> {
    let (points, columns) = knn500_points();
    Array2::from_shape_vec((points.len() / columns, columns), points).expect("points")
}

#[test]
fn curve_parameters_are_those_of_umap_learn() {
    let rows = AB.trim().trim_start_matches("[[").trim_end_matches("]]").split("],[");
    let mut compared = 0;
    for row in rows {
        let v: Vec<f64> = row.split(',').map(|x| x.parse().expect("number")).collect();
        let (a, b) = find_ab_params(v[1], v[0]).expect("fit");
        assert!((a - v[2]).abs() <= 1e-3 * v[2].max(1.0) && (b - v[3]).abs() <= 1e-3, "{v:?}: {a} {b}");
        compared += 1;
    }
    assert!(compared > 30);
    for (spread, min_dist) in [(1.0, 1.5), (1.0, -0.1), (0.0, 0.0), (f64::NAN, 0.1), (1.0, f64::NAN)] {
        assert_eq!(find_ab_params(spread, min_dist).err().map(|e| e.class()), Some("parameter"));
    }
}

#[test]
fn spectral_layout_solves_the_eigenproblem() {
    let graph = knn500();
    let found = spectral_layout(&graph, 3, 0, &Session::with_threads(2)).expect("layout");
    assert_eq!((found.n_connected, found.notes.len()), (1, 0));
    let n = graph.rows();
    let dense = graph.to_dense().mapv(f64::from);
    let root = dense.sum_axis(ndarray::Axis(1)).mapv(f64::sqrt);
    let m = Array2::from_shape_fn((n, n), |(i, j)| dense[[i, j]] / (root[i] * root[j]));
    let expected = numbers(KNN500, "eigenvalues");
    for c in 0..3 {
        let x = found.coordinates.column(c);
        let image = m.dot(&x);
        let value = x.dot(&image);
        assert!((x.dot(&x) - 1.0).abs() < 1e-9);
        assert!(x.dot(&root).abs() < 1e-8, "orthogonal to the trivial eigenvector");
        assert!((value - expected[c + 1]).abs() < 1e-6, "{value} {}", expected[c + 1]);
        assert!((&image - &(&x * value)).mapv(|v| v * v).sum().sqrt() < 2e-4);
    }
}

#[test]
fn spectral_layout_of_several_components() {
    // A ring of 100 vertices, a ring of 90, a triangle, and three isolated vertices.
    let ring = |from: usize, n: usize| (0..n).map(move |i| (from + i, from + (i + 1) % n, 1.0));
    let edges: Vec<_> = ring(0, 100).chain(ring(100, 90)).chain(ring(190, 3)).collect();
    let graph = from_edges(196, &edges);
    let session = Session::with_threads(2);
    let found = spectral_layout(&graph, 2, 0, &session).expect("layout");
    assert_eq!(found.n_connected, 6);
    assert!(found.notes[0].contains("6 connected components"), "{:?}", found.notes);
    assert!(found.coordinates.iter().all(|x| x.is_finite()));
    // The rings lie apart: every vertex is nearer to the centre of its own ring.
    let centre = |range: std::ops::Range<usize>| {
        let n = range.len() as f64;
        range.fold([0.0, 0.0], |c, i| [c[0] + found.coordinates[[i, 0]] / n, c[1] + found.coordinates[[i, 1]] / n])
    };
    let centres = [centre(0..100), centre(100..190)];
    for i in 0..190 {
        let d = centres.map(|c| (found.coordinates[[i, 0]] - c[0]).hypot(found.coordinates[[i, 1]] - c[1]));
        assert_eq!(d[0] < d[1], i < 100, "vertex {i}");
    }
    // Two components lie on the two sides of the first axis.
    let two = from_edges(190, &edges[..190]);
    let found = spectral_layout(&two, 2, 0, &session).expect("layout");
    assert!(
        (0..100).all(|i| found.coordinates[[i, 0]] > -1e-9) && (100..190).all(|i| found.coordinates[[i, 0]] < 1e-9)
    );
}

#[test]
fn embeds_as_well_as_the_sequential_mode() {
    let (graph, points) = (knn500(), points());
    for seed in 0..3 {
        let value = |mode, init| {
            let found = run(&graph, &UmapParams { mode, init, seed, ..UmapParams::default() });
            assert_eq!((found.n_epochs, found.embedding.dim()), (500, (500, 2)));
            trustworthiness(points.view(), found.embedding.view(), 15)
        };
        let sequential = value(Mode::Sequential, Init::Spectral);
        assert!(sequential > 0.9, "{sequential}");
        for init in [Init::Spectral, Init::Pca(points.clone()), Init::Random] {
            let batch = value(Mode::Batch, init.clone());
            assert!(batch >= sequential - 0.01, "{init:?} seed {seed}: {batch} {sequential}");
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let bits = |found: &UmapResult| found.embedding.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for graph in [planted(), random_graph(3000, 4000, 1)] {
        let params = UmapParams { n_epochs: Some(12), seed: 7, ..UmapParams::default() };
        let one = umap(&graph, &params, &Session::with_threads(1)).expect("umap");
        for threads in [1, 2, 3, 8] {
            let other = umap(&graph, &params, &Session::with_threads(threads)).expect("umap");
            assert!(bits(&one) == bits(&other), "{threads} threads");
        }
        let reseeded = umap(&graph, &UmapParams { seed: 8, ..params }, &Session::with_threads(2)).expect("umap");
        assert!(bits(&one) != bits(&reseeded));
    }
}

#[test]
fn same_bits_from_memory_and_from_scratch() {
    let params = UmapParams { n_epochs: Some(10), seed: 3, ..UmapParams::default() };
    for graph in [knn500(), planted(), random_graph(3000, 2500, 4)] {
        let first = run(&graph, &params);
        for session in small_sessions(&graph) {
            let found = umap_of(Origin::<&Graph>::Kept(kept(&graph, &session)), &params, &session).expect("umap");
            assert_eq!((found.embedding, found.notes), (first.embedding.clone(), first.notes.clone()));
            assert_eq!(session.scratch.used(), 0);
        }
    }
}

#[test]
fn any_number_of_components() {
    let graph = knn500();
    for n_components in [1, 2, 3, 5, 10, 20] {
        for mode in [Mode::Batch, Mode::Sequential] {
            let params = UmapParams { n_components, mode, n_epochs: Some(20), ..UmapParams::default() };
            assert_eq!(run(&graph, &params).embedding.dim(), (500, n_components));
        }
    }
    let params = UmapParams { n_components: 65, init: Init::Random, ..UmapParams::default() };
    assert_eq!(umap(&graph, &params, &Session::with_threads(1)).err().map(|e| e.class()), Some("parameter"));
}

#[test]
fn small_graphs() {
    let empty = run(&Graph::new((0, 0), vec![0], vec![], vec![]), &UmapParams::default());
    assert_eq!(empty.embedding.dim(), (0, 2));
    for n in 1..8 {
        let path: Vec<_> = (1..n).map(|i| (i - 1, i, 0.5)).collect();
        for edges in [&path[..], &[]] {
            let found = run(&from_edges(n, edges), &UmapParams { n_epochs: Some(50), ..UmapParams::default() });
            assert_eq!(found.embedding.dim(), (n, 2));
            assert!(found.embedding.iter().all(|x| x.is_finite()));
            assert_eq!(found.notes.is_empty(), n >= 4 && edges.len() == n - 1, "{n}: {:?}", found.notes);
        }
    }
}

#[test]
fn starts_where_told() {
    let graph = from_edges(3, &[(0, 1, 1.0)]);
    let given = ndarray::array![[0.0f32, 1.0], [2.0, 5.0], [4.0, 3.0]];
    let params = UmapParams { init: Init::Given(given), n_epochs: Some(0), ..UmapParams::default() };
    assert_eq!(run(&graph, &params).embedding, ndarray::array![[0.0f32, 0.0], [5.0, 10.0], [10.0, 5.0]]);
}

#[test]
fn bad_input_is_refused() {
    let class = |graph: &Graph, p: UmapParams| umap(graph, &p, &Session::with_threads(1)).err().map(|e| e.class());
    assert_bad_graphs_are_refused(|graph| class(graph, UmapParams::default()));
    let graph = knn500();
    let default = UmapParams::default;
    assert_eq!(class(&graph, UmapParams { n_components: 0, ..default() }), Some("parameter"));
    assert_eq!(class(&graph, UmapParams { min_dist: 2.0, ..default() }), Some("parameter"));
    assert_eq!(class(&graph, UmapParams { alpha: 0.0, ..default() }), Some("parameter"));
    assert_eq!(class(&graph, UmapParams { gamma: f64::NAN, ..default() }), Some("parameter"));
    assert_eq!(class(&graph, UmapParams { a: Some(1.0), ..default() }), Some("parameter"));
    assert_eq!(class(&graph, UmapParams { a: Some(-1.0), b: Some(1.0), ..default() }), Some("parameter"));
    let given = |shape, value| Init::Given(Array2::from_elem(shape, value));
    assert_eq!(class(&graph, UmapParams { init: given((500, 3), 0.0), ..default() }), Some("shape"));
    assert_eq!(class(&graph, UmapParams { init: given((500, 2), f32::NAN), ..default() }), Some("values"));
    let pca = Init::Pca(Array2::zeros((500, 1)));
    assert_eq!(class(&graph, UmapParams { init: pca, ..default() }), Some("shape"));
    for mode in [Mode::Batch, Mode::Sequential] {
        let session = Session::with_threads(2);
        session.monitor.cancel();
        let params = UmapParams { mode, ..default() };
        assert_eq!(umap(&graph, &params, &session).err().map(|e| e.class()), Some("cancelled"));
    }
}
