//! The distributions of a simulation, drawn once: weights of every gene in every type, batch
//! effects, dispersions.

use super::genes::{genes, Kind, TYPES};
use super::simulation::Simulation;
use super::tables::{gamma_table, Alias, GAMMA_BINS, THETAS};
use crate::random::Xoshiro;

/// Threshold of a gene's expected count in a median cell; from it on the gamma factor is drawn.
const HIGH: f64 = 0.1;
/// Standard deviation of ln L.
const LIBRARY_SD: f64 = 0.4;
/// Median share of mitochondrial counts.
const MT_MEDIAN: f64 = 0.05;
/// Share of cells of low quality.
const LOW_QUALITY: f64 = 0.03;
/// First stream of the generators of parameters, above those of cells (their row numbers).
const PARAMETERS: u64 = 1 << 40;

/// The properties of one cell, before its counts are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub(super) cell_type: usize,
    pub(super) batch: usize,
    /// Expected total count.
    pub(super) library: f64,
    /// Expected share of `MT-` genes in the total.
    pub(super) mt: f64,
}

/// A gene whose gamma factor is drawn for every cell.
struct HighGene {
    gene: u32,
    weight: f32,
    theta: u8,
}

/// Expression of one type: high genes are drawn one by one, low genes together.
struct Profile {
    high: Vec<HighGene>,
    low_genes: Vec<u32>,
    low_total: f64,
    low: Alias,
}

/// The distributions that rows are drawn from. Their size is `n_types * n_vars`, whatever the
/// number of cells.
pub(super) struct Model {
    seed: u64,
    pub(super) gene_names: Vec<String>,
    /// Cumulative shares of the types, ascending to 1.
    shares: Vec<f64>,
    profiles: Vec<Profile>,
    batch_effect: Vec<Vec<f32>>,
    batch_effect_max: f64,
    batch_depth: Vec<f64>,
    mt: Vec<HighGene>,
    gamma: Vec<Vec<f32>>,
    median_library: f64,
}

impl Model {
    /// Draws the distributions of a simulation from its seed.
    pub(super) fn new(sim: &Simulation) -> Self {
        let (gene_names, kinds): (Vec<String>, Vec<Kind>) = genes(sim.n_vars, sim.seed).into_iter().unzip();
        let n_nuclear = kinds.iter().filter(|&&k| k != Kind::Mitochondrial).count();
        let mut rng = Xoshiro::new(sim.seed, PARAMETERS);
        let base = base_weights(&kinds[..n_nuclear], &mut rng);
        let theta: Vec<u8> = (0..sim.n_vars).map(|_| draw_theta(&mut rng)).collect();
        let raw_mt: Vec<f64> = (n_nuclear..sim.n_vars).map(|_| (0.7 * rng.normal()).exp()).collect();
        let mt_total: f64 = raw_mt.iter().sum();
        let mt = raw_mt.iter().zip(n_nuclear..);
        let mt = mt.map(|(w, g)| HighGene { gene: g as u32, weight: (w / mt_total) as f32, theta: theta[g] }).collect();

        let weights: Vec<Vec<f64>> = (0..sim.n_types)
            .map(|t| type_weights(t, &base, &kinds, &gene_names, Xoshiro::new(sim.seed, PARAMETERS + 1 + t as u64)))
            .collect();
        let sizes: Vec<f64> = (0..sim.n_types).map(|t| 0.8f64.powi(t.min(1000) as i32).max(0.1)).collect();
        let all: f64 = sizes.iter().sum();
        let shares: Vec<f64> = sizes
            .iter()
            .scan(0.0, |sum, s| {
                *sum += s / all;
                Some(*sum)
            })
            .collect();

        let mut batch_effect = Vec::new();
        let mut batch_depth = Vec::new();
        for b in 0..sim.n_batches {
            let mut rng = Xoshiro::new(sim.seed, 2 * PARAMETERS + b as u64);
            batch_depth.push(rng.uniform_between(-0.15, 0.15).exp());
            batch_effect.push((0..n_nuclear).map(|_| (0.12 * rng.normal()).exp() as f32).collect::<Vec<f32>>());
        }
        let batch_effect_max = batch_effect.iter().flatten().copied().fold(0.0f32, f32::max);

        let median_library = solve_library(sim, &weights, &sizes);
        let profiles = weights.iter().map(|w| Profile::new(w, &theta, median_library)).collect();
        Model {
            seed: sim.seed,
            gene_names,
            shares,
            profiles,
            batch_effect,
            batch_effect_max: f64::from(batch_effect_max),
            batch_depth,
            mt,
            gamma: THETAS.iter().map(|&t| gamma_table(t)).collect(),
            median_library,
        }
    }

    /// Returns the properties of cell `row`, and the generator to draw its counts from.
    pub(super) fn cell(&self, row: u32) -> (Cell, Xoshiro) {
        let mut rng = Xoshiro::new(self.seed, u64::from(row));
        let u = rng.uniform();
        let cell_type = self.shares.partition_point(|&s| s <= u).min(self.shares.len() - 1);
        let batch = rng.below(self.batch_depth.len());
        let mut library = self.median_library * self.batch_depth[batch] * (LIBRARY_SD * rng.normal()).exp();
        let mut mt = MT_MEDIAN * (0.35 * rng.normal()).exp();
        if rng.uniform() < LOW_QUALITY {
            library /= rng.uniform_between(6.0, 20.0);
            mt = rng.uniform_between(0.2, 0.6);
        }
        (Cell { cell_type, batch, library, mt: mt.min(0.9) }, rng)
    }

    /// Draws the non-zero counts of a row into `out`, (gene, count) by ascending gene. `low` is
    /// scratch.
    pub(super) fn draw(&self, row: u32, low: &mut Vec<u32>, out: &mut Vec<(u32, u32)>) {
        let (cell, mut rng) = self.cell(row);
        let profile = &self.profiles[cell.cell_type];
        let effect = &self.batch_effect[cell.batch];
        let nuclear = cell.library * (1.0 - cell.mt);

        low.clear();
        if !profile.low_genes.is_empty() {
            // Poisson thinning: events occur at the rate of the largest batch effect and are kept
            // in proportion to the gene's own.
            let events = rng.poisson(nuclear * profile.low_total * self.batch_effect_max);
            for _ in 0..events {
                let gene = profile.low_genes[profile.low.draw(&mut rng)];
                if rng.uniform() * self.batch_effect_max < f64::from(effect[gene as usize]) {
                    low.push(gene);
                }
            }
            low.sort_unstable();
        }

        out.clear();
        let mut at = 0;
        for h in &profile.high {
            while at < low.len() && low[at] < h.gene {
                at = push_run(low, at, out);
            }
            let gamma = self.gamma_factor(h.theta, &mut rng);
            let count = rng.poisson(nuclear * f64::from(h.weight * effect[h.gene as usize] * gamma));
            if count > 0 {
                out.push((h.gene, count));
            }
        }
        while at < low.len() {
            at = push_run(low, at, out);
        }
        for h in &self.mt {
            let gamma = self.gamma_factor(h.theta, &mut rng);
            let count = rng.poisson(cell.library * cell.mt * f64::from(h.weight * gamma));
            if count > 0 {
                out.push((h.gene, count));
            }
        }
    }

    #[inline(always)]
    fn gamma_factor(&self, theta: u8, rng: &mut Xoshiro) -> f32 {
        self.gamma[theta as usize][(rng.bits() >> 54) as usize % GAMMA_BINS]
    }
}

/// Appends the run of equal genes at `at` as one count; returns the position after it.
#[inline(always)]
fn push_run(sorted: &[u32], at: usize, out: &mut Vec<(u32, u32)>) -> usize {
    let gene = sorted[at];
    let run = sorted[at..].iter().take_while(|&&g| g == gene).count();
    out.push((gene, run as u32));
    at + run
}

impl Profile {
    fn new(weights: &[f64], theta: &[u8], median_library: f64) -> Self {
        let (mut high, mut low_genes, mut low_weights) = (Vec::new(), Vec::new(), Vec::new());
        for (g, &w) in weights.iter().enumerate() {
            if w * median_library >= HIGH {
                high.push(HighGene { gene: g as u32, weight: w as f32, theta: theta[g] });
            } else {
                low_genes.push(g as u32);
                low_weights.push(w);
            }
        }
        Profile { high, low_genes, low_total: low_weights.iter().sum(), low: Alias::new(&low_weights) }
    }
}

fn draw_theta(rng: &mut Xoshiro) -> u8 {
    const UPPER: [f64; 4] = [0.08, 0.28, 0.70, 0.90];
    let u = rng.uniform();
    UPPER.iter().filter(|&&x| u >= x).count() as u8
}

/// Returns the weights of the nuclear genes without the effect of a type; their sum is 1.
fn base_weights(kinds: &[Kind], rng: &mut Xoshiro) -> Vec<f64> {
    let ln: Vec<f64> = kinds
        .iter()
        .map(|k| match k {
            Kind::Ordinary | Kind::Mitochondrial => 2.0 * rng.normal(),
            Kind::Marker => 1.0 + 0.5 * rng.normal(),
            Kind::Housekeeping | Kind::Ribosomal => 0.7 * rng.normal(),
        })
        .collect();
    // Shares of the total: ordinary genes and markers, housekeeping, ribosomal.
    let group = |k: Kind| match k {
        Kind::Housekeeping => 1,
        Kind::Ribosomal => 2,
        _ => 0,
    };
    let share = [0.66, 0.12, 0.22];
    let mut sums = [0.0; 3];
    for (&k, w) in kinds.iter().zip(&ln) {
        sums[group(k)] += w.exp();
    }
    let present: f64 = (0..3).filter(|&i| sums[i] > 0.0).map(|i| share[i]).sum();
    kinds.iter().zip(&ln).map(|(&k, w)| w.exp() / sums[group(k)] * share[group(k)] / present).collect()
}

/// Returns the weights of the nuclear genes in type `t`; their sum is 1.
fn type_weights(t: usize, base: &[f64], kinds: &[Kind], names: &[String], mut rng: Xoshiro) -> Vec<f64> {
    let known: &[&str] = TYPES.get(t).map_or(&[], |x| x.1);
    let ordinary = kinds.iter().filter(|&&k| k == Kind::Ordinary).count();
    // A type's programme has at least 8 ordinary genes, in however small a matrix.
    let in_programme = (8.0 / ordinary.max(1) as f64).max(0.01);
    let mut w: Vec<f64> = base
        .iter()
        .zip(kinds.iter().zip(names))
        .map(|(&b, (&kind, name))| {
            let mild = (0.15 * rng.normal()).exp();
            let (u, fold) = (rng.uniform(), rng.uniform());
            let programme = if kind == Kind::Marker && known.contains(&name.as_str()) {
                10.0 * 6f64.powf(fold)
            } else if kind == Kind::Ordinary && u < in_programme {
                3.0 * (20.0f64 / 3.0).powf(fold)
            } else {
                1.0
            };
            b * mild * programme
        })
        .collect();
    let total: f64 = w.iter().sum();
    w.iter_mut().for_each(|x| *x /= total);
    w
}

/// Finds, by bisection over typical cells, the median library size at which the expected share of
/// non-zero counts is `sim.density`. Every gene counts as one of theta 6, because theta hardly
/// changes the share of zeros.
fn solve_library(sim: &Simulation, weights: &[Vec<f64>], sizes: &[f64]) -> f64 {
    // Midpoints of eight equal quantile bins of the standard normal.
    const Z: [f64; 8] = [-1.534, -0.887, -0.489, -0.157, 0.157, 0.489, 0.887, 1.534];
    const TYPES_LOOKED_AT: usize = 12;
    let n_mt = sim.n_vars - weights.first().map_or(0, Vec::len);
    let detected = |lambda: f64| {
        let y = 1.0 + lambda / 6.0;
        1.0 - (y * y * y).powi(-2)
    };
    let density = |median: f64| {
        let (mut sum, mut of) = (0.0, 0.0);
        for (w, size) in weights.iter().zip(sizes).take(TYPES_LOOKED_AT) {
            let good = Z.map(|z| ((LIBRARY_SD * z).exp(), MT_MEDIAN, (1.0 - LOW_QUALITY) / Z.len() as f64));
            for (relative, mt, share) in good.into_iter().chain([(1.0 / 12.0, 0.4, LOW_QUALITY)]) {
                let nuclear = median * relative * (1.0 - mt);
                let mt_genes = n_mt as f64 * detected(median * relative * mt / (n_mt as f64).max(1.0));
                let genes = w.iter().map(|x| detected(nuclear * x)).sum::<f64>() + mt_genes;
                sum += genes / sim.n_vars as f64 * share * size;
                of += share * size;
            }
        }
        sum / of
    };
    let (mut low, mut high) = (0.0f64, 1e9f64.ln());
    for _ in 0..24 {
        let middle = 0.5 * (low + high);
        if density(middle.exp()) < sim.density {
            low = middle;
        } else {
            high = middle;
        }
    }
    (0.5 * (low + high)).exp()
}
