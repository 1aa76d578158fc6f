//! Conversion of a sparse matrix from compressed rows to compressed columns and back.

use super::{Data, Number, Sparse, SparseFormat};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Monitor;
use crate::with_data;
use rayon::prelude::*;
use std::ops::Range;

const TURNED: &str = "a sparse matrix in another format";

impl Sparse {
    /// Converts the matrix to `format`; after a change of format, the minor indices of each row
    /// (column) ascend.
    ///
    /// # Errors
    /// [`Error::Shape`] when `indptr`, `indices` and `data` contradict each other;
    /// [`Error::OutOfMemory`].
    pub fn to_format(&self, format: SparseFormat) -> Result<Sparse> {
        self.turned(format, &Monitor::default())
    }

    /// Converts like [`Sparse::to_format`]; `monitor` can stop it, because a large matrix takes
    /// seconds.
    ///
    /// # Errors
    /// The errors of [`Sparse::to_format`]; [`Error::Cancelled`].
    pub fn turned(&self, format: SparseFormat, monitor: &Monitor) -> Result<Sparse> {
        if self.format == format {
            let Sparse { format, shape, .. } = *self;
            let indptr = memory::copied(&self.indptr, TURNED)?;
            let indices = memory::copied(&self.indices, TURNED)?;
            return Ok(Sparse { format, shape, indptr, indices, data: self.data.copied(TURNED)? });
        }
        let mut start = self.starts()?;
        let indptr = memory::copied(&start, TURNED)?;
        let mut indices = memory::zeros::<u32>(self.data.len(), TURNED)?;
        memory::large_pages(&mut indices);
        let data = with_data!(&self.data, v => self.moved(v, &mut start, &mut indices, monitor)?);
        Ok(Sparse { format, shape: self.shape, indptr, indices, data })
    }

    /// Converts the matrix to the other format, into memory of the caller. `indices` and `values`
    /// have one element for each stored value. `index` converts a row or column number, and `value`
    /// a value (as f64), to the types of the caller. Returns the `indptr` of the result.
    ///
    /// # Errors
    /// The errors of [`Sparse::turned`]; [`Error::Internal`] for memory of another size.
    pub fn turned_into<I: Send, V: Send>(
        &self,
        (indices, values): (&mut [I], &mut [V]),
        index: impl Fn(u32) -> I + Sync,
        value: impl Fn(f64) -> V + Sync,
        monitor: &Monitor,
    ) -> Result<Vec<u64>> {
        if (indices.len(), values.len()) != (self.data.len(), self.data.len()) {
            return Err(Error::Internal("no place for each value".to_owned()));
        }
        let mut start = self.starts()?;
        let indptr = memory::copied(&start, TURNED)?;
        memory::large_pages(indices);
        memory::large_pages(values);
        let to = (indices, values);
        with_data!(&self.data, v => self.scatter(v, &mut start, to, &index, |x| value(x.to_f64()), monitor)?);
        Ok(indptr)
    }

    /// Returns where each minor index begins in the other format, and the number of values.
    fn starts(&self) -> Result<Vec<u64>> {
        let (major, minor) = match self.format {
            SparseFormat::Csr => self.shape,
            SparseFormat::Csc => (self.shape.1, self.shape.0),
        };
        let nnz = self.data.len();
        let bounded = self.indptr.len() == major + 1
            && self.indptr.first() == Some(&0)
            && self.indptr.last() == Some(&(nnz as u64))
            && self.indptr.windows(2).all(|w| w[0] <= w[1])
            && self.indices.len() == nnz
            && self.indices.iter().all(|&i| (i as usize) < minor);
        if !bounded {
            return Err(Error::shape(
                "sparse matrix",
                format!("{major} + 1 ascending offsets to {nnz} indices below {minor}"),
                "arrays that contradict it",
            ));
        }
        let mut start = memory::zeros::<u64>(minor + 1, TURNED)?;
        for &i in &self.indices {
            start[i as usize + 1] += 1;
        }
        for i in 0..minor {
            start[i + 1] += start[i];
        }
        Ok(start)
    }

    /// Returns the bounds of parts of the minor indices with about as many values each, a part for
    /// each thread of the pool. There is one part outside of a pool, and where indices do not
    /// ascend.
    fn parts(&self, start: &[u64]) -> Vec<usize> {
        const LEAST: usize = 1 << 20;
        let (minor, nnz) = (start.len() - 1, self.indices.len());
        let threads = rayon::current_thread_index().map_or(1, |_| rayon::current_num_threads());
        let ascend = |w: &[u64]| self.indices[w[0] as usize..w[1] as usize].windows(2).all(|i| i[0] < i[1]);
        if threads == 1 || nnz < LEAST || !self.indptr.windows(2).all(ascend) {
            return vec![0, minor];
        }
        let end =
            |part: usize| start.partition_point(|&at| at < (nnz as u64 / threads as u64) * part as u64).min(minor);
        let mut parts: Vec<usize> = (0..threads).map(end).chain([minor]).collect();
        parts.dedup();
        parts
    }

    /// Moves the values to a new vector; see [`Sparse::scatter`].
    fn moved<T: Number>(&self, values: &[T], next: &mut [u64], indices: &mut [u32], monitor: &Monitor) -> Result<Data> {
        let mut data = memory::room(values.len(), TURNED)?;
        memory::large_pages(data.spare_capacity_mut());
        data.resize(values.len(), T::default());
        self.scatter(values, next, (indices, &mut data), |i| i, |x| x, monitor)?;
        Ok(T::wrap(data))
    }

    /// Moves the values and their major indices to their places; `next` holds the next place of
    /// each minor index.
    fn scatter<T: Number, I: Send, V: Send>(
        &self,
        values: &[T],
        next: &mut [u64],
        (indices, data): (&mut [I], &mut [V]),
        index: impl Fn(u32) -> I + Sync,
        value: impl Fn(T) -> V + Sync,
        monitor: &Monitor,
    ) -> Result<()> {
        let parts = self.parts(next);
        let (mut left, mut tasks) = ((&mut next[..parts[parts.len() - 1]], indices, data), Vec::new());
        for part in parts.windows(2) {
            let (next, rest) = left.0.split_at_mut(part[1] - part[0]);
            // Where the next part begins, which nobody moved yet.
            let end = rest.first().copied().unwrap_or(values.len() as u64);
            let first = next.first().copied().unwrap_or(end);
            let (indices, more) = left.1.split_at_mut((end - first) as usize);
            let (data, most) = left.2.split_at_mut((end - first) as usize);
            left = (rest, more, most);
            tasks.push((part[0] as u32..part[1] as u32, first, next, indices, data));
        }
        let alone = tasks.len() == 1;
        let work = |(part, first, next, indices, data): (Range<u32>, u64, &mut [u64], &mut [I], &mut [V])| {
            for (m, w) in self.indptr.windows(2).enumerate() {
                if m % 256 == 0 {
                    monitor.check()?;
                }
                let mut row = w[0] as usize..w[1] as usize;
                if !alone {
                    let of_row = &self.indices[row.clone()];
                    let cut = |end: u32| of_row.partition_point(|&i| i < end);
                    row = row.start + cut(part.start)..row.start + cut(part.end);
                }
                for k in row {
                    let next = &mut next[(self.indices[k] - part.start) as usize];
                    let at = (*next - first) as usize;
                    indices[at] = index(m as u32);
                    data[at] = value(values[k]);
                    *next += 1;
                }
            }
            Ok(())
        };
        if alone {
            tasks.into_iter().try_for_each(work)
        } else {
            tasks.into_par_iter().try_for_each(work)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let csr = Sparse {
            format: SparseFormat::Csr,
            shape: (3, 4),
            indptr: vec![0, 2, 2, 5],
            indices: vec![1, 3, 0, 1, 2],
            data: vec![1.0f32, 2.0, 3.0, 4.0, 5.0].into(),
        };
        let csc = csr.to_format(SparseFormat::Csc).unwrap();
        assert_eq!(csc.indptr, [0, 1, 3, 4, 5]);
        assert_eq!(csc.indices, [2, 0, 2, 2, 0]);
        assert_eq!(csc.data, vec![3.0f32, 1.0, 4.0, 5.0, 2.0].into());
        assert_eq!(csc.to_format(SparseFormat::Csr).unwrap(), csr);
        let stopped = Monitor::default();
        stopped.cancel();
        assert!(matches!(csr.turned(SparseFormat::Csc, &stopped), Err(Error::Cancelled)));
    }

    /// Turns a matrix on several threads, with rows that ascend and rows that do not.
    #[test]
    fn large_ones_are_turned_the_same_on_all_threads() {
        let (rows, columns) = (1500_usize, 2000_usize);
        let of_row =
            |r: usize| (0..columns as u32).filter(move |&c| !(r as u32 * 7 + c * 31 + r as u32 * c).is_multiple_of(3));
        let lists: Vec<Vec<u32>> = (0..rows).map(|r| of_row(r).collect()).collect();
        let mut csr = Sparse {
            format: SparseFormat::Csr,
            shape: (rows, columns),
            indptr: std::iter::once(0)
                .chain(lists.iter().scan(0, |n, l| {
                    *n += l.len() as u64;
                    Some(*n)
                }))
                .collect(),
            indices: lists.concat(),
            data: Data::I32((0..lists.concat().len() as i32).collect()),
        };
        assert!(csr.indices.len() > 1 << 20);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for _ in 0..2 {
            let expected = csr.to_format(SparseFormat::Csc).unwrap();
            assert_eq!(pool.install(|| csr.to_format(SparseFormat::Csc)).unwrap(), expected);
            let (mut indices, mut values) = (vec![-1; csr.indices.len()], vec![f64::NAN; csr.indices.len()]);
            let to = (&mut indices[..], &mut values[..]);
            let into = || csr.turned_into(to, i64::from, |x| x + 0.5, &Monitor::default());
            assert_eq!(pool.install(into).unwrap(), expected.indptr);
            assert!(indices.iter().zip(&expected.indices).all(|(&a, &b)| a == i64::from(b)));
            assert_eq!(expected.data.to_f64().unwrap().iter().map(|x| x + 0.5).collect::<Vec<_>>(), values);
            let end = csr.indptr[1] as usize;
            csr.indices[..end].reverse();
        }
    }

    #[test]
    fn contradictions_are_errors() {
        let bad = Sparse {
            format: SparseFormat::Csr,
            shape: (1, 2),
            indptr: vec![0, 1],
            indices: vec![7],
            data: vec![1i32].into(),
        };
        assert!(bad.to_format(SparseFormat::Csc).is_err());
    }
}
