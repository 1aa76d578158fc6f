# Checks that every parameter of every verb and function refuses values outside its domain with an
# error that names it, quickly and in little memory.
verbs <- anndataoom:::rs_call(anndataoom:::rs_verb_table)
functions <- anndataoom:::rs_call(anndataoom:::rs_function_table)

hostile <- list(
  1e10, 2^63, 2^31, 0, -1, 1.5, NaN, NA, NA_character_, Inf, -Inf, NULL, TRUE, "nonsense", "", character(), numeric(),
  seq_len(3000), rep("nonsense", 3000), list(1), list(), matrix(0, 3, 3), data.frame(a = 1), factor("a"), sum, quote(a),
  1i, as.raw(1), Sys.Date(), integer(2^21), new.env()
)

example <- unname(tools::md5sum(example_h5ad()))

ready <- function() {
  path <- withr::local_tempfile(fileext = ".h5ad", .local_envir = parent.frame())
  file.copy(example_h5ad(), path)
  a <- read_h5ad(path)[1:150, 1:600] |> filter_cells(min_counts = 1)
  suppressWarnings(suppressMessages({
    a |> normalize_total() |> log1p() |> highly_variable_genes(n_top_genes = 100) |> pca(n_comps = 10) |> neighbors() |> diffmap() |> leiden()
  }))
}

# Returns the processor seconds so far, which do not depend on other work of the machine.
spent <- function() sum(proc.time()[c("user.self", "sys.self")])

# Returns the fault of running `call` with `parameter` set to `value`; NULL if there is none or the
# error names it.
fault <- function(call, parameter, value) {
  shown <- function() paste0(parameter, " = ", substr(paste(deparse(value, nlines = 1), collapse = ""), 1, 60))
  args <- stats::setNames(list(value), parameter)
  began <- spent()
  message <- tryCatch({
    suppressWarnings(suppressMessages(call(args)))
    NULL
  }, anndataoom_error = function(e) {
    # A valid path that leads nowhere, a name that does not exist, or a limit that is too small.
    named <- grepl(parameter, conditionMessage(e), fixed = TRUE) || inherits(e, "anndataoom_error_io") ||
      is.character(value) && grepl(sprintf("named '%s'", value[1]), conditionMessage(e), fixed = TRUE) ||
      parameter == "max_bytes" && inherits(e, "anndataoom_error_memory")
    if (inherits(e, "anndataoom_error_internal") || !named) conditionMessage(e)
  }, error = function(e) paste("R's own:", conditionMessage(e)))
  if (!is.null(message)) return(paste0(shown(), ": ", message))
  if (spent() - began > 5) return(paste(shown(), "takes too long"))
  NULL
}

faults <- function(call, parameters) {
  gc(reset = TRUE)
  found <- lapply(parameters, function(parameter) lapply(hostile, function(value) fault(call, parameter, value)))
  unlist(c(found, if (sum(gc()[, 6]) > 1024) "too much memory"))
}

test_that("odd arguments of verbs are refused by name", {
  skip_on_cran()
  a <- ready()
  counts <- read_h5ad(example_h5ad())[1:150, 1:600]
  needed <- list(
    regress_out = list(keys = "n_counts"), dendrogram = list(groupby = "cell_type"), dpt = list(root = 1),
    rank_genes_groups = list(groupby = "cell_type"), score_genes = list(gene_list = c("CD3D", "LYZ")),
    harmony_integrate = list(key = "batch"), scrublet = list(n_prin_comps = 5), embedding_density = list(basis = "pca"),
    sample = list(n = 20), sketch = list(n = 20), transfer_labels = list(adata_ref = a, obs = "cell_type"),
    ingest = list(adata_ref = a, embedding_method = "pca"), downsample_counts = list(counts_per_cell = 10),
    score_aucell = list(gene_list = c("CD3D", "LYZ"))
  )
  for (name in names(verbs)) {
    verb <- if (name == "sqrt") sqrt else getExportedValue("anndataoom", name)
    object <- if (name %in% c("downsample_counts", "scrublet")) counts else a
    call <- function(args) do.call(verb, c(list(object), args, needed[[name]][setdiff(names(needed[[name]]), names(args))]))
    expect_identical(faults(call, names(verbs[[name]]$params)), NULL, label = name)
  }
})

test_that("odd arguments of other functions are refused by name", {
  skip_on_cran()
  a <- ready()
  folder <- withr::local_tempdir()
  withr::local_dir(folder)
  path <- file.path(folder, "a.h5ad")
  write_h5ad(a, path)
  store <- file.path(folder, "a.zarr")
  write_zarr(a, store)
  ranked <- rank_genes_groups(a, "leiden", pts = TRUE)
  with_default <- function(args, ...) c(args, list(...)[setdiff(names(list(...)), names(args))])
  calls <- list(
    read_h5ad = function(args) do.call(read_h5ad, with_default(args, path = path)),
    read_zarr = function(args) do.call(read_zarr, with_default(args, path = store)),
    write_zarr = function(args) do.call(write_zarr, c(list(a), with_default(args, path = file.path(folder, "b.zarr")))),
    convert = function(args) do.call(convert, with_default(args, path = path, to = file.path(folder, "c.zarr"))),
    read_10x_h5 = function(args) do.call(read_10x_h5, with_default(args, filename = "/none/filename")),
    read_10x_mtx = function(args) do.call(read_10x_mtx, with_default(args, path = "/none/path")),
    read_h5mu = function(args) do.call(read_h5mu, with_default(args, path = test_path("..", "golden", "mudata", "two.h5mu"))),
    read_h5seurat = function(args) {
      do.call(read_h5seurat, with_default(args, path = test_path("..", "golden", "seurat", "small.h5Seurat")))
    },
    read_loom = function(args) {
      do.call(read_loom, with_default(args, filename = test_path("..", "golden", "loom", "small.loom")))
    },
    read_text = function(args) do.call(read_text, with_default(args, filename = "/none")),
    write_10x_mtx = function(args) do.call(write_10x_mtx, c(list(a), with_default(args, path = file.path(folder, "f")))),
    write_10x_h5 = function(args) do.call(write_10x_h5, c(list(read_h5ad(example_h5ad())), with_default(args, path = file.path(folder, "b.h5")))),
    write_h5mu = function(args) do.call(write_h5mu, c(list(list(m = a)), with_default(args, path = file.path(folder, "m.h5mu")))),
    write_h5ad = function(args) do.call(write_h5ad, c(list(a), with_default(args, path = file.path(folder, "b.h5ad")))),
    save_h5ad = function(args) do.call(save_h5ad, c(list(read_h5ad(path, mode = "r+")), args)),
    concat = function(args) do.call(concat, c(list(list(a, a)), args)),
    index_columns = function(args) {
      do.call(index_columns, c(list(read_h5ad(path)), with_default(args, dir = file.path(folder, "index"))))
    },
    pack = function(args) {
      do.call(pack, c(list(read_h5ad(path)), with_default(args, dir = file.path(folder, "packed"))))
    },
    explain = function(args) do.call(explain, c(list(a), args)),
    obs_vector = function(args) do.call(obs_vector, c(list(a), with_default(args, k = a$var_names[1]))),
    var_vector = function(args) do.call(var_vector, c(list(a), with_default(args, k = a$obs_names[1]))),
    chunk_apply = function(args) do.call(chunk_apply, c(list(a, function(x, rows) sum(x)), args)),
    row_sums = function(args) do.call(row_sums, c(list(a), args)),
    col_sums = function(args) do.call(col_sums, c(list(a), args)),
    mean_var = function(args) do.call(mean_var, c(list(a), args)),
    marker_gene_overlap = function(args) {
      do.call(marker_gene_overlap, c(list(ranked), with_default(args, reference_markers = list(a = "CD3D"))))
    },
    rank_genes_groups_df = function(args) do.call(rank_genes_groups_df, c(list(ranked), args)),
    aggregate = function(args) do.call(aggregate, c(list(a), with_default(args, by = "cell_type", func = "sum"))),
    pseudobulk = function(args) do.call(pseudobulk, c(list(a), with_default(args, sample_col = "cell_type"))),
    filter_rank_genes_groups = function(args) do.call(filter_rank_genes_groups, c(list(ranked), args)),
    score_genes_cell_cycle = function(args) {
      do.call(score_genes_cell_cycle, c(list(ranked), with_default(args, s_genes = "CD3D", g2m_genes = "LYZ")))
    },
    settings = function(args) {
      names(args) <- paste0("anndataoom.", names(args))
      before <- options(args)
      on.exit(options(before))
      as(a$X, "dgCMatrix")
    }
  )
  for (name in names(functions)) {
    parameters <- setdiff(names(functions[[name]]), "keys")
    if (length(parameters)) expect_identical(faults(calls[[name]], parameters), NULL, label = name)
  }
})

test_that("formals and defaults of the functions are the table's", {
  for (name in setdiff(names(functions), "settings")) {
    params <- functions[[name]]
    if (!length(params)) next
    # A method of a generic of stats.
    of <- if (name == "aggregate") getS3method(name, "AnnDataOOM") else getExportedValue("anndataoom", name)
    found <- formals(of)
    found <- found[setdiff(names(found), c("adata", "adatas", "x", "FUN", "..."))]
    expect_setequal(names(found), names(params))
    for (parameter in names(found)) {
      if (params[[parameter]]$kind == "value") {
        expect_equal(eval(found[[parameter]]), params[[parameter]]$default, label = paste0(name, "(", parameter, " = )"))
      }
    }
  }
})

test_that("the example is what it was", {
  expect_identical(unname(tools::md5sum(example_h5ad())), example)
})
