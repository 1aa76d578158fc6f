//! Arrays of numbers whose chunks are found, fetched and decoded one by one, from any thread.
//!
//! A backend says where the stored bytes of a chunk are and fetches many chunks at once. The reader
//! undoes the filters, on its own threads. An array that cannot be read that way (filters only the
//! library of the format knows, values in other files) is read as boxes of values.

use crate::codec::pipeline::Pipeline;
use crate::dtype::DType;
use crate::error::Result;
use crate::store::piece::Piece;
use std::fmt::Debug;

/// A range of stored bytes in one of the store's files or objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The file or object, by the backend's own number.
    pub(crate) object: u64,
    /// The first byte in the object.
    pub(crate) at: u64,
    /// Length in bytes; [`Extent::WHOLE`] for all of an object whose size is found when it is
    /// fetched.
    pub(crate) size: u64,
    /// The filters of the pipeline that the writer skipped for this chunk, one bit each.
    pub(crate) mask: u32,
}

impl Extent {
    /// The size that stands for the whole object.
    pub(crate) const WHOLE: u64 = u64::MAX;

    /// Returns the extent that covers this one and `next`, if `next` follows it without a gap in
    /// the same object.
    pub(crate) fn joined(self, next: Extent) -> Option<Extent> {
        let adjoins = next.object == self.object && self.at.checked_add(self.size) == Some(next.at);
        adjoins.then(|| Extent { size: self.size + next.size, ..self })
    }
}

/// The way in which the values of an array are read: as stored bytes without filters, as stored
/// chunks that the reader decodes, or as boxes that the backend decodes.
#[derive(Debug)]
pub(crate) enum Access {
    /// One run of values without filters; `None` when no value was written.
    Run(Option<Extent>),
    /// Chunks, each to be decoded by this pipeline.
    Chunks(Pipeline),
    /// Boxes of values, which the backend decodes.
    Boxes,
}

/// The layout of one stored number: its dtype and its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberType {
    /// The dtype.
    pub(crate) dtype: DType,
    /// Whether the byte order is the opposite of this machine's.
    pub(crate) swapped: bool,
}

/// The description of an array of numbers, without its values.
#[derive(Debug)]
pub(crate) struct Meta {
    /// Extents of the array.
    pub(crate) shape: Vec<u64>,
    /// Layout of a stored number.
    pub(crate) number: NumberType,
    /// Extents of a chunk, or of the boxes that are best to read; all at least 1.
    pub(crate) chunk: Vec<u64>,
    /// The way to the bytes.
    pub(crate) access: Access,
    /// The value of chunks that were never written: one number, in the stored byte order.
    pub(crate) fill: Vec<u8>,
    /// Bytes stored for the whole array.
    pub(crate) stored: u64,
    /// Upper bound of the length of an extent, in bytes: the size of the file or of the largest
    /// object.
    pub(crate) longest: u64,
}

/// The callback of [`ChunkedArray::fetch`]. It gets the position of an extent in the list that was
/// asked for, and the stored bytes of that extent. The bytes are `None` where the object does not
/// exist. They are borrowed for the call only.
pub(crate) type Take<'a> = dyn FnMut(usize, Option<&[u8]>) -> Result<()> + 'a;

/// The callback of [`ChunkedArray::fetch_pieces`]. It gets the same arguments as [`Take`], but owns
/// the bytes and may keep them.
pub(crate) type TakePiece<'a> = dyn FnMut(usize, Option<Piece>) -> Result<()> + 'a;

/// An array of numbers that can be read chunk by chunk, from any thread. Chunks are numbered
/// row-major in their grid. Callers ask only for chunks and boxes within the extents.
pub(crate) trait ChunkedArray: Send + Sync + Debug {
    /// Returns the description of the array: shape, type and chunks.
    fn meta(&self) -> &Meta;

    /// Finds a chunk; `None` when it was never written. For [`Access::Chunks`] only.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File), [`Error::Io`](crate::Error::Io): the table of chunks
    /// may have to be read first.
    fn locate(&self, chunk: u64) -> Result<Option<Extent>>;

    /// Fetches extents and hands the bytes of each to `take`, with its position in the list, in any
    /// order. Adjacent extents are fetched by one read; where a request takes long, many are under
    /// way at a time. `take` gets `None` for an object that does not exist, which is a chunk that
    /// was never written. None of the extents is longer than [`Meta::longest`].
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) when the bytes are not there,
    /// [`Error::Io`](crate::Error::Io) when the system refuses to read them; errors of `take`.
    fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()>;

    /// Fetches extents as [`ChunkedArray::fetch`] does, for a `take` that keeps their bytes. Bytes of
    /// a remote store are handed on as they came; others are copied.
    ///
    /// # Errors
    /// The errors of [`ChunkedArray::fetch`].
    fn fetch_pieces(&self, extents: &[Extent], take: &mut TakePiece<'_>) -> Result<()> {
        self.fetch(extents, &mut |i, bytes| take(i, bytes.map(Piece::copied).transpose()?))
    }

    /// Returns whether the array is in a remote store, where each request takes long.
    fn is_remote(&self) -> bool {
        false
    }

    /// Returns the number of the remote file that all its extents are in; `None` for an array
    /// of this machine, or in several objects. Arrays of the same file can be fetched together.
    fn file(&self) -> Option<u64> {
        None
    }

    /// Fills `out` with the bytes of `object` from byte `at` on.
    ///
    /// # Errors
    /// The errors of [`ChunkedArray::fetch`].
    fn read(&self, object: u64, at: u64, out: &mut [u8]) -> Result<()>;

    /// Reads the box of extents `count` that begins at `start` into `out`. `out` is an array of
    /// extents `within`, in the stored byte order, and the box goes to its corner at index 0.
    ///
    /// # Errors
    /// A description of the fault.
    fn read_box(&self, start: &[u64], count: &[u64], within: &[u64], out: &mut [u8]) -> Result<(), String>;
}
