//! Verbs that cluster the graph.

use super::call::{Call, Outcome};
use super::domain::{Kind, NOT_NEGATIVE};
use super::entry::{need, param, Param, Preset, Source, Verb, COPY, GRAPH, NEIGHBORS_KEY, RANDOM_STATE};
use crate::error::Result;
use crate::graph::{self, Algorithm, Clustering, LeidenParams, Objective, Restriction};
use crate::session::Session;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&LEIDEN, &LOUVAIN];

const RESOLUTION: Param = param("resolution", NOT_NEGATIVE, Preset::Number(1.0), "Higher gives more clusters.");
const RESTRICT_TO: Param = param(
    "restrict_to",
    Kind::List(&Kind::Text),
    Preset::Nothing,
    "A column of obs and some of its groups: only their cells are clustered.",
);
const ADJACENCY: Param =
    param("adjacency", Kind::Object("a sparse matrix"), Preset::Nothing, "The graph, instead of that of obsp.")
        .python();
const DIRECTED: Param =
    param("directed", Kind::Flag, Preset::Nothing, "Accepted and has no effect: the graph is undirected.").python();
const FLAVOR: Param = param("flavor", Kind::Text, Preset::Nothing, "Accepted and has no effect.").python();
const USE_WEIGHTS: Param =
    param("use_weights", Kind::Flag, Preset::Flag(true), "Whether the connectivities weigh the edges.");
const N_ITERATIONS: Param = param(
    "n_iterations",
    Kind::Either(&[Kind::Whole(1, 1_000_000), Kind::Whole(-1, -1)]),
    Preset::Whole(-1),
    "Iterations; -1 until nothing improves.",
);
const PARTITION_TYPE: Param =
    param("partition_type", Kind::Object("a class"), Preset::Nothing, "leidenalg's way to say objective_function.")
        .python();
const OBSP: Param = param("obsp", Kind::Text, Preset::Nothing, "Element of obsp to use as the graph.");

const fn key_added(name: &'static str) -> Param {
    param("key_added", Kind::Key, Preset::Text(name), "Column of obs for the clusters; gets _R with restrict_to.")
}

static LEIDEN: Verb = Verb {
    name: "leiden",
    label: "Leiden",
    params: &[
        RESOLUTION,
        RESTRICT_TO,
        RANDOM_STATE,
        key_added("leiden"),
        ADJACENCY,
        DIRECTED,
        USE_WEIGHTS,
        N_ITERATIONS,
        PARTITION_TYPE,
        NEIGHBORS_KEY,
        OBSP,
        COPY,
        FLAVOR,
        param(
            "objective_function",
            Kind::Choice(&["modularity", "CPM"]),
            Preset::Text("modularity"),
            "What is maximised.",
        ),
    ],
    needs: &[GRAPH, need("restrict_to", Source::Chosen)],
    gives: &["obs/{key_added}", "uns/{key_added}"],
    run: |call, session| {
        let objective = call.args.text("objective_function")?.parse()?;
        clustered(call, Algorithm::Leiden, objective, session)
    },
    room: None,
};

static LOUVAIN: Verb = Verb {
    name: "louvain",
    label: "Louvain",
    params: &[
        param("resolution", NOT_NEGATIVE, Preset::Object, "Higher gives more clusters; 1 without it."),
        RANDOM_STATE,
        RESTRICT_TO,
        key_added("louvain"),
        ADJACENCY,
        param("flavor", Kind::Text, Preset::Object, "Accepted and has no effect.").python(),
        param("directed", Kind::Flag, Preset::Flag(true), "Accepted and has no effect.").python(),
        USE_WEIGHTS,
        N_ITERATIONS.r(),
        PARTITION_TYPE,
        param("partition_kwargs", Kind::Object("a dict"), Preset::Object, "Not supported.").python(),
        NEIGHBORS_KEY,
        OBSP,
        COPY,
    ],
    needs: &[GRAPH, need("restrict_to", Source::Chosen)],
    gives: &["obs/{key_added}", "uns/{key_added}"],
    run: |call, session| clustered(call, Algorithm::Louvain, Objective::Modularity, session),
    room: None,
};

fn clustered(call: &mut Call<'_>, algorithm: Algorithm, objective: Objective, session: &Session) -> Result<Outcome> {
    let graph = call.origin(session)?;
    // The first text is the column, the others are the groups chosen.
    let restriction = call.opt_groups("restrict_to").map(|groups| {
        let mut named = call.args.texts("restrict_to")?.into_iter();
        let key = named.next().unwrap_or_default();
        Ok(Restriction { key, codes: groups.codes, categories: groups.names, chosen: named.collect() })
    });
    let args = &call.args;
    let job = Clustering {
        algorithm,
        params: LeidenParams {
            resolution: args.opt_number("resolution")?.unwrap_or(1.0),
            objective,
            n_iterations: args.whole("n_iterations")?,
            seed: args.seed()?,
            ..LeidenParams::default()
        },
        use_weights: args.flag("use_weights")?,
        restriction: restriction.transpose()?,
        key_added: args.opt_text("key_added")?.map(str::to_owned),
    };
    Ok(Outcome { patch: graph::cluster_of(graph, &job, session)?, ..Outcome::default() })
}
