//! Golden arrays and small matrices that the `ops_*` tests share.
#![allow(dead_code)]

use anndataoom_core::element::{Array, Data, Sparse, SparseFormat, Value};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::{LazyMatrix, Session};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A golden array, as f64.
#[derive(Clone)]
pub struct Golden {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The golden arrays of a file that `tests/golden/make_ops.py` wrote, by name.
pub struct Goldens(BTreeMap<String, Golden>);

impl Goldens {
    pub fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden").join(name);
        // A scratch crate names the repository in the environment.
        let path = std::env::var("ANNDATAOOM_GOLDEN").map_or(path, |d| PathBuf::from(d).join(name));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut out = BTreeMap::new();
        let mut at = 0;
        let mut take = |n: usize| {
            at += n;
            bytes.get(at - n..at)
        };
        while let Some(len) = take(1) {
            let name = String::from_utf8(take(len[0] as usize).unwrap().to_vec()).unwrap();
            let head = take(2).unwrap();
            let (code, ndim) = (head[0], head[1] as usize);
            let shape: Vec<usize> =
                take(4 * ndim).unwrap().chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()) as usize).collect();
            let n: usize = shape.iter().product();
            let values = match code {
                0 => take(8 * n).unwrap().chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                1 => take(4 * n).unwrap().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
                2 => take(n).unwrap().iter().map(|&b| f64::from(b)).collect(),
                _ => take(2 * n).unwrap().chunks(2).map(|b| u16::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            };
            out.insert(name, Golden { shape, values });
        }
        Goldens(out)
    }

    pub fn get(&self, name: &str) -> &[f64] {
        &self.0.get(name).unwrap_or_else(|| panic!("no golden '{name}'")).values
    }

    pub fn matrix(&self, name: &str) -> (usize, usize, &[f64]) {
        let g = &self.0[name];
        (g.shape[0], g.shape[1], &g.values)
    }

    /// Returns the names that start with `prefix`, without the prefix.
    pub fn below(&self, prefix: &str) -> Vec<String> {
        self.0.keys().filter_map(|k| k.strip_prefix(prefix)).map(str::to_owned).collect()
    }
}

/// Makes a sparse matrix from dense values. With `explicit` of `Some(k)`, every `k`-th position is
/// stored even if its value is zero.
pub fn sparse(n: usize, m: usize, values: &[f64], explicit: Option<usize>, data: fn(Vec<f64>) -> Data) -> LazyMatrix {
    let (mut indptr, mut indices, mut stored) = (vec![0u64], Vec::new(), Vec::new());
    for i in 0..n {
        for j in 0..m {
            let x = values[i * m + j];
            if x != 0.0 || explicit.is_some_and(|k| (i * m + j).is_multiple_of(k)) {
                indices.push(j as u32);
                stored.push(x);
            }
        }
        indptr.push(indices.len() as u64);
    }
    let s = Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data: data(stored) };
    LazyMatrix::new(MemorySource::from_sparse(&s).unwrap().into())
}

pub fn dense(n: usize, m: usize, values: &[f64], data: fn(Vec<f64>) -> Data) -> LazyMatrix {
    LazyMatrix::new(MemorySource::from_array(Array { shape: vec![n, m], data: data(values.to_vec()) }).unwrap().into())
}

pub fn f32s(v: Vec<f64>) -> Data {
    Data::F32(v.into_iter().map(|x| x as f32).collect())
}

pub fn f64s(v: Vec<f64>) -> Data {
    Data::F64(v)
}

pub fn u16s(v: Vec<f64>) -> Data {
    Data::U16(v.into_iter().map(|x| x as u16).collect())
}

pub fn i64s(v: Vec<f64>) -> Data {
    Data::I64(v.into_iter().map(|x| x as i64).collect())
}

pub fn session() -> Session {
    Session::with_threads(1)
}

/// Returns a numeric column as f64.
pub fn numbers(v: &Value) -> Vec<f64> {
    match v {
        Value::Array(a) => a.data.to_f64().unwrap(),
        other => panic!("expected an array, found {}", other.encoding()),
    }
}

/// Returns the column called `name`.
pub fn column<'a>(columns: &'a [(String, Value)], name: &str) -> &'a Value {
    &columns.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no column '{name}'")).1
}

/// Returns the largest difference relative to `max(|expected|, floor)`. Checks that NaN meets NaN.
pub fn worst(found: &[f64], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).fold(0.0, |worst, (f, e)| {
        assert_eq!(f.is_nan(), e.is_nan(), "found {f}, expected {e}");
        if f == e || f.is_nan() {
            worst
        } else {
            f64::max(worst, (f - e).abs() / e.abs().max(floor))
        }
    })
}

pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    let w = worst(found, expected, 1e-300);
    assert!(w <= tolerance, "{what}: relative error {w:e} > {tolerance:e}");
}

/// Returns all values of `x`, dense and row-major.
pub fn values(x: &LazyMatrix) -> Vec<f64> {
    let (n, m) = x.shape();
    match anndataoom_core::stream::collect(x, &session(), u64::MAX).unwrap() {
        Value::Array(a) => a.data.to_f64().unwrap(),
        Value::Sparse(s) => {
            let mut out = vec![0.0; n * m];
            let v = s.data.to_f64().unwrap();
            for i in 0..n {
                for k in s.indptr[i] as usize..s.indptr[i + 1] as usize {
                    out[i * m + s.indices[k] as usize] = v[k];
                }
            }
            out
        }
        other => panic!("{}", other.encoding()),
    }
}

/// Returns rows `0, step, 2 step, ...` of a row-major matrix of `m` columns.
pub fn every(v: &[f64], m: usize, step: usize) -> Vec<f64> {
    v.chunks(m).step_by(step).flatten().copied().collect()
}

/// Makes pseudo-random counts, row-major. A share of about `density` is not zero; later genes have
/// more such counts.
pub fn random_counts(n: usize, m: usize, density: f64, seed: u64) -> Vec<f64> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n * m)
        .map(|i| {
            let gene = (i % m) as f64 / m as f64;
            if next() < density * 2.0 * gene {
                (1.0 + 6.0 * next() * next() * (1.0 + gene)).floor()
            } else {
                0.0
            }
        })
        .collect()
}
