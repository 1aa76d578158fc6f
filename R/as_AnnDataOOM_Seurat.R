# Converts a Seurat object of any version.

#' @rdname as_AnnDataOOM
#' @export
as_AnnDataOOM.Seurat <- function(
  x, x_mapping = NULL, layers_mapping = TRUE, obs_mapping = TRUE, var_mapping = TRUE, obsm_mapping = TRUE,
  varm_mapping = TRUE, obsp_mapping = TRUE, varp_mapping = TRUE, uns_mapping = TRUE, raw_mapping = TRUE,
  assay_name = NULL, path = NULL, ...
) {
  if (is.null(assay_name)) assay_name <- SeuratObject::DefaultAssay(x)
  if (!assay_name %in% names(x)) abort("name", "assay_name: this Seurat object has no assay '", assay_name, "'")
  api <- seurat_functions()
  assay <- x[[assay_name]]
  cells <- colnames(assay)
  var <- seurat_features(assay, api)
  misc <- SeuratObject::Misc(x)
  if (is.null(misc)) misc <- list()
  ours <- misc$anndataoom
  reductions <- Filter(function(name) is(x[[name]], "DimReduc"), names(x))
  others <- seurat_kept(ours$others, cells, rownames(assay))
  loadings <- lapply(setNames(nm = reductions), function(name) SeuratObject::Loadings(x[[name]]))
  loadings <- loadings[vapply(loadings, function(l) length(l) > 0 && all(rownames(l) %in% rownames(assay)), TRUE)]
  loadings <- lapply(loadings, function(l) {
    rownames(l) <- row.names(var)[match(rownames(l), rownames(assay))]
    l
  })
  graphs <- Filter(function(name) is(x[[name]], "Graph"), names(x))
  graphs <- setNames(graphs, sub(paste0(assay_name, "_"), "", graphs, fixed = TRUE))
  if ("pca" %in% reductions && is.null(misc$pca) && length(SeuratObject::Stdev(x[["pca"]]))) {
    misc$pca <- list(variance = SeuratObject::Stdev(x[["pca"]])^2)
  }
  raw_name <- if (isTRUE(raw_mapping)) "raw" else raw_mapping
  raw <- if (is.character(raw_name) && raw_name %in% setdiff(names(x), assay_name)) {
    found <- seurat_matrices(x[[raw_name]], rownames(x[[raw_name]]), cells, api)
    if (length(found)) list(x = found[[1]], var = seurat_features(x[[raw_name]], api))
  }
  matrices <- seurat_matrices(assay, rownames(assay), cells, api)
  # Logarithms that as_Seurat() took from raw are not taken back: raw still has them.
  if (is.null(x_mapping) && isTRUE(layers_mapping) && (!is.null(raw) || identical(ours$X, FALSE))) {
    matrices <- matrices[setdiff(names(matrices), ours$made)]
  }
  obs <- x[[]][cells, , drop = FALSE]
  assemble_anndata(
    matrices = matrices, x_guess = ours$X, obs = obs[!own_column(obs, ours$columns)], var = var,
    obsm = c(
      lapply(setNames(nm = reductions), function(name) unname(SeuratObject::Embeddings(x[[name]])[cells, , drop = FALSE])),
      others$obsm
    ),
    varm = c(lapply(loadings, all_genes_of, row.names(var)), others$varm),
    obsp = lapply(graphs, function(name) as(as(x[[name]], "CsparseMatrix"), "generalMatrix")[cells, cells]),
    varp = others$varp, uns = misc, raw = raw,
    mappings = list(
      X = x_mapping, layers = layers_mapping, obs = obs_mapping, var = var_mapping, obsm = obsm_mapping,
      varm = varm_mapping, obsp = obsp_mapping, varp = varp_mapping, uns = uns_mapping
    ),
    path = path, targets = list(
      obsm = c(seurat_obsm_names(reductions, ours$obsm), names(others$obsm)),
      varm = c(sub("^(X_)?pca$", "PCs", names(loadings)), names(others$varm))
    )
  )
}

# Returns the elements that as_Seurat() kept in Misc(), for the present cells and genes.
seurat_kept <- function(others, cells, genes) {
  lapply(setNames(nm = c("obsm", "varm", "varp")), function(part) {
    rows <- if (part == "obsm") cells else genes
    values <- lapply(others[[part]], function(x) {
      if (!all(rows %in% rownames(x))) return(NULL)
      if (part == "varp") x[rows, rows, drop = FALSE] else x[rows, , drop = FALSE]
    })
    values[lengths(values) > 0]
  })
}

seurat_obsm_names <- function(reductions, known) {
  obsm_names(reductions, known, setNames(reductions, sub("^(X_)?", "X_", reductions)))
}

# Finds columns that Seurat added to an object that came from here and that carry no information.
own_column <- function(obs, added) {
  vapply(names(obs), function(name) {
    name %in% added && (name != "orig.ident" || length(unique(obs[[name]])) < 2)
  }, TRUE)
}

all_genes_of <- function(loadings, genes) {
  full <- matrix(0, length(genes), ncol(loadings))
  full[match(rownames(loadings), genes), ] <- loadings
  full
}

# Returns the matrices of an assay by layer or slot, genes x cells. Joined layers are an OOMMatrix
# of cells x genes. A layer that lacks genes or cells is named in a warning.
seurat_matrices <- function(assay, genes, cells, api) {
  found <- if (api$version >= "5.0.0") {
    layers <- tryCatch(api$Layers(assay), error = function(e) character()) # an assay of another kind without a matrix
    lapply(setNames(nm = layers), function(name) api$LayerData(assay, layer = name))
  } else {
    slots <- lapply(
      setNames(nm = c("counts", "data", "scale.data")), function(slot) api$GetAssayData(assay, slot = slot)
    )
    slots[vapply(slots, length, 1) > 0]
  }
  if (!is.null(found$counts) && identical(found$counts, found$data)) found$data <- NULL
  whole <- vapply(found, function(x) length(x) > 0 && identical(colnames(x), cells) && identical(rownames(x), genes), TRUE)
  stem <- ifelse(startsWith(names(found), "scale.data"), "scale.data", sub("[.].*$", "", names(found)))
  part <- !whole & !startsWith(names(found), "scale.data") & !stem %in% names(found)[whole]
  scaled <- !whole & startsWith(names(found), "scale.data")
  # Missing genes can be filled with 0 for counts and logarithms, not for scaled values.
  part[scaled] <- vapply(found[scaled], function(x) setequal(rownames(x), genes), TRUE)
  joined <- lapply(split(found[part], factor(stem[part], unique(stem[part]))), join_cells, genes, cells)
  complete <- !vapply(joined, is.null, TRUE)
  missing <- names(found)[!whole & !stem %in% names(joined)[complete]]
  if (length(missing)) {
    warn("mapping", "layers that do not have all genes and cells are left out: ", some_of(missing))
  }
  c(found[whole], joined[complete])
}

# Joins parts (genes x cells, with names) of a matrix into one of cells x genes that is read on
# first use, with 0 for genes that a part does not have. NULL if the parts do not hold each cell
# exactly once.
join_cells <- function(parts, genes, cells) {
  there <- unlist(lapply(parts, colnames), use.names = FALSE)
  if (anyDuplicated(there) || !setequal(there, cells)) return(NULL)
  members <- lapply(unname(parts), function(x) {
    from <- match(genes, rownames(x), nomatch = 0L)
    list(x = as_oom(cells_by_genes(x, "layer")), from = if (!identical(from, seq_len(nrow(x)))) from)
  })
  joined <- if (length(members) == 1 && is.null(members[[1]]$from)) {
    members[[1]]$x
  } else {
    stack_oom("obs", members, length(genes))
  }
  at <- match(cells, there)
  drop_names(if (identical(at, seq_along(at))) joined else select_oom(joined, at, NULL))
}

# Returns meta features under the names that the genes had in the file. The variable genes are those
# of the assay.
seurat_features <- function(assay, api) {
  var <- as.data.frame(assay[[]])
  row.names(var) <- rownames(assay)
  chosen <- rownames(assay) %in% api$VariableFeatures(assay)
  if (any(chosen) && !identical(var$highly_variable %in% TRUE, chosen)) var$highly_variable <- chosen
  var <- var[setdiff(names(var), c("var.features", "var.features.rank"))]
  if ("anndata_name" %in% names(var)) {
    row.names(var) <- var$anndata_name
    var$anndata_name <- NULL
  }
  var
}
