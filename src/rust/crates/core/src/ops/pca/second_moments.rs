//! Second moments of columns around a shift: the result of the pass, and its change to another
//! shift for merging.

/// The name, in errors, of second moments.
pub(super) const PRODUCTS: &str = "pca: products of all pairs of genes";
/// The sums of the products of all pairs of columns.
pub(super) struct SecondMoments {
    /// The sums of products, column-major `p x p`, lower triangle.
    pub(super) products: Vec<f64>,
    /// The column sums.
    pub(super) sums: Vec<f64>,
    /// The shift that is subtracted from every value of a column, for sums and products.
    pub(super) shift: Vec<f64>,
    /// Whether the rows were dense.
    pub(super) dense: bool,
}

/// The change of second moments of `n` rows to other shifts. `by` is the old shift less the new
/// one, `sums` the sums around the old shift.
pub(super) struct Moved<'a> {
    n: f64,
    by: Vec<f64>,
    sums: &'a [f64],
}

impl<'a> Moved<'a> {
    /// Makes the change from the shifts `from` to the shifts `to`.
    pub(super) fn new(
        n: usize,
        to: impl Iterator<Item = f64>,
        from: impl Iterator<Item = f64>,
        sums: &'a [f64],
    ) -> Self {
        Moved { n: n as f64, by: to.zip(from).map(|(to, from)| from - to).collect(), sums }
    }

    /// Returns the sum of the products of columns `i` and `j` around the new shifts; `product` is
    /// the sum around the old ones.
    #[inline(always)]
    pub(super) fn product(&self, i: usize, j: usize, product: f64) -> f64 {
        product + (self.by[i] * self.sums[j] + self.by[j] * self.sums[i] + self.n * self.by[i] * self.by[j])
    }

    /// Returns the sum of column `j` around its new shift.
    pub(super) fn sum(&self, j: usize) -> f64 {
        self.sums[j] + self.n * self.by[j]
    }
}
