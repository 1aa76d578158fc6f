//! Verbs that draw cells, genes or counts at random: each gives a selection or a recorded operation
//! and copies no values.

use super::call::Outcome;
use super::domain::{Kind, COUNT, COUNT_OR_0, NOT_NEGATIVE};
use super::entry::{need, param, Preset, Source, Verb, COPY, EMBEDDING, MATRIX, RANDOM_STATE};
use crate::element::Value;
use crate::given::Given;
use crate::graph;
use crate::memory;
use crate::ops::{self, Counts};
use crate::patch::Patch;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&SAMPLE, &DOWNSAMPLE_COUNTS, &SKETCH];

static SAMPLE: Verb = Verb {
    name: "sample",
    label: "a sample",
    params: &[
        param("fraction", NOT_NEGATIVE, Preset::Nothing, "Share of the cells or genes."),
        param("n", COUNT_OR_0, Preset::Nothing, "How many cells or genes, instead of fraction."),
        param("rng", super::domain::SEED, Preset::Nothing, "Seed; 0 without it."),
        COPY,
        param("replace", Kind::Flag, Preset::Flag(false), "Whether one may be drawn again."),
        param("axis", Kind::Choice(&["obs", "var"]), Preset::Text("obs"), "Whether cells or genes are drawn."),
        param("p", Kind::Object("a column, a mask or numbers"), Preset::Nothing, "What chances are in proportion to."),
    ],
    needs: &[MATRIX, need("p", Source::Weights)],
    gives: &[],
    run: |call, _| {
        let args = &call.args;
        let cells = args.text("axis")? == "obs";
        let (rows, columns) = call.matrix()?.shape();
        let all = if cells { rows } else { columns };
        let replace = args.flag("replace")?;
        let n = match (args.opt_number("fraction")?, args.opt_count("n")?) {
            (Some(fraction), None) if replace || fraction <= 1.0 => (fraction * all as f64) as usize,
            (Some(fraction), None) => {
                let expected = "a number from 0 to 1, unless replace is {true}";
                return Err(args.refuse("fraction", expected, Given::Number(fraction)));
            }
            (None, Some(n)) => n,
            (None, None) => return Err(args.refuse("n", "given, or fraction", Given::Nothing)),
            (Some(_), Some(n)) => {
                return Err(args.refuse("n", "{null} where fraction is given", Given::Whole(n as i64)))
            }
        };
        let seed = args.opt_whole("rng")?.unwrap_or(0) as u64;
        let weights = call.numbers("p").map_or_else(|| memory::filled(all, 1.0, DRAWN), Ok)?;
        let possible = weights.iter().filter(|&&w| w > 0.0).count();
        if weights.len() != all || weights.iter().any(|w| !w.is_finite() || *w < 0.0) || (possible == 0 && n > 0) {
            let expected = format!("{all} numbers of 0 or more, not all 0");
            return Err(call.args.refuse("p", expected, Given::Other(format!("{} numbers", weights.len()))));
        }
        if !replace && n > possible {
            let expected = format!("at most {possible}, those that can be drawn, unless replace is {{true}}");
            return Err(call.args.refuse("n", expected, Given::Whole(n as i64)));
        }
        let drawn = if replace {
            graph::sample_with_replacement(&weights, n, seed)?
        } else {
            graph::sample_by_weight(&weights, n, seed)?
        };
        Ok(Outcome { take: Some((cells, drawn)), ..Outcome::default() })
    },
    room: None,
};

const DRAWN: &str = "sample: chances of cells or genes";

static DOWNSAMPLE_COUNTS: Verb = Verb {
    name: "downsample_counts",
    label: "keys of counts",
    params: &[
        param(
            "counts_per_cell",
            Kind::List(&COUNT_OR_0),
            Preset::Nothing,
            "Counts of a cell at most, one number or one a cell.",
        ),
        param("total_counts", COUNT_OR_0, Preset::Nothing, "Counts of all cells together, instead."),
        RANDOM_STATE,
        param("replace", Kind::Flag, Preset::Flag(false), "Only false: counts are drawn without replacement."),
        COPY,
    ],
    needs: &[MATRIX],
    gives: &["X"],
    run: |call, session| {
        let args = &call.args;
        if args.flag("replace")? {
            let expected =
                "{false}: what is drawn with replacement depends on all genes of a cell and cannot be recorded";
            return Err(args.refuse("replace", expected, Given::Flag(true)));
        }
        let each: Vec<u64> = args.counts("counts_per_cell")?.into_iter().map(|n| n as u64).collect();
        let to = match (&each[..], args.opt_count("total_counts")?) {
            ([], Some(total)) => Counts::Total(total as u64),
            ([one], None) => Counts::Each(*one),
            ([_, _, ..], None) => Counts::OfCells(each),
            (_, total) => {
                let found = total.map_or(Given::Nothing, |n| Given::Whole(n as i64));
                return Err(args.refuse("total_counts", "given where counts_per_cell is not, and only there", found));
            }
        };
        let found = ops::downsample_counts(&call.matrix()?, &to, args.seed()?, session)?;
        Ok(Outcome { matrix: Some(found), ..Outcome::default() })
    },
    room: None,
};

static SKETCH: Verb = Verb {
    name: "sketch",
    label: "a sketch",
    params: &[
        param("n", COUNT, Preset::Required, "Cells to keep."),
        param("method", Kind::Choice(&["geometric", "leverage"]), Preset::Text("geometric"), "How they are drawn."),
        param("n_pcs", COUNT, Preset::Nothing, "Columns of the embedding to use."),
        param("use_rep", Kind::Text, Preset::Nothing, "Element of obsm to use; X_pca without it."),
        COPY,
        RANDOM_STATE,
    ],
    needs: &[EMBEDDING],
    gives: &["obs/leverage_score"],
    run: |call, session| {
        let points = call.points("embedding", session)?;
        let args = &call.args;
        let (n, seed) = (args.count("n")?, args.seed()?);
        if n > points.nrows() {
            let expected = format!("at most {}, the number of cells", points.nrows());
            return Err(args.refuse("n", expected, Given::Whole(n as i64)));
        }
        let mut patch = Patch::default();
        let drawn = if args.text("method")? == "geometric" {
            graph::geometric_sketch(points.view(), n, seed, session)?
        } else {
            let scores = graph::leverage_scores(points.view(), session)?;
            let drawn = graph::sample_by_weight(&scores, n, seed)?;
            patch.obs.push(("leverage_score".to_owned(), Value::vector(scores)));
            drawn
        };
        Ok(Outcome { patch, take: Some((true, drawn)), ..Outcome::default() })
    },
    room: None,
};
