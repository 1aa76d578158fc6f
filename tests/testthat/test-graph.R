# Compares the graph verbs with scanpy's values (tests/golden/make_graph_verbs.py) and with plain R.
graph_object <- function() {
  set.seed(11)
  centres <- matrix(rnorm(4 * 6, sd = 3), 4)
  points <- centres[rep(1:4, each = 40), ] + matrix(rnorm(160 * 6), 160)
  counts <- matrix(rpois(160 * 5, 2), 160, dimnames = list(paste0("c", 1:160), paste0("g", 1:5)))
  obs <- data.frame(
    group = factor(rep(c("a", "b", "c", "d"), each = 40)), batch = rep(c("x", "y"), 80), row.names = rownames(counts)
  )
  AnnDataOOM(counts, obs, obsm = list(X_pca = points))
}

for (name in names(data_sizes)) test_that(paste("paga, dendrogram and diffusion are scanpy's:", name), {
  skip_if_not_installed("jsonlite")
  file <- data_file(name)
  golden <- file.path("..", "golden", paste0("graph_verbs_", name, ".json"))
  if (!file.exists(golden)) skip("the golden values are not there (tests/golden)")
  golden <- jsonlite::fromJSON(golden)
  adata <- read_h5ad(file) |> filter_cells(min_genes = 200) |> filter_genes(min_cells = 3) |>
    highly_variable_genes(data_sizes[[name]][1], "pearson_residuals") |> normalize_total(target_sum = 1e4) |> log1p()
  adata <- adata[, adata$var$highly_variable] |> scale(max_value = 10) |> pca(n_comps = 50) |> neighbors() |>
    paga("cell_type") |> dendrogram("cell_type") |> diffmap() |> dpt(root = golden$root + 1)
  k <- length(golden$categories)
  expect_equal(values(adata$uns$paga$connectivities), matrix(golden$paga, k), tolerance = 0.01)
  expect_equal(as.numeric(adata$uns$cell_type_sizes), golden$sizes)
  expect_identical(adata$uns$paga$groups, "cell_type")
  tree <- adata$uns$dendrogram_cell_type
  expect_equal(values(tree$correlation_matrix), matrix(golden$correlation_pearson_complete, k), tolerance = 1e-4)
  expect_equal(
    values(tree$linkage), matrix(golden$linkage_pearson_complete, ncol = 4, byrow = TRUE), tolerance = 1e-4
  )
  expect_equal(as.numeric(tree$categories_idx_ordered), golden$leaves_pearson_complete)
  expect_identical(as.character(tree$categories_ordered), golden$categories[golden$leaves_pearson_complete + 1])
  expect_equal(as.numeric(adata$uns$diffmap_evals), golden$evals, tolerance = 1e-3)
  time <- adata$obs$dpt_pseudotime
  expect_identical(time[golden$root + 1], 0)
  expect_gte(cor(time[seq(1, length(time), 10)], golden$pseudotime), 0.999)
})

test_that("neighbours are taken from every batch", {
  a <- neighbors(graph_object(), batch_key = "batch", neighbors_within_batch = 4)
  d <- as.matrix(dist(a$obsm$X_pca))
  diag(d) <- -1
  found <- as.matrix(a$obsp$distances) > 0
  batch <- a$obs$batch
  for (i in c(1, 50, 160)) {
    nearest <- unlist(lapply(c("x", "y"), function(b) which(batch == b)[order(d[i, batch == b])[1:4]]))
    expect_setequal(which(found[i, ]), setdiff(nearest, i))
  }
  expect_identical(a$uns$neighbors$params$n_neighbors, 8L)
  expect_match(error_of(neighbors(a, batch_key = "batch", neighbors_within_batch = 100)), "in every batch")
  expect_match(error_of(neighbors(a, batch_key = "none")), "<name>")
})

test_that("methods, metrics and starts are taken or refused", {
  a <- graph_object()
  gauss <- neighbors(a, method = "gauss")
  expect_identical(gauss$uns$neighbors$params$method, "gauss")
  expect_true(Matrix::isSymmetric(gauss$obsp$connectivities))
  ivf <- neighbors(a, search = "ivf", recall = 0.9)
  expect_gte(ivf$uns$neighbors$params$recall, 0.85)
  expect_identical(neighbors(a, method = "exact")$uns$neighbors$params$search, "exact")
  for (metric in c("cosine", "correlation")) expect_s4_class(neighbors(a, metric = metric), "AnnDataOOM")
  expect_match(error_of(neighbors(a, method = "none")), "<parameter>")
  expect_match(error_of(neighbors(a, recall = 0)), "<parameter> neighbors: recall")
  a <- neighbors(a)
  for (start in list("pca", "random", "X_pca2", a$obsm$X_pca[, 1:2])) {
    a$obsm$X_pca2 <- a$obsm$X_pca[, 1:2]
    expect_identical(dim(suppressMessages(umap(a, init_pos = start, maxiter = 10))$obsm$X_umap), c(160L, 2L))
  }
  three <- suppressMessages(umap(a, n_components = 3, maxiter = 10, parallel = FALSE))
  expect_identical(dim(three$obsm$X_umap), c(160L, 3L))
})

test_that("clusters: Louvain, CPM, some groups only", {
  a <- neighbors(graph_object()) |> louvain() |> leiden()
  expect_s3_class(a$obs$louvain, "factor")
  expect_identical(levels(leiden(a, objective_function = "CPM", resolution = 1e-3)$obs$leiden)[1], "0")
  b <- leiden(a, resolution = 2, restrict_to = list("group", c("b", "c")))
  fine <- as.character(b$obs$leiden_R)
  expect_identical(fine[c(1:40, 121:160)], rep(c("a", "d"), each = 40))
  expect_true(all(startsWith(fine[41:120], "b-c,")))
  expect_match(error_of(leiden(a, restrict_to = list("group", "z"))), "<parameter> leiden: restrict_to")
  expect_match(error_of(leiden(a, restrict_to = "group")), "<parameter> restrict_to")
  expect_match(error_of(leiden(a, objective_function = "x")), "<parameter> leiden: objective_function")
})

test_that("trees of genes and of two columns; what is missing is named", {
  a <- graph_object() |> neighbors()
  tree <- dendrogram(a, "group", var_names = c("g1", "g2", "g4"))$uns$dendrogram_group
  means <- sapply(c("g1", "g2", "g4"), function(g) tapply(as.matrix(a$X)[, g], a$obs$group, mean))
  expect_equal(values(tree$correlation_matrix), unname(cor(t(means))), tolerance = 1e-6)
  two <- dendrogram(a, c("group", "batch"), linkage_method = "average")$uns$dendrogram_group_batch
  expect_length(two$categories_ordered, 8)
  expect_match(error_of(dendrogram(a, "group", linkage_method = "x")), "<parameter> dendrogram: linkage_method")
  expect_match(error_of(paga(a)), "<name> groups")
  expect_match(error_of(dpt(a)), "<name> uns has no element 'iroot'")
  expect_match(error_of(dpt(a, root = "nobody")), "<name> root")
  expect_message(b <- dpt(a, root = "c3"), class = "anndataoom_message_diffmap")
  expect_identical(b$obs$dpt_pseudotime[3], 0)
  expect_identical(as.integer(b$uns$iroot), 2L)
})
