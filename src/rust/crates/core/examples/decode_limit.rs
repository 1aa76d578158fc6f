//! The decode limit of a CSR file, and how close one full pass comes to it.
//!
//! `decode_limit FILE.h5ad [ELEMENT] [THREADS] [REPEATS]` times, alternating,
//! - `bare`: positioned reads and libdeflate over all chunks of `data` and `indices`, nothing else (gzip only);
//! - `pass`: one full pass through the engine with row sums and per-gene sums and sums of squares.
//!
//! and prints the best of each in seconds, with their ratio, and the processor time of both where the system tells it
//! (on a busy machine the better measure). The bare loop is the limit of the format on this machine.

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::matrix::{open, Block, Storage};
use anndataoom_core::store::Store;
use anndataoom_core::stream::{reduce, Needs, Reducer};
use anndataoom_core::{with_data, Session};
use serde::Serialize;
use std::error::Error;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Address, stored size and decoded size of a chunk.
type Chunk = (u64, usize, usize);

fn chunks(path: &str, element: &str) -> Result<Vec<Chunk>, Box<dyn Error>> {
    let file = hdf5::File::open(path)?;
    let mut all = Vec::new();
    for name in ["data", "indices"] {
        let d = file.dataset(&format!("{element}/{name}"))?;
        if !d.filters().iter().all(|f| matches!(f, hdf5::filters::Filter::Deflate(_))) {
            return Err(format!("{name}: the bare loop reads gzip alone").into());
        }
        let size = d.chunk().ok_or("not chunked")?[0] * d.dtype()?.size();
        d.chunks_visit(|c| {
            all.push((c.addr, c.size as usize, size));
            0
        })?;
    }
    Ok(all)
}

fn bare(path: &str, chunks: &[Chunk], threads: usize) -> Result<f64, Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut inflate = libdeflater::Decompressor::new();
                let (mut stored, mut out) = (Vec::new(), Vec::new());
                while let Some(&(address, size, decoded)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stored.resize(size, 0);
                    out.resize(decoded, 0);
                    file.read_exact_at(&mut stored, address).expect("readable");
                    inflate.zlib_decompress(&stored, &mut out).expect("gzip");
                    std::hint::black_box(&out);
                }
            });
        }
    });
    Ok(start.elapsed().as_secs_f64())
}

/// Sums of the rows; sums and sums of squares of the columns.
#[derive(Serialize)]
struct Everything {
    n: usize,
    m: usize,
}

impl Reducer for Everything {
    const NAME: &'static str = "sums and moments";
    const NEEDS: Needs = Needs::FILE;
    type Part = Vec<(f64, f64)>;
    type Rows = Vec<f64>;
    type Whole = Vec<f64>;
    type State = Vec<(f64, f64)>;
    type Output = (Vec<f64>, Vec<(f64, f64)>);

    fn map(&self, block: Block) -> anndataoom_core::Result<(Self::Part, Self::Rows)> {
        let mut genes = vec![(0.0, 0.0); self.m];
        let mut rows = vec![0.0; block.n_rows()];
        if let Storage::Csr { indptr, indices, data } = &block.storage {
            with_data!(data, v => {
                for (row, w) in rows.iter_mut().zip(indptr.windows(2)) {
                    // Eight sums in flight: one would wait for each addition in turn.
                    let mut sums = [0.0; 8];
                    for (k, (&c, x)) in indices[w[0]..w[1]].iter().zip(&v[w[0]..w[1]]).enumerate() {
                        let x = anndataoom_core::element::Number::to_f64(*x);
                        sums[k % 8] += x;
                        let g: &mut (f64, f64) = &mut genes[c as usize];
                        g.0 += x;
                        g.1 += x * x;
                    }
                    *row = sums.iter().sum();
                }
            });
        }
        block.recycle();
        Ok((genes, rows))
    }

    fn state(&self) -> anndataoom_core::Result<Self::State> {
        Ok(vec![(0.0, 0.0); self.m])
    }

    fn whole(&self) -> anndataoom_core::Result<Self::Whole> {
        Ok(vec![0.0; self.n])
    }

    fn fold(&self, state: &mut Self::State, part: Self::Part) -> anndataoom_core::Result<()> {
        self.merge(state, part)
    }

    fn merge(&self, state: &mut Self::State, next: Self::State) -> anndataoom_core::Result<()> {
        for (g, (a, b)) in state.iter_mut().zip(next) {
            g.0 += a;
            g.1 += b;
        }
        Ok(())
    }

    fn finish(&self, genes: Self::State, rows: Self::Whole) -> anndataoom_core::Result<Self::Output> {
        Ok((rows, genes))
    }
}

fn pass(path: &str, element: &str, threads: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let x = LazyMatrix::new(open(&Store::open(path)?, element)?);
    let (n, m) = x.shape();
    let start = Instant::now();
    let (rows, genes) = reduce(&x, &Everything { n, m }, &Session::with_threads(threads))?;
    Ok((start.elapsed().as_secs_f64(), rows.iter().sum::<f64>() + genes.iter().map(|g| g.1).sum::<f64>()))
}

/// Processor seconds of this process so far (Linux).
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let path = args.get(1).ok_or("usage: decode_limit FILE.h5ad [ELEMENT] [THREADS] [REPEATS]")?;
    let element = args.get(2).map_or("X", String::as_str);
    let threads: usize = args.get(3).map_or(Ok(2), |s| s.parse())?;
    let repeats: usize = args.get(4).map_or(Ok(5), |s| s.parse())?;
    let chunks = chunks(path, element);
    let (mut limit, mut full, mut check) = (f64::INFINITY, f64::INFINITY, 0.0);
    let mut cpu = (f64::INFINITY, f64::INFINITY);
    for _ in 0..repeats {
        if let Ok(chunks) = &chunks {
            let start = processor();
            limit = limit.min(bare(path, chunks, threads)?);
            cpu.0 = cpu.0.min(processor() - start);
        }
        let start = processor();
        let (t, c) = pass(path, element, threads)?;
        cpu.1 = cpu.1.min(processor() - start);
        (full, check) = (full.min(t), c);
    }
    println!("threads {threads}: bare {limit:.3} s, pass {full:.3} s, ratio {:.2} (checksum {check})", full / limit);
    println!("processor time: bare {:.2} s, pass {:.2} s, ratio {:.2}", cpu.0, cpu.1, cpu.1 / cpu.0);
    Ok(())
}
