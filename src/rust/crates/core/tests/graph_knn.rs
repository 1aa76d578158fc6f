//! Compares neighbours with those of scikit-learn and of a brute-force twin in f64.

mod neighbor_golden;

use anndataoom_core::graph::{knn, Knn, KnnParams, KnnResult, Method, Metric};
use anndataoom_core::{Error, Session};
use ndarray::{s, Array2, ArrayView2};
use neighbor_golden::{clustered, npy, points, uniform};

fn run(points: ArrayView2<'_, f32>, k: usize, metric: Metric, method: Method, threads: usize) -> KnnResult {
    let params = KnnParams { k, metric, method, ..KnnParams::default() };
    knn(points, &params, &Session::with_threads(threads)).unwrap()
}

fn exact(points: ArrayView2<'_, f32>, k: usize, metric: Metric) -> Knn {
    run(points, k, metric, Method::Exact, 2).knn
}

fn distance(x: &[f64], y: &[f64], metric: Metric) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
    let centred = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter().map(|v| v - mean).collect::<Vec<_>>()
    };
    match metric {
        Metric::Euclidean => x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine => (1.0 - dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt())).max(0.0),
        Metric::Correlation => distance(&centred(x), &centred(y), Metric::Cosine),
        Metric::InnerProduct => 1.0 - dot(x, y),
        Metric::Pairwise(_) => unreachable!("tested against scipy from Python"),
    }
}

/// Returns all points by (distance, index) from point `i`, with the point itself first.
fn brute(points: ArrayView2<'_, f32>, i: usize, metric: Metric) -> Vec<(f64, usize)> {
    let row = |i: usize| points.row(i).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let own = row(i);
    let mut others: Vec<(f64, usize)> =
        (0..points.nrows()).filter(|&j| j != i).map(|j| (distance(&own, &row(j), metric), j)).collect();
    others.sort_by(|a, b| a.partial_cmp(b).unwrap());
    others.insert(0, (0.0, i));
    others
}

/// Checks that every `step`-th row has the neighbours of [`brute`], with distances equal to a
/// relative 1e-6.
fn check(points: ArrayView2<'_, f32>, knn: &Knn, metric: Metric, step: usize) {
    knn.validate().unwrap();
    assert_eq!((knn.n, knn.indices.len()), (points.nrows(), points.nrows() * knn.k));
    for (i, (indices, distances)) in knn.rows().enumerate().step_by(step) {
        let truth = brute(points, i, metric);
        for (((&index, &d), &(true_d, true_index)), place) in indices.iter().zip(distances).zip(&truth).zip(0..) {
            let scale = true_d.abs().max(1e-3);
            assert!((f64::from(d) - true_d).abs() <= 1e-6 * scale, "row {i} place {place}: {d} {true_d}");
            // Rounding in the last bit of f64 may swap two neighbours whose distances agree to
            // 1e-13.
            let tie = truth.iter().any(|&(e, j)| j == index as usize && (e - true_d).abs() <= 1e-13 * scale);
            assert!(index as usize == true_index || tie, "row {i} place {place}: {index} {true_index}");
        }
    }
}

fn recall(knn: &Knn, truth: &Knn) -> f64 {
    let found: usize =
        knn.rows().zip(truth.rows()).map(|((a, _), (b, _))| a.iter().filter(|i| b.contains(i)).count()).sum();
    found as f64 / knn.indices.len() as f64
}

#[test]
fn equals_scikit_learn() {
    let x = points();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation] {
        let (shape, indices) = npy(&format!("{metric}_indices"));
        let (_, distances) = npy(&format!("{metric}_distances"));
        for method in [Method::Exact, Method::Ivf] {
            let params = KnnParams { k: shape[1], metric, method, recall: 1.0, seed: 3 };
            let found = knn(x.view(), &params, &Session::with_threads(2)).unwrap();
            let knn = &found.knn;
            let worst =
                knn.distances.iter().zip(&distances).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{metric} {method}: {worst}");
            let same = knn.indices.iter().zip(&indices).filter(|(&a, &b)| f64::from(a) == b).count();
            assert!(same >= indices.len() - 4, "{metric} {method}: {same} of {}", indices.len());
            if metric == Metric::Euclidean {
                assert_eq!(same, indices.len());
            }
        }
    }
}

#[test]
fn exact_equals_brute_force() {
    for (n, d, k) in [(1, 3, 1), (2, 1, 2), (7, 5, 7), (100, 50, 15), (1500, 17, 30), (3000, 50, 15)] {
        let x = clustered(n, d, 5, n as u64 + 1);
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::InnerProduct] {
            let metric = if d == 1 { Metric::Euclidean } else { metric };
            check(x.view(), &exact(x.view(), k, metric), metric, 1 + n / 200);
        }
        if d > 1 {
            check(x.view(), &exact(x.view(), k, Metric::Correlation), Metric::Correlation, 1 + n / 200);
        }
    }
}

#[test]
fn all_neighbours() {
    let x = uniform(300, 4, 5);
    let knn = exact(x.view(), 300, Metric::Euclidean);
    check(x.view(), &knn, Metric::Euclidean, 7);
}

#[test]
fn one_dimension_is_harder_than_f32() {
    // Neighbours are 1e-4 apart at coordinates up to 1: |x|² + |y|² - 2xy in f32 cannot separate
    // them.
    let x = uniform(4000, 1, 9);
    check(x.view(), &exact(x.view(), 15, Metric::Euclidean), Metric::Euclidean, 40);
}

#[test]
fn far_from_the_origin_and_beside_an_outlier() {
    let mut x = clustered(2000, 20, 4, 11);
    x.mapv_inplace(|v| v + 1000.0);
    x[[1234, 3]] = 1e9;
    x[[1235, 3]] = -1e15;
    check(x.view(), &exact(x.view(), 10, Metric::Euclidean), Metric::Euclidean, 50);
    let tiny = clustered(500, 6, 3, 2).mapv(|v| v * 1e-25);
    let knn = exact(tiny.view(), 5, Metric::Euclidean);
    let large = exact(clustered(500, 6, 3, 2).view(), 5, Metric::Euclidean);
    assert_eq!(knn.indices, large.indices);
}

#[test]
fn duplicates_come_in_order_of_their_index() {
    // 40 copies of each of 25 points make more ties than the search keeps candidates in reserve.
    let base = uniform(25, 8, 4);
    let x = Array2::from_shape_fn((1000, 8), |(i, j)| base[(i % 25, j)]);
    for method in [Method::Exact, Method::Ivf] {
        let knn = run(x.view(), 15, Metric::Euclidean, method, 2).knn;
        for (i, (indices, distances)) in knn.rows().enumerate() {
            assert!(distances.iter().all(|&d| d == 0.0));
            assert!(indices.iter().all(|&j| j as usize % 25 == i % 25));
            assert_eq!(indices[0] as usize, i);
            assert!(indices[1..].windows(2).all(|pair| pair[0] < pair[1]));
        }
        if method == Method::Exact {
            check(x.view(), &knn, Metric::Euclidean, 13);
        }
    }
    let same = Array2::<f32>::ones((50, 3));
    check(same.view(), &exact(same.view(), 6, Metric::Euclidean), Metric::Euclidean, 1);
}

#[test]
fn any_memory_layout() {
    let x = clustered(400, 12, 3, 8);
    let truth = exact(x.view(), 15, Metric::Euclidean);
    let transposed = x.t().as_standard_layout().into_owned();
    assert_eq!(exact(transposed.t(), 15, Metric::Euclidean), truth);
    let wide = Array2::from_shape_fn((800, 24), |(i, j)| if (i | j) % 2 == 0 { x[(i / 2, j / 2)] } else { f32::NAN });
    assert_eq!(exact(wide.slice(s![..;2, ..;2]), 15, Metric::Euclidean), truth);
}

#[test]
fn ivf_recalls_what_was_asked_for() {
    for (name, x) in [("clustered", clustered(30_000, 20, 12, 6)), ("uniform", uniform(30_000, 10, 7))] {
        let truth = exact(x.view(), 15, Metric::Euclidean);
        let found = run(x.view(), 15, Metric::Euclidean, Method::Auto, 2);
        assert_eq!(found.method, Method::Ivf);
        found.knn.validate().unwrap();
        let recall = recall(&found.knn, &truth);
        let reported = found.recall.unwrap();
        println!("{name}: recall {recall} reported {reported} lists {:?} probes {:?}", found.n_lists, found.nprobe);
        assert!(recall >= 0.99 && (recall - reported).abs() < 0.005);
        // Approximate search gives the same distances as exact search.
        for ((i, d), (ti, td)) in found.knn.rows().zip(truth.rows()) {
            for (i, d) in i.iter().zip(d) {
                if let Some(at) = ti.iter().position(|t| t == i) {
                    assert_eq!(*d, td[at]);
                }
            }
        }
    }
}

/// Checks tight groups with a few points far around each. Beside these points, the members of a
/// group have the same byte in every coordinate.
#[test]
fn ivf_keeps_its_recall_where_lists_are_uneven() {
    let noise = uniform(30_000, 5, 3);
    let points = Array2::from_shape_fn((30_000, 5), |(i, j)| {
        let centre = ((i % 60 * 7 + j * 13) % 61) as f32 * 0.5;
        let spread = if i % 51 == 0 { 8.0 } else { 0.1 };
        centre + spread * (noise[[i, j]] - 0.5)
    });
    let truth = exact(points.view(), 15, Metric::Euclidean);
    let found = run(points.view(), 15, Metric::Euclidean, Method::Ivf, 2);
    assert!(found.recall.unwrap() >= 0.99, "{:?}", found.recall);
    assert!(recall(&found.knn, &truth) >= 0.99, "{}", recall(&found.knn, &truth));
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let x = clustered(25_000, 16, 9, 12);
    let small = x.slice(s![..3000, ..]);
    for metric in [Metric::Euclidean, Metric::Correlation] {
        let ivf = run(x.view(), 15, metric, Method::Ivf, 1);
        let exact = run(small, 15, metric, Method::Exact, 1);
        for threads in [2, 3] {
            assert_eq!(run(x.view(), 15, metric, Method::Ivf, threads), ivf);
            assert_eq!(run(small, 15, metric, Method::Exact, threads), exact);
        }
    }
}

#[test]
fn hnsw_rows_are_complete() {
    let x = clustered(3000, 10, 6, 13);
    let truth = exact(x.view(), 15, Metric::Cosine);
    let found = run(x.view(), 15, Metric::Cosine, Method::Hnsw, 2);
    found.knn.validate().unwrap();
    let recall = recall(&found.knn, &truth);
    assert!(recall > 0.95, "{recall}");
    assert!((found.recall.unwrap() - recall).abs() < 0.02);
    for (indices, distances) in found.knn.rows() {
        assert!(distances.windows(2).all(|pair| pair[0] <= pair[1]));
        let mut unique = indices.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 15);
    }
}

#[test]
fn refuses_what_it_cannot_answer() {
    let session = Session::with_threads(1);
    let x = uniform(10, 3, 1);
    let ask = |x: &Array2<f32>, params: KnnParams| knn(x.view(), &params, &session).unwrap_err();
    for k in [0, 11] {
        let error = ask(&x, KnnParams { k, ..KnnParams::default() });
        assert!(matches!(error, Error::Parameter { parameter: "n_neighbors", .. }), "{error}");
    }
    let params = KnnParams { k: 3, ..KnnParams::default() };
    for recall in [0.0, 1.5, f64::NAN] {
        assert!(matches!(
            ask(&x, KnnParams { recall, ..params.clone() }),
            Error::Parameter { parameter: "recall", .. }
        ));
    }
    let product = KnnParams { metric: Metric::InnerProduct, method: Method::Ivf, ..params.clone() };
    assert!(matches!(ask(&x, product), Error::Parameter { parameter: "method", .. }));
    assert!(matches!(ask(&Array2::zeros((0, 3)), params.clone()), Error::Shape { .. }));
    for bad in [f32::NAN, f32::INFINITY, -3e30] {
        let mut x = x.clone();
        x[[4, 1]] = bad;
        assert!(matches!(ask(&x, params.clone()), Error::Values { row: 4, column: 1, .. }));
    }
    let mut x = x;
    x.row_mut(6).fill(0.0);
    assert!(matches!(ask(&x, KnnParams { metric: Metric::Cosine, ..params.clone() }), Error::Values { row: 6, .. }));
    x.row_mut(6).fill(0.1);
    assert!(matches!(
        ask(&x, KnnParams { metric: Metric::Correlation, ..params.clone() }),
        Error::Values { row: 6, .. }
    ));
    assert!("chess".parse::<Metric>().is_err() && "fast".parse::<Method>().is_err());
    session.monitor.cancel();
    for method in [Method::Exact, Method::Ivf, Method::Hnsw] {
        let params = KnnParams { method, metric: Metric::Euclidean, ..params.clone() };
        assert!(matches!(knn(x.view(), &params, &session), Err(Error::Cancelled)));
    }
}

#[test]
fn names_go_both_ways() {
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Correlation, Metric::InnerProduct] {
        assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
    }
    for method in [Method::Auto, Method::Exact, Method::Ivf, Method::Hnsw] {
        assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
    }
}
