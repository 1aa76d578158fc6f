//! The heap of the C library, which caches freed memory for the threads that freed it.

/// Returns freed memory to the operating system. glibc keeps what worker threads have freed, tens
/// of megabytes per thread, until a thread uses the same arena again. Called at the end of a verb,
/// and inside a verb after a large step. Does nothing where the C library is not glibc.
pub fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: a function of glibc that may be called at any time from any thread; it touches
        // free memory only.
        unsafe { malloc_trim(0) };
    }
}

/// Limits glibc's heap to a quarter as many arenas as `threads`, but at least 2: four threads share
/// one. By default glibc makes one for each thread, up to eight per processor, and `malloc_trim`
/// leaves up to 64 MB free at the end of each. With one arena per thread, peaks of the graph stage
/// were 10 % higher, at the same speed. The limit holds for the whole process, and only the first
/// call sets it. A limit set by the user (`MALLOC_ARENA_MAX`, `GLIBC_TUNABLES`) is not changed.
/// Does nothing where the C library is not glibc.
pub(super) fn share_arenas(threads: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;
        use std::sync::Once;

        const M_ARENA_MAX: c_int = -8;
        extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let limited = std::env::var_os("MALLOC_ARENA_MAX").is_some()
                || std::env::var("GLIBC_TUNABLES").is_ok_and(|tunables| tunables.contains("arena_max"));
            if !limited {
                let most = c_int::try_from(threads.div_ceil(4)).unwrap_or(c_int::MAX).max(2);
                // SAFETY: a function of glibc, which changes where later threads allocate.
                unsafe { mallopt(M_ARENA_MAX, most) };
            }
        });
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = threads;
}
