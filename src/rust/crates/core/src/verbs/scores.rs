//! Verbs that score gene sets.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT, SHARE_ABOVE_0};
use super::entry::{need, param, Preset, Source, Verb, COPY, GENES, LAYER, MATRIX, RANDOM_STATE, USE_RAW};
use crate::element::{Strings, Value};
use crate::error::Result;
use crate::given::Given;
use crate::ops::{self, ScoreOptions};
use crate::patch::Patch;
use std::collections::{HashMap, HashSet};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&SCORE_GENES, &SCORE_AUCELL];

const NAMES: Kind = Kind::List(&Kind::Text);

static SCORE_GENES: Verb = Verb {
    name: "score_genes",
    label: "scores of genes",
    params: &[
        param("gene_list", Kind::Object("names of genes, or named sets of them"), Preset::Required, "Genes to score."),
        param(
            "ctrl_as_ref",
            Kind::Flag,
            Preset::Flag(true),
            "Whether genes of the set are among those sampled, and dropped from the sample.",
        ),
        param("ctrl_size", COUNT, Preset::Whole(50), "Control genes of each bin."),
        param("gene_pool", NAMES, Preset::Nothing, "Genes controls are sampled from; all without it."),
        param("n_bins", Kind::Whole(2, 100_000), Preset::Whole(25), "Bins of mean expression."),
        param("score_name", Kind::Key, Preset::Text("score"), "Column of obs; of several sets their names."),
        RANDOM_STATE,
        COPY,
        USE_RAW,
        LAYER,
    ],
    needs: &[MATRIX, need("gene_list", Source::Sets), GENES],
    gives: &["obs/{score_name}", "obs/{gene_list}"],
    run: |call, session| {
        let names = call.names("genes")?;
        let place = places(&names);
        let Sets { names, positions, notes } = sets(call, &place, "score_genes")?;
        let gene_pool = pool(call, &place)?;
        let args = &call.args;
        let seed = args.seed()?;
        let options = ScoreOptions {
            ctrl_as_ref: args.flag("ctrl_as_ref")?,
            ctrl_size: args.count("ctrl_size")?,
            gene_pool,
            n_bins: args.count("n_bins")?,
            seed: u32::try_from(seed).map_err(|_| {
                args.refuse("random_state", format!("a whole number up to {}", u32::MAX), Given::Text(seed.to_string()))
            })?,
        };
        let scores = ops::score_genes(&call.matrix()?, &positions, &options, session)?;
        let columns = names.into_iter().zip(scores.into_iter().map(Value::vector)).collect();
        Ok(Outcome { patch: Patch { obs: columns, ..Patch::default() }, notes, ..Outcome::default() })
    },
    room: None,
};

static SCORE_AUCELL: Verb = Verb {
    name: "score_aucell",
    label: "ranks of genes",
    params: &[
        param("gene_list", Kind::Object("names of genes, or named sets of them"), Preset::Required, "Genes to score."),
        param("auc_threshold", SHARE_ABOVE_0, Preset::Number(0.05), "Share of all genes whose ranks count."),
        param("score_name", Kind::Key, Preset::Text("aucell"), "Column of obs; of several sets their names."),
        COPY,
        USE_RAW,
        LAYER,
    ],
    needs: &[MATRIX, need("gene_list", Source::Sets), GENES],
    gives: &["obs/{score_name}", "obs/{gene_list}"],
    run: |call, session| {
        let names = call.names("genes")?;
        let Sets { names, positions, notes } = sets(call, &places(&names), "score_aucell")?;
        let scores = ops::score_aucell(&call.matrix()?, &positions, call.args.number("auc_threshold")?, session)?;
        let columns = names.into_iter().zip(scores.into_iter().map(Value::vector)).collect();
        Ok(Outcome { patch: Patch { obs: columns, ..Patch::default() }, notes, ..Outcome::default() })
    },
    room: None,
};

/// Sets of genes, without genes that the matrix does not have.
struct Sets {
    names: Vec<String>,
    /// The positions of the genes of each set: each gene once, in the order given.
    positions: Vec<Vec<u32>>,
    /// Notes about genes that are left out.
    notes: Vec<(&'static str, String)>,
}

/// Returns the position of each gene name, the first position where genes share a name.
fn places(names: &Strings) -> HashMap<&str, u32> {
    let mut place = HashMap::with_capacity(names.len());
    for (j, name) in names.iter().enumerate() {
        place.entry(name).or_insert(j as u32);
    }
    place
}

/// Takes the sets of `gene_list` and finds their genes.
fn sets(call: &mut Call<'_>, place: &HashMap<&str, u32>, verb: &str) -> Result<Sets> {
    let given = call.sets("gene_list")?;
    let several = given.len() > 1;
    let (mut names, mut positions, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (name, genes) in given {
        let (mut at, mut missing, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for gene in &genes {
            match place.get(gene.as_str()) {
                Some(&j) if seen.insert(j) => at.push(j),
                Some(_) => {}
                None => missing.push(gene.clone()),
            }
        }
        if at.is_empty() {
            let expected = format!("genes of the matrix, at least one in the set '{name}'");
            let first = missing.first().cloned().unwrap_or_default();
            return Err(call.args.refuse("gene_list", expected, Given::Text(first)));
        }
        if let Some(first) = missing.first() {
            let of = if several { format!(" of '{name}'") } else { String::new() };
            let text = match missing.len() {
                1 => format!("{verb}: 1 gene{of} is not in the matrix and left out: '{first}'"),
                n => format!("{verb}: {n} genes{of} are not in the matrix and left out, '{first}' the first"),
            };
            notes.push(("values", text));
        }
        names.push(name);
        positions.push(at);
    }
    Ok(Sets { names, positions, notes })
}

/// Returns the positions of the genes of `gene_pool`, each once, in the order given; `None` where
/// no pool is given.
fn pool(call: &Call<'_>, place: &HashMap<&str, u32>) -> Result<Option<Vec<u32>>> {
    let names = call.args.texts("gene_pool")?;
    if names.is_empty() {
        return Ok(None);
    }
    let mut seen = HashSet::new();
    let at = names.iter().filter_map(|name| place.get(name.as_str()).copied()).filter(|j| seen.insert(*j));
    let at: Vec<u32> = at.collect();
    if at.is_empty() {
        return Err(call.args.refuse("gene_pool", "genes of the matrix", Given::Text(names[0].clone())));
    }
    Ok(Some(at))
}
