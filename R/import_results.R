#' Import results from Seurat or Bioconductor
#'
#' Adds results of a Seurat object or a SingleCellExperiment to `adata`: columns about cells and
#' genes, reductions, loadings and graphs, under the names that [as_AnnDataOOM()] gives them.
#' Matrices stay as they are. Cells and genes are matched by name, in any order.
#'
#' @param adata An [AnnDataOOM-class].
#' @param from A `Seurat` object or `SingleCellExperiment` with all cells of `adata`.
#' @param parts Parts to import: any of `"obs"`, `"var"`, `"obsm"`, `"varm"`, `"obsp"`, `"uns"`.
#' @param overwrite Whether results replace elements of the same name.
#' @param assay_name Assay of a Seurat object; by default its default assay.
#' @details Identities of a Seurat object that are in no column of its metadata become `obs$ident`.
#' @return `adata` with the results, and a message that names them.
#' @export
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' adata <- read_h5ad(example_h5ad())
#' sce <- as_SingleCellExperiment(adata)
#' sce$group <- rep(c("a", "b"), length.out = ncol(sce))
#' import_results(adata, sce)
import_results <- function(
  adata, from, parts = c("obs", "var", "obsm", "varm", "obsp"), overwrite = FALSE, assay_name = NULL
) {
  check_adata(adata)
  if (!is.character(parts)) abort("parameter", "parts: expected names of parts, found ", describe(parts))
  for (part in parts) one_of(part, c("obs", "var", "obsm", "varm", "obsp", "uns"), "parts")
  if (!isTRUE(overwrite) && !isFALSE(overwrite)) {
    abort("parameter", "overwrite: expected TRUE or FALSE, found ", describe(overwrite))
  }
  if (!inherits(from, c("AnnDataOOM", "SingleCellExperiment", "Seurat"))) {
    abort("parameter", "from: expected a SingleCellExperiment, a Seurat object or an AnnDataOOM, found ", describe(from))
  }
  nothing <- list(x_mapping = FALSE, layers_mapping = FALSE, uns_mapping = "uns" %in% parts, raw_mapping = FALSE)
  if (is(from, "Seurat")) nothing$assay_name <- assay_name
  found <- if (is(from, "AnnDataOOM")) from else do.call(as_AnnDataOOM, c(list(from), nothing))
  if (is(from, "Seurat")) {
    found@obs <- with_identities(found@obs, from)
    found@obsm <- under_their_names(found@obsm, names(adata@obsm))
  }
  cells <- positions_of(row.names(adata@obs), row.names(found@obs), "cell")
  genes <- if (any(c("var", "varm") %in% parts)) match(row.names(adata@var), row.names(found@var))
  taken <- character()
  for (part in parts) {
    new <- names(slot(found, part))
    if (!overwrite) new <- setdiff(new, names(slot(adata, part)))
    for (name in new) {
      value <- slot(found, part)[[name]]
      if (part %in% c("var", "varm") && anyNA(genes)) {
        if (part == "varm") next
        value <- value[genes]
      } else {
        rows <- if (part %in% c("obs", "obsm", "obsp")) cells else if (part %in% c("var", "varm")) genes
        value <- select_element(value, rows, if (part == "obsp") cells)
      }
      if (part == "uns") value <- resolve(value)
      slot(adata, part)[[name]] <- value
      taken <- c(taken, paste0(part, "$", name))
    }
  }
  said <- if (length(taken)) paste("taken over:", paste(taken, collapse = ", ")) else "nothing new was found"
  inform("import", paste(strwrap(said, width = 80, exdent = 2), collapse = "\n"))
  adata
}

positions_of <- function(wanted, there, axis) {
  at <- match(wanted, there)
  if (anyNA(at)) {
    abort(
      "name", "from: ", sum(is.na(at)), " of ", length(wanted), " ", axis, "s are not there (", some_of(wanted[is.na(at)], 3),
      "); select those that are: adata[colnames(from), ]"
    )
  }
  at
}

# Names a reduction "m3" as the element "m3" if there is one, else "X_m3".
under_their_names <- function(elements, there) {
  bare <- sub("^X_", "", names(elements))
  known <- bare %in% there & !names(elements) %in% there
  names(elements)[known] <- bare[known]
  elements
}

with_identities <- function(obs, seurat) {
  ident <- SeuratObject::Idents(seurat)
  known <- vapply(obs, function(v) identical(as.character(v), as.character(ident)), TRUE)
  if (!any(known) && nlevels(ident) > 1) obs$ident <- unname(ident)
  obs
}
