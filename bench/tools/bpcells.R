# Runs the steps in BPCells. The conversion to its own format counts; genes are ranked by
# dispersion, not by Pearson residuals.
source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[[1]])), "common.R"))
if (!requireNamespace("BPCells", quietly = TRUE)) {
  cat('{"skipped": "BPCells is not installed in R"}\n')
  quit(status = 0)
}
suppressPackageStartupMessages(library(BPCells))

folder <- tempfile("bpcells")
m <- step("open", write_matrix_dir(convert_matrix_type(open_matrix_anndata_hdf5(file), "uint32_t"), folder))
stats <- step("qc", {
  colSums(m[grepl("^MT-", rownames(m)), ]) / colSums(m)
  matrix_stats(m, row_stats = "none", col_stats = "mean")$col_stats["mean", ] * nrow(m)
})
normalised <- log1p(multiply_cols(m, 1e4 / stats))
genes <- step("hvg", {
  moments <- matrix_stats(normalised, row_stats = "variance")$row_stats
  order(moments["variance", ] / pmax(moments["mean", ], 1e-12), decreasing = TRUE)[1:2000]
})
components <- step("pca", {
  selected <- normalised[sort(genes), ]
  moments <- matrix_stats(selected, row_stats = "variance")$row_stats
  scaled <- write_matrix_memory(selected, compress = FALSE) |> (\(x) (x - moments["mean", ]) / sqrt(moments["variance", ]))()
  svds(scaled, k = 50, threads = threads)
})
unlink(folder, recursive = TRUE)
report()
