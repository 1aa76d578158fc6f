//! The epochs in which the edges of a graph are sampled.

/// The test of whether an edge is sampled in an epoch: an edge of `share` p is sampled in every
/// 1/p-th epoch. The phases of successive edges are multiples of the golden ratio, so that edges
/// are spread over the epochs.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// The factor from the weight of an edge to its share of epochs.
    pub(super) to_share: f32,
    /// The least weight of an edge that is sampled.
    pub(super) least: f32,
    /// The epoch of the test.
    pub(super) epoch: u32,
}

impl Clock {
    /// The difference of successive phases, as a fraction of 2^32.
    pub(super) const GOLDEN: u32 = 0x9E37_79B9;
    /// The number of bits of phases and shares.
    pub(super) const BITS: u32 = 23;
    /// The bits of a phase.
    pub(super) const MASK: u32 = (1 << Self::BITS) - 1;

    /// Returns whether edge number `edge` of the graph, of this weight, is sampled; an edge of
    /// weight 0 never is.
    #[inline(always)]
    pub(super) fn samples(&self, edge: u32, weight: f32) -> bool {
        // 1 + share has the share in its 23 mantissa bits; the difference is 2^23 for a share of 1.
        let share = (1.0 + weight * self.to_share).to_bits() - 1f32.to_bits();
        let phase = edge.wrapping_mul(Self::GOLDEN) >> (32 - Self::BITS);
        let clock = phase.wrapping_add(self.epoch.wrapping_mul(share)) & Self::MASK;
        (clock < share) & (weight >= self.least)
    }
}
