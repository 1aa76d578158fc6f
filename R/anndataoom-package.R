#' anndataoom: single-cell analysis on matrices larger than memory
#'
#' Opens h5ad files without loading the expression matrix. [read_h5ad()] gives an [AnnDataOOM-class] object, cells in
#' rows and genes in columns as in Python; verbs such as [calculate_qc_metrics()], [normalize_total()], [pca()] or [leiden()]
#' return a new object and never change their argument. What changes the matrix (selection, normalisation, logarithm,
#' scaling) is recorded and applied to blocks of rows while they are streamed from disk.
#'
#' @section Options:
#' * `anndataoom.threads`: worker threads (default: all cores). Results are the same bits for any number.
#' * `anndataoom.memory`: working memory of a streaming pass in bytes (default: 256 MiB). Results do not depend on it.
#' * `anndataoom.graph_memory`: most bytes that embeddings and graphs of [neighbors()], [umap()], [leiden()] and the like take in
#'   memory at a time; more is an error before the work starts (default: the memory of the machine, or of its control group).
#' * `anndataoom.scratch_limit`: most bytes in scratch files, where what does not fit `anndataoom.memory` goes (default: the
#'   room on the disk of temporary files less a reserve).
#' * `anndataoom.cache`, `anndataoom.cache_limit`: a folder that keeps parts of files far away (URLs), by their ETag, so that they are
#'   fetched once, and most bytes in it (default: no folder; 10 GiB).
#' * `anndataoom.scratch`: most bytes of scratch files for the packed rows of a matrix: the first pass over a compressed sparse
#'   matrix leaves them, which takes it about a fifth longer, and those after it read them in a fraction of the time. As many
#'   bytes as the matrix takes in its file are enough for counts (default: none). Results do not depend on it.
#' * `anndataoom.max_bytes`: largest matrix that `as.matrix()` and friends put into memory (default: 2 GiB).
#' * `anndataoom.progress`: whether long steps draw a progress bar with the time left (default: in interactive sessions).
#' * `anndataoom.quiet`: whether messages about what a function did on its own account are left out (default: `FALSE`).
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
