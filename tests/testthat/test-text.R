# Tests text in encodings other than UTF-8, on its way into a file and into the core's arguments.
latin <- function(x) iconv(x, "UTF-8", "latin1")
names <- c("M\u00fcller", "Zo\u00eb", "plain")
genes <- c("g\u00e9ne", "b")

test_that("latin1 is UTF-8 wherever text goes", {
  t <- latin(names)
  expect_identical(Encoding(t), c("latin1", "latin1", "unknown"))
  a <- AnnDataOOM(
    matrix(1:6 + 0, 3, 2, dimnames = list(t, latin(genes))),
    obs = data.frame(x = t, f = factor(t, levels = rev(t)), gap = c(t[1], NA, t[2]), row.names = t),
    var = data.frame(row.names = latin(genes)), uns = list(who = t[1], many = t, deep = list(one = t[2]))
  )
  names(a@obs)[1] <- latin("sp\u00e4t")
  attr(a@obs, "index_name") <- latin("Zell\u00e9")
  a$uns[[latin("schl\u00fcssel")]] <- t[2]
  a$obsm[[latin("\u00fcber")]] <- data.frame(k = t)
  a$layers[[latin("\u00e4tz")]] <- a$X
  a$obsp[[latin("n\u00e4he")]] <- diag(3)
  folder <- tempfile("fold")
  dir.create(folder)
  path <- file.path(folder, latin("\u00e9tude.h5ad"))
  write_h5ad(a, path)
  expect_identical(list.files(folder), "\u00e9tude.h5ad")
  b <- read_h5ad(path)
  expect_true(all(validUTF8(unlist(list(b$obs_names, b$obs, names(b$uns))))))
  expect_identical(b$obs_names, names)
  expect_identical(b$var_names, genes)
  expect_identical(b$obs[["sp\u00e4t"]], names)
  expect_identical(as.character(b$obs$f), names)
  expect_identical(levels(b$obs$f), rev(names))
  expect_identical(as.character(b$obs$gap), c(names[1], NA, names[2]))
  expect_identical(attr(b$obs, "index_name"), "Zell\u00e9")
  expect_identical(b$uns$who, names[1])
  expect_identical(b$uns$many, names)
  expect_identical(b$uns$deep$one, names[2])
  expect_identical(b$uns[["schl\u00fcssel"]], names[2])
  expect_identical(b$obsm[["\u00fcber"]]$k, names)
  expect_named(b$layers, "\u00e4tz")
  expect_named(b$obsp, "n\u00e4he")
  expect_equal(obs_vector(b, latin(genes[1])), 1:3 + 0)
  expect_identical(dim(b[latin(names[2]), ]), c(1L, 2L))
})

test_that("the core's arguments are UTF-8, and what results are called", {
  a <- as_object(small_twin())
  a <- normalize_total(a, key_added = latin("gr\u00f6\u00dfe"))
  expect_true("gr\u00f6\u00dfe" %in% names(a$obs))
  e <- tryCatch(neighbors(a, use_rep = latin("dr\u00fcben")), anndataoom_error = identity)
  expect_match(conditionMessage(e), "dr\u00fcben")
  echo <- anndataoom:::rs_call(
    anndataoom:::rs_echo, x = structure(list(latin("\u00e4"), list(b = latin("\u00f6"))), names = latin(c("\u00fc", "c"))),
    column = FALSE
  )$value
  expect_identical(echo, list("\u00fc" = "\u00e4", c = list(b = "\u00f6")))
})

test_that("bytes that are no text are refused by name", {
  a <- as_object(small_twin())
  broken <- c("fine", "M\xfcller")
  a$uns$who <- broken
  expect_snapshot(cat(error_of(write_h5ad(a, tempfile()))))
  marked <- broken
  Encoding(marked) <- "latin1"
  a$uns$who <- marked
  path <- tempfile(fileext = ".h5ad")
  write_h5ad(a, path)
  expect_identical(read_h5ad(path)$uns$who, c("fine", "M\u00fcller"))
})

test_that("a session in the C locale writes UTF-8", {
  skip_on_os("windows")
  path <- tempfile(fileext = ".h5ad")
  code <- c(
    "suppressMessages(library(anndataoom))",
    "a <- AnnDataOOM(matrix(1, 1, 1), uns = list(marked = 'M\\u00fcller', plain = rawToChar(as.raw(c(0x4d, 0xc3, 0xbc)))))",
    sprintf("write_h5ad(a, %s)", deparse(path))
  )
  script <- tempfile(fileext = ".R")
  writeLines(code, script)
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  status <- system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", script), env = c("LC_ALL=C", paste0("R_LIBS=", libraries)),
    stdout = FALSE, stderr = FALSE
  )
  expect_identical(status, 0L)
  expect_identical(read_h5ad(path)$uns$marked, "M\u00fcller")
  expect_identical(read_h5ad(path)$uns$plain, "M\u00fc")
})
