# Checks that parts of a file in other files are opened only on request, and that texts of a file
# are shown as text.
skip_if_not_installed("rhdf5")

twin <- small_twin()

# Makes two files in one folder; the first has a link to the second in place of an element.
linked <- function(element, folder = tempfile("linked")) {
  dir.create(folder)
  path <- file.path(folder, "a.h5ad")
  other <- file.path(folder, "other.h5ad")
  write_h5ad(as_object(twin), path, compression = NULL)
  file.copy(path, other)
  rhdf5::h5delete(path, element)
  file <- rhdf5::H5Fopen(path)
  rhdf5::H5Lcreate_external("other.h5ad", element, file, element)
  rhdf5::H5Fclose(file)
  path
}

# Returns the error or warning, without the folder.
said <- function(expr) {
  text <- withCallingHandlers(error_of(expr), anndataoom_warning = function(w) {
    cat("<warning>", gsub("'/[^']*/", "'<folder>/", conditionMessage(w)), "\n")
    tryInvokeRestart("muffleWarning")
  })
  cat(gsub("'/[^']*/", "'<folder>/", text))
}

test_that("other files are refused, with the option that allows them", {
  x <- linked("X")
  expect_snapshot({
    said(read_h5ad(x))
    said(read_h5ad(linked("obs")))
    said(read_h5ad(linked("var/_index")))
    said(AnnDataSet(c(one = x)))
    said(read_10x_h5(linked("X/data")))
    said(read_h5ad(x, external = "all"))
  })
  expect_s3_class(tryCatch(read_h5ad(x), error = identity), "anndataoom_error_external")
  expect_s3_class(tryCatch(read_h5ad(linked("X/indices")), error = identity), "anndataoom_error_external")
})

test_that("an element that nobody read is refused when it is copied", {
  adata <- read_h5ad(linked("obsm/X_pca"))
  expect_error(write_h5ad(adata, tempfile(fileext = ".h5ad")), class = "anndataoom_error_external")
})

test_that("other files are opened when asked for, and what is written needs none", {
  for (element in c("X", "X/data", "obs", "var")) {
    path <- linked(element)
    for (external in c("same-folder", "follow")) {
      adata <- read_h5ad(path, external = external)
      expect_equal(values(adata$X), values(as_object(twin)$X))
    }
    whole <- tempfile(fileext = ".h5ad")
    write_h5ad(adata, whole)
    again <- unserialize(serialize(adata, NULL))
    expect_equal(values(again$X), values(as_object(twin)$X))
    unlink(file.path(dirname(path), "other.h5ad"))
    expect_equal(values(read_h5ad(whole)$X), values(as_object(twin)$X))
    expect_equal(read_h5ad(whole)$obs_names, as_object(twin)$obs_names)
  }
})

test_that("control characters are shown as escapes", {
  adata <- as_object(twin)
  bad <- "\033[31mred\033[0m"
  adata$obs[[bad]] <- seq_len(nrow(adata))
  adata$obs[["line\nbreak"]] <- 1
  adata$uns[[bad]] <- "value"
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(adata, path)
  back <- read_h5ad(path)
  shown <- c(capture.output(print(back)), capture.output(print(back$uns)), error_of(back$obs_vector("\033[2J")))
  expect_false(any(grepl("\033", shown, fixed = TRUE)))
  expect_true(any(grepl("\\x1b[31mred", shown, fixed = TRUE)))
  expect_true(any(grepl("line\\x0abreak", shown, fixed = TRUE)))
})
