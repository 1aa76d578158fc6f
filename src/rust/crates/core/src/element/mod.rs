//! AnnData elements: one in-memory form per on-disk encoding, and its reader and writer.
//!
//! [`read`] reads any element as a [`Value`], [`describe`] describes it without its values,
//! [`write()`] writes a value in the encoding of its kind. An element that cannot be decoded is an
//! error of that element alone.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::element::{self, Value, DatasetOptions};
//! use anndataoom_core::store::{Store, Writer};
//!
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! let Value::Categorical(types) = element::read(&store, "obs/cell_type")? else { panic!("no categories") };
//! assert_eq!(types.codes.len(), 700);
//!
//! let path = std::env::temp_dir().join(format!("element-{}.h5ad", std::process::id()));
//! let writer = Writer::create(&path)?;
//! element::write(&writer.root()?, "numbers", &Value::vector(vec![1.5f64, 2.5]), &DatasetOptions::default())?;
//! writer.commit()?;
//! assert_eq!(element::read(&Store::open(&path)?, "numbers")?, Value::vector(vec![1.5f64, 2.5]));
//! # std::fs::remove_file(&path).unwrap();
//! # Ok(())
//! # }
//! ```

mod categories;
mod copied;
mod description;
mod encoding;
pub mod loom;
pub mod mudata;
mod neighbors;
mod read;
mod select;
pub mod seurat;
mod slots;
mod strings;
mod tenx;
mod tree;
mod turn;
mod value;
mod write;

pub use crate::dtype::{DType, Data, Number};
pub(crate) use copied::copy_all as copies;
pub use description::Description;
pub use encoding::DatasetOptions;
pub(crate) use encoding::{
    check_names, is_of_today, matrix, same_texts, start_frame, start_sparse, Matrix, ANNDATA, ARRAY, DICT, RAW,
};
pub(crate) use neighbors::is_whole;
pub use read::{column_names, describe, read, read_column, read_index, read_selected};
pub use slots::{Layer, Slots};
pub use strings::Strings;
pub(crate) use tenx::is_10x;
pub use tenx::{read_10x, TenX};
pub use tree::{tree, Entries, RawTree, Tree, SLOTS};
pub use value::{Array, Categorical, DataFrame, NaValue, Nullable, Scalar, Sparse, SparseFormat, Value};
pub use write::{copy, write};
