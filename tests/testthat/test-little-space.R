# Checks that running out of address space is an error and never ends R.
test_that("the pipeline ends in a result or an error", {
  skip_on_cran()
  skip_on_os(c("mac", "windows", "solaris"))
  rscript <- file.path(R.home("bin"), "Rscript")
  script <- test_path("little_space.R")
  base <- as.numeric(system2(rscript, c("--vanilla", script, "base"), stdout = TRUE))
  example <- system.file("extdata", "pbmc_like.h5ad", package = "anndataoom")
  out <- tempfile(fileext = ".h5ad")
  for (more in c(0, 60, 120, 180, 250, 350, 4000)) {
    call <- sprintf(
      "ulimit -v %.0f; exec %s --vanilla %s %s %s 2>&1", base + more * 1024, shQuote(rscript), shQuote(script),
      shQuote(example), shQuote(out)
    )
    said <- suppressWarnings(system(call, intern = TRUE))
    status <- if (is.null(attr(said, "status"))) 0L else attr(said, "status")
    said <- paste(c(more, said), collapse = "\n")
    # Status 1: R itself met an error where nothing catches it, for example a base function that it
    # could not load for want of memory.
    expect_true(status %in% c(0L, 1L, 3L, 4L), info = said)
    if (status == 1) expect_match(said, "(cannot allocate|internal error -4|unable to).*Execution halted", info = said)
    if (status == 3) expect_match(said, "needs [0-9]+ bytes")
    if (status == 4) expect_match(said, "cannot allocate")
    if (more == 4000) expect_identical(status, 0L, info = said)
  }
})
