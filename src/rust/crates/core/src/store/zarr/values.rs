//! Reads values of any type, whole or by runs of rows.

use super::chunks::Chunks;
use super::datatype::DataType;
use super::files::Files;
use super::grid;
use super::metadata::Array;
use crate::error::{Error, Result};
use crate::memory;
use crate::store::backend::{FileState, Object, Part, Stored};
use crate::store::Kind;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

/// Upper bound of the bytes of the texts of a chunk, for each stored byte.
const EXPANSION: u64 = 4096;
/// Bytes that the texts of a chunk may have whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;

/// The values of an array, read on demand.
pub(super) struct Values<'a> {
    at: &'a dyn Object,
    files: &'a Arc<dyn Files>,
    state: Option<FileState>,
    array: Arc<Array>,
    kind: Kind,
    chunks: OnceCell<Chunks>,
}

impl<'a> Values<'a> {
    /// Makes the values of an array. `state` is the state of the store when it was opened.
    ///
    /// # Errors
    /// Errors of looking up the chunks. Only those of a very large array are looked up here, to
    /// check its size.
    pub(super) fn new(
        at: &'a dyn Object,
        files: &'a Arc<dyn Files>,
        state: Option<FileState>,
        array: Arc<Array>,
    ) -> Result<Values<'a>> {
        let kind = array.of.kind();
        let bytes = grid::count(&array.shape).saturating_mul(kind.memory_bytes() as u64);
        let values = Values { at, files, state, kind, array, chunks: OnceCell::new() };
        if bytes > UNQUESTIONED {
            values.chunks()?;
        }
        Ok(values)
    }

    /// Returns the chunks, which are looked up when values are first read: a description needs
    /// none.
    fn chunks(&self) -> Result<&Chunks> {
        if let Some(chunks) = self.chunks.get() {
            return Ok(chunks);
        }
        let chunks = Chunks::open(self.files, self.at.path(), self.array.clone(), self.state)?;
        Ok(self.chunks.get_or_init(|| chunks))
    }

    fn wrong(&self, found: &str) -> Error {
        self.at.format("values that can be read", found)
    }

    /// Returns the box of the chosen rows, and the range of chunks along each axis that it meets.
    fn chosen(&self, rows: Option<&Range<usize>>, chunk: &[u64]) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let mut within: Vec<Range<u64>> = self.array.shape.iter().map(|&n| 0..n).collect();
        if let (Some(first), Some(rows)) = (within.first_mut(), rows) {
            *first = rows.start as u64..rows.end as u64;
        }
        let bands = within.iter().zip(chunk).map(|(r, c)| r.start / c..r.end.div_ceil(*c)).collect();
        (within, bands)
    }
}

/// Returns the box of the chunk at a place.
fn box_of(place: &[u64], chunk: &[u64]) -> Vec<Range<u64>> {
    place.iter().zip(chunk).map(|(p, c)| p * c..(p + 1) * c).collect()
}

/// Calls `each` for every place in a box, row-major.
fn places(bands: &[Range<u64>], each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
    if bands.iter().any(|r| r.is_empty()) {
        return Ok(());
    }
    let mut place: Vec<u64> = bands.iter().map(|r| r.start).collect();
    loop {
        each(&place)?;
        let mut axis = bands.len();
        loop {
            if axis == 0 {
                return Ok(());
            }
            axis -= 1;
            place[axis] += 1;
            if place[axis] < bands[axis].end {
                break;
            }
            place[axis] = bands[axis].start;
        }
    }
}

impl Stored for Values<'_> {
    fn kind(&self) -> &Kind {
        &self.kind
    }

    fn extents(&self) -> Option<Vec<usize>> {
        Some(self.array.shape.iter().map(|&n| n as usize).collect())
    }

    fn max_bytes(&self) -> u64 {
        // The chunks are known already where this matters. An error would show when values are
        // read.
        self.chunks().map_or(u64::MAX, Chunks::max_bytes)
    }

    fn read(&self, part: &Part<'_>, out: &mut [u8]) -> Result<()> {
        let chunks = self.chunks()?;
        let array = &chunks.array;
        let whole = array.of.size().ok_or_else(|| self.wrong("values without a length"))?;
        // The field of every record, or the whole value.
        let (of, at): (&DataType, usize) = match part.field {
            None => (&array.of, 0),
            Some(name) => {
                let field = array.of.field(name).ok_or_else(|| self.wrong("no such field"))?;
                (&field.of, field.at)
            }
        };
        let each: usize = part.inner.iter().product();
        let (stored, held) = (of.size().unwrap_or(0) * each, part.kind.memory_bytes().max(1) * each);
        let mut decoded = memory::zeros::<u8>(chunks.believed()?, "a chunk")?;
        let chunk = array.chunk();
        let (within, bands) = self.chosen(part.rows.as_ref(), chunk);
        places(&bands, &mut |place| {
            let number = grid::number(place, &chunks.grid).ok_or_else(|| self.wrong("a chunk outside"))?;
            chunks.decode(number, &mut decoded)?;
            grid::shared(&box_of(place, chunk), &within, |from, to, n| {
                let room = out.get_mut(to * held..(to + n) * held);
                let room = room.ok_or_else(|| self.wrong("more values than extents"))?;
                let run = &decoded[from * whole..(from + n) * whole];
                let done = if whole == stored {
                    of.convert(run, room)
                } else {
                    let mut fields = run.chunks_exact(whole.max(1)).zip(room.chunks_exact_mut(held));
                    fields.try_for_each(|(value, room)| of.convert(&value[at..at + stored], room))
                };
                done.map_err(|found| chunks.damaged(number, &found))
            })
        })
    }

    fn texts(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let chunks = self.chunks()?;
        let array = &chunks.array;
        let chunk = array.chunk();
        let (within, bands) = self.chosen(part.rows.as_ref(), chunk);
        let steps = grid::strides(chunk, array.codecs.order.as_deref());
        let (first, others) = match bands.split_first() {
            Some((first, others)) => (first.clone(), others),
            None => (0..1, &[][..]),
        };
        // One band of chunks at a time, so that its texts come in the order of rows.
        for band in first {
            let mut texts: Vec<Option<Texts>> = Vec::new();
            places(others, &mut |place| {
                let place: Vec<u64> = if bands.is_empty() { Vec::new() } else { [&[band], place].concat() };
                let number = grid::number(&place, &chunks.grid).ok_or_else(|| self.wrong("a chunk outside"))?;
                memory::reserve(&mut texts, 1, "texts of a chunk")?;
                texts.push(Texts::decode(chunks, number)?);
                Ok(())
            })?;
            let mut rows = within.clone();
            if let (Some(rows), Some(&c)) = (rows.first_mut(), chunk.first()) {
                *rows = rows.start.max(band * c)..rows.end.min((band + 1) * c);
            }
            let across: Vec<u64> = others.iter().map(|r| r.end - r.start).collect();
            places(&rows, &mut |value| {
                let (mut at, mut number) = (0_u64, 0_u64);
                for (axis, ((&v, &c), &step)) in value.iter().zip(chunk).zip(&steps).enumerate() {
                    at = u64::wrapping_add(at, (v % c).wrapping_mul(step));
                    if axis > 0 {
                        number = number * across[axis - 1] + v / c;
                    }
                }
                match texts.get(number as usize).and_then(Option::as_ref) {
                    Some(texts) => give(texts.get(at as usize)),
                    None => give(array.fill_text.as_bytes()),
                }
            })?;
        }
        Ok(())
    }
}

/// The texts of a chunk. Its bytes are their number, then each text after its length, both in 4
/// bytes.
struct Texts {
    bytes: Vec<u8>,
    places: Vec<(u32, u32)>,
}

impl Texts {
    /// Decodes the texts of a chunk; `None` for a chunk that was never written.
    fn decode(chunks: &Chunks, number: u64) -> Result<Option<Texts>> {
        let expected = grid::count(chunks.array.chunk());
        let mut texts = None;
        chunks.with_stored(number, &mut |stored| {
            let wrong = |found: &str| chunks.damaged(number, found);
            let most = (stored.len() as u64).saturating_mul(EXPANSION).max(UNQUESTIONED).min(u32::MAX.into()) as usize;
            let bytes = chunks.array.codecs.pipeline.decode_all(stored, most).map_err(|found| wrong(&found))?;
            let at = |at: usize| bytes.get(at..)?.first_chunk().map(|n| u32::from_le_bytes(*n));
            let count = at(0).unwrap_or(0);
            if u64::from(count) != expected || bytes.len() < 4 {
                return Err(wrong(&format!("{count} texts where the chunk holds {expected}")));
            }
            // Each text takes at least the 4 bytes of its length.
            if (bytes.len() as u64 - 4) / 4 < u64::from(count) {
                return Err(wrong(&format!("{} bytes for {count} texts", bytes.len())));
            }
            let mut places = memory::room(count as usize, "texts of a chunk")?;
            let mut next = 4_usize;
            for i in 0..count {
                let n = at(next).ok_or_else(|| wrong(&format!("an end before text {i}")))?;
                let end = (next + 4).checked_add(n as usize).filter(|&end| end <= bytes.len());
                let end = end.ok_or_else(|| wrong(&format!("text {i} of {n} bytes, which are not there")))?;
                places.push((next as u32 + 4, n));
                next = end;
            }
            texts = Some((bytes, places));
            Ok(())
        })?;
        Ok(texts.map(|(bytes, places)| Texts { bytes, places }))
    }

    fn get(&self, i: usize) -> &[u8] {
        let (at, n) = self.places.get(i).copied().unwrap_or_default();
        self.bytes.get(at as usize..at as usize + n as usize).unwrap_or_default()
    }
}
