test_that("the R of README runs", {
  skip_on_cran()
  readme <- file.path("..", "..", "README.md")
  skip_if_not(file.exists(readme), "README, which the installed package does not have")
  lines <- readLines(readme)
  begin <- which(lines == "```r")
  expect_length(begin, 1)
  code <- lines[seq(begin + 1, which(lines == "```" & seq_along(lines) > begin)[1] - 1)]
  file <- example_h5ad()
  withr::local_dir(withr::local_tempdir())
  file.copy(file, "cells.h5ad")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  # The code runs as in a session where this package is attached last: other tests may have attached
  # DelayedArray, whose scale() differs.
  known <- new.env(parent = asNamespace("anndataoom"))
  suppressMessages(suppressWarnings(eval(parse(text = code), known)))
  expect_true(all(c("leiden", "n_genes") %in% names(known$adata$obs)))
  expect_true(file.exists("result.h5ad"))
})
