twin <- small_twin()

test_that("an object survives a file", {
  a <- as_object(twin)
  a$obs$flag <- rep(c(TRUE, NA, FALSE), 4)
  a$obs$int <- c(NA, 2:12)
  a$obs$level <- factor(rep(c("lo", "hi"), 6), levels = c("lo", "hi"), ordered = TRUE)
  a$uns$nested <- list(
    text = "%s \"q\"", numbers = c(1.5, NA), table = data.frame(a = 1:2, row.names = c("x", "y")), none = list()
  )
  a$uns$sparse <- twin$graph
  a$obsm$frame <- data.frame(p = 1:12, q = letters[1:12], row.names = a$obs_names)
  a$raw <- a
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(a[, 2:4], path)
  b <- read_h5ad(path)
  expect_identical(dim(b), c(12L, 3L))
  expect_equal(as.matrix(b$X), twin$counts[, 2:4])
  expect_equal(as.matrix(b$raw$X), twin$counts)
  expect_identical(b$obs, droplevels(a$obs))
  expect_identical(b$var, a$var[2:4, , drop = FALSE])
  expect_identical(b$raw$var, a$var)
  expect_equal(b$obsm$X_pca, a$obsm$X_pca)
  expect_identical(b$obsm$frame, a$obsm$frame)
  expect_equal(b$obsp$connectivities, a$obsp$connectivities)
  expect_equal(b$varp$links, a$varp$links[2:4, 2:4])
  expect_identical(b$uns$nested[names(a$uns$nested)], a$uns$nested)
  expect_equal(b$uns$sparse, twin$graph)
  expect_identical(b$uns$title, "twin")
  expect_setequal(names(b$uns), names(a$uns))
})

test_that("a file written again is the same, and may be written over itself", {
  a <- on_file(twin)
  first <- a$filename
  second <- tempfile(fileext = ".h5ad")
  write_h5ad(a, second)
  b <- read_h5ad(second)
  expect_identical(b$obs, a$obs)
  expect_identical(as.list(b$uns), as.list(a$uns))
  b$obs$more <- 1:12
  b <- log1p(b)
  write_h5ad(b, second)
  c <- read_h5ad(second)
  expect_identical(c$obs$more, 1:12)
  expect_equal(as.matrix(c$X), log1p(twin$counts), tolerance = 1e-6)
  expect_length(list.files(dirname(second), basename(second)), 1)
})

test_that("a selection of a file is written", {
  a <- on_file(twin)
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(a[c(7, 3, 3), c(2, 1)], path)
  b <- read_h5ad(path)
  expect_equal(values(b$X), unname(twin$counts[c(7, 3, 3), c(2, 1)]))
  expect_identical(b$obs_names, c("cell7", "cell3", "cell3-1"))
  expect_identical(b$obs$batch, droplevels(twin$obs$batch[c(7, 3, 3)]))
  expect_equal(unname(b$obsm$X_pca), twin$pca[c(7, 3, 3), ])
  expect_equal(values(b$obsp$connectivities), values(twin$graph[c(7, 3, 3), c(7, 3, 3)]))
})

test_that("queued operations are done on the way", {
  a <- on_file(twin)
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(a |> normalize_total(target_sum = 10) |> log1p() |> scale(max_value = 2), path, as_dense = "X")
  b <- read_h5ad(path)
  z <- base::scale(log1p(twin$counts / rowSums(twin$counts) * 10))
  expect_equal(values(b$X), unname(pmin(pmax(unclass(z), -2), 2)), tolerance = 1e-6, ignore_attr = TRUE)
  expect_null(b$uns$log1p$base)
  expect_equal(b$var$std, unname(attr(z, "scaled:scale")), tolerance = 1e-6)
})

test_that("parameters of writing are checked", {
  a <- as_object(twin)
  expect_snapshot({
    cat(error_of(write_h5ad(a, 3)))
    cat(error_of(write_h5ad(a, tempfile(), compression = "rar")))
    cat(error_of(write_h5ad(a, tempfile(), compression_opts = 99)))
    cat(error_of(write_h5ad(twin, tempfile())))
  })
  expect_error(write_h5ad(a, "/nowhere/%s/out.h5ad"), "/nowhere/%s", class = "anndataoom_error_io")
})

test_that("a failed write leaves the older file as it was", {
  path <- tempfile(fileext = ".h5ad")
  a <- as_object(twin)
  write_h5ad(a, path)
  before <- tools::md5sum(path)
  a$uns$bad <- sum
  expect_error(write_h5ad(a, path), class = "anndataoom_error_type")
  expect_identical(tools::md5sum(path), before)
})
