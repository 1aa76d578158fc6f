# Tests missing suggested packages, in a session that sees only anndataoom and the packages that
# come with R.
test_that("a package that is missing is named, with the way to install it", {
  skip_on_cran()
  skip_on_os("windows")
  library <- tempfile("library")
  dir.create(library)
  on.exit(unlink(library, recursive = TRUE))
  skip_if_not(file.symlink(find.package("anndataoom"), file.path(library, "anndataoom")))
  calls <- c(
    "as_Seurat(adata)", "as_SingleCellExperiment(adata)", "plot_embedding(adata, 'pca')", "plot_violin(adata, 'NKG7')",
    "plot_dotplot(adata, 'NKG7', groupby = 'cell_type')", "plot_qc(adata)", "plot_hvg(adata)", "plot_pca_variance(adata)",
    "OOMMatrixSeed(adata$X) |> anndataoom:::delayed_of()", "calculate_qc_metrics(adata, qc_vars = 'mt')$obs$total_counts[1]"
  )
  script <- tempfile(fileext = ".R")
  writeLines(c(
    "suppressMessages(library(anndataoom))", "options(anndataoom.quiet = TRUE, anndataoom.progress = TRUE)",
    "adata <- read_h5ad(example_h5ad())",
    "try_one <- function(call) tryCatch(format(eval(str2lang(call))), anndataoom_error = function(e) {",
    "  paste0('<', sub('anndataoom_error_', '', class(e)[1]), '> ', conditionMessage(e))",
    "})",
    sprintf("cat(try_one(%s), sep = '\\n')", vapply(calls, deparse, ""))
  ), script)
  said <- system2(
    file.path(R.home("bin"), "Rscript"), c("--no-environ", "--no-init-file", script), stdout = TRUE, stderr = TRUE,
    env = paste0(c("R_LIBS=", "R_LIBS_USER=", "R_LIBS_SITE="), library)
  )
  skip_if(any(file.exists(file.path(.Library, c("Seurat", "SeuratObject", "ggplot2", "DelayedArray")))))
  expect_snapshot(cat(paste(calls, said, sep = "\n  "), sep = "\n"))
})
