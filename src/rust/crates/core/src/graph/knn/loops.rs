//! The few inner loops that gain from wider registers than the baseline instruction set has. The
//! results have the same bits with and without: lanes are explicit, and no operations are
//! contracted into fused multiply-adds.

use crate::simd::{self, Level};

simd::vectorized! {
    /// Returns the lowest value; infinity where there is none.
    pub(super) fn lowest [](values: &[f32]) -> f32 where _level in [Avx2]: Level {
        let mut lanes = [f32::INFINITY; 16];
        let chunks = values.chunks_exact(16);
        let tail = chunks.remainder().iter().fold(f32::INFINITY, |m, &v| if v < m { v } else { m });
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane = if value < *lane { value } else { *lane };
            }
        }
        lanes.iter().fold(tail, |m, &v| if v < m { v } else { m })
    }
}

simd::vectorized! {
    /// Returns the sum of (x - y)² in f64, in eight interleaved sums.
    pub(super) fn squared_distance [](x: &[f32], y: &[f32]) -> f64 where _level in [Avx2]: Level {
        let mut sums = [0.0f64; 8];
        let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
        let rest = xs.remainder().iter().zip(ys.remainder());
        let tail: f64 = rest.map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
        for (x, y) in xs.zip(ys) {
            for ((s, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                let difference = f64::from(x) - f64::from(y);
                *s += difference * difference;
            }
        }
        sums.iter().sum::<f64>() + tail
    }
}

simd::vectorized! {
    /// Returns the sum of (x - mean_x) (y - mean_y) in f64, in eight interleaved sums.
    pub(super) fn centred_product [](x: &[f32], mean_x: f64, y: &[f32], mean_y: f64) -> f64 where _level in [Avx2]: Level {
        let mut sums = [0.0f64; 8];
        let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
        let product = |x: f32, y: f32| (f64::from(x) - mean_x) * (f64::from(y) - mean_y);
        let tail: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(&x, &y)| product(x, y)).sum();
        for (x, y) in xs.zip(ys) {
            for ((s, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                *s += product(x, y);
            }
        }
        sums.iter().sum::<f64>() + tail
    }
}

simd::vectorized! {
    /// Returns the largest magnitude; 0 where there is none.
    pub(super) fn largest [](values: &[f32]) -> f32 where _level in [Avx2]: Level {
        let mut lanes = [0.0f32; 8];
        let chunks = values.chunks_exact(8);
        let tail = chunks.remainder().iter().fold(0.0f32, |m, v| if v.abs() > m { v.abs() } else { m });
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane = if value.abs() > *lane { value.abs() } else { *lane };
            }
        }
        lanes.iter().fold(tail, |m, &v| if v > m { v } else { m })
    }
}

simd::vectorized! {
    /// Rounds `values` times `factor`, of magnitude up to 127, to whole numbers. Returns their sum
    /// and the sum of their squares.
    pub(super) fn rounded [](values: &[f32], factor: f32, out: &mut [i8]) -> (i32, i32) where _level in [Avx2]: Level {
        // Adding this to a small number leaves that number rounded in the lowest bits.
        const ROUND: f32 = 12_582_912.0;
        let round = |value: f32| (value * factor + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        let (mut sums, mut squares) = ([0i32; 16], [0i32; 16]);
        let n = values.len().min(out.len());
        let ((values, last), (out, last_out)) = (values[..n].as_chunks::<16>(), out[..n].as_chunks_mut::<16>());
        for (out, values) in out.iter_mut().zip(values) {
            let steps = values.map(round);
            *out = steps.map(|step| step as i8);
            sums.iter_mut().zip(&steps).for_each(|(sum, step)| *sum += step);
            squares.iter_mut().zip(&steps).for_each(|(square, step)| *square += step * step);
        }
        let (mut sum, mut square) = (sums.iter().sum(), squares.iter().sum());
        for (out, &value) in last_out.iter_mut().zip(last) {
            let step = round(value);
            *out = step as i8;
            sum += step;
            square += step * step;
        }
        (sum, square)
    }
}

simd::vectorized! {
    /// Writes the difference of a query, given as -2 q, and a centroid; all three slices have one
    /// length.
    pub(super) fn difference [](query: &[f32], centroid: &[f32], out: &mut [f32]) where _level in [Avx2]: Level {
        let ((out, last), (query, last_query), (centroid, last_centroid)) =
            (out.as_chunks_mut::<16>(), query.as_chunks::<16>(), centroid.as_chunks::<16>());
        for ((out, query), centroid) in out.iter_mut().zip(query).zip(centroid) {
            *out = std::array::from_fn(|i| -0.5 * query[i] - centroid[i]);
        }
        for ((out, q), c) in last.iter_mut().zip(last_query).zip(last_centroid) {
            *out = -0.5 * q - c;
        }
    }
}
