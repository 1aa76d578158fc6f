//! The checked arguments of a verb.

use super::param::Param;
use crate::error::{Error, Result};
use crate::given::Given;

/// The checked arguments of a verb, by name. Arguments that were not given have their defaults. A
/// getter that asks for a parameter or a type that the table of verbs does not have returns
/// [`Error::Internal`].
#[derive(Debug, Clone)]
pub struct Args {
    pub(super) verb: &'static str,
    pub(super) params: &'static [Param],
    pub(super) values: Vec<Given>,
}

impl Args {
    fn get(&self, name: &str) -> Result<&Given> {
        let at = self.params.iter().position(|p| p.name == name);
        at.and_then(|at| self.values.get(at)).ok_or_else(|| self.wrong(name, "no such parameter"))
    }

    /// Makes the error for a verb that asks for a parameter, or a type, that the table does not
    /// have.
    fn wrong(&self, name: &str, found: impl std::fmt::Debug) -> Error {
        Error::Internal(format!("{}: {name}: {found:?}", self.verb))
    }

    /// Returns the argument as it was given, or its default.
    pub(super) fn given(&self, name: &str) -> Result<Given> {
        self.get(name).cloned()
    }

    /// Returns a truth value.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            Given::Flag(b) => Ok(*b),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns a truth value; `None` for nothing.
    pub(super) fn opt_flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Flag(b) => Ok(Some(*b)),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns a number; `None` for nothing.
    pub(super) fn opt_number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Number(v) => Ok(Some(*v)),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns a number.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.opt_number(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    /// Returns a whole number; `None` for nothing.
    pub(super) fn opt_whole(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Whole(i) => Ok(Some(*i)),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns a whole number.
    pub(super) fn whole(&self, name: &str) -> Result<i64> {
        self.opt_whole(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    /// Returns a whole number of 0 or more; `None` for nothing.
    pub(super) fn opt_count(&self, name: &str) -> Result<Option<usize>> {
        self.opt_whole(name)?.map(|i| usize::try_from(i).map_err(|e| self.wrong(name, e))).transpose()
    }

    /// Returns a whole number of 0 or more.
    pub(super) fn count(&self, name: &str) -> Result<usize> {
        self.opt_count(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    /// Returns the argument `random_state`.
    pub(super) fn seed(&self) -> Result<u64> {
        let seed = self.whole("random_state")?;
        u64::try_from(seed).map_err(|e| self.wrong("random_state", e))
    }

    /// Returns a list of whole numbers of 0 or more, empty for nothing.
    pub(super) fn counts(&self, name: &str) -> Result<Vec<usize>> {
        let of = |item: &Given| match item {
            Given::Whole(i) => usize::try_from(*i).map_err(|e| self.wrong(name, e)),
            other => Err(self.wrong(name, other)),
        };
        match self.get(name)? {
            Given::Nothing => Ok(Vec::new()),
            Given::List(items) => items.iter().map(of).collect(),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns one or several numbers as a list, empty where nothing was given.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let of = |item: &Given| match item {
            Given::Number(v) => Ok(*v),
            other => Err(self.wrong(name, other)),
        };
        match self.get(name)? {
            Given::Nothing => Ok(Vec::new()),
            Given::List(items) => items.iter().map(of).collect(),
            one => Ok(vec![of(one)?]),
        }
    }

    /// Returns a text; `None` for nothing.
    pub(super) fn opt_text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Text(s) => Ok(Some(s)),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns a text.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        self.opt_text(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    /// Returns one or several texts as a list, empty for nothing.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        match self.get(name)? {
            Given::Nothing => Ok(Vec::new()),
            Given::Text(s) => Ok(vec![s.clone()]),
            Given::List(items) => items
                .iter()
                .map(|item| match item {
                    Given::Text(s) => Ok(s.clone()),
                    other => Err(self.wrong(name, other)),
                })
                .collect(),
            other => Err(self.wrong(name, other)),
        }
    }

    /// Returns the text of an argument that may have another type; `None` for another type.
    pub(super) fn word(&self, name: &str) -> Result<Option<&str>> {
        Ok(match self.get(name)? {
            Given::Text(s) => Some(s),
            _ => None,
        })
    }

    /// Makes the error for an argument that the table cannot check: its domain depends on the data
    /// or on other arguments.
    pub(super) fn refuse(&self, parameter: &'static str, expected: impl Into<String>, found: Given) -> Error {
        Error::Argument { verb: self.verb, parameter, expected: expected.into(), found }
    }
}
