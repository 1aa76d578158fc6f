//! Text of other programs: count matrices in folders (Cell Ranger, STARsolo, alevin-fry, kallisto,
//! Parse) and tables. They are streamed into h5ad files within the memory of a session, and count
//! matrices also out of them.

mod buckets;
mod bytes;
mod collect;
mod collection;
mod content;
mod layout;
mod lines;
mod market;
mod names;
mod read;
mod stream;
mod table;
mod write;

pub use collection::collection;
pub use content::{content, Content};
pub use layout::prefixes;
pub use read::{read_10x_mtx, read_text, MtxOptions};
pub use table::TextOptions;
pub use write::write_10x_mtx;
