# Runs the R tests against the installed package; fails on a failure and on a warning that no test expected.
library(testthat)
Sys.setenv(NOT_CRAN = "true")
library(anndataoom)
results <- as.data.frame(test_dir("tests/testthat", reporter = "summary", stop_on_failure = FALSE))
cat(sprintf(
  "\nR: %d passed, %d failed, %d skipped\n",
  sum(results$passed), sum(results$failed) + sum(results$error), sum(results$skipped)
))
quit(status = if (any(results$failed > 0) || any(results$error)) 1L else 0L)
