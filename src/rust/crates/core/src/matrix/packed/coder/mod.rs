//! The coding of column indices and values in few bits.
//!
//! Entries are coded in runs of [`RUN`], the last of which may be shorter. A run is a head of eight
//! bytes (see [`Head`]), then its columns as gaps to the previous column, then its values. Values
//! are whole numbers less one, places in a table of the few different values, or unchanged. Numbers
//! are in [`LANES`](lanes::LANES) lanes of equal width, so that a vector of them is shifted by the
//! same number of bits. Numbers too large for the width, such as the step back at the start of a
//! row, are exceptions, stored after the lanes with their places. Coding is lossless for any
//! columns and values.

mod lanes;
mod number;
mod table;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::dtype::{as_bytes, as_bytes_mut};
use crate::simd;
use lanes::{add_up, best_width, spread, squeeze, take_apart, width, Lanes, Marks, Numbers, MOST, ROW, RUN};
pub(in crate::matrix) use number::Packable;
use table::table_of;

/// Bytes of an exception: its place and the number.
const EXCEPTION: usize = 5;
/// Exceptions up to which the width of the previous run is used without a search for a better one.
const FEW: usize = 24;
/// Runs of which one has its widths and its table determined anew.
const FRESH: usize = 8;
/// Bytes of a head.
const HEAD: usize = 8;
/// The form of unchanged values.
const AS_THEY_ARE: u8 = 255;
/// The number added to the width of places in a table.
const TABLE: u8 = 64;

/// The start of a run.
#[derive(Clone, Copy)]
struct Head {
    /// Bits per gap.
    gap: u8,
    /// The number of gaps that are exceptions.
    gaps_beside: u8,
    /// Bits per code of a value; or [`TABLE`] plus the bits per place; or [`AS_THEY_ARE`].
    form: u8,
    /// The number of codes that are exceptions, or of values in the table.
    values_beside: u8,
    /// The column that precedes the first gap.
    before: u32,
}

impl Head {
    fn to_bytes(self) -> [u8; HEAD] {
        let [a, b, c, d] = self.before.to_le_bytes();
        [self.gap, self.gaps_beside, self.form, self.values_beside, a, b, c, d]
    }

    fn of_bytes([gap, gaps_beside, form, values_beside, a, b, c, d]: [u8; HEAD]) -> Head {
        Head { gap, gaps_beside, form, values_beside, before: u32::from_le_bytes([a, b, c, d]) }
    }

    /// Returns the bytes of the gaps, and of the `n` values of `size` bytes.
    fn sizes(self, n: usize, size: usize) -> (usize, usize) {
        let lanes = |bits: u8| usize::from(bits) * size_of::<Lanes>();
        let beside = usize::from(self.values_beside);
        let values = match self.form {
            AS_THEY_ARE => n * size,
            table @ TABLE.. => lanes(table - TABLE) + beside * size,
            bits => lanes(bits) + beside * EXCEPTION,
        };
        (lanes(self.gap) + usize::from(self.gaps_beside) * EXCEPTION, values)
    }
}

simd::vectorized! {
    /// Computes the codes of values. Returns whether the codes represent the values exactly.
    fn encode [T: Packable](values: &[T; RUN], codes: &mut Numbers) -> bool where _level in [Avx512, Avx2]: simd::Level {
        let mut wrong = 0_u32;
        for (code, &x) in codes.iter_mut().zip(values) {
            *code = x.code();
            wrong |= u32::from(T::of_code(*code).bits() != x.bits());
        }
        wrong == 0
    }
}

simd::vectorized! {
    /// Computes the values of codes.
    fn decode [T: Packable](codes: &Numbers, values: &mut [T; RUN]) where _level in [Avx2]: simd::Level {
        for (x, &code) in values.iter_mut().zip(codes) {
            *x = T::of_code(code);
        }
    }
}

/// A buffer that is written from front to back.
struct Room<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Room<'_> {
    /// Returns the next `n` bytes, to be written.
    fn next(&mut self, n: usize) -> &mut [u8] {
        self.at += n;
        &mut self.bytes[self.at - n..self.at]
    }

    /// Writes numbers of `width` bits into lanes, and returns the marks of larger numbers.
    fn lanes(&mut self, numbers: &Numbers, width: u32) -> Marks {
        squeeze(numbers, width, self.next(width as usize * size_of::<Lanes>()).as_chunks_mut().0)
    }

    /// Writes numbers. The width is `hint` if nearly all numbers fit into it, else the best one.
    /// Returns the width, and the number of exceptions.
    fn numbers(&mut self, numbers: &Numbers, hint: Option<u32>, last: u32) -> (u32, usize) {
        let count = |marks: &Marks| marks.iter().map(|marks| marks.count_ones() as usize).sum();
        let start = self.at;
        let mut width = hint.unwrap_or(0);
        let (mut marks, mut beside) = ([0; _], usize::MAX);
        if hint.is_some() {
            marks = self.lanes(numbers, width);
            beside = count(&marks);
        }
        if beside > FEW {
            self.at = start;
            width = best_width(numbers, last);
            marks = self.lanes(numbers, width);
            beside = count(&marks);
        }
        let mut room = self.next(beside * EXCEPTION).as_chunks_mut::<EXCEPTION>().0.iter_mut();
        for (i, mut marks) in marks.into_iter().enumerate() {
            while marks != 0 {
                let Some([place, number @ ..]) = room.next() else { break };
                let at = i * ROW + marks.trailing_zeros() as usize;
                marks &= marks - 1;
                *place = at as u8;
                *number = numbers[at].to_le_bytes();
            }
        }
        (width, beside)
    }

    /// Writes values in little-endian order.
    fn values<T: Packable>(&mut self, values: &[T]) {
        let bytes = self.next(size_of_val(values));
        if cfg!(target_endian = "big") {
            let each = bytes.chunks_exact_mut(size_of::<T>());
            each.zip(values).for_each(|(bytes, x)| bytes.copy_from_slice(as_bytes(&[x.swapped()])));
        } else {
            bytes.copy_from_slice(as_bytes(values));
        }
    }
}

/// Decodes numbers of `width` bits and their exceptions; `bytes` has nothing else.
fn take_numbers(bytes: &[u8], width: u32, out: &mut Numbers) -> Option<()> {
    let (lanes, beside) = bytes.split_at_checked(width as usize * size_of::<Lanes>())?;
    spread(lanes.as_chunks().0, width, out);
    for [place, number @ ..] in beside.as_chunks::<EXCEPTION>().0 {
        out[usize::from(*place)] = u32::from_le_bytes(*number);
    }
    Some(())
}

/// Decodes values in little-endian order.
fn take_values<T: Packable>(bytes: &[u8], values: &mut [T]) {
    as_bytes_mut(values).copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        values.iter_mut().for_each(|x| *x = x.swapped());
    }
}

/// Packs `columns` and `values`, of equal length, into `out`, which has at least [`most_bytes`].
/// Returns the number of bytes written.
pub(super) fn pack<T: Packable>(columns: &[u32], values: &[T], out: &mut [u8]) -> usize {
    let mut packer = Packer {
        out: Room { bytes: out, at: 0 },
        before: columns.first().map_or(0, |first| first.wrapping_sub(1)),
        runs: 0,
        gap: 4,
        code: 2,
        has_table: true,
        numbers: [0; RUN],
    };
    for (columns, values) in columns.chunks(RUN).zip(values.chunks(RUN)) {
        match (columns.try_into(), values.try_into()) {
            (Ok(columns), Ok(values)) => packer.run(columns, values, RUN),
            _ => {
                // The run is padded with entries that take no bits.
                let mut all_values = [values.first().map_or(T::default(), |&x| x); RUN];
                all_values[..values.len()].copy_from_slice(values);
                let mut all_columns: Numbers = [0; RUN];
                all_columns[..columns.len()].copy_from_slice(columns);
                for i in columns.len()..RUN {
                    all_columns[i] = all_columns[i - 1].wrapping_add(1);
                }
                packer.run(&all_columns, &all_values, values.len());
            }
        }
    }
    packer.out.at
}

/// The state of packing one run after the other.
struct Packer<'a> {
    out: Room<'a>,
    /// The last column of the previous run.
    before: u32,
    runs: usize,
    /// Width of the gaps in the last run.
    gap: u32,
    /// Width of the codes in the last run.
    code: u32,
    /// Whether the last run that was tried had a table.
    has_table: bool,
    numbers: Numbers,
}

impl Packer<'_> {
    /// Packs the first `n` entries.
    fn run<T: Packable>(&mut self, columns: &Numbers, values: &[T; RUN], n: usize) {
        let is_fresh = self.runs.is_multiple_of(FRESH);
        self.runs += 1;
        let before = std::mem::replace(&mut self.before, columns[n - 1]);
        let start = self.out.at;
        self.out.next(HEAD);
        take_apart(columns, before, &mut self.numbers);
        let (gap, gaps_beside) = self.out.numbers(&self.numbers, (!is_fresh).then_some(self.gap), self.gap);
        self.gap = gap;
        let (form, values_beside) = self.values(values, n, is_fresh);
        let (gaps_beside, values_beside) = (gaps_beside as u8, values_beside as u8);
        let head = Head { gap: gap as u8, gaps_beside, form, values_beside, before };
        self.out.bytes[start..start + HEAD].copy_from_slice(&head.to_bytes());
    }

    /// Writes the first `n` values. Returns their form, and the number of exceptions or of values
    /// in the table.
    fn values<T: Packable>(&mut self, values: &[T; RUN], n: usize, is_fresh: bool) -> (u8, usize) {
        let start = self.out.at;
        if encode(values, &mut self.numbers) {
            let (width, beside) = self.out.numbers(&self.numbers, (!is_fresh).then_some(self.code), self.code);
            self.code = width;
            if self.out.at - start < n * size_of::<T>() {
                return (width as u8, beside);
            }
            self.out.at = start;
        }
        if size_of::<T>() > 1 && (is_fresh || self.has_table) {
            let mut table = [T::default(); table::MOST];
            let found = table_of(values, &mut self.numbers, &mut table);
            let found = found.filter(|of| of * size_of::<T>() + RUN < n * size_of::<T>());
            self.has_table = found.is_some();
            if let Some(of) = found {
                let bits = width(of as u32 - 1);
                self.out.values(&table[..of]);
                self.out.lanes(&self.numbers, bits);
                return (TABLE + bits as u8, of);
            }
        }
        self.out.values(&values[..n]);
        (AS_THEY_ARE, 0)
    }
}

/// Returns the most bytes that `n` entries take, also while they are being packed.
pub(super) const fn most_bytes<T>(n: usize) -> usize {
    let (gaps, codes) = (RUN * 4 + MOST * EXCEPTION, RUN * 4 + MOST * EXCEPTION);
    let values = RUN * size_of::<T>();
    n.div_ceil(RUN) * (HEAD + gaps + if codes > values { codes } else { values })
}

/// A position in packed entries, which moves forward.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    /// The number of the entry, a multiple of [`RUN`].
    entry: usize,
    /// The offset of its run.
    byte: usize,
}

/// Appends entries `from..to` of the `n` entries in `bytes`. `place` is the position at the end of
/// the previous call; it is reset if `from` is before it. Returns `None` where the bytes are
/// damaged; the entries appended then have no meaning.
pub(super) fn unpack<T: Packable>(
    bytes: &[u8],
    n: usize,
    (from, to): (usize, usize),
    place: &mut Place,
    columns: &mut Vec<u32>,
    values: &mut Vec<T>,
) -> Option<()> {
    if from >= to {
        return Some(());
    }
    if place.entry > from {
        *place = Place::default();
    }
    let (mut gaps, mut codes, mut decoded) = ([0; RUN], [0; RUN], [T::default(); RUN]);
    while place.entry < to {
        let in_run = RUN.min(n.checked_sub(place.entry)?);
        let rest = bytes.get(place.byte..)?;
        let (head, rest) = rest.split_first_chunk::<HEAD>()?;
        let head = Head::of_bytes(*head);
        let (of_gaps, of_values) = head.sizes(in_run, size_of::<T>());
        let next = Place { entry: place.entry + RUN, byte: place.byte + HEAD + of_gaps + of_values };
        if next.entry > from {
            let (start, end) = (from.saturating_sub(place.entry), in_run.min(to - place.entry));
            if u32::from(head.gap) > u32::BITS || start >= end {
                return None;
            }
            let (packed_gaps, rest) = rest.split_at_checked(of_gaps)?;
            let packed_values = rest.get(..of_values)?;
            take_numbers(packed_gaps, head.gap.into(), &mut gaps)?;
            add_up(&mut gaps, head.before);
            columns.extend_from_slice(&gaps[start..end]);
            match head.form {
                AS_THEY_ARE => take_values(packed_values, &mut decoded[..in_run]),
                form @ TABLE.. => {
                    let (table, places) =
                        packed_values.split_at_checked(usize::from(head.values_beside) * size_of::<T>())?;
                    let mut known = [T::default(); table::MOST];
                    take_values(table, known.get_mut(..usize::from(head.values_beside))?);
                    if usize::from(form - TABLE) > table::MOST.ilog2() as usize {
                        return None;
                    }
                    take_numbers(places, u32::from(form - TABLE), &mut codes)?;
                    decoded.iter_mut().zip(&codes).for_each(|(x, &code)| *x = known[code as usize % table::MOST]);
                }
                bits if u32::from(bits) <= u32::BITS => {
                    take_numbers(packed_values, bits.into(), &mut codes)?;
                    decode(&codes, &mut decoded);
                }
                _ => return None,
            }
            values.extend_from_slice(&decoded[start..end]);
        }
        if next.entry > to {
            break;
        }
        *place = next;
    }
    Some(())
}

#[cfg(test)]
mod tests;
