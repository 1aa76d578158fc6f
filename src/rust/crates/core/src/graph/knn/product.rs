//! Products of queries with data rows in panels, the inner loop of every search.

use super::candidates::Candidates;
use super::panels::{Panels, LANES};
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;
use crate::simd::{self, Level, Plain};

impl Panels {
    /// Computes the scores of all rows against every query: queries x rows (padding included), at
    /// the front of `out`, which grows as needed. Returns the scores and their number per query.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn scores<'o>(&self, queries: &[f32], out: &'o mut Vec<f32>) -> Result<(&'o [f32], usize)> {
        let (n, stride) = (queries.len() / self.width, self.values.len() / self.width);
        memory::lengthen(out, n * stride, 0.0, NEIGHBOURS)?;
        let out = out.get_mut(..n * stride).unwrap_or_default();
        products(&self.values, self.width, queries, |query, panel, scores| {
            let at = query * stride + panel * LANES;
            out.get_mut(at..at + LANES).into_iter().for_each(|to| to.copy_from_slice(scores));
        })?;
        Ok((out, stride))
    }

    /// Offers rows `from..to` (`from` starts a panel) to the candidates of `queries`, query rows
    /// one after the other. `names` has the number of each query in `candidates`.
    pub(super) fn offer(
        &self,
        from: usize,
        to: usize,
        queries: &[f32],
        names: &[u32],
        candidates: &mut Candidates,
    ) -> Result<()> {
        products(self.rows(from, to), self.width, queries, |query, panel, scores| {
            if let Some(&name) = names.get(query) {
                candidates.offer(name as usize, scores, (from + panel * LANES) as u32);
            }
        })
    }
}

/// The instructions that multiply a group of queries with a panel.
trait Product: Level {
    /// The sums of products of one group, as many as the registers hold.
    type Sums: AsRef<[[f32; LANES]]>;
    /// Queries of a group.
    const QUERIES: usize;

    /// Multiplies the queries of a group, coordinate by coordinate, with the rows of a panel.
    fn product(self, group: &[f32], panel: &[f32]) -> Self::Sums;
}

impl Product for Plain {
    type Sums = [[f32; LANES]; 4];
    const QUERIES: usize = 4;

    #[inline(always)]
    fn product(self, group: &[f32], panel: &[f32]) -> Self::Sums {
        let mut sums = [[0.0; LANES]; 4];
        for (x, q) in panel.as_chunks::<LANES>().0.iter().zip(group.as_chunks::<4>().0) {
            for (sums, &q) in sums.iter_mut().zip(q) {
                sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum = self.fused_f32(q, x, *sum));
            }
        }
        sums
    }
}

simd::vectorized! {
    /// Calls `take(query, panel, scores)` for every query and every panel.
    fn products [F: FnMut(usize, usize, &[f32; LANES])](panels: &[f32], width: usize, queries: &[f32], take: F)
    -> Result<()> where level in [Avx512, Avx2]: Product {
        in_groups(level, panels, width, queries, take)
    }
}

/// Transposes each group of queries to coordinate by coordinate, and multiplies it with all panels.
#[inline(always)]
fn in_groups<P: Product>(
    level: P,
    panels: &[f32],
    width: usize,
    queries: &[f32],
    mut take: impl FnMut(usize, usize, &[f32; LANES]),
) -> Result<()> {
    let mut turned = memory::zeros::<f32>(P::QUERIES * width, NEIGHBOURS)?;
    for (number, group) in queries.chunks(P::QUERIES * width).enumerate() {
        let n = group.len() / width;
        for (q, row) in group.chunks_exact(width).enumerate() {
            for (to, &from) in turned.chunks_exact_mut(P::QUERIES).zip(row) {
                to[q] = from;
            }
        }
        for (p, panel) in panels.chunks_exact(LANES * width).enumerate() {
            let sums = level.product(&turned, panel);
            for (q, scores) in sums.as_ref().iter().take(n).enumerate() {
                take(number * P::QUERIES + q, p, scores);
            }
        }
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Product, LANES};
    use crate::simd::{self, Avx2, Avx512};
    use std::arch::x86_64::*;

    const QUERIES_512: usize = 12;
    const QUERIES_256: usize = 6;

    impl Product for Avx512 {
        type Sums = [[f32; LANES]; QUERIES_512];
        const QUERIES: usize = QUERIES_512;

        #[inline(always)]
        fn product(self, group: &[f32], panel: &[f32]) -> Self::Sums {
            product_512(self, group, panel)
        }
    }

    impl Product for Avx2 {
        type Sums = [[f32; LANES]; QUERIES_256];
        const QUERIES: usize = QUERIES_256;

        #[inline(always)]
        fn product(self, group: &[f32], panel: &[f32]) -> Self::Sums {
            product_256(self, group, panel)
        }
    }

    simd::instructions! { Avx512:
        fn product_512 [](group: &[f32], panel: &[f32]) -> [[f32; LANES]; QUERIES_512] {
            let mut sums = [_mm512_setzero_ps(); QUERIES_512];
            for (x, q) in panel.as_chunks().0.iter().zip(group.as_chunks::<QUERIES_512>().0) {
                let x = simd::load_512(x);
                for (sum, &q) in sums.iter_mut().zip(q) {
                    *sum = _mm512_fmadd_ps(_mm512_set1_ps(q), x, *sum);
                }
            }
            let mut out = [[0.0; LANES]; QUERIES_512];
            for (out, sum) in out.iter_mut().zip(sums) {
                simd::store_512(out, sum);
            }
            out
        }
    }

    simd::instructions! { Avx2:
        fn product_256 [](group: &[f32], panel: &[f32]) -> [[f32; LANES]; QUERIES_256] {
            let mut sums = [[_mm256_setzero_ps(); 2]; QUERIES_256];
            for (x, q) in panel.as_chunks::<LANES>().0.iter().zip(group.as_chunks::<QUERIES_256>().0) {
                let (low, high) = simd::halves(x);
                let (low, high) = (simd::load_256(low), simd::load_256(high));
                for (sum, &q) in sums.iter_mut().zip(q) {
                    let q = _mm256_set1_ps(q);
                    *sum = [_mm256_fmadd_ps(q, low, sum[0]), _mm256_fmadd_ps(q, high, sum[1])];
                }
            }
            let mut out = [[0.0; LANES]; QUERIES_256];
            for (out, [low, high]) in out.iter_mut().zip(sums) {
                let halves = simd::halves_mut(out);
                simd::store_256(&mut halves[0], low);
                simd::store_256(&mut halves[1], high);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Panels, LANES};

    #[test]
    fn products_are_those_of_plain_loops() {
        let width = 7;
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 8.0;
        for (n_rows, n_queries) in [(1, 1), (16, 12), (33, 5), (48, 26)] {
            let rows: Vec<f32> = (0..n_rows * width).map(value).collect();
            let queries: Vec<f32> = (0..n_queries * width).map(|i| value(i + 11).abs() + 1.0).collect();
            let panels = Panels::from_rows(&rows, width).unwrap();
            let mut out = Vec::new();
            let (scores, stride) = panels.scores(&queries, &mut out).unwrap();
            assert_eq!(stride, n_rows.div_ceil(LANES) * LANES);
            for (query, scores) in queries.chunks(width).zip(scores.chunks(stride)) {
                for (row, &score) in rows.chunks(width).zip(scores) {
                    let expected: f32 = row.iter().zip(query).map(|(x, q)| x * q).sum();
                    assert!((score - expected).abs() < 1e-3, "{score} {expected}");
                }
                assert!(scores[n_rows..].iter().all(|&score| score == f32::INFINITY));
            }
        }
    }
}
