//! An out-of-memory AnnData: matrices stay in their files, and every computation streams over them
//! in blocks.
//!
//! This crate does all that touches values. The packages for R and Python convert, validate and
//! hold the metadata.
//!
//! ```
//! use anndataoom_core::ops::{self, Flavor, HvgOptions, NormalizeOptions, PcaOptions, QcOptions, ScaleOptions};
//! use anndataoom_core::{matrix, store::Store, LazyMatrix, Session};
//!
//! # fn main() -> anndataoom_core::Result<()> {
//! let session = Session::default();
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! let counts = LazyMatrix::new(matrix::open(&store, "X")?); // shape, dtype and row offsets; no value is read
//! assert_eq!(counts.shape(), (700, 2000));
//!
//! let qc = ops::calculate_qc_metrics(&counts, &QcOptions::default(), &session)?; // one pass
//! assert_eq!(qc.total_counts.len(), 700);
//! let options = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(200), ..HvgOptions::default() };
//! let genes = ops::highly_variable_genes(&counts, &options, &session)?.positions();
//!
//! let (x, _) = ops::normalize_total(&counts, &NormalizeOptions::default(), &session)?; // one pass, for the totals
//! let (x, _) = ops::log1p(&x, None)?; // recorded: done when values are asked for
//! let x = x.select(None, Some(&genes))?;
//! let (x, _) = ops::scale(&x, &ScaleOptions::default(), &session)?;
//! let found = ops::pca(&x, &PcaOptions { n_comps: Some(20), ..PcaOptions::default() }, &session)?;
//! assert_eq!(found.x_pca.len(), 700 * 20);
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! A room knows only rooms above it in this list. A caller from Rust uses [`ops`] and [`graph`];
//! [`verbs`] is the table by which the faces for R and Python call them.
//!
//! | room | holds |
//! |---|---|
//! | [`error`], [`given`], [`memory`], [`reserve`] | the error type, arguments as a language writes them, requests for memory that may fail |
//! | [`dtype`] | buffers of numbers and their bytes |
//! | `codec` | filters of HDF5 chunks and codecs of Zarr |
//! | [`store`] | groups, arrays and attributes of HDF5, Zarr and a store in memory; atomic replacement |
//! | [`element`] | the encodings of AnnData: read, describe, write |
//! | [`matrix`] | stored matrices as blocks of rows: CSR, CSC, dense |
//! | [`chain`] | [`LazyMatrix`]: a source, a selection, recorded operations |
//! | [`stream`] | the executor: a pass over a matrix, pushed to a [`Reducer`](stream::Reducer) or pulled |
//! | [`ops`] | computations on a matrix: QC, normalisation, variable genes, PCA, markers |
//! | [`graph`] | computations on an embedding in memory: neighbours, UMAP, clusters |
//! | [`write`](mod@write) | streamed writing of matrices and whole objects, saving into a file |
//! | [`sim`] | simulated counts, as a source like any other |
//! | [`text`] | folders of text by Cell Ranger and others |
//! | [`patch`] | results of a verb: values by slot and key |
//! | [`verbs`] | the table of verbs |
//! | [`session`] | threads, memory, scratch files, caches and cancellation, passed to all that takes long |
//!
//! # Promises
//!
//! - Results are the same bits for any number of threads and any memory setting.
//! - Memory does not grow with the matrix; a request that cannot be met is an [`Error`], not the
//!   end of the process.
//! - No input makes a function panic; data that contradict themselves are an [`Error`] that names
//!   file and element.
#![warn(unreachable_pub)]

pub mod chain;
mod codec;
pub mod dtype;
pub mod element;
mod encoded;
pub mod error;
pub mod given;
pub mod graph;
mod location;
pub mod matrix;
pub mod memory;
mod natural;
pub mod ops;
pub mod patch;
mod random;
pub mod reserve;
pub mod session;
pub mod sim;
mod simd;
pub mod store;
pub mod stream;
mod team;
pub mod text;
mod vector;
pub mod verbs;
pub mod write;

pub use chain::LazyMatrix;
pub use error::{Error, Result};
pub use location::Location;
pub(crate) use natural::natural_order;
pub use session::{Monitor, Session};
