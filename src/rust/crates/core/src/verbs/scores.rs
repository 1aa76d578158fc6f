//! Scores of gene sets.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT};
use super::entry::{need, param, Preset, Source, Verb, COPY, GENES, LAYER, MATRIX, RANDOM_STATE, USE_RAW};
use crate::element::Value;
use crate::error::Result;
use crate::given::Given;
use crate::ops::{self, ScoreOptions};
use crate::patch::Patch;
use std::collections::HashMap;

pub(super) static VERBS: &[&Verb] = &[&SCORE_GENES];

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
        let (sets, names) = (call.sets("gene_list")?, call.names("genes")?);
        let mut place = HashMap::with_capacity(names.len());
        for (j, name) in names.iter().enumerate() {
            place.entry(name).or_insert(j as u32);
        }
        // Each gene once, in the order given, and those that are not there.
        let found = |genes: &[String]| {
            let (mut at, mut missing) = (Vec::new(), Vec::new());
            for gene in genes {
                match place.get(gene.as_str()) {
                    Some(j) if at.contains(j) => {}
                    Some(&j) => at.push(j),
                    None => missing.push(gene.clone()),
                }
            }
            (at, missing)
        };
        let mut notes = Vec::new();
        let mut positions = Vec::new();
        for (name, genes) in &sets {
            let (at, missing) = found(genes);
            if at.is_empty() {
                let expected = format!("genes of the matrix, at least one in the set '{name}'");
                let first = missing.first().cloned().unwrap_or_default();
                return Err(call.args.refuse("gene_list", expected, Given::Text(first)));
            }
            if let Some(first) = missing.first() {
                let of = if sets.len() > 1 { format!(" of '{name}'") } else { String::new() };
                let text = match missing.len() {
                    1 => format!("score_genes: 1 gene{of} is not in the matrix and left out: '{first}'"),
                    n => format!("score_genes: {n} genes{of} are not in the matrix and left out, '{first}' the first"),
                };
                notes.push(("values", text));
            }
            positions.push(at);
        }
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
        let columns = sets.into_iter().map(|(name, _)| name).zip(scores.into_iter().map(Value::vector)).collect();
        Ok(Outcome { patch: Patch { obs: columns, ..Patch::default() }, notes, ..Outcome::default() })
    },
    room: None,
};

/// Positions of the genes of the pool, each once, in the order given.
fn pool(call: &Call<'_>, place: &HashMap<&str, u32>) -> Result<Option<Vec<u32>>> {
    let names = call.args.texts("gene_pool")?;
    if names.is_empty() {
        return Ok(None);
    }
    let mut seen = std::collections::HashSet::new();
    let at = names.iter().filter_map(|name| place.get(name.as_str()).copied()).filter(|j| seen.insert(*j));
    let at: Vec<u32> = at.collect();
    if at.is_empty() {
        return Err(call.args.refuse("gene_pool", "genes of the matrix", Given::Text(names[0].clone())));
    }
    Ok(Some(at))
}
