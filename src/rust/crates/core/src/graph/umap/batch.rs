//! Batch optimisation: the forces on every point follow from the positions of the previous epoch,
//! and all points move together at the end of the epoch with Adam (Kingma & Ba 2015). A point's
//! random numbers depend only on (seed, epoch, point), and its sums have a fixed order, so the
//! result does not depend on the number of threads.
//!
//! Negative samples come from a pool of random positions that the points of a block share for an
//! epoch: each point takes a run of the pool from a random place. For one point this equals drawing
//! from all points. The positions of the pool are adjacent in the first-level cache, where single
//! draws from a million points would be a cache miss each.

use super::super::random::Stream;
use super::clock::Clock;
use super::lanes::{Lanes, Registers, LANES};
use super::sample::Sampled;
use super::Job;
use crate::error::{Error, Result};
use crate::graph::ahead::prefetch;
use crate::memory;
use crate::session::Monitor;
use crate::simd;
use rayon::prelude::*;
use std::ops::Range;

/// The name of positions in errors.
const POSITIONS: &str = "umap: n_components of every observation";
/// Positions in the pool that the points of a block take negative samples from.
const POOL: usize = 2048;

/// Returns the number of points per block (a parallel task). Larger blocks need fewer pools.
fn block_size(n: usize) -> usize {
    (n / 512).clamp(512, POOL)
}

/// Points whose edges are sampled together, while the positions at the other ends of the previous
/// points' edges are being fetched.
const BATCH: usize = 32;

/// First stream round of the pools (see `random`): far from the epochs, which are the rounds of the
/// streams of points.
const POOLS: u64 = 1 << 41;
/// Adam's decay rates and the term that keeps its denominator above 0. Fast decay suits gradients
/// as noisy as these.
const DECAY_1: f32 = 0.5;
const DECAY_2: f32 = 0.9;
const EPSILON: f32 = 1e-7;
/// Largest force per coordinate of one sample (umap-learn).
const CLIP: f32 = 4.0;
/// A stored entry (i, j) has its mirror image (j, i), whose samples pull i as well.
const BOTH_DIRECTIONS: f32 = 2.0;
/// The largest `n_components`. While it optimises, positions have 2, 3, 4, 8, 16, 32 or 64
/// coordinates; coordinates beyond `n_components` are 0 and stay 0.
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

/// Runs all epochs with positions of `D` coordinates.
fn run<const D: usize>(job: &Job, start: &[f32], monitor: &Monitor) -> Result<Vec<f32>> {
    let n = job.graph.n_vertices();
    let mut old = memory::zeros::<[f32; D]>(n, POSITIONS)?;
    for (to, from) in old.iter_mut().zip(start.chunks(job.dim)) {
        to[..job.dim].copy_from_slice(from);
    }
    let points = block_size(n);
    let mut new = memory::zeros::<[f32; D]>(n, POSITIONS)?;
    new.copy_from_slice(&old);
    let mut first = memory::zeros::<[f32; D]>(n, POSITIONS)?;
    let mut second = memory::zeros::<[f32; D]>(n, POSITIONS)?;
    let (mut power_1, mut power_2) = (1.0f32, 1.0f32);
    for epoch in 0..job.n_epochs {
        power_1 *= DECAY_1;
        power_2 *= DECAY_2;
        let step = Step { rate: job.rate(epoch) as f32 / (1.0 - power_1), unbias: 1.0 / (1.0 - power_2) };
        let forces = Forces::new(job, epoch, &old);
        let moments = first.par_chunks_mut(points).zip(second.par_chunks_mut(points));
        new.par_chunks_mut(points).zip(moments).enumerate().try_for_each(|(block, (new, (first, second)))| {
            monitor.check()?;
            move_points(&forces, block * points, Moving { new, first, second }, step);
            monitor.advance(new.len() as u64);
            Ok(())
        })?;
        std::mem::swap(&mut old, &mut new);
    }
    let mut out = memory::room(n * job.dim, POSITIONS)?;
    out.extend(old.iter().flat_map(|point| &point[..job.dim]));
    Ok(out)
}

/// Successive points that are moved: their new positions, and the moving averages of the forces on
/// them and of the squares of the forces.
struct Moving<'a, const D: usize> {
    new: &'a mut [[f32; D]],
    first: &'a mut [[f32; D]],
    second: &'a mut [[f32; D]],
}

/// A step of Adam.
#[derive(Clone, Copy)]
struct Step {
    /// Learning rate divided by the bias correction of the first moment.
    rate: f32,
    /// One over the bias correction of the second moment.
    unbias: f32,
}

impl Step {
    /// Moves coordinates from `old` to `new`. The slices are flat so that the compiler uses whole
    /// registers.
    #[inline(always)]
    fn apply(self, old: &[f32], force: &[f32], new: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let moments = first.iter_mut().zip(second);
        for (((new, old), force), (m, v)) in new.iter_mut().zip(old).zip(force).zip(moments) {
            *m = DECAY_1 * *m + (1.0 - DECAY_1) * force;
            *v = DECAY_2 * *v + (1.0 - DECAY_2) * force * force;
            *new = old + self.rate * *m / ((self.unbias * *v).sqrt() + EPSILON);
        }
    }
}

simd::vectorized! {
    /// Moves the points from `start` on by one step.
    fn move_points [const D: usize](forces: &Forces<D>, start: usize, moving: Moving<D>, step: Step)
    where level in [Avx512, Avx2]: Registers {
        forces.move_points_in(level, start, moving, step);
    }
}

/// The forces of one epoch.
struct Forces<'a, const D: usize> {
    job: &'a Job<'a>,
    x: &'a [[f32; D]],
    epoch: usize,
    clock: Clock,
}

impl<'a, const D: usize> Forces<'a, D> {
    fn new(job: &'a Job<'a>, epoch: usize, x: &'a [[f32; D]]) -> Self {
        let clock = Clock { to_share: 1.0 / job.largest, least: job.least_weight(), epoch: epoch as u32 };
        Forces { job, x, epoch, clock }
    }

    #[inline(always)]
    fn move_points_in<R: Registers>(&self, level: R, start: usize, moving: Moving<D>, step: Step) {
        let Moving { new, first, second } = moving;
        let end = start + new.len();
        let pool = Pool::new(self, start);
        let (mut now, mut next) = (Sampled::default(), Sampled::default());
        let mut there = std::array::from_fn(|_| Vec::new());
        self.sample_edges(level, start..end.min(start + BATCH), &mut now);
        let moments = first.chunks_mut(BATCH).zip(second.chunks_mut(BATCH));
        for ((new, (first, second)), start) in new.chunks_mut(BATCH).zip(moments).zip((start..).step_by(BATCH)) {
            let following = start + new.len();
            self.sample_edges(level, following..end.min(following + BATCH), &mut next);
            self.gather(&now, &mut there);
            let mut force = [[0.0; D]; BATCH];
            for (k, force) in force[..new.len()].iter_mut().enumerate() {
                *force = self.force(level, start + k, now.edge_range(k), &there, &pool);
            }
            let old = self.x[start..following].as_flattened();
            let (new, first, second) = (new.as_flattened_mut(), first.as_flattened_mut(), second.as_flattened_mut());
            step.apply(old, force.as_flattened(), new, first, second);
            std::mem::swap(&mut now, &mut next);
        }
    }

    /// Chooses edges of `points`, and prefetches the positions at their other ends.
    #[inline(always)]
    fn sample_edges<R: Registers>(&self, level: R, points: Range<usize>, sampled: &mut Sampled) {
        sampled.fill(level, self.job.graph, points, self.clock);
        sampled.other_ends().iter().for_each(|&other| prefetch(self.x, other as usize));
    }

    /// Writes the positions at the other ends of the sampled edges into `there`, coordinate by
    /// coordinate. Its rows are [`LANES`] longer than the edges, so that whole registers can be
    /// read.
    #[inline(always)]
    fn gather(&self, sampled: &Sampled, there: &mut [Vec<f32>; D]) {
        let others = sampled.other_ends();
        for there in there.iter_mut() {
            if there.len() < others.len() + LANES {
                there.resize(others.len() + LANES, 0.0);
            }
        }
        let mut there = there.each_mut().map(|there| &mut there[..others.len()]);
        for (k, &other) in others.iter().enumerate() {
            let other = self.x[other as usize];
            (0..D).for_each(|d| there[d][k] = other[d]);
        }
    }

    /// Returns the force on point `i`. The positions of its neighbours are at `edges` of `there`.
    #[inline(always)]
    fn force<R: Registers>(
        &self,
        level: R,
        i: usize,
        edges: Range<usize>,
        there: &[Vec<f32>; D],
        pool: &Pool<D>,
    ) -> [f32; D] {
        let splat = |x| R::Lanes::splat(level, x);
        let (job, curve) = (self.job, &self.job.curve);
        let here = self.x[i].map(splat);
        let difference = |d: usize, there: &[f32], from: usize| match there[from..].first_chunk() {
            Some(there) => here[d].minus(R::Lanes::load(level, there)),
            None => splat(0.0), // not reached: LANES positions follow the last
        };
        let mut pull = Sum::<R::Lanes, D>([splat(0.0); D]);
        for from in edges.clone().step_by(LANES) {
            let used = R::Lanes::load(level, &USED[(edges.end - from).min(LANES)]);
            let difference = std::array::from_fn(|d| difference(d, &there[d], from).times(used));
            pull.add(&difference, |d2| curve.attraction(d2));
        }
        let mut push = Sum::<R::Lanes, D>([splat(0.0); D]);
        let mut at = Stream::new(job.params.seed, self.epoch as u64, i as u64).below(POOL);
        let (wanted, registers) = self.negatives(edges.len());
        // More than the whole pool would repeat it: a sample of a thousand times as many gets the
        // mean of the pool.
        let registers = registers.min(POOL / LANES);
        for _ in 0..registers {
            push.add(&std::array::from_fn(|d| difference(d, &pool.0[d], at)), |d2| curve.repulsion(d2));
            at = (at + LANES) % POOL;
        }
        // The registers drawn represent the samples wanted.
        let per_sample = splat(wanted as f32 / (registers.max(1) * LANES) as f32);
        std::array::from_fn(|d| splat(BOTH_DIRECTIONS).times(pull.0[d]).plus(per_sample.times(push.0[d])).sum())
    }

    /// Returns the number of negative samples for a point of `n_edges` sampled edges, and the
    /// number of registers drawn for them: rounded to the nearest, and at least one if there are to
    /// be any.
    #[inline(always)]
    fn negatives(&self, n_edges: usize) -> (usize, usize) {
        let wanted = n_edges.saturating_mul(self.job.params.negative_sample_rate);
        (wanted, (wanted.saturating_add(LANES / 2) / LANES).max(usize::from(wanted > 0)))
    }
}

/// Positions of random points, coordinate by coordinate; the first [`LANES`] are repeated after the
/// last.
struct Pool<const D: usize>([[f32; POOL + LANES]; D]);

impl<const D: usize> Pool<D> {
    /// Draws the pool, in this epoch, of the block that starts with point `first`.
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

/// Factors that keep the first n lanes and set the others to 0, by n.
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

/// Sums of forces, one per lane; the lanes are added up at the end.
struct Sum<L, const D: usize>([L; D]);

impl<L: Lanes, const D: usize> Sum<L, D> {
    /// Adds the forces along these differences of positions, clipped to [`CLIP`] per coordinate; a
    /// difference of 0 adds none.
    #[inline(always)]
    fn add(&mut self, difference: &[L; D], factor: impl Fn(L) -> L) {
        let zero = self.0[0].like(0.0);
        let d2 = difference.iter().fold(zero, |sum, &x| sum.plus(x.times(x)));
        let factor = factor(d2);
        for (sum, &difference) in self.0.iter_mut().zip(difference) {
            let force = factor.times(difference).at_least(d2.like(-CLIP)).at_most(d2.like(CLIP));
            *sum = sum.plus(force);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::Curve;
    use super::super::{largest_weight, Job, UmapParams};
    use super::Registers;
    use super::{move_points, Forces, Moving, Step};
    use crate::graph::symmetric::Graph;
    use crate::random::Stream;
    use crate::simd::{self, Plain};

    const N: usize = 150;

    /// Makes rows of very different lengths, some of them empty, with weights of 0 and below the
    /// least.
    fn edges() -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        let mut stream = Stream::new(1, 0, 0);
        let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
        for i in 0..N {
            let degree = [0, 1, 17, 40, 5, 149][i % 6];
            indices.extend((0..degree).map(|_| stream.below(N) as u32));
            data.extend((0..degree).map(|e| if e % 7 == 3 { 0.0 } else { stream.uniform().powi(3) as f32 }));
            indptr.push(indices.len());
        }
        (indptr, indices, data)
    }

    /// Returns the bits of positions and moments of the points from 20 on, after three epochs of
    /// moves by `how`.
    fn moved<const D: usize>(job: &Job, how: impl Fn(&Forces<D>, Moving<D>, Step)) -> Vec<u32> {
        const FIRST: usize = 20;
        let mut stream = Stream::new(2, 0, 0);
        let mut x: Vec<[f32; D]> = (0..N).map(|_| std::array::from_fn(|_| 10.0 * stream.uniform() as f32)).collect();
        let (mut first, mut second) = (vec![[0.0; D]; N - FIRST], vec![[0.0; D]; N - FIRST]);
        for epoch in [0, 1, 7] {
            let mut new = x.clone();
            let moving = Moving { new: &mut new[FIRST..], first: &mut first, second: &mut second };
            how(&Forces::new(job, epoch, &x), moving, Step { rate: 0.7, unbias: 1.9 });
            x = new;
        }
        [x, first, second].iter().flatten().flatten().map(|value| value.to_bits()).collect()
    }

    simd::vectorized! {
        fn move_256 [const D: usize](forces: &Forces<D>, moving: Moving<D>, step: Step) where level in [Avx2]: Registers {
            forces.move_points_in(level, 20, moving, step);
        }
    }

    fn all_ways<const D: usize>(job: &Job) {
        let plain = moved::<D>(job, |forces, moving, step| forces.move_points_in(Plain, 20, moving, step));
        assert!(plain == moved::<D>(job, |forces, moving, step| move_points(forces, 20, moving, step)));
        assert!(plain == moved::<D>(job, move_256));
    }

    #[test]
    fn all_registers_move_points_to_the_same_bits() {
        let (indptr, indices, data) = edges();
        let graph = Graph { indptr: &indptr, indices: &indices, data: &data };
        for negative_sample_rate in [0, 1, 5] {
            let params = UmapParams { negative_sample_rate, ..UmapParams::default() };
            let curve = Curve::new(0.583_030, 1.334_167, 1.0);
            let job = Job { graph, dim: 2, n_epochs: 200, curve, params: &params, largest: largest_weight(graph) };
            all_ways::<2>(&job);
            all_ways::<3>(&job);
            all_ways::<64>(&job);
        }
    }
}
