use super::lanes::{mask, Steps, LANES};
use super::*;
use crate::dtype::Bit;
use half::f16;

/// Makes numbers without a pattern.
fn random(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    }
}

fn packed<T: Packable>(columns: &[u32], values: &[T]) -> Vec<u8> {
    let mut bytes = vec![170; most_bytes::<T>(values.len())];
    let n = pack(columns, values, &mut bytes);
    bytes.truncate(n);
    bytes
}

/// Packs, takes all and parts back, and gives the bytes.
fn round_trip<T: Packable>(columns: &[u32], values: &[T]) -> Vec<u8> {
    let n = values.len();
    let packed = packed(columns, values);
    let mut place = Place::default();
    for (from, to) in [(0, n), (0, n / 3), (n / 3, n / 2), (n / 2, n / 2 + 1), (n / 2 + 1, n), (n / 4, n), (0, 0)] {
        if from > to || to > n {
            continue;
        }
        let (mut c, mut v) = (vec![7], vec![T::default()]);
        unpack(&packed, n, (from, to), &mut place, &mut c, &mut v).unwrap();
        assert_eq!(c[1..], columns[from..to]);
        assert!(v.len() == to - from + 1 && v[1..].iter().zip(&values[from..to]).all(|(a, b)| a.bits() == b.bits()));
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

/// Makes rows of ascending columns.
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
    let packed = round_trip(&rows(n, 14, 1), &counts);
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
            round_trip(&columns, &values);
            round_trip(&ascending, &values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            round_trip(&ascending, &values.iter().map(|&x| x as f32).collect::<Vec<_>>());
            round_trip(&columns, &values.iter().map(|&x| x as i32).collect::<Vec<_>>());
            round_trip(&columns, &values.iter().map(|&x| x as u16).collect::<Vec<_>>());
            round_trip(&columns, &values.iter().map(|&x| x as i16).collect::<Vec<_>>());
            round_trip(&columns, &values.iter().map(|&x| x as u8).collect::<Vec<_>>());
            round_trip(&columns, &values.iter().map(|&x| x as i8).collect::<Vec<_>>());
            round_trip(&ascending, &values.iter().map(|&x| Bit::of_byte(x as u8)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn any_values_come_back() {
    let n = 3000;
    let (mut next, columns) = (random(9), rows(n, 100, 2));
    let odd = [0.0, -0.0, 1.0, -1.0, -7.0, 0.5, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324];
    let mut any = || match next() % 3 {
        0 => odd[next() as usize % odd.len()],
        1 => f64::from(next()),
        _ => f64::from_bits(u64::from(next()) << 32 | u64::from(next())),
    };
    let doubles: Vec<f64> = (0..n).map(|_| any()).collect();
    round_trip(&columns, &doubles);
    round_trip(&columns, &doubles.iter().map(|&x| x as f32).collect::<Vec<_>>());
    round_trip(&columns, &doubles.iter().map(|&x| f16::from_f64(x)).collect::<Vec<_>>());
    round_trip(&columns, &doubles.iter().map(|&x| x.to_bits()).collect::<Vec<_>>());
    round_trip(&columns, &doubles.iter().map(|&x| x.to_bits() as i64).collect::<Vec<_>>());
    for edge in [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX] {
        round_trip(&columns, &vec![edge; n]);
        round_trip(&columns, &vec![edge as i64; n]);
        round_trip(&columns, &vec![edge as f64; n]);
        round_trip(&columns, &vec![edge as f32; n]);
        round_trip(&columns, &vec![-(edge as f32); n]);
    }
    for edge in [0, 1, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
        round_trip(&vec![edge; n], &vec![1_u8; n]);
    }
    // Repeated and descending columns.
    round_trip(&(0..n as u32).map(|i| i / 3 % 7).collect::<Vec<_>>(), &doubles);
    round_trip(&(0..n as u32).rev().collect::<Vec<_>>(), &doubles);
}

#[test]
fn few_different_floats_are_a_table() {
    let (n, mut next) = (2560, random(4));
    let logs: Vec<f32> = (0..n).map(|_| ((1 + next() % 30) as f32 * 3.7).ln_1p()).collect();
    let packed = round_trip(&rows(n, 14, 1), &logs);
    assert!(packed.len() * 8 < n * 15, "{}", packed.len());
}

#[test]
fn every_processor_packs_and_unpacks_the_same() {
    let mut next = random(12);
    for width in 0..=32 {
        let numbers: Numbers =
            std::array::from_fn(|_| if next().is_multiple_of(9) { next() } else { next() & mask(width) });
        let (mut lanes, mut others) = (vec![[1; 4 * LANES]; width as usize], vec![[2; 4 * LANES]; width as usize]);
        let marks = squeeze(&numbers, width, &mut lanes);
        assert_eq!(simd::Plain.squeeze(&numbers, width, &mut others), marks);
        assert!(lanes == others, "{width}");
        for (i, x) in numbers.iter().enumerate() {
            assert_eq!(marks[i / ROW] >> (i % ROW) & 1 == 1, x & !mask(width) != 0);
        }
        let numbers = numbers.map(|x| x & mask(width));
        let (mut best, mut plain) = ([7; RUN], [9; RUN]);
        spread(&lanes, width, &mut best);
        if width > 0 {
            simd::Plain.spread(&lanes, width, &mut plain);
            assert_eq!(plain, numbers);
        }
        assert!(best == numbers, "{width}");
        plain = best;
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
    let packed = packed(&rows(n, 20, 6), &values);
    let sum = packed.iter().fold(0_u32, |h, &b| h.wrapping_mul(31).wrapping_add(b.into()));
    assert_eq!((packed.len(), sum), (1626, 3_382_584_262));
}
