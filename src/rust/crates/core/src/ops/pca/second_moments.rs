//! Second moments of columns around a shift, as the pass gives them and as they are merged.

/// The name of second moments in errors.
pub(super) const PRODUCTS: &str = "pca: products of all pairs of genes";
/// Sums of the products of all pairs of columns.
pub(super) struct SecondMoments {
    /// Sums of products, column-major `p x p`, lower triangle.
    pub(super) products: Vec<f64>,
    /// Column sums.
    pub(super) sums: Vec<f64>,
    /// The shift taken from every value of a column first, for both.
    pub(super) shift: Vec<f64>,
    /// Whether the rows were dense.
    pub(super) dense: bool,
}

/// Second moments of `n` rows around other shifts: of values that lie `by` higher above them, with their sums.
pub(super) struct Moved<'a> {
    n: f64,
    by: Vec<f64>,
    sums: &'a [f64],
}

impl<'a> Moved<'a> {
    /// From the shifts `from` to the shifts `to`.
    pub(super) fn new(
        n: usize,
        to: impl Iterator<Item = f64>,
        from: impl Iterator<Item = f64>,
        sums: &'a [f64],
    ) -> Self {
        Moved { n: n as f64, by: to.zip(from).map(|(to, from)| from - to).collect(), sums }
    }

    /// The sum of the products of two columns, which was `product`.
    #[inline(always)]
    pub(super) fn product(&self, i: usize, j: usize, product: f64) -> f64 {
        product + (self.by[i] * self.sums[j] + self.by[j] * self.sums[i] + self.n * self.by[i] * self.by[j])
    }

    /// The sum of a column.
    pub(super) fn sum(&self, j: usize) -> f64 {
        self.sums[j] + self.n * self.by[j]
    }
}
