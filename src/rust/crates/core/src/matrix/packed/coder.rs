//! Column indices and values in few bits, as bytes.
//!
//! Values come in runs of [`RUN`], the last one shorter. A run is a head of eight bytes (see [`Head`]), then its columns as
//! gaps to the column before, then its values: whole numbers less one, places in a table of the few values there are, or the
//! values as they are. Numbers lie in [`LANES`] lanes of equal width, so that a vector of them is shifted by the same
//! number of bits. What a width does not hold, such as the step back at the start of a row, stands beside the lanes with its
//! place. Nothing is asked of columns or values: any come back as they were.

use crate::dtype::{as_bytes, as_bytes_mut, Bit, Plain};
use crate::simd;
use half::f16;

/// Entries that share their widths.
pub(super) const RUN: usize = 256;
/// Numbers that lie side by side.
const LANES: usize = 8;
/// Exceptions to a width, at most; as many values are in a table.
const MOST: usize = 64;
/// Bytes of an exception: its place and the number.
const EXCEPTION: usize = 5;
/// Bytes that it counts for where a width is chosen: it takes time besides.
const COSTS: usize = 8;
/// Exceptions with which the width of the run before is taken without a look at others.
const FEW: usize = 24;
/// Runs of which one has its widths looked for.
const FRESH: usize = 4;
/// Bytes of a head.
const HEAD: usize = 8;
/// The form of values as they are.
const AS_THEY_ARE: u8 = 255;
/// Added to the width of places in a table.
const TABLE: u8 = 64;
/// Bytes of a run at most, values of eight bytes.
const LARGEST: usize = HEAD + 2 * (RUN * 4 + MOST * EXCEPTION) + RUN * 8;

type Numbers = [u32; RUN];
type Lanes = [u8; 4 * LANES];

/// A number that may lie in 32 bits or less.
pub(in crate::matrix) trait Packable: Plain {
    /// The code of the number, if it has one: whether it has shows by taking it back. The codes of small counts are small.
    fn code(self) -> u32;
    /// The number of a code.
    fn of_code(code: u32) -> Self;
    /// Whether two numbers are the same bits.
    fn same(self, other: Self) -> bool;
}

/// The first numbers of which the last bit counts ones: added, the last bits are those of a smaller whole number. Saturating
/// conversions would take several times longer.
const WHOLE_F32: f32 = (1_u32 << 23) as f32;
const WHOLE_F64: f64 = (1_u64 << 52) as f64;

macro_rules! packable {
    ($($t:ty: $code:expr, $of:expr, $bits:expr;)*) => { $(
        impl Packable for $t {
            #[inline(always)]
            fn code(self) -> u32 {
                let f: fn($t) -> u32 = $code;
                f(self).wrapping_sub(1)
            }
            #[inline(always)]
            fn of_code(code: u32) -> Self {
                let f: fn(u32) -> $t = $of;
                f(code.wrapping_add(1))
            }
            #[inline(always)]
            fn same(self, other: Self) -> bool {
                let f: fn($t) -> u64 = $bits;
                f(self) == f(other)
            }
        }
    )* };
}
packable! {
    i8: |x| x as u32, |k| k as i8, |x| x as u64;
    i16: |x| x as u32, |k| k as i16, |x| x as u64;
    i32: |x| x as u32, |k| k as i32, |x| x as u64;
    i64: |x| x as u32, |k| i64::from(k as i32), |x| x as u64;
    u8: u32::from, |k| k as u8, u64::from;
    u16: u32::from, |k| k as u16, u64::from;
    u32: |x| x, |k| k, u64::from;
    u64: |x| x as u32, u64::from, |x| x;
    f16: |x| x.to_f32() as i32 as u32, |k| f16::from_f32(k as i32 as f32), |x| u64::from(x.to_bits());
    f32: |x| (x + WHOLE_F32).to_bits().wrapping_sub(WHOLE_F32.to_bits()), |k| k as i32 as f32, |x| u64::from(x.to_bits());
    f64: |x| (x + WHOLE_F64).to_bits() as u32, |k| f64::from(k as i32), f64::to_bits;
    Bit: |x| u32::from(x.byte()), |k| Bit::of_byte(k as u8), |x| u64::from(x.byte());
}

/// The start of a run.
#[derive(Clone, Copy)]
struct Head {
    /// Bits of a gap.
    gap: u8,
    /// Gaps that do not fit.
    gaps_beside: u8,
    /// Bits of a value's code; [`TABLE`] and the bits of a place; or [`AS_THEY_ARE`].
    form: u8,
    /// Codes that do not fit, or values in the table.
    values_beside: u8,
    /// The column that the first gap is from.
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

    /// Bytes of the gaps, and of the `n` values of `size` bytes.
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

/// Bits of a number at most as large as this.
fn width(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

simd::vectorized! {
    /// The width that takes the least, of those near `hint` and the one that holds all but huge numbers.
    fn best_width [](numbers: &Numbers, hint: u32) -> u32 where _level in [Avx512, Avx2]: simd::Level {
        let middle = hint.clamp(1, u32::BITS - 2);
        let (mut any, mut huge, mut past) = (0, 0, [0; 3]);
        for &x in numbers {
            let is_huge = x >> 31;
            huge += is_huge;
            // Zero where it is huge.
            any |= x & is_huge.wrapping_sub(1);
            past[0] += u32::from(x >> (middle - 1) != 0);
            past[1] += u32::from(x >> middle != 0);
            past[2] += u32::from(x >> (middle + 1) != 0);
        }
        // The one that holds all but huge numbers, where these are not too many.
        let (mut best, mut least) = (u32::BITS, size_of::<Numbers>());
        for (bits, past) in [(middle - 1, past[0]), (middle, past[1]), (middle + 1, past[2]), (width(any), huge)] {
            let cost = bits as usize * size_of::<Lanes>() + past as usize * COSTS;
            if past as usize <= MOST && cost < least {
                (best, least) = (bits, cost);
            }
        }
        best
    }
}

simd::vectorized! {
    /// Puts numbers into lanes of `width` bits; the bits past it are left out.
    fn squeeze [](numbers: &Numbers, width: u32, out: &mut [Lanes]) where _level in [Avx2]: simd::Level {
        let mask = mask(width);
        let (rows, _) = numbers.as_chunks::<LANES>();
        let (mut held, mut bits, mut at) = ([0_u32; LANES], 0, 0);
        for row in rows {
            let mut next = [0_u32; LANES];
            for l in 0..LANES {
                held[l] |= (row[l] & mask) << bits;
                // Two steps, as a shift by all bits is none.
                next[l] = (row[l] & mask) >> 1 >> (u32::BITS - 1 - bits);
            }
            bits += width;
            if bits >= u32::BITS {
                bits -= u32::BITS;
                if let Some(out) = out.get_mut(at) {
                    for (out, held) in out.as_chunks_mut::<4>().0.iter_mut().zip(held) {
                        *out = held.to_le_bytes();
                    }
                }
                at += 1;
                held = next;
            }
        }
    }
}

/// The two steps of unpacking that take registers to be fast.
trait Unpacks: simd::Level {
    /// Takes numbers of `width` bits from their lanes, of which there are as many rows.
    #[inline(always)]
    fn spread(self, lanes: &[Lanes], width: u32, out: &mut Numbers) {
        let mask = mask(width);
        let word = |lanes: &Lanes, l: usize| u32::from_le_bytes(lanes.as_chunks().0[l]);
        for (row, (low, high, bits)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(words(lanes, width)) {
            for (l, out) in row.iter_mut().enumerate() {
                *out = (word(low, l) >> bits | word(high, l) << 1 << (u32::BITS - 1 - bits)) & mask;
            }
        }
    }

    /// Columns from their gaps, in place.
    #[inline(always)]
    fn add_up(self, gaps: &mut Numbers, before: u32) {
        let mut column = before;
        for gap in gaps {
            column = column.wrapping_add(*gap).wrapping_add(1);
            *gap = column;
        }
    }
}

impl Unpacks for simd::Plain {}

/// For each row of numbers of `width` bits the rows of lanes that hold it, and the bit it begins at. The second is the
/// first where there is none behind it: then the number ends in the first.
#[inline(always)]
fn words(lanes: &[Lanes], width: u32) -> impl Iterator<Item = (&Lanes, &Lanes, u32)> {
    let last = lanes.len().saturating_sub(1);
    (0..(RUN / LANES) as u32).map(move |i| {
        let (word, bits) = ((i * width / u32::BITS) as usize, i * width % u32::BITS);
        (&lanes[word.min(last)], &lanes[(word + 1).min(last)], bits)
    })
}

simd::vectorized! {
    /// [`Unpacks::spread`] at the best level; without lanes all numbers are 0.
    fn spread [](lanes: &[Lanes], width: u32, out: &mut Numbers) where level in [Avx2]: Unpacks {
        if lanes.is_empty() {
            out.fill(0);
        } else {
            level.spread(lanes, width, out);
        }
    }
}

simd::vectorized! {
    /// [`Unpacks::add_up`] at the best level.
    fn add_up [](gaps: &mut Numbers, before: u32) where level in [Avx2]: Unpacks {
        level.add_up(gaps, before);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Eight numbers in a register.

    use super::{mask, words, Lanes, Numbers, Unpacks, LANES};
    use crate::simd::{instructions, load_256_bytes, load_256i, store_256i, Avx2};
    use std::arch::x86_64::*;

    impl Unpacks for Avx2 {
        #[inline(always)]
        fn spread(self, lanes: &[Lanes], width: u32, out: &mut Numbers) {
            spread(self, lanes, width, out);
        }

        #[inline(always)]
        fn add_up(self, gaps: &mut Numbers, before: u32) {
            add_up(self, gaps, before);
        }
    }

    instructions! { Avx2:
        fn spread [](lanes: &[Lanes], width: u32, out: &mut Numbers) {
            let mask = _mm256_set1_epi32(mask(width) as i32);
            for (row, (low, high, bits)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(words(lanes, width)) {
                // A shift by all bits gives 0.
                let (right, left) = (_mm_cvtsi32_si128(bits as i32), _mm_cvtsi32_si128((u32::BITS - bits) as i32));
                let low = _mm256_srl_epi32(load_256_bytes(low), right);
                let high = _mm256_sll_epi32(load_256_bytes(high), left);
                store_256i(row, _mm256_and_si256(_mm256_or_si256(low, high), mask));
            }
        }

        fn add_up [](gaps: &mut Numbers, before: u32) {
            let (one, last) = (_mm256_set1_epi32(1), _mm256_set1_epi32(LANES as i32 - 1));
            let mut before = _mm256_set1_epi32(before as i32);
            for row in gaps.as_chunks_mut::<LANES>().0 {
                // Sums within each half, then the sum of the lower half added to the upper one.
                let mut sums = _mm256_add_epi32(load_256i(row), one);
                sums = _mm256_add_epi32(sums, _mm256_slli_si256::<4>(sums));
                sums = _mm256_add_epi32(sums, _mm256_slli_si256::<8>(sums));
                let lower = _mm256_permute2x128_si256::<0x08>(sums, sums);
                sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32::<0xff>(lower));
                store_256i(row, _mm256_add_epi32(sums, before));
                before = _mm256_add_epi32(before, _mm256_permutevar8x32_epi32(sums, last));
            }
        }
    }
}

fn mask(width: u32) -> u32 {
    u32::MAX.checked_shr(u32::BITS - width).unwrap_or(0)
}

simd::vectorized! {
    /// Gaps between columns.
    fn take_apart [](columns: &Numbers, before: u32, gaps: &mut Numbers) where _level in [Avx512, Avx2]: simd::Level {
        gaps[0] = columns[0].wrapping_sub(before).wrapping_sub(1);
        for i in 1..RUN {
            gaps[i] = columns[i].wrapping_sub(columns[i - 1]).wrapping_sub(1);
        }
    }
}

simd::vectorized! {
    /// Codes of values; whether they stand for the very values.
    fn encode [T: Packable](values: &[T; RUN], codes: &mut Numbers) -> bool where _level in [Avx512, Avx2]: simd::Level {
        let mut wrong = 0_u32;
        for (code, &x) in codes.iter_mut().zip(values) {
            *code = x.code();
            wrong |= u32::from(!T::of_code(*code).same(x));
        }
        wrong == 0
    }
}

simd::vectorized! {
    /// Values of codes.
    fn decode [T: Packable](codes: &Numbers, values: &mut [T; RUN]) where _level in [Avx2]: simd::Level {
        for (x, &code) in values.iter_mut().zip(codes) {
            *x = T::of_code(code);
        }
    }
}

/// A bit for each number of a run.
type Marks = [u64; RUN / 64];

simd::vectorized! {
    /// Marks the numbers that `width` bits do not hold, and counts them.
    fn past [](numbers: &Numbers, width: u32) -> (Marks, usize) where _level in [Avx512, Avx2]: simd::Level {
        let mask = mask(width);
        let mut marks = [0; RUN / 64];
        for (marks, numbers) in marks.iter_mut().zip(numbers.as_chunks::<64>().0) {
            let flags: [u8; 64] = std::array::from_fn(|i| u8::from(numbers[i] & !mask != 0));
            for (i, flags) in flags.as_chunks::<8>().0.iter().enumerate() {
                // Moves the lowest bits of eight bytes together.
                let eight = u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56;
                *marks |= eight << (i * 8);
            }
        }
        let count = marks.iter().map(|marks| marks.count_ones() as usize).sum();
        (marks, count)
    }
}

/// Numbers with a width, and a bit for each that it does not hold.
struct Fitted<'a> {
    numbers: &'a Numbers,
    width: u32,
    past: Marks,
    /// Numbers beside the lanes.
    beside: usize,
}

impl<'a> Fitted<'a> {
    /// With a width of their own, or where `hint` holds nearly all of them, that one.
    fn new(numbers: &'a Numbers, hint: Option<u32>, last: u32) -> Self {
        if let Some(width) = hint {
            let (past, beside) = past(numbers, width);
            if beside <= FEW {
                return Fitted { numbers, width, past, beside };
            }
        }
        let width = best_width(numbers, last);
        let (past, beside) = past(numbers, width);
        Fitted { numbers, width, past, beside }
    }

    /// Bytes they take.
    fn bytes(&self) -> usize {
        self.width as usize * size_of::<Lanes>() + self.beside * EXCEPTION
    }

    /// Appends the lanes, then the numbers beside them.
    fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.width as usize * size_of::<Lanes>(), 0);
        squeeze(self.numbers, self.width, out[start..].as_chunks_mut().0);
        let start = out.len();
        out.resize(start + self.beside * EXCEPTION, 0);
        let mut beside = out[start..].as_chunks_mut::<EXCEPTION>().0.iter_mut();
        for (i, mut bits) in self.past.into_iter().enumerate() {
            while bits != 0 {
                let Some([place, number @ ..]) = beside.next() else { break };
                let at = i * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                *place = at as u8;
                *number = self.numbers[at].to_le_bytes();
            }
        }
    }
}

/// Takes numbers of `width` bits and those beside them from bytes that are theirs alone.
fn take_numbers(bytes: &[u8], width: u32, out: &mut Numbers) -> Option<()> {
    let (lanes, beside) = bytes.split_at_checked(width as usize * size_of::<Lanes>())?;
    spread(lanes.as_chunks().0, width, out);
    for [place, number @ ..] in beside.as_chunks::<EXCEPTION>().0 {
        out[usize::from(*place)] = u32::from_le_bytes(*number);
    }
    Some(())
}

/// The different values of a run in the order they first come, and the place of each; `None` for more than [`MOST`].
fn table_of<T: Packable>(values: &[T; RUN], places: &mut Numbers) -> Option<Vec<T>> {
    const SLOTS: usize = 512;
    let mut slots = [u8::MAX; SLOTS];
    let mut table: Vec<T> = Vec::with_capacity(MOST);
    for (place, &x) in places.iter_mut().zip(values) {
        let mut bits = [0; 8];
        let bytes = as_bytes(std::slice::from_ref(&x));
        bits[..bytes.len()].copy_from_slice(bytes);
        let mut slot = (u64::from_ne_bytes(bits).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize % SLOTS;
        *place = loop {
            match table.get(usize::from(slots[slot])) {
                Some(&known) if known.same(x) => break u32::from(slots[slot]),
                Some(_) => slot = (slot + 1) % SLOTS,
                None if table.len() == MOST => return None,
                None => {
                    slots[slot] = table.len() as u8;
                    table.push(x);
                }
            }
        };
    }
    Some(table)
}

/// Bytes of values in the order of the file, least byte first.
fn put_values<T: Packable>(values: &[T], out: &mut Vec<u8>) {
    if cfg!(target_endian = "big") {
        values.iter().for_each(|x| out.extend_from_slice(as_bytes(&[x.swapped()])));
    } else {
        out.extend_from_slice(as_bytes(values));
    }
}

fn take_values<T: Packable>(bytes: &[u8], values: &mut [T]) {
    as_bytes_mut(values).copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        values.iter_mut().for_each(|x| *x = x.swapped());
    }
}

/// Appends as many columns as values, packed. Bytes are reserved first: at most [`most_bytes`].
pub(super) fn pack<T: Packable>(columns: &[u32], values: &[T], out: &mut Vec<u8>) {
    let mut packer = Packer {
        before: columns.first().map_or(0, |first| first.wrapping_sub(1)),
        runs: 0,
        gap: 4,
        code: 2,
        gaps: [0; RUN],
        codes: [0; RUN],
    };
    for (columns, values) in columns.chunks(RUN).zip(values.chunks(RUN)) {
        match (columns.try_into(), values.try_into()) {
            (Ok(columns), Ok(values)) => packer.run(columns, values, RUN, out),
            _ => {
                // Filled up with what takes no bits.
                let mut all_values = [values.first().map_or(T::default(), |&x| x); RUN];
                all_values[..values.len()].copy_from_slice(values);
                let mut all_columns: Numbers = [0; RUN];
                all_columns[..columns.len()].copy_from_slice(columns);
                for i in columns.len()..RUN {
                    all_columns[i] = all_columns[i - 1].wrapping_add(1);
                }
                packer.run(&all_columns, &all_values, values.len(), out);
            }
        }
    }
}

/// Packs one run after the other.
struct Packer {
    /// The last column.
    before: u32,
    runs: usize,
    /// Widths of the last run.
    gap: u32,
    code: u32,
    gaps: Numbers,
    codes: Numbers,
}

impl Packer {
    /// Packs the first `n` entries.
    fn run<T: Packable>(&mut self, columns: &Numbers, values: &[T; RUN], n: usize, out: &mut Vec<u8>) {
        let is_fresh = self.runs.is_multiple_of(FRESH);
        self.runs += 1;
        let hint = |width: u32| (!is_fresh).then_some(width);
        take_apart(columns, self.before, &mut self.gaps);
        let gaps = Fitted::new(&self.gaps, hint(self.gap), self.gap);
        self.gap = gaps.width;
        let before = std::mem::replace(&mut self.before, columns[n - 1]);
        let mut start = |form: u8, beside: usize| {
            let (gap, gaps_beside) = (gaps.width as u8, gaps.beside as u8);
            let head = Head { gap, gaps_beside, form, values_beside: beside as u8, before };
            out.extend_from_slice(&head.to_bytes());
            gaps.put(out);
        };
        if encode(values, &mut self.codes) {
            let codes = Fitted::new(&self.codes, hint(self.code), self.code);
            self.code = codes.width;
            if codes.bytes() < n * size_of::<T>() {
                start(codes.width as u8, codes.beside);
                return codes.put(out);
            }
        }
        let table = if size_of::<T>() > 1 { table_of(values, &mut self.codes) } else { None };
        match table {
            Some(table) if table.len() * size_of::<T>() + RUN < n * size_of::<T>() => {
                let bits = width(table.len() as u32 - 1);
                start(TABLE + bits as u8, table.len());
                put_values(&table, out);
                Fitted { numbers: &self.codes, width: bits, past: [0; RUN / 64], beside: 0 }.put(out);
            }
            _ => {
                start(AS_THEY_ARE, 0);
                put_values(&values[..n], out);
            }
        }
    }
}

/// Bytes that `n` entries take at most when they are packed.
pub(super) fn most_bytes(n: usize) -> usize {
    n.div_ceil(RUN) * LARGEST
}

/// The way through packed entries, forward.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    /// The entry it is at, a multiple of [`RUN`].
    entry: usize,
    /// The byte its run begins at.
    byte: usize,
}

/// Appends entries `from..to` of the `n` that `bytes` hold; `place` is where the last call of ascending ones ended. `None` when
/// the bytes are damaged; what was appended then is of no use.
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
                    let mut known = [T::default(); MOST];
                    take_values(table, known.get_mut(..usize::from(head.values_beside))?);
                    if usize::from(form - TABLE) > MOST.ilog2() as usize {
                        return None;
                    }
                    take_numbers(places, u32::from(form - TABLE), &mut codes)?;
                    decoded.iter_mut().zip(&codes).for_each(|(x, &code)| *x = known[code as usize % MOST]);
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
mod tests {
    use super::*;

    /// Numbers that are no pattern.
    fn random(seed: u64) -> impl FnMut() -> u32 {
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) as u32
        }
    }

    /// Packs, takes all and parts back, and gives the bytes.
    fn back<T: Packable>(columns: &[u32], values: &[T]) -> Vec<u8> {
        let n = values.len();
        let mut packed = Vec::new();
        pack(columns, values, &mut packed);
        assert!(packed.len() <= most_bytes(n));
        let mut place = Place::default();
        for (from, to) in [(0, n), (0, n / 3), (n / 3, n / 2), (n / 2, n / 2 + 1), (n / 2 + 1, n), (n / 4, n), (0, 0)] {
            if from > to || to > n {
                continue;
            }
            let (mut c, mut v) = (vec![7], vec![T::default()]);
            unpack(&packed, n, (from, to), &mut place, &mut c, &mut v).unwrap();
            assert_eq!(c[1..], columns[from..to]);
            assert!(v.len() == to - from + 1 && v[1..].iter().zip(&values[from..to]).all(|(a, b)| a.same(*b)));
        }
        // Damaged in any way: nothing or something else, never a panic.
        let mut next = random(n as u64);
        for _ in 0..50.min(packed.len()) {
            let mut damaged = packed.clone();
            let at = next() as usize % damaged.len();
            damaged[at] = next() as u8;
            let (mut c, mut v) = (Vec::new(), Vec::<T>::new());
            let _ = unpack(&damaged, n, (0, n), &mut Place::default(), &mut c, &mut v);
            damaged.truncate(at);
            assert!(unpack(&damaged, n, (0, n), &mut Place::default(), &mut c, &mut v).is_none() || at == packed.len());
        }
        packed
    }

    /// Rows of ascending columns.
    fn rows(n: usize, step: u32, seed: u64) -> Vec<u32> {
        let mut next = random(seed);
        let mut column = 0_u32;
        (0..n)
            .map(|_| {
                column += 1 + next() % step;
                if next().is_multiple_of(500) {
                    column = next() % 10;
                }
                column
            })
            .collect()
    }

    #[test]
    fn counts_take_few_bits() {
        let n = 100_000;
        let mut next = random(3);
        let counts: Vec<f32> =
            (0..n).map(|_| if next().is_multiple_of(50) { next() % 1000 } else { 1 + next() % 4 } as f32).collect();
        let packed = back(&rows(n, 14, 1), &counts);
        // 4 bits a gap, 2 a count, and a fiftieth of 40 bits each.
        assert!(packed.len() * 8 < n * 10, "{}", packed.len());
    }

    #[test]
    fn every_width_and_length_comes_back() {
        let mut next = random(5);
        for width in 0..=32 {
            let number = |next: &mut dyn FnMut() -> u32| next() & mask(width);
            for n in [0, 1, 2, 255, 256, 257, 700] {
                let columns: Vec<u32> = (0..n).map(|_| number(&mut next)).collect();
                let ascending: Vec<u32> = columns
                    .iter()
                    .scan(0u32, |c, g| {
                        Some({
                            *c = c.wrapping_add(*g);
                            *c
                        })
                    })
                    .collect();
                let values: Vec<u32> = (0..n).map(|_| number(&mut next)).collect();
                back(&columns, &values);
                back(&ascending, &values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
                back(&ascending, &values.iter().map(|&x| x as f32).collect::<Vec<_>>());
                back(&columns, &values.iter().map(|&x| x as i32).collect::<Vec<_>>());
                back(&columns, &values.iter().map(|&x| x as u16).collect::<Vec<_>>());
                back(&columns, &values.iter().map(|&x| x as i16).collect::<Vec<_>>());
                back(&columns, &values.iter().map(|&x| x as u8).collect::<Vec<_>>());
                back(&columns, &values.iter().map(|&x| x as i8).collect::<Vec<_>>());
                back(&ascending, &values.iter().map(|&x| Bit::of_byte(x as u8)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn any_values_come_back() {
        let n = 3000;
        let (mut next, columns) = (random(9), rows(n, 100, 2));
        let odd =
            [0.0, -0.0, 1.0, -1.0, -7.0, 0.5, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324];
        let mut any = || match next() % 3 {
            0 => odd[next() as usize % odd.len()],
            1 => f64::from(next()),
            _ => f64::from_bits(u64::from(next()) << 32 | u64::from(next())),
        };
        let doubles: Vec<f64> = (0..n).map(|_| any()).collect();
        back(&columns, &doubles);
        back(&columns, &doubles.iter().map(|&x| x as f32).collect::<Vec<_>>());
        back(&columns, &doubles.iter().map(|&x| f16::from_f64(x)).collect::<Vec<_>>());
        back(&columns, &doubles.iter().map(|&x| x.to_bits()).collect::<Vec<_>>());
        back(&columns, &doubles.iter().map(|&x| x.to_bits() as i64).collect::<Vec<_>>());
        for edge in
            [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX]
        {
            back(&columns, &vec![edge; n]);
            back(&columns, &vec![edge as i64; n]);
            back(&columns, &vec![edge as f64; n]);
            back(&columns, &vec![edge as f32; n]);
            back(&columns, &vec![-(edge as f32); n]);
        }
        for edge in [0, 1, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
            back(&vec![edge; n], &vec![1_u8; n]);
        }
        // Repeated and descending columns.
        back(&(0..n as u32).map(|i| i / 3 % 7).collect::<Vec<_>>(), &doubles);
        back(&(0..n as u32).rev().collect::<Vec<_>>(), &doubles);
    }

    #[test]
    fn few_different_floats_are_a_table() {
        let (n, mut next) = (2560, random(4));
        let logs: Vec<f32> = (0..n).map(|_| ((1 + next() % 30) as f32 * 3.7).ln_1p()).collect();
        let packed = back(&rows(n, 14, 1), &logs);
        assert!(packed.len() * 8 < n * 15, "{}", packed.len());
    }

    #[test]
    fn every_processor_unpacks_the_same() {
        let mut next = random(12);
        for width in 1..=32 {
            let numbers: Numbers = std::array::from_fn(|_| next() & mask(width));
            let mut lanes = vec![[0; 4 * LANES]; width as usize];
            squeeze(&numbers, width, &mut lanes);
            let (mut best, mut plain) = ([7; RUN], [9; RUN]);
            spread(&lanes, width, &mut best);
            simd::Plain.spread(&lanes, width, &mut plain);
            assert!(best == numbers && plain == numbers, "{width}");
            let before = next();
            add_up(&mut best, before);
            simd::Plain.add_up(&mut plain, before);
            assert_eq!(best, plain);
        }
    }

    #[test]
    fn bytes_do_not_depend_on_the_processor() {
        let (n, mut next) = (1000, random(8));
        let values: Vec<f32> = (0..n).map(|_| (next() % 9) as f32).collect();
        let mut packed = Vec::new();
        pack(&rows(n, 20, 6), &values, &mut packed);
        let sum = packed.iter().fold(0_u32, |h, &b| h.wrapping_mul(31).wrapping_add(b.into()));
        assert_eq!((packed.len(), sum), (1626, 3_382_584_262));
    }
}
