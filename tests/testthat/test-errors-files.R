# Checks errors of files that are damaged or of another kind: they name the file, the element, what
# was expected and what was found.
skip_if_not_installed("rhdf5")

twin <- small_twin()

# Makes a file of the twin's object and changes it.
changed <- function(change) {
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(as_object(twin), path, compression = NULL)
  change(path)
  path
}
without <- function(element) changed(function(path) rhdf5::h5delete(path, element))
other <- function(element, make) {
  changed(function(path) {
    value <- make(as.vector(rhdf5::h5read(path, element)))
    rhdf5::h5delete(path, element)
    rhdf5::h5write(value, path, element)
  })
}
marked <- function(element, name, value) {
  changed(function(path) {
    file <- rhdf5::H5Fopen(path)
    object <- rhdf5::H5Oopen(file, element)
    rhdf5::h5writeAttribute(value, object, name, asScalar = length(value) == 1)
    rhdf5::H5Oclose(object)
    rhdf5::H5Fclose(file)
  })
}
nth <- function(n, value) function(x) replace(x, n, as.integer(value))

# Returns the error, or the warning of an element that is left out, without the name of the file.
said <- function(expr) {
  text <- withCallingHandlers(error_of(expr), anndataoom_warning = function(w) {
    cat("<warning>", gsub("'[^']*/[^/']*[.]h5(ad)?'", "'<file>'", conditionMessage(w)), "\n")
    tryInvokeRestart("muffleWarning")
  })
  cat(gsub("'[^']*/[^/']*[.]h5(ad)?'", "'<file>'", text))
}

test_that("damaged elements are named", {
  expect_snapshot({
    said(read_h5ad(without("obs")))
    said(read_h5ad(without("obs/_index")))
    said(read_h5ad(without("X/indices")))
    said(read_h5ad(other("X/indices", function(x) 1:3)))
    said(calculate_qc_metrics(read_h5ad(other("X/indices", nth(3, 99)))))
    said(read_h5ad(other("X/indptr", nth(3, 99))))
    said(read_h5ad(marked("X", "shape", c(12L, 99L))))
    said(read_h5ad(marked("X", "shape", c(10L, 7L))))
    said(read_h5ad(marked("X", "encoding-type", "csr_dream")))
    said(read_h5ad(other("obs/batch/codes", nth(1, 9))))
    said(read_h5ad(other("obs/score", function(x) c(1, 2))))
    said(read_h5ad(marked("uns/title", "encoding-type", "dream"))$uns$title)
    said(read_h5ad(marked("obsp/connectivities", "shape", c(12L, 5L)))$obsp$connectivities)
    said(read_h5ad(other("obsm/X_pca", function(x) matrix(1, 2, 5)))$obsm$X_pca)
    said(read_h5ad(marked("obsp/connectivities", "shape", c(12L, 13L)))$obsp$connectivities)
    said(read_10x_h5(changed(identity)))
  })
})

test_that("a file of 10x Genomics asks for its genome", {
  tenx <- function(...) {
    path <- file.path("..", "golden", "tenx", ...)
    if (!file.exists(path)) skip("tests/golden is not there")
    path
  }
  old <- tenx("v2.h5")
  new <- tenx("v3.h5")
  expect_snapshot({
    said(read_10x_h5(old))
    said(read_10x_h5(old, genome = "hg18"))
    said(read_10x_h5(old, genome = 3))
    said(read_10x_h5(new, genome = "hg18"))
    said(read_h5ad(old))
    said(read_h5ad(new))
  })
})
