# Compares the pipeline of the README with scanpy, scikit-learn and igraph
# (tests/golden/make_pbmc3k.py), on the bundled file and on pbmc3k if it is there.
golden_file <- function(name) {
  path <- file.path("..", "golden", name)
  if (!file.exists(path)) skip("the golden values are not there (tests/golden)")
  path
}

rand_index <- function(x, y) {
  counts <- table(x, y)
  pairs <- function(n) sum(choose(n, 2))
  expected <- pairs(rowSums(counts)) * pairs(colSums(counts)) / choose(sum(counts), 2)
  (pairs(counts) - expected) / ((pairs(rowSums(counts)) + pairs(colSums(counts))) / 2 - expected)
}

for (name in names(data_sizes)) test_that(paste("the pipeline finds what scanpy finds:", name), {
  skip_on_cran()
  skip_if_not_installed("jsonlite")
  file <- data_file(name)
  golden <- jsonlite::fromJSON(golden_file(paste0(name, ".json")))
  n_top <- data_sizes[[name]][1]
  n_comps <- data_sizes[[name]][2]
  adata <- suppressMessages(calculate_qc_metrics(read_h5ad(file), qc_vars = "mt"))
  for (column in names(golden$qc$obs)) {
    expect_equal(as.numeric(adata$obs[[column]][seq(1, nrow(adata), 100)]), golden$qc$obs[[column]], tolerance = 1e-6)
    expect_equal(sum(adata$obs[[column]]), golden$qc$obs_sum[[column]], tolerance = 1e-6)
  }
  for (column in names(golden$qc$var)) {
    expect_equal(as.numeric(adata$var[[column]][seq(1, ncol(adata), 500)]), golden$qc$var[[column]], tolerance = 1e-6)
  }
  adata <- adata |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3)
  expect_equal(dim(adata), golden$shape_filtered)

  chosen <- function(x, ...) {
    x <- highly_variable_genes(x, ...)
    x$var_names[x$var$highly_variable]
  }
  expect_setequal(chosen(adata, n_top, "pearson_residuals"), golden$hvg$pearson_residuals)
  expect_gte(length(intersect(chosen(adata, n_top, "seurat_v3"), golden$hvg$seurat_v3)), 0.99 * n_top)
  counts <- highly_variable_genes(adata, n_top, "pearson_residuals")
  adata <- counts |> normalize_total(target_sum = 1e4) |> log1p()
  expect_equal(unname(row_sums(adata))[seq(1, nrow(adata), 100)], golden$lognorm_row_sums, tolerance = 1e-6)
  expect_setequal(chosen(adata, n_top, "seurat"), golden$hvg$seurat)
  expect_setequal(chosen(adata, n_top, "cell_ranger"), golden$hvg$cell_ranger)
  expect_setequal(chosen(adata), golden$hvg$seurat_cutoffs)

  adata$raw <- adata
  adata <- adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = n_comps)
  loadings <- matrix(
    readBin(golden_file(paste0(name, "_loadings.f32")), "numeric", n_top * n_comps, 4, endian = "little"), n_top, byrow = TRUE
  )
  cosines <- colSums(loadings * adata$varm$PCs)
  expect_gte(min(cosines), 0.99999)
  expect_equal(adata$uns$pca$variance_ratio, golden$pca$variance_ratio, tolerance = 1e-6)

  adata <- adata |> neighbors(n_neighbors = 15) |> umap() |> leiden(resolution = 1)
  expect_gte(rand_index(adata$obs$cell_type, adata$obs$leiden), 0.68)
  expect_gte(adata$uns$leiden$modularity, mean(golden$leiden$igraph_modularity) - 0.002)
  expect_identical(levels(adata$obs$leiden), as.character(seq_len(nlevels(adata$obs$leiden)) - 1))
  expect_false(is.unsorted(-as.numeric(table(adata$obs$leiden))))
  expect_identical(dim(adata$obsm$X_umap), c(nrow(adata), 2L))
  expect_equal(max(obs_vector(adata, "NKG7", use_raw = TRUE)), max(as.matrix(adata$raw$X[, "NKG7"])))

  out <- tempfile(fileext = ".h5ad")
  write_h5ad(counts, out)
  back <- read_h5ad(out)
  expect_identical(back$obs, counts$obs)
  expect_identical(
    anndataoom:::matrix_info(back$X)[c("layout", "stored_dtype")], list(layout = "csr", stored_dtype = "float32")
  )
  expect_identical(col_sums(back), col_sums(counts))
})

for (name in names(data_sizes)) test_that(paste("the graph stage reaches the quality of the reference programs:", name), {
  skip_on_cran()
  skip_if_not_installed("jsonlite")
  file <- data_file(name)
  golden <- jsonlite::fromJSON(golden_file(paste0(name, ".json")))
  n_top <- data_sizes[[name]][1]
  n_comps <- data_sizes[[name]][2]
  adata <- suppressMessages(read_h5ad(file)) |>
    filter_cells(min_genes = 200) |> filter_genes(min_cells = 3) |> highly_variable_genes(n_top, "pearson_residuals") |>
    normalize_total(target_sum = 1e4) |> log1p()
  adata <- adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = n_comps)

  # The space of all components: the sine of the largest angle between ours and the reference's.
  loadings <- matrix(
    readBin(golden_file(paste0(name, "_loadings.f32")), "numeric", n_top * n_comps, 4, endian = "little"), n_top, byrow = TRUE
  )
  ours <- qr.Q(qr(adata$varm$PCs))
  reference <- qr.Q(qr(loadings))
  expect_lte(max(svd(reference - ours %*% crossprod(ours, reference))$d), 1e-5)

  # Neighbours are exact: the distances are those of brute force, cell by cell.
  points <- adata$obsm$X_pca
  squares <- rowSums(points^2)
  all_distances <- sqrt(pmax(outer(squares, squares, "+") - 2 * tcrossprod(points), 0))
  diag(all_distances) <- 0
  adata <- neighbors(adata, n_neighbors = 15)
  found <- Matrix::t(adata$obsp$distances) # cells by columns
  expect_true(all(diff(found@p) == 14))
  nearest <- apply(all_distances, 1, function(d) sort(d)[2:15])
  expect_equal(apply(matrix(found@x, 14), 2, sort), unname(nearest), tolerance = 1e-5)
  approximate <- Matrix::t(neighbors(adata, n_neighbors = 15, method = "ivf")$obsp$distances)
  shared <- vapply(seq_len(ncol(found)), function(j) {
    of <- function(m) m@i[(m@p[j] + 1):m@p[j + 1]]
    length(intersect(of(found), of(approximate)))
  }, 0)
  expect_gte(sum(shared) / (14 * ncol(found)), 0.99)

  modularity <- vapply(0:9, function(seed) leiden(adata, random_state = seed)$uns$leiden$modularity, 0)
  expect_gte(mean(modularity), mean(golden$leiden$igraph_modularity) - 0.002)
  expect_gte(min(modularity), min(golden$leiden$igraph_modularity) - 0.002)

  # Computes trustworthiness (Venna & Kaski 2001), k = 15, by its definition.
  ranks <- t(apply(all_distances, 1, rank, ties.method = "first")) - 1
  trustworthiness <- function(embedding, k = 15) {
    n <- nrow(embedding)
    near <- apply(as.matrix(dist(embedding)), 1, function(d) order(d)[2:(k + 1)])
    penalty <- sum(vapply(seq_len(n), function(i) sum(pmax(ranks[i, near[, i]] - k, 0)), 0))
    1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty
  }
  scores <- vapply(0:2, function(seed) trustworthiness(umap(adata, random_state = seed)$obsm$X_umap), 0)
  expect_gte(mean(scores), mean(golden$umap$trustworthiness_15) - 0.01)
})
