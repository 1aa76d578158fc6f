//! Vector instructions: which ones this processor has, and functions compiled for them.
//!
//! A level is a proof. Only [`detect`](Avx2::detect), which asks the processor, makes one, so
//! whoever holds it may run code compiled for it. [`Plain`] stands for the instructions that every
//! processor of the target has. [`vectorized`] defines a function that is compiled for several
//! levels and chosen when called; [`instructions`] defines one of a single level, which is called
//! with its proof. On aarch64 every processor has NEON, so plain loops are compiled for it as well.

/// A set of instructions that this processor has.
pub(crate) trait Level: Copy {
    /// Whether a multiplication and an addition are one instruction, with one rounding.
    const FUSED: bool;
    /// Whether there are 32 registers of 64 bytes.
    const WIDE: bool = false;

    /// Returns whether there are 32 registers of 64 bytes.
    #[inline(always)]
    fn is_wide(self) -> bool {
        Self::WIDE
    }

    /// Returns `a b + c`, [fused](Level::FUSED) or not.
    #[inline(always)]
    fn fused(self, a: f64, b: f64, c: f64) -> f64 {
        if Self::FUSED {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }

    /// Returns `a b + c` like [`fused`](Level::fused), in single precision.
    #[inline(always)]
    fn fused_f32(self, a: f32, b: f32, c: f32) -> f32 {
        if Self::FUSED {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

/// The instructions that every processor of the target has.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Level for Plain {
    const FUSED: bool = cfg!(target_arch = "aarch64");
}

macro_rules! levels {
    ($($(#[$doc:meta])* $level:ident of $arch:literal by $detected:ident, $wide:literal: $($feature:tt),*;)*) => {$(
        $(#[$doc])*
        #[cfg(target_arch = $arch)]
        #[derive(Clone, Copy)]
        pub(crate) struct $level(());

        #[cfg(target_arch = $arch)]
        impl Level for $level {
            const FUSED: bool = true;
            const WIDE: bool = $wide;
        }

        #[cfg(target_arch = $arch)]
        impl $level {
            /// Returns the proof if the processor has the instructions.
            #[inline(always)]
            pub(crate) fn detect() -> Option<Self> {
                ($(std::arch::$detected!($feature))&&*).then_some($level(()))
            }
        }
    )*};
}
// The same features as in `on_level`, which compiles for them.
levels! {
    /// AVX2 with fused multiplication.
    Avx2 of "x86_64" by is_x86_feature_detected, false: "avx2", "fma", "popcnt";
    /// AVX-512F.
    Avx512 of "x86_64" by is_x86_feature_detected, true: "avx512f", "avx2", "fma", "popcnt";
    /// AVX-512F with sums of products of bytes.
    Vnni of "x86_64" by is_x86_feature_detected, true: "avx512vnni", "avx512f", "avx2", "fma", "popcnt";
    /// NEON.
    Neon of "aarch64" by is_aarch64_feature_detected, false: "neon";
}

/// Passes the architecture and the features of a level on to a macro.
macro_rules! on_level {
    (Avx2, $macro:ident! $rest:tt) => {
        $crate::simd::$macro! { "x86_64", "avx2,fma,popcnt", Avx2, $rest }
    };
    (Avx512, $macro:ident! $rest:tt) => {
        $crate::simd::$macro! { "x86_64", "avx512f,avx2,fma,popcnt", Avx512, $rest }
    };
    (Vnni, $macro:ident! $rest:tt) => {
        $crate::simd::$macro! { "x86_64", "avx512vnni,avx512f,avx2,fma,popcnt", Vnni, $rest }
    };
    (Neon, $macro:ident! $rest:tt) => {
        $crate::simd::$macro! { "aarch64", "neon", Neon, $rest }
    };
}

/// Defines a function whose body is compiled for every processor and for the levels named, and run
/// for the first of these that the processor has. The form is `fn name [generics](arguments) -> out
/// where level in [Avx512, Avx2]: Bound { ... }`; in the body, `level` is a proof of a type that
/// implements `Bound`.
macro_rules! vectorized {
    (
        $(#[$doc:meta])*
        $vis:vis fn $name:ident [$($generics:tt)*] ($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)?
        where $proof:ident in [$($level:ident),*]: $bound:path $body:block
    ) => {
        $(#[$doc])*
        $vis fn $name<$($generics)*>($($arg: $type),*) $(-> $out)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body<AtLevel: $bound, $($generics)*>($proof: AtLevel, $($arg: $type),*) $(-> $out)? $body
            $crate::simd::vectorized! { @levels [$($level)*] ([$($generics)*] ($($arg: $type),*) ($(-> $out)?)) }
            body($crate::simd::Plain, $($arg),*)
        }
    };
    (@levels [] $rest:tt) => {};
    (@levels [$level:ident $($next:ident)*] $rest:tt) => {
        $crate::simd::on_level! { $level, vectorized_once! $rest }
        $crate::simd::vectorized! { @levels [$($next)*] $rest }
    };
}

/// Compiles the `body` of [`vectorized`] for one level, and runs it if the processor has this
/// level.
macro_rules! vectorized_once {
    (
        $arch:literal, $features:literal, $level:ident,
        ([$($generics:tt)*] ($($arg:ident: $type:ty),*) ($(-> $out:ty)?))
    ) => {
        #[cfg(target_arch = $arch)]
        {
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = $features)]
            fn compiled<$($generics)*>(level: $crate::simd::$level, $($arg: $type),*) $(-> $out)? {
                body(level, $($arg),*)
            }
            if let Some(level) = $crate::simd::$level::detect() {
                // SAFETY: the level is the proof that the processor has the instructions.
                return unsafe { compiled(level, $($arg),*) };
            }
        }
    };
}

/// Defines functions for the instructions of one level, which are called with its proof.
macro_rules! instructions {
    ($level:ident: $($functions:tt)*) => { $crate::simd::on_level! { $level, instructions_of! ($($functions)*) } };
}

/// Expands [`instructions`] with the features of the level.
macro_rules! instructions_of {
    ($arch:literal, $features:literal, $level:ident, ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident [$($generics:tt)*] ($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block
    )*)) => {$(
        $(#[$doc])*
        #[inline(always)]
        $vis fn $name<$($generics)*>(_: $crate::simd::$level, $($arg: $type),*) $(-> $out)? {
            #[inline]
            #[target_feature(enable = $features)]
            fn compiled<$($generics)*>($($arg: $type),*) $(-> $out)? $body
            // SAFETY: the level is the proof that the processor has the instructions.
            unsafe { compiled($($arg),*) }
        }
    )*};
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use {instructions, instructions_of};
pub(crate) use {on_level, vectorized, vectorized_once};

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::*;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::*;

#[cfg(target_arch = "aarch64")]
mod neon {
    //! Registers from memory and back.

    use std::arch::aarch64::*;

    /// Loads sixteen words into four registers: their first bytes, their second ones, and so on.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn load_bytes_of_words(from: &[u8; 64]) -> [uint8x16_t; 4] {
        // SAFETY: as many bytes are read as there are.
        let all = unsafe { vld4q_u8(from.as_ptr()) };
        [all.0, all.1, all.2, all.3]
    }

    /// Loads four values into a register.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn load_4(from: &[f32; 4]) -> float32x4_t {
        // SAFETY: as many values are read as there are.
        unsafe { vld1q_f32(from.as_ptr()) }
    }

    /// Stores the values of a register.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn store_4(to: &mut [f32; 4], values: float32x4_t) {
        // SAFETY: as many values are written as there is room for.
        unsafe { vst1q_f32(to.as_mut_ptr(), values) };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Registers from memory and back.

    use std::arch::x86_64::*;

    macro_rules! moves {
        ($($features:literal $register:ty: $($move:ident: $values:ty => $instruction:ident $way:ident),*;)*) => {$($(
            moves! { @$way $features $register, $move, $values, $instruction }
        )*)*};
        (@load $features:literal $register:ty, $load:ident, $values:ty, $instruction:ident) => {
            /// Loads the values into a register.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn $load(from: &$values) -> $register {
                // SAFETY: as many values are read as there are, in any alignment.
                unsafe { $instruction(from.as_ptr().cast()) }
            }
        };
        (@store $features:literal $register:ty, $store:ident, $values:ty, $instruction:ident) => {
            /// Stores the values of a register.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn $store(to: &mut $values, values: $register) {
                // SAFETY: as many values are written as there is room for, in any alignment.
                unsafe { $instruction(to.as_mut_ptr().cast(), values) };
            }
        };
    }
    moves! {
        "avx512f" __m512: load_512: [f32; 16] => _mm512_loadu_ps load, store_512: [f32; 16] => _mm512_storeu_ps store;
        "avx512f" __m512i: load_512i: [u32; 16] => _mm512_loadu_si512 load,
            load_512_bytes: [u8; 64] => _mm512_loadu_si512 load, store_512i: [u32; 16] => _mm512_storeu_si512 store;
        "avx" __m256: load_256: [f32; 8] => _mm256_loadu_ps load, store_256: [f32; 8] => _mm256_storeu_ps store;
        "avx" __m256i: load_256i: [u32; 8] => _mm256_loadu_si256 load, load_256_bytes: [u8; 32] => _mm256_loadu_si256 load,
            store_256i: [u32; 8] => _mm256_storeu_si256 store, store_256_bytes: [u8; 32] => _mm256_storeu_si256 store;
    }

    /// Splits the values of one register of AVX-512 into those of two registers of AVX2.
    #[inline(always)]
    pub(crate) fn halves<T>(all: &[T; 16]) -> (&[T; 8], &[T; 8]) {
        let (halves, _) = all.as_chunks();
        (&halves[0], &halves[1])
    }

    /// Splits like [`halves`], for writing.
    #[inline(always)]
    pub(crate) fn halves_mut<T>(all: &mut [T; 16]) -> &mut [[T; 8]] {
        all.as_chunks_mut().0
    }
}
