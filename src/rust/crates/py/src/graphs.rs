//! Verbs over an embedding and its graph.

use crate::buffer::{array, i32s};
use crate::errors::{to_py_err, unknown};
use crate::from_py::from_py;
use crate::run::run;
use crate::to_py::patch;

use anndataoom_core::graph::{
    self, Algorithm, Batches, Clustering, DendrogramNames, Init, KnnParams, LeidenParams, Metric, Mode, NeighborsNames,
    NeighborsParams, Restriction, UmapParams,
};
use anndataoom_core::{Error, Result};
use ndarray::Array2;
use pyo3::prelude::*;
use pyo3::types::PyDict;

type Patch<'py> = PyResult<Bound<'py, PyDict>>;
type Arr<'py> = Bound<'py, PyAny>;

/// A 2-D numeric array as f32 rows.
fn points(x: &Bound<'_, PyAny>, name: &str) -> PyResult<Array2<f32>> {
    let (shape, data) = array(x)?;
    let n = shape.first().copied().unwrap_or(0);
    let d = shape.get(1).copied().unwrap_or(0);
    Array2::from_shape_vec((n, d), data.into_f32()).map_err(|e| to_py_err(Error::shape(name, "a matrix", e)))
}

/// Codes without missing ones.
fn groups(codes: &Arr<'_>) -> PyResult<Vec<u32>> {
    // In place: both are of 4 bytes.
    Ok(i32s(codes)?.into_iter().map(|code| code as u32).collect())
}

#[pyfunction]
#[pyo3(signature = (embedding, *, n_neighbors, method, search, metric, recall, seed, key_added, use_rep, n_pcs, batch_key,
                    batches, batch_names, neighbors_within_batch, trim, knn, p))]
#[allow(clippy::too_many_arguments)]
fn neighbors<'py>(
    py: Python<'py>,
    embedding: &Bound<'py, PyAny>,
    n_neighbors: usize,
    method: &str,
    search: &str,
    metric: &str,
    recall: f64,
    seed: u64,
    key_added: Option<String>,
    use_rep: Option<String>,
    n_pcs: Option<usize>,
    batch_key: Option<String>,
    batches: Option<Arr<'py>>,
    batch_names: Vec<String>,
    neighbors_within_batch: usize,
    trim: Option<usize>,
    knn: bool,
    p: Option<f64>,
) -> Patch<'py> {
    let embedding = points(embedding, "use_rep")?;
    let batches = batches.map(|codes| {
        Ok::<_, PyErr>(Batches {
            codes: groups(&codes)?,
            n_batches: batch_names.len(),
            names: batch_names,
            neighbors_within_batch,
        })
    });
    let batches = batches.transpose()?;
    let parsed = || -> Result<NeighborsParams> {
        let (kernel, method) = NeighborsParams::methods(method, search)?;
        let search = KnnParams { k: n_neighbors, metric: Metric::named(metric, p)?, method, recall, seed };
        Ok(NeighborsParams { knn: search, kernel, batches, trim, knn_only: knn })
    };
    let params = parsed().map_err(to_py_err)?;
    let names = NeighborsNames { key_added, use_rep, n_pcs, batch_key };
    let found = run(py, |ctx| {
        let made = graph::neighbors(embedding.view(), &params, ctx)?;
        graph::neighbors_patch(made, &params, &names)
    })?;
    patch(py, found)
}

/// The patch to merge, and notes for the user.
#[pyfunction]
#[pyo3(signature = (graph, *, min_dist, spread, n_components, maxiter, alpha, gamma, negative_sample_rate, a, b, init,
                    start, seed, key_added, parallel))]
#[allow(clippy::too_many_arguments)]
fn umap<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyAny>,
    min_dist: f64,
    spread: f64,
    n_components: usize,
    maxiter: Option<usize>,
    alpha: f64,
    gamma: f64,
    negative_sample_rate: usize,
    a: Option<f64>,
    b: Option<f64>,
    init: &str,
    start: Option<Arr<'py>>,
    seed: u64,
    key_added: Option<String>,
    parallel: bool,
) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let value = from_py(graph)?;
    let init = match (init, start) {
        ("pca", Some(p)) => Init::Pca(points(&p, "X_pca")?),
        ("given", Some(p)) => Init::Given(points(&p, "init_pos")?),
        ("random", None) => Init::Random,
        ("spectral", None) => Init::Spectral,
        (other, _) => return Err(unknown("init_pos", "'spectral', 'pca', 'random' or positions", other)),
    };
    let params = UmapParams {
        n_components,
        min_dist,
        spread,
        n_epochs: maxiter,
        alpha,
        gamma,
        negative_sample_rate,
        a,
        b,
        init,
        mode: if parallel { Mode::Batch } else { Mode::Sequential },
        seed,
    };
    let found = run(py, |ctx| graph::umap(&graph::to_sprs(value)?, &params, ctx))?;
    let notes = found.notes.clone();
    Ok((patch(py, graph::umap_patch(&found, seed, key_added.as_deref()))?, notes))
}

/// `restrict` is the key, the codes (-1 for missing), the categories and those chosen.
#[pyfunction]
#[pyo3(signature = (graph, *, algorithm, resolution, objective_function, seed, n_iterations, use_weights, key_added,
                    restrict))]
#[allow(clippy::too_many_arguments)]
fn cluster<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyAny>,
    algorithm: &str,
    resolution: f64,
    objective_function: &str,
    seed: u64,
    n_iterations: i64,
    use_weights: bool,
    key_added: Option<String>,
    restrict: Option<(String, Arr<'py>, Vec<String>, Vec<String>)>,
) -> Patch<'py> {
    let value = from_py(graph)?;
    let objective = objective_function.parse().map_err(to_py_err)?;
    let restriction = restrict.map(|(key, codes, categories, chosen)| {
        Ok::<_, PyErr>(Restriction { key, codes: i32s(&codes)?, categories, chosen })
    });
    let job = Clustering {
        algorithm: match algorithm {
            "louvain" => Algorithm::Louvain,
            "leiden" => Algorithm::Leiden,
            other => return Err(unknown("algorithm", "'leiden' or 'louvain'", other)),
        },
        params: LeidenParams { resolution, objective, n_iterations, seed, ..LeidenParams::default() },
        use_weights,
        restriction: restriction.transpose()?,
        key_added,
    };
    patch(py, run(py, |ctx| graph::cluster(graph::to_sprs(value)?, &job, ctx))?)
}

#[pyfunction]
fn paga<'py>(
    py: Python<'py>,
    distances: &Bound<'py, PyAny>,
    codes: &Bound<'py, PyAny>,
    n_groups: usize,
    key: &str,
) -> Patch<'py> {
    let (value, groups) = (from_py(distances)?, groups(codes)?);
    let found = run(py, |ctx| graph::paga(&graph::to_sprs(value)?, &groups, n_groups, ctx))?;
    patch(py, graph::paga_patch(found, key))
}

#[pyfunction]
#[pyo3(signature = (embedding, codes, *, categories, groupby, use_rep, cor_method, linkage_method, key_added))]
#[allow(clippy::too_many_arguments)]
fn dendrogram<'py>(
    py: Python<'py>,
    embedding: &Bound<'py, PyAny>,
    codes: &Bound<'py, PyAny>,
    categories: Vec<String>,
    groupby: Vec<String>,
    use_rep: Option<String>,
    cor_method: &str,
    linkage_method: &str,
    key_added: Option<String>,
) -> Patch<'py> {
    let (embedding, groups) = (points(embedding, "use_rep")?, groups(codes)?);
    let names = DendrogramNames {
        groupby,
        categories,
        use_rep,
        correlation: cor_method.parse().map_err(to_py_err)?,
        linkage_method: linkage_method.parse().map_err(to_py_err)?,
        key_added,
    };
    let (correlation, linkage, n) = (names.correlation, names.linkage_method, names.categories.len());
    let found = run(py, |ctx| graph::dendrogram(embedding.view(), &groups, n, correlation, linkage, ctx))?;
    patch(py, graph::dendrogram_patch(&found, &names))
}

/// The patch to merge, and notes for the user.
#[pyfunction]
fn diffmap<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyAny>,
    n_comps: usize,
    seed: u64,
) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let value = from_py(graph)?;
    let found = run(py, |ctx| graph::diffmap(&graph::to_sprs(value)?, n_comps, seed, ctx))?;
    Ok((patch(py, graph::diffmap_patch(&found))?, found.notes))
}

#[pyfunction]
fn dpt<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyAny>,
    components: &Bound<'py, PyAny>,
    eigenvalues: Vec<f32>,
    n_dcs: usize,
    root: usize,
) -> Patch<'py> {
    let (value, components) = (from_py(graph)?, points(components, "X_diffmap")?);
    let time = run(py, |ctx| graph::dpt(&graph::to_sprs(value)?, components.view(), &eigenvalues, n_dcs, root, ctx))?;
    patch(py, graph::dpt_patch(time, root))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(neighbors, m)?)?;
    m.add_function(wrap_pyfunction!(umap, m)?)?;
    m.add_function(wrap_pyfunction!(cluster, m)?)?;
    m.add_function(wrap_pyfunction!(paga, m)?)?;
    m.add_function(wrap_pyfunction!(dendrogram, m)?)?;
    m.add_function(wrap_pyfunction!(diffmap, m)?)?;
    m.add_function(wrap_pyfunction!(dpt, m)?)
}
