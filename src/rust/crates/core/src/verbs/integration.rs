//! Verbs that remove differences between batches.

use super::call::{Column, Outcome};
use super::domain::{Bound, Kind, COUNT, NOT_NEGATIVE, POSITIVE, SHARE};
use super::entry::{need, param, Preset, Source, Verb, INPLACE, MATRIX, RANDOM_STATE};
use crate::element::{Array, Value};
use crate::error::Result;
use crate::given::Given;
use crate::graph::{self, Factor, HarmonyParams};
use crate::memory;
use crate::ops::{self, CombatModel};
use crate::patch::Patch;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&HARMONY_INTEGRATE, &COMBAT];

const ROUNDS: Kind = Kind::Whole(1, 100_000);
/// The share of cells in a block. Its lower bound keeps blocks few, as each has a table of
/// penalties.
const BLOCK: Kind = Kind::Number(Bound::To(0.001), Bound::To(1.0));

/// The width of a cluster. Single precision cannot tell narrower clusters apart.
const WIDTH: Kind = Kind::Number(Bound::To(1e-6), Bound::Short(f64::INFINITY));

static HARMONY_INTEGRATE: Verb = Verb {
    name: "harmony_integrate",
    label: "Harmony",
    params: &[
        param("key", Kind::List(&Kind::Text), Preset::Required, "Columns of obs with the batches."),
        param("basis", Kind::Text, Preset::Text("X_pca"), "Element of obsm to correct."),
        param("adjusted_basis", Kind::Key, Preset::Text("X_pca_harmony"), "Element of obsm for the result."),
        param(
            "theta",
            Kind::List(&NOT_NEGATIVE),
            Preset::Nothing,
            "Weight of the diversity of clusters, one a key or for all; 2 without it.",
        ),
        param(
            "lamb",
            Kind::List(&POSITIVE),
            Preset::Nothing,
            "Ridge penalty of the correction, one a key or for all; alpha times the cells expected without it.",
        ),
        param("sigma", WIDTH, Preset::Number(0.1), "Width of the soft clusters."),
        param("nclust", COUNT, Preset::Nothing, "Clusters; one for 30 cells and at most 100 without it."),
        param("tau", NOT_NEGATIVE, Preset::Number(0.0), "Cells a cluster below which a batch counts less."),
        param("block_size", BLOCK, Preset::Number(0.05), "Share of the cells that are assigned at a time."),
        param("max_iter_harmony", ROUNDS, Preset::Whole(10), "Rounds of clustering and correction at most."),
        param("max_iter_kmeans", ROUNDS, Preset::Whole(4), "Passes of clustering a round at most."),
        param("epsilon_cluster", NOT_NEGATIVE, Preset::Number(1e-3), "Relative fall at which passes end."),
        param("epsilon_harmony", NOT_NEGATIVE, Preset::Number(1e-2), "Relative fall at which rounds end."),
        param("alpha", POSITIVE, Preset::Number(0.2), "Ridge penalty in cells expected of a batch in a cluster."),
        param(
            "batch_prop_cutoff",
            SHARE,
            Preset::Number(1e-5),
            "Share of a batch in a cluster up to which it is left out there.",
        ),
        RANDOM_STATE,
    ],
    needs: &[need("basis", Source::Basis), need("key", Source::Factors)],
    gives: &["obsm/{adjusted_basis}"],
    run: |call, session| {
        let (points, keys) = (call.points("basis", session)?, call.factors("key")?);
        let factor = |(_, groups): &(String, super::Groups)| -> Result<Factor> {
            Ok(Factor { codes: groups.complete()?, n_levels: groups.names.len() })
        };
        let factors = keys.iter().map(factor).collect::<Result<Vec<_>>>()?;
        let args = &call.args;
        let theta = args.numbers("theta")?;
        let params = HarmonyParams {
            theta: if theta.is_empty() { vec![2.0] } else { theta },
            lamb: args.numbers("lamb")?,
            sigma: args.number("sigma")?,
            nclust: args.opt_count("nclust")?,
            tau: args.number("tau")?,
            block_size: args.number("block_size")?,
            max_iter_harmony: args.count("max_iter_harmony")?,
            max_iter_kmeans: args.count("max_iter_kmeans")?,
            epsilon_cluster: args.number("epsilon_cluster")?,
            epsilon_harmony: args.number("epsilon_harmony")?,
            alpha: args.number("alpha")?,
            batch_prop_cutoff: args.number("batch_prop_cutoff")?,
            seed: args.seed()?,
        };
        let found = graph::harmony(points.view(), &factors, &params, session)?;
        let mut notes = Vec::new();
        if !found.converged {
            let rounds = params.max_iter_harmony;
            notes.push(("note", format!("harmony_integrate: the objective still fell after {rounds} rounds")));
        }
        let (rows, columns) = found.coordinates.dim();
        let (data, _) = found.coordinates.into_raw_vec_and_offset();
        let value = Value::Array(Array { shape: vec![rows, columns], data: data.into() });
        let obsm = vec![(args.text("adjusted_basis")?.to_owned(), value)];
        Ok(Outcome { patch: Patch { obsm, ..Patch::default() }, notes, ..Outcome::default() })
    },
    room: None,
};

static COMBAT: Verb = Verb {
    name: "combat",
    label: "sums of batches",
    params: &[
        param("key", Kind::Text, Preset::Text("batch"), "Column of obs with the batches."),
        param("covariates", Kind::List(&Kind::Text), Preset::Nothing, "Columns of obs that explain values too."),
        INPLACE,
    ],
    needs: &[MATRIX, need("key", Source::Groups), need("covariates", Source::Model)],
    gives: &["X"],
    run: |call, session| {
        let (groups, columns) = (call.groups("key")?, call.model("covariates"));
        let key = call.args.text("key")?.to_owned();
        let covariates = call.args.texts("covariates")?;
        let mut sorted = covariates.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < covariates.len() || covariates.contains(&key) {
            let found = Given::List(covariates.into_iter().map(Given::Text).collect());
            return Err(call.args.refuse("covariates", "different columns, and not the key", found));
        }
        let model = CombatModel {
            key,
            batches: groups.complete()?,
            names: groups.names,
            covariates,
            columns: dummies(columns)?,
        };
        let found = ops::combat(&call.matrix()?, &model, session)?;
        let note = match found.constant {
            0 => None,
            1 => {
                Some("combat: 1 gene is constant, which the estimates of all others see; filter genes first".to_owned())
            }
            n => Some(format!(
                "combat: {n} genes are constant, which the estimates of all others see; filter genes first"
            )),
        };
        let notes = note.map(|note| ("note", note)).into_iter().collect();
        Ok(Outcome { matrix: Some(found.matrix), notes, ..Outcome::default() })
    },
    room: None,
};

/// Turns the columns into columns of numbers. Groups become one column for each group, 1 for its
/// cells and 0 for others.
fn dummies(columns: Vec<(String, Column)>) -> Result<Vec<(String, Vec<f64>)>> {
    let mut all = Vec::new();
    for (name, column) in columns {
        match column {
            Column::Numbers(values) => all.push((name, values)),
            Column::Groups(groups) => {
                let codes = groups.complete()?;
                for group in 0..groups.names.len() as u32 {
                    let of = codes.iter().map(|&code| f64::from(u8::from(code == group)));
                    all.push((name.clone(), memory::collected(of, "groups of the cells")?));
                }
            }
        }
    }
    Ok(all)
}
