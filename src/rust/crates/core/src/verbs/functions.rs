//! Functions of the faces that are no verbs: they open, write, join, look at or go through a
//! matrix, and each language implements them. A verb makes results of an object and adds them to
//! it. The arguments of functions have domains too, which are checked here.

use super::domain::{Kind, COUNT, COUNT_OR_0, LIMIT, SHARE};
use super::param::{param, Param, Preset, LAYER};
use super::settings::SETTINGS;
use crate::error::{Error, Result};

/// A function with its name and parameters. The object that it works on is no parameter.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name in Python, and in R where `in_r` is `None`.
    pub name: &'static str,
    /// The name in R, where it differs.
    pub in_r: Option<&'static str>,
    /// The parameters.
    pub params: &'static [Param],
}

const fn function(name: &'static str, params: &'static [Param]) -> Function {
    Function { name, in_r: None, params }
}

const USE_RAW: Param = param("use_raw", Kind::Flag, Preset::Flag(false), "Whether raw is used instead of X.").r();
const EXTERNAL: Param = param(
    "external",
    Kind::Choice(&["refuse", "same-folder", "follow"]),
    Preset::Text("refuse"),
    "Which other files parts may be taken from.",
);
const OPTIONS: Param = param(
    "storage_options",
    Kind::Object("the options of a URL, each a text, number or truth value by its name"),
    Preset::Nothing,
    "Options of a remote store, credentials among them.",
);
/// Makes the parameter `chunk_size` with a default.
const fn rows(default: i64) -> Param {
    param("chunk_size", COUNT, Preset::Whole(default), "Rows of a block.")
}
const RANKED: Param = param("key", Kind::Key, Preset::Text("rank_genes_groups"), "Key of uns of the results.");
const NAMES: Kind = Kind::List(&Kind::Text);
const OVERLAPS: Kind = Kind::Choice(&["overlap_count", "overlap_coef", "jaccard"]);
const AGGREGATES: Kind = Kind::Choice(&crate::ops::Functions::NAMES);
const ALONG_AXIS: Kind = Kind::Choice(&["obs", "var"]);
const ALGORITHM: Kind = Kind::Choice(&["gzip", "lzf", "zstd", "none"]);
const COMPRESSION: Param = param("compression", ALGORITHM, Preset::Object, "Of what is written anew.");
const ZARR_ALGORITHM: Kind = Kind::Choice(&["zstd", "gzip", "none"]);
const ANY_ALGORITHM: Kind = Kind::Choice(&["zstd", "gzip", "lzf", "none"]);
const LEVEL: Param =
    param("compression_opts", Kind::Whole(0, 22), Preset::Nothing, "Level: 1 to 22 of zstd, 0 to 9 of gzip.");
const RECOMPRESS: Param =
    param("recompress", Kind::Flag, Preset::Flag(false), "Whether untouched matrices are compressed anew too.");
const ZARR_FORMAT: Param = param("zarr_format", Kind::Whole(2, 3), Preset::Whole(3), "Version of Zarr.");
const SHARDS: Param = param(
    "shards",
    Kind::Whole(0, 1 << 20),
    Preset::Whole(1024),
    "Chunks that share a file, in version 3; 0 for none.",
);
const CHUNKS: Param = param("chunks", Kind::Whole(1, 1 << 28), Preset::Nothing, "Values of a chunk of a matrix.");
const MERGE: Kind = Kind::Either(&[Kind::Choice(&["same", "unique", "first", "only"]), Kind::Opaque("a function")]);
const MAPPING: Kind = Kind::Object("for each array a name and the names of its columns");

/// All functions.
pub static FUNCTIONS: &[Function] = &[
    function(
        "read_h5ad",
        &[
            param("path", Kind::Path, Preset::Required, "The file."),
            param("mode", Kind::Choice(&["r", "r+"]), Preset::Text("r"), "Whether it is saved into.").r(),
            param("backed", Kind::Choice(&["r", "r+"]), Preset::Text("r"), "Whether it is saved into.").python(),
            EXTERNAL,
            OPTIONS,
            rows(1000).python(),
        ],
    ),
    function(
        "read_zarr",
        &[
            param("path", Kind::Path, Preset::Required, "The folder or zip archive."),
            EXTERNAL,
            OPTIONS,
            rows(1000).python(),
        ],
    ),
    function(
        "read_10x_h5",
        &[
            param("filename", Kind::Path, Preset::Required, "The file."),
            param("genome", Kind::Text, Preset::Nothing, "Features of this genome only."),
            param("gex_only", Kind::Flag, Preset::Flag(true), "Features of gene expression only."),
            EXTERNAL,
        ],
    ),
    function(
        "read_10x_mtx",
        &[
            param("path", Kind::Path, Preset::Required, "The folder."),
            param(
                "var_names",
                Kind::Choice(&["gene_symbols", "gene_ids"]),
                Preset::Text("gene_symbols"),
                "What genes are named by.",
            ),
            param("make_unique", Kind::Flag, Preset::Flag(true), "Whether symbols that repeat get numbers."),
            param("gex_only", Kind::Flag, Preset::Flag(true), "Features of gene expression only."),
            param("prefix", Kind::Text, Preset::Nothing, "The beginning of the files' names."),
            param("to", Kind::Path, Preset::Nothing, "Where to write the h5ad file."),
        ],
    ),
    function(
        "read_h5mu",
        &[
            param("path", Kind::Path, Preset::Required, "The file."),
            param("mod", Kind::Text, Preset::Nothing, "The modality."),
            param("mode", Kind::Choice(&["r", "r+"]), Preset::Text("r"), "Whether it is saved into.").r(),
            param("backed", Kind::Choice(&["r", "r+"]), Preset::Text("r"), "Whether it is saved into.").python(),
            EXTERNAL,
        ],
    ),
    function(
        "read_h5seurat",
        &[
            param("path", Kind::Path, Preset::Required, "The file."),
            param("assay", Kind::Text, Preset::Nothing, "The assay; the active one without it."),
            param("slot", Kind::Choice(&["counts", "data", "scale.data"]), Preset::Nothing, "The matrix that is X."),
            EXTERNAL,
        ],
    ),
    function(
        "read_loom",
        &[
            param("filename", Kind::Path, Preset::Required, "The file."),
            param("sparse", Kind::Flag, Preset::Flag(false), "Whether it is written once as compressed rows."),
            param("X_name", Kind::Text, Preset::Text("spliced"), "The layer that is X, where it is there."),
            param("obs_names", Kind::Text, Preset::Text("CellID"), "The attribute that names cells."),
            param("var_names", Kind::Text, Preset::Text("Gene"), "The attribute that names genes."),
            param("obsm_mapping", MAPPING, Preset::Nothing, "Attributes of cells that become arrays."),
            param("varm_mapping", MAPPING, Preset::Nothing, "Attributes of genes that become arrays."),
            param("to", Kind::Path, Preset::Nothing, "Where to write the h5ad file of sparse."),
            EXTERNAL,
        ],
    ),
    function(
        "read_text",
        &[
            param("filename", Kind::Path, Preset::Required, "The file."),
            param("delimiter", Kind::Path, Preset::Nothing, "The text between values; found out without it."),
            param("first_column_names", Kind::Flag, Preset::Nothing, "Whether the first column holds names."),
            param("transpose", Kind::Flag, Preset::Flag(false), "Whether the rows of the table are genes."),
            param("to", Kind::Path, Preset::Nothing, "Where to write the h5ad file."),
        ],
    ),
    function("write_10x_mtx", &[param("path", Kind::Path, Preset::Required, "The folder."), LAYER]),
    function("write_10x_h5", &[param("path", Kind::Path, Preset::Required, "The file."), LAYER]),
    function("write_h5mu", &[param("path", Kind::Path, Preset::Required, "The file."), COMPRESSION, LEVEL]),
    function(
        "write_h5ad",
        &[
            param("path", Kind::Path, Preset::Required, "The file.").r(),
            param("filename", Kind::Path, Preset::Nothing, "The file; the one read without it.").python(),
            COMPRESSION,
            LEVEL,
            param("as_dense", NAMES, Preset::Nothing, "Matrices to write dense."),
            param("as_csc", NAMES, Preset::Nothing, "Matrices to write by columns."),
            param("as_csr", NAMES, Preset::Nothing, "Matrices to write by rows."),
            RECOMPRESS,
            param(
                "convert_strings_to_categoricals",
                Kind::Flag,
                Preset::Flag(true),
                "Whether repeated texts become categories.",
            )
            .python(),
        ],
    ),
    function(
        "write_zarr",
        &[
            param("path", Kind::Path, Preset::Required, "The folder.").r(),
            param("store", Kind::Path, Preset::Required, "The folder.").python(),
            ZARR_FORMAT,
            SHARDS,
            CHUNKS,
            param("compression", ZARR_ALGORITHM, Preset::Text("zstd"), "Of what is written anew."),
            LEVEL,
            param("as_dense", NAMES, Preset::Nothing, "Matrices to write dense."),
            param("as_csc", NAMES, Preset::Nothing, "Matrices to write by columns."),
            param("as_csr", NAMES, Preset::Nothing, "Matrices to write by rows."),
            RECOMPRESS,
            param(
                "convert_strings_to_categoricals",
                Kind::Flag,
                Preset::Flag(true),
                "Whether repeated texts become categories.",
            )
            .python(),
            param("consolidate_metadata", Kind::Flag, Preset::Flag(true), "Whether metadata are in one place too.")
                .python(),
        ],
    ),
    function(
        "convert",
        &[
            param("path", Kind::Path, Preset::Required, "The file or store."),
            param("to", Kind::Path, Preset::Required, "The new one, by its ending .h5ad or .zarr."),
            ZARR_FORMAT,
            SHARDS,
            CHUNKS,
            param(
                "compression",
                ANY_ALGORITHM,
                Preset::Nothing,
                "Zstandard in a Zarr store and gzip in a file by default.",
            ),
            LEVEL,
            EXTERNAL,
        ],
    ),
    Function {
        name: "save",
        in_r: Some("save_h5ad"),
        params: &[
            param("X", Kind::Flag, Preset::Flag(false), "Whether a changed X is written too."),
            COMPRESSION,
            LEVEL,
        ],
    },
    function(
        "concat",
        &[
            param(
                "axis",
                Kind::Either(&[Kind::Choice(&["obs", "var"]), Kind::Whole(0, 1)]),
                Preset::Text("obs"),
                "Cells below cells, or genes beside genes.",
            ),
            param("join", Kind::Choice(&["inner", "outer"]), Preset::Text("inner"), "What all have, or any."),
            param("merge", MERGE, Preset::Nothing, "What of the other axis is kept."),
            param("uns_merge", MERGE, Preset::Nothing, "What of uns is kept."),
            param("label", Kind::Text, Preset::Nothing, "Column for the origin."),
            param("keys", Kind::Object("a key for each object"), Preset::Nothing, "Values of that column."),
            param("index_unique", Kind::Text, Preset::Nothing, "Between names and keys."),
            param("fill_value", FILL, Preset::Nothing, "What reads where an object has nothing."),
            param("pairwise", Kind::Flag, Preset::Flag(false), "Whether obsp is kept."),
            param("force_lazy", Kind::Flag, Preset::Flag(false), "Accepted and has no effect.").python(),
            param("file", Kind::Path, Preset::Nothing, "Where to write the result."),
            param("backend", Kind::Object("a name"), Preset::Nothing, "Accepted and has no effect.").python(),
        ],
    ),
    function(
        "rank_genes_groups_df",
        &[
            param("group", NAMES, Preset::Nothing, "Groups; all without it."),
            RANKED,
            param("pval_cutoff", LIMIT, Preset::Nothing, "Bound on adjusted p-values."),
            param("log2fc_min", LIMIT, Preset::Nothing, "Bound on log2 fold changes."),
            param("log2fc_max", LIMIT, Preset::Nothing, "Bound on log2 fold changes."),
            param("gene_symbols", Kind::Text, Preset::Nothing, "Column of var to add."),
        ],
    ),
    function(
        "marker_gene_overlap",
        &[
            param("reference_markers", Kind::Object("named sets of genes"), Preset::Required, "Known marker genes."),
            RANKED,
            param("method", OVERLAPS, Preset::Text("overlap_count"), "What is told of the genes two sets share."),
            param(
                "normalize",
                Kind::Choice(&["reference", "data"]),
                Preset::Nothing,
                "Whose number of genes counts are divided by.",
            ),
            param("top_n_markers", COUNT, Preset::Nothing, "Genes of a group; 100 without it."),
            param("adj_pval_threshold", SHARE, Preset::Nothing, "Genes of a group: as many as have less."),
            param("key_added", Kind::Key, Preset::Text("marker_gene_overlap"), "Key of uns with inplace.").python(),
            param("inplace", Kind::Flag, Preset::Flag(false), "Whether it is put into uns.").python(),
        ],
    ),
    function(
        "aggregate",
        &[
            param("by", NAMES, Preset::Required, "Columns of obs (var), whose combinations are the groups."),
            param("func", Kind::List(&AGGREGATES), Preset::Required, "Functions of the values of a group."),
            param(
                "axis",
                Kind::Either(&[ALONG_AXIS, Kind::Whole(0, 1)]),
                Preset::Nothing,
                "Groups of cells, or of genes.",
            ),
            param("mask", Kind::Object("a column or a mask"), Preset::Nothing, "Cells (genes) to take."),
            param("dof", COUNT_OR_0, Preset::Whole(1), "The divisor of variances is the number of values minus this."),
            LAYER,
            param("obsm", Kind::Text, Preset::Nothing, "Element of obsm to take instead of X."),
            param("varm", Kind::Text, Preset::Nothing, "Element of varm to take instead of X."),
        ],
    ),
    function(
        "pseudobulk",
        &[
            param("sample_col", Kind::Text, Preset::Required, "Column of obs with the samples."),
            param("groups_col", NAMES, Preset::Nothing, "Columns of obs with the cell types."),
            LAYER,
            param("use_raw", Kind::Flag, Preset::Flag(false), "Whether the counts are in raw."),
            param("min_cells", COUNT_OR_0, Preset::Whole(0), "Sums of fewer cells are left out."),
        ],
    ),
    function(
        "filter_rank_genes_groups",
        &[
            param("key", Kind::Key, Preset::Nothing, "Key of uns of the results; rank_genes_groups without it."),
            param("groupby", Kind::Text, Preset::Nothing, "Column of obs; that of the results without it."),
            param("use_raw", Kind::Flag, Preset::Nothing, "Whether raw is used; as for the results without it."),
            param("key_added", Kind::Key, Preset::Text("rank_genes_groups_filtered"), "Key of uns of what is kept."),
            param("min_in_group_fraction", LIMIT, Preset::Number(0.25), "Bound on the share of the group's cells."),
            param("min_fold_change", LIMIT, Preset::Number(1.0), "Bound on the log2 fold change."),
            param("max_out_group_fraction", LIMIT, Preset::Number(0.5), "Bound on the share of all other cells."),
            param("compare_abs", Kind::Flag, Preset::Flag(false), "Whether the size of fold changes counts."),
        ],
    ),
    function(
        "score_genes_cell_cycle",
        &[
            param("s_genes", NAMES, Preset::Required, "Genes of the S phase."),
            param("g2m_genes", NAMES, Preset::Required, "Genes of the phases G2 and M."),
            super::entry::COPY,
            param("ctrl_as_ref", Kind::Flag, Preset::Flag(true), "As score_genes has it."),
            param("gene_pool", NAMES, Preset::Nothing, "As score_genes has it."),
            param("n_bins", Kind::Whole(2, 100_000), Preset::Whole(25), "As score_genes has it."),
            super::entry::RANDOM_STATE,
            super::entry::USE_RAW,
            LAYER,
        ],
    ),
    function("index_columns", &[param("dir", Kind::Path, Preset::Required, "The folder."), LAYER, USE_RAW]),
    function("pack", &[param("dir", Kind::Path, Preset::Required, "The folder."), LAYER, USE_RAW]),
    function("explain", &[LAYER, USE_RAW]),
    function(
        "obs_vector",
        &[
            param("k", NAMES, Preset::Required, "Columns of obs or genes."),
            LAYER,
            param("use_raw", Kind::Flag, Preset::Nothing, "Whether genes come from raw.").r(),
        ],
    ),
    function("var_vector", &[param("k", Kind::Text, Preset::Required, "A column of var or a cell."), LAYER]),
    function(
        "chunk_apply",
        &[
            rows(6000).r(),
            LAYER.r(),
            param("with_rows", Kind::Flag, Preset::Flag(false), "Whether it gets positions.").r(),
        ],
    ),
    function("chunked", &[rows(1000).python()]),
    function("chunked_X", &[param("chunk_size", COUNT, Preset::Nothing, "Rows of a block.").python()]),
    function(
        "chunk_X",
        &[
            param("select", Kind::Either(&[COUNT_OR_0, Kind::Positions]), Preset::Nothing, "Cells, or how many.")
                .python(),
            param("replace", Kind::Flag, Preset::Flag(false), "Whether a cell may be drawn again.").python(),
        ],
    ),
    function("to_dask", &[rows(10_000).python()]),
    function("row_sums", &[LAYER.r()]),
    function("col_sums", &[LAYER.r()]),
    function("mean_var", &[AXIS.r(), DDOF.r(), LAYER.r()]),
    function("sum", &[ALONG, ROWS_READ, KEEPDIMS, DTYPE, OUT]),
    function("mean", &[ALONG, ROWS_READ, KEEPDIMS, DTYPE, OUT]),
    function(
        "var",
        &[
            ALONG,
            ROWS_READ,
            param("ddof", COUNT_OR_0, Preset::Whole(0), "The divisor is the number of values minus this.").python(),
            KEEPDIMS,
            DTYPE,
            OUT,
        ],
    ),
    function("getnnz", &[ALONG, ROWS_READ, KEEPDIMS]),
    function("max", &[ALONG, KEEPDIMS, OUT]),
    function("min", &[ALONG, KEEPDIMS, OUT]),
    function(crate::error::SETTINGS, SETTINGS),
];

/// A number, or a missing value.
const FILL: Kind = Kind::Either(&[LIMIT, Kind::NotANumber]);
const AXIS: Param = param("axis", Kind::Choice(&["obs", "var"]), Preset::Text("var"), "Of each gene, or each cell.");
const DDOF: Param = param("ddof", COUNT_OR_0, Preset::Whole(1), "The divisor is the number of values minus this.");

// Parameters of the methods of Python's arrays, named as in numpy.
const ALONG: Param = param("axis", Kind::Whole(-2, 1), Preset::Nothing, "Over rows, columns or all.").python();
const ROWS_READ: Param =
    param("chunk_size", Kind::Object("a number"), Preset::Whole(1000), "Accepted and has no effect.").python();
const KEEPDIMS: Param = param("keepdims", Kind::Flag, Preset::Flag(false), "Whether it has two dimensions.").python();
const DTYPE: Param = param("dtype", Kind::Object("a dtype"), Preset::Nothing, "Of the result.").python();
const OUT: Param =
    param("out", Kind::Object("nothing"), Preset::Nothing, "Refused: the result is a new array.").python();

/// Returns the function with this name in Python or R.
///
/// # Errors
/// [`Error::Internal`] for a name that no function has.
pub fn function_named(name: &str) -> Result<&'static Function> {
    let named = |f: &&Function| f.name == name || f.in_r == Some(name);
    FUNCTIONS.iter().find(named).ok_or_else(|| Error::Internal(format!("there is no function '{name}'")))
}
