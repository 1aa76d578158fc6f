//! Reads the golden files of `tests/golden/neighbors` (written by `make_neighbors.py`), and makes
//! random points.
#![allow(dead_code)]

use ndarray::Array2;
use std::path::PathBuf;

/// Reads a little-endian, C-ordered .npy file of f4, i4 or u2. Returns its shape and values.
pub fn npy(name: &str) -> (Vec<usize>, Vec<f64>) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../tests/golden/neighbors"))
        .join(format!("{name}.npy"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..header]).unwrap();
    assert!(text.contains("'fortran_order': False"));
    let shape = text.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|s| s.trim().parse().ok()).collect();
    let body = &bytes[header..];
    let values = match text.split("'descr': '").nth(1).unwrap().split('\'').next().unwrap() {
        "<f4" => body.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
        "<u2" => body.chunks_exact(2).map(|b| f64::from(u16::from_le_bytes(b.try_into().unwrap()))).collect(),
        other => panic!("{other}"),
    };
    (shape, values)
}

pub fn points() -> Array2<f32> {
    let (shape, values) = npy("points");
    Array2::from_shape_vec((shape[0], shape[1]), values.iter().map(|&v| v as f32).collect()).unwrap()
}

/// A generator (xorshift64*) that shares no code with the crate.
pub struct Random(pub u64);

impl Random {
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

pub fn uniform(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut random = Random(seed);
    Array2::from_shape_fn((n, d), |_| random.uniform() as f32)
}

/// Makes `n` points in `d` dimensions from `clusters` Gaussian clouds.
pub fn clustered(n: usize, d: usize, clusters: usize, seed: u64) -> Array2<f32> {
    let mut random = Random(seed);
    let centres = Array2::from_shape_fn((clusters, d), |_| 4.0 * random.normal());
    let of: Vec<usize> = (0..n).map(|_| (random.uniform() * clusters as f64) as usize).collect();
    Array2::from_shape_fn((n, d), |(i, j)| (centres[(of[i], j)] + random.normal()) as f32)
}
