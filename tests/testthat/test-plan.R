test_that("explain() tells what earlier passes left, without reading", {
  adata <- read_h5ad(example_h5ad())
  fresh <- explain(adata)$steps
  expect_named(fresh, c("verb", "passes", "over", "columns", "bytes"))
  adata <- calculate_qc_metrics(adata, percent_top = NULL)
  known <- explain(adata)$steps
  hvg <- "highly_variable_genes(flavor = \"pearson_residuals\")"
  expect_equal(fresh$passes[fresh$verb == hvg], 2)
  expect_equal(known$passes[known$verb == hvg], 1)
  expect_equal(known$over[known$verb == "normalize_total()"], "known")
  small <- adata |> normalize_total() |> log1p()
  small <- scale(small[, 1:50])
  expect_match(paste(explain(small)$steps$over, collapse = " "), "kept")
  expect_output(print(explain(small)), "plan for .*select 50 of 2000 columns")
  expect_output(print(explain(adata$X)), "calculate_qc_metrics()", fixed = TRUE)
  expect_error(explain(1), class = "anndataoom_error_parameter")
})

test_that("obs_vector() of several names reads them together", {
  adata <- read_h5ad(example_h5ad())
  genes <- adata$var_names[c(5, 2, 7)]
  found <- obs_vector(adata, c(genes, "cell_type"))
  expect_s3_class(found, "data.frame")
  expect_named(found, c(genes, "cell_type"))
  expect_identical(row.names(found), adata$obs_names)
  for (gene in genes) expect_identical(found[[gene]], obs_vector(adata, gene))
  expect_identical(found$cell_type, adata$obs$cell_type)
  expect_error(obs_vector(adata, c(genes, "nothing")), "nothing", class = "anndataoom_error_name")
  expect_error(obs_vector(adata, character()), class = "anndataoom_error_parameter")
})

test_that("index_columns() leaves one file where it is told to, and changes no value", {
  adata <- read_h5ad(example_h5ad())
  genes <- adata$var_names[1:4]
  expected <- obs_vector(adata, genes)
  beside <- list.files(dirname(example_h5ad()))
  dir <- tempfile("index")
  on.exit(unlink(dir, recursive = TRUE))
  expect_message(index_columns(adata, dir), "made the column index")
  expect_identical(obs_vector(adata, genes), expected)
  again <- read_h5ad(example_h5ad())
  expect_message(index_columns(again, dir), "using the column index")
  expect_identical(obs_vector(again[10:1, ], genes), expected[10:1, ])
  expect_length(list.files(dir), 1)
  expect_identical(list.files(dirname(example_h5ad())), beside)
  expect_error(index_columns(AnnDataOOM(diag(3)), dir), "in memory", class = "anndataoom_error_state")
})
