//! Compares PAGA, dendrograms, diffusion maps and pseudotime with scanpy (values of
//! tests/golden/make_graph_verbs.py). Checks clustering within groups, and the names and parameters
//! that verbs record.

mod graph_golden;

use anndataoom_core::element::{Categorical, Value};
use anndataoom_core::graph::{
    cluster, dendrogram, diffmap, distances_matrix, dpt, knn, leiden, louvain, paga, subgraph, Algorithm, Clustering,
    Correlation, KnnParams, LeidenParams, LinkageMethod, Objective, Restriction,
};
use anndataoom_core::Session;
use graph_golden::{assert_bad_graphs_are_refused, from_edges, knn500, knn500_points, numbers, random_graph, Graph};
use ndarray::Array2;

const VERBS: &str = include_str!("../../../../../tests/golden/graph_verbs500.json");

fn two() -> Session {
    Session::with_threads(2)
}

fn points() -> Array2<f32> {
    let (points, columns) = knn500_points();
    Array2::from_shape_vec((points.len() / columns, columns), points).expect("points")
}

fn groups() -> Vec<u32> {
    (0..500).map(|i| i % 6).collect()
}

fn assert_close(found: &[f64], key: &str, tolerance: f64) {
    let expected = numbers(VERBS, key);
    assert_eq!(found.len(), expected.len(), "{key}");
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{key}[{i}]: {a} {b}");
    }
}

#[test]
fn paga_equals_scanpy() {
    let neighbours = knn(points().view(), &KnnParams::default(), &two()).expect("knn").knn;
    let distances = distances_matrix(&neighbours).expect("distances");
    let found = paga(&distances, &groups(), 6, &two()).expect("paga");
    assert_close(found.connectivities.to_dense().as_slice().expect("dense"), "paga", 1e-8);
    assert_close(found.tree.to_dense().as_slice().expect("dense"), "paga_tree", 1e-8);
    assert_close(&found.sizes.iter().map(|&s| s as f64).collect::<Vec<_>>(), "sizes", 0.0);
    // A group without cells has no links and is not an error.
    let more = paga(&distances, &groups(), 7, &two()).expect("paga");
    assert_eq!((more.sizes[6], more.connectivities.outer_view(6).map(|row| row.nnz())), (0, Some(0)));
    assert_eq!(paga(&distances, &groups(), 5, &two()).err().map(|e| e.class()), Some("parameter"));
    assert_eq!(paga(&distances, &groups()[1..], 6, &two()).err().map(|e| e.class()), Some("shape"));
}

#[test]
fn dendrograms_equal_scanpy() {
    let all = ["single", "complete", "average", "weighted", "centroid", "median", "ward"];
    let cases =
        all.map(|method| ("pearson", method)).into_iter().chain(["spearman", "kendall"].map(|c| (c, "complete")));
    for (cor, method) in cases {
        let (correlation, linkage): (Correlation, LinkageMethod) =
            (cor.parse().expect("name"), method.parse().expect("name"));
        let found = dendrogram(points().view(), &groups(), 6, correlation, linkage, &two()).expect("dendrogram");
        let key = format!("{cor}_{method}");
        let flat = |x: &[[f64; 4]]| x.iter().flatten().copied().collect::<Vec<_>>();
        let index = |x: &[usize]| x.iter().map(|&i| i as f64).collect::<Vec<_>>();
        let color = |x: &[String]| x.iter().map(|c| c[1..].parse().expect("C0 to C9")).collect::<Vec<f64>>();
        let merges = found.linkage.iter().map(|&(a, b, h, n)| [a as f64, b as f64, h, n as f64]).collect::<Vec<_>>();
        // The means of scanpy are in single precision.
        assert_close(found.correlation.as_slice().expect("dense"), &format!("correlation_{key}"), 1e-5);
        assert_close(&flat(&merges), &format!("linkage_{key}"), 1e-5);
        assert_close(&index(&found.drawing.leaves), &format!("leaves_{key}"), 0.0);
        assert_close(&flat(&found.drawing.icoord), &format!("icoord_{key}"), 1e-9);
        assert_close(&flat(&found.drawing.dcoord), &format!("dcoord_{key}"), 1e-5);
        assert_close(&color(&found.drawing.colors), &format!("colors_{key}"), 0.0);
        assert_close(&color(&found.drawing.leaf_colors), &format!("leafcolors_{key}"), 0.0);
    }
    let call = |groups: &[u32], n| {
        let call = dendrogram(points().view(), groups, n, Correlation::Pearson, LinkageMethod::Complete, &two());
        call.err().map(|e| e.class())
    };
    assert_eq!(call(&groups(), 7), Some("parameter"), "a group without cells");
    assert_eq!(call(&groups()[1..], 6), Some("shape"));
    assert_eq!(call(&[0; 500], 1), Some("parameter"));
}

#[test]
fn diffusion_equals_scanpy() {
    let graph = knn500();
    let found = diffmap(&graph, 15, 0, &two()).expect("diffmap");
    assert!(found.residual < 1e-6 && found.notes.is_empty());
    assert_close(&found.eigenvalues.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), "evals", 2e-6);
    let magnitudes: Vec<f64> = found.components.iter().map(|&v| f64::from(v).abs()).collect();
    assert_close(&magnitudes, "magnitudes", 2e-4);
    let time = dpt(&graph, found.components.view(), &found.eigenvalues, 10, 7, &two()).expect("dpt");
    assert_close(&time, "pseudotime", 1e-4);
    assert_eq!(time[7], 0.0);
    let again = diffmap(&graph, 15, 0, &Session::with_threads(1)).expect("diffmap");
    assert!(again.components.iter().zip(&found.components).all(|(a, b)| a.to_bits() == b.to_bits()));

    let call = |n_dcs, root| {
        let call = dpt(&graph, found.components.view(), &found.eigenvalues, n_dcs, root, &two());
        call.err().map(|e| e.class())
    };
    assert_eq!((call(16, 7), call(0, 7), call(10, 500)), (Some("parameter"), Some("parameter"), Some("index")));
    assert_eq!(diffmap(&graph, 2, 0, &two()).err().map(|e| e.class()), Some("parameter"));
    assert_bad_graphs_are_refused(|graph| diffmap(graph, 3, 0, &Session::with_threads(1)).err().map(|e| e.class()));
    let lonely = from_edges(90, &(0..80).map(|i| (i, (i + 1) % 80, 1.0)).collect::<Vec<_>>());
    assert_eq!(diffmap(&lonely, 5, 0, &two()).err().map(|e| e.class()), Some("values"));
}

#[test]
fn cells_in_another_component_are_infinitely_far() {
    let ring = |from: usize, n: usize| (0..n).map(move |i| (from + i, from + (i + 1) % n, 1.0));
    let graph = from_edges(300, &ring(0, 180).chain(ring(180, 120)).collect::<Vec<_>>());
    let found = diffmap(&graph, 6, 0, &two()).expect("diffmap");
    let ones = found.eigenvalues.iter().filter(|&&v| (v - 1.0).abs() < 1e-6).count();
    assert_eq!(ones, 2, "one eigenvalue of 1 a component: {:?}", found.eigenvalues);
    let time = dpt(&graph, found.components.view(), &found.eigenvalues, 6, 3, &two()).expect("dpt");
    assert!((0..300).all(|i| time[i].is_finite() == (i < 180)));
    assert!((time[93] - 1.0).abs() < 0.05, "the far side of the ring: {}", time[93]);
}

#[test]
fn louvain_and_cpm_reach_igraph() {
    let graph = knn500();
    let best = |values: Vec<f64>| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let ours = |objective, resolution, algorithm: fn(&Graph, &LeidenParams, &Session) -> _| {
        let runs = (0..20).map(|seed| {
            let params = LeidenParams { seed, objective, resolution, ..LeidenParams::default() };
            let found: anndataoom_core::Result<anndataoom_core::graph::Partition> = algorithm(&graph, &params, &two());
            found.expect("clusters").quality
        });
        best(runs.collect())
    };
    let modularity = ours(Objective::Modularity, 1.0, |graph, params, session| louvain(graph, params, session));
    assert!(modularity >= best(numbers(VERBS, "louvain_modularity")) - 0.001, "{modularity}");
    let cpm = ours(Objective::Cpm, 0.01, |graph, params, session| leiden(graph, params, session));
    assert!(cpm >= best(numbers(VERBS, "cpm_quality")) - 0.001, "{cpm}");
}

/// Returns the labels of a clustering, with "missing" where there is none.
fn labels(value: &Value) -> Vec<String> {
    let Value::Categorical(Categorical { codes, categories, .. }) = value else { panic!("not categorical") };
    let Value::Strings { data, .. } = &**categories else { panic!("not strings") };
    let names: Vec<&str> = data.iter().collect();
    codes.iter().map(|&c| if c < 0 { "missing".to_owned() } else { names[c as usize].to_owned() }).collect()
}

#[test]
fn some_groups_are_clustered_again() {
    let graph = random_graph(200, 900, 3);
    let codes: Vec<i32> = (0..200).map(|i| if i == 7 { -1 } else { i % 3 }).collect();
    let categories = ["a", "b", "c"].map(str::to_owned).to_vec();
    let chosen = ["c", "a"].map(str::to_owned).to_vec();
    let restriction = Restriction { key: "old".into(), codes: codes.clone(), categories, chosen };
    let job = Clustering { use_weights: true, restriction: Some(restriction.clone()), ..Clustering::default() };
    let patch = cluster(&graph, &job, &two()).expect("clusters");
    assert_eq!((patch.obs[0].0.as_str(), patch.uns[0].0.as_str()), ("leiden_R", "leiden_R"));
    let keep: Vec<bool> = codes.iter().map(|&c| c == 0 || c == 2).collect();
    let alone = leiden(subgraph(&graph, &keep).expect("subgraph"), &LeidenParams::default(), &two()).expect("leiden");
    let mut new = alone.membership.iter();
    for (label, &code) in labels(&patch.obs[0].1).iter().zip(&codes) {
        let expected = match code {
            -1 => "missing".to_owned(),
            1 => "b".to_owned(),
            _ => format!("c-a,{}", new.next().expect("a cluster")),
        };
        assert_eq!(*label, expected);
    }
    let unknown = Restriction { chosen: vec!["d".into()], ..restriction };
    let job = Clustering { restriction: Some(unknown), ..job };
    assert_eq!(cluster(&graph, &job, &two()).err().map(|e| e.class()), Some("parameter"));
}

#[test]
fn names_and_parameters_are_noted() {
    let job = Clustering {
        algorithm: Algorithm::Louvain,
        params: LeidenParams { objective: Objective::Cpm, resolution: 0.05, ..LeidenParams::default() },
        use_weights: false,
        key_added: Some("mine".into()),
        ..Clustering::default()
    };
    let patch = cluster(knn500(), &job, &two()).expect("clusters");
    assert_eq!(patch.obs[0].0, "mine");
    let Value::Dict(noted) = &patch.uns[0].1 else { panic!("not a dict") };
    assert_eq!(noted.iter().map(|n| n.0.as_str()).collect::<Vec<_>>(), ["params", "quality"]);
    for bad in ["modularit", "", "rb"] {
        assert_eq!(bad.parse::<Objective>().err().map(|e| e.class()), Some("parameter"));
    }
}
