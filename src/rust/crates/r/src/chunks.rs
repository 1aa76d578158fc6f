//! A matrix in chunks of rows.

use crate::handles::ChunksHandle;
use crate::reply::{r_error, reply};
use crate::run::watching;
use crate::to_r::{by_columns, list_of, to_r};
use anndataoom_core::{stream, Error};
use extendr_api::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Starts a pass over a matrix and returns a handle on its chunks; arguments `matrix`, `size` (rows
/// of a chunk). The pass reads ahead until `rs_end_chunks()`.
#[extendr]
fn rs_chunks(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, size) = (a.matrix("matrix")?, a.f64("size")? as usize);
        let session = a.session()?;
        let chunks = Mutex::new(Some(stream::Chunks::new(&x, size, &session)?));
        Ok(ExternalPtr::new(ChunksHandle { chunks, session }).into())
    })
}

/// Returns the next chunk with its first and last row, `list(rows =, values =)`, or `NULL` after
/// the last; argument `chunks`. Values are a dgCMatrix or a matrix.
#[extendr]
fn rs_next_chunk(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let handle = a.handle::<ChunksHandle>("chunks")?.try_addr().map_err(r_error)?;
        let next = watching(&handle.session, a, |session| {
            let mut chunks = handle.chunks.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = || Error::State("this pass over the matrix has ended: call chunk_apply() again".to_owned());
            let next = chunks.as_mut().ok_or_else(ended)?.next().transpose()?;
            next.map(|(rows, values)| Ok((rows, by_columns(values, &session.monitor)?))).transpose()
        })?;
        let Some((rows, values)) = next else { return Ok(().into()) };
        let rows: Robj = vec![rows.start as f64 + 1.0, rows.end as f64].into();
        list_of(["rows", "values"].into_iter(), vec![rows, to_r(&values, "X", notes)?])
    })
}

/// Ends the pass; argument `chunks`.
#[extendr]
fn rs_end_chunks(args: Robj) -> Robj {
    reply(args, |a, _| {
        let handle = a.handle::<ChunksHandle>("chunks")?.try_addr().map_err(r_error)?;
        drop(handle.chunks.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(().into())
    })
}

extendr_module! {
    mod chunks;
    fn rs_chunks;
    fn rs_next_chunk;
    fn rs_end_chunks;
}
