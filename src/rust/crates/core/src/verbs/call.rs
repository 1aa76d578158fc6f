//! A call of a verb: arguments checked by the table, inputs a face found, and what comes of it.

use super::args::Args;
use crate::chain::LazyMatrix;
use crate::element::{Array, Strings, Value};
use crate::error::{Error, Result};
use crate::graph::{owned_links, Kept, SharedLinks};
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use ndarray::{Array2, CowArray, Ix2};
use std::collections::HashMap;

/// An input of a verb.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// An expression matrix.
    Matrix(LazyMatrix),
    /// A square sparse matrix over cells.
    Graph(Value),
    /// One that lies in memory of who calls.
    Links(SharedLinks<'a>),
    /// An embedding or a graph that stayed with the core.
    Kept(Kept),
    /// Coordinates, cells x dimensions.
    Points(CowArray<'a, f32, Ix2>),
    /// Groups of cells.
    Groups(Groups),
    /// Named columns of groups.
    Factors(Vec<(String, Groups)>),
    /// Named columns of numbers or groups.
    Model(Vec<(String, Column)>),
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

/// A column of obs.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// One a cell.
    Numbers(Vec<f64>),
    /// One a cell.
    Groups(Groups),
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
    /// Which cells (`true`) or genes are taken, by position, in this order, repeats allowed.
    pub take: Option<(bool, Vec<u32>)>,
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

impl<'a> Call<'a> {
    /// A call with its inputs.
    pub fn new(args: Args, inputs: HashMap<String, Input<'a>>) -> Self {
        Call { args, inputs, place: None }
    }

    /// Hands over memory of [`Verb::room`](super::Verb::room) values.
    pub fn place(&mut self, place: &'a mut [f32]) {
        self.place = Some(place);
    }

    pub(super) fn take_place(&mut self) -> Option<&'a mut [f32]> {
        self.place.take()
    }

    fn missing(&self, name: &str) -> Error {
        Error::Internal(format!("{}: the input '{name}' is missing or of another kind", self.args.verb))
    }

    pub(super) fn matrix(&self) -> Result<LazyMatrix> {
        self.matrix_of("matrix")
    }

    pub(super) fn matrix_of(&self, name: &str) -> Result<LazyMatrix> {
        match self.inputs.get(name) {
            Some(Input::Matrix(x)) => Ok(x.clone()),
            _ => Err(self.missing(name)),
        }
    }

    /// The graph, where it lies if that is in the form the core works on.
    pub(super) fn graph(&mut self, session: &Session) -> Result<SharedLinks<'a>> {
        match self.inputs.remove("graph") {
            Some(Input::Links(links)) => Ok(links),
            Some(Input::Graph(g)) => owned_links(g),
            Some(Input::Kept(kept)) => owned_links(kept.read(session)?),
            _ => Err(self.missing("graph")),
        }
    }

    pub(super) fn opt_points(&mut self, name: &str, session: &Session) -> Result<Option<CowArray<'a, f32, Ix2>>> {
        match self.inputs.remove(name) {
            Some(Input::Points(p)) => Ok(Some(p)),
            Some(Input::Kept(kept)) => match kept.read(session)? {
                Value::Array(Array { shape, data }) => {
                    let extents = (shape[0], shape.get(1).copied().unwrap_or(0));
                    let points = Array2::from_shape_vec(extents, data.into_f32()?);
                    Ok(Some(points.map_err(|e| Error::shape(name, "a matrix", e))?.into()))
                }
                _ => Err(self.missing(name)),
            },
            _ => Ok(None),
        }
    }

    pub(super) fn points(&mut self, name: &str, session: &Session) -> Result<CowArray<'a, f32, Ix2>> {
        self.opt_points(name, session)?.ok_or_else(|| self.missing(name))
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

    pub(super) fn factors(&mut self, name: &str) -> Result<Vec<(String, Groups)>> {
        match self.inputs.remove(name) {
            Some(Input::Factors(factors)) => Ok(factors),
            _ => Err(self.missing(name)),
        }
    }

    /// None where there are none.
    pub(super) fn opt_factors(&mut self, name: &str) -> Vec<(String, Groups)> {
        self.factors(name).unwrap_or_default()
    }

    /// Nothing where the parameter is.
    pub(super) fn model(&mut self, name: &str) -> Vec<(String, Column)> {
        match self.inputs.remove(name) {
            Some(Input::Model(columns)) => columns,
            _ => Vec::new(),
        }
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
