//! Layouts of the graph: UMAP, diffusion maps and the pseudotime along them.

use super::call::Outcome;
use super::domain::{Kind, COUNT, NOT_NEGATIVE, POSITIVE, SHARE};
use super::entry::{need, param, Preset, Source, Verb, COPY, GRAPH, NEIGHBORS_KEY, RANDOM_STATE};
use crate::error::Error;
use crate::given::Given;
use crate::graph::{self, Init, Mode, UmapParams};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&UMAP, &DIFFMAP, &DPT];

/// More dimensions than anybody lays a graph out in: what bounds memory where the cells do not.
const DIMENSIONS: Kind = Kind::Whole(1, 1000);
const EPOCHS: Kind = Kind::Whole(0, 1_000_000);
/// An epoch takes time in proportion to it.
const NEGATIVE_SAMPLES: Kind = Kind::Whole(0, 1000);
const START: Kind = Kind::Either(&[Kind::Text, Kind::Object("a matrix of positions")]);

static UMAP: Verb = Verb {
    name: "umap",
    label: "UMAP",
    params: &[
        param("min_dist", NOT_NEGATIVE, Preset::Number(0.5), "Least distance of points, up to spread."),
        param("spread", POSITIVE, Preset::Number(1.0), "Scale of the embedding."),
        param("n_components", DIMENSIONS, Preset::Whole(2), "Dimensions of the embedding."),
        param("maxiter", EPOCHS, Preset::Nothing, "Epochs; 500 up to 10,000 cells and 200 above without it."),
        param("alpha", POSITIVE, Preset::Number(1.0), "Initial learning rate."),
        param("gamma", NOT_NEGATIVE, Preset::Number(1.0), "Weight of negative samples."),
        param("negative_sample_rate", NEGATIVE_SAMPLES, Preset::Whole(5), "Negative samples per positive one."),
        param(
            "init_pos",
            START,
            Preset::Text("spectral"),
            "Start: spectral, pca, random, an element of obsm, a matrix.",
        ),
        RANDOM_STATE,
        param("a", POSITIVE, Preset::Nothing, "Parameter of the curve, from min_dist and spread without it."),
        param("b", POSITIVE, Preset::Nothing, "See a."),
        param("method", Kind::Choice(&["umap"]), Preset::Text("umap"), "Only \"umap\".").python(),
        param("key_added", Kind::Key, Preset::Nothing, "Key in obsm and uns instead of X_umap and umap."),
        param("neighbors_key", Kind::Text, Preset::Object, "Name given to neighbors as key_added."),
        COPY,
        param("parallel", Kind::Flag, Preset::Flag(true), "Whether all points move at once, on all threads."),
    ],
    needs: &[GRAPH, need("init_pos", Source::Start)],
    gives: &["obsm/X_umap", "uns/umap", "obsm/{key_added}", "uns/{key_added}"],
    run: |call, session| {
        let (graph, start) = (call.graph()?, call.opt_points("init_pos"));
        let args = &call.args;
        let init = match (args.word("init_pos")?, start) {
            (Some("pca"), Some(p)) => Init::Pca(p.into_owned()),
            (_, Some(p)) => Init::Given(p.into_owned()),
            (Some("random"), None) => Init::Random,
            (Some("spectral"), None) => Init::Spectral,
            (word, None) => {
                let expected = "'spectral', 'pca', 'random', the name of an element of obsm, or a matrix of positions";
                let found = word.map_or(Given::Nothing, |word| Given::Text(word.to_owned()));
                return Err(args.refuse("init_pos", expected, found));
            }
        };
        let params = UmapParams {
            n_components: args.count("n_components")?,
            min_dist: args.number("min_dist")?,
            spread: args.number("spread")?,
            n_epochs: args.opt_count("maxiter")?,
            alpha: args.number("alpha")?,
            gamma: args.number("gamma")?,
            negative_sample_rate: args.count("negative_sample_rate")?,
            a: args.opt_number("a")?,
            b: args.opt_number("b")?,
            init,
            mode: if args.flag("parallel")? { Mode::Batch } else { Mode::Sequential },
            seed: args.seed()?,
        };
        let found = graph::umap(&graph::to_sprs(graph)?, &params, session)?;
        let patch = graph::umap_patch(&found, params.seed, args.opt_text("key_added")?);
        Ok(Outcome { patch, notes: notes(found.notes), ..Outcome::default() })
    },
    room: None,
};

fn notes(sentences: Vec<String>) -> Vec<(&'static str, String)> {
    sentences.into_iter().map(|sentence| ("note", sentence)).collect()
}

static DIFFMAP: Verb = Verb {
    name: "diffmap",
    label: "diffusion map",
    params: &[
        param(
            "n_comps",
            Kind::Whole(3, u32::MAX as i64),
            Preset::Whole(15),
            "Components, the stationary state counted.",
        ),
        NEIGHBORS_KEY,
        RANDOM_STATE,
        COPY,
    ],
    needs: &[GRAPH],
    gives: &["obsm/X_diffmap", "uns/diffmap_evals"],
    run: |call, session| {
        let graph = graph::to_sprs(call.graph()?)?;
        let found = graph::diffmap(&graph, call.args.count("n_comps")?, call.args.seed()?, session)?;
        Ok(Outcome { patch: graph::diffmap_patch(&found), notes: notes(found.notes), ..Outcome::default() })
    },
    room: None,
};

static DPT: Verb = Verb {
    name: "dpt",
    label: "pseudotime",
    params: &[
        param("n_dcs", COUNT, Preset::Whole(10), "Diffusion components to use."),
        param("n_branchings", Kind::Whole(0, 0), Preset::Whole(0), "Only 0: paga finds branchings.").python(),
        param("min_group_size", SHARE, Preset::Number(0.01), "Accepted and has no effect.").python(),
        param("allow_kendall_tau_shift", Kind::Flag, Preset::Flag(true), "Accepted and has no effect.").python(),
        param("root", Kind::Object("a cell"), Preset::Nothing, "The root cell; uns' iroot without it.").r(),
        NEIGHBORS_KEY,
        COPY,
    ],
    needs: &[GRAPH, need("X_diffmap", Source::Obsm), need("diffmap_evals", Source::Uns), need("root", Source::Root)],
    gives: &["obs/dpt_pseudotime", "uns/iroot"],
    run: |call, session| {
        let graph = graph::to_sprs(call.graph()?)?;
        let components = call.points("X_diffmap")?;
        let values: Vec<f32> = call.numbers("diffmap_evals").unwrap_or_default().iter().map(|&v| v as f32).collect();
        let root = call.numbers("root").and_then(|v| v.first().copied()).unwrap_or(f64::NAN);
        if !(root >= 0.0 && root.fract() == 0.0) {
            return Err(call.args.refuse("the root", "the number of a cell, from 0", Given::Number(root)));
        }
        if root >= graph.rows() as f64 {
            return Err(Error::Index { axis: "obs", index: root as i64, len: graph.rows() });
        }
        let (n_dcs, root) = (call.args.count("n_dcs")?, root as usize);
        let time = graph::dpt(&graph, components.view(), &values, n_dcs, root, session)?;
        Ok(Outcome { patch: graph::dpt_patch(time, root), ..Outcome::default() })
    },
    room: None,
};
