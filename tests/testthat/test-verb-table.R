# Compares formals and results of the verbs with the core's table.
table <- anndataoom:::rs_call(anndataoom:::rs_verb_table)

# sqrt() belongs to R.
verb_of <- function(name) if (name == "sqrt") sqrt else getExportedValue("anndataoom", name)

formals_of <- function(name) {
  if (name == "sqrt") return(alist(x = ))
  if (name %in% c("scale", "log1p", "sample")) {
    return(formals(getS3method(name, "AnnDataOOM", envir = asNamespace("anndataoom"))))
  }
  formals(getExportedValue("anndataoom", name))
}

test_that("every parameter and default is the table's", {
  for (name in names(table)) {
    found <- formals_of(name)[-1]
    found <- found[names(found) != "..."]
    params <- table[[name]]$params
    expect_setequal(as.character(names(found)), as.character(names(params)))
    for (parameter in names(found)) {
      label <- paste0(name, "(", parameter, " = )")
      kind <- params[[parameter]]$kind
      if (kind == "required") {
        expect_identical(found[[parameter]], quote(expr = ), label = label)
      } else if (kind == "value") {
        expect_equal(eval(found[[parameter]]), params[[parameter]]$default, label = label)
      }
    }
  }
})

test_that("a verb adds what the table says and nothing else", {
  a <- read_h5ad(example_h5ad()) |> normalize_total() |> log1p() |> pca(n_comps = 10) |> neighbors() |> diffmap()
  a$obs$score <- seq_len(nrow(a)) %% 7
  reference <- umap(a, maxiter = 5)
  # These calls need counts, before any logarithm.
  raw <- read_h5ad(example_h5ad())
  calls <- list(
    filter_cells = list(min_genes = 1), filter_genes = list(min_cells = 1), regress_out = list(keys = "score"),
    paga = list(groups = "batch"), dendrogram = list(groupby = "cell_type"), dpt = list(root = 1),
    rank_genes_groups = list(groupby = "cell_type"), score_genes = list(gene_list = c("CD3D", "LYZ")),
    harmony_integrate = list(key = "batch"), scrublet = list(n_prin_comps = 10),
    ingest = list(adata_ref = reference, obs = "cell_type"), sample = list(n = 50), sketch = list(n = 50),
    transfer_labels = list(adata_ref = reference, obs = "cell_type"), downsample_counts = list(counts_per_cell = 100),
    score_aucell = list(gene_list = c("CD3D", "LYZ")), embedding_density = list(basis = "pca")
  )
  keys <- function(x) {
    unlist(lapply(c("obs", "var", "obsm", "varm", "obsp", "uns"), function(part) {
      found <- names(methods::slot(x, part))
      if (length(found)) paste0(part, "/", found)
    }))
  }
  for (name in names(table)) {
    b <- suppressWarnings(suppressMessages(do.call(verb_of(name), c(list(if (name == "downsample_counts") raw else a), calls[[name]]))))
    patterns <- utils::glob2rx(gsub("\\{[a-z_]+\\}", "*", table[[name]]$gives))
    for (key in setdiff(keys(b), keys(a))) {
      expect_true(any(vapply(patterns, grepl, NA, key)), label = paste(name, "adds", key))
    }
  }
})

test_that("arguments outside their domain are refused first, by verb and parameter", {
  a <- as_object(small_twin())
  expect_snapshot({
    cat(error_of(pca(a, n_comps = -1)))
    cat(error_of(pca(a, n_comps = NA)))
    cat(error_of(pca(a, zero_center = "yes")))
    cat(error_of(normalize_total(a, target_sum = NaN)))
    cat(error_of(normalize_total(a, target_sum = Inf)))
    cat(error_of(normalize_total(a, key_added = c("a", "b"))))
    cat(error_of(scale(a, max_value = 0)))
    cat(error_of(highly_variable_genes(a, n_bins = 1e10)))
    cat(error_of(highly_variable_genes(a, flavor = "best")))
    cat(error_of(highly_variable_genes(a, n_top_genes = NA_integer_)))
    cat(error_of(umap(a, n_components = 1e9)))
    cat(error_of(umap(a, negative_sample_rate = 2e9)))
    cat(error_of(umap(a, random_state = -1)))
    cat(error_of(umap(a, parallel = NULL)))
    cat(error_of(leiden(a, n_iterations = 0)))
    cat(error_of(leiden(a, resolution = list(1))))
    cat(error_of(neighbors(a, n_neighbors = 2^63)))
    cat(error_of(neighbors(a, metric = factor("cosine"))))
    cat(error_of(dpt(a, n_dcs = 0, root = 1)))
    cat(error_of(filter_cells(a)))
    cat(error_of(filter_cells(a, min_genes = 1, min_counts = 2)))
    cat(error_of(regress_out(a, character())))
    cat(error_of(normalize_pearson_residuals(a, theta = 0)))
    cat(error_of(calculate_qc_metrics(a, percent_top = c(5, 2.5))))
  })
  for (odd in list(0, 2^63, -1, NA, "many", TRUE)) {
    with_options(list(anndataoom.threads = odd), expect_error(calculate_qc_metrics(a), "options(anndataoom.threads = ) must be a whole number", fixed = TRUE))
  }
})

test_that("log1p() has a base and a layer, whoever's generic is called", {
  twin <- small_twin()
  a <- as_object(twin)
  expect_equal(values(log1p(a, base = 2, layer = "double")$layers$double), unname(log2(1 + 2 * twin$counts)), tolerance = 1e-6)
  expect_identical(log1p(a, base = 2)$uns$log1p, list(base = 2))
  for (x in list(base::log1p(a)$X, log1p(a)$X, base::log1p(a$X), log1p(a$X))) {
    expect_equal(values(x), unname(log1p(twin$counts)), tolerance = 1e-6)
  }
  expect_identical(log1p(twin$counts), base::log1p(twin$counts))
  sparse <- as(twin$counts, "CsparseMatrix")
  expect_identical(log1p(sparse), base::log1p(sparse))
  expect_snapshot({
    cat(error_of(log1p(a, base = 1)))
    cat(error_of(log1p(a, base = Inf)))
    cat(error_of(log1p(a, 2, bse = 2)))
  })
})

test_that("Pearson residuals are the formula's", {
  twin <- small_twin()
  for (sparse in c(TRUE, FALSE)) {
    a <- normalize_pearson_residuals(as_object(twin, sparse), theta = 50)
    mu <- outer(rowSums(twin$counts), colSums(twin$counts)) / sum(twin$counts)
    expected <- (twin$counts - mu) / sqrt(mu + mu^2 / 50)
    expected <- pmin(pmax(expected, -sqrt(12)), sqrt(12))
    expect_equal(values(a$X), unname(expected), tolerance = 1e-6)
    expect_identical(a$uns$pearson_residuals_normalization$computed_on, "adata.X")
    expect_equal(a$uns$pearson_residuals_normalization$clip, sqrt(12))
  }
  b <- normalize_pearson_residuals(as_object(twin), clip = 1, layer = "double")
  expect_lte(max(abs(values(b$layers$double))), 1)
  expect_identical(values(b$X), values(as_object(twin)$X))
})

test_that("functions of each value are recorded, for an object, a layer and a matrix", {
  twin <- small_twin()
  for (sparse in c(TRUE, FALSE)) {
    a <- on_file(twin, sparse)
    x <- unname(twin$counts)
    expect_equal(values(sqrt(a)$X), sqrt(x), tolerance = 1e-6)
    expect_equal(values(square(a)$X), x^2, tolerance = 1e-6)
    expect_equal(values(arcsinh(a, cofactor = 2)$X), asinh(x / 2), tolerance = 1e-6)
    expect_equal(values(arcsinh(a, layer = "double")$layers$double), asinh(2 * x / 5), tolerance = 1e-6)
    expect_equal(values(square(a, layer = "double")$layers$double), 4 * x^2, tolerance = 1e-6)
    a$layers$double <- sqrt(a$layers$double)
    expect_equal(values(a$layers$double), sqrt(2 * x), tolerance = 1e-6)
    for (y in list(sqrt(a$X), square(a$X), arcsinh(a$X))) expect_s4_class(y, "OOMMatrix")
    expect_identical(is(values(sqrt(sqrt(a))$X)), is(x))
    expect_output(print(arcsinh(square(a), cofactor = 2)$X), "square\\(\\).*arcsinh\\(cofactor = 2\\)")
  }
  expect_snapshot({
    cat(error_of(arcsinh(a, cofactor = 0)))
    cat(error_of(arcsinh(a$X, layer = "double")))
    cat(error_of(square(twin$counts)))
  })
})
