//! Checks how much memory UMAP and Leiden take for a graph that the core keeps in a scratch file.
//! The test is alone in its process because the peak is that of all threads.
#![cfg(target_os = "linux")]

mod graph_golden;

use anndataoom_core::graph::{leiden_of, umap_of, Kept, LeidenParams, Origin, UmapParams};
use anndataoom_core::Session;
use graph_golden::{from_edges, kept, splitmix64, Graph};

/// Returns the value in bytes of a line of /proc/self/status.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}

/// Returns the bytes by which `work` raises the memory of this process at its peak.
fn peak_of(work: impl FnOnce()) -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let idle = status("VmRSS:");
    work();
    status("VmHWM:") - idle
}

/// Makes a graph of groups of neighbouring vertices with many links each.
fn graph() -> Graph {
    let (n, n_links, group) = (60_000u64, 30, 400);
    let link = |node: u64, link: u64| {
        let h = splitmix64(node * n_links + link) >> 8;
        let target = if link == 0 { h % n } else { node / group * group + h % group };
        (node as usize, target as usize, (h >> 40) as f32 / 65536.0 + 0.1)
    };
    let edges: Vec<_> = (0..n).flat_map(|node| (0..n_links).map(move |l| link(node, l))).collect();
    from_edges(n as usize, &edges.into_iter().filter(|&(i, j, _)| i != j).collect::<Vec<_>>())
}

#[test]
fn layout_and_clusters_hold_one_graph() {
    let session = Session { memory: 1 << 20, ..Session::with_threads(2) };
    let (kept, n, bytes): (Kept, _, _) = {
        let graph = graph();
        (kept(&graph, &session), graph.rows(), 8 * graph.nnz())
    };
    assert!(bytes > 20 << 20, "{bytes}");
    // What the C library keeps of the graph does not count.
    anndataoom_core::session::release_memory();
    let params = UmapParams { n_epochs: Some(5), ..UmapParams::default() };
    let umap = peak_of(|| drop(umap_of(Origin::<&Graph>::Kept(kept.clone()), &params, &session).unwrap()));
    let leiden = peak_of(|| {
        drop(leiden_of(Origin::<&Graph>::Kept(kept.clone()), &LeidenParams::default(), &session).unwrap());
    });
    // The graph once, and numbers of every vertex.
    let allowed = bytes + 200 * n + (4 << 20);
    eprintln!("umap {umap}, leiden {leiden}, graph {bytes}, allowed {allowed}");
    assert!(umap <= allowed && leiden <= allowed, "umap {umap}, leiden {leiden}, allowed {allowed}");
}
