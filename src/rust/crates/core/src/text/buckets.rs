//! External sort of values by row. Values are spread over buckets of neighbouring rows in a scratch
//! file, and each bucket is then sorted in memory.

use super::collect::{Collector, Float, Stop};
use crate::error::{Error, Result};
use crate::matrix::Scratch;
use crate::memory;
use crate::session::Monitor;
use crate::write::RowRun;
use std::ops::Range;

const SORTED: &str = "values of a text, sorted";
/// Upper bound of the number of buckets.
const MOST: usize = 1 << 10;
/// Bytes of a value: row (u32), column (u32), value (f64).
const SIZE: usize = 16;

/// Values of `rows`, in buckets of neighbouring rows.
pub(super) struct Buckets<'s> {
    scratch: &'s Scratch,
    rows: Range<usize>,
    /// Number of rows of a bucket.
    width: usize,
    buckets: Vec<Bucket>,
    /// Bytes of values in memory now; `limit` is their upper bound.
    held: usize,
    limit: usize,
}

#[derive(Default)]
struct Bucket {
    /// Offset and number of bytes of each part in the scratch file.
    runs: Vec<(u64, usize)>,
    /// Values still in memory.
    rest: Vec<u8>,
}

impl Bucket {
    fn bytes(&self) -> u64 {
        self.runs.iter().map(|r| r.1 as u64).sum::<u64>() + self.rest.len() as u64
    }
}

impl<'s> Buckets<'s> {
    /// Makes buckets for about `values` values of `rows`; at most `limit` bytes of values are held
    /// in memory.
    pub(super) fn new(scratch: &'s Scratch, rows: Range<usize>, values: u64, limit: usize) -> Result<Self> {
        let limit = limit.max(1 << 16);
        // Twice the number needed if all buckets had the same size.
        let wanted = (values.saturating_mul(2 * SIZE as u64) / limit as u64 + 1).min(MOST as u64) as usize;
        let width = rows.len().div_ceil(wanted.min(rows.len()).max(1)).max(1);
        let mut buckets = memory::room(rows.len().div_ceil(width).max(1), SORTED)?;
        buckets.resize_with(rows.len().div_ceil(width).max(1), Bucket::default);
        Ok(Buckets { scratch, rows, width, buckets, held: 0, limit })
    }

    /// Adds a value of one of the rows.
    pub(super) fn push(&mut self, row: usize, column: u32, value: f64) -> Result<()> {
        let number = (row - self.rows.start) / self.width;
        let bucket = self.buckets.get_mut(number).ok_or_else(|| Error::Internal(format!("row {row} has no bucket")))?;
        memory::reserve(&mut bucket.rest, SIZE, SORTED)?;
        bucket.rest.extend_from_slice(&(row as u32).to_ne_bytes());
        bucket.rest.extend_from_slice(&column.to_ne_bytes());
        bucket.rest.extend_from_slice(&value.to_ne_bytes());
        self.held += SIZE;
        if self.held >= self.limit {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        for bucket in self.buckets.iter_mut().filter(|b| !b.rest.is_empty()) {
            let at = self.scratch.append(&bucket.rest)?;
            bucket.runs.push((at, bucket.rest.len()));
            bucket.rest = Vec::new();
        }
        self.held = 0;
        Ok(())
    }

    /// Passes all values to `out`, sorted by row; values of one row keep their order.
    pub(super) fn finish<T: Float, F: FnMut(RowRun) -> Result<(), Stop>>(
        mut self,
        out: &mut Collector<T, F>,
        monitor: &Monitor,
    ) -> Result<(), Stop> {
        for number in 0..self.buckets.len() {
            monitor.check()?;
            let bucket = std::mem::take(&mut self.buckets[number]);
            let start = self.rows.start + number * self.width;
            let rows = start..(start + self.width).min(self.rows.end);
            let bytes = bucket.bytes();
            if bytes <= self.limit as u64 {
                self.sort(bucket, rows, out)?;
            } else if rows.len() > 1 {
                // Larger than memory: the values are spread again, over buckets of fewer rows.
                let mut narrower = Buckets::new(self.scratch, rows, bytes / SIZE as u64, self.limit)?;
                self.for_each_value(bucket, monitor, |row, column, value| Ok(narrower.push(row, column, value)?))?;
                narrower.finish(out, monitor)?;
            } else {
                // A single row, with many repeats: the collector adds them up as they come.
                self.for_each_value(bucket, monitor, |row, column, value| push(out, row, column, value))?;
            }
        }
        Ok(())
    }

    fn sort<T: Float, F: FnMut(RowRun) -> Result<(), Stop>>(
        &self,
        bucket: Bucket,
        rows: Range<usize>,
        out: &mut Collector<T, F>,
    ) -> Result<(), Stop> {
        let mut bytes = memory::zeros::<u8>(bucket.bytes() as usize, SORTED)?;
        let mut at = 0;
        for (place, len) in bucket.runs {
            self.scratch.read(place, &mut bytes[at..at + len])?;
            at += len;
        }
        bytes[at..].copy_from_slice(&bucket.rest);
        drop(bucket.rest);
        let (values, _) = bytes.as_chunks::<SIZE>();
        let mut next = memory::zeros::<u32>(rows.len() + 1, SORTED)?;
        for value in values {
            next[decode(value).0 - rows.start + 1] += 1;
        }
        for i in 0..rows.len() {
            next[i + 1] += next[i];
        }
        let mut order = memory::zeros::<u32>(values.len(), SORTED)?;
        for (i, value) in values.iter().enumerate() {
            let next = &mut next[decode(value).0 - rows.start];
            order[*next as usize] = i as u32;
            *next += 1;
        }
        for i in order {
            let (row, column, value) = decode(&values[i as usize]);
            push(out, row, column, value)?;
        }
        Ok(())
    }

    /// Passes the values of a bucket to `take` in the order in which they came.
    fn for_each_value(
        &self,
        bucket: Bucket,
        monitor: &Monitor,
        mut take: impl FnMut(usize, u32, f64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        // Each run was spilled from memory, so it fits into memory again.
        let mut bytes = Vec::new();
        for (place, len) in bucket.runs {
            monitor.check()?;
            bytes.clear();
            memory::lengthen(&mut bytes, len, 0, SORTED)?;
            self.scratch.read(place, &mut bytes)?;
            for value in bytes.as_chunks::<SIZE>().0 {
                let (row, column, value) = decode(value);
                take(row, column, value)?;
            }
        }
        for value in bucket.rest.as_chunks::<SIZE>().0 {
            let (row, column, value) = decode(value);
            take(row, column, value)?;
        }
        Ok(())
    }
}

/// Passes a value to the collector, without the test for exactness, which the parser has made.
fn push<T: Float, F: FnMut(RowRun) -> Result<(), Stop>>(
    out: &mut Collector<T, F>,
    row: usize,
    column: u32,
    value: f64,
) -> Result<(), Stop> {
    out.push(row, column, T::from_f64(value))
}

fn decode(bytes: &[u8; SIZE]) -> (usize, u32, f64) {
    let [a, b, c, d, e, f, g, h, value @ ..] = *bytes;
    (u32::from_ne_bytes([a, b, c, d]) as usize, u32::from_ne_bytes([e, f, g, h]), f64::from_ne_bytes(value))
}
