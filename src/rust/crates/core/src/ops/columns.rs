//! Adds up the columns of a block, a row at a time.
//!
//! Rows of whole numbers, such as counts, go into plain sums and sums of squares, both of which are
//! exact, and so are the moments computed from them. All other rows are summed in the same way.
//! Where a variance cancels in that, which is rare, the rows of the block, still in memory, are
//! read once more for those columns alone, around their means.

use super::moments::{round, Moments, Shifted};
use super::view::{for_each_value, RowOf, View};
use crate::element::Number;
use crate::error::Result;
use crate::memory;
use crate::simd::{self, Level};

/// The sum of a row, and how many of its values are not 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RowSum {
    pub(super) total: f64,
    pub(super) detected: u32,
}

/// The sums of one column over rows of whole numbers. In `marked` every value that is not 0 counts
/// [`MARK`] more, so that one addition does for sum and count.
#[derive(Debug, Clone, Copy, Default)]
struct Whole {
    marked: f64,
    squares: f64,
}

/// More than twice any sum, so that rounding separates marks from sums. Sums stay exact with a mark
/// for each of [`MOST_ROWS`] rows.
const MARK: f64 = (1u64 << 36) as f64;
const MOST_ROWS: usize = 1 << 16;

impl Whole {
    #[inline(always)]
    fn add(&mut self, x: f64) {
        self.marked += if x == 0.0 { 0.0 } else { MARK + x };
        self.squares += x * x;
    }

    fn detected(self) -> f64 {
        round(self.marked / MARK)
    }

    fn sum(self) -> f64 {
        self.marked - self.detected() * MARK
    }
}

/// The sums of one column over rows that are not all whole numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Plain {
    sum: f64,
    squares: f64,
}

impl Plain {
    #[inline(always)]
    fn add(&mut self, x: f64) {
        self.sum += x;
        self.squares += x * x;
    }

    /// Returns whether the sum of squared deviations in `n` rows loses more than about 1e-13 of
    /// itself to rounding. `tolerated`, from [`tolerated`], is its least share of the squares. NaN
    /// and infinity count as lost, too.
    fn cancels(&self, n: f64, tolerated: f64) -> bool {
        let kept = self.squares - self.sum * self.sum / n;
        !(kept >= tolerated * self.squares && kept.is_finite())
    }
}

/// Returns the least share of the squares of `n` values that their squared deviations may be. A sum
/// of `m` values has a relative rounding error of about `sqrt(m / 3) 2^-54`, as the partial sums
/// are smaller. At most [`RUN`] values, or as many sums as there are runs, are ever added up. The
/// relative error of what is left after cancelling grows by as much as it is smaller.
fn tolerated(n: f64) -> f64 {
    let run = RUN as f64;
    (3e-4 * (n.min(run) + n / run).sqrt()).clamp(1e-3, 0.5)
}

/// The sums of every column over the rows of a block that were added.
pub(super) struct Columns {
    n_cols: usize,
    what: &'static str,
    /// The largest whole number whose squares add up exactly over the rows of the block.
    largest: f64,
    whole_rows: usize,
    whole: Vec<Whole>,
    other_rows: usize,
    other: Vec<Plain>,
    /// The number of values that are not 0 in every column of `other`, where they are counted.
    counted: Vec<u32>,
    /// The sums and sums of squares of `other` in all earlier runs of [`RUN`] rows.
    aside: Vec<(f64, f64)>,
}

/// The number of rows after which sums are put aside, so that one large value does not cost all
/// others their digits.
const RUN: usize = 1024;

impl Columns {
    /// Makes empty sums for `n_cols` columns of a block with `n_rows` rows; `what` is their name in
    /// errors.
    pub(super) fn new(n_rows: usize, n_cols: usize, what: &'static str) -> Self {
        const EXACT: f64 = (1u64 << 53) as f64;
        let largest = if n_rows <= MOST_ROWS { (EXACT / n_rows.max(1) as f64).sqrt() } else { -1.0 };
        Columns {
            n_cols,
            what,
            largest,
            whole_rows: 0,
            whole: Vec::new(),
            other_rows: 0,
            other: Vec::new(),
            counted: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory) where there is no room for the
    /// sums.
    pub(super) fn add<T: Number>(&mut self, row: RowOf<'_, T>) -> Result<()> {
        self.add_whole(row)?.map_or_else(|| self.add_plain::<T, false>(row, |x| x).map(drop), |_| Ok(()))
    }

    /// Adds a row, and returns its sum and the number of its values that are not 0.
    /// [`Columns::detected`] counts the row.
    ///
    /// # Errors
    /// The errors of [`Columns::add`].
    pub(super) fn add_counting<T: Number>(&mut self, row: RowOf<'_, T>) -> Result<RowSum> {
        self.add_whole(row)?.map_or_else(|| self.add_plain::<T, true>(row, |x| x), Ok)
    }

    /// Adds `f` of the values of a row and returns their sum; `f(0)` has to be 0.
    ///
    /// # Errors
    /// The errors of [`Columns::add`].
    pub(super) fn add_of<T: Number>(&mut self, row: RowOf<'_, T>, f: impl FnMut(f64) -> f64) -> Result<f64> {
        Ok(self.add_plain::<T, false>(row, f)?.total)
    }

    /// Adds a row of whole numbers. For any other row it adds nothing and returns `None`.
    fn add_whole<T: Number>(&mut self, row: RowOf<'_, T>) -> Result<Option<RowSum>> {
        let Some(found) = whole_sum(row.1, self.largest) else { return Ok(None) };
        if self.whole.is_empty() {
            self.whole = memory::filled(self.n_cols, Whole::default(), self.what)?;
        }
        self.whole_rows += 1;
        let whole = &mut self.whole[..];
        for_each_value(row, |c, x| whole[c].add(x));
        Ok(Some(found))
    }

    // Inlined, so that a caller that does not use the sum of a row does not wait for it.
    #[inline(always)]
    fn add_plain<T: Number, const COUNT: bool>(
        &mut self,
        row: RowOf<'_, T>,
        mut f: impl FnMut(f64) -> f64,
    ) -> Result<RowSum> {
        if self.other.is_empty() {
            self.other = memory::filled(self.n_cols, Plain::default(), self.what)?;
        }
        if COUNT && self.counted.is_empty() {
            self.counted = memory::filled(self.n_cols, 0, self.what)?;
        }
        if self.other_rows > 0 && self.other_rows.is_multiple_of(RUN) {
            self.put_aside()?;
        }
        self.other_rows += 1;
        let (other, counted) = (&mut self.other[..], &mut self.counted[..]);
        let mut sum = RowSum::default();
        let mut count = |c: usize, y: f64| {
            sum.total += y;
            if COUNT {
                let detected = u32::from(y != 0.0);
                counted[c] += detected;
                sum.detected += detected;
            }
        };
        // Both arms are written out: otherwise the compiler calls a function for every value.
        match row {
            (Some(columns), values) => {
                for (&c, x) in columns.iter().zip(values) {
                    let y = f(x.to_f64());
                    other[c as usize].add(y);
                    count(c as usize, y);
                }
            }
            (None, values) => {
                for (c, (column, x)) in other.iter_mut().zip(values).enumerate() {
                    let y = f(x.to_f64());
                    column.add(y);
                    count(c, y);
                }
            }
        }
        Ok(sum)
    }

    #[cold]
    fn put_aside(&mut self) -> Result<()> {
        if self.aside.is_empty() {
            self.aside = memory::filled(self.n_cols, (0.0, 0.0), self.what)?;
        }
        for ((sum, squares), column) in self.aside.iter_mut().zip(&mut self.other) {
            *sum += std::mem::take(&mut column.sum);
            *squares += std::mem::take(&mut column.squares);
        }
        Ok(())
    }

    /// Returns the columns of `other` with the sums that were put aside.
    fn compensated(&self) -> impl ExactSizeIterator<Item = Plain> + '_ {
        self.other.iter().enumerate().map(|(c, plain)| {
            let (sum, squares) = self.aside.get(c).copied().unwrap_or_default();
            Plain { sum: sum + plain.sum, squares: squares + plain.squares }
        })
    }

    /// Adds the sums of all columns to `to`. They are exact where all values are whole numbers and
    /// the sums are below 2^53.
    pub(super) fn add_sums(&self, to: &mut [f64]) {
        to.iter_mut().zip(&self.whole).for_each(|(t, w)| *t += w.sum());
        to.iter_mut().zip(self.compensated()).for_each(|(t, c)| *t += c.sum);
    }

    /// Returns whether all rows that were added hold small whole numbers. Then sums and moments of a
    /// column do not depend on the other columns.
    pub(super) fn is_whole(&self) -> bool {
        self.other_rows == 0
    }

    /// Returns how many values of every column are not 0, in rows of whole numbers and rows added
    /// with [`Columns::add_counting`].
    pub(super) fn detected(&self) -> Vec<u32> {
        let mut out = vec![0; self.n_cols];
        out.iter_mut().zip(&self.whole).for_each(|(t, w)| *t += w.detected() as u32);
        out.iter_mut().zip(&self.counted).for_each(|(t, n)| *t += n);
        out
    }

    /// Returns the moments of the rows that were added. `rows` are the same rows once more.
    ///
    /// # Errors
    /// The errors of [`Columns::add`].
    pub(super) fn moments<'a, T: Number>(&self, rows: impl Iterator<Item = RowOf<'a, T>>) -> Result<Moments> {
        self.moments_of(rows, |x| x)
    }

    /// Returns the moments of the rows that were added with `f` ([`Columns::add_of`]). `rows` are
    /// the same rows once more.
    ///
    /// # Errors
    /// The errors of [`Columns::add`].
    pub(super) fn moments_of<'a, T: Number>(
        &self,
        rows: impl Iterator<Item = RowOf<'a, T>>,
        f: impl Fn(f64) -> f64,
    ) -> Result<Moments> {
        let mut all = Moments::of_whole(self.whole_rows, self.n_cols, self.whole.iter().map(|w| (w.sum(), w.squares)));
        if self.other_rows > 0 {
            let n = self.other_rows as f64;
            let tolerated = tolerated(n);
            let shifts = self.compensated().map(|c| c.cancels(n, tolerated).then_some(c.sum / n));
            let mut again = Again::new(shifts, self.what)?;
            if !again.sums.is_empty() {
                // Rows of whole numbers are not in `other`.
                let other = |row: &RowOf<'a, T>| self.whole_rows == 0 || whole_sum(row.1, self.largest).is_none();
                rows.filter(other).for_each(|row| again.add(row, &f));
            }
            let sums = self.compensated().enumerate().map(|(c, plain)| {
                again.shifted(c).unwrap_or(Shifted { stored: n, shift: 0.0, sum: plain.sum, squares: plain.squares })
            });
            all.merge(&Moments::of_shifted(self.other_rows, self.n_cols, sums));
        }
        Ok(all)
    }
}

impl Moments {
    /// Returns the moments of all rows of a block.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::error::Error::OutOfMemory) where there is no room for the
    /// sums.
    pub(super) fn of_block<T: Number>(view: &View<'_, T>) -> Result<Self> {
        let n_rows = view.n_rows();
        if n_rows > 0 && view.row(0).0.is_none() {
            return Ok(Moments::of_dense((0..n_rows).map(|i| view.row(i).1), T::to_f64));
        }
        let mut columns = Columns::new(n_rows, view.n_cols, "moments of a block of cells");
        (0..n_rows).try_for_each(|i| columns.add(view.row(i)))?;
        columns.moments((0..n_rows).map(|i| view.row(i)))
    }
}

/// Sums of some columns around shifts.
struct Again {
    /// For each column its place in `sums` plus one, or 0 for a column without sums.
    places: Vec<u32>,
    sums: Vec<Shifted>,
    /// The parts that were lost so far in additions to the sum and to the squares.
    lost: Vec<(f64, f64)>,
    /// The first value of a column, as long as all others equal it.
    constant: Vec<Option<f64>>,
}

/// Adds `x` to `to` and returns the part that was lost (Neumaier 1974); 0 where the sum is not
/// finite.
fn add(to: &mut f64, x: f64) -> f64 {
    let sum = *to + x;
    let lost = if to.abs() >= x.abs() { (*to - sum) + x } else { (x - sum) + *to };
    *to = sum;
    if lost.is_finite() {
        lost
    } else {
        0.0
    }
}

impl Again {
    /// Makes sums for the columns that have a shift. A shift that is not finite becomes 0.
    fn new(shifts: impl ExactSizeIterator<Item = Option<f64>>, what: &'static str) -> Result<Self> {
        let mut places = memory::room(shifts.len(), what)?;
        let mut sums = Vec::new();
        for shift in shifts {
            let place = shift.map(|shift| {
                sums.push(Shifted { shift: if shift.is_finite() { shift } else { 0.0 }, ..Shifted::default() });
                sums.len() as u32
            });
            places.push(place.unwrap_or(0));
        }
        let (lost, constant) = (vec![(0.0, 0.0); sums.len()], vec![None; sums.len()]);
        Ok(Again { places, sums, lost, constant })
    }

    fn add<T: Number>(&mut self, row: RowOf<'_, T>, f: impl Fn(f64) -> f64) {
        for_each_value(row, |c, x| {
            if let Some(place) = self.places[c].checked_sub(1) {
                let (sum, constant, y) = (&mut self.sums[place as usize], &mut self.constant[place as usize], f(x));
                if sum.stored == 0.0 {
                    *constant = Some(y);
                } else if *constant != Some(y) {
                    *constant = None;
                }
                let (d, lost) = (y - sum.shift, &mut self.lost[place as usize]);
                sum.stored += 1.0;
                lost.0 += add(&mut sum.sum, d);
                lost.1 += add(&mut sum.squares, d * d);
            }
        });
    }

    /// Returns the sums of column `c`, if it has any. The mean of a constant is the constant, to
    /// the last bit.
    fn shifted(&self, c: usize) -> Option<Shifted> {
        let place = self.places[c].checked_sub(1)? as usize;
        let (Shifted { stored, shift, sum, squares }, lost) = (self.sums[place], self.lost[place]);
        Some(match self.constant[place] {
            Some(shift) if shift.is_finite() => Shifted { stored, shift, sum: 0.0, squares: 0.0 },
            _ => Shifted { stored, shift, sum: sum + lost.0, squares: squares + lost.1 },
        })
    }
}

/// The number of values that are checked and summed together.
const PIECE: usize = 256;
const LANES: usize = 8;

/// Returns the sum and the number of the values that are not 0, if all are whole numbers of
/// absolute value up to `largest`.
fn whole_sum<T: Number>(values: &[T], largest: f64) -> Option<RowSum> {
    if values.iter().take(4).any(|x| round(x.to_f64()) != x.to_f64()) {
        return None;
    }
    let mut all = RowSum::default();
    for piece in values.chunks(PIECE) {
        let found = whole_piece(piece, largest)?;
        all.total += found.total;
        all.detected += found.detected;
    }
    Some(all)
}

simd::vectorized! {
    /// Returns the [`whole_sum`] of a few values, in any order, which does not matter for whole
    /// numbers.
    fn whole_piece [T: Number](values: &[T], largest: f64) -> Option<RowSum> where _level in [Avx2]: Level {
        let (mut total, mut detected) = ([0.0; LANES], [0.0; LANES]);
        let (mut off, mut top) = ([0.0; LANES], [0.0; LANES]);
        let mut add = |k: usize, x: f64| {
            total[k] += x;
            detected[k] += if x == 0.0 { 0.0 } else { 1.0 };
            off[k] += (round(x) - x).abs();
            top[k] = if x.abs() > top[k] { x.abs() } else { top[k] };
        };
        let (pieces, last) = values.as_chunks::<LANES>();
        for piece in pieces {
            piece.iter().enumerate().for_each(|(k, x)| add(k, x.to_f64()));
        }
        last.iter().for_each(|x| add(0, x.to_f64()));
        // For NaN and infinity the difference is NaN.
        let whole = off == [0.0; LANES] && top.iter().all(|&t| t <= largest);
        let detected: f64 = detected.iter().sum();
        whole.then(|| RowSum { total: total.iter().sum(), detected: detected as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_whole_numbers_are_whole() {
        let found = |values: &[f64]| whole_sum(values, 1e6).map(|s| (s.total, s.detected));
        assert_eq!(found(&[]), Some((0.0, 0)));
        assert_eq!(found(&[3.0, 0.0, -2.0, 1e6]), Some((1_000_001.0, 3)));
        let many: Vec<f64> = (0..1003).map(f64::from).collect();
        assert_eq!(found(&many), Some((502_503.0, 1002)));
        for odd in [0.5, 1e-300, -1e-9, 1e6 + 1.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            for at in [0, 7, 300, 1002] {
                let mut some = many.clone();
                some[at] = odd;
                assert_eq!(found(&some), None, "{odd} at {at}");
            }
        }
    }

    #[test]
    fn marks_and_sums_are_told_apart() {
        for (n, x) in [(MOST_ROWS, 370_727.0), (1, 94_906_265.0), (MOST_ROWS, -370_727.0), (3, 0.0)] {
            let mut columns = Columns::new(n, 1, "");
            assert!(x <= columns.largest && columns.largest < x.abs() + 2.0 || x <= 0.0);
            for _ in 0..n {
                columns.add((None, &[x])).unwrap();
            }
            assert_eq!((columns.other_rows, columns.whole_rows), (0, n));
            let mut sum = [0.0];
            columns.add_sums(&mut sum);
            assert_eq!(sum, [x * n as f64]);
            assert_eq!(columns.detected(), [if x == 0.0 { 0 } else { n as u32 }]);
            let row = [x];
            let (mean, m2) = columns.moments((0..n).map(|_| (None, &row[..]))).unwrap().vectors();
            assert_eq!((mean[0], m2[0]), (x, 0.0));
        }
    }
}
