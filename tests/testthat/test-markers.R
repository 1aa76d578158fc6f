# The values are tested in Python, against scanpy's. These tests check that R gives the same, and
# the forms of R's results.
ranked <- function(...) {
  read_h5ad(example_h5ad()) |> normalize_total(target_sum = 1e4) |> log1p() |> rank_genes_groups("cell_type", ...)
}

test_that("scores are those of t.test() and wilcox.test()", {
  a <- ranked(pts = TRUE)
  x <- as.matrix(as(a$X, "dgCMatrix"))
  own <- a$obs$cell_type == "B"
  found <- a$uns$rank_genes_groups
  expect_named(found, c("params", "pts", "pts_rest", "names", "scores", "pvals", "pvals_adj", "logfoldchanges"))
  expect_identical(names(found$names), levels(a$obs$cell_type))
  for (k in c(1, 20, 1999)) {
    gene <- found$names$B[k]
    t <- t.test(x[own, gene], x[!own, gene])
    expect_equal(as.vector(found$scores$B)[k], unname(t$statistic), tolerance = 1e-6)
    expect_equal(found$pvals$B[k], t$p.value, tolerance = 1e-8)
    fold <- log2((expm1(mean(x[own, gene])) + 1e-9) / (expm1(mean(x[!own, gene])) + 1e-9))
    expect_equal(as.vector(found$logfoldchanges$B)[k], fold, tolerance = 1e-5)
    expect_equal(found$pts[gene, "B"], mean(x[own, gene] > 0))
    expect_equal(found$pts_rest[gene, "B"], mean(x[!own, gene] > 0))
  }
  expect_equal(found$pvals_adj$B, p.adjust(found$pvals$B, "BH"))
  found <- rank_genes_groups(a, "cell_type", method = "wilcoxon", tie_correct = TRUE)$uns$rank_genes_groups
  for (k in c(1, 20, 400)) {
    gene <- found$names$NK[k]
    own <- a$obs$cell_type == "NK"
    expected <- wilcox.test(x[own, gene], x[!own, gene], exact = FALSE, correct = FALSE)$p.value
    expect_equal(found$pvals$NK[k], expected, tolerance = 1e-8)
  }
})

test_that("golden values of scanpy", {
  skip_if_not_installed("jsonlite")
  golden <- file.path("..", "golden", "markers.json")
  skip_if_not(file.exists(golden), "the golden values, which the package does not have")
  golden <- jsonlite::fromJSON(golden)
  a <- read_h5ad(example_h5ad())
  x <- as(a$X, "dgCMatrix")
  x@x <- round(log1p(x@x) * 64) / 64
  a <- AnnDataOOM(x, obs = a$obs, var = a$var)
  for (run in names(golden$runs)) {
    test <- strsplit(run, ", ")[[1]]
    method <- strsplit(test[1], " ")[[1]]
    found <- rank_genes_groups(
      a, "cell_type", method = method[1], tie_correct = length(method) == 2, reference = test[2], pts = TRUE
    )$uns$rank_genes_groups
    expect_setequal(names(found$names), names(golden$runs[[run]]))
    for (group in names(golden$runs[[run]])) {
      expected <- golden$runs[[run]][[group]]
      at <- match(expected$names, found$names[[group]])
      expect_false(is.unsorted(at))
      for (field in c("scores", "logfoldchanges", "pvals", "pvals_adj")) {
        expect_equal(as.vector(found[[field]][[group]])[at], expected[[field]], tolerance = 1e-5, label = paste(run, group, field))
      }
      expect_equal(found$pts[expected$names, group], expected$pts)
    }
  }
})

test_that("a logistic regression ranks by coefficients", {
  a <- ranked()
  a$var$some <- seq_len(ncol(a)) %% 50 == 1
  found <- rank_genes_groups(a, "cell_type", mask_var = "some", method = "logreg")
  expect_named(found$uns$rank_genes_groups, c("params", "names", "scores"))
  expect_identical(names(rank_genes_groups_df(found, "B")), c("names", "scores"))
  two <- rank_genes_groups(a, "cell_type", mask_var = "some", method = "logreg", groups = c("B", "NK"))$uns$rank_genes_groups
  expect_identical(names(two$names), "B")
  # The gradient of the loss and the penalty is 0.
  genes <- two$names$B
  cells <- a$obs$cell_type %in% c("B", "NK")
  x <- as.matrix(as(a$X, "dgCMatrix"))[cells, genes]
  y <- as.numeric(a$obs$cell_type[cells] == "B")
  z <- drop(x %*% as.vector(two$scores$B))
  intercept <- uniroot(function(b) sum(plogis(z + b) - y), c(-50, 50), tol = 1e-12)$root
  expect_lt(max(abs(as.vector(two$scores$B) + drop(crossprod(x, plogis(z + intercept) - y)))), 1e-3)
})

test_that("options choose groups, genes and matrices", {
  a <- ranked(groups = c("NK", "B"), reference = "B", n_genes = 7, key_added = "mine")
  expect_identical(dim(a$uns$mine$names), c(7L, 1L))
  expect_identical(a$uns$mine$params$reference, "B")
  a$var$some <- seq_len(ncol(a)) %% 2 == 0
  b <- rank_genes_groups(a, "cell_type", mask_var = "some")
  expect_setequal(b$uns$rank_genes_groups$names$B, a$var_names[a$var$some])
  raw <- a
  raw$raw <- a
  raw <- raw[, 1:50]
  found <- rank_genes_groups(raw, "cell_type")$uns$rank_genes_groups
  expect_true(found$params$use_raw)
  expect_identical(nrow(found$names), ncol(a))
  expect_identical(nrow(rank_genes_groups(raw, "cell_type", use_raw = FALSE)$uns$rank_genes_groups$names), 50L)
})

test_that("results are frames, and can be filtered", {
  a <- ranked(pts = TRUE)
  all <- rank_genes_groups_df(a)
  expect_identical(nrow(all), ncol(a) * nlevels(a$obs$cell_type))
  one <- rank_genes_groups_df(a, "NK", pval_cutoff = 0.01, log2fc_min = 1)
  expect_named(one, c("names", "scores", "logfoldchanges", "pvals", "pvals_adj", "pct_nz_group", "pct_nz_reference"))
  expect_true(all(one$pvals_adj < 0.01 & one$logfoldchanges > 1))
  kept <- filter_rank_genes_groups(a, min_fold_change = 1)
  left <- rank_genes_groups_df(kept, "NK", key = "rank_genes_groups_filtered")
  inside <- subset(rank_genes_groups_df(a, "NK"), pct_nz_group > 0.25 & pct_nz_reference < 0.5 & logfoldchanges > 1)
  expect_identical(left$names, inside$names)
  # Missing blocks are computed again.
  again <- filter_rank_genes_groups(ranked())
  expect_identical(again$uns$rank_genes_groups_filtered$names, kept$uns$rank_genes_groups_filtered$names)
  path <- withr::local_tempfile(fileext = ".h5ad")
  write_h5ad(a, path)
  expect_equal(rank_genes_groups_df(read_h5ad(path)), all)
})

test_that("ranked genes are drawn", {
  skip_if_not_installed("ggplot2")
  a <- ranked(method = "wilcoxon")
  for (type in c("dotplot", "heatmap")) {
    plot <- plot_markers(a, n_genes = 3, type = type)
    expect_s3_class(plot, "ggplot")
    expect_identical(nlevels(plot$data$section), nlevels(a$obs$cell_type))
  }
  expect_setequal(levels(plot_markers(a, c("NK", "B"), n_genes = 2)$data$section), c("NK", "B"))
  volcano <- plot_volcano(a, c("NK", "B"))
  expect_s3_class(volcano, "ggplot")
  expect_true(all(is.finite(volcano$data$height)))
  expect_no_warning(ggplot2::ggplotGrob(volcano))
})

test_that("what cannot be compared is refused by name", {
  a <- ranked()
  a$obs$few <- factor(c("one", rep("two", nrow(a) - 1)))
  a$obs$missing <- factor(c(NA, "one", rep("two", nrow(a) - 2)))
  expect_snapshot({
    cat(error_of(rank_genes_groups(a, "few")))
    cat(error_of(rank_genes_groups(a, "missing")))
    cat(error_of(rank_genes_groups(a, "nothing")))
    cat(error_of(rank_genes_groups(a, "cell_type", reference = "nothing")))
    cat(error_of(rank_genes_groups(a, "cell_type", groups = "nothing")))
    cat(error_of(rank_genes_groups(a, "cell_type", method = "logreg", groups = "NK")))
    cat(error_of(rank_genes_groups(a, "cell_type", layer = "x", use_raw = TRUE)))
    cat(error_of(rank_genes_groups_df(a, "nothing")))
    cat(error_of(rank_genes_groups_df(a, key = "nothing")))
    cat(error_of(plot_markers(a, n_genes = 0)))
    cat(error_of(plot_markers(a, min_logfoldchange = 1e6)))
  })
  expect_warning(
    rank_genes_groups(read_h5ad(example_h5ad()), "cell_type"), "whole numbers", class = "anndataoom_warning_values"
  )
})
