//! Rows of a matrix in turn.

use crate::handles::ChunksHandle;
use crate::reply::{r_error, reply};
use crate::run::watching;
use crate::to_r::{by_columns, list_of, to_r};
use anndataoom_core::{stream, Error};
use extendr_api::prelude::*;
use std::sync::{Mutex, PoisonError};

/// `matrix`, `size`: a handle on its chunks of `size` rows; the pass runs ahead until `rs_end_chunks`.
#[extendr]
fn rs_chunks(args: Robj) -> Robj {
    reply(args, |a, _| {
        let (x, size) = (a.matrix("matrix")?, a.f64("size")? as usize);
        let session = a.session()?;
        let chunks = Mutex::new(Some(stream::Chunks::new(&x, size, &session)?));
        Ok(ExternalPtr::new(ChunksHandle { chunks, session }).into())
    })
}

/// `chunks`: the next, a dgCMatrix or a matrix, with its first and last row; `NULL` after the last.
#[extendr]
fn rs_next_chunk(args: Robj) -> Robj {
    reply(args, |a, notes| {
        let handle = a.handle::<ChunksHandle>("chunks")?.try_addr().map_err(r_error)?;
        let next = watching(&handle.session, a, |session| {
            let mut chunks = handle.chunks.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = || Error::State("the blocks of this matrix were let go".to_owned());
            let next = chunks.as_mut().ok_or_else(ended)?.next().transpose()?;
            next.map(|(rows, values)| Ok((rows, by_columns(values, &session.monitor)?))).transpose()
        })?;
        let Some((rows, values)) = next else { return Ok(().into()) };
        let rows: Robj = vec![rows.start as f64 + 1.0, rows.end as f64].into();
        list_of(["rows", "values"].into_iter(), vec![rows, to_r(&values, "X", notes)?])
    })
}

/// `chunks`: ends the pass.
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
