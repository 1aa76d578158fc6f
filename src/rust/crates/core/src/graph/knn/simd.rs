//! The few inner loops worth wider registers than the baseline instruction set has. The results are the same bits with
//! and without: lanes are explicit and nothing is contracted into fused multiply-adds.

/// Defines a function compiled twice, for the baseline and for AVX2, and chosen when called.
macro_rules! twice {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $body:block) => {
        $(#[$doc])*
        #[inline]
        pub(super) fn $name($($arg: $type),*) -> $out {
            #[inline(always)]
            fn body($($arg: $type),*) -> $out $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) -> $out {
                    body($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has just been found to have AVX2, all that `wide` needs.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

twice! {
    /// The lowest value, infinity for none.
    fn lowest(values: &[f32]) -> f32 {
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

twice! {
    /// Sum of (x - y)² in f64, in eight interleaved sums.
    fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
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

twice! {
    /// Sum of (x - mean_x) (y - mean_y) in f64, in eight interleaved sums.
    fn centred_product(x: &[f32], mean_x: f64, y: &[f32], mean_y: f64) -> f64 {
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

twice! {
    /// The largest magnitude, 0 for none.
    fn largest(values: &[f32]) -> f32 {
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

twice! {
    /// Rounds `values` times `factor`, of magnitude up to 127, to whole numbers, and gives the sum of their squares.
    fn rounded(values: &[f32], factor: f32, out: &mut [i8]) -> i32 {
        // added to a small number, it leaves that number rounded in the lowest bits
        const ROUND: f32 = 12_582_912.0;
        let mut square = 0;
        for (out, value) in out.iter_mut().zip(values) {
            *out = (value * factor + ROUND).to_bits() as i8;
            square += i32::from(*out) * i32::from(*out);
        }
        square
    }
}
