//! Stored bytes in memory that several readers share.

use crate::error::Result;
use crate::memory;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of the bytes that one request brought. The bytes are freed with the last of their parts.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    whole: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Piece {
    /// Makes the piece that is all of some bytes.
    pub(crate) fn new(bytes: Vec<u8>) -> Piece {
        Piece { range: 0..bytes.len(), whole: Arc::new(bytes) }
    }

    /// Copies bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn copied(bytes: &[u8]) -> Result<Piece> {
        memory::copied(bytes, "a stored chunk").map(Piece::new)
    }

    /// Returns a part of this piece; `None` beyond its end.
    #[cfg(feature = "remote")]
    pub(crate) fn part(&self, range: Range<usize>) -> Option<Piece> {
        self.get(range.clone())?;
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Piece { whole: self.whole.clone(), range })
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_their_piece() {
        let piece = Piece::new((0..10).collect()).part(2..8).unwrap();
        assert_eq!((&*piece, &*piece.part(1..3).unwrap()), (&[2, 3, 4, 5, 6, 7][..], &[3, 4][..]));
        assert!(piece.part(5..7).is_none() && piece.part(7..9).is_none());
    }
}
