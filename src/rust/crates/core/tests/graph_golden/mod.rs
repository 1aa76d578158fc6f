//! Reads the files that `tests/golden/make_graph.py` wrote, and holds helpers of the graph tests.
#![allow(dead_code)]

use anndataoom_core::graph::{from_sprs, Kept};
use anndataoom_core::{element::Value, Session};
use sprs::CsMatI;

/// A symmetric CSR graph.
pub type Graph = CsMatI<f32, u32, usize>;

pub const AB: &str = include_str!("../../../../../../tests/golden/graph_ab.json");
pub const KNN500: &str = include_str!("../../../../../../tests/golden/graph_knn500.json");
pub const PLANTED: &str = include_str!("../../../../../../tests/golden/graph_planted.json");

/// Returns the number or flat array of numbers under `key` of a compact JSON object.
pub fn numbers(json: &str, key: &str) -> Vec<f64> {
    let from = json.find(&format!("\"{key}\":")).expect("key") + key.len() + 3;
    let rest = &json[from..];
    let text = match rest.strip_prefix('[') {
        Some(rest) => &rest[..rest.find(']').expect("end of array")],
        None => &rest[..rest.find([',', '}']).expect("end of number")],
    };
    text.split(',').map(|v| v.trim().parse().expect("number")).collect()
}

/// Returns the UMAP connectivities of 500 points in 6 Gaussian clusters.
pub fn knn500() -> Graph {
    let indptr: Vec<usize> = numbers(KNN500, "indptr").into_iter().map(|v| v as usize).collect();
    let indices = numbers(KNN500, "indices").into_iter().map(|v| v as u32).collect();
    let data = numbers(KNN500, "data").into_iter().map(|v| v as f32).collect();
    Graph::new((indptr.len() - 1, indptr.len() - 1), indptr, indices, data)
}

/// Returns the points of [`knn500`], row-major, and their dimension.
pub fn knn500_points() -> (Vec<f32>, usize) {
    let points = numbers(KNN500, "points").into_iter().map(|v| v as f32).collect();
    (points, numbers(KNN500, "n_columns")[0] as usize)
}

/// Makes a graph from undirected edges; a repeated edge has the largest of its weights.
pub fn from_edges(n: usize, edges: &[(usize, usize, f32)]) -> Graph {
    let mut entries: Vec<(usize, usize, f32)> = edges.iter().flat_map(|&(i, j, w)| [(i, j, w), (j, i, w)]).collect();
    entries.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
    entries.dedup_by_key(|e| (e.0, e.1));
    let mut indptr = vec![0; n + 1];
    entries.iter().for_each(|e| indptr[e.0 + 1] += 1);
    (0..n).for_each(|i| indptr[i + 1] += indptr[i]);
    let indices = entries.iter().map(|e| e.1 as u32).collect();
    Graph::new((n, n), indptr, indices, entries.iter().map(|e| e.2).collect())
}

/// Computes SplitMix64 of one integer, as make_graph.py does.
pub fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Makes the planted graph of make_graph.py.
pub fn planted() -> Graph {
    let (n, n_groups, n_links) = (20_000u64, 50u64, 8u64);
    let mut edges = Vec::new();
    for node in 0..n {
        for link in 0..n_links {
            let h = splitmix64(node * n_links + link);
            let pick = h >> 8;
            let inside = h & 1 != 0;
            let target = if inside { (pick % (n / n_groups)) * n_groups + node % n_groups } else { pick % n };
            let weight = ((h >> 2) & 3) as f32 / 4.0 + 0.25;
            if target != node {
                edges.push((node as usize, target as usize, weight));
            }
        }
    }
    from_edges(n as usize, &edges)
}

/// Makes a sparse random graph of several components with isolated vertices.
pub fn random_graph(n: usize, n_edges: usize, seed: u64) -> Graph {
    let edges: Vec<_> = (0..n_edges as u64)
        .map(|e| {
            let h = splitmix64(seed.wrapping_mul(1_000_003).wrapping_add(e));
            ((h % n as u64) as usize, ((h >> 20) % n as u64) as usize, ((h >> 40) % 16 + 1) as f32 / 16.0)
        })
        .filter(|&(i, j, _)| i != j)
        .collect();
    from_edges(n, &edges)
}

/// Moves a copy of a graph to a scratch file of a session with little memory.
pub fn kept(graph: &Graph, session: &Session) -> Kept {
    Kept::new(Value::Sparse(from_sprs(graph.clone())), session).expect("a scratch file").expect("a large graph")
}

/// Returns sessions in which everything is large: with unlimited scratch space, and with space for
/// `graph` and some bytes more.
pub fn small_sessions(graph: &Graph) -> Vec<Session> {
    let session = Session { memory: 64, ..Session::with_threads(2) };
    let limits = [None, Some(0), Some(1 << 10), Some(12 * graph.nnz())];
    let limits = limits.map(|more| more.map(|more| (8 * graph.nnz() + more) as u64));
    // Each has a space of its own.
    let space = |limit| Session { scratch: Session::default().scratch.limited(limit), ..session.clone() };
    limits.into_iter().map(space).collect()
}

/// Checks the classes of the errors of bad graphs, for any verb.
pub fn assert_bad_graphs_are_refused(call: impl Fn(&Graph) -> Option<&'static str>) {
    let wide = Graph::new((2, 3), vec![0, 1, 1], vec![2], vec![1.0]);
    assert_eq!(call(&wide), Some("shape"));
    let one_way = Graph::new((3, 3), vec![0, 1, 1, 1], vec![2], vec![1.0]);
    assert_eq!(call(&one_way), Some("parameter"));
    let unequal = Graph::new((2, 2), vec![0, 1, 2], vec![1, 0], vec![1.0, 0.5]);
    assert_eq!(call(&unequal), Some("parameter"));
    for weight in [f32::NAN, f32::INFINITY, -0.5] {
        let bad = Graph::new((2, 2), vec![0, 1, 2], vec![1, 0], vec![weight; 2]);
        assert_eq!(call(&bad), Some("values"), "{weight}");
    }
    let csc = from_edges(3, &[(0, 1, 1.0)]).to_csc();
    assert_eq!(call(&csc), Some("parameter"));
}
