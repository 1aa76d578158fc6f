//! A call of a verb: arguments checked by the table, inputs a face found, and what comes of it.

use super::entry::Verb;
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{Strings, Value};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::memory;
use crate::patch::Patch;
use ndarray::{CowArray, Ix2};
use std::collections::HashMap;

/// Checked arguments of a verb, by name; those not given have their defaults.
#[derive(Debug, Clone)]
pub struct Args {
    pub(super) verb: &'static Verb,
    pub(super) called: &'static str,
    pub(super) values: Vec<Given>,
}

/// An input of a verb.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// An expression matrix.
    Matrix(LazyMatrix),
    /// A square sparse matrix over cells.
    Graph(Value),
    /// Coordinates, cells x dimensions.
    Points(CowArray<'a, f32, Ix2>),
    /// Groups of cells.
    Groups(Groups),
    /// Whether each gene is meant.
    Mask(Vec<bool>),
    /// Named masks over genes.
    Masks(Vec<(String, Vec<bool>)>),
    /// Named columns of numbers.
    Columns(Vec<(String, Vec<f64>)>),
    /// Numbers.
    Numbers(Vec<f64>),
    /// Names.
    Names(Strings),
    /// Names by set.
    Sets(Vec<(String, Vec<String>)>),
}

/// Groups of cells: a code a cell, -1 for missing, and the names of the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// One a cell.
    pub codes: Vec<i32>,
    /// Of the groups.
    pub names: Vec<String>,
}

impl Groups {
    /// Returns the codes of a column that has no missing values.
    ///
    /// # Errors
    /// [`Error::Internal`] when it has.
    pub(super) fn complete(&self) -> Result<Vec<u32>> {
        let code =
            |&code: &i32| u32::try_from(code).map_err(|_| Error::Internal("groups with missing values".to_owned()));
        memory::tried(self.codes.iter().map(code), "the groups of cells")
    }
}

/// The outcome of a verb.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The matrix that takes the place of the one given.
    pub matrix: Option<LazyMatrix>,
    /// The values added to the object.
    pub patch: Patch,
    /// Which cells (`true`) or genes stay.
    pub keep: Option<(bool, Vec<bool>)>,
    /// The key of obsm of the coordinates written into the caller's memory.
    pub placed: Option<String>,
    /// Values by name, for who asks for them instead of a changed object.
    pub values: Vec<(String, Value)>,
    /// Notes for the user: a word for the kind ("note" for what is no cause of concern), and a sentence.
    pub notes: Vec<(&'static str, String)>,
}

/// Arguments and inputs, on their way into a verb.
#[derive(Debug)]
pub struct Call<'a> {
    /// The arguments.
    pub args: Args,
    inputs: HashMap<String, Input<'a>>,
    place: Option<&'a mut [f32]>,
}

impl Args {
    /// The verb they are for.
    pub fn verb(&self) -> &'static Verb {
        self.verb
    }

    fn get(&self, name: &str) -> Result<&Given> {
        let at = self.verb.params.iter().position(|p| p.name == name);
        at.and_then(|at| self.values.get(at)).ok_or_else(|| self.wrong(name, "no such parameter"))
    }

    /// The table and its user disagree.
    fn wrong(&self, name: &str, found: impl std::fmt::Debug) -> Error {
        Error::Internal(format!("{}: {name}: {found:?}", self.verb.name))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            Given::Flag(b) => Ok(*b),
            other => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn opt_flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Flag(b) => Ok(Some(*b)),
            other => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn opt_number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Number(v) => Ok(Some(*v)),
            other => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.opt_number(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    pub(super) fn opt_whole(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Whole(i) => Ok(Some(*i)),
            other => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn whole(&self, name: &str) -> Result<i64> {
        self.opt_whole(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    pub(super) fn opt_count(&self, name: &str) -> Result<Option<usize>> {
        self.opt_whole(name)?.map(|i| usize::try_from(i).map_err(|e| self.wrong(name, e))).transpose()
    }

    pub(super) fn count(&self, name: &str) -> Result<usize> {
        self.opt_count(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

    pub(super) fn seed(&self) -> Result<u64> {
        let seed = self.whole("random_state")?;
        u64::try_from(seed).map_err(|e| self.wrong("random_state", e))
    }

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

    pub(super) fn opt_text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name)? {
            Given::Nothing => Ok(None),
            Given::Text(s) => Ok(Some(s)),
            other => Err(self.wrong(name, other)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&str> {
        self.opt_text(name)?.ok_or_else(|| self.wrong(name, "nothing"))
    }

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

    /// The text of an argument that may be something else too.
    pub(super) fn word(&self, name: &str) -> Result<Option<&str>> {
        Ok(match self.get(name)? {
            Given::Text(s) => Some(s),
            _ => None,
        })
    }

    /// An error about an argument that the table cannot see: its domain depends on the data or on others.
    pub(super) fn refuse(&self, parameter: &'static str, expected: impl Into<String>, found: Given) -> Error {
        Error::Argument { verb: self.called, parameter, expected: expected.into(), found }
    }
}

/// An error about a parameter, with the verb it belongs to.
fn of_verb(verb: &'static str, error: Error) -> Error {
    match error {
        Error::Parameter { parameter, expected, found } => {
            Error::Argument { verb, parameter, expected, found: Given::Other(found) }
        }
        other => other,
    }
}

impl<'a> Call<'a> {
    /// A call with its inputs.
    pub fn new(args: Args, inputs: HashMap<String, Input<'a>>) -> Self {
        Call { args, inputs, place: None }
    }

    /// Extents, cells x components, of the coordinates the verb can write into memory of the caller.
    ///
    /// # Errors
    /// The errors of the verb about the arguments the extents follow from.
    pub fn room(&mut self) -> Result<Option<(usize, usize)>> {
        let (called, room) = (self.args.called, self.args.verb.room);
        room.map(|room| room(self)).transpose().map_err(|error| of_verb(called, error))
    }

    /// Hands over memory of [`Call::room`] values.
    pub fn place(&mut self, place: &'a mut [f32]) {
        self.place = Some(place);
    }

    pub(super) fn take_place(&mut self) -> Option<&'a mut [f32]> {
        self.place.take()
    }

    /// Runs the verb. Errors about parameters name it.
    ///
    /// # Errors
    /// The errors of the verb.
    pub fn run(mut self, ctx: &Context) -> Result<Outcome> {
        let (verb, called) = (self.args.verb, self.args.called);
        (verb.run)(&mut self, ctx).map_err(|error| of_verb(called, error))
    }

    fn missing(&self, name: &str) -> Error {
        Error::Internal(format!("{}: the input '{name}' is missing or of another kind", self.args.verb.name))
    }

    pub(super) fn matrix(&self) -> Result<LazyMatrix> {
        match self.inputs.get("matrix") {
            Some(Input::Matrix(x)) => Ok(x.clone()),
            _ => Err(self.missing("matrix")),
        }
    }

    pub(super) fn graph(&mut self) -> Result<Value> {
        match self.inputs.remove("graph") {
            Some(Input::Graph(g)) => Ok(g),
            _ => Err(self.missing("graph")),
        }
    }

    pub(super) fn opt_points(&mut self, name: &str) -> Option<CowArray<'a, f32, Ix2>> {
        match self.inputs.remove(name) {
            Some(Input::Points(p)) => Some(p),
            _ => None,
        }
    }

    pub(super) fn points(&mut self, name: &str) -> Result<CowArray<'a, f32, Ix2>> {
        self.opt_points(name).ok_or_else(|| self.missing(name))
    }

    /// `None` too for an input of another kind, which stays.
    pub(super) fn opt_groups(&mut self, name: &str) -> Option<Groups> {
        match self.inputs.remove(name) {
            Some(Input::Groups(g)) => Some(g),
            Some(other) => {
                self.inputs.insert(name.to_owned(), other);
                None
            }
            None => None,
        }
    }

    pub(super) fn groups(&mut self, name: &str) -> Result<Groups> {
        self.opt_groups(name).ok_or_else(|| self.missing(name))
    }

    /// Positions of the genes of a mask.
    pub(super) fn opt_mask(&self, name: &str) -> Option<Vec<u32>> {
        match self.inputs.get(name) {
            Some(Input::Mask(m)) => Some((0..m.len() as u32).filter(|&j| m[j as usize]).collect()),
            _ => None,
        }
    }

    /// As [`Call::opt_mask`], of a mask over the genes of the matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask of another length: that of X where the matrix is raw's.
    pub(super) fn mask_of_matrix(&self, name: &'static str) -> Result<Option<Vec<u32>>> {
        let genes = self.matrix()?.shape().1;
        match self.inputs.get(name) {
            Some(Input::Mask(m)) if m.len() != genes => {
                Err(Error::shape(format!("{name}, one value a gene of the matrix used"), genes, m.len()))
            }
            _ => Ok(self.opt_mask(name)),
        }
    }

    pub(super) fn names(&mut self, name: &str) -> Result<Strings> {
        match self.inputs.remove(name) {
            Some(Input::Names(names)) => Ok(names),
            _ => Err(self.missing(name)),
        }
    }

    pub(super) fn sets(&mut self, name: &str) -> Result<Vec<(String, Vec<String>)>> {
        match self.inputs.remove(name) {
            Some(Input::Sets(sets)) => Ok(sets),
            _ => Err(self.missing(name)),
        }
    }

    pub(super) fn masks(&mut self, name: &str) -> Vec<(String, Vec<bool>)> {
        match self.inputs.remove(name) {
            Some(Input::Masks(m)) => m,
            _ => Vec::new(),
        }
    }

    pub(super) fn columns(&mut self, name: &str) -> Vec<(String, Vec<f64>)> {
        match self.inputs.remove(name) {
            Some(Input::Columns(c)) => c,
            _ => Vec::new(),
        }
    }

    pub(super) fn numbers(&mut self, name: &str) -> Option<Vec<f64>> {
        match self.inputs.remove(name) {
            Some(Input::Numbers(v)) => Some(v),
            _ => None,
        }
    }
}
