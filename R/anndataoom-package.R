#' anndataoom: single-cell analysis on matrices larger than memory
#'
#' Opens h5ad files without loading the expression matrix. [read_h5ad()] returns an
#' [AnnDataOOM-class] object, cells in rows and genes in columns as in Python. Verbs such as
#' [calculate_qc_metrics()], [normalize_total()], [pca()] or [leiden()] return a new object and
#' never change their argument. Operations that change the matrix (selection, normalisation,
#' logarithm, scaling) are recorded, and applied to blocks of rows while these are streamed from
#' disk.
#'
#' @section Options:
#' * `anndataoom.threads`: worker threads (default: all cores). Results are the same bits for any number.
#' * `anndataoom.memory`: working memory of a streaming pass in bytes (default: 256 MiB). Results do not depend on it.
#' * `anndataoom.graph_memory`: most bytes that embeddings and graphs of [neighbors()], [umap()],
#'   [leiden()] and similar verbs take in memory at a time (default: the memory of the machine, or
#'   of its control group). A call that needs more is an error before the work starts.
#' * `anndataoom.scratch_limit`: most bytes in scratch files, which hold what exceeds
#'   `anndataoom.memory` (default: the room on the disk of temporary files less a reserve).
#' * `anndataoom.cache`: a folder that keeps parts of remote files (URLs), by their ETag, so that they
#'   are fetched once (default: none). `anndataoom.cache_limit`: most bytes in it (default: 10 GiB).
#' * `anndataoom.scratch`: most bytes of scratch files for the packed rows of a matrix (default: as
#'   many as the matrix takes in its file, but no more than a third of the free room; 0 turns it
#'   off). The first pass over a compressed sparse matrix writes its rows there, which takes it about
#'   a sixth longer. Later passes read them in a fraction of the time. Results do not depend on it.
#' * `anndataoom.max_bytes`: largest matrix, in bytes, that `as.matrix()` and similar functions put
#'   into memory (default: 2 GiB).
#' * `anndataoom.progress`: whether long steps draw a progress bar with the time left (default: in interactive sessions).
#' * `anndataoom.quiet`: whether messages about what a function did without being asked are left out
#'   (default: `FALSE`).
#'
#' @section Conditions: Every error has the classes `anndataoom_error_<kind>` and `anndataoom_error`, every warning
#'   `anndataoom_warning_<kind>` and `anndataoom_warning`, so that
#'   `tryCatch(..., anndataoom_error_missing = function(e) ...)` works. Kinds of errors are `io`, `file`, `missing`,
#'   `format`, `unsupported`, `shape`, `index`, `name`, `parameter`, `values`, `state`, `memory`, `numerical`,
#'   `progress`, `moved`, `changed`, `cancelled` and `internal`.
#'
#' @useDynLib anndataoom, .registration = TRUE
#' @importFrom methods as is new setClass setGeneric setMethod setOldClass setValidity show slot "slot<-" slotNames
#' @importFrom methods validObject callNextMethod Math Ops Summary
#' @importFrom utils .DollarNames head tail
#' @importFrom stats median setNames
#' @keywords internal
"_PACKAGE"
