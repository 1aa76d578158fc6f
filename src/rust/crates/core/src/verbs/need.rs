//! The parts of an object that verbs need.

/// The place where a face finds an input in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// X, or the layer of parameter `layer`, or raw with `use_raw`.
    Matrix,
    /// The connectivities of `neighbors_key`, or the element of obsp of parameter `obsp`, or
    /// `adjacency`.
    Connectivities,
    /// The distances of `neighbors_key`.
    Distances,
    /// The first `n_pcs` columns of the element of obsm of parameter `use_rep` (`X_pca` by
    /// default); with `var_names` the values of those genes.
    Embedding,
    /// The element of obsm, or the array, that the parameter names; no input where the argument is
    /// a word that the verb knows.
    Start,
    /// The column of obs (or several, combined) that the parameter names, as groups; missing values
    /// are an error.
    Groups,
    /// The column of obs, and some of its groups, that the parameter names. Cells with a missing
    /// value are in no group.
    Chosen,
    /// The columns of obs that the parameter names: numbers, or a single column of groups.
    Covariates,
    /// The mask over genes: the column of var that the parameter names, or the parameter itself.
    Mask,
    /// The columns of obs that the parameter names, each as groups; missing values are an error.
    Factors,
    /// The columns of obs that the parameter names, each as numbers or groups; missing values are
    /// an error.
    Model,
    /// The boolean columns of var that the parameter names.
    Masks,
    /// Numbers: the column that the parameter names in the table of parameter `axis`, or the mask
    /// or the numbers that the parameter is.
    Weights,
    /// The base of the logarithm, as noted in uns.
    LogBase,
    /// The names of the genes of the matrix.
    Genes,
    /// The sets of genes that the parameter holds: one set, or several by name.
    Sets,
    /// The element of obsm whose key is the name of the need.
    Obsm,
    /// The element of obsm that the parameter names, with or without the prefix `X_`.
    Basis,
    /// A part of the object `adata_ref`, or the matching part of this object; the name of the need
    /// says which.
    Reference,
    /// The numbers in uns whose key is the name of the need.
    Uns,
    /// The zero-based position of the root cell: the cell of parameter `root`, or `iroot` of uns.
    Root,
}

impl Source {
    /// Returns the name by which a face looks up how to find this input.
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

/// An input of a verb, with the place where a face finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The name of the input: the parameter that names it, or the key of the slot.
    pub name: &'static str,
    /// The place of the input in the object.
    pub source: Source,
}

/// Makes a need of a verb.
pub(super) const fn need(name: &'static str, source: Source) -> Need {
    Need { name, source }
}

/// The expression matrix.
pub(super) const MATRIX: Need = need("matrix", Source::Matrix);
/// The graph of `neighbors_key`.
pub(super) const GRAPH: Need = need("graph", Source::Connectivities);
/// The coordinates of `use_rep`.
pub(super) const EMBEDDING: Need = need("embedding", Source::Embedding);
/// Names of the genes of the matrix.
pub(super) const GENES: Need = need("genes", Source::Genes);
/// The base of the logarithm.
pub(super) const LOG_BASE: Need = need("log_base", Source::LogBase);
