//! Compares connectivities with those of umap-learn and scanpy on the same neighbours.

mod neighbor_golden;

use anndataoom_core::graph::{
    distances_matrix, fuzzy_simplicial_set, gauss_connectivities, knn, Knn, KnnParams, Method, Metric,
};
use anndataoom_core::{Error, Session};
use neighbor_golden::{clustered, npy};
use sprs::CsMatI;

fn golden_knn() -> Knn {
    let (shape, indices) = npy("euclidean_indices");
    let (_, distances) = npy("euclidean_distances");
    Knn {
        n: shape[0],
        k: shape[1],
        indices: indices.iter().map(|&i| i as u32).collect(),
        distances: distances.iter().map(|&d| d as f32).collect(),
    }
}

fn check(graph: &CsMatI<f32, u32, usize>, name: &str) {
    let expected = |part: &str| npy(&format!("{name}_{part}")).1;
    let indptr: Vec<f64> = graph.indptr().raw_storage().iter().map(|&p| p as f64).collect();
    let indices: Vec<f64> = graph.indices().iter().map(|&i| f64::from(i)).collect();
    assert_eq!(indptr, expected("indptr"));
    assert_eq!(indices, expected("indices"));
    let worst = graph.data().iter().zip(expected("data")).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
    println!("{name}: largest difference {worst:e} over {} entries", graph.nnz());
    assert!(worst < 1e-5);
}

fn symmetric_without_zeros(graph: &CsMatI<f32, u32, usize>) {
    let transposed = graph.transpose_view().to_csr();
    assert_eq!(transposed.indices(), graph.indices());
    assert_eq!(transposed.data(), graph.data());
    assert!(graph.data().iter().all(|&w| w > 0.0 && w <= 1.0));
    assert!(graph.iter().all(|(_, (i, j))| i != j));
}

#[test]
fn fuzzy_simplicial_set_equals_umap_learn() {
    let graph = fuzzy_simplicial_set(&golden_knn(), &Session::with_threads(2)).unwrap();
    check(&graph, "umap");
    symmetric_without_zeros(&graph);
}

#[test]
fn gauss_equals_scanpy() {
    let graph = gauss_connectivities(&golden_knn(), &Session::with_threads(2)).unwrap();
    check(&graph, "gauss");
    symmetric_without_zeros(&graph);
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let x = clustered(6000, 8, 5, 3);
    let knn = knn(x.view(), &KnnParams::default(), &Session::with_threads(2)).unwrap().knn;
    let one = Session::with_threads(1);
    let (umap, gauss) = (fuzzy_simplicial_set(&knn, &one).unwrap(), gauss_connectivities(&knn, &one).unwrap());
    symmetric_without_zeros(&umap);
    symmetric_without_zeros(&gauss);
    for threads in [2, 3] {
        let session = Session::with_threads(threads);
        assert_eq!(fuzzy_simplicial_set(&knn, &session).unwrap(), umap);
        assert_eq!(gauss_connectivities(&knn, &session).unwrap(), gauss);
    }
}

#[test]
fn distances_as_scanpy_stores_them() {
    let knn = golden_knn();
    let graph = distances_matrix(&knn).unwrap();
    assert_eq!(graph.shape(), (knn.n, knn.n));
    assert_eq!(graph.nnz(), knn.n * (knn.k - 1));
    for ((i, row), (indices, distances)) in graph.outer_iterator().enumerate().zip(knn.rows()) {
        assert_eq!(row.nnz(), knn.k - 1);
        assert_eq!(row.get(i), None);
        for (&j, &d) in indices.iter().zip(distances).skip(1) {
            assert_eq!(row.get(j as usize), Some(&d));
        }
    }
    // Cells 50 and 100 are the same point, so this zero is stored.
    assert_eq!(graph.get(50, 100), Some(&0.0));
}

#[test]
fn degenerate_neighbours() {
    let session = Session::with_threads(1);
    let alone = Knn { n: 3, k: 1, indices: vec![0, 1, 2], distances: vec![0.0; 3] };
    for graph in
        [fuzzy_simplicial_set(&alone, &session), gauss_connectivities(&alone, &session), distances_matrix(&alone)]
    {
        assert_eq!(graph.unwrap().nnz(), 0);
    }
    // All points are the same.
    let same = Knn { n: 3, k: 3, indices: vec![0, 1, 2, 1, 0, 2, 2, 0, 1], distances: vec![0.0; 9] };
    for graph in [fuzzy_simplicial_set(&same, &session).unwrap(), gauss_connectivities(&same, &session).unwrap()] {
        assert_eq!(graph.data(), [1.0; 6]);
    }
}

#[test]
fn refuses_damaged_neighbours() {
    let session = Session::with_threads(1);
    let good = golden_knn();
    let damage = |change: &dyn Fn(&mut Knn)| {
        let mut knn = good.clone();
        change(&mut knn);
        let error = fuzzy_simplicial_set(&knn, &session).unwrap_err();
        assert_eq!(gauss_connectivities(&knn, &session).unwrap_err().class(), error.class());
        error
    };
    assert!(matches!(damage(&|knn| knn.k = 14), Error::Shape { .. }));
    assert!(matches!(damage(&|knn| knn.indices[20] = 9999), Error::Index { index: 9999, .. }));
    assert!(matches!(damage(&|knn| knn.indices[15] = 2), Error::State(_)));
    assert!(matches!(damage(&|knn| knn.indices[17] = knn.indices[16]), Error::State(_)));
    assert!(matches!(damage(&|knn| knn.distances[31] = f32::NAN), Error::Values { row: 2, column: 1, .. }));
    assert!(matches!(damage(&|knn| knn.distances[31] = -1.0), Error::Values { row: 2, column: 1, .. }));
    let cancelled = Session::with_threads(1);
    cancelled.monitor.cancel();
    assert!(matches!(fuzzy_simplicial_set(&good, &cancelled), Err(Error::Cancelled)));
    let x = neighbor_golden::points();
    let params = KnnParams { metric: Metric::InnerProduct, method: Method::Exact, ..KnnParams::default() };
    let products = knn(x.view(), &params, &session).unwrap().knn;
    assert!(matches!(fuzzy_simplicial_set(&products, &session), Err(Error::Values { .. })));
}
