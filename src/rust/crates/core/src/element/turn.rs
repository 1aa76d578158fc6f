//! Conversion of a sparse matrix from compressed rows to compressed columns and back.

use super::{Data, Number, Sparse, SparseFormat};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Monitor;
use crate::with_data;

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
        let indptr = memory::copied(&start, TURNED)?;
        let mut indices = memory::zeros::<u32>(nnz, TURNED)?;
        let data = with_data!(&self.data, v => self.scatter(v, &mut start, &mut indices, monitor)?);
        Ok(Sparse { format, shape: self.shape, indptr, indices, data })
    }

    /// Moves the values and their major indices to their places; `next` holds the next place of
    /// each minor index.
    fn scatter<T: Number>(
        &self,
        values: &[T],
        next: &mut [u64],
        indices: &mut [u32],
        monitor: &Monitor,
    ) -> Result<Data> {
        let mut data = memory::filled(values.len(), T::default(), TURNED)?;
        for (m, w) in self.indptr.windows(2).enumerate() {
            if m % 256 == 0 {
                monitor.check()?;
            }
            for k in w[0] as usize..w[1] as usize {
                let next = &mut next[self.indices[k] as usize];
                indices[*next as usize] = m as u32;
                data[*next as usize] = values[k];
                *next += 1;
            }
        }
        Ok(T::wrap(data))
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
