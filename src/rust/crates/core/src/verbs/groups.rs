//! Verbs about groups of cells: their abstracted graph and their dendrogram.

use super::call::Outcome;
use super::domain::{Kind, COUNT};
use super::entry::{need, param, Preset, Source, Verb, COPY, EMBEDDING, INPLACE, NEIGHBORS_KEY};
use crate::graph::{self, DendrogramNames};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&PAGA, &DENDROGRAM];

const CORRELATIONS: Kind = Kind::Choice(&["pearson", "spearman", "kendall"]);
const LINKAGES: Kind = Kind::Choice(&["complete", "average", "single", "weighted", "centroid", "median", "ward"]);

static PAGA: Verb = Verb {
    name: "paga",
    label: "PAGA",
    params: &[
        param(
            "groups",
            Kind::Text,
            Preset::Nothing,
            "Column of obs with the groups; leiden, else louvain, without it.",
        ),
        param("use_rna_velocity", Kind::Flag, Preset::Flag(false), "Not supported.").python(),
        param("model", Kind::Text, Preset::Text("v1.2"), "Only \"v1.2\".").python(),
        NEIGHBORS_KEY,
        COPY,
    ],
    needs: &[need("graph", Source::Distances), need("groups", Source::Groups)],
    gives: &["uns/paga", "uns/{groups}_sizes"],
    run: |call, session| {
        let (graph, groups) = (call.graph(session)?, call.groups("groups")?);
        let found = graph::paga(&graph, &groups.complete()?, groups.names.len(), session)?;
        Ok(Outcome { patch: graph::paga_patch(found, call.args.text("groups")?), ..Outcome::default() })
    },
    room: None,
};

static DENDROGRAM: Verb = Verb {
    name: "dendrogram",
    label: "dendrogram",
    params: &[
        param("groupby", Kind::List(&Kind::Text), Preset::Required, "Column of obs with the groups, or several."),
        param("n_pcs", COUNT, Preset::Nothing, "Columns of the embedding to use."),
        param("use_rep", Kind::Text, Preset::Nothing, "Element of obsm to use; X_pca without it."),
        param("var_names", Kind::List(&Kind::Text), Preset::Nothing, "Genes to use instead of an embedding."),
        param(
            "use_raw",
            Kind::Flag,
            Preset::Nothing,
            "Whether var_names are looked up in raw; where there is one, without it.",
        ),
        param("cor_method", CORRELATIONS, Preset::Text("pearson"), "Correlation of groups."),
        param("linkage_method", LINKAGES, Preset::Text("complete"), "Distance of clusters of groups."),
        param("optimal_ordering", Kind::Flag, Preset::Flag(false), "Not supported.").python(),
        param("key_added", Kind::Key, Preset::Nothing, "Key of uns instead of dendrogram_<groupby>."),
        INPLACE,
    ],
    needs: &[EMBEDDING, need("groupby", Source::Groups)],
    gives: &["uns/dendrogram_{groupby}", "uns/{key_added}"],
    run: |call, session| {
        let (points, groups) = (call.points("embedding", session)?, call.groups("groupby")?);
        let args = &call.args;
        let names = DendrogramNames {
            groupby: args.texts("groupby")?,
            use_rep: args.opt_text("use_rep")?.map(str::to_owned),
            correlation: args.text("cor_method")?.parse()?,
            linkage_method: args.text("linkage_method")?.parse()?,
            key_added: args.opt_text("key_added")?.map(str::to_owned),
            categories: groups.names.clone(),
        };
        let (codes, n) = (groups.complete()?, groups.names.len());
        let found = graph::dendrogram(points.view(), &codes, n, names.correlation, names.linkage_method, session)?;
        Ok(Outcome { patch: graph::dendrogram_patch(&found, &names), ..Outcome::default() })
    },
    room: None,
};
