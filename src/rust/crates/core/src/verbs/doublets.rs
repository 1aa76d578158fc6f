//! The verb that finds doublets.

use super::call::Outcome;
use super::domain::{Bound, Kind, COUNT, NOT_NEGATIVE, SHARE_ABOVE_0};
use super::entry::{need, param, Preset, Source, Verb, COPY, MATRIX, RANDOM_STATE};
use super::neighbors::METRICS;
use crate::chain::LazyMatrix;
use crate::element::{Nullable, Value};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::graph::{self, DoubletParams, Method, Metric};
use crate::memory;
use crate::ops::{self, DoubletOptions};
use crate::patch::Patch;
use crate::session::Session;
use ndarray::ArrayView2;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&SCRUBLET];

/// A share strictly between 0 and 1.
const RATE: Kind = Kind::Number(Bound::Short(0.0), Bound::Short(1.0));
/// The number of simulated doublets for each cell.
const RATIO: Kind = Kind::Number(Bound::Short(0.0), Bound::To(1000.0));
const SCORE: Kind = Kind::Number(Bound::Short(f64::NEG_INFINITY), Bound::Short(f64::INFINITY));

static SCRUBLET: Verb = Verb {
    name: "scrublet",
    label: "doublets",
    params: &[
        param("adata_sim", Kind::Opaque("an object"), Preset::Nothing, "Not supported.").python(),
        param("batch_key", Kind::Text, Preset::Nothing, "Column of obs: each batch is looked at by itself."),
        param("sim_doublet_ratio", RATIO, Preset::Number(2.0), "Simulated doublets for each cell."),
        param("expected_doublet_rate", RATE, Preset::Number(0.05), "Share of doublets among the cells."),
        param("stdev_doublet_rate", NOT_NEGATIVE, Preset::Number(0.02), "Accepted and has no effect on scores."),
        param(
            "synthetic_doublet_umi_subsampling",
            SHARE_ABOVE_0,
            Preset::Number(1.0),
            "Share of the counts of a simulated doublet that are kept.",
        ),
        param("knn_dist_metric", METRICS, Preset::Text("euclidean"), "How far cells are from each other."),
        param("normalize_variance", Kind::Flag, Preset::Flag(true), "Whether genes are scaled to variance 1."),
        param("log_transform", Kind::Flag, Preset::Flag(false), "Whether counts are logarithmised."),
        param("mean_center", Kind::Flag, Preset::Flag(true), "Whether genes are centred."),
        param("n_prin_comps", COUNT, Preset::Whole(30), "Components that cells are compared by."),
        param(
            "use_approx_neighbors",
            Kind::Flag,
            Preset::Nothing,
            "Whether neighbours are searched in lists; above 20,000 cells and doublets without it.",
        ),
        param("n_neighbors", COUNT, Preset::Nothing, "Neighbours; half the root of the cells without it."),
        param("threshold", SCORE, Preset::Nothing, "Score above which a cell is a doublet; looked for without it."),
        param("verbose", Kind::Flag, Preset::Flag(true), "Accepted and has no effect.").python(),
        COPY,
        RANDOM_STATE,
    ],
    needs: &[MATRIX, need("batch_key", Source::Groups)],
    gives: &["obs/doublet_score", "obs/predicted_doublet", "uns/scrublet"],
    run: |call, session| {
        let (x, batches) = (call.matrix()?, call.opt_groups("batch_key"));
        let args = &call.args;
        let seed = args.seed()?;
        let settings = Settings {
            options: DoubletOptions {
                sim_doublet_ratio: args.number("sim_doublet_ratio")?,
                synthetic_doublet_umi_subsampling: args.number("synthetic_doublet_umi_subsampling")?,
                normalize_variance: args.flag("normalize_variance")?,
                log_transform: args.flag("log_transform")?,
                mean_center: args.flag("mean_center")?,
                n_prin_comps: args.count("n_prin_comps")?,
                seed: u32::try_from(seed).map_err(|_| {
                    let expected = format!("a whole number up to {}", u32::MAX);
                    args.refuse("random_state", expected, Given::Text(seed.to_string()))
                })?,
            },
            params: DoubletParams {
                n_neighbors: args.opt_count("n_neighbors")?,
                expected_doublet_rate: args.number("expected_doublet_rate")?,
                method: match args.opt_flag("use_approx_neighbors")? {
                    None => Method::Auto,
                    Some(true) => Method::Ivf,
                    Some(false) => Method::Exact,
                },
                metric: Metric::named(args.text("knn_dist_metric")?, None)?,
                threshold: args.opt_number("threshold")?,
                seed,
            },
        };
        let mut columns = Columns::new(x.shape().0)?;
        let mut notes = Vec::new();
        let uns = match batches {
            None => {
                let rows = memory::collected(0..x.shape().0 as u32, CELLS)?;
                settings.run(&x, &rows, &mut columns, &mut notes, "", session)?
            }
            Some(groups) => {
                let codes = groups.complete()?;
                let mut each = Vec::new();
                for (batch, name) in groups.names.iter().enumerate() {
                    let of: Vec<u32> =
                        (0..codes.len() as u32).filter(|&i| codes[i as usize] as usize == batch).collect();
                    if !of.is_empty() {
                        let within = format!(" of the batch '{name}'");
                        let x = x.select(Some(&of), None)?;
                        each.push((name.clone(), settings.run(&x, &of, &mut columns, &mut notes, &within, session)?));
                    }
                }
                let key = args.text("batch_key")?;
                Value::Dict(vec![
                    ("batches".to_owned(), Value::Dict(each)),
                    ("batched_by".to_owned(), Value::string(key)),
                ])
            }
        };
        let patch = Patch { obs: columns.values(), uns: vec![("scrublet".to_owned(), uns)], ..Patch::default() };
        Ok(Outcome { patch, notes, ..Outcome::default() })
    },
    room: None,
};

const CELLS: &str = "scrublet: cells and their scores";

struct Settings {
    options: DoubletOptions,
    params: DoubletParams,
}

/// Scores and calls of all cells.
struct Columns {
    score: Vec<f64>,
    doublet: Vec<bool>,
    /// Whether each cell has too few genes to be scored.
    without: Vec<bool>,
}

impl Columns {
    fn new(n: usize) -> Result<Self> {
        let score = memory::filled(n, f64::NAN, CELLS)?;
        Ok(Columns { score, doublet: memory::zeros(n, CELLS)?, without: memory::filled(n, true, CELLS)? })
    }

    fn values(self) -> Vec<(String, Value)> {
        let called = Value::vector(self.doublet);
        let called =
            if self.without.contains(&true) { Value::Nullable(Nullable::new(called, self.without)) } else { called };
        vec![("doublet_score".to_owned(), Value::vector(self.score)), ("predicted_doublet".to_owned(), called)]
    }
}

impl Settings {
    /// Computes scores and calls of the cells of `x`, which are the cells `rows` of the object, and
    /// writes them to `to`. Returns the value for uns.
    fn run(
        &self,
        x: &LazyMatrix,
        rows: &[u32],
        to: &mut Columns,
        notes: &mut Vec<(&'static str, String)>,
        within: &str,
        session: &Session,
    ) -> Result<Value> {
        let found = ops::simulate_doublets(x, &self.options, session)?;
        let n = found.cells.len();
        let shape = (n + found.parents.len(), found.n_comps);
        let points = ArrayView2::from_shape(shape, &found.coordinates).map_err(|e| Error::Internal(e.to_string()))?;
        let scores = graph::doublet_scores(points, n, &self.params, session)?;
        for (&cell, &score) in found.cells.iter().zip(&scores.observed) {
            let row = rows[cell as usize] as usize;
            (to.score[row], to.without[row]) = (score, false);
            to.doublet[row] = scores.threshold.is_some_and(|threshold| score > threshold);
        }
        if scores.threshold.is_none() {
            let text = format!(
                "scrublet: the scores of simulated doublets{within} have no two modes, so that no cell is called a doublet; \
                 look at their histogram (doublet_scores_sim) and give threshold"
            );
            notes.push(("values", text));
        }
        let parents = memory::collected(found.parents.as_flattened().iter().map(|&i| i64::from(i)), CELLS)?;
        let parameters = vec![
            ("expected_doublet_rate".to_owned(), Value::number(self.params.expected_doublet_rate)),
            ("sim_doublet_ratio".to_owned(), Value::number(self.options.sim_doublet_ratio)),
            ("n_neighbors".to_owned(), Value::number(scores.n_neighbors as i64)),
            ("random_state".to_owned(), Value::number(self.params.seed as i64)),
        ];
        let mut noted = vec![
            ("doublet_scores_sim".to_owned(), Value::vector(scores.simulated)),
            ("doublet_parents".to_owned(), Value::matrix(found.parents.len(), 2, parents)),
            ("parameters".to_owned(), Value::Dict(parameters)),
        ];
        noted.extend(scores.threshold.map(|threshold| ("threshold".to_owned(), Value::number(threshold))));
        Ok(Value::Dict(noted))
    }
}
