//! Compares Leiden, Louvain and modularity with igraph (values of tests/golden/make_graph.py) and
//! with brute-force twins.

mod graph_golden;

use anndataoom_core::graph::{
    leiden, leiden_of, louvain, louvain_of, modularity, LeidenParams, Objective, Origin, Partition,
};
use anndataoom_core::Session;
use graph_golden::{
    assert_bad_graphs_are_refused, from_edges, kept, knn500, numbers, planted, random_graph, small_sessions, Graph,
    KNN500, PLANTED,
};

fn params(seed: u64, resolution: f64) -> LeidenParams {
    LeidenParams { seed, resolution, ..LeidenParams::default() }
}

fn run(graph: &Graph, params: &LeidenParams) -> Partition {
    leiden(graph, params, &Session::with_threads(1)).expect("leiden")
}

/// Checks that the worst and the median quality of our seeds are at most 0.001 below those of
/// igraph's seeds. On graphs with many near-optima, single runs of either program differ by more
/// than that.
fn assert_reaches(ours: &[f64], igraph: &[f64]) {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(ours), sorted(igraph));
    assert!(a[0] >= b[0] - 0.001, "worst: {a:?} {b:?}");
    assert!(a[a.len() / 2] >= b[b.len() / 2] - 0.001, "median: {a:?} {b:?}");
}

/// Computes modularity by its definition, term by term.
fn modularity_by_definition(graph: &Graph, membership: &[u32], resolution: f64) -> f64 {
    let dense = graph.to_dense().mapv(f64::from);
    let strength = dense.sum_axis(ndarray::Axis(1));
    let total = dense.sum();
    let mut q = 0.0;
    for i in 0..membership.len() {
        for j in 0..membership.len() {
            if membership[i] == membership[j] {
                q += dense[[i, j]] - resolution * strength[i] * strength[j] / total;
            }
        }
    }
    q / total
}

fn clusters_are_connected(graph: &Graph, membership: &[u32]) -> bool {
    let n_clusters = membership.iter().max().map_or(0, |&c| c as usize + 1);
    let mut seen = vec![false; membership.len()];
    let mut pieces = 0;
    for first in 0..membership.len() {
        if seen[first] {
            continue;
        }
        pieces += 1;
        seen[first] = true;
        let mut stack = vec![first];
        while let Some(i) = stack.pop() {
            for (j, &w) in graph.outer_view(i).expect("row").iter() {
                if w > 0.0 && membership[j] == membership[i] && !seen[j] {
                    seen[j] = true;
                    stack.push(j);
                }
            }
        }
    }
    pieces == n_clusters
}

fn numbered_by_size(partition: &Partition) -> bool {
    let mut size = vec![0usize; partition.n_clusters];
    let mut first = vec![usize::MAX; partition.n_clusters];
    for (i, &c) in partition.membership.iter().enumerate() {
        size[c as usize] += 1;
        first[c as usize] = first[c as usize].min(i);
    }
    let order: Vec<_> = size.iter().zip(&first).map(|(&s, &f)| (std::cmp::Reverse(s), f)).collect();
    order.is_sorted() && size.iter().all(|&s| s > 0)
}

#[test]
fn modularity_reaches_igraph_on_a_neighbour_graph() {
    let graph = knn500();
    for (resolution, key) in [(1.0, "modularity"), (0.3, "modularity_resolution_0.3")] {
        let mut ours = Vec::new();
        for seed in 0..40 {
            let found = run(&graph, &params(seed, resolution));
            ours.push(found.quality);
            let again = modularity(&graph, &found.membership, resolution).expect("modularity");
            assert!((found.quality - again).abs() < 1e-12);
            assert!(clusters_are_connected(&graph, &found.membership) && numbered_by_size(&found));
        }
        assert_reaches(&ours, &numbers(KNN500, key));
        let found = run(&graph, &params(0, resolution));
        assert!((found.quality - modularity_by_definition(&graph, &found.membership, resolution)).abs() < 1e-10);
    }
}

#[test]
fn modularity_reaches_igraph_on_twenty_thousand_nodes() {
    let graph = planted();
    assert_eq!(graph.nnz(), numbers(PLANTED, "nnz")[0] as usize);
    assert_eq!(graph.data().iter().map(|&w| f64::from(w)).sum::<f64>(), numbers(PLANTED, "total")[0]);
    let mut ours = Vec::new();
    for seed in 0..10 {
        let found = run(&graph, &params(seed, 1.0));
        ours.push(found.quality);
        let again = modularity(&graph, &found.membership, 1.0).expect("modularity");
        assert!((found.quality - again).abs() < 1e-12);
    }
    assert_reaches(&ours, &numbers(PLANTED, "modularity"));
}

/// Checks Zachary's karate club, whose optimum is known to be 0.41979.
#[test]
fn karate_club() {
    let lists: [&[usize]; 34] = [
        &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
        &[2, 3, 7, 13, 17, 19, 21, 30],
        &[3, 7, 8, 9, 13, 27, 28, 32],
        &[7, 12, 13],
        &[6, 10],
        &[6, 10, 16],
        &[16],
        &[],
        &[30, 32, 33],
        &[33],
        &[],
        &[],
        &[],
        &[33],
        &[32, 33],
        &[32, 33],
        &[],
        &[],
        &[32, 33],
        &[33],
        &[32, 33],
        &[],
        &[32, 33],
        &[25, 27, 29, 32, 33],
        &[25, 27, 31],
        &[31],
        &[29, 33],
        &[33],
        &[31, 33],
        &[32, 33],
        &[32, 33],
        &[32, 33],
        &[33],
        &[],
    ];
    let edges: Vec<_> = lists.iter().enumerate().flat_map(|(i, js)| js.iter().map(move |&j| (i, j, 1.0))).collect();
    assert_eq!(edges.len(), 78);
    let graph = from_edges(34, &edges);
    for seed in 0..10 {
        let found = run(&graph, &params(seed, 1.0));
        assert!((found.quality - 0.419_790).abs() < 1e-5, "seed {seed}: {}", found.quality);
        assert_eq!(found.n_clusters, 4);
    }
}

/// Checks 30 cliques of 6 vertices in a ring. CPM with a resolution between the densities finds
/// each clique, as it has no resolution limit, unlike modularity.
#[test]
fn ring_of_cliques_by_cpm() {
    let mut edges = Vec::new();
    for clique in 0..30 {
        for i in 0..6 {
            (0..i).for_each(|j| edges.push((clique * 6 + i, clique * 6 + j, 1.0)));
        }
        edges.push((clique * 6, (clique * 6 + 7) % 180, 1.0));
    }
    let graph = from_edges(180, &edges);
    let params = LeidenParams { objective: Objective::Cpm, resolution: 0.5, ..LeidenParams::default() };
    for found in [run(&graph, &params), louvain(&graph, &params, &Session::with_threads(1)).expect("louvain")] {
        assert_eq!(found.n_clusters, 30);
        assert!((0..180).all(|i| found.membership[i] == found.membership[i / 6 * 6]));
    }
}

#[test]
fn clusters_are_connected_and_locally_optimal() {
    for seed in 0..12u64 {
        let graph = random_graph(300, 200 + 80 * seed as usize, seed);
        for resolution in [0.0, 0.05, 0.5, 1.0, 3.0] {
            let found = run(&graph, &params(seed, resolution));
            assert!(clusters_are_connected(&graph, &found.membership), "seed {seed}, resolution {resolution}");
            assert!(numbered_by_size(&found));
        }
        let found = run(&graph, &params(seed, 1.0));
        let best = modularity_by_definition(&graph, &found.membership, 1.0);
        for node in (0..300).step_by(100) {
            let mut other = found.membership.clone();
            for cluster in 0..=found.n_clusters as u32 {
                other[node] = cluster;
                assert!(modularity_by_definition(&graph, &other, 1.0) <= best + 1e-8, "seed {seed}, node {node}");
            }
        }
        let simple = louvain(&graph, &params(seed, 1.0), &Session::with_threads(1)).expect("louvain");
        let again = modularity_by_definition(&graph, &simple.membership, 1.0);
        assert!((simple.quality - again).abs() < 1e-10);
    }
}

#[test]
fn same_for_any_number_of_threads_and_every_run() {
    let graph = knn500();
    let first = run(&graph, &params(5, 1.0));
    for threads in [1, 2, 3, 8] {
        assert_eq!(leiden(&graph, &params(5, 1.0), &Session::with_threads(threads)).expect("leiden"), first);
    }
}

#[test]
fn same_bits_from_memory_and_from_scratch() {
    for graph in [knn500(), planted(), random_graph(3000, 2500, 4)] {
        let (first, simple) =
            (run(&graph, &params(5, 1.0)), louvain(&graph, &params(5, 1.0), &Session::default()).expect("louvain"));
        for session in small_sessions(&graph) {
            let kept = kept(&graph, &session);
            let origin = || Origin::<&Graph>::Kept(kept.clone());
            assert_eq!(leiden_of(origin(), &params(5, 1.0), &session).expect("leiden"), first);
            assert_eq!(leiden(&graph, &params(5, 1.0), &session).expect("leiden"), first);
            assert_eq!(louvain_of(origin(), &params(5, 1.0), &session).expect("louvain"), simple);
            assert_eq!(session.scratch.used(), 8 * graph.nnz() as u64);
        }
    }
}

#[test]
fn small_and_empty_graphs() {
    let empty = run(&Graph::new((0, 0), vec![0], vec![], vec![]), &params(0, 1.0));
    assert_eq!((empty.membership.len(), empty.n_clusters, empty.quality), (0, 0, 0.0));
    let single = run(&from_edges(1, &[]), &params(0, 1.0));
    assert_eq!((single.membership, single.n_clusters, single.quality), (vec![0], 1, 0.0));
    let isolated = run(&from_edges(4, &[]), &params(0, 1.0));
    assert_eq!(isolated.membership, [0, 1, 2, 3]);
    let pair = run(&from_edges(4, &[(1, 3, 0.5)]), &params(0, 1.0));
    assert_eq!(pair.membership, [1, 0, 2, 0]);
    let zeros = Graph::new((2, 2), vec![0, 1, 2], vec![1, 0], vec![0.0, 0.0]);
    assert_eq!(run(&zeros, &params(0, 1.0)).membership, [0, 1]);
    // Diagonal entries count once, as stored.
    let loops = Graph::new((3, 3), vec![0, 2, 3, 4], vec![0, 1, 0, 2], vec![2.0, 1.0, 1.0, 3.0]);
    let found = run(&loops, &params(0, 1.0));
    assert_eq!(found.membership, [0, 0, 1]);
    assert!((found.quality - modularity_by_definition(&loops, &found.membership, 1.0)).abs() < 1e-12);
}

#[test]
fn iterations_are_limited() {
    let graph = knn500();
    let found = run(&graph, &LeidenParams { n_iterations: 1, ..params(1, 1.0) });
    assert_eq!(found.n_iterations, 1);
    let stable = run(&graph, &params(1, 1.0));
    assert!(stable.n_iterations > 1 && stable.quality >= found.quality - 1e-12);
}

#[test]
fn bad_input_is_refused() {
    let class = |graph: &Graph, p: &LeidenParams| leiden(graph, p, &Session::with_threads(1)).err().map(|e| e.class());
    assert_bad_graphs_are_refused(|graph| class(graph, &params(0, 1.0)));
    assert_bad_graphs_are_refused(|graph| {
        modularity(graph, &vec![0; graph.rows()], 1.0).err().map(|error| error.class())
    });
    let graph = knn500();
    for bad in [f64::NAN, -1.0, f64::INFINITY] {
        assert_eq!(class(&graph, &params(0, bad)), Some("parameter"));
        assert_eq!(class(&graph, &LeidenParams { theta: bad, ..LeidenParams::default() }), Some("parameter"));
    }
    assert_eq!(class(&graph, &LeidenParams { n_iterations: 0, ..LeidenParams::default() }), Some("parameter"));
    assert_eq!(modularity(&graph, &[0; 3], 1.0).err().map(|error| error.class()), Some("shape"));
    let session = Session::with_threads(1);
    session.monitor.cancel();
    assert_eq!(leiden(&graph, &params(0, 1.0), &session).err().map(|error| error.class()), Some("cancelled"));
}
