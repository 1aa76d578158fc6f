//! Loops over f64 for the processors there are.

/// Defines a function twice, for the baseline and for AVX2 with fused multiplication.
macro_rules! wide {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? [$fused:ident] $body:block) => {
        $(#[$doc])*
        fn $name($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $type,)* $fused: impl Fn(f64, f64, f64) -> f64) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $out)? {
                    body($($arg,)* |a, b, c| a.mul_add(b, c))
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has just been found to have both.
                    return unsafe { wide($($arg),*) };
                }
            }
            #[cfg(target_arch = "aarch64")]
            return body($($arg,)* |a, b, c| a.mul_add(b, c));
            #[cfg(not(target_arch = "aarch64"))]
            body($($arg,)* |a, b, c| a * b + c)
        }
    };
}
