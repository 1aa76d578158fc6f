//! Arrays of numbers whose chunks are found, fetched and decoded one by one, from any thread.
//!
//! A backend says where the stored bytes of a chunk are and fetches many of them at once; undoing the filters is the
//! reader's, on its own threads. What cannot be found that way (filters only the library of the format knows, values in
//! other files) is read as boxes of values.

use crate::codec::pipeline::Pipeline;
use crate::dtype::DType;
use crate::error::Result;
use std::fmt::Debug;

/// Where stored bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Which of the store's files or objects; numbered by the backend.
    pub(crate) object: u64,
    /// Its first byte there.
    pub(crate) at: u64,
    /// Bytes; [`Extent::WHOLE`] for all of an object whose size is found when it is fetched.
    pub(crate) size: u64,
    /// The filters of the pipeline that were not applied, one bit each.
    pub(crate) mask: u32,
}

impl Extent {
    /// All there is.
    pub(crate) const WHOLE: u64 = u64::MAX;

    /// The extent right after this one, when `next` is that.
    pub(crate) fn joined(self, next: Extent) -> Option<Extent> {
        let adjoins = next.object == self.object && self.at.checked_add(self.size) == Some(next.at);
        adjoins.then(|| Extent { size: self.size + next.size, ..self })
    }
}

/// How the bytes of an array are reached.
#[derive(Debug)]
pub(crate) enum Access {
    /// In one run of values without filters; nothing was written when `None`.
    Run(Option<Extent>),
    /// In chunks, each through this pipeline.
    Chunks(Pipeline),
    /// As boxes of values, which the backend decodes.
    Boxes,
}

/// The layout of numbers, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberType {
    /// Their dtype.
    pub(crate) dtype: DType,
    /// Whether their bytes are in the other order than this machine's.
    pub(crate) swapped: bool,
}

/// An array of numbers, without its values.
#[derive(Debug)]
pub(crate) struct Meta {
    /// Extents.
    pub(crate) shape: Vec<u64>,
    /// The stored bytes.
    pub(crate) number: NumberType,
    /// Extents of a chunk, or of the boxes it is best read in; all at least 1.
    pub(crate) chunk: Vec<u64>,
    /// How its bytes are reached.
    pub(crate) access: Access,
    /// One value, as bytes in the stored order: what chunks that were never written hold.
    pub(crate) fill: Vec<u8>,
    /// Bytes stored.
    pub(crate) stored: u64,
    /// Bytes there are where extents lie: none is longer.
    pub(crate) longest: u64,
}

/// The callback that takes stored bytes, see [`ChunkedArray::fetch`].
pub(crate) type Take<'a> = dyn FnMut(usize, Option<&[u8]>) -> Result<()> + 'a;

/// An array of numbers. Chunks are numbered row-major in their grid; all that is asked for lies within the extents.
pub(crate) trait ChunkedArray: Send + Sync + Debug {
    /// Its shape, type and chunks.
    fn meta(&self) -> &Meta;

    /// Where a chunk is; `None` when it was never written. For [`Access::Chunks`].
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File), [`Error::Io`](crate::Error::Io): the table of chunks may have to be read first.
    fn locate(&self, chunk: u64) -> Result<Option<Extent>>;

    /// Fetches extents and hands each to `take`, by its place in the list, in any order: neighbours with one read, and
    /// where an answer takes long, many under way at a time. `None` for an object that is not there: a chunk that was never
    /// written. None of them is longer than [`Meta::longest`].
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) when they are not there, [`Error::Io`](crate::Error::Io) when they are refused;
    /// those of `take`.
    fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()>;

    /// Whether an answer takes long, as it is far away.
    fn is_far(&self) -> bool {
        false
    }

    /// Fills `out` with the bytes from `object`'s byte `at` on.
    ///
    /// # Errors
    /// As [`ChunkedArray::fetch`].
    fn read(&self, object: u64, at: u64, out: &mut [u8]) -> Result<()>;

    /// Reads the box of extents `count` from `start` on into the first corner of `out`, an array of extents `within`, in
    /// the stored byte order.
    ///
    /// # Errors
    /// With a description of what is wrong.
    fn read_box(&self, start: &[u64], count: &[u64], within: &[u64], out: &mut [u8]) -> Result<(), String>;
}
