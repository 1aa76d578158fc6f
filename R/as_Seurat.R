#' Convert to a Seurat object
#'
#' With SeuratObject 5 or later, matrices in a file stay there: layers are `DelayedMatrix` objects (see
#' [OOMMatrixSeed-class]). SeuratObject 4 can only hold matrices in memory: they are read, up to
#' `options(anndataoom.max_bytes = )` each and 2^31 - 1 values, R's own limit; what is larger is an error before
#' anything is built. `as(adata, "Seurat")` is the same with the defaults.
#'
#' @section Mapping:
#' Arguments and their meaning are those of the package anndataR: `TRUE` takes all that the table says, `FALSE` nothing,
#' `c(target = "source")` what is named, `c("source")` the same under its own name; `NA` as a source of
#' `layers_mapping` is `X`.
#'
#' | from | to | argument | with `TRUE` |
#' |---|---|---|---|
#' | `X` | a layer (SeuratObject 4: slot `counts`, `data` or `scale.data`) | `x_mapping = "counts"` | `scale.data` after [scale()], `data` after `log1p()`, else `counts` |
#' | `layers` | layers | `layers_mapping = c(counts = "counts")` | all, by name (SeuratObject 4: those named like a slot, others are left out with a warning) |
#' | `obs` | `x[[]]` | `object_metadata_mapping` | all columns |
#' | `var` | meta features of the assay | `assay_metadata_mapping` | all columns |
#' | `obsm` | reductions | `reduction_mapping = c(umap = "X_umap")` or `list(pca = c(key = "PC_", embeddings = "X_pca", loadings = "PCs"))` | all numeric ones, without `X_`; `pca` with loadings from `varm$PCs` and deviations from `uns$pca` |
#' | `obsp` | graphs | `graph_mapping = c(snn = "connectivities")` | all, by name, with the name of the assay and `_` in front |
#' | `varp` | | | nothing: Seurat has no place |
#' | `uns` | `Misc()` | `misc_mapping` | all, by name |
#' | `raw` | an assay | `raw_mapping = "raw"` | assay `"raw"` |
#'
#' Seurat allows no `_` in gene names and makes it `-`; the names of the file are kept in the meta feature
#' `anndata_name`, and [as_AnnDataOOM()] takes them back.
#'
#' @param adata An [AnnDataOOM-class].
#' @param assay_name Name of the assay.
#' @param x_mapping Name of the layer for `X`.
#' @param layers_mapping,object_metadata_mapping,assay_metadata_mapping,reduction_mapping,graph_mapping,misc_mapping What
#'   is taken to where, see Mapping.
#' @param raw_mapping Name of the assay for `raw`; `TRUE` is `"raw"`, `FALSE` leaves it out.
#' @return A `Seurat` object.
#' @seealso [as_AnnDataOOM()], [as_SingleCellExperiment()], [import_results()]
#' @export
#' @examplesIf requireNamespace("SeuratObject", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad())
#' adata$layers$counts <- adata$X
#' adata <- adata |> normalize_total(target_sum = 1e4) |> log1p() |> pca(n_comps = 10)
#' as_Seurat(adata)
as_Seurat <- function(
  adata, assay_name = "RNA", x_mapping = NULL, layers_mapping = TRUE, object_metadata_mapping = TRUE,
  assay_metadata_mapping = TRUE, reduction_mapping = TRUE, graph_mapping = TRUE, misc_mapping = TRUE,
  raw_mapping = TRUE
) {
  check_adata(adata)
  need_package("SeuratObject", "as_Seurat()")
  check_name(assay_name, "assay_name")
  if (!isTRUE(raw_mapping) && !isFALSE(raw_mapping)) check_name(raw_mapping, "raw_mapping")
  seurat_of(
    adata, seurat_functions(), assay_name,
    list(
      X = x_mapping, layers = layers_mapping, obs = object_metadata_mapping, var = assay_metadata_mapping,
      obsm = reduction_mapping, obsp = graph_mapping, uns = misc_mapping, raw = raw_mapping
    )
  )
}

# What is used of SeuratObject: a list, so that tests can put a stand-in for version 5 in its place.
seurat_functions <- function() {
  namespace <- asNamespace("SeuratObject")
  all <- c(
    "CreateAssayObject", "CreateAssay5Object", "CreateSeuratObject", "CreateDimReducObject", "SetAssayData",
    "LayerData<-", "AddMetaData", "as.Graph", "DefaultAssay<-", "Misc<-", "Key<-"
  )
  known <- all[vapply(all, exists, TRUE, envir = namespace, inherits = FALSE)]
  c(mget(known, envir = namespace), list(version = utils::packageVersion("SeuratObject")))
}

seurat_of <- function(adata, api, assay_name, mappings) {
  five <- api$version >= "5.0.0"
  cells <- row.names(adata@obs)
  state <- if (!is.null(adata@X)) state_of(adata, adata@X)
  matrices <- matrix_mapping(adata, mappings$layers, mappings$X, state, "layers_mapping")
  if (!length(matrices)) abort("missing", "this object has no X and no layers: Seurat needs a matrix")
  if (!five) {
    odd <- setdiff(names(matrices), c("counts", "data", "scale.data"))
    if (length(odd)) {
      warn(
        "mapping", "SeuratObject ", format(api$version), " holds counts, data and scale.data only: ", some_of(odd),
        " left out; name a slot with layers_mapping = c(counts = \"...\")"
      )
      matrices <- matrices[setdiff(names(matrices), odd)]
    }
    if (!length(matrices)) abort("missing", "no matrix is left for Seurat: name one with x_mapping = \"counts\"")
  }
  genes <- seurat_names(row.names(adata@var))
  assay <- seurat_assay(api, five, matrices, cells, genes)
  meta <- mapped(
    adata@var, mapping_of(mappings$var, by_name(names(adata@var)), "assay_metadata_mapping"), "assay_metadata_mapping",
    "column of var"
  )
  if (!identical(genes, row.names(adata@var))) meta$anndata_name <- row.names(adata@var)
  if (length(meta)) assay <- api$AddMetaData(assay, structure(meta, row.names = genes, class = "data.frame"))
  assay <- api$`Key<-`(assay, value = key_of(tolower(assay_name)))
  obs <- mapped(
    adata@obs, mapping_of(mappings$obs, by_name(names(adata@obs)), "object_metadata_mapping"),
    "object_metadata_mapping", "column of obs"
  )
  object <- api$CreateSeuratObject(
    assay, assay = assay_name, meta.data = structure(obs, row.names = cells, class = "data.frame")
  )
  if (!is.null(adata@raw) && !identical(mappings$raw, FALSE)) {
    name <- if (isTRUE(mappings$raw)) "raw" else mappings$raw
    raw_genes <- seurat_names(row.names(adata@raw@var))
    raw <- setNames(list(adata@raw@X), sub("scale.data", "data", state_of(adata, adata@raw@X), fixed = TRUE))
    raw <- seurat_assay(api, five, raw, cells, raw_genes)
    meta <- as.list(adata@raw@var)
    if (!identical(raw_genes, row.names(adata@raw@var))) meta$anndata_name <- row.names(adata@raw@var)
    if (length(meta)) raw <- api$AddMetaData(raw, structure(meta, row.names = raw_genes, class = "data.frame"))
    object[[name]] <- api$`Key<-`(raw, value = key_of(tolower(name)))
  }
  reductions <- mapping_of(mappings$obsm, guess_seurat_reductions(adata), "reduction_mapping")
  for (name in names(reductions)) {
    object[[name]] <- seurat_reduction(adata, api, reductions[[name]], name, cells, genes, assay_name)
  }
  graphs <- mapped(
    adata$obsp, mapping_of(mappings$obsp, by_name(names(adata@obsp)), "graph_mapping"), "graph_mapping",
    "element of obsp"
  )
  for (name in names(graphs)) {
    graph <- pair_matrix(graphs[[name]])
    dimnames(graph) <- list(cells, cells)
    graph <- api$as.Graph(graph)
    graph <- api$`DefaultAssay<-`(graph, value = assay_name)
    object[[paste0(assay_name, "_", name)]] <- graph
  }
  misc <- mapped(
    adata$uns, mapping_of(mappings$uns, by_name(names(adata@uns)), "misc_mapping"), "misc_mapping", "element of uns"
  )
  for (name in names(misc)) object <- api$`Misc<-`(object, slot = name, value = misc[[name]])
  # Which matrix was X, for the way back.
  is_x <- vapply(matrices, identical, TRUE, adata@X)
  if (any(is_x)) object <- api$`Misc<-`(object, slot = "anndataoom", value = list(X = names(matrices)[is_x][1]))
  object
}

# Keys are letters and digits with "_" behind.
key_of <- function(name) paste0(gsub("[^A-Za-z0-9]", "", name), "_")

seurat_names <- function(names) {
  if (any(grepl("[_|]", names))) make.unique(gsub("[_|]", "-", names)) else names
}

seurat_assay <- function(api, five, matrices, cells, genes) {
  if (five) {
    values <- lapply(matrices, genes_by_cells, cells, genes)
    first <- intersect(c("counts", "data"), names(values))
    assay <- if (length(first)) {
      do.call(api$CreateAssay5Object, values[first])
    } else {
      api$CreateAssay5Object(data = values[[1]])
    }
    rest <- setdiff(names(values), if (length(first)) first)
    for (name in rest) assay <- api$`LayerData<-`(assay, layer = name, value = values[[name]])
    return(assay)
  }
  values <- Map(in_memory, matrices, names(matrices), MoreArgs = list(cells = cells, genes = genes))
  assay <- if ("counts" %in% names(values)) {
    api$CreateAssayObject(counts = values$counts)
  } else {
    api$CreateAssayObject(data = values[[intersect(c("data", "scale.data"), names(values))[1]]])
  }
  for (slot in intersect(c("data", "scale.data"), names(values))) {
    if (slot == "data" && !"counts" %in% names(values)) next
    value <- values[[slot]]
    assay <- api$SetAssayData(assay, slot = slot, new.data = if (slot == "scale.data") as.matrix(value) else value)
  }
  assay
}

# Genes x cells in memory, or an error that says how to go on.
in_memory <- function(x, name, cells, genes) {
  if (!is(x, "OOMMatrix")) return(genes_by_cells(x, cells, genes))
  info <- matrix_info(x)
  size <- prod(as.numeric(dim(x)))
  stored <- prod(info$stored_dim)
  expected <- if (info$sparse && !is.na(info$nnz) && stored > 0) info$nnz / stored * size else size
  needed <- expected * if (info$sparse) 12 else 8
  too_large <- function(found) {
    abort(
      "memory", "'", name, "': ", found, ": select cells or genes first, raise options(anndataoom.max_bytes = ), ",
      "or keep it on disk with as_SingleCellExperiment() or SeuratObject >= 5"
    )
  }
  if (info$sparse && expected >= .Machine$integer.max) {
    too_large(paste("about", format(expected, digits = 2), "stored values, R's sparse matrices hold less than 2^31"))
  }
  # A selection may hold more or less than its share: reading it ends at the limit, whatever was expected.
  if (needed > 1.5 * max_bytes()) {
    too_large(paste0("about ", human_bytes(needed), " in memory, the limit is ", human_bytes(max_bytes())))
  }
  x@Dimnames <- list(cells, genes)
  value <- tryCatch(
    collect_oom(x, transposed = TRUE), anndataoom_error_memory = function(e) too_large(conditionMessage(e))
  )
  if (is(value, "lgCMatrix")) as(value, "dMatrix") else value
}

guess_seurat_reductions <- function(adata) {
  found <- guess_reductions(adata)
  lapply(setNames(found, sub("^X_", "", names(found))), function(source) {
    key <- sub("^X_", "", source[["sampleFactors"]])
    c(
      key = key_of(switch(key, pca = "PC", tsne = "tSNE", key)), embeddings = source[["sampleFactors"]],
      if ("featureLoadings" %in% names(source)) c(loadings = source[["featureLoadings"]])
    )
  })
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
    used <- rowSums(loadings != 0) > 0
    given$loadings <- loadings[used, , drop = FALSE]
  }
  if (source[["embeddings"]] == "X_pca" && "pca" %in% names(adata@uns)) {
    variance <- resolve(adata@uns[["pca"]])$variance
    if (length(variance) == ncol(embeddings)) given$stdev <- sqrt(as.numeric(variance))
  }
  do.call(api$CreateDimReducObject, given)
}

#' @rdname as_AnnDataOOM
#' @export
as_AnnDataOOM.Seurat <- function(
  x, x_mapping = NULL, layers_mapping = TRUE, obs_mapping = TRUE, var_mapping = TRUE, obsm_mapping = TRUE,
  varm_mapping = TRUE, obsp_mapping = TRUE, varp_mapping = FALSE, uns_mapping = TRUE, raw_mapping = TRUE,
  assay_name = NULL, path = NULL, ...
) {
  if (is.null(assay_name)) assay_name <- SeuratObject::DefaultAssay(x)
  if (!assay_name %in% names(x)) abort("name", "assay_name: this Seurat object has no assay '", assay_name, "'")
  assay <- x[[assay_name]]
  cells <- colnames(x)
  var <- seurat_features(assay)
  misc <- SeuratObject::Misc(x)
  if (is.null(misc)) misc <- list()
  reductions <- Filter(function(name) is(x[[name]], "DimReduc"), names(x))
  keys <- setNames(reductions, sub("^(X_)?", "X_", reductions))
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
    raw <- x[[raw_name]]
    list(x = seurat_matrices(raw)[[1]], var = seurat_features(raw))
  }
  assemble_anndata(
    matrices = seurat_matrices(assay), x_guess = misc$anndataoom$X, obs = x[[]][cells, , drop = FALSE], var = var,
    obsm = lapply(keys, function(name) unname(SeuratObject::Embeddings(x[[name]]))),
    varm = setNames(lapply(loadings, all_genes_of, row.names(var)), sub("^(X_)?pca$", "PCs", names(loadings))),
    obsp = lapply(graphs, function(name) as(as(x[[name]], "CsparseMatrix"), "generalMatrix")),
    varp = list(), uns = misc, raw = raw,
    mappings = list(
      X = x_mapping, layers = layers_mapping, obs = obs_mapping, var = var_mapping, obsm = obsm_mapping,
      varm = varm_mapping, obsp = obsp_mapping, varp = varp_mapping, uns = uns_mapping
    ),
    path = path
  )
}

all_genes_of <- function(loadings, genes) {
  full <- matrix(0, length(genes), ncol(loadings))
  full[match(rownames(loadings), genes), ] <- loadings
  full
}

# Matrices of an assay, genes x cells, by layer or slot; those that do not have all genes are named in a warning.
seurat_matrices <- function(assay, api = asNamespace("SeuratObject")) {
  found <- if (is(assay, "StdAssay")) {
    lapply(setNames(nm = api$Layers(assay)), function(name) api$LayerData(assay, layer = name))
  } else {
    slots <- lapply(
      setNames(nm = c("counts", "data", "scale.data")), function(slot) api$GetAssayData(assay, slot = slot)
    )
    slots <- slots[vapply(slots, length, 1) > 0]
    if (!is.null(slots$counts) && identical(slots$counts, slots$data)) slots$data <- NULL
    slots
  }
  whole <- vapply(found, function(x) identical(dim(x), dim(assay)), TRUE)
  if (any(!whole)) {
    warn("mapping", "layers that do not have all genes and cells are left out: ", some_of(names(found)[!whole]))
  }
  found[whole]
}

# Meta features under the names the genes had in the file.
seurat_features <- function(assay) {
  var <- as.data.frame(assay[[]])
  row.names(var) <- rownames(assay)
  if ("anndata_name" %in% names(var)) {
    row.names(var) <- var$anndata_name
    var$anndata_name <- NULL
  }
  var
}

register_seurat <- function() {
  if (isTRUE(bioc$seurat)) return(invisible())
  bioc$seurat <- TRUE
  methods::setAs("AnnDataOOM", "Seurat", function(from) as_Seurat(from), where = bioc)
  methods::setAs("Seurat", "AnnDataOOM", function(from) as_AnnDataOOM(from), where = bioc)
}
