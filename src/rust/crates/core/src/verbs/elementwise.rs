//! Verbs that record a function of each value. Zeros stay zeros. Values come as float32, or as
//! float64 for float64 input.

use super::call::{Call, Outcome};
use super::domain::{Kind, COUNT, POSITIVE};
use super::entry::{param, Preset, Verb, COPY, LAYER, MATRIX};
use super::transforms::OBSM;
use crate::chain::nodes::{self, Transform};
use crate::error::Result;

/// The verbs of this file.
pub(super) static VERBS: &[&Verb] = &[&SQRT, &SQUARE, &ARCSINH];

fn recorded(call: &Call<'_>, node: impl Transform) -> Result<Outcome> {
    Ok(Outcome { matrix: Some(call.matrix()?.with(node)?), ..Outcome::default() })
}

static SQRT: Verb = Verb {
    name: "sqrt",
    label: "square roots",
    params: &[
        COPY,
        param("chunked", Kind::Flag, Preset::Flag(false), "Accepted and has no effect.").python(),
        param("chunk_size", COUNT, Preset::Nothing, "Accepted and has no effect.").python(),
        // In R this is the method of a base generic, which has no argument but the object.
        LAYER.python(),
        OBSM,
    ],
    needs: &[MATRIX],
    gives: &["X"],
    run: |call, _| recorded(call, nodes::Sqrt),
    room: None,
};

static SQUARE: Verb = Verb {
    name: "square",
    label: "squares",
    params: &[COPY, LAYER, OBSM],
    needs: &[MATRIX],
    gives: &["X"],
    run: |call, _| recorded(call, nodes::Square),
    room: None,
};

static ARCSINH: Verb = Verb {
    name: "arcsinh",
    label: "arcsinh",
    params: &[
        param(
            "cofactor",
            POSITIVE,
            Preset::Number(5.0),
            "Values well below it stay linear, those above are logarithms.",
        ),
        COPY,
        LAYER,
        OBSM,
    ],
    needs: &[MATRIX],
    gives: &["X"],
    run: |call, _| {
        let cofactor = call.args.number("cofactor")?;
        recorded(call, nodes::Arcsinh { cofactor })
    },
    room: None,
};
