//! Edges in scratch files while they are not at work: at most one level of a large graph is in
//! memory, beside the rows that go from it to the next.

use crate::dtype::Plain;
use crate::element::Number;
use crate::error::{Error, Result};
use crate::graph::kept::{append, is_large, values};
use crate::graph::symmetric::{Graph, OwnGraph};
use crate::matrix::Scratch;
use crate::memory::{self, Zero};
use crate::session::Session;

/// The name, in errors, of numbers for each cluster.
pub(super) const CLUSTERS: &str = "clusters of the graph";

/// The edges of successive rows, in two scratch files.
pub(super) struct Filed {
    columns: Scratch,
    weights: Scratch,
    count: usize,
}

impl Filed {
    /// Makes files for the edges of a graph, whose size is `bytes`. Returns `None` where they are
    /// small enough for the memory of the session, or where files cannot be made.
    pub(super) fn new(bytes: usize, session: &Session) -> Option<Self> {
        // What others left in the scratch space is worth more than this.
        let file = || Scratch::yielding(&session.scratch).ok();
        let (columns, weights) = is_large(bytes, session).then(|| Some((file()?, file()?)))??;
        Some(Filed { columns, weights, count: 0 })
    }

    /// Appends edges. Returns whether there was space for them: if not, only those before them are
    /// in the files.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn append<W: Number>(&mut self, indices: &[u32], data: &[W], session: &Session) -> Result<bool> {
        let written = append(&self.columns, indices, session).and_then(|()| append(&self.weights, data, session));
        match written {
            Ok(()) => {
                self.count += indices.len();
                Ok(true)
            }
            Err(Error::Scratch { .. } | Error::Io { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads all edges.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Io`]; [`Error::Cancelled`].
    pub(super) fn read<W: Plain + Zero>(&self, session: &Session) -> Result<(Vec<u32>, Vec<W>)> {
        Ok((values(&self.columns, 0, self.count, session)?, values(&self.weights, 0, self.count, session)?))
    }
}

/// A graph that can be put aside, and taken back later.
pub(super) struct Base {
    graph: OwnGraph,
    filed: Option<Filed>,
}

impl Base {
    /// Takes a graph, and copies its edges to scratch files if they are large for the session and
    /// there is space.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn new(graph: OwnGraph, session: &Session) -> Result<Self> {
        let mut filed = Filed::new(8 * graph.indices.len(), session);
        if let Some(files) = &mut filed {
            if !files.append(&graph.indices, &graph.data, session)? {
                filed = None;
            }
        }
        Ok(Base { graph, filed })
    }

    /// Borrows the graph, which has no edges while it is aside.
    pub(super) fn graph(&self) -> Graph<'_> {
        self.graph.borrow()
    }

    /// Frees the edges if they are in scratch files.
    pub(super) fn put_aside(&mut self) {
        if self.filed.is_some() {
            (self.graph.indices, self.graph.data) = Default::default();
        }
    }

    /// Reads the edges again if they are aside.
    ///
    /// # Errors
    /// Errors of [`Filed::read`].
    pub(super) fn take_back(&mut self, session: &Session) -> Result<()> {
        match &self.filed {
            Some(files) if self.graph.indices.is_empty() => {
                (self.graph.indices, self.graph.data) = files.read(session)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A graph that grows by rows: its edges go to scratch files, or stay in memory.
pub(super) struct Growing {
    graph: OwnGraph<f64>,
    filed: Option<Filed>,
}

impl Growing {
    /// Makes a graph without vertices, with memory for `n_vertices`, whose edges go to `filed`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn new(n_vertices: usize, filed: Option<Filed>) -> Result<Self> {
        Ok(Growing { graph: OwnGraph::with_room(n_vertices, 0, CLUSTERS)?, filed })
    }

    /// Appends the rows of `part`. Where the scratch space is full, all edges come into memory.
    ///
    /// # Errors
    /// Errors of [`Filed::read`].
    pub(super) fn append(&mut self, part: &OwnGraph<f64>, session: &Session) -> Result<()> {
        let before = self.graph.indptr.last().copied().unwrap_or(0);
        self.graph.indptr.extend(part.indptr.iter().skip(1).map(|end| before + end));
        if let Some(files) = &mut self.filed {
            if files.append(&part.indices, &part.data, session)? {
                return Ok(());
            }
            (self.graph.indices, self.graph.data) = files.read(session)?;
            self.filed = None;
        }
        memory::reserve(&mut self.graph.indices, part.indices.len(), CLUSTERS)?;
        memory::reserve(&mut self.graph.data, part.data.len(), CLUSTERS)?;
        self.graph.indices.extend_from_slice(&part.indices);
        self.graph.data.extend_from_slice(&part.data);
        Ok(())
    }

    /// Returns the graph, in memory.
    ///
    /// # Errors
    /// Errors of [`Filed::read`].
    pub(super) fn grown(self, session: &Session) -> Result<OwnGraph<f64>> {
        let Growing { mut graph, filed } = self;
        if let Some(files) = filed {
            (graph.indices, graph.data) = files.read(session)?;
        }
        Ok(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u32) -> OwnGraph<f64> {
        let indices = vec![first, first + 1, first + 2];
        let data = indices.iter().map(|&j| f64::from(j) + 0.5).collect();
        OwnGraph { indptr: vec![0, 2, 2, 3], indices, data }
    }

    #[test]
    fn a_graph_grows_alike_in_memory_in_files_and_past_full_ones() {
        let large = Session::with_threads(1);
        let small = Session { memory: 16, ..Session::with_threads(1) };
        // A part takes 12 and 24 bytes.
        for (session, filed, space) in [(&large, false, None), (&small, true, None), (&small, true, Some(80))] {
            let session = Session { scratch: session.scratch.limited(space), ..session.clone() };
            let filed_in = Filed::new(100, &session);
            assert_eq!(filed_in.is_some(), filed);
            let mut growing = Growing::new(9, filed_in).unwrap();
            for first in [0, 10, 20] {
                growing.append(&part(first), &session).unwrap();
            }
            assert_eq!(growing.filed.is_some(), filed && space.is_none());
            let graph = growing.grown(&session).unwrap();
            assert_eq!(graph.indptr, [0, 2, 2, 3, 5, 5, 6, 8, 8, 9]);
            assert_eq!(graph.indices, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
            assert!(graph.data.iter().zip(&graph.indices).all(|(&w, &j)| w == f64::from(j) + 0.5));
            assert_eq!(session.scratch.used(), 0);
        }
    }

    #[test]
    fn a_graph_is_put_aside_where_it_is_large_and_there_is_space() {
        let small = Session { memory: 16, ..Session::with_threads(1) };
        let full = Session { scratch: small.scratch.limited(Some(10)), ..small.clone() };
        for (session, left) in [(&small, 0), (&full, 3), (&Session::with_threads(1), 3)] {
            let graph = OwnGraph { indptr: vec![0, 1, 3], indices: vec![1, 0, 1], data: vec![0.5f32, 0.25, f32::MIN] };
            let mut base = Base::new(graph, session).unwrap();
            base.put_aside();
            assert_eq!((base.graph().indices.len(), base.graph().data.len()), (left, left));
            base.take_back(session).unwrap();
            let Graph { indptr, indices, data } = base.graph();
            assert_eq!((indptr, indices, data), (&[0, 1, 3][..], &[1, 0, 1][..], &[0.5f32, 0.25, f32::MIN][..]));
        }
    }
}
