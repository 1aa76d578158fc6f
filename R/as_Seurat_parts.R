# Makes the parts of a Seurat object.

# Returns the layer for a matrix by its values; `what` is "X" or "raw".
seurat_layer_of <- function(adata, x, what) {
  state <- state_of(adata, x)
  if (state == "scaled" && what == "raw") return("data") # an assay has to have one of the two
  switch(state, scaled = "scale.data", logarithms = "data", "counts")
}

# Returns the matrices (cells x genes) by layer, and the names of those that were `made` here and
# are in the object under no name.
seurat_targets <- function(adata, api, five, mappings) {
  taken <- names(mapping_of(mappings$layers, by_name(names(adata@layers)), "layers_mapping"))
  layer <- if (!is.null(adata@X)) free_name(seurat_layer_of(adata, adata@X, "X"), taken)
  matrices <- matrix_mapping(adata, mappings$layers, mappings$X, layer, "layers_mapping")
  if (!five) {
    odd <- setdiff(names(matrices), c("counts", "data", "scale.data"))
    if (length(odd)) {
      warn(
        "mapping", "SeuratObject ", format(api$version), " holds counts, data and scale.data only: ", some_of(odd),
        " left out; name a slot with layers_mapping = c(counts = \"...\")"
      )
      matrices <- matrices[setdiff(names(matrices), odd)]
    }
  }
  made <- NULL
  if (!"data" %in% names(matrices) && ("scale.data" %in% names(matrices) || !length(matrices))) {
    from_raw <- values_of_raw(adata, names(matrices))
    made <- names(from_raw)
    matrices <- c(from_raw, matrices)
    if (!any(c("counts", "data") %in% names(matrices)) && length(matrices)) {
      warn(
        "mapping", "X was scaled, and there are no logarithms for 'data': it is left out, so FindMarkers() and plots of ",
        "expression have nothing to go by; set adata$raw <- adata before scale(), or name a layer with ",
        "layers_mapping = c(data = \"...\")"
      )
    }
  }
  if (!length(matrices)) {
    if (!is.null(adata@X) || length(adata@layers)) {
      abort("missing", "no matrix is left for Seurat: name one with x_mapping = \"counts\"")
    }
    warn("mapping", "this object has no X and no layers, and Seurat needs a matrix: 'counts' is empty (all 0)")
    made <- "counts"
    matrices <- list(counts = empty_matrix(nrow(adata@obs), nrow(adata@var)))
  }
  list(matrices = matrices, made = made)
}

empty_matrix <- function(rows, columns) {
  loadNamespace("Matrix")
  methods::new("dgCMatrix", Dim = c(rows, columns), p = integer(columns + 1L))
}

# Returns the values of raw for the genes of X as a layer. NULL if raw does not have all these
# genes, or if the layer is taken.
values_of_raw <- function(adata, taken) {
  if (is.null(adata@raw)) return(NULL)
  genes <- match(row.names(adata@var), row.names(adata@raw@var))
  state <- state_of(adata, adata@raw@X)
  layer <- switch(state, logarithms = "data", scaled = NULL, "counts")
  if (anyNA(genes) || is.null(layer) || layer %in% taken) return(NULL)
  x <- adata@raw@X
  setNames(list(if (is(x, "OOMMatrix")) select_oom(x, NULL, genes) else x[, genes, drop = FALSE]), layer)
}

# Returns the bytes of a matrix in memory, in the form that Seurat needs.
bytes_in_memory <- function(x, name) {
  size <- prod(as.numeric(dim(x)))
  if (!is(x, "OOMMatrix")) return(as.numeric(utils::object.size(x)))
  info <- matrix_info(x)
  if (!info$sparse || name == "scale.data") return(8 * size)
  12 * expected_values(info, size)
}

expected_values <- function(info, size) {
  stored <- prod(info$stored_dim)
  if (info$sparse && !is.na(info$nnz) && stored > 0) info$nnz / stored * size else size
}

seurat_in_memory <- function(given, api, five, matrices) {
  if (!is.null(given) && !isTRUE(given) && !isFALSE(given)) {
    abort("parameter", "in_memory: expected TRUE, FALSE or NULL, found ", describe(given))
  }
  if (!five) {
    if (!isFALSE(given)) return(TRUE)
    abort(
      "state", "in_memory = FALSE: SeuratObject ", format(api$version), " holds matrices in memory only; update it to ",
      "version 5 or use as_SingleCellExperiment()"
    )
  }
  if (!is.null(given)) return(given)
  needed <- sum(unlist(Map(bytes_in_memory, matrices, names(matrices))))
  if (needed <= max_bytes() / 4) return(TRUE)
  inform(
    "memory", paste0(
      "matrices stay in the file, as reading them would take ", human_bytes(needed), ":\n  in_memory = TRUE reads them, ",
      "which NormalizeData() and others need"
    )
  )
  FALSE
}

# Makes a key: letters and digits with "_" behind.
key_of <- function(name) {
  letters <- gsub("[^A-Za-z0-9]", "", name)
  paste0(if (nzchar(letters)) letters else "dim", "_")
}

seurat_names <- function(names) {
  if (any(grepl("[_|]", names) | names == "")) {
    names <- gsub("[_|]", "-", names)
    names[names == ""] <- "unnamed"
    names <- make.unique(names)
  }
  names
}

# Makes an assay of matrices (cells x genes, by layer), with `var` as meta features.
seurat_assay <- function(api, five, in_memory, matrices, cells, var, mapping, name) {
  genes <- seurat_names(row.names(var))
  values <- Map(function(x, layer) {
    if (in_memory) seurat_matrix(x, layer, cells, genes) else genes_by_cells(x, cells, genes)
  }, matrices, names(matrices))
  assay <- if (five) assay_of_layers(api, values) else assay_of_slots(api, values, cells, genes)
  meta <- mapping_of(mapping, by_name(names(var)), "assay_metadata_mapping")
  meta <- mapped(var, meta, "assay_metadata_mapping", "column of var")
  meta <- vector_columns(meta, "var")
  if (!identical(genes, row.names(var))) meta$anndata_name <- row.names(var)
  if (length(meta)) assay <- api$AddMetaData(assay, structure(meta, row.names = genes, class = "data.frame"))
  chosen <- variable_genes(var)
  if (length(chosen)) assay <- api$`VariableFeatures<-`(assay, value = genes[chosen])
  api$`Key<-`(assay, value = key_of(tolower(name)))
}

assay_of_layers <- function(api, values) {
  first <- intersect(c("counts", "data"), names(values))
  assay <- if (length(first)) {
    do.call(api$CreateAssay5Object, values[first])
  } else {
    api$CreateAssay5Object(counts = as_counts(values[[1]]))
  }
  for (name in setdiff(names(values), first)) assay <- api$`LayerData<-`(assay, layer = name, value = values[[name]])
  # An assay is made of counts or data. Without either, another matrix takes the place of counts and
  # is removed from there.
  if (!length(first)) assay <- suppressWarnings(api$`LayerData<-`(assay, layer = "counts", value = NULL))
  assay
}

as_counts <- function(x) if (is(x, "DelayedArray")) x else as_dgCMatrix(x)

assay_of_slots <- function(api, values, cells, genes) {
  assay <- if ("counts" %in% names(values)) {
    api$CreateAssayObject(counts = values$counts)
  } else if ("data" %in% names(values)) {
    api$CreateAssayObject(data = values$data)
  } else {
    empty <- empty_matrix(length(genes), length(cells))
    dimnames(empty) <- list(genes, cells)
    api$CreateAssayObject(data = empty) # the names of an assay are those of 'data'
  }
  for (slot in intersect(c("data", "scale.data"), names(values))) {
    if (slot == "data" && !"counts" %in% names(values)) next
    assay <- api$SetAssayData(assay, slot = slot, new.data = values[[slot]])
  }
  assay
}

# Returns the positions of the variable genes in the order of their ranks.
variable_genes <- function(var) {
  chosen <- which(var[["highly_variable"]] %in% TRUE)
  measures <- c("highly_variable_rank", "residual_variances", "variances_norm", "dispersions_norm")
  by <- intersect(measures, names(var))
  if (!length(by) || !is.numeric(var[[by[1]]])) return(chosen)
  value <- var[[by[1]]][chosen]
  chosen[order(if (by[1] == measures[1]) value else -value)]
}

# Reads a matrix into memory, genes x cells. Its error says how to go on.
seurat_matrix <- function(x, name, cells, genes) {
  value <- if (is(x, "OOMMatrix")) read_within(x, name, cells, genes) else genes_by_cells(x, cells, genes)
  if (name == "scale.data") as.matrix(value) else as_dgCMatrix(value)
}

read_within <- function(x, name, cells, genes) {
  info <- matrix_info(x)
  expected <- expected_values(info, prod(as.numeric(dim(x))))
  needed <- bytes_in_memory(x, name)
  too_large <- function(found) {
    abort(
      "memory", "'", name, "': ", found, ": select cells or genes first, raise options(anndataoom.max_bytes = ), ",
      "or keep it on disk with as_SingleCellExperiment() or SeuratObject >= 5 (in_memory = FALSE)"
    )
  }
  if (info$sparse && expected >= .Machine$integer.max) {
    too_large(paste("about", format(expected, digits = 2), "stored values, R's sparse matrices hold less than 2^31"))
  }
  # The number of values of a selection is only estimated: reading stops at the limit whatever was
  # estimated.
  if (needed > 1.5 * max_bytes()) {
    too_large(paste0("about ", human_bytes(needed), " in memory, the limit is ", human_bytes(max_bytes())))
  }
  x@Dimnames <- list(cells, genes)
  tryCatch(
    collect_oom(x, transposed = TRUE), anndataoom_error_memory = function(e) too_large(conditionMessage(e))
  )
}

# Makes the object of the first assay with the columns of obs. Columns that Seurat cannot hold are
# named in a warning.
seurat_cells <- function(adata, api, assay, assay_name, mapping) {
  columns <- mapping_of(mapping, by_name(names(adata@obs)), "object_metadata_mapping")
  obs <- mapped(adata@obs, columns, "object_metadata_mapping", "column of obs")
  obs <- vector_columns(obs, "obs")
  obs <- structure(obs, row.names = row.names(adata@obs), class = "data.frame")
  without_counts(api$CreateSeuratObject(assay, assay = assay_name, meta.data = if (length(obs)) obs))
}

# Returns the columns of a table that have no dimensions. Others are named in a warning.
vector_columns <- function(columns, part) {
  odd <- !vapply(columns, function(v) is.atomic(v) && is.null(dim(v)), TRUE)
  if (any(odd)) warn("mapping", part, ": columns that Seurat cannot hold are left out: ", some_of(names(columns)[odd]))
  columns[!odd]
}

guess_seurat_reductions <- function(adata) {
  found <- guess_reductions(adata)
  short <- sub("^X_", "", names(found))
  names <- ifelse(short %in% c(short[duplicated(short)], ""), names(found), short)
  lapply(setNames(found, names), function(source) {
    key <- sub("^X_", "", source[["sampleFactors"]])
    c(
      key = key_of(switch(key, pca = "PC", tsne = "tSNE", key)), embeddings = source[["sampleFactors"]],
      if ("featureLoadings" %in% names(source)) c(loadings = source[["featureLoadings"]])
    )
  })
}

# Returns the elements that Seurat has no place for, with names. They are kept in Misc() for
# as_AnnDataOOM().
seurat_others <- function(adata, reductions, all, cells, genes) {
  loadings <- unlist(lapply(reductions, function(source) source[names(source) %in% "loadings"]))
  read <- function(part, names) {
    items <- get_part(adata, part)
    read_mapped(items[setdiff(names(items), names)], TRUE, "", part)
  }
  others <- list(
    obsm = if (all) lapply(read("obsm", vapply(reductions, embeddings_of, "")), with_rows, cells),
    varm = lapply(read("varm", loadings), with_rows, genes), varp = lapply(read("varp", NULL), with_rows, genes, genes)
  )
  others[lengths(others) > 0]
}

with_rows <- function(x, rows, columns = NULL) {
  if (is.data.frame(x)) return(structure(x, row.names = rows))
  if (length(dim(x)) == 2) dimnames(x) <- list(rows, columns %or% colnames(x))
  x
}

# Returns the element of obsm that a mapping of a reduction names.
embeddings_of <- function(source) {
  key <- intersect(c("embeddings", "sampleFactors"), names(source))
  as.character(source[[if (length(key)) key[1] else 1]])
}

seurat_reduction <- function(adata, api, source, name, cells, genes, assay_name) {
  source <- as.character(source) |> setNames(if (is.null(names(source))) "embeddings" else names(source))
  key <- if ("key" %in% names(source)) source[["key"]] else key_of(name)
  embeddings <- as.matrix(element_of(adata, "obsm", source[["embeddings"]]))
  dimnames(embeddings) <- list(cells, paste0(key, seq_len(ncol(embeddings))))
  given <- list(embeddings = embeddings, key = key, assay = assay_name)
  if ("loadings" %in% names(source)) {
    loadings <- as.matrix(element_of(adata, "varm", source[["loadings"]]))
    dimnames(loadings) <- list(genes, colnames(embeddings))
    used <- rowSums(loadings != 0 | is.na(loadings)) > 0
    given$loadings <- loadings[used, , drop = FALSE]
  }
  if (source[["embeddings"]] == "X_pca" && "pca" %in% names(adata@uns)) {
    variance <- resolve(adata@uns[["pca"]])$variance
    if (length(variance) == ncol(embeddings)) given$stdev <- sqrt(as.numeric(variance))
  }
  do.call(api$CreateDimReducObject, given)
}

# Notes that the 'data' of an assay are natural logarithms. FindMarkers() and FoldChange() of Seurat
# 4 look for this among the commands. Without it they take means of the logarithms themselves.
seurat_normalized <- function(object, adata, assay_name) {
  base <- tryCatch(adata$uns$log1p$base, anndataoom_error = function(e) NULL)
  natural <- is.null(base) || (is.numeric(base) && isTRUE(all.equal(as.numeric(base), exp(1))))
  if (!natural || !methods::.hasSlot(object, "commands")) return(object)
  made <- methods::new(
    methods::getClass("SeuratCommand", where = asNamespace("SeuratObject")),
    name = paste0("NormalizeData.", assay_name), time.stamp = Sys.time(), assay.used = assay_name,
    call.string = "anndataoom::as_Seurat()",
    params = list(assay = assay_name, normalization.method = "LogNormalize", verbose = FALSE)
  )
  object@commands[[made@name]] <- made
  object
}
