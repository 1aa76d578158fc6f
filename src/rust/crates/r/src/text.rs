//! Count matrices and tables as text, converted to h5ad files.

use crate::reply::reply;
use crate::run::run;
use anndataoom_core::text::{self, MtxOptions, TextOptions};
use extendr_api::prelude::*;

/// Converts a folder with a count matrix to an h5ad file; arguments `path`, `to` (the file),
/// `var_names`, `make_unique`, `gex_only`, `prefix` (optional).
#[extendr]
fn rs_read_10x_mtx(args: Robj) -> Robj {
    reply(args, |a, _| {
        let options = MtxOptions {
            gene_ids: a.str("var_names")? == "gene_ids",
            make_unique: a.bool("make_unique")?,
            gex_only: a.bool("gex_only")?,
            prefix: a.opt_str("prefix")?.map(str::to_owned),
        };
        let (path, to) = (a.str("path")?, a.str("to")?);
        run(a, |session| text::read_10x_mtx(path, &options, to, session))?;
        Ok(().into())
    })
}

/// Converts a table of numbers to an h5ad file; arguments `path`, `to` (the file), `delimiter`
/// (optional), `first_column_names` (optional), `transpose`.
#[extendr]
fn rs_read_text(args: Robj) -> Robj {
    reply(args, |a, _| {
        let named = a.get("first_column_names").filter(|x| !x.is_null());
        let options = TextOptions {
            delimiter: a.opt_str("delimiter")?.map(str::to_owned),
            first_column_names: named.map(|_| a.bool("first_column_names")).transpose()?,
            transpose: a.bool("transpose")?,
        };
        let (path, to) = (a.str("path")?, a.str("to")?);
        run(a, |session| text::read_text(path, &options, to, session))?;
        Ok(().into())
    })
}

/// Returns the kind of a file or folder, such as "h5ad"; argument `path`.
#[extendr]
fn rs_content(args: Robj) -> Robj {
    reply(args, |a, _| {
        let path = a.str("path")?;
        run(a, |_| Ok(text::content(path)?.name())).map(Robj::from)
    })
}

/// Returns the paths or URLs of the parts of a collection; argument `path`.
#[extendr]
fn rs_collection(args: Robj) -> Robj {
    reply(args, |a, _| {
        let path = a.str("path")?;
        let parts = run(a, |_| text::collection(path))?;
        Ok(parts.iter().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().into())
    })
}

/// Returns the prefixes of the files of several matrices in a folder, none when no prefix is
/// needed; argument `path`.
#[extendr]
fn rs_prefixes(args: Robj) -> Robj {
    reply(args, |a, _| Ok(text::prefixes(a.str("path")?.as_ref())?.into()))
}

extendr_module! {
    mod text;
    fn rs_read_10x_mtx;
    fn rs_read_text;
    fn rs_content;
    fn rs_collection;
    fn rs_prefixes;
}
