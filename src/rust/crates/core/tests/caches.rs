//! Checks that products take the same memory and give the same bits whatever caches the processor
//! has. The tests are alone in their process because the allocator measures the requests of all
//! threads.
#![cfg(target_os = "linux")]

mod matrix_common;

use anndataoom_core::element::{Array, Data, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::ops::{self, PcaOptions, MAX_EXACT};
use anndataoom_core::stream::collect;
use anndataoom_core::{LazyMatrix, Session};
use matrix_common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

/// The system's allocator with a record of the largest request in bytes, of the bytes in use and of
/// the most that were.
struct Largest(AtomicUsize, AtomicUsize, AtomicUsize);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_max(layout.size(), Ordering::Relaxed);
        let used = self.1.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.2.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.1.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static LARGEST: Largest = Largest(AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));

/// The upper bound in bytes of a single request of a product: its result and the buffers of its
/// blocks.
const MOST: usize = 12 << 20;

/// Held by a test while it measures.
static ALONE: Mutex<()> = Mutex::new(());

fn dense(n: usize, p: usize) -> LazyMatrix {
    let values = (0..n * p).map(|i| ((i * 2_654_435_761) % 1009) as f64 / 100.0 + f64::from(u8::from(i % p == i % n)));
    let array = Array { shape: vec![n, p], data: Data::F64(values.collect()) };
    LazyMatrix::new(MemorySource::from_array(array).unwrap().into())
}

/// Checks that both methods of PCA stay below the bound, and prints the bits of the components. The
/// test below runs this one again with other caches.
#[test]
fn components_ask_for_little() {
    let _alone = ALONE.lock();
    // Several threads, because each has its own buffers.
    let session = Session::with_threads(3);
    let mut bits = 0u64;
    for (n, p) in [(900, 400), (90, MAX_EXACT + 100)] {
        let x = dense(n, p);
        LARGEST.0.store(0, Ordering::Relaxed);
        let found = ops::pca(&x, &PcaOptions { n_comps: Some(10), ..PcaOptions::default() }, &session).unwrap();
        let largest = LARGEST.0.load(Ordering::Relaxed);
        // The vectors kept between restarts; their columns are padded.
        let held = if p > MAX_EXACT { 1024 * (p + 64) * 8 } else { 0 };
        assert!(largest <= MOST.max(held), "{n} x {p}: a request of {largest} bytes");
        bits = found.loadings.iter().fold(bits, |b, v| b.rotate_left(5).wrapping_mul(31) ^ v.to_bits());
    }
    println!("bits {bits:016x}");
}

/// Checks that passes which pack rows, read packed ones or read a matrix in memory take no more
/// than the session's memory besides the matrix and their results, and prints the bits of these.
/// The test below runs this one again with other caches.
#[test]
fn passes_take_what_the_session_has() {
    let _alone = ALONE.lock();
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(
        &path,
        "X",
        &random_csr::<f32>(60_000, 2000, 200, 7),
        &Stored::Chunked { chunk: 100_000, filter: "gzip" },
    );
    let memory = 64 << 20;
    let session = Session { memory, packed: Some(1 << 30), ..Session::with_threads(3) };
    let mut bits = 0u64;
    let mut measured = |what: &str, room: usize, run: &mut dyn FnMut() -> Vec<f64>| {
        let before = LARGEST.1.load(Ordering::Relaxed);
        LARGEST.2.store(before, Ordering::Relaxed);
        let found = run();
        let peak = LARGEST.2.load(Ordering::Relaxed).saturating_sub(before);
        assert!(peak <= memory + room, "{what}: {peak} bytes");
        bits = found.iter().fold(bits, |b, v| b.rotate_left(5).wrapping_mul(31) ^ v.to_bits());
    };
    let x = LazyMatrix::new(open(&path, "X").unwrap());
    // Passes that pack, read what is packed, and keep selected columns.
    const LITTLE: usize = 4 << 20;
    for pass in ["the packing pass", "a packed pass"] {
        measured(pass, LITTLE, &mut || ops::row_sums(&x, &session).unwrap());
    }
    assert!(session.scratch.used() > 0);
    let some: Vec<u32> = (0..2000).step_by(3).collect();
    let part = x.select(None, Some(&some)).unwrap();
    measured("moments", LITTLE, &mut || ops::mean_var(&part, ops::Axis::Obs, 1, &session).unwrap().var);
    // The matrix in memory: 8 bytes a value, and the offsets.
    let held = 8 * x.source().nnz().unwrap() as usize + (8 << 20);
    let mut whole = None;
    measured("reading into memory", held, &mut || {
        whole = Some(collect(&x, &session, u64::MAX).unwrap());
        Vec::new()
    });
    let Some(Value::Sparse(whole)) = whole else { panic!() };
    let in_memory = LazyMatrix::new(MemorySource::taking(whole).unwrap().into());
    measured("a pass over memory", LITTLE, &mut || ops::row_sums(&in_memory, &session).unwrap());
    println!("bits {bits:016x}");
}

/// Writes a folder in the form of the kernel's `/sys/devices/system/cpu`, for one processor with a
/// third-level cache of `third` bytes.
fn pretend(at: &Path, third: usize) {
    for (index, level, bytes) in [(0, 1, 32 << 10), (1, 2, third / 16), (2, 3, third)] {
        let cache = at.join(format!("cpu0/cache/index{index}"));
        std::fs::create_dir_all(&cache).unwrap();
        let size = format!("{}K", bytes >> 10);
        for (name, text) in [
            ("level", level.to_string().as_str()),
            ("type", "Unified"),
            ("size", &size),
            ("coherency_line_size", "64"),
            ("ways_of_associativity", "16"),
            ("shared_cpu_list", "0"),
        ] {
            std::fs::write(cache.join(name), text).unwrap();
        }
    }
}

#[test]
#[ignore = "mounts, which needs root or a user namespace: make test runs it where it may"]
fn mounts_caches_from_1_to_512_mb_which_change_nothing() {
    let root = std::env::temp_dir().join(format!("anndataoom-caches-{}", std::process::id()));
    let bits = |output: &[u8]| -> String {
        let text = String::from_utf8_lossy(output);
        text.lines().find(|l| l.contains("bits ")).unwrap_or_else(|| panic!("no bits in {text}")).to_owned()
    };
    let me = std::env::current_exe().unwrap();
    for inner in ["components_ask_for_little", "passes_take_what_the_session_has"] {
        let as_it_is = Command::new(&me).args([inner, "--exact", "--nocapture"]).output().unwrap();
        let expected = bits(&as_it_is.stdout);
        for third in [1usize, 16, 32, 64, 260, 512] {
            let folder = root.join(third.to_string());
            pretend(&folder, third << 20);
            let script =
                "mount --bind \"$0\" /sys/devices/system/cpu || exit 77; exec \"$1\" \"$2\" --exact --nocapture";
            let out =
                Command::new("unshare").args(["-rm", "sh", "-c", script]).arg(&folder).arg(&me).arg(inner).output();
            let out = out.unwrap();
            assert!(out.status.success(), "{third} MB: {}", String::from_utf8_lossy(&out.stderr));
            assert_eq!(bits(&out.stdout), expected, "{inner}, {third} MB");
        }
    }
    std::fs::remove_dir_all(&root).unwrap();
}
