twin <- small_twin()

test_that("an object survives saveRDS()", {
  a <- on_file(twin)
  a$raw <- a
  b <- a[c(4, 2, 9), -1] |> normalize_total(target_sum = 10) |> log1p()
  saved <- tempfile()
  saveRDS(b, saved)
  c <- readRDS(saved)
  expect_equal(values(c$X), values(b$X))
  expect_equal(c$obsm$X_pca, b$obsm$X_pca)
  expect_equal(values(c$raw$X), values(b$raw$X))
  m <- as_object(twin) |> log1p()
  saveRDS(m, saved)
  expect_equal(values(readRDS(saved)$X), values(m$X))
})

test_that("an object works in another process", {
  a <- on_file(twin)[5:1, ]
  saved <- tempfile()
  out <- tempfile()
  saveRDS(a, saved)
  code <- sprintf("library(anndataoom); x <- readRDS('%s'); saveRDS(as.matrix(x$X), '%s')", saved, out)
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  status <- system2(
    file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), env = paste0("R_LIBS=", libraries), stdout = FALSE,
    stderr = FALSE
  )
  expect_identical(status, 0L)
  expect_equal(readRDS(out), twin$counts[5:1, ])
})

test_that("an object works in a forked child", {
  skip_on_os("windows")
  a <- on_file(twin)
  child <- parallel::mclapply(1:2, function(k) values(a[k, ]$X), mc.cores = 2)
  expect_equal(do.call(rbind, child), unname(twin$counts[1:2, ]))
  expect_equal(values(a$X), unname(twin$counts))
})

test_that("a moved file is said to be, and relink() points to it", {
  a <- on_file(twin)
  a$raw <- a
  old <- a$filename
  saved <- tempfile()
  saveRDS(a, saved)
  close(a)
  new <- tempfile(fileext = ".h5ad")
  file.rename(old, new)
  b <- readRDS(saved)
  expect_error(as.matrix(b$X), "relink", class = "anndataoom_error_moved")
  expect_error(b$obsm$X_pca, "relink", class = "anndataoom_error_moved")
  c <- relink(b, new)
  expect_equal(values(c$X), unname(twin$counts))
  expect_equal(unname(c$obsm$X_pca), twin$pca)
  expect_equal(values(c$raw$X), unname(twin$counts))
  expect_identical(c$filename, normalizePath(new))
  other <- tempfile(fileext = ".h5ad")
  write_h5ad(as_object(twin)[1:3, ], other)
  expect_error(relink(b, other), class = "anndataoom_error_shape")
  expect_error(relink(as_object(twin), new), class = "anndataoom_error_state")
})

test_that("a file that changed is not taken for the old one", {
  a <- on_file(twin)
  saved <- tempfile()
  saveRDS(a, saved)
  close(a)
  b <- as_object(twin)
  b$uns$filler <- as.numeric(1:5000)
  write_h5ad(b, a$filename)
  expect_error(as.matrix(readRDS(saved)$X), class = "anndataoom_error_changed")
})

test_that("a closed file is opened again", {
  a <- on_file(twin)
  expect_identical(close(a), a)
  expect_equal(values(a$X), unname(twin$counts))
  close(a)
  expect_equal(unname(a$obsm$X_pca), twin$pca)
})

test_that("options are checked and change no result", {
  a <- on_file(twin) |> normalize_total(target_sum = 10) |> log1p()
  one <- with_options(list(anndataoom.threads = 1), values(scale(a)$X))
  two <- with_options(list(anndataoom.threads = 2, anndataoom.memory = 1e6), values(scale(a)$X))
  expect_identical(one, two)
  expect_error(with_options(list(anndataoom.threads = 0), row_sums(a)), class = "anndataoom_error_parameter")
  expect_error(with_options(list(anndataoom.threads = "x"), row_sums(a)), class = "anndataoom_error_parameter")
  expect_output(print(oom_config()), "threads")
})

test_that("the graph stage and scratch files have limits of their own", {
  a <- on_file(twin)
  a$obs$batch <- droplevels(a$obs$batch)
  linked <- neighbors(a, n_neighbors = 3, use_rep = "X_pca")
  bound <- function(expr) with_options(list(anndataoom.graph_memory = 50), cat(error_of(expr)))
  expect_snapshot({
    bound(neighbors(a, n_neighbors = 3, use_rep = "X_pca"))
    bound(umap(linked))
    bound(leiden(linked))
    bound(diffmap(linked, n_comps = 3))
    bound(paga(linked, groups = "batch"))
    bound(dendrogram(linked, groupby = "batch", use_rep = "X_pca"))
    with_options(list(anndataoom.graph_memory = 0), cat(error_of(row_sums(a))))
  })
  # The memory of passes does not bound the graph stage.
  expect_identical(with_options(list(anndataoom.memory = 1), leiden(linked)$obs$leiden), leiden(linked)$obs$leiden)

  markers <- function(...) {
    with_options(list(anndataoom.memory = 64, ...), rank_genes_groups(log1p(a), groupby = "batch", method = "wilcoxon"))
  }
  expect_snapshot(
    cat(error_of(markers(anndataoom.scratch_limit = 10))), transform = function(lines) sub("in '.*' need", "in '<folder>' need", lines)
  )
  expect_identical(markers(anndataoom.scratch_limit = 1e6)$uns$rank_genes_groups, markers()$uns$rank_genes_groups)
})

test_that("progress is drawn only when asked for", {
  expect_null(anndataoom:::progress_bar("x")$draw)
  bar <- with_options(list(anndataoom.progress = TRUE), anndataoom:::progress_bar("x"))
  expect_type(bar$draw, "closure")
  expect_silent(bar$close())
  skip_if_not_installed("cli")
  # A label with braces is text, not code.
  with_options(list(anndataoom.progress = TRUE, cli.progress_show_after = 0), {
    bar <- anndataoom:::progress_bar("counting {cells}")
    expect_no_error(for (k in 1:5) bar$draw(k / 5))
    expect_no_error(bar$close())
  })
})

test_that("messages are left out when asked for", {
  a <- on_file(twin)
  expect_message(calculate_qc_metrics(a, qc_vars = "mt", percent_top = NULL), class = "anndataoom_message_gene_set")
  expect_silent(with_options(list(anndataoom.quiet = TRUE), calculate_qc_metrics(a, qc_vars = "mt", percent_top = NULL)))
})

test_that("the configuration is shown", {
  config <- oom_config()
  expect_match(config$hdf5, "^[0-9]+\\.[0-9]+\\.[0-9]+$")
  expect_true(all(c("gzip", "lzf", "zstd") %in% config$filters))
  expect_snapshot(print(oom_config()), transform = function(lines) {
    sub("(version|core|hdf5|threads|cores|packages): +.*", "\\1: <...>", lines)
  })
  expect_snapshot({
    cat(error_of(with_options(list(anndataoom.threads = 0), row_sums(as_object(twin)))))
    cat(error_of(with_options(list(anndataoom.threads = "many"), row_sums(as_object(twin)))))
    cat(error_of(with_options(list(anndataoom.max_bytes = "2 GB"), oom_config())))
  })
})

test_that("a bar that was full starts again", {
  skip_if_not_installed("cli")
  local_options <- options(anndataoom.progress = TRUE, cli.progress_show_after = 0)
  on.exit(options(local_options))
  bar <- anndataoom:::progress_bar("two passes")
  expect_no_error(for (fraction in c(0.5, 1, 0.1, 1, 1, 0)) bar$draw(fraction))
  expect_no_error(bar$close())
})
