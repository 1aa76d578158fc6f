//! Checks that every verb of the graph stage stops soon after it is asked to, whichever step it is
//! in.

use anndataoom_core::graph::{
    dendrogram, diffmap, dpt, fuzzy_simplicial_set, gauss_connectivities, gauss_of_all, harmony, knn, leiden, louvain,
    paga, spectral, umap, Correlation, Factor, HarmonyParams, KnnParams, LeidenParams, LinkageMethod, Method, Metric,
    Pairwise, UmapParams,
};
use anndataoom_core::{Error, Result, Session};
use ndarray::Array2;
use std::time::{Duration, Instant};

/// The upper bound of the time from the request to the end. About 0.2 s are usual; it is generous
/// because machines differ.
const LATEST: Duration = Duration::from_secs(1);
/// The number of moments of a run at which it is asked to stop.
const MOMENTS: u32 = 8;

/// A moment by the clock, and in processor time of this process where the system tells it.
struct Moment(Instant, Option<Duration>);

impl Moment {
    fn now() -> Self {
        // User and system time in ticks of 1/100 s. They are counted from the last ')' because the
        // program's name before it may contain spaces.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |i: usize| fields.get(i)?.parse::<u64>().ok();
        Moment(
            Instant::now(),
            ticks(11).zip(ticks(12)).map(|(user, system)| Duration::from_millis(10 * (user + system))),
        )
    }

    /// Returns the time since `earlier`: the smaller of wall time and processor time. On a busy
    /// machine wall time is the larger one, with several threads processor time is.
    fn since(&self, earlier: &Moment) -> Duration {
        let clock = self.0.saturating_duration_since(earlier.0);
        let processor = self.1.zip(earlier.1).map_or(clock, |(later, earlier)| later.saturating_sub(earlier));
        clock.min(processor)
    }
}

fn stops(slow: &mut Vec<String>, name: &str, verb: impl Fn(&Session) -> Result<()>) {
    let fresh = || Session::with_threads(2);
    let started = Instant::now();
    verb(&fresh()).unwrap();
    let whole = started.elapsed();
    let mut worst = Duration::ZERO;
    for moment in 0..MOMENTS {
        let session = fresh();
        let monitor = session.monitor.clone();
        let at = whole * moment / MOMENTS;
        if moment == 0 {
            // Some verbs end before the other thread has started, so this request comes before the
            // verb begins.
            monitor.cancel();
        }
        let asker = std::thread::spawn(move || {
            std::thread::sleep(at);
            monitor.cancel();
            Moment::now()
        });
        let found = verb(&session);
        let ended = Moment::now();
        // This run may be faster than the first and end before the request.
        let asked = asker.join().unwrap();
        match found {
            Ok(()) => assert!(moment > 0, "{name} does not ask"),
            Err(Error::Cancelled) => {}
            Err(e) => panic!("{name}: {e}"),
        }
        worst = worst.max(ended.since(&asked));
    }
    eprintln!("{name}: {} ms in all, stops within {} ms", whole.as_millis(), worst.as_millis());
    if worst >= LATEST {
        slow.push(format!("{name} stops after {worst:?} of {whole:?}"));
    }
}

/// Makes `n` points in `d` dimensions that lie in nine groups.
fn points(n: usize, d: usize) -> Array2<f32> {
    let value = |i: usize| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1 << 24) as f32;
    Array2::from_shape_fn((n, d), |(i, j)| value(i * d + j) * 6.0 + (i % 9 * (j % 3)) as f32)
}

#[test]
fn every_step_stops_when_asked() {
    let mut slow = Vec::new();
    let (n, d) = (30_000, 20);
    let points_all = points(n, d);
    let all = points_all.view();
    let few = all.slice(ndarray::s![..3000, ..]);
    let session = Session::with_threads(2);
    let exact = KnnParams { k: 15, method: Method::Exact, ..KnnParams::default() };
    let with = |method| KnnParams { method, ..exact.clone() };
    let pairs = KnnParams { k: 15, metric: Metric::Pairwise(Pairwise::Mahalanobis), ..KnnParams::default() };
    let neighbours = knn(all, &with(Method::Ivf), &session).unwrap().knn;
    let whole = knn(few, &KnnParams { k: 3000, method: Method::Exact, ..KnnParams::default() }, &session).unwrap().knn;
    let graph = fuzzy_simplicial_set(&neighbours, &session).unwrap();
    let codes: Vec<u32> = (0..n as u32).map(|i| i % 40).collect();
    let map = diffmap(&graph, 6, 0, &session).unwrap();
    let wide = points(2000, 2000);
    let groups: Vec<u32> = (0..2000).map(|i| i % 30).collect();

    stops(&mut slow, "exact neighbours", |session| knn(all, &exact, session).map(drop));
    stops(&mut slow, "inverted file", |session| knn(all, &with(Method::Ivf), session).map(drop));
    stops(&mut slow, "hnsw", |session| knn(all.slice(ndarray::s![..4000, ..]), &with(Method::Hnsw), session).map(drop));
    stops(&mut slow, "mahalanobis", |session| knn(few, &pairs, session).map(drop));
    stops(&mut slow, "fuzzy simplicial set", |session| fuzzy_simplicial_set(&neighbours, session).map(drop));
    stops(&mut slow, "gauss", |session| gauss_connectivities(&neighbours, session).map(drop));
    stops(&mut slow, "gauss of all pairs", |session| gauss_of_all(&whole, 15, session).map(drop));
    stops(&mut slow, "spectral layout", |session| spectral::spectral_layout(&graph, 2, 0, session).map(drop));
    let epochs = UmapParams { n_epochs: Some(100), ..UmapParams::default() };
    stops(&mut slow, "umap", |session| umap::umap(&graph, &epochs, session).map(drop));
    let sequential = UmapParams { mode: umap::Mode::Sequential, n_epochs: Some(20), ..epochs.clone() };
    stops(&mut slow, "umap, sequential", |session| umap::umap(&graph, &sequential, session).map(drop));
    stops(&mut slow, "leiden", |session| leiden(&graph, &LeidenParams::default(), session).map(drop));
    stops(&mut slow, "louvain", |session| louvain(&graph, &LeidenParams::default(), session).map(drop));
    let batches = [Factor { codes: (0..n as u32).map(|i| i % 4).collect(), n_levels: 4 }];
    let rounds = HarmonyParams::default();
    stops(&mut slow, "harmony", |session| harmony(all, &batches, &rounds, session).map(drop));
    stops(&mut slow, "diffusion map", |session| diffmap(&graph, 15, 0, session).map(drop));
    stops(&mut slow, "pseudotime", |session| {
        dpt(&graph, map.components.view(), &map.eigenvalues, 5, 0, session).map(drop)
    });
    stops(&mut slow, "paga", |session| paga(&graph, &codes, 40, session).map(drop));
    stops(&mut slow, "dendrogram", |session| {
        dendrogram(wide.view(), &groups, 30, Correlation::Kendall, LinkageMethod::Complete, session).map(drop)
    });
    assert!(slow.is_empty(), "{slow:#?}");
}
