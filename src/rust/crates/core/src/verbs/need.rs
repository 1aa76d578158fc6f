//! The parts of an object that verbs need.

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
    /// The columns of obs that the parameter names, each as groups; missing values are an error.
    Factors,
    /// The columns of obs that the parameter names, each as numbers or groups; missing values are an error.
    Model,
    /// The boolean columns of var that the parameter names.
    Masks,
    /// The column of the table of parameter `axis`, the mask or the numbers that the parameter is, as numbers.
    Weights,
    /// The base of the logarithm that uns notes.
    LogBase,
    /// The names of the genes of the matrix.
    Genes,
    /// The sets of genes that the parameter is: one, or several by name.
    Sets,
    /// The element of obsm of that name.
    Obsm,
    /// The element of obsm that the parameter names, with or without `X_`.
    Basis,
    /// A part of the object `adata_ref`, or of this one as that needs it, by the name of the need.
    Reference,
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
            Source::Factors => "factors",
            Source::Model => "model",
            Source::Mask => "mask",
            Source::Masks => "masks",
            Source::Weights => "weights",
            Source::LogBase => "log_base",
            Source::Genes => "genes",
            Source::Sets => "sets",
            Source::Obsm => "obsm",
            Source::Reference => "reference",
            Source::Basis => "basis",
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
