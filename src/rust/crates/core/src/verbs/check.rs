//! Checks arguments before anything is read or allocated.

use super::args::Args;
use super::entry::Verb;
use super::functions::Function;
use super::param::{Param, Preset};
use crate::error::{Error, Result};
use crate::given::Given;

/// Checks the arguments given: each has a known name and lies in its domain. Returns the value of
/// each parameter, `None` for those not given.
fn accepted(
    called: &'static str,
    params: &'static [Param],
    given: impl IntoIterator<Item = (String, Given)>,
) -> Result<Vec<Option<Given>>> {
    let refused = |parameter, expected, found| Error::Argument { verb: called, parameter, expected, found };
    let mut values: Vec<Option<Given>> = vec![None; params.len()];
    for (name, argument) in given {
        let Some(at) = params.iter().position(|p| p.name == name) else {
            let all: Vec<&str> = params.iter().map(|p| p.name).collect();
            return Err(refused("a parameter", format!("one of {}", all.join(", ")), Given::Text(name)));
        };
        let param = &params[at];
        let accepted = match argument {
            Given::Nothing if param.optional() => Some(Given::Nothing),
            _ => param.kind.accept(&argument),
        };
        values[at] = Some(accepted.ok_or_else(|| refused(param.name, param.words(), param.kind.at_fault(&argument)))?);
    }
    Ok(values)
}

impl Param {
    /// Returns the domain in words, to follow "must be".
    fn words(&self) -> String {
        self.kind.words() + if self.optional() { ", or {nothing}" } else { "" }
    }
}

impl Verb {
    /// Checks the arguments of a call and fills in defaults; a parameter without a default has to
    /// be given. Computes nothing.
    ///
    /// # Errors
    /// [`Error::Argument`], which names verb, parameter, domain and argument.
    pub fn check(&'static self, given: impl IntoIterator<Item = (String, Given)>) -> Result<Args> {
        let or_default = |(value, param): (Option<Given>, &Param)| match (value, param.preset) {
            (Some(value), _) => Ok(value),
            (None, Preset::Required) => Err(Error::Argument {
                verb: self.name,
                parameter: param.name,
                expected: param.words(),
                found: Given::Nothing,
            }),
            (None, preset) => Ok(preset.given()),
        };
        let values = accepted(self.name, self.params, given)?.into_iter().zip(self.params);
        Ok(Args { verb: self.name, params: self.params, values: values.map(or_default).collect::<Result<_>>()? })
    }
}

impl Function {
    /// Checks the arguments that are given to this function. An argument that is not given is not
    /// checked. `called` is the name by which the user called the function. An error uses it if it
    /// is the name of the function in R, and else the name in Python.
    ///
    /// # Errors
    /// [`Error::Argument`], as [`Verb::check`].
    pub fn check(&'static self, called: &str, given: impl IntoIterator<Item = (String, Given)>) -> Result<()> {
        let called = self.in_r.filter(|name| *name == called).unwrap_or(self.name);
        accepted(called, self.params, given).map(drop)
    }
}
