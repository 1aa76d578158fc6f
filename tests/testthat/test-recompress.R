# Checks that unchanged matrices keep their compression unless recompression is requested.

test_that("recompress = TRUE compresses untouched matrices anew", {
  adata <- read_h5ad(example_h5ad())
  values <- as.matrix(adata$X[1:40, ])
  sizes <- list()
  for (compression in c("none", "lzf", "gzip", "zstd")) {
    for (recompress in c(FALSE, TRUE)) {
      path <- tempfile(fileext = ".h5ad")
      write_h5ad(adata, path, compression = compression, recompress = recompress)
      again <- read_h5ad(path)
      expect_identical(as.matrix(again$X[1:40, ]), values)
      expect_identical(again$obs, adata$obs)
      sizes[[compression]] <- c(sizes[[compression]], file.size(path))
      unlink(path)
    }
  }
  copied <- vapply(sizes, `[`, 0, 1)
  expect_lt(max(copied) - min(copied), 1e5)
  expect_gt(sizes$none[[2]], 1.5 * sizes$none[[1]])
  path <- tempfile(fileext = ".h5ad")
  expect_error(write_h5ad(adata, path, compression = "zstd", compression_opts = 0), "1 to 22 for zstd", class = "anndataoom_error_parameter")
  expect_error(write_h5ad(adata, path, compression = "gzip", compression_opts = 12), "0 to 9 for gzip", class = "anndataoom_error_parameter")
  expect_error(
    write_h5ad(adata, path, compression = "lzf", compression_opts = 4), "expected none, as 'lzf' has no levels, found 4",
    class = "anndataoom_error_parameter"
  )
  expect_error(write_h5ad(adata, path, recompress = NA), "recompress", class = "anndataoom_error_parameter")
})
