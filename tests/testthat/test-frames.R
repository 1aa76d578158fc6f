# Tests data frames: names of rows, names of indices, levels and their colours.
twin <- small_twin()
written <- function(a) {
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(a, path)
  read_h5ad(path)
}

test_that("data.frames in obsm and varm have the names of cells and genes", {
  a <- as_object(twin)
  a$obsm$named <- data.frame(x = 1:12, row.names = row.names(twin$obs))
  a$obsm$plain <- data.frame(y = letters[1:12])
  a$varm$v <- data.frame(w = 1:7)
  expect_identical(row.names(a$obsm$plain), a$obs_names)
  expect_identical(row.names(a$varm$v), a$var_names)
  for (b in list(a, written(a))) {
    b$obs_names <- paste0("n", 1:12)
    b$var_names <- letters[1:7]
    expect_identical(row.names(b$obsm$named), b$obs_names)
    b$obsm$more <- matrix(1, 12, 1) # the others are checked again
    c <- written(b)
    for (name in c("named", "plain")) expect_identical(row.names(c$obsm[[name]]), b$obs_names)
    expect_identical(row.names(c$varm$v), letters[1:7])
    expect_identical(c$obsm$named$x, 1:12)
    d <- written(b[c(3, 1), ])
    expect_identical(d$obsm$plain$y, c("c", "a"))
    expect_identical(row.names(d$obsm$plain), c("n3", "n1"))
  }
  expect_snapshot({
    cat(error_of(a$obsm$bad <- data.frame(x = 1:12, row.names = rev(a$obs_names))))
    cat(error_of(a$obsm$bad <- data.frame(x = 1:12, row.names = paste0("other", 1:12))))
    cat(error_of(a$varm$bad <- data.frame(x = 1:7, row.names = rev(a$var_names))))
    cat(error_of(a$obsm$bad <- data.frame(x = 1:3)))
  })
})

test_that("NA as a level of a factor is a missing value", {
  a <- as_object(twin)
  f <- addNA(factor(c(NA, rep(c("w", "v"), length.out = 11)), levels = c("w", "v", "not used")))
  a$obs$f <- f
  a$obs$middle <- factor(rep(1:3, 4), labels = c("x", NA, "y"), exclude = NULL)
  b <- written(a)
  expect_identical(as.character(b$obs$f), as.character(f))
  expect_identical(levels(b$obs$f), c("w", "v", "not used"))
  expect_identical(as.character(b$obs$middle), rep(c("x", NA, "y"), 4))
  expect_identical(levels(b$obs$middle), c("x", "y"))
})

test_that("text with gaps becomes categories in natural order", {
  a <- as_object(twin)
  a$obs$cluster <- c(NA, paste0("c", c(10, 9, 2, 10, 1, 11, 9, 2, 10, 1, 11)))
  b <- written(a)
  expect_identical(levels(b$obs$cluster), c("c1", "c2", "c9", "c10", "c11"))
  expect_identical(as.character(b$obs$cluster), a$obs$cluster)
})

test_that("NULL in uns is anndata's null", {
  a <- AnnDataOOM(matrix(1, 2, 2), uns = list(nothing = NULL, deep = list(base = NULL, x = 1)))
  expect_named(a$uns, c("nothing", "deep"))
  b <- written(a)
  expect_named(b$uns, c("nothing", "deep"), ignore.order = TRUE)
  expect_null(b$uns$nothing)
  expect_null(b$uns$deep$base)
  expect_named(b$uns$deep, c("base", "x"), ignore.order = TRUE)
  skip_if_not_installed("rhdf5")
  expect_identical(as.vector(rhdf5::h5readAttributes(b$filename, "uns/nothing")$`encoding-type`), "null")
  a$uns["again"] <- list(NULL)
  expect_true("again" %in% names(written(a)$uns))
})

test_that("a selection keeps the levels it uses and their colours, as in anndata", {
  a <- as_object(twin)
  a@obs$num <- structure(factor(rep(c("10", "2", "7"), 4), levels = c("2", "7", "10")), categories = "int64")
  a@var$kind <- factor(c("p", "q", "p", "q", "p", "q", "r"), levels = c("r", "q", "p"), ordered = TRUE)
  a$uns$batch_colors <- c("#b", "#a", "#unused")
  a$uns$num_colors <- c("#2", "#7", "#10")
  a$uns$kind_colors <- c("#r", "#q")
  file <- written(a)
  for (b in list(a, file)) {
    expect_identical(levels(b$obs$batch), c("b", "a", "unused"))
    for (c in list(b[c(1, 3, 7), 1:3], written(b[c(1, 3, 7), 1:3]))) {
      expect_identical(levels(c$obs$batch), "a")
      expect_identical(as.character(c$obs$batch), rep("a", 3))
      expect_identical(c$uns$batch_colors, "#a")
      expect_identical(levels(c$obs$num), c("7", "10"))
      expect_identical(attr(c$obs$num, "categories"), "int64")
      expect_identical(c$uns$num_colors, c("#7", "#10"))
      expect_identical(levels(c$var$kind), c("q", "p"))
      expect_true(is.ordered(c$var$kind))
      expect_null(c$uns$kind_colors) # there were two for three levels
    }
    # Nothing was selected, so all levels stay.
    expect_identical(levels(written(b)$obs$batch), c("b", "a", "unused"))
  }
})
test_that("an index named like a column is written, and both are there again", {
  a <- as_object(twin)
  a@var$gene_ids <- a$var_names
  attr(a@var, "index_name") <- "gene_ids"
  b <- written(a)
  expect_identical(attr(b$var, "index_name"), "gene_ids")
  expect_identical(b$var$gene_ids, a$var_names)
  b$var$more <- 1:7
  for (c in list(b, calculate_qc_metrics(b, percent_top = NULL), b[, c(3, 1)], b[2:1, 7:1])) {
    d <- written(c)
    expect_identical(d$var_names, c$var_names)
    expect_identical(d$var$gene_ids, c$var_names)
    expect_identical(d$var$more, c$var$more)
  }
  # The index and the column differ, so the index loses its name and no values are lost.
  b$var_names <- letters[1:7]
  d <- written(b)
  expect_identical(d$var_names, letters[1:7])
  expect_identical(d$var$gene_ids, a$var_names)
  a$obsm$frame <- data.frame(id = a$obs_names, k = 1:12)
  attr(a@obsm$frame, "index_name") <- "id"
  expect_identical(written(a)$obsm$frame$id, a$obs_names)
  expect_identical(written(a[2:1, ])$obsm$frame$id, a$obs_names[2:1])
})

