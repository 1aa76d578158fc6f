# Tests conditions against R's own habits.
twin <- small_twin()

# Makes a file whose obs has a name twice.
repeated <- function() {
  skip_if_not_installed("rhdf5")
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(as_object(twin), path, compression = NULL)
  names <- as.vector(rhdf5::h5read(path, "obs/_index"))
  rhdf5::h5delete(path, "obs/_index")
  rhdf5::h5write(replace(names, 2, names[1]), path, "obs/_index")
  path
}

test_that("a warning about names can be caught, muffled and made an error", {
  path <- repeated()
  expect_warning(a <- read_h5ad(path), "names of obs are not unique ('cell1')", fixed = TRUE, class = "anndataoom_warning_names")
  expect_identical(a$obs_names[1:3], c("cell1", "cell1-1", "cell3"))
  expect_match(tryCatch(read_h5ad(path), warning = conditionMessage), "not unique")
  expect_silent(suppressWarnings(read_h5ad(path)))
  seen <- character()
  b <- withCallingHandlers(read_h5ad(path), warning = function(w) {
    seen <<- c(seen, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  expect_length(seen, 1)
  expect_identical(b$obs_names, a$obs_names)
  strict <- with_options(list(warn = 2), tryCatch(read_h5ad(path), error = conditionMessage))
  expect_match(strict, "names of obs are not unique")
  expect_no_match(strict, "internal")
})

test_that("Ctrl-C is an interrupt and no error", {
  stopped <- function(...) anndataoom:::rs_call(function(args) list(error = "cancelled", message = "interrupted"))
  expect_identical(tryCatch(stopped(), error = function(e) "error", interrupt = function(e) "interrupt"), "interrupt")
  expect_identical(tryCatch({
    try(stopped(), silent = TRUE)
    "went on"
  }, interrupt = function(e) "interrupt"), "interrupt")
  caught <- tryCatch(stopped(), interrupt = identity)
  expect_s3_class(caught, "anndataoom_interrupt")
  expect_false(inherits(caught, "error"))
  cleaned <- FALSE
  tryCatch(stopped(), interrupt = identity, finally = cleaned <- TRUE)
  expect_true(cleaned)
})

test_that("an interrupt that nobody catches ends the call", {
  code <- paste(
    "suppressMessages(library(anndataoom));",
    "f <- function() anndataoom:::rs_call(function(args) list(error = 'cancelled', message = ''));",
    "try(f(), silent = TRUE); cat('went on')"
  )
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  out <- suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(code)), env = paste0("R_LIBS=", libraries),
    stdout = TRUE, stderr = TRUE
  ))
  expect_false(any(grepl("went on", out)))
})
