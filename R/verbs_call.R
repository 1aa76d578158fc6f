# Every verb runs through this file: the core's table checks its arguments, its inputs are found in
# the object, and its outcome is merged into the object.

# Checks the arguments of a function that is no verb, by the core's table.
check_arguments <- function(name, ...) invisible(rs_call(rs_check, name = name, args = list(...)))

# Returns the arguments of the calling function by name, without the first, which is the object.
arguments <- function() {
  frame <- parent.frame()
  names <- setdiff(names(formals(sys.function(sys.parent())))[-1], "...")
  lapply(setNames(nm = names), get, envir = frame)
}

# Runs a verb on `adata` and returns the changed object.
verb <- function(name, adata, args) {
  check_adata(adata)
  plan <- rs_call(rs_verb_check, name = name, args = args)
  inputs <- Map(function(source, need) verb_inputs[[source]](adata, need, args), plan$needs, names(plan$needs))
  merge_outcome(adata, run_verb(name, args, inputs, plan$label), args[["layer"]])
}

# Runs a verb on given inputs.
run_verb <- function(name, args, inputs, label = name) {
  rs_work(label, rs_verb, name = name, args = args, inputs = inputs)
}

merge_outcome <- function(adata, found, layer = NULL) {
  if (!is.null(found$matrix)) {
    adata <- with_matrix(adata, layer, with_chain(matrix_for(adata, layer), found$matrix))
  }
  adata <- merge_patch(adata, found$patch)
  if (!is.null(found$placed)) adata@obsm[[found$placed]] <- found$scores
  # A filter that keeps everything queues no selection.
  if (is.null(found$keep) || is.logical(found$keep) && all(found$keep)) return(adata)
  kept <- if (is.logical(found$keep)) which(found$keep) else found$keep
  if (found$cells) subset_anndata(adata, kept, NULL) else subset_anndata(adata, NULL, kept)
}

# The functions that find an input, by the source of the input. They get the name of the input and
# the arguments of the verb.
verb_inputs <- list(
  matrix = function(adata, name, args) pointer_of(matrix_for(adata, args[["layer"]], isTRUE(args[["use_raw"]]))),
  sets = function(adata, name, args) {
    given <- args[[name]]
    sets <- if (is.character(given)) setNames(list(given), args[["score_name"]]) else given
    named <- is.list(sets) && !is.data.frame(sets) && length(sets) && !is.null(names(sets)) && all(nzchar(names(sets)))
    if (!named || !all(vapply(sets, function(set) is.character(set) && length(set) && !anyNA(set), NA))) {
      abort("parameter", name, ": expected names of genes, or a named list of such, found ", describe(given))
    }
    sets
  },
  genes = function(adata, name, args) genes_of(adata, args[["use_raw"]]),
  connectivities = function(adata, name, args) graph_of(adata, args[["neighbors_key"]], args[["obsp"]]),
  distances = function(adata, name, args) graph_of(adata, args[["neighbors_key"]], what = "distances"),
  embedding = function(adata, name, args) {
    if (is.null(args[["var_names"]])) return(embedding_of(adata, args[["use_rep"]], args[["n_pcs"]]))
    use_raw <- args[["use_raw"]]
    if (is.null(use_raw)) use_raw <- !is.null(adata$raw)
    matrix_for(adata, use_raw = use_raw) # says so when there is none
    x <- if (use_raw) adata$raw$X else adata$X
    if (!length(args[["var_names"]])) abort("parameter", "var_names: expected at least one gene, found none")
    missing <- setdiff(args[["var_names"]], colnames(x))
    if (length(missing)) abort("name", "var_names: there is no gene ", some_of(missing))
    unname(as.matrix(x[, args[["var_names"]], drop = FALSE]))
  },
  start = function(adata, name, args) {
    start <- args[[name]]
    if (is.data.frame(start) || is_Matrix(start)) start <- as.matrix(start)
    if (!is.character(start)) {
      if (!is.numeric(start) || length(dim(start)) != 2) {
        abort("parameter", "init_pos: expected a name or a numeric matrix of positions, found ", describe(start))
      }
      return(unname(start))
    }
    check_name(start, name)
    if (start == "pca") return(embedding_of(adata, NULL, NULL))
    if (start %in% c("spectral", "random")) return(NULL)
    unname(as.matrix(element_of(adata, "obsm", start, "; or use init_pos = \"spectral\", \"pca\" or \"random\"")))
  },
  groups = function(adata, name, args) {
    if (is.null(args[[name]])) return(NULL)
    columns <- lapply(args[[name]], function(column) groups_of(adata, column, name))
    if (!length(columns)) abort("parameter", name, ": expected at least one column of obs, found none")
    groups <- columns[[1]]
    for (other in columns[-1]) groups <- factor(paste(groups, other, sep = "_"))
    if (name == "batch_key") droplevels(groups) else groups
  },
  factors = function(adata, name, args) {
    keys <- args[[name]]
    if (!length(keys)) abort("parameter", name, ": expected at least one column of obs, found none")
    lapply(setNames(nm = keys), function(key) droplevels(groups_of(adata, key, name)))
  },
  model = function(adata, name, args) {
    lapply(setNames(nm = args[[name]]), function(key) {
      column <- column_of(adata, "obs", key, name)
      if (is.numeric(column)) as.double(column) else groups_of(adata, key, name)
    })
  },
  chosen = function(adata, name, args) {
    if (!is.null(args[[name]])) as.factor(column_of(adata, "obs", args[[name]][[1]], name))
  },
  covariates = function(adata, name, args) covariates_of(adata, args[[name]]),
  mask = function(adata, name, args) {
    mask <- mask_of(if (isTRUE(args[["use_raw"]])) adata@raw else adata, args[[name]], name)
    if (!is.null(mask) && !any(mask)) abort("parameter", name, ": expected at least one TRUE, found none")
    mask
  },
  masks = function(adata, name, args) {
    lapply(setNames(nm = as.character(args[[name]])), function(set) mask_of(adata, set, name))
  },
  weights = function(adata, name, args) {
    given <- args[[name]]
    axis <- args[["axis"]]
    if (is.null(given)) return(NULL)
    if (is.character(given)) given <- column_of(adata, axis, given, name)
    if (!is.numeric(given) && !is.logical(given)) {
      abort("parameter", name, ": expected numbers or truth values, one a cell or gene, found ", describe(given))
    }
    as.double(given)
  },
  log_base = function(adata, name, args) log_base(adata),
  obsm = function(adata, name, args) unname(as.matrix(element_of(adata, "obsm", name))),
  reference = reference_part,
  basis = function(adata, name, args) {
    key <- args[[name]]
    prefixed <- paste0("X_", key)
    embedding_of(adata, if (!key %in% names(adata@obsm) && prefixed %in% names(adata@obsm)) prefixed else key, NULL, name)
  },
  uns = function(adata, name, args) as.numeric(element_of(adata, "uns", name, "; run diffmap() again")),
  root = function(adata, name, args) {
    if (!is.null(args[[name]])) return(root_position(args[[name]], adata) - 1)
    as.numeric(element_of(adata, "uns", "iroot", "; name the root cell with root = "))
  }
)

# Returns the names of the genes of the matrix that a verb uses.
genes_of <- function(adata, use_raw = FALSE) row.names(if (isTRUE(use_raw)) adata@raw@var else adata@var)

# Returns TRUE or FALSE for each gene: the column of var with that name, or the mask itself.
mask_of <- function(adata, mask, name) {
  if (is.null(mask)) return(NULL)
  if (is.character(mask)) mask <- column_of(adata, "var", mask, name)
  if (!is.logical(mask) || length(mask) != nrow(adata@var) || anyNA(mask)) {
    abort(
      "shape", name, ": expected TRUE or FALSE for each of the ", nrow(adata@var), " genes, found ", describe(mask)
    )
  }
  mask
}

# Returns the columns of obs to regress on: a factor, or a named list of numbers.
covariates_of <- function(adata, keys) {
  if (!length(keys)) abort("parameter", "regress_out: keys must be at least one column of obs, found none")
  keys <- unique(keys) # a key given twice explains nothing more
  columns <- lapply(setNames(nm = keys), function(key) column_of(adata, "obs", key, "keys"))
  for (key in keys) if (anyNA(columns[[key]])) abort("values", "keys: obs$", key, " holds NA")
  groups <- keys[vapply(columns, is.factor, NA)]
  if (length(groups)) {
    if (length(keys) == 1) return(columns[[1]])
    abort("parameter", "keys: '", groups[1], "' is a factor, and a factor can be regressed out only by itself")
  }
  for (key in keys) {
    if (!is.numeric(columns[[key]]) && !is.logical(columns[[key]])) {
      abort(
        "shape", "keys: expected numbers or a factor in obs$", key, ", found ", class(columns[[key]])[1],
        "; factor() makes one of it"
      )
    }
  }
  lapply(columns, as.double)
}
