//! The verb that computes principal components.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT};
use super::entry::{need, param, Preset, Source, Verb, COPY, LAYER, MATRIX};
use crate::chain::LazyMatrix;
use crate::error::Result;
use crate::ops;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&PCA];

static PCA: Verb = Verb {
    name: "pca",
    label: "PCA",
    params: &[
        param("n_comps", COUNT, Preset::Nothing, "Components; 50, or one less than the smaller extent, without it."),
        LAYER,
        param("zero_center", Kind::Flag, Preset::Flag(true), "Whether genes are centred."),
        param("svd_solver", Kind::Object("a name"), Preset::Nothing, "Accepted and has no effect.").python(),
        param("chunked", Kind::Flag, Preset::Flag(false), "Accepted and has no effect.").python(),
        param("chunk_size", COUNT, Preset::Nothing, "Accepted and has no effect.").python(),
        param("random_state", Kind::Object("a seed"), Preset::Whole(0), "Accepted and has no effect."),
        param("return_info", Kind::Flag, Preset::Flag(false), "Accepted and has no effect.").python(),
        param(
            "mask_var",
            Kind::Object("a column of var or a mask"),
            Preset::Object,
            "Genes to use; highly_variable where var has it.",
        ),
        param("use_highly_variable", Kind::Flag, Preset::Nothing, "scanpy's older way to set mask_var."),
        param("dtype", Kind::Object("a dtype"), Preset::Text("float32"), "Dtype of the coordinates.").python(),
        param("key_added", Kind::Key, Preset::Nothing, "Key for obsm, varm and uns instead of X_pca, PCs and pca."),
        COPY,
    ],
    needs: &[MATRIX, need("mask_var", Source::Mask)],
    gives: &["obsm/X_pca", "varm/PCs", "uns/pca", "obsm/{key_added}", "varm/{key_added}", "uns/{key_added}"],
    run: |call, session| {
        let (x, positions, options) = parts(call)?;
        let n_vars = call.matrix()?.shape().1;
        let key = call.args.opt_text("key_added")?.map(str::to_owned);
        let name = call.args.word("mask_var")?.map(str::to_owned);
        let mask = positions.as_deref().map(|positions| ops::MaskVar { name: name.as_deref(), positions, n_vars });
        let (found, placed) = match call.take_place() {
            Some(place) => (ops::pca_into(&x, &options, place, session)?, true),
            None => (ops::pca(&x, &options, session)?, false),
        };
        let placed = placed.then(|| key.clone().unwrap_or_else(|| "X_pca".to_owned()));
        let class = if found.residual.is_some() { "convergence" } else { "values" };
        let notes = found.note().map(|note| (class, note)).into_iter().collect();
        let patch = found.patch(mask, call.args.opt_text("layer")?, key.as_deref())?;
        Ok(Outcome { patch, placed, notes, ..Outcome::default() })
    },
    room: Some(|call| {
        let (x, _, options) = parts(call)?;
        Ok((x.shape().0, ops::n_components(x.shape(), options.n_comps)?))
    }),
};

/// Returns the matrix of the genes used, their positions where these are not all genes, and the
/// options.
fn parts(call: &Call<'_>) -> Result<(LazyMatrix, Option<Vec<u32>>, ops::PcaOptions)> {
    let options =
        ops::PcaOptions { n_comps: call.args.opt_count("n_comps")?, zero_center: call.args.flag("zero_center")? };
    let positions = call.opt_mask("mask_var");
    Ok((call.matrix()?.select(None, positions.as_deref())?, positions, options))
}
