#' Convert to a Seurat object
#'
#' Matrices that need at most a quarter of `options(anndataoom.max_bytes = )` together are read into
#' memory, where all of Seurat works on them. With SeuratObject 5 or later, larger ones stay in the
#' file. Their layers are then `DelayedMatrix` objects (see [OOMMatrixSeed-class]), which only some
#' functions of Seurat take; the page "With Seurat" has a table. SeuratObject 4 can only hold
#' matrices in memory: they are read, up to `options(anndataoom.max_bytes = )` each and 2^31 - 1
#' values, R's own limit. A larger matrix is an error before anything is built. `as(adata,
#' "Seurat")` is the same with the defaults.
#'
#' @section Mapping:
#' Arguments and their meaning are those of the package anndataR: `TRUE` takes everything in the
#' table, `FALSE` nothing, `c(target = "source")` the sources that are named, `c("source")` the same
#' under its own name. `NA` as a source of `layers_mapping` is `X`.
#'
#' | from | to | argument | with `TRUE` |
#' |---|---|---|---|
#' | `X` | a layer (SeuratObject 4: slot `counts`, `data` or `scale.data`) | `x_mapping = "counts"` | by its values: `scale.data` (scaled, or any below 0), `data` (logarithms), else `counts` |
#' | `layers` | layers | `layers_mapping = c(counts = "counts")` | all, by name (SeuratObject 4: those named like a slot, others are left out with a warning) |
#' | `obs` | `x[[]]` | `object_metadata_mapping` | all columns |
#' | `var` | meta features of the assay | `assay_metadata_mapping` | all columns; `highly_variable` also as `VariableFeatures()`, in the order of `highly_variable_rank` or of the measure they were chosen by |
#' | `obsm` | reductions | `reduction_mapping = c(umap = "X_umap")` or `list(pca = c(key = "PC_", embeddings = "X_pca", loadings = "PCs"))` | all numeric ones, without `X_`; `pca` with loadings from `varm$PCs` and deviations from `uns$pca` |
#' | `obsp` | graphs | `graph_mapping = c(snn = "connectivities")` | all, by name, with the name of the assay and `_` in front |
#' | `varm`, `varp`, tables in `obsm` | | | loadings with their reduction; the others only wait in `Misc()` for the way back |
#' | `uns` | `Misc()` | `misc_mapping` | all, by name |
#' | `raw` | an assay | `raw_mapping = "raw"` | assay `"raw"` |
#'
#' Seurat takes the values of `data` for logarithms: `Seurat::FindMarkers()` gives wrong fold
#' changes for anything else. So if `X` was scaled and no layer is mapped to `data`, the values of
#' `raw` for the genes of `X` become `data` or, if they are counts, `counts`. If there is no such
#' `raw`, `data` is left out with a warning.
#'
#' Seurat does not allow `_` in gene names and replaces it by `-`. The names of the file are kept in
#' the meta feature `anndata_name`, and [as_AnnDataOOM()] restores them.
#'
#' @param adata An [AnnDataOOM-class].
#' @param assay_name Name of the assay.
#' @param x_mapping Name of the layer for `X`.
#' @param layers_mapping,object_metadata_mapping,assay_metadata_mapping,reduction_mapping,graph_mapping,misc_mapping
#'   The sources of each part, see Mapping.
#' @param raw_mapping Name of the assay for `raw`; `TRUE` is `"raw"`, `FALSE` leaves it out.
#' @param in_memory Whether matrices are read into memory (`counts` and `data` as `dgCMatrix`), each
#'   within `options(anndataoom.max_bytes = )`. `FALSE` keeps them in the file, which needs
#'   SeuratObject >= 5. By default they are read if all of them need at most a quarter of that, or
#'   if SeuratObject cannot hold them otherwise.
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
  raw_mapping = TRUE, in_memory = NULL
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
    ),
    in_memory
  )
}

# Seurat warns of each assay without counts that it cannot count them.
without_counts <- function(expr) {
  withCallingHandlers(expr, warning = function(w) {
    if (grepl("No layers found|Cannot find the layer", conditionMessage(w))) invokeRestart("muffleWarning")
  })
}

# The functions of SeuratObject in use, as a list, so that tests can replace them by those of
# another version.
seurat_functions <- function() {
  namespace <- asNamespace("SeuratObject")
  all <- c(
    "CreateAssayObject", "CreateAssay5Object", "CreateSeuratObject", "CreateDimReducObject", "SetAssayData",
    "GetAssayData", "Layers", "LayerData", "LayerData<-", "AddMetaData", "as.Graph", "DefaultAssay<-", "Misc<-", "Key<-",
    "VariableFeatures", "VariableFeatures<-"
  )
  known <- all[vapply(all, exists, TRUE, envir = namespace, inherits = FALSE)]
  c(mget(known, envir = namespace), list(version = utils::packageVersion("SeuratObject")))
}

seurat_of <- function(adata, api, assay_name, mappings, in_memory = NULL) {
  five <- api$version >= "5.0.0"
  cells <- row.names(adata@obs)
  found <- seurat_targets(adata, api, five, mappings)
  with_raw <- !is.null(adata@raw) && !identical(mappings$raw, FALSE)
  raw_layer <- if (with_raw) seurat_layer_of(adata, adata@raw@X, "raw")
  raw <- if (with_raw) setNames(list(adata@raw@X), raw_layer)
  in_memory <- seurat_in_memory(in_memory, api, five, c(found$matrices, raw))
  assay <- seurat_assay(api, five, in_memory, found$matrices, cells, adata@var, mappings$var, assay_name)
  object <- seurat_cells(adata, api, assay, assay_name, mappings$obs)
  if ("data" %in% names(found$matrices)) object <- seurat_normalized(object, adata, assay_name)
  own_columns <- setdiff(names(object[[]]), names(adata@obs))
  if (with_raw) {
    name <- if (isTRUE(mappings$raw)) "raw" else mappings$raw
    raw <- seurat_assay(api, five, in_memory, raw, cells, adata@raw@var, TRUE, name)
    object <- without_counts(`[[<-`(object, name, value = raw))
    if (raw_layer == "data") object <- seurat_normalized(object, adata, name)
  }
  genes <- seurat_names(row.names(adata@var))
  reductions <- mapping_of(mappings$obsm, guess_seurat_reductions(adata), "reduction_mapping")
  for (name in names(reductions)) {
    object[[name]] <- seurat_reduction(adata, api, reductions[[name]], name, cells, genes, assay_name)
  }
  graphs <- read_mapped(adata$obsp, mappings$obsp, "graph_mapping", "obsp")
  for (name in names(graphs)) {
    graph <- pair_matrix(graphs[[name]])
    dimnames(graph) <- list(cells, cells)
    graph <- api$as.Graph(graph)
    object[[paste0(assay_name, "_", name)]] <- api$`DefaultAssay<-`(graph, value = assay_name)
  }
  misc <- read_mapped(adata$uns, mappings$uns, "misc_mapping", "uns")
  for (name in names(misc)) object <- api$`Misc<-`(object, slot = name, value = misc[[name]])
  # These notes restore the object later: the layer that was X, the names in obsm, and what was
  # added here.
  is_x <- names(found$matrices)[vapply(found$matrices, identical, TRUE, adata@X)]
  kept <- list(
    X = if (is.null(adata@X)) FALSE else if (length(is_x)) is_x[1], obsm = vapply(reductions, embeddings_of, ""), made = found$made, columns = own_columns,
    others = seurat_others(adata, reductions, isTRUE(mappings$obsm), cells, genes)
  )
  api$`Misc<-`(object, slot = "anndataoom", value = kept[lengths(kept) > 0])
}

register_seurat <- function() {
  if (isTRUE(bioc$seurat)) return(invisible())
  bioc$seurat <- TRUE
  methods::setAs("AnnDataOOM", "Seurat", function(from) as_Seurat(from), where = bioc)
  methods::setAs("Seurat", "AnnDataOOM", function(from) as_AnnDataOOM(from), where = bioc)
}
