//! The verb that finds neighbours and makes their graph.

use super::call::Outcome;
use super::domain::{Bound, Kind, COUNT, COUNT_OR_0, SHARE_ABOVE_0};
use super::entry::{need, param, Preset, Source, Verb, COPY, EMBEDDING, RANDOM_STATE};
use crate::graph::{self, Batches, KnnParams, Metric, NeighborsNames, NeighborsParams};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&NEIGHBORS];

const METHODS: Kind = Kind::Choice(&["umap", "gauss", "auto", "exact", "ivf", "hnsw"]);
const SEARCHES: Kind = Kind::Choice(&["auto", "exact", "ivf", "hnsw"]);
/// scikit-learn's names of distances.
pub(super) const METRICS: Kind = Kind::Choice(&[
    "euclidean",
    "l2",
    "cosine",
    "correlation",
    "inner_product",
    "dot",
    "sqeuclidean",
    "manhattan",
    "cityblock",
    "l1",
    "chebyshev",
    "minkowski",
    "canberra",
    "braycurtis",
    "hamming",
    "seuclidean",
    "mahalanobis",
    "jaccard",
    "dice",
    "rogerstanimoto",
    "sokalmichener",
    "russellrao",
    "sokalsneath",
    "yule",
]);
/// The power of Minkowski's distance.
const POWER: Kind = Kind::Number(Bound::To(1.0), Bound::Short(f64::INFINITY));

static NEIGHBORS: Verb = Verb {
    name: "neighbors",
    label: "neighbours",
    params: &[
        param("n_neighbors", COUNT, Preset::Whole(15), "Neighbours of a cell, itself counted."),
        param("n_pcs", COUNT_OR_0, Preset::Nothing, "Columns of the embedding to use; 0 is X itself in Python."),
        param("use_rep", Kind::Text, Preset::Nothing, "Element of obsm to use; X_pca without it."),
        param("knn", Kind::Flag, Preset::Flag(true), "Whether only the nearest cells are linked."),
        param("method", METHODS, Preset::Text("umap"), "How distances become weights."),
        param("transformer", Kind::Object("a name"), Preset::Nothing, "Only \"sklearn\": exact search.").python(),
        param("metric", METRICS, Preset::Text("euclidean"), "How far cells are from each other."),
        param("metric_kwds", POWER, Preset::Object, "The power p of minkowski, which a face takes out of it."),
        RANDOM_STATE,
        param("key_added", Kind::Key, Preset::Nothing, "Name of the results."),
        COPY,
        param("search", SEARCHES, Preset::Text("auto"), "How neighbours are found."),
        param("recall", SHARE_ABOVE_0, Preset::Number(0.99), "Share of the true neighbours ivf must find."),
        param("batch_key", Kind::Text, Preset::Nothing, "Column of obs: neighbours come from each batch."),
        param("neighbors_within_batch", COUNT, Preset::Whole(3), "Neighbours from each batch."),
        param("trim", COUNT_OR_0, Preset::Nothing, "With batch_key, how many links of a cell stay; 0 is all."),
    ],
    needs: &[EMBEDDING, need("batch_key", Source::Groups)],
    gives: &[
        "obsp/distances",
        "obsp/connectivities",
        "uns/neighbors",
        "obsp/{key_added}_distances",
        "obsp/{key_added}_connectivities",
        "uns/{key_added}",
    ],
    run: |call, session| {
        let (points, batches) = (call.points("embedding", session)?, call.opt_groups("batch_key"));
        let args = &call.args;
        let (kernel, method) = NeighborsParams::methods(args.text("method")?, args.text("search")?)?;
        let knn = KnnParams {
            k: args.count("n_neighbors")?,
            metric: Metric::named(args.text("metric")?, args.opt_number("metric_kwds")?)?,
            method,
            recall: args.number("recall")?,
            seed: args.seed()?,
        };
        let neighbors_within_batch = args.count("neighbors_within_batch")?;
        let batches = batches.map(|groups| {
            let codes = groups.complete()?;
            Ok(Batches { codes, n_batches: groups.names.len(), names: groups.names, neighbors_within_batch })
        });
        let (trim, knn_only) = (args.opt_count("trim")?, args.flag("knn")?);
        let params = NeighborsParams { knn, kernel, batches: batches.transpose()?, trim, knn_only };
        let text = |name| Ok(args.opt_text(name)?.map(str::to_owned));
        let names = NeighborsNames {
            key_added: text("key_added")?,
            use_rep: text("use_rep")?,
            n_pcs: args.opt_count("n_pcs")?,
            batch_key: text("batch_key")?,
        };
        let made = graph::neighbors_of(points, &params, session)?;
        Ok(Outcome { patch: graph::neighbors_patch(made, &params, &names, session)?, ..Outcome::default() })
    },
    room: None,
};
