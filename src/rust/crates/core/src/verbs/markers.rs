//! The verb that ranks the genes that mark groups of cells.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT};
use super::entry::{need, param, Preset, Source, Verb, COPY, GENES, LAYER, LOG_BASE, MATRIX, USE_RAW};
use crate::element::{Strings, Value};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::memory;
use crate::ops::{self, Correction, MarkerOptions, Test};

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&RANK_GENES_GROUPS];

const METHODS: Kind = Kind::Choice(&["t-test", "t-test_overestim_var", "wilcoxon", "logreg"]);
const CORRECTIONS: Kind = Kind::Choice(&["benjamini-hochberg", "bonferroni"]);

static RANK_GENES_GROUPS: Verb = Verb {
    name: "rank_genes_groups",
    label: "ranking genes",
    params: &[
        param("groupby", Kind::Text, Preset::Required, "Column of obs with the groups."),
        param(
            "mask_var",
            Kind::Object("a column of var or a mask"),
            Preset::Nothing,
            "Genes to test, and to adjust p-values for.",
        ),
        USE_RAW,
        param("groups", Kind::List(&Kind::Text), Preset::Text("all"), "Groups to compare, in this order."),
        param("reference", Kind::Text, Preset::Text("rest"), "A group to compare with, or all other cells."),
        param("n_genes", COUNT, Preset::Nothing, "Genes to keep of each group; all without it."),
        param("rankby_abs", Kind::Flag, Preset::Flag(false), "Whether genes are ordered by the size of their scores."),
        param("pts", Kind::Flag, Preset::Flag(false), "Whether the shares of cells with each gene are added."),
        param("key_added", Kind::Key, Preset::Nothing, "Key of uns instead of rank_genes_groups."),
        COPY,
        param("method", METHODS, Preset::Nothing, "The test; t-test without it."),
        param("corr_method", CORRECTIONS, Preset::Text("benjamini-hochberg"), "Adjustment of p-values."),
        param("tie_correct", Kind::Flag, Preset::Flag(false), "Whether wilcoxon corrects for ties."),
        LAYER,
    ],
    needs: &[MATRIX, need("groupby", Source::Groups), need("mask_var", Source::Mask), LOG_BASE, GENES],
    gives: &["uns/rank_genes_groups", "uns/{key_added}"],
    run: |call, session| {
        let (options, positions, names) = parts(call)?;
        let x = call.matrix()?.select(None, positions.as_deref())?;
        let name = |j: usize| names.get(j).unwrap_or_default().to_owned();
        let found = ops::rank_genes_groups(&x, &options, session).map_err(|e| match e {
            // An error names the gene, not its position.
            Error::Values { element, operation, expected, found, row, column } => {
                let j = positions.as_ref().map_or(column, |p| p[column] as usize);
                let found = format!("{found} of gene '{}'", name(j));
                Error::Values { element, operation, expected, found, row, column: j }
            }
            other => other,
        })?;
        let args = &call.args;
        let text = |name| -> Result<Value> { Ok(args.opt_text(name)?.map_or(Value::Null, Value::string)) };
        let params = vec![
            ("groupby".to_owned(), text("groupby")?),
            ("reference".to_owned(), text("reference")?),
            ("method".to_owned(), Value::string(args.opt_text("method")?.unwrap_or("t-test"))),
            ("use_raw".to_owned(), Value::number(args.opt_flag("use_raw")?.unwrap_or(false))),
            ("layer".to_owned(), text("layer")?),
            ("corr_method".to_owned(), text("corr_method")?),
        ];
        let key = args.opt_text("key_added")?.unwrap_or("rank_genes_groups");
        let notes = found.note.clone().map(|note| ("values", note)).into_iter().collect();
        let genes = match &positions {
            None => names,
            Some(list) => {
                memory::collected(list.iter().map(|&j| name(j as usize)), "names of genes")?.into_iter().collect()
            }
        };
        let genes = Value::Strings { shape: vec![genes.len()], data: genes };
        Ok(Outcome { patch: found.patch(params, &genes, key), notes, ..Outcome::default() })
    },
    room: None,
};

/// Returns the options, the positions of the genes of the mask, and the names of all genes.
fn parts(call: &mut Call<'_>) -> Result<(MarkerOptions, Option<Vec<u32>>, Strings)> {
    let positions = call.mask_of_matrix("mask_var")?;
    let (groups, names) = (call.groups("groupby")?, call.names("genes")?);
    let genes = call.matrix()?.shape().1;
    if names.len() != genes {
        return Err(Error::shape("names of genes", genes, names.len()));
    }
    let log_base = call.numbers("log_base").and_then(|v| v.first().copied());
    let args = &call.args;
    let test = match args.opt_text("method")?.unwrap_or("t-test") {
        "t-test" => Test::T,
        "t-test_overestim_var" => Test::TOverestimated,
        "wilcoxon" => Test::Wilcoxon { tie_correct: args.flag("tie_correct")? },
        _ => Test::Logistic,
    };
    let chosen = args.texts("groups")?;
    let all = matches!(chosen.as_slice(), [one] if one == "all");
    if chosen.is_empty() {
        return Err(args.refuse("groups", "'all' or at least one group", Given::List(Vec::new())));
    }
    let options = MarkerOptions {
        groupby: args.text("groupby")?.to_owned(),
        codes: groups.complete()?,
        names: groups.names,
        groups: (!all).then_some(chosen),
        reference: args.text("reference")?.to_owned(),
        test,
        correction: match args.text("corr_method")? {
            "bonferroni" => Correction::Bonferroni,
            _ => Correction::BenjaminiHochberg,
        },
        n_genes: args.opt_count("n_genes")?,
        rankby_abs: args.flag("rankby_abs")?,
        pts: args.flag("pts")?,
        log_base,
    };
    Ok((options, positions, names))
}
