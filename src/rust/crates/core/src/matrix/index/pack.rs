//! The packing of rows and values of a column in few bits.
//!
//! A segment is the number of entries (u32) and the first row (u32), then groups of up to [`GROUP`]
//! entries. A group has the widths in bits of a row's gap and of a value (a byte each), then the
//! gaps between rows, then the values; both are padded to whole bytes, low bits first. Whole
//! numbers are stored as such. A group with any other number has the bit patterns of its values
//! instead, and [`BY_BITS`] is added to the width.

use crate::element::Number;
use half::f16;

/// Entries that share their widths.
const GROUP: usize = 128;
const BY_BITS: u8 = 128;

/// A number with a bit pattern of at most 64 bits.
pub(crate) trait Bits: Number {
    fn bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
}

macro_rules! bits {
    ($($t:ty: $to:expr, $of:expr;)*) => { $(
        impl Bits for $t {
            fn bits(self) -> u64 {
                let f: fn($t) -> u64 = $to;
                f(self)
            }
            fn of_bits(bits: u64) -> Self {
                let f: fn(u64) -> $t = $of;
                f(bits)
            }
        }
    )* };
}
bits! {
    bool: u64::from, |b| b != 0;
    i8: |x| u64::from(x as u8), |b| b as i8;
    i16: |x| u64::from(x as u16), |b| b as i16;
    i32: |x| u64::from(x as u32), |b| b as i32;
    i64: |x| x as u64, |b| b as i64;
    u8: u64::from, |b| b as u8;
    u16: u64::from, |b| b as u16;
    u32: u64::from, |b| b as u32;
    u64: |x| x, |b| b;
    f16: |x| u64::from(x.to_bits()), |b| f16::from_bits(b as u16);
    f32: |x| u64::from(x.to_bits()), |b| f32::from_bits(b as u32);
    f64: f64::to_bits, f64::from_bits;
}

/// Returns `x` as a whole number of at most 32 bits, or `None` where it is not exactly one (-0.0 is
/// not).
#[inline]
fn whole<T: Bits>(x: T) -> Option<u32> {
    let k = x.to_f64() as u32;
    (T::from_f64(f64::from(k)).bits() == x.bits()).then_some(k)
}

/// Returns the number of bits of `largest`.
fn width(largest: u64) -> usize {
    64 - largest.leading_zeros() as usize
}

/// Appends a segment. `rows` ascend strictly and are as many as `values`.
pub(crate) fn pack<T: Bits>(rows: &[u32], values: &[T], out: &mut Vec<u8>) {
    let Some(&first) = rows.first() else { return };
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    // The gap of the first row is 0: it is relative to the row before.
    let mut before = first.wrapping_sub(1);
    let (mut gaps, mut numbers) = ([0u64; GROUP], [0u64; GROUP]);
    for (rows, values) in rows.chunks(GROUP).zip(values.chunks(GROUP)) {
        let n = rows.len();
        let (mut gap_bits, mut value_bits, mut exact) = (0, 0, true);
        for (i, (&row, &x)) in rows.iter().zip(values).enumerate() {
            gaps[i] = u64::from(row.wrapping_sub(before).wrapping_sub(1));
            before = row;
            gap_bits |= gaps[i];
            match whole(x) {
                Some(k) => {
                    numbers[i] = u64::from(k);
                    value_bits |= numbers[i];
                }
                None => exact = false,
            }
        }
        let mut bits = width(value_bits);
        if !exact {
            numbers.iter_mut().zip(values).for_each(|(b, x)| *b = x.bits());
            bits = width(numbers[..n].iter().fold(0, |a, b| a | b));
        }
        out.push(width(gap_bits) as u8);
        out.push(bits as u8 | if exact { 0 } else { BY_BITS });
        put(&gaps[..n], width(gap_bits), out);
        put(&numbers[..n], bits, out);
    }
}

/// Appends numbers of `width` bits each, padded to a whole byte.
fn put(numbers: &[u64], width: usize, out: &mut Vec<u8>) {
    let (mut held, mut n) = (0u128, 0);
    for &x in numbers {
        held |= u128::from(x) << n;
        n += width;
        while n >= 8 {
            out.push(held as u8);
            held >>= 8;
            n -= 8;
        }
    }
    if n > 0 {
        out.push(held as u8);
    }
}

/// Appends the entries of all segments in `bytes`. Returns `None` where they are damaged or hold a
/// row of `n_rows` or more.
pub(super) fn unpack<T: Bits>(mut bytes: &[u8], n_rows: usize, rows: &mut Vec<u32>, values: &mut Vec<T>) -> Option<()> {
    let (mut gaps, mut numbers) = ([0u64; GROUP], [0u64; GROUP]);
    while !bytes.is_empty() {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<4>()?;
        let (mut left, first) = (u32::from_le_bytes(*count) as usize, u32::from_le_bytes(*first));
        let mut before = i64::from(first) - 1;
        bytes = rest;
        while left > 0 {
            let n = left.min(GROUP);
            let (&[gap_bits, value_bits], rest) = bytes.split_first_chunk::<2>()?;
            bytes = unpack_numbers(rest, &mut gaps[..n], gap_bits as usize)?;
            bytes = unpack_numbers(bytes, &mut numbers[..n], (value_bits & !BY_BITS) as usize)?;
            for gap in &gaps[..n] {
                before = before.checked_add(i64::try_from(*gap).ok()?)?.checked_add(1)?;
                rows.push(u32::try_from(before).ok()?);
            }
            if before >= n_rows as i64 {
                return None;
            }
            if value_bits & BY_BITS == 0 {
                values.extend(numbers[..n].iter().map(|&k| T::from_f64(k as f64)));
            } else {
                values.extend(numbers[..n].iter().map(|&b| T::of_bits(b)));
            }
            left -= n;
        }
    }
    Some(())
}

/// Reads `out.len()` numbers of `width` bits and returns the bytes after them; `None` where there
/// are fewer.
fn unpack_numbers<'a>(bytes: &'a [u8], out: &mut [u64], width: usize) -> Option<&'a [u8]> {
    let size = (out.len() * width).div_ceil(8);
    if width > 64 || size > bytes.len() {
        return None;
    }
    let (packed, rest) = bytes.split_at(size);
    // The buffer is longer so that 16 bytes can be read from any place.
    let mut room = [0u8; GROUP * 8 + 16];
    room[..size].copy_from_slice(packed);
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
    for (i, x) in out.iter_mut().enumerate() {
        let at = i * width;
        let word = room[at / 8..].first_chunk::<16>()?;
        *x = (u128::from_le_bytes(*word) >> (at % 8)) as u64 & mask;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Bits>(rows: &[u32], values: &[T]) -> usize {
        let mut packed = Vec::new();
        let half = rows.len() / 2;
        pack(&rows[..half], &values[..half], &mut packed);
        pack(&rows[half..], &values[half..], &mut packed);
        let (mut r, mut v) = (Vec::new(), Vec::<T>::new());
        unpack(&packed, usize::MAX >> 1, &mut r, &mut v).unwrap();
        assert_eq!(r, rows);
        assert!(v.iter().zip(values).all(|(a, b)| a.bits() == b.bits()) && v.len() == values.len());
        for cut in 1..packed.len().min(40) {
            // Truncated anywhere, the bytes give `None` or fewer entries, never a panic.
            let _ = unpack::<T>(&packed[..packed.len() - cut], 1 << 20, &mut Vec::new(), &mut Vec::new());
        }
        packed.len()
    }

    #[test]
    fn every_value_comes_back() {
        let rows: Vec<u32> = (0..1000).map(|i| i * 13 + i % 7).collect();
        let counts: Vec<f32> = (0..1000).map(|i| (1 + i % 3) as f32).collect();
        // 4 to 5 bits per row, 2 per value.
        assert!(round_trip(&rows, &counts) < 1000);
        round_trip(&rows, &(0..1000).map(|i| f64::from(i) / 7.0 - 3.0).collect::<Vec<_>>());
        round_trip(&rows, &(0..1000).map(|i| if i == 500 { -0.0 } else { f64::NAN }).collect::<Vec<_>>());
        round_trip(&rows, &(0..1000).map(|i| i64::MIN + i).collect::<Vec<_>>());
        round_trip(&rows, &(0..1000u64).map(|i| (1 << 53) + i).collect::<Vec<_>>());
        round_trip(&rows, &(0..1000).map(|i| i % 2 == 0).collect::<Vec<_>>());
        round_trip(&rows, &(0..1000).map(|i| f16::from_f64(f64::from(i) * 0.1)).collect::<Vec<_>>());
        round_trip(&[0, 1, u32::MAX], &[u32::MAX, 0, 7]);
        round_trip::<f32>(&[], &[]);
    }

    #[test]
    fn rows_past_the_end_are_found() {
        let mut packed = Vec::new();
        pack(&[3, 9], &[1.0f32, 2.0], &mut packed);
        assert!(unpack::<f32>(&packed, 9, &mut Vec::new(), &mut Vec::new()).is_none());
        assert!(unpack::<f32>(&packed, 10, &mut Vec::new(), &mut Vec::new()).is_some());
    }
}
