# Tests progress that R code draws, which may fail while Rust works.
drawn_by <- function(draw, expr) {
  namespace <- asNamespace("anndataoom")
  kept <- get("progress_bar", namespace)
  swap <- function(f) {
    unlockBinding("progress_bar", namespace)
    assign("progress_bar", f, namespace)
    lockBinding("progress_bar", namespace)
  }
  swap(function(label) list(draw = draw, close = function() NULL))
  on.exit(swap(kept))
  expr
}

test_that("a progress bar that fails stops the work and says why", {
  skip_on_cran()
  a <- as_object(small_twin())
  a <- neighbors(a, use_rep = "X_pca", n_neighbors = 5)
  # This would run for minutes.
  endless <- quote(umap(a, maxiter = 1e6))
  calls <- 0
  fails <- function(fraction) {
    calls <<- calls + 1
    stop("no room for %s on this terminal")
  }
  expect_snapshot(cat(error_of(drawn_by(fails, eval(endless)))))
  expect_identical(calls, 1)
  caught <- tryCatch(drawn_by(fails, eval(endless)), condition = class)
  expect_identical(caught, c("anndataoom_error_progress", "anndataoom_error", "error", "condition"))

  # Ctrl-C during drawing interrupts the verb.
  stopped <- function(fraction) stop(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  ended <- drawn_by(stopped, tryCatch(eval(endless), condition = class))
  expect_identical(ended, c("anndataoom_interrupt", "interrupt", "condition"))

  # Output and warnings of the drawing code do not matter.
  enough <- 0
  draws <- function(fraction) {
    enough <<- enough + 1
    warning("narrow")
    "drawn"
  }
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  suppressWarnings(drawn_by(draws, simulate_h5ad(file.path(folder, "sim.h5ad"), 20000, 4000, density = 0.2)))
  expect_gt(enough, 0)
})
