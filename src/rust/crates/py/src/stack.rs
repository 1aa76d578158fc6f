//! Combines several matrices into one.

use crate::buffer::{copied, positions};
use crate::matrix::Matrix;
use crate::run::quick;
use crate::to_py::buffer;
use anndataoom_core::chain::{Along, Fill, Member, Stacked};
use anndataoom_core::{Error, LazyMatrix};
use pyo3::prelude::*;
use std::sync::Arc;

type Arr<'py> = Option<Bound<'py, PyAny>>;

/// Stacks matrices along "obs" or "var". Each member has its position (uint32, 2^32 - 1 for none)
/// for each of the `aligned` entries of the other axis. `fill` is a value and whether it is a whole
/// number; `chain` holds the operations recorded on the whole.
#[pyfunction]
#[pyo3(signature = (along, members, aligned, fill=None, chain=None))]
pub(crate) fn stack(
    along: &str,
    members: Vec<(Py<Matrix>, Arr<'_>)>,
    aligned: usize,
    fill: Option<(f64, bool)>,
    chain: Option<Vec<u8>>,
) -> PyResult<Matrix> {
    let members = members
        .into_iter()
        .map(|(x, from)| Ok(Member { x: x.get().0.clone(), from: positions(from.as_ref())?.map(Into::into) }))
        .collect::<PyResult<Vec<_>>>()?;
    quick(|| {
        let along = match along {
            "obs" => Along::Obs,
            "var" => Along::Var,
            other => return Err(Error::parameter("axis", "'obs' or 'var'", format!("'{other}'"))),
        };
        let fill = fill.map(|(value, integer)| Fill { value, integer });
        let source = Arc::new(Stacked::new(along, members, aligned, fill)?);
        match chain {
            Some(bytes) => LazyMatrix::from_bytes(source, &bytes),
            None => Ok(LazyMatrix::new(source)),
        }
    })
    .map(Matrix)
}

type Parts<'py> = (&'static str, Vec<(Matrix, Arr<'py>)>, usize, (f64, bool));

/// Returns the arguments of `stack` that made the matrix; None for a matrix that is no stack.
#[pyfunction]
pub(crate) fn stack_members<'py>(py: Python<'py>, x: &Matrix) -> PyResult<Option<Parts<'py>>> {
    let Some(stack) = x.0.stack() else { return Ok(None) };
    let (n, m) = x.0.source().shape();
    let (along, aligned) = match stack.axis() {
        Along::Obs => ("obs", m),
        Along::Var => ("var", n),
    };
    let members = stack
        .members()
        .iter()
        .map(|member| {
            let from = member.from.as_ref().map(|from| buffer(py, copied(from)?)).transpose()?;
            Ok((Matrix(member.x.clone()), from))
        })
        .collect::<PyResult<Vec<_>>>()?;
    Ok(Some((along, members, aligned, (stack.fill().value, stack.fill().integer))))
}
