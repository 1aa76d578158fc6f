#' Diffusion pseudotime
#'
#' Computes the distance of every cell from a root cell along the graph made by [neighbors()]
#' (Haghverdi et al. 2016), as `scanpy.tl.dpt` without branchings, for which [paga()] is the better
#' method. Runs [diffmap()] first if there is no diffusion map yet.
#'
#' @param adata An [AnnDataOOM-class] after [neighbors()].
#' @param n_dcs Number of diffusion components to use.
#' @param root The root cell, by name or position; by default `uns$iroot`, which counts from 0 as in
#'   scanpy.
#' @param neighbors_key Name given to [neighbors()] as `key_added`.
#' @return `adata` with `obs$dpt_pseudotime`: 0 for the root, 1 for the farthest cell, `Inf` for
#'   cells without a path to the root.
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |>
#'   neighbors()
#' adata <- dpt(adata, root = 1)
#' summary(adata$obs$dpt_pseudotime)
dpt <- function(adata, n_dcs = 10, root = NULL, neighbors_key = NULL) {
  check_adata(adata)
  args <- arguments()
  # Both checks come before diffmap(), so that an error costs no time.
  rs_call(rs_verb_check, name = "dpt", args = args)
  verb_inputs$root(adata, "root", args)
  if (!"X_diffmap" %in% names(adata@obsm)) {
    inform("diffmap", "dpt(): runs diffmap() first, with its defaults")
    adata <- diffmap(adata, neighbors_key = neighbors_key)
  }
  verb("dpt", adata, args)
}

root_position <- function(root, adata) {
  if (length(root) != 1 || is.na(root) || !is.character(root) && !is.numeric(root)) {
    abort("parameter", "root: expected the name of one cell or its position, found ", describe(root))
  }
  at <- if (is.character(root)) match(root, adata$obs_names) else root
  if (is.na(at)) abort("name", "root: there is no cell '", root, "'", similar_names(root, adata$obs_names))
  if (at < 1 || at > n_obs(adata) || at != trunc(at)) {
    abort("index", "root: expected a position from 1 to ", n_obs(adata), ", the number of cells, found ", at)
  }
  at
}
