//! Text that others wrote, into h5ad files.

use crate::reply::reply;
use crate::run::run;
use anndataoom_core::text::{self, MtxOptions};
use extendr_api::prelude::*;

/// `path`, `to`, `var_names`, `make_unique`, `gex_only`, `prefix` (optional): a folder with a count matrix, into the h5ad
/// file `to`.
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

/// `path`: what is there, by the name of its kind.
#[extendr]
fn rs_content(args: Robj) -> Robj {
    reply(args, |a, _| Ok(text::content(a.str("path")?)?.name().into()))
}

/// `path`: the beginnings of the names of several matrices in a folder.
#[extendr]
fn rs_prefixes(args: Robj) -> Robj {
    reply(args, |a, _| Ok(text::prefixes(a.str("path")?.as_ref())?.into()))
}

extendr_module! {
    mod text;
    fn rs_read_10x_mtx;
    fn rs_content;
    fn rs_prefixes;
}
