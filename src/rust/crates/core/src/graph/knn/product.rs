//! Products of queries with data rows in panels, the inner loop of every search.

use super::candidates::Candidates;
use super::panels::{Panels, LANES};
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;

impl Panels {
    /// Scores of all rows against every query: queries x rows (with those that fill up), in the front of `out`, which
    /// is grown as needed. Returns the scores and their number per query.
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

    /// Offers rows `from..to` (`from` starts a panel) to the candidates of the queries numbered `names`.
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

/// Queries multiplied with a panel at once: their sums fill the registers there are.
const QUERIES_512: usize = 12;
const QUERIES_256: usize = 6;
const QUERIES_ANY: usize = 4;

/// `take(query, panel, scores)` for every query and every panel.
fn products(
    panels: &[f32],
    width: usize,
    queries: &[f32],
    take: impl FnMut(usize, usize, &[f32; LANES]),
) -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just been found to have AVX-512F.
            return unsafe { x86::products_512(panels, width, queries, take) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has just been found to have AVX2 and FMA.
            return unsafe { x86::products_256(panels, width, queries, take) };
        }
    }
    in_groups::<QUERIES_ANY>(panels, width, queries, take, |group, panel| {
        let mut sums = [[0.0f32; LANES]; QUERIES_ANY];
        for (x, q) in panel.chunks_exact(LANES).zip(group.chunks_exact(QUERIES_ANY)) {
            for (sums, &q) in sums.iter_mut().zip(q) {
                sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += q * x);
            }
        }
        sums
    })
}

/// Walks over groups of `Q` queries, coordinate by coordinate, and all panels; `product` multiplies the two.
#[inline(always)]
fn in_groups<const Q: usize>(
    panels: &[f32],
    width: usize,
    queries: &[f32],
    mut take: impl FnMut(usize, usize, &[f32; LANES]),
    product: impl Fn(&[f32], &[f32]) -> [[f32; LANES]; Q],
) -> Result<()> {
    let mut turned = memory::zeros::<f32>(Q * width, NEIGHBOURS)?;
    for (number, group) in queries.chunks(Q * width).enumerate() {
        let n = group.len() / width;
        for (q, row) in group.chunks_exact(width).enumerate() {
            for (to, &from) in turned.chunks_exact_mut(Q).zip(row) {
                to[q] = from;
            }
        }
        for (p, panel) in panels.chunks_exact(LANES * width).enumerate() {
            let sums = product(&turned, panel);
            for (q, scores) in sums.iter().take(n).enumerate() {
                take(number * Q + q, p, scores);
            }
        }
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{in_groups, LANES, QUERIES_256, QUERIES_512};
    use crate::error::Result;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn products_512(
        panels: &[f32],
        width: usize,
        queries: &[f32],
        take: impl FnMut(usize, usize, &[f32; LANES]),
    ) -> Result<()> {
        in_groups::<QUERIES_512>(panels, width, queries, take, |group, panel| {
            // SAFETY: chunks of LANES values are read, and LANES values written, all within bounds; AVX-512F is there.
            unsafe {
                let mut sums = [_mm512_setzero_ps(); QUERIES_512];
                for (x, q) in panel.chunks_exact(LANES).zip(group.chunks_exact(QUERIES_512)) {
                    let x = _mm512_loadu_ps(x.as_ptr());
                    for (sum, &q) in sums.iter_mut().zip(q) {
                        *sum = _mm512_fmadd_ps(_mm512_set1_ps(q), x, *sum);
                    }
                }
                let mut out = [[0.0f32; LANES]; QUERIES_512];
                for (out, sum) in out.iter_mut().zip(sums) {
                    _mm512_storeu_ps(out.as_mut_ptr(), sum);
                }
                out
            }
        })
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn products_256(
        panels: &[f32],
        width: usize,
        queries: &[f32],
        take: impl FnMut(usize, usize, &[f32; LANES]),
    ) -> Result<()> {
        in_groups::<QUERIES_256>(panels, width, queries, take, |group, panel| {
            // SAFETY: chunks of LANES values are read, and LANES values written, all within bounds; AVX2 and FMA are
            // there.
            unsafe {
                let mut sums = [[_mm256_setzero_ps(); 2]; QUERIES_256];
                for (x, q) in panel.chunks_exact(LANES).zip(group.chunks_exact(QUERIES_256)) {
                    let low = _mm256_loadu_ps(x.as_ptr());
                    let high = _mm256_loadu_ps(x.as_ptr().add(LANES / 2));
                    for (sum, &q) in sums.iter_mut().zip(q) {
                        let q = _mm256_set1_ps(q);
                        *sum = [_mm256_fmadd_ps(q, low, sum[0]), _mm256_fmadd_ps(q, high, sum[1])];
                    }
                }
                let mut out = [[0.0f32; LANES]; QUERIES_256];
                for (out, [low, high]) in out.iter_mut().zip(sums) {
                    _mm256_storeu_ps(out.as_mut_ptr(), low);
                    _mm256_storeu_ps(out.as_mut_ptr().add(LANES / 2), high);
                }
                out
            }
        })
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
            let panels = Panels::of(&rows, width).unwrap();
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
