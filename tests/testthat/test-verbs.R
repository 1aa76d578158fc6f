twin <- small_twin()
counts <- twin$counts

test_that("quality control is that of plain R", {
  expect_message(
    a <- calculate_qc_metrics(on_file(twin), qc_vars = "mt", percent_top = c(2, 3)), class = "anndataoom_message_gene_set"
  )
  expect_identical(a$var$mt, c(TRUE, rep(FALSE, 6)))
  expect_equal(as.numeric(a$obs$n_genes_by_counts), unname(rowSums(counts > 0)))
  expect_equal(a$obs$total_counts, unname(rowSums(counts)))
  expect_equal(a$obs$log1p_total_counts, unname(log1p(rowSums(counts))), tolerance = 1e-6)
  expect_equal(a$obs$pct_counts_mt, unname(counts[, 1] / rowSums(counts) * 100), tolerance = 1e-6)
  top2 <- apply(counts, 1, function(v) sum(sort(v, decreasing = TRUE)[1:2]))
  expect_equal(a$obs$pct_counts_in_top_2_genes, unname(top2 / rowSums(counts) * 100), tolerance = 1e-6)
  expect_equal(as.numeric(a$var$n_cells_by_counts), unname(colSums(counts > 0)))
  expect_equal(a$var$mean_counts, unname(colMeans(counts)), tolerance = 1e-6)
  expect_equal(a$var$pct_dropout_by_counts, unname(100 * colMeans(counts == 0)), tolerance = 1e-6)
})

test_that("filters keep what they say and queue nothing when all stays", {
  a <- on_file(twin)
  genes <- rowSums(counts > 0)
  b <- filter_cells(a, min_genes = 5)
  expect_identical(b$obs_names, names(genes)[genes >= 5])
  expect_equal(as.numeric(b$obs$n_genes), unname(genes[genes >= 5]))
  cells <- colSums(counts > 0)
  expect_identical(filter_genes(a, max_cells = 8)$var_names, names(cells)[cells <= 8])
  expect_identical(filter_genes(a, min_counts = 14)$var_names, names(which(colSums(counts) >= 14)))
  expect_length(anndataoom:::matrix_info(filter_cells(a, min_counts = 0)$X)$queued, 0)
  expect_identical(dim(filter_cells(a, min_counts = 1e9)), c(0L, 7L))
})

test_that("ranges of the genes are those of plain R", {
  a <- gene_ranges(on_file(twin), threshold = 1)
  expect_equal(a$var$min_expression, unname(apply(counts, 2, min)))
  expect_equal(a$var$max_expression, unname(apply(counts, 2, max)))
  expect_equal(as.numeric(a$var$n_cells_above), unname(colSums(counts > 1)))
  expect_error(gene_ranges(a, threshold = NaN), class = "anndataoom_error_parameter")
})

test_that("normalisation, logarithm and scaling are those of plain R", {
  a <- on_file(twin)
  fractions <- counts / rowSums(counts)
  b <- normalize_total(a, key_added = "factor")
  target <- median(rowSums(counts))
  expect_equal(values(b$X), unname(fractions * target), tolerance = 1e-6)
  expect_equal(b$obs$factor, unname(rowSums(counts) / target), tolerance = 1e-6)
  log <- normalize_total(a, target_sum = 100) |> log1p()
  expected <- log1p(fractions * 100)
  expect_equal(values(log$X), unname(expected), tolerance = 1e-6)
  expect_true("log1p" %in% names(log$uns))
  expect_warning(log1p(log), class = "anndataoom_warning_log1p")
  z <- scale(log)
  expect_equal(values(z$X), unname(unclass(base::scale(expected))), tolerance = 1e-5, ignore_attr = TRUE)
  expect_equal(z$var$mean, unname(colMeans(expected)), tolerance = 1e-6)
  expect_equal(values(z[, 3:2]$X), values(z$X)[, 3:2])
  layer <- normalize_total(a, target_sum = 10, layer = "double")
  expect_equal(values(layer$layers$double), unname(fractions * 10), tolerance = 1e-6)
  expect_equal(values(layer$X), unname(counts))
})

test_that("regressing out leaves the residuals of lm()", {
  a <- on_file(twin) |> calculate_qc_metrics(percent_top = NULL)
  obs <- a$obs
  residuals_of <- function(formula) unname(residuals(lm(formula, obs)))
  y <- counts
  b <- regress_out(a, c("score", "total_counts"))
  expect_equal(values(b$X), residuals_of(y ~ score + total_counts), tolerance = 1e-5)
  expect_equal(values(b[3:1, -2]$X), values(b$X)[3:1, -2])
  expect_equal(values(a$X), unname(counts))
  # A logical, integers, and a column that depends linearly on the others.
  a$obs$high <- obs$high <- obs$score > 0
  a$obs$twice <- 2L * as.integer(obs$high)
  expect_equal(values(regress_out(a, c("high", "twice"))$X), residuals_of(y ~ high), tolerance = 1e-5)
  # A factor with a level that no cell has.
  expect_equal(values(regress_out(a, "batch")$X), residuals_of(y ~ batch), tolerance = 1e-5)
  y <- log1p(counts / rowSums(counts) * 100)
  log <- normalize_total(a, target_sum = 100) |> log1p() |> regress_out("score")
  expect_equal(values(log$X), residuals_of(y ~ score), tolerance = 1e-5)
  expect_equal(colMeans(values(log$X)), rep(0, 7), tolerance = 1e-6)
  saved <- tempfile()
  saveRDS(log, saved)
  expect_identical(values(readRDS(saved)$X), values(log$X))
  p <- pca(log, n_comps = 3)
  expect_equal(p$uns$pca$variance, prcomp(residuals_of(y ~ score))$sdev[1:3]^2, tolerance = 1e-5, ignore_attr = TRUE)
  z <- base::scale(residuals_of(y ~ score))
  expect_equal(values(scale(log)$X), unname(unclass(z)), tolerance = 1e-4, ignore_attr = TRUE)
  y <- 2 * counts
  layer <- regress_out(a, "score", layer = "double")
  expect_equal(values(layer$layers$double), residuals_of(y ~ score), tolerance = 1e-5)
  expect_equal(values(layer$X), unname(counts))
  expect_snapshot(b$X, transform = function(lines) sub("in /.*", "in <file>", lines))
})

test_that("queued operations are shown as a numbered list", {
  a <- on_file(twin)[1:5, ] |> normalize_total(target_sum = 100) |> log1p()
  expect_snapshot(a, transform = function(lines) sub("file: .*", "file: <file>", lines))
  expect_snapshot(a$X, transform = function(lines) sub("in /.*", "in <file>", lines))
  expect_snapshot(a$obsm)
  a$raw <- a
  expect_snapshot(a$raw)
  expect_snapshot(
    print(summary(a)), transform = function(lines) sub("file: .*", "file: <file>", gsub("[0-9.]+ K?B", "<size>", lines))
  )
})

# Makes two clearly separate groups of cells.
groups <- local({
  set.seed(7)
  x <- rbind(matrix(rpois(40 * 20, 1), 40), matrix(rpois(40 * 20, 1), 40))
  x[1:40, 1:8] <- x[1:40, 1:8] + rpois(320, 6)
  dimnames(x) <- list(paste0("c", 1:80), paste0("g", 1:20))
  x
})

test_that("principal components are those of prcomp()", {
  a <- AnnDataOOM(groups) |> normalize_total(target_sum = 100) |> log1p()
  b <- pca(a, n_comps = 5)
  p <- prcomp(log1p(groups / rowSums(groups) * 100))
  expect_equal(abs(unname(b$obsm$X_pca)), abs(unname(p$x[, 1:5])), tolerance = 1e-5)
  expect_equal(abs(unname(b$varm$PCs)), abs(unname(p$rotation[, 1:5])), tolerance = 1e-5)
  expect_equal(b$uns$pca$variance, p$sdev[1:5]^2, tolerance = 1e-5)
  expect_equal(b$uns$pca$variance_ratio, (p$sdev^2 / sum(p$sdev^2))[1:5], tolerance = 1e-5)
  mask <- rep(c(TRUE, FALSE), 10)
  masked <- pca(a, n_comps = 3, mask_var = mask)
  expect_true(all(masked$varm$PCs[!mask, ] == 0))
  z <- prcomp(base::scale(log1p(groups / rowSums(groups) * 100))[, mask])
  expect_equal(
    abs(unname(pca(scale(a), n_comps = 3, mask_var = mask)$obsm$X_pca)), abs(unname(z$x[, 1:3])), tolerance = 1e-4
  )
})

test_that("highly variable genes take the genes that vary", {
  mu <- outer(rowSums(groups), colSums(groups)) / sum(groups)
  residuals <- (groups - mu) / sqrt(mu + mu^2 / 100)
  residuals[] <- pmin(pmax(residuals, -sqrt(80)), sqrt(80))
  variances <- colMeans(residuals^2) - colMeans(residuals)^2
  a <- highly_variable_genes(AnnDataOOM(groups), n_top_genes = 8, flavor = "pearson_residuals")
  expect_equal(a$var$residual_variances, unname(variances), tolerance = 1e-6)
  expect_setequal(which(a$var$highly_variable), order(-variances)[1:8])
  b <- highly_variable_genes(AnnDataOOM(groups), n_top_genes = 8, flavor = "pearson_residuals", subset = TRUE)
  expect_identical(b$var_names, a$var_names[a$var$highly_variable])
  expect_identical(a$uns$hvg$flavor, "pearson_residuals")
})

test_that("neighbours, UMAP and Leiden find the two groups", {
  a <- AnnDataOOM(groups)
  a$obsm$X_pca <- prcomp(groups)$x[, 1:5]
  a <- neighbors(a, n_neighbors = 10)
  d <- as.matrix(dist(unname(a$obsm$X_pca)))
  nearest <- t(apply(d, 1, function(v) sort(v)[2:10]))
  found <- as.matrix(a$obsp$distances)
  expect_equal(unname(t(apply(found, 1, function(v) sort(v[v > 0])))), unname(nearest), tolerance = 1e-5)
  expect_true(Matrix::isSymmetric(a$obsp$connectivities))
  expect_identical(a$uns$neighbors$connectivities_key, "connectivities")
  expect_identical(a$uns$neighbors$params$n_neighbors, 10L)
  expect_message(a <- umap(a, maxiter = 50), "2 connected components", class = "anndataoom_message_note")
  a <- leiden(a, resolution = 0.2)
  expect_identical(dim(a$obsm$X_umap), c(80L, 2L))
  expect_identical(levels(a$obs$leiden), c("0", "1"))
  expect_length(unique(paste(a$obs$leiden, rep(1:2, each = 40))), 2)
  b <- neighbors(a, n_neighbors = 5, key_added = "few") |> leiden(neighbors_key = "few", key_added = "fine")
  expect_true(all(c("few_distances", "few_connectivities") %in% names(b$obsp)))
  expect_s3_class(b$obs$fine, "factor")
  expect_identical(suppressMessages(umap(a, maxiter = 50))$obsm$X_umap, a$obsm$X_umap)
})

test_that("scale() keeps the class of an error before it, and base's knows an object", {
  expect_error(as_object(twin) |> normalize_total(target_sum = -1) |> scale(), class = "anndataoom_error_parameter")
  a <- on_file(twin)
  # The call is made from outside: R CMD check runs tests inside the namespace, where methods are
  # found by their names.
  base_scale <- local(function(a, ...) base::scale(a, ...), globalenv())
  expect_equal(values(base_scale(a)$X), values(scale(a)$X))
  expect_equal(values(base_scale(a, center = FALSE)$X), values(scale(a, zero_center = FALSE)$X))
  expect_error(base_scale(a, scale = FALSE), class = "anndataoom_error_parameter")
})
