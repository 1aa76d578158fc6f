//! Approximate search on a hierarchical navigable small world graph (Malkov and Yashunin 2018), by
//! the crate `hnsw_rs`.

use super::exact::Output;
use super::ivf::measured_recall;
use super::points::{Points, Table};
use super::select::{write_row, Neighbour};
use super::{exact, Knn, KnnParams, KnnResult, Method};
use crate::error::Result;
use crate::memory;
use crate::random::Stream;
use crate::session::Session;
use hnsw_rs::prelude::{DistL2, Hnsw};
use rayon::prelude::*;

/// Links per point (M), layers, and width of the search while building: the usual values.
const LINKS: usize = 16;
const LAYERS: usize = 16;
const EF_CONSTRUCTION: usize = 100;
/// Points inserted, or searched for, between two checks for cancellation.
const BATCH: usize = 512;
/// Approximate bytes that the graph takes per point besides its coordinates.
const BYTES_OF_POINT: usize = 1024;
/// Points on which the recall is measured.
const SAMPLE: usize = 512;

/// Returns the approximate bytes that the graph takes per point of `d` coordinates.
pub(super) fn bytes_of_point(d: usize) -> usize {
    BYTES_OF_POINT + 4 * d
}

/// Finds the neighbours of all points. Where the graph yields fewer than `k` for a point, the point
/// is searched exactly: points can be unreachable when threads insert at the same time.
pub(super) fn search(points: &Points, params: &KnnParams, session: &Session) -> Result<KnnResult> {
    let (n, k) = (points.n, params.k);
    let table = points.table()?;
    let vector = |i: usize| {
        let mut row = vec![0.0; points.width()];
        points.write_data(i, &mut row);
        row.truncate(points.d);
        row
    };
    // The library allocates its memory itself and aborts where there is none, so probe first.
    memory::probe(n.saturating_mul(bytes_of_point(points.width())))?;
    let graph: Hnsw<'_, f32, DistL2> = Hnsw::new(LINKS, n, LAYERS, EF_CONSTRUCTION, DistL2 {});
    session.monitor.begin(2 * n as u64);
    for from in (0..n).step_by(BATCH) {
        session.monitor.check()?;
        let batch: Vec<(Vec<f32>, usize)> = (from..(from + BATCH).min(n)).map(|i| (vector(i), i)).collect();
        let slices: Vec<(&[f32], usize)> = batch.iter().map(|(v, i)| (v.as_slice(), *i)).collect();
        graph.parallel_insert_slice(&slices);
        session.monitor.advance(batch.len() as u64);
    }

    let ef = (4 * k).max(64);
    let Knn { mut indices, mut distances, .. } = Knn::empty(n, k)?;
    let mut missing = Vec::new();
    for from in (0..n).step_by(BATCH) {
        session.monitor.check()?;
        let to = (from + BATCH).min(n);
        let complete: Vec<bool> = indices
            .get_mut(from * k..to * k)
            .unwrap_or_default()
            .par_chunks_mut(k)
            .zip(distances.get_mut(from * k..to * k).unwrap_or_default().par_chunks_mut(k))
            .enumerate()
            .map(|(offset, (indices, distances))| {
                let id = (from + offset) as u32;
                let mut found: Vec<Neighbour> = graph
                    .search(&vector(id as usize), k + 1, ef)
                    .iter()
                    .map(|neighbour| neighbour.get_origin_id() as u32)
                    .filter(|&other| other != id)
                    .map(|other| Neighbour { key: points.key(id as usize, other as usize), id: other })
                    .collect();
                found.sort_unstable_by(|a, b| a.key.total_cmp(&b.key).then(a.id.cmp(&b.id)));
                found.dedup_by_key(|f| f.id);
                found.truncate(k - 1);
                write_row(points, Some(id), &found, indices, distances);
                found.len() == k - 1
            })
            .collect();
        missing.extend(complete.iter().zip(from as u32..).filter(|(&complete, _)| !complete).map(|(_, id)| id));
        session.monitor.advance((to - from) as u64);
    }
    drop(graph);
    fill(points, &table, &missing, k, &mut indices, &mut distances, session)?;

    let sample = Stream::of_samples(params.seed, 1).sample(n, SAMPLE)?;
    let (_, truth) = exact::of_sample(points, &table, &sample, k, session)?;
    let output = Output { indices: &mut indices, distances: &mut distances, stride: k, offset: 0 };
    let recall = Some(measured_recall(&sample, &truth, &output, k));
    let knn = Knn { n, k, indices, distances };
    Ok(KnnResult { knn, method: Method::Hnsw, n_lists: None, nprobe: None, recall })
}

/// Searches the `missing` points exactly and writes their rows of the result.
fn fill(
    points: &Points,
    table: &Table,
    missing: &[u32],
    k: usize,
    indices: &mut [u32],
    distances: &mut [f32],
    session: &Session,
) -> Result<()> {
    let (found_indices, found_distances) = exact::of_sample(points, table, missing, k, session)?;
    for ((&id, i), d) in missing.iter().zip(found_indices.chunks_exact(k)).zip(found_distances.chunks_exact(k)) {
        let at = id as usize * k..(id as usize + 1) * k;
        if let (Some(to_i), Some(to_d)) = (indices.get_mut(at.clone()), distances.get_mut(at)) {
            to_i.copy_from_slice(i);
            to_d.copy_from_slice(d);
        }
    }
    Ok(())
}
