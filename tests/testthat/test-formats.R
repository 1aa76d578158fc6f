# Tests every slot with every encoding: written by anndata, read and written by us, compared by
# anndata (tests/formats).

formats <- function() {
  root <- Sys.getenv("ANNDATAOOM_TESTS", file.path(testthat::test_path(".."), "formats"))
  python <- Sys.getenv("ANNDATAOOM_PYTHON")
  if (!file.exists(file.path(root, "make.py"))) skip("tests/formats is not there")
  if (!nzchar(python) || !file.exists(python)) skip("set ANNDATAOOM_PYTHON to a Python with anndata 0.12")
  list(root = normalizePath(root), python = python)
}

# Passes every element through R's own objects. Elements that cannot be passed are left out, and the
# comparison reports them.
touch <- function(adata) {
  for (slot in c("obsm", "varm", "obsp", "varp", "uns")) {
    items <- slot(adata, slot)
    for (name in names(items)) {
      value <- tryCatch(list(anndataoom:::resolve(items[[name]])), anndataoom_error = function(e) NULL)
      if (is.null(value)) items[[name]] <- NULL else items[name] <- value
    }
    slot(adata, slot) <- items
  }
  if (!is.null(adata@raw)) {
    adata@raw@varm <- lapply(adata@raw@varm, function(x) tryCatch(anndataoom:::resolve(x), anndataoom_error = function(e) NULL))
    adata@raw@varm <- Filter(Negate(is.null), adata@raw@varm)
  }
  # Tables are written from R if no file is known for them.
  adata@origin$foreign <- TRUE
  adata
}

select <- function(adata) {
  out <- adata[rev(seq_len(nrow(adata))), rev(seq_len(ncol(adata)))]
  readable <- function(x) !anndataoom:::is_on_disk(x) || !is.null(tryCatch(anndataoom:::resolve(x), anndataoom_error = function(e) NULL))
  for (slot in c("obsm", "varm")) slot(out, slot) <- Filter(readable, slot(out, slot))
  out
}

test_that("elements survive R", {
  env <- formats()
  dir <- tempfile()
  expect_identical(system2(env$python, c(file.path(env$root, "make.py"), dir)), 0L)
  modes <- list(copy = identity, touch = touch, select = select)
  for (mode in names(modes)) {
    out <- tempfile()
    dir.create(out)
    problems <- character()
    for (file in list.files(dir)) {
      tryCatch(
        suppressWarnings(write_h5ad(modes[[mode]](read_h5ad(file.path(dir, file))), file.path(out, file))),
        error = function(e) problems <<- c(problems, paste0(file, ": ", conditionMessage(e)))
      )
    }
    kept <- Sys.getenv("ANNDATAOOM_FORMATS", out)
    results <- file.path(kept, paste0("r-", mode, ".json"))
    report <- suppressWarnings(system2(
      env$python, c(file.path(env$root, "compare.py"), dir, out, "r", mode, results),
      stdout = TRUE, stderr = TRUE
    ))
    expect_null(attr(report, "status"), info = paste(c(problems, report), collapse = "\n"))
    unlink(out, recursive = TRUE)
  }
  unlink(dir, recursive = TRUE)
})
