# One full pass: row sums with per-gene mean and variance.
suppressPackageStartupMessages(library(anndataoom))
source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[[1]])), "common.R"))

adata <- read_h5ad(file)
step("pass", mean_var(adata))
report()
