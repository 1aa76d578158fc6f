# The values are tested in Python, against scanpy's.
test_that("scores are means of sets less those of controls", {
  a <- read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p()
  genes <- a$var_names[c(5, 90, 400)]
  # With all other genes of the bins as controls, none are sampled.
  b <- score_genes(a, genes, ctrl_size = 2000, n_bins = 2)
  x <- as.matrix(as(a$X, "dgCMatrix"))
  means <- colMeans(x)
  bin <- rank(means, ties.method = "min") %/% 2000
  controls <- setdiff(a$var_names[bin %in% bin[match(genes, a$var_names)]], genes)
  expect_equal(b$obs$score, unname(rowMeans(x[, genes]) - rowMeans(x[, controls])), tolerance = 1e-6)
  two <- score_genes(a, list(one = genes, other = a$var_names[7]), random_state = 3)
  expect_equal(two$obs$one, score_genes(a, genes, random_state = 3)$obs$score)
  cycle <- score_genes_cell_cycle(a, a$var_names[5:30], a$var_names[40:80])
  expect_identical(levels(cycle$obs$phase), c("G1", "G2M", "S"))
  expect_true(all(cycle$obs$phase[cycle$obs$S_score < 0 & cycle$obs$G2M_score < 0] == "G1"))
  expect_warning(score_genes(a, c(genes, "nobody")), "nobody", class = "anndataoom_warning_values")
  expect_snapshot({
    cat(error_of(score_genes(a, "nobody")))
    cat(error_of(score_genes(a, list(genes))))
    cat(error_of(score_genes(a, genes, n_bins = 1e5)))
    cat(error_of(score_genes(a, genes, gene_pool = genes)))
    cat(error_of(score_genes(a, genes, gene_pool = "nobody")))
    cat(error_of(score_genes_cell_cycle(a, character(), genes)))
  })
})

test_that("rank scores are areas under recovery curves", {
  a <- read_h5ad(example_h5ad())[1:40, 1:300]
  sets <- list(one = a$var_names[c(3, 50, 120)], other = a$var_names[20:45])
  b <- score_aucell(a, sets, auc_threshold = 0.2)
  x <- as.matrix(a$X)
  last <- 60
  counted <- pmax(last - seq_len(300), 0)
  for (name in names(sets)) {
    expected <- apply(x, 1, function(row) {
      # Genes of equal value share the weights of their ranks.
      order <- order(-row)
      each <- ave(counted[order(order)], row)
      sum(each[match(sets[[name]], colnames(x))])
    }) / sum(counted[seq_along(sets[[name]])])
    expect_equal(b$obs[[name]], unname(expected))
  }
  expect_equal(score_aucell(a, sets$one, auc_threshold = 0.2)$obs$aucell, b$obs$one)
  expect_warning(score_aucell(a, c(sets$one, "nobody")), "nobody", class = "anndataoom_warning_values")
  expect_snapshot({
    cat(error_of(score_aucell(a, "nobody")))
    cat(error_of(score_aucell(a, sets, auc_threshold = 2)))
    cat(error_of(score_aucell(a, sets, layer = "x", use_raw = TRUE)))
  })
})
