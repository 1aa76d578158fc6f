//! Batch optimisation: every point gathers the forces on it from the positions of the epoch before, and all points move
//! together at the end of the epoch with Adam (Kingma & Ba 2015). A point's random numbers depend on (seed, epoch,
//! point) only, its sums run in a fixed order: the result does not depend on the number of threads.
//!
//! Negative samples come from a pool of random positions that the points of a block share for an epoch: each point takes
//! a run of the pool from a random place. For one point that is what drawing from all points is; but the positions lie
//! side by side in the first-level cache, where those of a million points, drawn one by one, are a cache miss each.

use super::super::random::Stream;
#[cfg(target_arch = "x86_64")]
use super::lanes::x86;
use super::lanes::{Lanes, Plain, LANES};
use super::Job;
use crate::context::Monitor;
use crate::error::{Error, Result};
use rayon::prelude::*;

/// Positions in the pool that the points of a block draw negative samples from.
const POOL: usize = 2048;

/// Points per block, a parallel task: the more there are, the fewer pools are needed.
fn block_size(n: usize) -> usize {
    (n / 512).clamp(512, POOL)
}

/// Stream rounds of the pools (see `random`): far from the epochs, which name the streams of points.
const POOLS: u64 = 1 << 41;
/// Adam's decay rates and the guard of its denominator. Quick forgetting suits gradients this noisy.
const DECAY_1: f32 = 0.5;
const DECAY_2: f32 = 0.9;
const EPSILON: f32 = 1e-7;
/// Largest force per coordinate of one sample (umap-learn).
const CLIP: f32 = 4.0;
/// A stored entry (i, j) has its mirror image (j, i), whose samples pull i as well.
const BOTH_DIRECTIONS: f32 = 2.0;
/// Positions have a power of two (or 2, 3) of coordinates here; further ones are 0 and stay 0.
pub(super) const MAX_COMPONENTS: usize = 64;

/// Runs all epochs on `x` (n_obs x n_components, row-major) and returns the final positions.
pub(super) fn optimise(job: &Job, x: Vec<f32>, monitor: &Monitor) -> Result<Vec<f32>> {
    match job.dim {
        1 | 2 => run::<2>(job, &x, monitor),
        3 => run::<3>(job, &x, monitor),
        4 => run::<4>(job, &x, monitor),
        5..=8 => run::<8>(job, &x, monitor),
        9..=16 => run::<16>(job, &x, monitor),
        17..=32 => run::<32>(job, &x, monitor),
        33..=MAX_COMPONENTS => run::<MAX_COMPONENTS>(job, &x, monitor),
        _ => Err(Error::parameter("n_components", format!("1 to {MAX_COMPONENTS}"), job.dim)),
    }
}

/// A point's moving averages.
#[derive(Clone, Copy)]
struct Moments<const D: usize> {
    first: [f32; D],
    second: [f32; D],
}

fn run<const D: usize>(job: &Job, start: &[f32], monitor: &Monitor) -> Result<Vec<f32>> {
    let n = job.graph.n_vertices();
    let mut old = vec![[0.0f32; D]; n];
    for (to, from) in old.iter_mut().zip(start.chunks(job.dim)) {
        to[..job.dim].copy_from_slice(from);
    }
    let points = block_size(n);
    let mut new = old.clone();
    let mut moments = vec![Moments { first: [0.0; D], second: [0.0; D] }; n];
    let (mut power_1, mut power_2) = (1.0f32, 1.0f32);
    for epoch in 0..job.n_epochs {
        power_1 *= DECAY_1;
        power_2 *= DECAY_2;
        let (unbias_1, unbias_2) = (1.0 / (1.0 - power_1), 1.0 / (1.0 - power_2));
        let rate = job.rate(epoch) as f32 * unbias_1;
        let forces = Forces::new(job, epoch, &old);
        new.par_chunks_mut(points).zip(moments.par_chunks_mut(points)).enumerate().try_for_each(
            |(block, (new, moments))| {
                monitor.check()?;
                forces.move_points(block * points, new, moments, rate, unbias_2);
                monitor.advance(new.len() as u64);
                Ok(())
            },
        )?;
        std::mem::swap(&mut old, &mut new);
    }
    Ok(old.iter().flat_map(|point| point[..job.dim].iter().copied()).collect())
}

/// The forces of one epoch.
struct Forces<'a, const D: usize> {
    job: &'a Job<'a>,
    x: &'a [[f32; D]],
    epoch: usize,
    /// Weight to share of epochs in which an edge is sampled.
    to_share: f32,
    least: f32,
}

impl<'a, const D: usize> Forces<'a, D> {
    fn new(job: &'a Job<'a>, epoch: usize, x: &'a [[f32; D]]) -> Self {
        Forces { job, x, epoch, to_share: 1.0 / job.largest, least: job.least_weight() }
    }

    /// Moves a run of points from `first` on by one step of Adam, with the widest vector instructions at hand.
    fn move_points(&self, first: usize, new: &mut [[f32; D]], moments: &mut [Moments<D>], rate: f32, unbias_2: f32) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor was just found to have AVX-512F.
                return unsafe { self.move_points_512(first, new, moments, rate, unbias_2) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor was just found to have AVX2.
                return unsafe { self.move_points_256(first, new, moments, rate, unbias_2) };
            }
        }
        self.move_points_in::<Plain>(first, new, moments, rate, unbias_2);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn move_points_512(
        &self,
        first: usize,
        new: &mut [[f32; D]],
        moments: &mut [Moments<D>],
        rate: f32,
        unbias_2: f32,
    ) {
        self.move_points_in::<x86::Wide>(first, new, moments, rate, unbias_2);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn move_points_256(
        &self,
        first: usize,
        new: &mut [[f32; D]],
        moments: &mut [Moments<D>],
        rate: f32,
        unbias_2: f32,
    ) {
        self.move_points_in::<x86::Pair>(first, new, moments, rate, unbias_2);
    }

    #[inline(always)]
    fn move_points_in<L: Lanes>(
        &self,
        first: usize,
        new: &mut [[f32; D]],
        moments: &mut [Moments<D>],
        rate: f32,
        unbias_2: f32,
    ) {
        let (pool, mut sampled) = (Pool::new(self, first), Vec::new());
        for (k, (new, moments)) in new.iter_mut().zip(moments).enumerate() {
            let force = self.on::<L>(first + k, &pool, &mut sampled);
            for d in 0..D {
                let (m, v) = (&mut moments.first[d], &mut moments.second[d]);
                *m = DECAY_1 * *m + (1.0 - DECAY_1) * force[d];
                *v = DECAY_2 * *v + (1.0 - DECAY_2) * force[d] * force[d];
                new[d] = self.x[first + k][d] + rate * *m / ((unbias_2 * *v).sqrt() + EPSILON);
            }
        }
    }

    /// The force on point `i`; `sampled` is scratch.
    #[inline(always)]
    fn on<L: Lanes>(&self, i: usize, pool: &Pool<D>, sampled: &mut Vec<u32>) -> [f32; D] {
        let (job, curve, here) = (self.job, &self.job.curve, self.x[i]);
        self.sample_edges(i, sampled);
        let mut pull = Sum::<L, D>::new();
        for chunk in sampled.chunks(LANES) {
            let mut there = here.map(|x| [x; LANES]); // where a lane is not used: no difference, no force
            for (lane, &other) in chunk.iter().enumerate() {
                let other = self.x[other as usize];
                (0..D).for_each(|d| there[d][lane] = other[d]);
            }
            pull.add(&std::array::from_fn(|d| L::splat(here[d]).minus(L::load(&there[d]))), |d2| curve.attraction(d2));
        }
        let mut push = Sum::<L, D>::new();
        let mut at = Stream::new(job.params.seed, self.epoch as u64, i as u64).below(POOL);
        let mut left = sampled.len() * job.params.negative_sample_rate;
        while left > 0 {
            let used = L::load(&USED[left.min(LANES)]);
            let difference = |d: usize| match pool.0[d][at..].first_chunk() {
                Some(there) => L::splat(here[d]).minus(L::load(there)).times(used),
                None => L::splat(0.0), // not reached: LANES positions follow the last
            };
            push.add(&std::array::from_fn(difference), |d2| curve.repulsion(d2));
            left = left.saturating_sub(LANES);
            at = (at + LANES) % POOL;
        }
        let (pull, push) = (pull.total(), push.total());
        std::array::from_fn(|d| BOTH_DIRECTIONS * pull[d] + push[d])
    }

    /// Neighbours of `i` whose edge is sampled in this epoch: an edge of `share` p in every 1/p-th epoch. The phases of
    /// successive entries are multiples of the golden ratio, so that they do not fall into the same epochs.
    #[inline(always)]
    fn sample_edges(&self, i: usize, sampled: &mut Vec<u32>) {
        let (columns, weights) = self.job.graph.row(i);
        let first = self.job.graph.indptr[i] as u32;
        sampled.clear();
        sampled.resize(columns.len(), 0);
        let mut count = 0;
        for (e, (&column, &weight)) in columns.iter().zip(weights).enumerate() {
            // 1 + share has share as its 23 mantissa bits; 2^23 for a share of 1.
            let share = (1.0 + weight * self.to_share).to_bits() - 1f32.to_bits();
            let phase = first.wrapping_add(e as u32).wrapping_mul(0x9E37_79B9) >> 9;
            let clock = phase.wrapping_add((self.epoch as u32).wrapping_mul(share)) & 0x7F_FFFF;
            sampled[count] = column;
            count += usize::from((clock < share) & (weight >= self.least));
        }
        sampled.truncate(count);
    }
}

/// Positions of random points, coordinate by coordinate; the first ones follow the last ones again.
struct Pool<const D: usize>([[f32; POOL + LANES]; D]);

impl<const D: usize> Pool<D> {
    /// The pool of the block that starts with point `first` in one epoch.
    fn new(forces: &Forces<D>, first: usize) -> Self {
        let (seed, n) = (forces.job.params.seed, forces.x.len());
        let mut stream = Stream::new(seed, POOLS + forces.epoch as u64, first as u64);
        let mut pool = Pool([[0.0; POOL + LANES]; D]);
        for at in (0..POOL).step_by(2) {
            let bits = stream.bits();
            for (at, bits) in [(at, bits >> 32), (at + 1, bits & 0xFFFF_FFFF)] {
                let there = forces.x[((bits * n as u64) >> 32) as usize];
                (0..D).for_each(|d| pool.0[d][at] = there[d]);
            }
        }
        pool.0.iter_mut().for_each(|row| row.copy_within(..LANES, POOL));
        pool
    }
}

/// Factors that leave the first lanes and make the others 0, by their number.
const USED: [[f32; LANES]; LANES + 1] = {
    let mut used = [[0.0; LANES]; LANES + 1];
    let (mut n, mut lane) = (0, 0);
    while n <= LANES {
        if lane < n {
            used[n][lane] = 1.0;
            lane += 1;
        } else {
            (n, lane) = (n + 1, 0);
        }
    }
    used
};

/// Sums of forces, one per lane; lanes are added up at the end.
struct Sum<L, const D: usize>([L; D]);

impl<L: Lanes, const D: usize> Sum<L, D> {
    #[inline(always)]
    fn new() -> Self {
        Sum([L::splat(0.0); D])
    }

    /// Adds the forces along these differences of positions; none where they are 0.
    #[inline(always)]
    fn add(&mut self, difference: &[L; D], factor: impl Fn(L) -> L) {
        let d2 = difference.iter().fold(L::splat(0.0), |sum, &x| sum.plus(x.times(x)));
        let factor = factor(d2);
        for (sum, &difference) in self.0.iter_mut().zip(difference) {
            let force = factor.times(difference).at_least(L::splat(-CLIP)).at_most(L::splat(CLIP));
            *sum = sum.plus(force);
        }
    }

    #[inline(always)]
    fn total(&self) -> [f32; D] {
        std::array::from_fn(|d| self.0[d].store().iter().sum())
    }
}
