//! Simulated single-cell counts of any size: realistic enough to try every verb on, and
//! reproducible by the seed.
//!
//! A [`Simulation`] holds the parameters; a [`SimulatedSource`] is the matrix as a
//! [`Source`](crate::matrix::Source). Each row is a function of the seed and its number alone, so
//! blocks come in any order, on any thread, and no memory grows with the number of cells.
//!
//! # The distribution
//!
//! Cell *i* has a type *t*, a batch *b*, an expected library size `L` and a mitochondrial share
//! `m`. The count of gene *g* is
//!
//! ```text
//! x ~ Poisson(lambda * G),  G ~ Gamma(theta_g, 1 / theta_g)       (negative binomial, mean lambda, dispersion theta_g)
//! lambda = L * (1 - m) * w[t, g] * e[b, g]                        for nuclear genes; w sums to 1 within a type
//! lambda = L * m * w[g]                                           for the `MT-` genes; w sums to 1 over them
//! ```
//!
//! - `ln L` is normal with standard deviation 0.4 around a median that is solved for, so that the
//!   expected share of non-zero entries is [`Simulation::density`] in batches of depth 1; batches
//!   differ in depth by up to 15 %, which moves the density found by up to a tenth.
//! - `m` is log-normal around 5 % (sd 0.35 in ln), at most 90 %. 3 % of the cells are of low
//!   quality: `L` is divided by 6 to 20 and `m` lies between 20 and 60 %.
//! - `w` spans about four decades: log-normal with standard deviation 2 (in ln) for ordinary genes;
//!   ribosomal and housekeeping genes hold the top, a third of the counts.
//! - A type multiplies the known markers of its name (CD3D, MS4A1, LYZ, ...) by 10 to 60, 1 % of
//!   the ordinary genes (at least 8) by 3 to 20, and every gene by a log-normal factor of standard
//!   deviation 0.15 (in ln). Each type has 0.8 of the cells of the one before, but at least a tenth
//!   of those of the first.
//! - `e` is log-normal with standard deviation 0.12 (in ln).
//! - `theta_g` is one of 1.5, 3, 6, 12, 24, most often 6. `G` is drawn from 1,024 equiprobable
//!   values (the conditional means of as many quantile bins). Where a gene's `lambda` in a median
//!   cell is below 0.1, `G` is left out: it would add less than 7 % to a variance (2 % for the
//!   usual theta).
//!
//! Results are bit-identical for any number of threads and any block order on one platform; another
//! `libm` may round a probability differently, which changes a count in about 1e12.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::sim::{SimulatedSource, Simulation};
//! use anndataoom_core::{ops, LazyMatrix, Session};
//!
//! let simulation = Simulation { n_obs: 300, n_vars: 500, seed: 1, ..Simulation::default() };
//! let x = LazyMatrix::new(std::sync::Arc::new(SimulatedSource::new(simulation)?));
//! assert_eq!(ops::row_sums(&x, &Session::default())?.len(), 300);
//! # Ok(())
//! # }
//! ```

mod file;
mod genes;
mod model;
mod rng;
mod simulation;
mod source;
mod tables;

pub use file::simulate_h5ad;
pub use simulation::Simulation;
pub use source::SimulatedSource;
