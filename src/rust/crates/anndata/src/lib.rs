//! Takes the matrices of an `anndata::AnnData<H5>` as lazy matrices of anndataoom, and puts results
//! back.
//!
//! A Rust program that uses the crate `anndata` gets a matrix from [`lazy_x`] or [`lazy_layer`],
//! which read nothing yet. It runs verbs of `anndataoom_core` on the matrix within a memory budget,
//! and saves their results into the file with [`apply`]. [`set_x`] streams a chain of lazy
//! transforms into another object. [`of_array`] and [`array_of`] convert single matrices in memory.
//!
//! ```
//! use anndata::{AnnData, AnnDataOp, Backend};
//! use anndata_hdf5::H5;
//! use anndataoom_core::ops::{calculate_qc_metrics, QcOptions};
//! use anndataoom_core::Session;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("cells.h5ad");
//! # let names = |letter: &str, n: usize| (0..n).map(|i| format!("{letter}{i}")).collect::<anndata::data::DataFrameIndex>();
//! # let adata = AnnData::<H5>::new(&path)?;
//! # let (offsets, columns, counts) = (vec![0, 1, 3], vec![1, 0, 2], vec![2.0f32, 1.0, 4.0]);
//! # adata.set_x(nalgebra_sparse::CsrMatrix::try_from_csr_data(2, 3, offsets, columns, counts).unwrap())?;
//! # adata.set_obs_names(names("cell", 2))?;
//! # adata.set_var_names(names("gene", 3))?;
//! # adata.close()?;
//! let adata = AnnData::<H5>::open(H5::open(&path)?)?;
//! let x = anndataoom_anndata::lazy_x(&adata)?;
//! let options = QcOptions { percent_top: vec![], ..QcOptions::default() };
//! let metrics = calculate_qc_metrics(&x, &options, &Session::default())?;
//! drop(x);
//! let adata = anndataoom_anndata::apply(adata, &metrics.patch()?)?;
//! assert_eq!(adata.read_obs()?.column("total_counts")?.f32()?.get(1), Some(5.0));
//! # Ok(())
//! # }
//! ```

mod convert;
mod lazy;
mod results;

pub use convert::{array_of, of_array};
pub use lazy::{lazy_layer, lazy_x};
pub use results::{apply, set_x};
