//! The passes of a PCA that multiply no pairs of genes: the moments before, the coordinates after.

use super::project::Loadings;
use super::rows::Deltas;
use crate::error::Result;
use crate::matrix::Block;
use crate::memory;
use crate::ops::moments::Moments;
use crate::stream::{adds_up, no_rows, Needs, Reducer};
use serde::Serialize;

/// The pass that gives the moments of the deltas of every column, and the number of stored values.
#[derive(Serialize)]
pub(super) struct Deviations<'a> {
    pub(super) deltas: &'a Deltas,
    pub(super) p: usize,
}

impl Reducer for Deviations<'_> {
    const NAME: &'static str = "pca: moments of every gene";
    const NEEDS: Needs = Needs::KEEPS;
    type Part = (Moments, Vec<u32>);
    no_rows!();
    type State = (Moments, Vec<u64>);
    type Output = (Moments, Vec<u64>);

    fn map(&self, block: Block) -> Result<((Moments, Vec<u32>), ())> {
        Ok((self.deltas.rows(block)?.moments()?, ()))
    }

    fn state(&self) -> Result<(Moments, Vec<u64>)> {
        Ok((Moments::new(self.p), memory::zeros(self.p, Self::NAME)?))
    }

    fn fold(&self, (all, stored): &mut (Moments, Vec<u64>), (part, counts): (Moments, Vec<u32>)) -> Result<()> {
        all.merge(&part);
        stored.iter_mut().zip(counts).for_each(|(s, c)| *s += u64::from(c));
        Ok(())
    }

    fn merge(&self, (all, stored): &mut (Moments, Vec<u64>), (next, counts): (Moments, Vec<u64>)) -> Result<()> {
        all.merge(&next);
        stored.iter_mut().zip(counts).for_each(|(s, c)| *s += c);
        Ok(())
    }

    fn finish(&self, state: (Moments, Vec<u64>), (): ()) -> Result<(Moments, Vec<u64>)> {
        Ok(state)
    }
}

/// The pass that gives the coordinates of the cells, `n x k`, and their moments where `moments` is
/// set.
#[derive(Serialize)]
pub(super) struct Project<'a> {
    pub(super) deltas: &'a Deltas,
    /// The numbers of cells and components.
    pub(super) shape: (usize, usize),
    pub(super) loadings: Loadings<'a>,
    pub(super) offset: &'a [f64],
    pub(super) shift: Option<&'a [f64]>,
    pub(super) moments: bool,
}

impl Reducer for Project<'_> {
    const NAME: &'static str = "pca: coordinates of the cells";
    const NEEDS: Needs = Needs::FILE;
    type Rows = Vec<f32>;
    type Whole = Vec<f32>;
    type Output = (Moments, Vec<f32>);
    adds_up!(Moments, |moments, next| moments.merge(&next));

    fn map(&self, block: Block) -> Result<(Moments, Vec<f32>)> {
        let rows = self.deltas.rows(block)?;
        let mut moments = Moments::new(self.shape.1);
        let wanted = self.moments.then_some(&mut moments);
        let coordinates = self.loadings.project(&rows, self.offset, self.shift, wanted)?;
        Ok((moments, coordinates))
    }

    fn state(&self) -> Result<Moments> {
        Ok(Moments::new(self.shape.1))
    }

    fn whole(&self) -> Result<Vec<f32>> {
        let (n, k) = self.shape;
        memory::zeros(memory::count(&[n, k], Self::NAME)?, Self::NAME)
    }

    fn finish(&self, moments: Moments, coordinates: Vec<f32>) -> Result<(Moments, Vec<f32>)> {
        Ok((moments, coordinates))
    }
}
