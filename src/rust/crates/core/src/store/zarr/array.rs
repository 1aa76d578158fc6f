//! Arrays of numbers, chunk by chunk, for the code above the backends.

use super::chunks::Chunks;
use super::grid;
use crate::error::{Error, Result};
use crate::store::array::{Access, ChunkedArray, Extent, Meta, NumberType, Take, TakePiece};

/// Bytes up to which extents are believed whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;

/// An array of numbers.
#[derive(Debug)]
pub(super) struct ZarrArray {
    chunks: Chunks,
    meta: Meta,
}

impl ZarrArray {
    /// Makes the array of these chunks, which hold numbers of this layout.
    ///
    /// # Errors
    /// [`Error::Format`] for extents or chunks larger than the stored bytes can fill.
    pub(super) fn new(chunks: Chunks, number: NumberType) -> Result<ZarrArray> {
        let array = &chunks.array;
        let bytes = array.shape.iter().fold(number.dtype.size() as u64, |n, &e| n.saturating_mul(e));
        let most = chunks.max_bytes();
        if bytes > UNQUESTIONED && bytes > most {
            return Err(chunks.format(
                "extents that fit the stored data",
                &format!("{:?} ({bytes} bytes) over {} stored bytes, which can be {most}", array.shape, chunks.stored),
            ));
        }
        chunks.believed()?;
        let access = match array.codecs.order {
            Some(_) => Access::Boxes,
            None => Access::Chunks(array.codecs.pipeline.clone()),
        };
        let meta = Meta {
            shape: array.shape.clone(),
            number,
            chunk: array.chunk().to_vec(),
            access,
            fill: array.fill.clone(),
            stored: chunks.stored,
            longest: chunks.longest,
        };
        Ok(ZarrArray { chunks, meta })
    }
}

impl ChunkedArray for ZarrArray {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn locate(&self, chunk: u64) -> Result<Option<Extent>> {
        self.chunks.locate(chunk)
    }

    fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        self.chunks.fetch(extents, take)
    }

    fn fetch_pieces(&self, extents: &[Extent], take: &mut TakePiece<'_>) -> Result<()> {
        self.chunks.fetch_pieces(extents, take)
    }

    fn is_remote(&self) -> bool {
        self.chunks.is_remote()
    }

    fn read(&self, object: u64, at: u64, out: &mut [u8]) -> Result<()> {
        self.chunks.read(object, at, out)
    }

    /// Reads a whole transposed chunk. Callers ask for no other boxes, and any other is an error.
    fn read_box(&self, start: &[u64], _: &[u64], within: &[u64], out: &mut [u8]) -> Result<(), String> {
        let chunk = self.chunks.array.chunk();
        let place: Vec<u64> = start.iter().zip(chunk).map(|(s, c)| s / c).collect();
        let starts = start.iter().zip(chunk).all(|(s, c)| s % c == 0);
        let number = grid::number(&place, &self.chunks.grid).filter(|_| starts && within == chunk);
        let number = number.ok_or_else(|| format!("a box at {start:?} in {within:?}, which is no chunk"))?;
        self.chunks.decode(number, out).map_err(|e| match e {
            Error::Format { found, .. } => found,
            other => other.to_string(),
        })
    }
}
