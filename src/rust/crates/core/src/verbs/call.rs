//! A call of a verb: the checked arguments, the inputs that a face found in the object, and the
//! outcome.

use super::args::Args;
use crate::chain::LazyMatrix;
use crate::element::{Array, Strings, Value};
use crate::error::{Error, Result};
use crate::graph::{owned_links, Kept, Origin, SharedLinks};
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use ndarray::{Array2, CowArray, Ix2};
use std::collections::HashMap;

/// An input of a verb, as a face found it in the object.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// An expression matrix.
    Matrix(LazyMatrix),
    /// A square sparse matrix over cells.
    Graph(Value),
    /// A graph in memory of the caller.
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
    /// A mask over genes: `true` for the genes to use.
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

/// Groups of cells: a code for each cell, -1 for missing, and the names of the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The code of each cell, an index into `names`; -1 for missing.
    pub codes: Vec<i32>,
    /// The name of each group.
    pub names: Vec<String>,
}

/// A column of obs.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// A number for each cell.
    Numbers(Vec<f64>),
    /// A group for each cell.
    Groups(Groups),
}

impl Groups {
    /// Returns the codes of a column without missing values.
    ///
    /// # Errors
    /// [`Error::Internal`] when a value is missing.
    pub(super) fn complete(&self) -> Result<Vec<u32>> {
        let code =
            |&code: &i32| u32::try_from(code).map_err(|_| Error::Internal("groups with missing values".to_owned()));
        memory::tried(self.codes.iter().map(code), "the groups of cells")
    }
}

/// The outcome of a verb, for the face to apply to the object.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The matrix that replaces the one given; `None` when it stays.
    pub matrix: Option<LazyMatrix>,
    /// The values to add to the object.
    pub patch: Patch,
    /// An axis (`true` for cells, `false` for genes) and whether each of its elements stays.
    pub keep: Option<(bool, Vec<bool>)>,
    /// An axis (`true` for cells, `false` for genes) and the positions to take from it, in this
    /// order, repeats allowed.
    pub take: Option<(bool, Vec<u32>)>,
    /// The key of obsm for the coordinates that were written into the caller's memory.
    pub placed: Option<String>,
    /// Values by name, for a caller that asks for results and no change of the object.
    pub values: Vec<(String, Value)>,
    /// Notes for the user, each as a kind and a sentence. The kind "note" is for what is no cause
    /// of concern.
    pub notes: Vec<(&'static str, String)>,
}

/// The arguments and inputs of a call, with memory for its coordinates.
#[derive(Debug)]
pub struct Call<'a> {
    /// The checked arguments.
    pub args: Args,
    inputs: HashMap<String, Input<'a>>,
    place: Option<&'a mut [f32]>,
}

impl<'a> Call<'a> {
    /// Makes a call with its inputs, which are named after the needs of the verb.
    pub fn new(args: Args, inputs: HashMap<String, Input<'a>>) -> Self {
        Call { args, inputs, place: None }
    }

    /// Hands over memory for the coordinates: as many values as [`Verb::room`](super::Verb::room)
    /// gives.
    pub fn place(&mut self, place: &'a mut [f32]) {
        self.place = Some(place);
    }

    /// Takes the memory for the coordinates out of the call; `None` where the caller gave none.
    pub(super) fn take_place(&mut self) -> Option<&'a mut [f32]> {
        self.place.take()
    }

    fn missing(&self, name: &str) -> Error {
        Error::Internal(format!("{}: the input '{name}' is missing or of another kind", self.args.verb))
    }

    /// Returns the matrix of the inputs.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn matrix(&self) -> Result<LazyMatrix> {
        self.matrix_of("matrix")
    }

    /// Returns the matrix `name` of the inputs.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn matrix_of(&self, name: &str) -> Result<LazyMatrix> {
        match self.inputs.get(name) {
            Some(Input::Matrix(x)) => Ok(x.clone()),
            _ => Err(self.missing(name)),
        }
    }

    /// Takes the graph out of the inputs, and reads a kept graph into memory. The result borrows
    /// the graph if it is stored in the form that the core works on.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input; errors of reading kept values.
    pub(super) fn graph(&mut self, session: &Session) -> Result<SharedLinks<'a>> {
        match self.inputs.remove("graph") {
            Some(Input::Links(links)) => Ok(links),
            Some(Input::Graph(g)) => owned_links(g),
            Some(Input::Kept(kept)) => owned_links(kept.read(session)?),
            _ => Err(self.missing("graph")),
        }
    }

    /// Takes the graph out of the inputs, for a verb that reads it once. A kept graph stays in its
    /// scratch file.
    pub(super) fn origin(&mut self, session: &Session) -> Result<Origin<SharedLinks<'a>>> {
        match self.inputs.remove("graph") {
            Some(Input::Kept(kept)) if kept.is_graph() => Ok(Origin::Kept(kept)),
            Some(other) => {
                self.inputs.insert("graph".to_owned(), other);
                self.graph(session).map(Origin::Memory)
            }
            None => Err(self.missing("graph")),
        }
    }

    /// Takes the coordinates `name` (cells x dimensions) out of the inputs, and reads kept ones
    /// into memory. Returns `None` where there are none or the input is of another kind.
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

    /// Takes the coordinates `name` out of the inputs as [`Call::opt_points`] does.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input; errors of reading kept values.
    pub(super) fn points(&mut self, name: &str, session: &Session) -> Result<CowArray<'a, f32, Ix2>> {
        self.opt_points(name, session)?.ok_or_else(|| self.missing(name))
    }

    /// Takes the groups `name` out of the inputs; `None` where there are none. An input of another
    /// kind stays.
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

    /// Takes the groups `name` out of the inputs.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn groups(&mut self, name: &str) -> Result<Groups> {
        self.opt_groups(name).ok_or_else(|| self.missing(name))
    }

    /// Takes the factors `name` out of the inputs: columns of groups, by name.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn factors(&mut self, name: &str) -> Result<Vec<(String, Groups)>> {
        match self.inputs.remove(name) {
            Some(Input::Factors(factors)) => Ok(factors),
            _ => Err(self.missing(name)),
        }
    }

    /// Takes the factors `name` out of the inputs; empty where there are none.
    pub(super) fn opt_factors(&mut self, name: &str) -> Vec<(String, Groups)> {
        self.factors(name).unwrap_or_default()
    }

    /// Takes the model `name` out of the inputs; empty where there is none.
    pub(super) fn model(&mut self, name: &str) -> Vec<(String, Column)> {
        match self.inputs.remove(name) {
            Some(Input::Model(columns)) => columns,
            _ => Vec::new(),
        }
    }

    /// Returns the positions of the genes of the mask `name`; `None` where there is no mask.
    pub(super) fn opt_mask(&self, name: &str) -> Option<Vec<u32>> {
        match self.inputs.get(name) {
            Some(Input::Mask(m)) => Some((0..m.len() as u32).filter(|&j| m[j as usize]).collect()),
            _ => None,
        }
    }

    /// Returns the positions of the genes of the mask `name`, which is over the genes of the
    /// matrix; `None` where there is no mask.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask of another length, such as a mask over the genes of X where the
    /// matrix is raw's.
    pub(super) fn mask_of_matrix(&self, name: &'static str) -> Result<Option<Vec<u32>>> {
        let genes = self.matrix()?.shape().1;
        match self.inputs.get(name) {
            Some(Input::Mask(m)) if m.len() != genes => {
                Err(Error::shape(format!("{name}, one value a gene of the matrix used"), genes, m.len()))
            }
            _ => Ok(self.opt_mask(name)),
        }
    }

    /// Takes the list of names `name` out of the inputs.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn names(&mut self, name: &str) -> Result<Strings> {
        match self.inputs.remove(name) {
            Some(Input::Names(names)) => Ok(names),
            _ => Err(self.missing(name)),
        }
    }

    /// Takes the sets of genes `name` out of the inputs: lists of genes, by name.
    ///
    /// # Errors
    /// [`Error::Internal`] where there is no such input.
    pub(super) fn sets(&mut self, name: &str) -> Result<Vec<(String, Vec<String>)>> {
        match self.inputs.remove(name) {
            Some(Input::Sets(sets)) => Ok(sets),
            _ => Err(self.missing(name)),
        }
    }

    /// Takes the masks `name` out of the inputs: masks of genes, by name. The result is empty where
    /// there is no such input.
    pub(super) fn masks(&mut self, name: &str) -> Vec<(String, Vec<bool>)> {
        match self.inputs.remove(name) {
            Some(Input::Masks(m)) => m,
            _ => Vec::new(),
        }
    }

    /// Takes the columns `name` out of the inputs: columns of numbers, by name. The result is empty
    /// where there is no such input.
    pub(super) fn columns(&mut self, name: &str) -> Vec<(String, Vec<f64>)> {
        match self.inputs.remove(name) {
            Some(Input::Columns(c)) => c,
            _ => Vec::new(),
        }
    }

    /// Takes the numbers `name` out of the inputs; `None` where there is no such input.
    pub(super) fn numbers(&mut self, name: &str) -> Option<Vec<f64>> {
        match self.inputs.remove(name) {
            Some(Input::Numbers(v)) => Some(v),
            _ => None,
        }
    }
}
