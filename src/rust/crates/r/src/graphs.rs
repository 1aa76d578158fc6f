//! Verbs over an embedding and its graph.

use crate::args::Args;
use crate::from_r::{from_r, sparse, Place};
use crate::reply::reply;
use crate::run::run;
use crate::to_r::patch_to_r;
use anndataoom_core::element::{Array, Value};
use anndataoom_core::graph::{self, Init, KnnParams, LeidenParams, NeighborsNames, UmapParams};
use anndataoom_core::{Error, Result};
use extendr_api::prelude::*;
use ndarray::Array2;

/// A numeric R matrix as f32 rows.
fn points(a: &Args, name: &'static str) -> Result<Option<Array2<f32>>> {
    let Some(x) = a.get(name) else { return Ok(None) };
    match from_r(x, name, Place::Column)? {
        Value::Array(Array { shape, data }) if shape.len() == 2 => {
            let (n, d) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
            Array2::from_shape_vec((n, d), data.into_f32())
                .map(Some)
                .map_err(|e| Error::shape(name, format!("{n} x {d}"), e))
        }
        other => Err(Error::parameter(name, "a numeric matrix", other.encoding())),
    }
}

/// `embedding`, `n_neighbors`, `method`, `metric`, `random_state`, `key_added`, `use_rep`, `n_pcs`.
#[extendr]
fn rs_neighbors(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let embedding = points(a, "embedding")?.ok_or_else(|| Error::parameter("use_rep", "a matrix", "NULL"))?;
        let params = KnnParams {
            k: a.usize("n_neighbors")?,
            metric: a.str("metric")?.parse()?,
            method: a.str("method")?.parse()?,
            seed: a.u64("random_state")?,
            ..KnnParams::default()
        };
        let names = NeighborsNames {
            key_added: a.opt_str("key_added")?.map(str::to_owned),
            use_rep: a.opt_str("use_rep")?.map(str::to_owned),
            n_pcs: a.opt_usize("n_pcs")?,
        };
        let patch = run(a, |ctx| {
            let found = graph::knn(embedding.view(), &params, ctx)?;
            let connectivities = graph::fuzzy_simplicial_set(&found.knn, ctx)?;
            graph::neighbors_patch(&found, connectivities, &params, &names)
        })?;
        patch_to_r(&patch, notes)
    })
}

fn connectivities(a: &Args) -> Result<Value> {
    let x = a.get("graph").ok_or_else(|| Error::parameter("graph", "a sparse matrix", "NULL"))?;
    Ok(Value::Sparse(sparse(x, "connectivities")?))
}

/// `graph`, the parameters of `scanpy.tl.umap`, `start` (positions, or NULL), `key_added`.
#[extendr]
fn rs_umap(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let graph = connectivities(a)?;
        let init = match (points(a, "start")?, a.str("init_pos")?) {
            (Some(p), _) => Init::Given(p),
            (None, "random") => Init::Random,
            (None, _) => Init::Spectral,
        };
        let params = UmapParams {
            n_components: a.usize("n_components")?,
            min_dist: a.f64("min_dist")?,
            spread: a.f64("spread")?,
            n_epochs: a.opt_usize("maxiter")?,
            alpha: a.f64("alpha")?,
            gamma: a.f64("gamma")?,
            negative_sample_rate: a.usize("negative_sample_rate")?,
            a: a.opt_f64("a")?,
            b: a.opt_f64("b")?,
            init,
            seed: a.u64("random_state")?,
            ..UmapParams::default()
        };
        let key = a.opt_str("key_added")?;
        let found = run(a, |ctx| graph::umap(&graph::to_sprs(&graph)?, &params, ctx))?;
        for note in &found.notes {
            notes.warn("note", note.clone());
        }
        patch_to_r(&graph::umap_patch(&found, key), notes)
    })
}

/// `graph`, `resolution`, `random_state`, `n_iterations` (NULL until nothing improves), `use_weights`, `key_added`.
#[extendr]
fn rs_leiden(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let graph = connectivities(a)?;
        let params = LeidenParams {
            resolution: a.f64("resolution")?,
            n_iterations: a.opt_usize("n_iterations")?.map_or(-1, |n| n as i64),
            seed: a.u64("random_state")?,
            ..LeidenParams::default()
        };
        let (key, weights) = (a.str("key_added")?, a.bool("use_weights")?);
        let found = run(a, |ctx| {
            let mut graph = graph::to_sprs(&graph)?;
            if !weights {
                graph.data_mut().iter_mut().for_each(|w| *w = 1.0);
            }
            graph::leiden(&graph, &params, ctx)
        })?;
        patch_to_r(&graph::leiden_patch(&found, &params, key), notes)
    })
}

extendr_module! {
    mod graphs;
    fn rs_neighbors;
    fn rs_umap;
    fn rs_leiden;
}
