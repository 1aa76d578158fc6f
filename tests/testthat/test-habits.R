# Tests the habits of any matrix and data.frame in R.
twin <- small_twin()

layouts <- list(
  sparse = function() on_file(twin)$X, dense = function() on_file(twin, sparse = FALSE)$X,
  memory = function() anndataoom:::as_oom(as_object(twin)$X), selected = function() on_file(twin)$X[12:1, 7:1],
  logged = function() log1p(on_file(twin)$X), stacked = function() {
    concat(list(on_file(twin)[1:5, ], on_file(twin)[6:12, ]))$X
  }
)

test_that("sum(), mean(), range() and their like are those of a matrix", {
  for (layout in names(layouts)) {
    x <- layouts[[layout]]()
    m <- as.matrix(x)
    for (f in c("sum", "mean", "min", "max", "range")) {
      expect_equal(do.call(f, list(x)), do.call(f, list(m)), label = paste(f, layout), tolerance = 1e-12)
    }
  }
  x <- on_file(twin)$X
  expect_identical(sum(x, 5), sum(twin$counts) + 5)
  expect_identical(max(x, 100), 100)
  positive <- anndataoom:::as_oom(twin$counts + 1)
  expect_identical(min(positive), 1)
})

test_that("values that are no numbers show in reductions, or are left out", {
  m <- twin$counts
  m[2, 3] <- NaN
  for (x in list(anndataoom:::as_oom(m), anndataoom:::as_oom(as(m, "CsparseMatrix")))) {
    for (f in c("sum", "mean", "min", "max", "range")) {
      expect_true(all(is.nan(do.call(f, list(x)))), label = f)
      expect_equal(do.call(f, list(x, na.rm = TRUE)), do.call(f, list(m, na.rm = TRUE)), label = f)
    }
  }
  none <- anndataoom:::as_oom(matrix(0, 0, 3))
  expect_identical(sum(none), 0)
  expect_identical(mean(none), NaN)
  expect_warning(expect_identical(max(none), -Inf))
})

test_that("crossprod() and tcrossprod() are those of a matrix", {
  groups <- stats::model.matrix(~ 0 + factor(rep(1:4, 3)))
  for (layout in names(layouts)) {
    x <- layouts[[layout]]()
    m <- as.matrix(x)
    expect_equal(crossprod(x), crossprod(m), label = layout, tolerance = 1e-12)
    expect_equal(tcrossprod(x), tcrossprod(m), label = layout, tolerance = 1e-12)
    expect_equal(crossprod(x, groups), crossprod(m, groups), label = layout, ignore_attr = TRUE)
    expect_equal(x %*% x[, 1:2][1:7, ], m %*% m[1:7, 1:2], label = layout)
  }
  one <- with_options(list(anndataoom.threads = 1), crossprod(layouts$sparse()))
  expect_identical(crossprod(layouts$sparse()), one)
  wide <- matrix(rpois(40 * 150, 0.3), 40)
  expect_equal(crossprod(anndataoom:::as_oom(as(wide, "CsparseMatrix"))), crossprod(wide))
  expect_equal(crossprod(anndataoom:::as_oom(wide)), crossprod(wide))
})

test_that("one value of a matrix is a number", {
  a <- on_file(twin)
  expect_identical(a$X[1, 1], twin$counts[[1, 1]])
  expect_identical(a$X["cell3", "gene5"], twin$counts[["cell3", "gene5"]])
  expect_s4_class(a$X[1, 1, drop = FALSE], "OOMMatrix")
  expect_s4_class(a$X[1, ], "OOMMatrix")
  expect_s4_class(a$X[1, 1:2], "OOMMatrix")
  # A mask may happen to choose one row, which must not change the class for the code that follows.
  expect_s4_class(a$X[a$obs_names == "cell1", a$var_names == "gene2"], "OOMMatrix")
  expect_identical(a$layers$double[2, 2], 2 * twin$counts[[2, 2]])
})

test_that("subset(), with() and split() see the annotation", {
  a <- on_file(twin)
  limit <- 0
  b <- subset(a, score > limit & batch == "a", genes = length > 200)
  keep <- twin$obs$score > 0 & twin$obs$batch == "a"
  expect_identical(dimnames(b), list(row.names(twin$obs)[keep], row.names(twin$var)[twin$var$length > 200]))
  expect_equal(as.matrix(b$X), twin$counts[keep, twin$var$length > 200, drop = FALSE])
  a$obs$gap <- c(NA, rep(c(TRUE, FALSE), length.out = 11))
  expect_identical(nrow(subset(a, gap)), 6L)
  expect_identical(dim(subset(a, genes = length == 100)), c(12L, 1L))
  expect_identical(with(a, tapply(score, batch, sum)), with(twin$obs, tapply(score, batch, sum)))
  parts <- split(a, "batch")
  expect_named(parts, levels(a$obs$batch))
  expect_identical(parts$a$obs_names, row.names(twin$obs)[twin$obs$batch == "a"])
  expect_identical(nrow(parts$unused), 0L)
  expect_named(split(a, ~batch, drop = TRUE), c("b", "a"))
  expect_named(split(a, ~ batch + gap, drop = TRUE), c("a.FALSE", "b.TRUE"))
  expect_identical(vapply(split(a, rep(1:3, 4)), nrow, 1L), c(`1` = 4L, `2` = 4L, `3` = 4L))
  expect_snapshot({
    cat(error_of(subset(a, score)))
    cat(error_of(subset(a, score > 0, cells = 3)))
    cat(error_of(split(a, "bacth")))
    cat(error_of(split(a, 1:5)))
    cat(error_of(split(a, "batch", drop = "yes")))
  })
})

test_that("rbind() is concat(), and what binds nothing says why", {
  a <- on_file(twin)
  both <- rbind(a[1:5, ], a[6:12, ])
  expect_equal(as.matrix(both$X), twin$counts)
  expect_identical(do.call(rbind, split(a, "batch", drop = TRUE))$obs_names, unlist(lapply(split(a, "batch"), function(p) p$obs_names), use.names = FALSE))
  expect_snapshot({
    cat(error_of(rbind(a, 1:7)))
    cat(error_of(cbind(a, a)))
    cat(error_of(cbind(a$X, a$X)))
    cat(error_of(rbind(a$X, a$X)))
    cat(error_of(prod(a$X)))
    cat(error_of(sum(a$X, na.rm = "no")))
    cat(error_of(with_options(list(anndataoom.max_bytes = 100), crossprod(a$X))))
    cat(error_of(with_options(list(anndataoom.max_bytes = 100), tcrossprod(a$X))))
  })
})

test_that("a column that a file cannot hold is refused when it is set", {
  a <- on_file(twin)
  gene <- a$X[, "gene2"]
  a$obs$gene2 <- gene
  expect_identical(a$obs$gene2, unname(twin$counts[, "gene2"]))
  a$obs[["matrix"]] <- matrix(1:12)
  expect_identical(a$obs$matrix, 1:12)
  a$obs$sparse <- as(twin$counts, "CsparseMatrix")[, 3, drop = FALSE]
  expect_identical(a$obs$sparse, unname(twin$counts[, 3]))
  expect_snapshot({
    cat(error_of(a$obs$day <- Sys.Date() + 1:12))
    cat(error_of(a$obs$time <- as.POSIXct(1:12, origin = "1970-01-01")))
    cat(error_of(a$obs$list <- as.list(1:12)))
    cat(error_of(a$obs$two <- a$X[, 1:2]))
    cat(error_of(a$var$day <- Sys.Date() + 1:7))
    cat(error_of(AnnDataOOM(twin$counts, data.frame(day = Sys.Date() + 1:12))))
  })
  expect_null(a$obs$day)
})

test_that("what is printed keeps to the width", {
  a <- on_file(twin)
  for (k in 1:9) a$obs[[strrep(letters[k], 9)]] <- k
  a$raw <- a
  for (width in c(40, 60, 120)) {
    lines <- with_options(list(width = width), utils::capture.output(print(a[12:1, 1:4] |> normalize_total() |> log1p())))
    expect_lte(max(nchar(lines[!grepl("file:", lines)])), width)
    expect_match(paste(lines, collapse = " "), "ccccccccc")
  }
})

test_that("the package can be cited", {
  expect_match(paste(format(citation("anndataoom"), style = "text"), collapse = " "), "anndataoom: Out-of-Memory")
})
