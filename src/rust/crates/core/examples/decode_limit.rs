//! Measures the decode limit of a CSR matrix in a file or Zarr store, and how close one full pass
//! comes to it.
//!
//! `decode_limit FILE.h5ad|STORE.zarr [ELEMENT] [THREADS] [REPEATS]` times four loops in turn:
//!   file; zstd in shards whose index is at their end, of 32-bit values, in a store);
//! - `pass`: one full pass through the engine with row sums and per-gene sums and sums of squares;
//! - `packing`: the same pass, which leaves packed rows;
//! - `packed`: the same pass over these.
//!
//! It prints the best of each in seconds with its ratio to the bare loop, and the processor time
//! where the system tells it (the better measure on a busy machine). The bare loop is the limit of
//! the format on this machine.

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::matrix::{open, Block, Storage};
use anndataoom_core::store::Store;
use anndataoom_core::stream::{reduce, Needs, Reducer};
use anndataoom_core::{with_data, Session};
use serde::Serialize;
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;

/// A chunk: its file, offset, stored size and decoded size in bytes.
type Chunk = (Arc<File>, u64, usize, usize);

/// Returns the chunks in the shards of a store. Extents are parsed from the text of the metadata:
/// the lists after `"chunk_shape"` give the extents of shards and chunks.
fn sharded(path: &str, element: &str) -> Result<Vec<Chunk>, Box<dyn Error>> {
    let mut all = Vec::new();
    for name in ["data", "indices"] {
        let array = std::path::Path::new(path).join(element).join(name);
        let metadata: String = std::fs::read_to_string(array.join("zarr.json"))?.split_whitespace().collect();
        let extents: Vec<usize> = metadata
            .split("\"chunk_shape\":[")
            .skip(1)
            .filter_map(|rest| rest.split(']').next()?.parse().ok())
            .collect();
        let (Some(&small), Some(&large)) = (extents.iter().min(), extents.iter().max()) else {
            return Err("no extents of chunks".into());
        };
        if !metadata.contains("sharding_indexed") || !metadata.contains("zstd") {
            return Err(format!("{name}: the bare loop reads shards of zstd alone").into());
        }
        for shard in 0.. {
            let Ok(file) = File::open(array.join("c").join(shard.to_string())) else { break };
            let file = Arc::new(file);
            let n = large / small;
            let mut index = vec![0; 16 * n];
            file.read_exact_at(&mut index, file.metadata()?.len() - 16 * n as u64 - 4)?;
            let number = |at: usize| index[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            let places = (0..n).map(|i| (number(16 * i), number(16 * i + 8))).filter(|p| p.0 != u64::MAX);
            all.extend(places.map(|(at, size)| (file.clone(), at, size as usize, 4 * small)));
        }
    }
    Ok(all)
}

fn chunks(path: &str, element: &str) -> Result<Vec<Chunk>, Box<dyn Error>> {
    if std::path::Path::new(path).is_dir() {
        return sharded(path, element);
    }
    let plain = Arc::new(File::open(path)?);
    let file = hdf5::File::open(path)?;
    let mut all = Vec::new();
    for name in ["data", "indices"] {
        let d = file.dataset(&format!("{element}/{name}"))?;
        if !d.filters().iter().all(|f| matches!(f, hdf5::filters::Filter::Deflate(_))) {
            return Err(format!("{name}: the bare loop reads gzip alone").into());
        }
        let size = d.chunk().ok_or("not chunked")?[0] * d.dtype()?.size();
        d.chunks_visit(|c| {
            all.push((plain.clone(), c.addr, c.size as usize, size));
            0
        })?;
    }
    Ok(all)
}

fn bare(is_zstd: bool, chunks: &[Chunk], threads: usize) -> Result<f64, Box<dyn Error>> {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut inflate = libdeflater::Decompressor::new();
                let mut expand = zstd::bulk::Decompressor::new().expect("memory");
                let (mut stored, mut out) = (Vec::new(), Vec::new());
                while let Some(&(ref file, address, size, decoded)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stored.resize(size, 0);
                    out.resize(decoded, 0);
                    file.read_exact_at(&mut stored, address).expect("readable");
                    if is_zstd {
                        expand.decompress_to_buffer(&stored, &mut out).expect("zstd");
                    } else {
                        inflate.zlib_decompress(&stored, &mut out).expect("gzip");
                    }
                    std::hint::black_box(&out);
                }
            });
        }
    });
    Ok(start.elapsed().as_secs_f64())
}

/// Computes the sums of the rows, and the sums and sums of squares of the columns.
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
                    // Eight sums in flight, because a single one would wait for each addition in
                    // turn.
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

/// Returns the seconds of a pass, and a checksum of its results.
fn pass(path: &str, element: &str, session: &Session) -> Result<(f64, f64), Box<dyn Error>> {
    let x = LazyMatrix::new(open(&Store::open(path)?, element)?);
    let (n, m) = x.shape();
    let start = Instant::now();
    let (rows, genes) = reduce(&x, &Everything { n, m }, session)?;
    Ok((start.elapsed().as_secs_f64(), rows.iter().sum::<f64>() + genes.iter().map(|g| g.1).sum::<f64>()))
}

/// The least seconds of a piece of work, by the clock and by processor time.
struct Best {
    name: &'static str,
    wall: f64,
    cpu: f64,
}

impl Best {
    fn new(name: &'static str) -> Best {
        Best { name, wall: f64::INFINITY, cpu: f64::INFINITY }
    }

    fn time<T>(&mut self, work: impl FnOnce() -> Result<(f64, T), Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
        let start = processor();
        let (wall, out) = work()?;
        (self.wall, self.cpu) = (self.wall.min(wall), self.cpu.min(processor() - start));
        Ok(out)
    }
}

/// Returns the processor seconds of this process so far (Linux).
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let path = args.get(1).ok_or("usage: decode_limit FILE.h5ad|STORE.zarr [ELEMENT] [THREADS] [REPEATS]")?;
    let element = args.get(2).map_or("X", String::as_str);
    let threads: usize = args.get(3).map_or(Ok(2), |s| s.parse())?;
    let repeats: usize = args.get(4).map_or(Ok(5), |s| s.parse())?;
    let chunks = chunks(path, element);
    let mut limit = Best::new("bare");
    let mut passes = [Best::new("pass"), Best::new("packing"), Best::new("packed")];
    let mut check = 0.0;
    for _ in 0..repeats {
        if let Ok(chunks) = &chunks {
            limit.time(|| Ok((bare(std::path::Path::new(path).is_dir(), chunks, threads)?, ())))?;
        }
        let packing = Session { packed: Some(u64::MAX), ..Session::with_threads(threads) };
        let plain = Session { packed: Some(0), ..Session::with_threads(threads) };
        for (best, session) in passes.iter_mut().zip([&plain, &packing, &packing]) {
            check = best.time(|| pass(path, element, session))?;
        }
    }
    println!("threads {threads} (checksum {check})");
    for best in std::iter::once(&limit).chain(&passes) {
        let (wall, cpu) = (best.wall / limit.wall, best.cpu / limit.cpu);
        let Best { name, wall: seconds, cpu: processor } = best;
        println!("{name:<8} {seconds:.3} s, ratio {wall:.2}   processor {processor:.2} s, ratio {cpu:.2}");
    }
    Ok(())
}
