# Checks that messages of errors from the core arrive unchanged, and that the session goes on.
path_free <- function(text) gsub("'[^']*/([^/']+)'", "'<dir>/\\1'", text)

test_that("files that are none are refused with what to do", {
  dir <- tempfile()
  dir.create(dir)
  text <- file.path(dir, "text %s%n \"q\".h5ad")
  writeLines("no HDF5", text)
  empty <- file.path(dir, "empty.h5ad")
  file.create(empty)
  expect_match(error_of(read_h5ad(file.path(dir, "absent.h5ad"))), "<io> cannot open '.*absent.h5ad'")
  expect_match(error_of(read_h5ad(text)), "<file> '.*text %s%n \"q\".h5ad'")
  expect_match(error_of(read_h5ad(empty)), "<file> '.*empty.h5ad'")
  whole <- tempfile(fileext = ".h5ad")
  write_h5ad(as_object(small_twin()), whole)
  cut <- file.path(dir, "cut.h5ad")
  writeBin(readBin(whole, "raw", file.size(whole) %/% 2), cut)
  expect_match(error_of(read_h5ad(cut)), "<file> '.*cut.h5ad'")
  expect_snapshot({
    cat(error_of(read_h5ad(3)))
    cat(error_of(read_h5ad(c("a", "b"))))
    cat(error_of(calculate_qc_metrics(3)))
  })
})

test_that("parameters are named as the user typed them", {
  a <- as_object(small_twin())
  a$X <- NULL
  no_x <- a
  a <- as_object(small_twin())
  with_na <- a
  with_na$obs$score[2] <- NA
  expect_snapshot({
    cat(error_of(calculate_qc_metrics(no_x)))
    cat(error_of(calculate_qc_metrics(a, layer = "cuonts")))
    cat(error_of(calculate_qc_metrics(a, qc_vars = "lenght")))
    cat(error_of(calculate_qc_metrics(a, qc_vars = "length")))
    cat(error_of(calculate_qc_metrics(a, percent_top = 100)))
    cat(error_of(filter_cells(a)))
    cat(error_of(filter_cells(a, min_genes = 1, min_counts = 1)))
    cat(error_of(filter_genes(a, min_cells = "three")))
    cat(error_of(normalize_total(a, target_sum = -1)))
    cat(error_of(normalize_total(a, target_sum = c(1, 2))))
    cat(error_of(normalize_total(a, exclude_highly_expressed = NA)))
    cat(error_of(scale(a, max_value = 0)))
    cat(error_of(scale(a, maxvalue = 3)))
    cat(error_of(highly_variable_genes(a, flavor = "seurat_v9")))
    cat(error_of(highly_variable_genes(a, batch_key = "btach")))
    cat(error_of(regress_out(a, character())))
    cat(error_of(regress_out(a, 3)))
    cat(error_of(regress_out(a, "scroe")))
    cat(error_of(regress_out(a, "label")))
    cat(error_of(regress_out(a, c("score", "batch"))))
    cat(error_of(regress_out(with_na, "score")))
    cat(error_of(pca(a, mask_var = c(TRUE, FALSE))))
    cat(error_of(pca(a, mask_var = rep(FALSE, 7))))
    cat(error_of(pca(a, use_highly_variable = TRUE)))
    cat(error_of(neighbors(a, use_rep = "X_none")))
    cat(error_of(neighbors(a, n_pcs = 9)))
    cat(error_of(neighbors(a, metric = "taxi")))
    cat(error_of(neighbors(a, n_neighbors = 100)))
    cat(error_of(umap(a)))
    cat(error_of(leiden(a, obsp = "nothing")))
    cat(error_of(obs_vector(a, "Gene3")))
    cat(error_of(obs_vector(a, "gene3", use_raw = TRUE)))
    cat(error_of(var_vector(a, "cell99")))
    cat(error_of(chunk_apply(a, identity, chunk_size = 0)))
    cat(error_of(mean_var(a, axis = 1)))
    cat(error_of(AnnDataOOM()))
    cat(error_of(AnnDataOOM("x")))
  })
})

test_that("values that are no counts are pointed at", {
  twin <- small_twin()
  twin$counts[3, 2] <- -1
  a <- as_object(twin)
  expect_match(error_of(calculate_qc_metrics(a)), "row 2, column 1")
  expect_match(error_of(normalize_total(a)), "<values>")
  twin$counts[3, 2] <- NaN
  expect_match(error_of(calculate_qc_metrics(as_object(twin))), "<values>.*NaN")
  expect_equal(sum(row_sums(as_object(small_twin()))), sum(small_twin()$counts))
})

test_that("text is printed as it is", {
  message <- "100 %s of 'x' and \"y\" %n %d"
  expect_identical(conditionMessage(tryCatch(anndataoom:::abort("state", message), error = identity)), message)
  a <- as_object(small_twin())
  expect_match(error_of(calculate_qc_metrics(a, layer = message)), message, fixed = TRUE)
})

test_that("conditions carry their classes", {
  e <- tryCatch(as_object(small_twin())[99, ], error = identity)
  expect_s3_class(e, c("anndataoom_error_index", "anndataoom_error", "error", "condition"), exact = TRUE)
})
