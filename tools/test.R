# Runs the R tests and the examples of every help page against the installed package.
Sys.setenv(NOT_CRAN = "true") # snapshots are compared
library(testthat)
library(anndataoom)
# Examples run first, because tests attach packages that mask ours (DelayedArray has a scale() of
# its own).
pages <- tools::Rd_db("anndataoom")
broken <- Filter(function(page) {
  script <- tempfile(fileext = ".R")
  tools::Rd2ex(pages[[page]], script)
  if (!file.exists(script)) return(FALSE)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  failure <- tryCatch({
    utils::capture.output(suppressMessages(source(script, local = new.env(), print.eval = TRUE)))
    NULL
  }, error = identity)
  if (!is.null(failure)) cat("example of", page, "fails:", conditionMessage(failure), "\n")
  !is.null(failure)
}, names(pages))

found <- test_dir("tests/testthat", reporter = "summary", stop_on_failure = FALSE)
results <- as.data.frame(found)

# Set-up installs every package that the tests use, so a test that skips for want of one has failed.
said <- unlist(lapply(found, function(test) {
  skips <- Filter(function(result) inherits(result, "expectation_skip"), test$results)
  vapply(skips, function(skip) paste0(test$file, ": ", test$test, ": ", conditionMessage(skip)), "")
}))
lacking <- grep("is not installed|cannot be loaded|no Python|no zarr", said, value = TRUE)
if (length(lacking)) cat("\nskipped for want of a package:", lacking, sep = "\n  ")

failed <- sum(results$failed) + sum(results$error) + length(broken) + length(lacking)
cat(sprintf(
  "\nR: %d passed, %d failed, %d skipped\n",
  sum(results$passed) + length(pages) - length(broken), failed, sum(results$skipped)
))
quit(status = as.integer(failed > 0))
