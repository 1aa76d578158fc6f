//! The entries of the table.

use super::call::{Call, Outcome};
use super::domain::Kind;
use crate::context::Context;
use crate::error::Result;
use crate::given::Given;

/// The value of a parameter that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preset {
    /// There is none: the argument has to be given.
    Required,
    /// R's `NULL`, Python's `None`.
    Nothing,
    /// A truth value.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// A word.
    Text(&'static str),
    /// Whole numbers.
    Wholes(&'static [i64]),
    /// Follows from the object; a face has its own way to write it.
    Object,
}

impl Preset {
    /// Returns it as an argument; `Nothing` where a face decides.
    pub fn given(&self) -> Given {
        match *self {
            Preset::Required | Preset::Nothing | Preset::Object => Given::Nothing,
            Preset::Flag(b) => Given::Flag(b),
            Preset::Whole(i) => Given::Whole(i),
            Preset::Number(v) => Given::Number(v),
            Preset::Text(s) => Given::Text(s.to_owned()),
            Preset::Wholes(v) => Given::List(v.iter().map(|&i| Given::Whole(i)).collect()),
        }
    }
}

/// Which faces have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// R and Python.
    Both,
    /// Python alone: objects change in place there, and scanpy's code is called with it.
    Python,
    /// R alone.
    R,
}

/// A parameter of a verb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// Its name, scanpy's where scanpy has it.
    pub name: &'static str,
    /// Its type and domain.
    pub kind: Kind,
    /// Its default; a parameter whose default is nothing may be nothing.
    pub preset: Preset,
    /// Which faces have it.
    pub face: Face,
    /// One line about it.
    pub about: &'static str,
}

impl Param {
    /// Returns the same parameter of Python alone.
    pub(super) const fn python(self) -> Param {
        Param { face: Face::Python, ..self }
    }

    /// Returns the same parameter of R alone.
    pub(super) const fn r(self) -> Param {
        Param { face: Face::R, ..self }
    }

    /// Whether nothing is an argument of it.
    pub fn optional(&self) -> bool {
        matches!(self.preset, Preset::Nothing | Preset::Object | Preset::Wholes(_))
    }
}

/// A parameter of both faces.
pub(super) const fn param(name: &'static str, kind: Kind, preset: Preset, about: &'static str) -> Param {
    Param { name, kind, preset, face: Face::Both, about }
}

/// The layer used instead of X.
pub(super) const LAYER: Param = param("layer", Kind::Text, Preset::Nothing, "Layer instead of X.");
/// Whether a changed copy is returned.
pub(super) const COPY: Param =
    param("copy", Kind::Flag, Preset::Flag(false), "Whether a changed copy is returned.").python();
/// Whether the object is changed.
pub(super) const INPLACE: Param =
    param("inplace", Kind::Flag, Preset::Flag(true), "Whether the object is changed; else results are returned.")
        .python();
/// The seed.
pub(super) const RANDOM_STATE: Param =
    param("random_state", super::domain::SEED, Preset::Whole(0), "Seed of every random number.");
/// Whether raw is used, which a face decides where it is not given.
pub(super) const USE_RAW: Param =
    param("use_raw", Kind::Flag, Preset::Nothing, "Whether raw is used instead of X; where there is one, without it.");
/// The name `neighbors` was given as `key_added`.
pub(super) const NEIGHBORS_KEY: Param =
    param("neighbors_key", Kind::Text, Preset::Nothing, "Name given to neighbors as key_added.");

/// Where a face finds an input in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// X, the layer of parameter `layer`, raw with `use_raw`.
    Matrix,
    /// The connectivities of `neighbors_key`, or the element of obsp of parameter `obsp`, or `adjacency`.
    Connectivities,
    /// The distances of `neighbors_key`.
    Distances,
    /// The element of obsm of parameter `use_rep` (`X_pca` by default), its first `n_pcs` columns; with `var_names` the
    /// values of those genes.
    Embedding,
    /// The element of obsm, or the array, that the parameter names; none where it is a word of the verb.
    Start,
    /// The column of obs (or several, combined) that the parameter names, as groups; missing values are an error.
    Groups,
    /// The column of obs and some of its groups that the parameter names; missing values are cells of no group.
    Chosen,
    /// The columns of obs that the parameter names: numbers, or one of groups.
    Covariates,
    /// The mask over genes that the parameter names, or is.
    Mask,
    /// The boolean columns of var that the parameter names.
    Masks,
    /// The base of the logarithm that uns notes.
    LogBase,
    /// The names of the genes of the matrix.
    Genes,
    /// The sets of genes that the parameter is: one, or several by name.
    Sets,
    /// The element of obsm of that name.
    Obsm,
    /// The numbers in uns of that name.
    Uns,
    /// The number of the root cell, from 0: the cell of parameter `root`, or uns' `iroot`.
    Root,
}

impl Source {
    /// Its name, by which a face looks up how to find it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Matrix => "matrix",
            Source::Connectivities => "connectivities",
            Source::Distances => "distances",
            Source::Embedding => "embedding",
            Source::Start => "start",
            Source::Groups => "groups",
            Source::Chosen => "chosen",
            Source::Covariates => "covariates",
            Source::Mask => "mask",
            Source::Masks => "masks",
            Source::LogBase => "log_base",
            Source::Genes => "genes",
            Source::Sets => "sets",
            Source::Obsm => "obsm",
            Source::Uns => "uns",
            Source::Root => "root",
        }
    }
}

/// An input of a verb, found by a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The parameter, or the key of the slot, that names it; the name of the input.
    pub name: &'static str,
    /// Where it is.
    pub source: Source,
}

/// A need of a verb.
pub(super) const fn need(name: &'static str, source: Source) -> Need {
    Need { name, source }
}

/// The matrix of `layer`.
pub(super) const MATRIX: Need = need("matrix", Source::Matrix);
/// The graph of `neighbors_key`.
pub(super) const GRAPH: Need = need("graph", Source::Connectivities);
/// The coordinates of `use_rep`.
pub(super) const EMBEDDING: Need = need("embedding", Source::Embedding);

/// Names of the genes of the matrix.
pub(super) const GENES: Need = need("genes", Source::Genes);
/// The base of the logarithm.
pub(super) const LOG_BASE: Need = need("log_base", Source::LogBase);

/// A verb: an entry of the table.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// scanpy's name.
    pub name: &'static str,
    /// Its name in R, where that is another.
    pub in_r: Option<&'static str>,
    /// A few words for a progress bar.
    pub label: &'static str,
    /// Its parameters, in Python's order.
    pub params: &'static [Param],
    /// The parts of the object it needs.
    pub needs: &'static [Need],
    /// The values it adds to the object, as "slot/key"; `{name}` stands for an argument, "X" for the matrix it was given.
    pub gives: &'static [&'static str],
    /// Runs it.
    pub(super) run: fn(&mut Call<'_>, &Context) -> Result<Outcome>,
    /// Extents of coordinates it can write into memory of the caller.
    pub(super) room: Option<Room>,
}

/// Gives the extents of coordinates of a call.
pub(super) type Room = fn(&Call<'_>) -> Result<(usize, usize)>;
