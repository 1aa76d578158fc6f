//! When the edges of a graph are sampled.

/// The test of an edge in one epoch: an edge of `share` p is sampled in every 1/p-th epoch. The phases of successive
/// edges are multiples of the golden ratio, so that they do not fall into the same epochs.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Weight to share of epochs.
    pub(super) to_share: f32,
    /// Lighter edges are never sampled.
    pub(super) least: f32,
    pub(super) epoch: u32,
}

impl Clock {
    /// Successive phases are apart by this share of 2^32.
    pub(super) const GOLDEN: u32 = 0x9E37_79B9;
    /// Phases and shares have this many bits.
    pub(super) const BITS: u32 = 23;
    /// The bits of a phase.
    pub(super) const MASK: u32 = (1 << Self::BITS) - 1;

    /// Whether edge number `edge` of the graph, of this weight, is sampled; never one of weight 0.
    #[inline(always)]
    pub(super) fn samples(&self, edge: u32, weight: f32) -> bool {
        // 1 + share has share as its 23 mantissa bits; 2^23 for a share of 1.
        let share = (1.0 + weight * self.to_share).to_bits() - 1f32.to_bits();
        let phase = edge.wrapping_mul(Self::GOLDEN) >> (32 - Self::BITS);
        let clock = phase.wrapping_add(self.epoch.wrapping_mul(share)) & Self::MASK;
        (clock < share) & (weight >= self.least)
    }
}
