//! Verbs that give labels and coordinates of a reference to the cells of a query.

use super::call::{Call, Outcome};
use super::domain::Kind;
use super::entry::{need, param, Need, Param, Preset, Source, Verb, INPLACE, RANDOM_STATE};
use crate::element::{Categorical, Value};
use crate::error::{Error, Result};
use crate::graph::{self, Metric, Votes};
use crate::ops::{self, Components};
use crate::patch::Patch;
use crate::session::Session;
use ndarray::{Array2, ArrayView2};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&INGEST, &TRANSFER_LABELS];

const REFERENCE: Param =
    param("adata_ref", Kind::Opaque("an object with neighbours"), Preset::Required, "The reference.");
const EMBEDDINGS: Kind = Kind::List(&Kind::Choice(&["umap", "pca"]));
const NEIGHBORS: Param =
    param("neighbors_key", Kind::Text, Preset::Nothing, "Name given to neighbors of the reference as key_added.");

/// The parts of query and reference that the verbs need.
const NEEDS: &[Need] = &[
    need("matrix", Source::Reference),
    need("reference", Source::Reference),
    need("loadings", Source::Reference),
    need("rep", Source::Reference),
    need("own", Source::Reference),
    need("layout", Source::Reference),
    need("labels", Source::Reference),
    need("numbers", Source::Reference),
    need("metric", Source::Reference),
];

static INGEST: Verb = Verb {
    name: "ingest",
    label: "cells into a reference",
    params: &[
        REFERENCE,
        param("obs", Kind::List(&Kind::Text), Preset::Nothing, "Columns of the reference's obs to vote for."),
        param("embedding_method", EMBEDDINGS, Preset::Object, "Embeddings of the reference to place cells in."),
        param("labeling_method", Kind::Choice(&["knn"]), Preset::Text("knn"), "Only \"knn\": the nearest vote."),
        NEIGHBORS,
        INPLACE,
        RANDOM_STATE,
    ],
    needs: NEEDS,
    gives: &["obsm/X_pca", "obsm/X_umap", "obs/{obs}", "obs/{obs}_confidence"],
    run: |call, session| {
        let embeddings = call.args.texts("embedding_method")?;
        let wants = |name: &str| embeddings.iter().any(|e| e == name);
        let seed = call.args.seed()?;
        run(call, Wanted { pca: wants("pca"), umap: wants("umap"), votes: Votes::Equal, seed }, session)
    },
    room: None,
};

static TRANSFER_LABELS: Verb = Verb {
    name: "transfer_labels",
    label: "labels of a reference",
    params: &[
        REFERENCE,
        param("obs", Kind::List(&Kind::Text), Preset::Required, "Columns of the reference's obs to vote for."),
        param(
            "weights",
            Kind::Choice(&["distance", "uniform"]),
            Preset::Text("distance"),
            "Whether near neighbours count more.",
        ),
        NEIGHBORS,
        INPLACE,
    ],
    needs: NEEDS,
    gives: &["obs/{obs}", "obs/{obs}_confidence"],
    run: |call, session| {
        let votes = if call.args.text("weights")? == "distance" { Votes::ByDistance } else { Votes::Equal };
        run(call, Wanted { pca: false, umap: false, votes, seed: 0 }, session)
    },
    room: None,
};

struct Wanted {
    pca: bool,
    umap: bool,
    votes: Votes,
    seed: u64,
}

fn run(call: &mut Call<'_>, wanted: Wanted, session: &Session) -> Result<Outcome> {
    let mut out = Outcome::default();
    let internal = |e: ndarray::ShapeError| Error::Internal(e.to_string());
    let labels = call.opt_factors("labels");
    let (rep, own, layout) =
        (call.points("rep", session)?, call.opt_points("own", session)?, call.opt_points("layout", session)?);
    let numbers = call.numbers("numbers").unwrap_or_default();
    let &[n_neighbors, zero_center, a, b] = &numbers[..] else {
        return Err(Error::Internal("the numbers of a reference".to_owned()));
    };
    let metric = Metric::named(&call.names("metric")?.iter().collect::<String>(), None)?;
    let searched = wanted.umap || !labels.is_empty();
    let mut coordinates = None;
    if let Some(loadings) = call.opt_points("loadings", session)?.filter(|_| wanted.pca || (searched && own.is_none()))
    {
        let (x, reference) = (call.matrix()?, call.matrix_of("reference")?);
        let n = x.shape().0;
        let k = loadings.ncols();
        let loadings: Vec<f64> = loadings.iter().map(|&v| f64::from(v)).collect();
        let by = Components { reference: &reference, loadings: &loadings, zero_center: zero_center != 0.0 };
        let (found, scaled) = ops::project(&x, &by, session)?;
        if scaled {
            let text = "ingest: the reference is scaled and the query is not: it is scaled by the reference's means and deviations";
            out.notes.push(("note", text.to_owned()));
        }
        coordinates = Some(Array2::from_shape_vec((n, k), found).map_err(internal)?);
    }
    let across = match (searched, &own, &coordinates) {
        (false, ..) => None,
        (true, Some(own), _) => Some(own.view()),
        (true, None, Some(all)) => {
            // The neighbours of the reference may have been found on its first components alone.
            Some(all.slice(ndarray::s![.., ..rep.ncols().min(all.ncols())]))
        }
        (true, None, None) => return Err(Error::Internal("no coordinates of the query".to_owned())),
    };
    let across: Option<ArrayView2<'_, f32>> = across;
    let across = across
        .map(|query| graph::neighbors_across(query, rep.view(), n_neighbors as usize, metric, session))
        .transpose()?;
    let mut patch = Patch::default();
    if let Some(across) = &across {
        for (name, groups) in labels {
            let (codes, confidence) = across.vote(&groups.codes, groups.names.len(), wanted.votes, session)?;
            let categories = Box::new(Value::strings(&groups.names));
            let column = Value::Categorical(Categorical { codes, categories, ordered: false });
            patch.obs.push((name.clone(), column));
            patch.obs.push((format!("{name}_confidence"), Value::vector(confidence)));
        }
        if let Some(layout) = layout.filter(|_| wanted.umap) {
            let places = across.place(layout.view(), (a, b), wanted.seed, session)?;
            let (n, dim) = places.dim();
            patch.obsm.push(("X_umap".to_owned(), Value::matrix(n, dim, places.into_raw_vec_and_offset().0)));
        }
    }
    if let Some(all) = coordinates.filter(|_| wanted.pca) {
        let (n, k) = all.dim();
        patch.obsm.push(("X_pca".to_owned(), Value::matrix(n, k, all.into_raw_vec_and_offset().0)));
    }
    out.patch = patch;
    Ok(out)
}
