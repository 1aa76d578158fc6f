# Runs the steps in this project's R package.
suppressPackageStartupMessages(library(anndataoom))
source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[[1]])), "common.R"))

adata <- step("open", read_h5ad(file))
adata <- step("qc", calculate_qc_metrics(adata, qc_vars = "mt", percent_top = NULL))
adata <- step("hvg", highly_variable_genes(adata, n_top_genes = 2000, flavor = "pearson_residuals"))
adata <- step("normalize", adata |> normalize_total(target_sum = 1e4) |> log1p())
adata <- step("scale", scale(adata[, adata$var$highly_variable], max_value = 10))
adata <- step("pca", pca(adata, n_comps = 50))
report(genes = rownames(adata$var), variance = as.numeric(adata$uns$pca$variance))

# The steps on to clusters are not part of the comparison.
adata <- step("neighbors", neighbors(adata))
adata <- step("umap", umap(adata))
adata <- step("leiden", leiden(adata))
