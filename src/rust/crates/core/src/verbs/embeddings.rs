//! Verbs that lay the graph out: UMAP, diffusion maps, the pseudotime along them, and densities of
//! embeddings.

use super::call::Outcome;
use super::domain::{Kind, COUNT, NOT_NEGATIVE, POSITIVE, SHARE};
use super::entry::{need, param, Preset, Source, Verb, COPY, GRAPH, NEIGHBORS_KEY, RANDOM_STATE};
use crate::element::Value;
use crate::error::Error;
use crate::given::Given;
use crate::graph::{self, Init, Mode, UmapParams};
use crate::patch::Patch;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&UMAP, &DIFFMAP, &DPT, &EMBEDDING_DENSITY];

/// The number of dimensions. The upper bound is beyond any use and limits the memory where the
/// cells do not.
const DIMENSIONS: Kind = Kind::Whole(1, 1000);
const EPOCHS: Kind = Kind::Whole(0, 1_000_000);
/// The number of negative samples. It is bounded because the time of an epoch is proportional to
/// it.
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
        let (graph, start) = (call.origin(session)?, call.opt_points("init_pos", session)?);
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
        let found = graph::umap_of(graph, &params, session)?;
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
        let graph = call.graph(session)?;
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
        let graph = call.graph(session)?;
        let components = call.points("X_diffmap", session)?;
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

const COMPONENTS: Kind = Kind::Either(&[Kind::List(&COUNT), Kind::List(&Kind::Text)]);

static EMBEDDING_DENSITY: Verb = Verb {
    name: "embedding_density",
    label: "densities",
    params: &[
        param("basis", Kind::Text, Preset::Text("umap"), "Element of obsm, with or without X_."),
        param("groupby", Kind::Text, Preset::Nothing, "Column of obs: densities of each of its groups by itself."),
        param("key_added", Kind::Key, Preset::Nothing, "Column of obs instead of <basis>_density_<groupby>."),
        param("components", COMPONENTS, Preset::Nothing, "Two components, from 1; the first two without it."),
    ],
    needs: &[need("basis", Source::Basis), need("groupby", Source::Groups)],
    gives: &["obs/umap_density", "obs/umap_density_{groupby}", "obs/{key_added}", "uns/{key_added}_params"],
    run: |call, session| {
        let (points, groups) = (call.points("basis", session)?, call.opt_groups("groupby"));
        let args = &call.args;
        let basis = args.text("basis")?;
        let basis = basis.strip_prefix("X_").unwrap_or(basis);
        let groupby = args.opt_text("groupby")?;
        // The first component of a diffusion map is the stationary state, which is left out.
        let before = usize::from(basis == "diffmap");
        let (refused, most) = (args.given("components")?, points.ncols().saturating_sub(before));
        let place = |item: &Given| match item {
            Given::Text(word) => word.trim().parse::<usize>().ok(),
            Given::Whole(i) => usize::try_from(*i).ok(),
            _ => None,
        };
        let chosen: Option<Vec<usize>> = match &refused {
            Given::Nothing => Some(vec![1, 2]),
            Given::List(items) => match items.as_slice() {
                [Given::Text(both)] => both.split(',').map(|word| place(&Given::Text(word.to_owned()))).collect(),
                items => items.iter().map(place).collect(),
            },
            _ => None,
        };
        let [a, b] = match chosen.as_deref() {
            Some(&[a, b]) if a != b && [a, b].iter().all(|c| (1..=most).contains(c)) => [a, b],
            _ => return Err(args.refuse("components", format!("two of the components 1 to {most}"), refused)),
        };
        let of = groups.as_ref().map(|groups| (groups.codes.as_slice(), groups.names.as_slice()));
        let found = graph::embedding_density(points.view(), [a - 1 + before, b - 1 + before], of, session)?;
        let key = match (args.opt_text("key_added")?, groupby) {
            (Some(key), _) => key.to_owned(),
            (None, Some(groupby)) => format!("{basis}_density_{groupby}"),
            (None, None) => format!("{basis}_density"),
        };
        let components = Value::vector(vec![a as i64, b as i64]);
        let covariate = groupby.map_or(Value::Null, Value::string);
        let params = vec![("covariate".to_owned(), covariate), ("components".to_owned(), components)];
        let uns = vec![(format!("{key}_params"), Value::Dict(params))];
        Ok(Outcome {
            patch: Patch { obs: vec![(key, Value::vector(found))], uns, ..Patch::default() },
            ..Outcome::default()
        })
    },
    room: None,
};
