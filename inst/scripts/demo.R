# The whole pipeline on one h5ad file: Rscript demo.R <output folder> [file.h5ad]
# Prints each step with its time and the peak memory of the process; writes the result and two plots.
suppressPackageStartupMessages({
  library(anndataoom)
  library(ggplot2)
})

arguments <- commandArgs(trailingOnly = TRUE)
out <- if (length(arguments) >= 1) arguments[[1]] else "demo-output"
file <- if (length(arguments) >= 2) arguments[[2]] else example_h5ad()
dir.create(out, recursive = TRUE, showWarnings = FALSE)
options(anndataoom.progress = TRUE)

# Peak resident memory of this process in MB; NA where the system does not tell.
peak_mb <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(), warning = function(w) character())
  line <- grep("^VmHWM:", status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else NA_real_
}

step <- function(label, work) {
  started <- proc.time()[["elapsed"]]
  value <- withVisible(work)$value
  cat(sprintf("  %-44s %6.2f s   peak %5.0f MB\n", label, proc.time()[["elapsed"]] - started, peak_mb()))
  invisible(value)
}

started <- proc.time()[["elapsed"]]
cat("anndataoom demo on", file, "\n")
cat(sprintf("  %-44s %8s   peak %5.0f MB\n", "(R with the packages loaded)", "", peak_mb()))
adata <- step("open", read_h5ad(file))
print(adata)
adata <- step("quality control", calculate_qc_metrics(adata, qc_vars = "mt"))
before <- dim(adata)
adata <- step("filter cells and genes", adata |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3))
cat(sprintf("    %d x %d -> %d x %d\n", before[1], before[2], nrow(adata), ncol(adata)))
n_top <- min(2000, ncol(adata))
adata <- step(
  sprintf("%d highly variable genes (Pearson residuals)", n_top),
  highly_variable_genes(adata, n_top_genes = n_top, flavor = "pearson_residuals")
)
adata <- step("normalize_total, log1p (recorded)", adata |> normalize_total(target_sum = 1e4) |> log1p())
adata$raw <- adata
n_comps <- min(50, n_top - 1, nrow(adata) - 1)
adata <- adata[, adata$var$highly_variable]
adata <- step("scale (recorded after one pass)", scale(adata, max_value = 10))
adata <- step(sprintf("PCA, %d components", n_comps), pca(adata, n_comps = n_comps))
adata <- step("neighbours", neighbors(adata, n_neighbors = 15))
adata <- step("UMAP", umap(adata))
adata <- step("Leiden", leiden(adata, resolution = 1))

cat("\nclusters:\n")
print(table(adata$obs$leiden))
if ("cell_type" %in% names(adata$obs)) {
  cat("\nclusters against obs$cell_type:\n")
  print(table(adata$obs$cell_type, adata$obs$leiden))
}

# A marker gene to show: a well-known one that the file has, else the most variable gene.
known <- intersect(c("NKG7", "CD3D", "MS4A1", "LYZ"), rownames(adata$raw$var))
rank <- adata$var$highly_variable_rank
marker <- if (length(known)) known[[1]] else rownames(adata$var)[which.min(rank)]

plots <- file.path(out, c("umap_leiden.png", sprintf("umap_%s.png", marker)))
step("plots", {
  ggsave(plots[[1]], plot_embedding(adata, "umap", color = "leiden"), width = 6, height = 5, dpi = 150)
  ggsave(plots[[2]], plot_embedding(adata, "umap", color = marker), width = 6, height = 5, dpi = 150)
})
result <- file.path(out, "result.h5ad")
step("write the result", write_h5ad(adata, result))

cat(sprintf(
  "\nDone in %.1f s, peak memory %.0f MB.\n", proc.time()[["elapsed"]] - started, peak_mb()
))
cat("Written:\n", paste0("  ", normalizePath(c(result, plots)), "\n"), sep = "")
