//! Verbs over an embedding and its graph.

use crate::args::Args;
use crate::from_r::{float32_in_place, from_r, sparse, Place};
use crate::reply::reply;
use crate::run::run;
use crate::to_r::{patch_by_columns, patch_to_r};
use anndataoom_core::element::{Array, Value};
use anndataoom_core::graph::{
    self, Algorithm, Batches, Clustering, DendrogramNames, Init, KnnParams, LeidenParams, Metric, Mode, NeighborsNames,
    NeighborsParams, Restriction, UmapParams,
};
use anndataoom_core::{Error, Result};
use extendr_api::prelude::*;
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

/// A numeric R matrix as f32 rows; one that R keeps as float32 is read where it lies.
fn points<'a>(a: &'a Args, name: &'static str) -> Result<Option<CowArray<'a, f32, Ix2>>> {
    let Some(x) = a.get(name) else { return Ok(None) };
    if let Some((values, n, d)) = float32_in_place(x) {
        let view = ArrayView2::from_shape((n, d), values).map_err(|e| Error::shape(name, format!("{n} x {d}"), e))?;
        return Ok(Some(view.into()));
    }
    match from_r(x, name, Place::Column)? {
        Value::Array(Array { shape, data }) if shape.len() == 2 => {
            let (n, d) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
            Array2::from_shape_vec((n, d), data.into_f32())
                .map(|points| Some(points.into()))
                .map_err(|e| Error::shape(name, format!("{n} x {d}"), e))
        }
        other => Err(Error::parameter(name, "a numeric matrix", other.encoding())),
    }
}

/// Codes from 1, NA for missing, as codes from 0.
fn codes(a: &Args, name: &'static str) -> Result<Vec<i32>> {
    let codes = a.opt_doubles(name)?.ok_or_else(|| Error::parameter(name, "a factor", "NULL"))?;
    Ok(codes.into_iter().map(|code| if code.is_nan() { -1 } else { code as i32 - 1 }).collect())
}

/// `embedding`, `n_neighbors`, `method`, `search`, `metric`, `recall`, `random_state`, `key_added`, `use_rep`, `n_pcs`;
/// `knn`, `p` (of Minkowski, optional); `batches` (positions from 1) with `batch_names`, `batch_key`, `neighbors_within_batch`, `trim`.
#[extendr]
fn rs_neighbors(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let embedding = points(a, "embedding")?.ok_or_else(|| Error::parameter("use_rep", "a matrix", "NULL"))?;
        let (kernel, method) = NeighborsParams::methods(a.str("method")?, a.str("search")?)?;
        let knn = KnnParams {
            k: a.usize("n_neighbors")?,
            metric: Metric::named(a.str("metric")?, a.opt_f64("p")?)?,
            method,
            recall: a.f64("recall")?,
            seed: a.u64("random_state")?,
        };
        let batches = match a.opt_positions("batches")? {
            None => None,
            Some(codes) => {
                let names = a.opt_strings("batch_names")?.unwrap_or_default();
                let neighbors_within_batch = a.usize("neighbors_within_batch")?;
                Some(Batches { codes, n_batches: names.len(), names, neighbors_within_batch })
            }
        };
        let params = NeighborsParams { knn, kernel, batches, trim: a.opt_usize("trim")?, knn_only: a.bool("knn")? };
        let names = NeighborsNames {
            key_added: a.opt_str("key_added")?.map(str::to_owned),
            use_rep: a.opt_str("use_rep")?.map(str::to_owned),
            n_pcs: a.opt_usize("n_pcs")?,
            batch_key: a.opt_str("batch_key")?.map(str::to_owned),
        };
        let patch = run(a, |ctx| {
            let made = graph::neighbors(embedding.view(), &params, ctx)?;
            patch_by_columns(graph::neighbors_patch(made, &params, &names)?, &ctx.monitor)
        })?;
        patch_to_r(patch, notes)
    })
}

fn connectivities(a: &Args) -> Result<Value> {
    let x = a.get("graph").ok_or_else(|| Error::parameter("graph", "a sparse matrix", "NULL"))?;
    Ok(Value::Sparse(sparse(x, "connectivities")?))
}

/// `graph`, the parameters of `scanpy.tl.umap`, `start` (positions, or NULL), `parallel`, `key_added`.
#[extendr]
fn rs_umap(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let graph = connectivities(a)?;
        let init = match (a.str("init_pos")?, points(a, "start")?) {
            ("pca", Some(p)) => Init::Pca(p.into_owned()),
            ("given", Some(p)) => Init::Given(p.into_owned()),
            ("random", None) => Init::Random,
            ("spectral", None) => Init::Spectral,
            (other, _) => return Err(Error::parameter("init_pos", "spectral, pca, random or positions", other)),
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
            mode: if a.bool("parallel")? { Mode::Batch } else { Mode::Sequential },
            seed: a.u64("random_state")?,
        };
        let key = a.opt_str("key_added")?;
        let found = run(a, |ctx| graph::umap(&graph::to_sprs(graph)?, &params, ctx))?;
        for note in &found.notes {
            notes.warn("note", note.clone());
        }
        patch_to_r(graph::umap_patch(&found, params.seed, key), notes)
    })
}

/// `graph`, `algorithm`, `resolution`, `objective_function`, `random_state`, `n_iterations` (NULL until nothing
/// improves), `use_weights`, `key_added`; `restrict_key`, `restrict_codes`, `restrict_names`, `restrict_to`.
#[extendr]
fn rs_cluster(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let graph = connectivities(a)?;
        let params = LeidenParams {
            resolution: a.f64("resolution")?,
            objective: a.str("objective_function")?.parse()?,
            n_iterations: a.opt_usize("n_iterations")?.map_or(-1, |n| n as i64),
            seed: a.u64("random_state")?,
            ..LeidenParams::default()
        };
        let restriction = match a.opt_str("restrict_key")? {
            None => None,
            Some(key) => Some(Restriction {
                key: key.to_owned(),
                codes: codes(a, "restrict_codes")?,
                categories: a.opt_strings("restrict_names")?.unwrap_or_default(),
                chosen: a.opt_strings("restrict_to")?.unwrap_or_default(),
            }),
        };
        let job = Clustering {
            algorithm: match a.str("algorithm")? {
                "leiden" => Algorithm::Leiden,
                "louvain" => Algorithm::Louvain,
                other => return Err(Error::parameter("algorithm", "leiden or louvain", other)),
            },
            params,
            use_weights: a.bool("use_weights")?,
            restriction,
            key_added: a.opt_str("key_added")?.map(str::to_owned),
        };
        let patch = run(a, |ctx| graph::cluster(graph::to_sprs(graph)?, &job, ctx))?;
        patch_to_r(patch, notes)
    })
}

/// A factor without NA, as numbers from 0.
fn groups(a: &Args) -> Result<Vec<u32>> {
    a.opt_positions("groups")?.ok_or_else(|| Error::parameter("groups", "a factor without NA", "NULL"))
}

/// `graph` (distances), `groups` (positions from 1), `n_groups`, `groups_key`.
#[extendr]
fn rs_paga(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let distances = connectivities(a)?;
        let (groups, n_groups, key) = (groups(a)?, a.usize("n_groups")?, a.str("groups_key")?);
        let found = run(a, |ctx| graph::paga(&graph::to_sprs(distances)?, &groups, n_groups, ctx))?;
        patch_to_r(graph::paga_patch(found, key), notes)
    })
}

/// `embedding`, `groups` (positions from 1), `categories`, `groupby`, `cor_method`, `linkage_method`, `use_rep`,
/// `key_added`.
#[extendr]
fn rs_dendrogram(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let embedding = points(a, "embedding")?.ok_or_else(|| Error::parameter("use_rep", "a matrix", "NULL"))?;
        let names = DendrogramNames {
            groupby: a.opt_strings("groupby")?.unwrap_or_default(),
            categories: a.opt_strings("categories")?.unwrap_or_default(),
            use_rep: a.opt_str("use_rep")?.map(str::to_owned),
            correlation: a.str("cor_method")?.parse()?,
            linkage_method: a.str("linkage_method")?.parse()?,
            key_added: a.opt_str("key_added")?.map(str::to_owned),
        };
        let (groups, n) = (groups(a)?, names.categories.len());
        let found = run(a, |ctx| {
            graph::dendrogram(embedding.view(), &groups, n, names.correlation, names.linkage_method, ctx)
        })?;
        patch_to_r(graph::dendrogram_patch(&found, &names), notes)
    })
}

/// `graph`, `n_comps`, `random_state`.
#[extendr]
fn rs_diffmap(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let (graph, n_comps, seed) = (connectivities(a)?, a.usize("n_comps")?, a.u64("random_state")?);
        let found = run(a, |ctx| graph::diffmap(&graph::to_sprs(graph)?, n_comps, seed, ctx))?;
        found.notes.iter().for_each(|note| notes.warn("note", note.clone()));
        patch_to_r(graph::diffmap_patch(&found), notes)
    })
}

/// `graph`, `components`, `eigenvalues`, `n_dcs`, `root` (from 0).
#[extendr]
fn rs_dpt(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let graph = connectivities(a)?;
        let components = points(a, "components")?.ok_or_else(|| Error::parameter("X_diffmap", "a matrix", "NULL"))?;
        let eigenvalues = a.opt_doubles("eigenvalues")?.unwrap_or_default();
        let eigenvalues: Vec<f32> = eigenvalues.into_iter().map(|v| v as f32).collect();
        let (n_dcs, root) = (a.usize("n_dcs")?, a.usize("root")?);
        let time =
            run(a, |ctx| graph::dpt(&graph::to_sprs(graph)?, components.view(), &eigenvalues, n_dcs, root, ctx))?;
        patch_to_r(graph::dpt_patch(time, root), notes)
    })
}

extendr_module! {
    mod graphs;
    fn rs_neighbors;
    fn rs_umap;
    fn rs_cluster;
    fn rs_paga;
    fn rs_dendrogram;
    fn rs_diffmap;
    fn rs_dpt;
}
