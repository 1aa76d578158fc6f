#' Write a simulated h5ad file
#'
#' Simulates counts that look like single-cell RNA sequencing: log-normal library sizes, gene means
#' over four decades, cell types with marker genes, batches with mild effects, mitochondrial genes
#' (`MT-`) and a few cells of low quality. The file is streamed and may be far larger than memory.
#' The same arguments give the same bytes.
#'
#' @param path The file to write.
#' @param n_obs,n_vars Numbers of cells and genes.
#' @param n_types,n_batches Numbers of cell types (`obs$cell_type`) and batches (`obs$batch`).
#' @param density Share of non-zero values, met to within about a tenth.
#' @param random_state Seed.
#' @return `path`, invisibly.
#' @export
#' @examples
#' path <- simulate_h5ad(tempfile(fileext = ".h5ad"), n_obs = 200, n_vars = 500)
#' read_h5ad(path)
simulate_h5ad <- function(path, n_obs = 10000, n_vars = 20000, n_types = 8, n_batches = 2, density = 0.07,
                          random_state = 0) {
  check_path(path, "path")
  rs_work(
    "simulating", rs_simulate, path = path.expand(path), n_obs = n_obs, n_vars = n_vars, n_types = n_types,
    n_batches = n_batches, density = density, seed = random_state
  )
  invisible(path)
}
