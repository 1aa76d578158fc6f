# Any argument of any verb may be anything: what comes is a result, or an error of ours that names the argument.
twin <- small_twin(30, 20)
a <- on_file(twin)
a$layers$counts <- a$X
a$var$flag <- rep(c(TRUE, FALSE), 10)
graph <- suppressMessages(a |> normalize_total() |> log1p() |> pca(n_comps = 5, mask_var = NULL) |> neighbors(n_neighbors = 4) |> leiden() |> diffmap(n_comps = 4))
graph$raw <- graph

odd <- list(
  missing = NA, text_missing = NA_character_, number_missing = NA_real_, nan = NaN, negative = -1, zero = 0, half = 1.5,
  huge = 1e300, large = 1e10, infinite = Inf, minus_infinite = -Inf, empty = "", word = "nonsense", no_numbers = integer(),
  no_text = character(), two = c(1, 2), list = list(1), factor = factor("x"), date = as.Date("2020-01-01"), fun = sum,
  frame = data.frame(x = 1), environment = new.env(), complex = 1i, raw = as.raw(1),
  integer64 = structure(1e-320, class = "integer64"), broken = "M\xfcller", formula = ~x, symbol = quote(x)
)

# Each call with every argument in turn replaced.
expect_ours <- function(fun, ...) {
  name <- deparse(substitute(fun))
  args <- list(...)
  for (arg in names(args)) {
    for (kind in names(odd)) {
      given <- args
      given[arg] <- odd[kind]
      e <- tryCatch({
        suppressWarnings(suppressMessages(do.call(fun, given, quote = TRUE)))
        NULL
      }, error = identity)
      fine <- is.null(e) || inherits(e, "anndataoom_error") && !inherits(e, "anndataoom_error_internal")
      expect_true(fine, label = paste0(name, "(", arg, " = ", kind, "): ", if (!is.null(e)) conditionMessage(e)))
    }
  }
}

test_that("verbs over a matrix", {
  skip_on_cran()
  expect_ours(qc_metrics, adata = a, qc_vars = "flag", percent_top = 5, log1p = TRUE, layer = NULL)
  expect_ours(filter_cells, adata = a, min_genes = 1)
  expect_ours(filter_genes, adata = a, max_counts = 10)
  expect_ours(
    normalize_total, adata = a, target_sum = NULL, exclude_highly_expressed = FALSE, max_fraction = 0.05,
    key_added = NULL, layer = NULL
  )
  expect_ours(scale.AnnDataOOM, x = a, zero_center = TRUE, max_value = 3, layer = NULL)
  expect_ours(regress_out, adata = a, keys = "score", layer = NULL)
  expect_ours(
    highly_variable_genes, adata = graph, n_top_genes = 5, flavor = "seurat", layer = NULL, batch_key = NULL,
    min_mean = 0, max_mean = 3, min_disp = 0.5, max_disp = Inf, n_bins = 5, span = 0.5, theta = 100, clip = NULL,
    subset = FALSE
  )
  for (flavor in c("seurat_v3", "pearson_residuals")) {
    expect_ours(
      highly_variable_genes, adata = a, flavor = flavor, n_top_genes = 5, span = 0.5, theta = 100, clip = NULL,
      batch_key = "batch"
    )
  }
  expect_ours(
    pca, adata = graph, n_comps = 3, layer = NULL, zero_center = TRUE, mask_var = NULL, use_highly_variable = NULL,
    random_state = 0, key_added = NULL
  )
  expect_ours(chunk_apply, x = a, FUN = sum, chunk_size = 10, layer = NULL, with_rows = FALSE)
  expect_ours(mean_var, x = a, axis = "var", ddof = 1, layer = NULL)
  expect_ours(obs_vector, adata = graph, k = "score", layer = NULL, use_raw = NULL)
  expect_ours(var_vector, adata = a, k = "flag", layer = NULL)
  expect_ours(explain, adata = graph, layer = NULL, use_raw = FALSE)
})

test_that("verbs over a graph", {
  skip_on_cran()
  expect_ours(
    neighbors, adata = graph, n_neighbors = 4, n_pcs = 4, use_rep = "X_pca", method = "umap", metric = "euclidean",
    random_state = 0, key_added = NULL, search = "auto", recall = 0.9, batch_key = NULL, neighbors_within_batch = 3,
    trim = NULL
  )
  expect_ours(
    umap, adata = graph, min_dist = 0.5, spread = 1, n_components = 2, maxiter = 3, alpha = 1, gamma = 1,
    negative_sample_rate = 5, init_pos = "spectral", random_state = 0, a = NULL, b = NULL, key_added = NULL,
    neighbors_key = NULL, parallel = TRUE
  )
  expect_ours(
    leiden, adata = graph, resolution = 1, random_state = 0, key_added = "leiden", n_iterations = 2, use_weights = TRUE,
    neighbors_key = NULL, obsp = NULL, restrict_to = NULL, objective_function = "modularity"
  )
  expect_ours(louvain, adata = graph, resolution = 1, random_state = 0, n_iterations = 2)
  expect_ours(paga, adata = graph, groups = "leiden", neighbors_key = NULL)
  expect_ours(
    dendrogram, adata = graph, groupby = "batch", n_pcs = NULL, use_rep = NULL, var_names = NULL, use_raw = NULL,
    cor_method = "pearson", linkage_method = "complete", key_added = NULL
  )
  expect_ours(diffmap, adata = graph, n_comps = 4, neighbors_key = NULL, random_state = 0)
  expect_ours(dpt, adata = graph, n_dcs = 3, root = 1, neighbors_key = NULL)
})

test_that("files, objects and options", {
  skip_on_cran()
  path <- a$filename
  expect_ours(read_h5ad, path = path, mode = "r")
  expect_ours(read_10x_h5, filename = path, genome = NULL, gex_only = TRUE)
  folder <- tempfile("written")
  dir.create(folder)
  old <- setwd(folder) # some of the values are names of files
  on.exit(setwd(old))
  expect_ours(
    write_h5ad, adata = a, path = tempfile(), compression = "gzip", compression_opts = NULL, as_dense = NULL,
    as_csc = NULL
  )
  expect_ours(save_h5ad, adata = a, X = FALSE, compression = "gzip", compression_opts = NULL)
  expect_ours(relink, adata = a, new_path = path)
  expect_ours(
    concat, adatas = list(a, graph), axis = "obs", join = "inner", merge = NULL, uns_merge = NULL, label = NULL,
    keys = NULL, index_unique = "-", fill_value = NULL, pairwise = FALSE, file = NULL
  )
  expect_ours(AnnDataSet, files = c(x = path), add_key = "sample", join = "inner", index_unique = NULL)
  expect_ours(index_columns, adata = a, dir = tempfile(), layer = NULL, use_raw = FALSE)
  expect_ours(simulate_h5ad, path = tempfile(), n_types = 2, n_batches = 1, density = 0.1, random_state = 0)
  expect_ours(
    AnnDataOOM, X = twin$counts, obs = NULL, var = NULL, layers = list(), obsm = list(), varm = list(), obsp = list(),
    varp = list(), uns = list()
  )
  expect_ours(function(i) a[i, ], i = 1)
  expect_ours(function(i) a$X[1, i], i = 1)
  expect_ours(function(n) head(a, n), n = 1)
  expect_ours(function(v) a[[v]], v = "obs")
  expect_ours(function(v) a$uns[[v]], v = "title")
  for (part in c("X", "layers", "obs", "var", "obsm", "varp", "uns", "raw", "obs_names")) {
    expect_ours(function(v) a[[part]] <- v, v = NULL)
  }
  expect_ours(function(v) a$obsm$k <- v, v = NULL)
  expect_ours(function(v) {
    a$uns$k <- v
    write_h5ad(a, tempfile())
  }, v = NULL)
  for (option in c("threads", "memory", "max_bytes")) {
    expect_ours(function(v) {
      old <- options(stats::setNames(list(v), paste0("anndataoom.", option)))
      on.exit(options(old))
      as.matrix(graph$X)
    }, v = NULL)
  }
})
