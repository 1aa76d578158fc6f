skip_if_not_installed("Seurat")
suppressPackageStartupMessages(library(SeuratObject))

twin <- small_twin()
seurat4 <- packageVersion("SeuratObject") < "5.0.0"

pipeline_object <- function() {
  adata <- suppressMessages(qc_metrics(read_h5ad(example_h5ad()), qc_vars = "mt"))
  adata$layers$counts <- adata$X
  adata <- adata |> highly_variable_genes(n_top_genes = 300, flavor = "pearson_residuals") |>
    normalize_total(target_sum = 1e4) |> log1p() |> pca(n_comps = 15) |> neighbors() |> umap(maxiter = 50)
  adata$raw <- adata
  leiden(adata)
}

test_that("every part goes to a Seurat object and comes back", {
  skip_if_not(seurat4, "SeuratObject 5 is tried with a stand-in")
  a <- pipeline_object()
  s <- as_Seurat(a)
  expect_true(validObject(s))
  expect_identical(dim(s), rev(dim(a)))
  expect_equal(as.matrix(GetAssayData(s, "counts")), t(as.matrix(a$layers$counts)))
  expect_equal(as.matrix(GetAssayData(s, "data")), t(as.matrix(a$X)))
  expect_identical(as.character(s$leiden), as.character(a$obs$leiden))
  expect_setequal(names(s), c("RNA", "raw", "pca", "umap", "RNA_connectivities", "RNA_distances"))
  expect_equal(unname(Embeddings(s, "pca")), unname(a$obsm$X_pca))
  expect_identical(Key(s[["pca"]]), "PC_")
  expect_identical(Key(s[["umap"]]), "umap_")
  expect_equal(Stdev(s, "pca"), sqrt(a$uns$pca$variance))
  used <- a$var$highly_variable
  expect_equal(unname(Loadings(s, "pca")), unname(a$varm$PCs[used, ]))
  expect_s4_class(s[["RNA_connectivities"]], "Graph")
  expect_identical(Misc(s, "hvg"), a$uns$hvg)
  b <- suppressWarnings(as_AnnDataOOM(s))
  expect_equal(values(b$X), values(a$X))
  expect_equal(values(b$layers$counts), values(a$layers$counts))
  expect_equal(b$obs[names(a$obs)], a$obs, ignore_attr = TRUE)
  expect_equal(b$var[names(a$var)], a$var, ignore_attr = TRUE)
  expect_equal(unname(b$obsm$X_umap), unname(a$obsm$X_umap))
  expect_equal(unname(b$varm$PCs), unname(a$varm$PCs))
  expect_equal(values(b$obsp$connectivities), values(a$obsp$connectivities))
  expect_equal(values(b$raw$X), values(a$raw$X))
  expect_identical(b$uns$pca$variance, a$uns$pca$variance)
  expect_setequal(names(b$uns), names(a$uns))
  expect_equal(as(a, "Seurat")[["RNA"]], s[["RNA"]])
})

test_that("Seurat works on it, and its results come back", {
  skip_on_cran()
  skip_if_not(seurat4, "SeuratObject 5 is tried with a stand-in")
  a <- pipeline_object()
  quiet <- function(x) suppressWarnings(suppressMessages(x))
  s <- as_Seurat(a)
  s <- quiet(Seurat::FindNeighbors(s, dims = 1:10, verbose = FALSE))
  s <- quiet(Seurat::FindClusters(s, resolution = 0.5, verbose = FALSE))
  expect_gt(nlevels(s$seurat_clusters), 2)
  direct <- quiet(Seurat::FindClusters(s, graph.name = "RNA_connectivities", verbose = FALSE))
  expect_gt(nlevels(direct$seurat_clusters), 2)
  Idents(s) <- "leiden"
  expect_s3_class(quiet(Seurat::DimPlot(s, reduction = "umap")), "ggplot")
  expect_s3_class(quiet(Seurat::FeaturePlot(s, "NKG7", reduction = "umap")), "ggplot")
  markers <- quiet(Seurat::FindMarkers(s, ident.1 = "0", features = rownames(s)[1:50], verbose = FALSE))
  expect_gt(nrow(markers), 0)
  s <- quiet(Seurat::ScaleData(s, verbose = FALSE))
  s <- quiet(Seurat::RunPCA(s, features = a$var_names[a$var$highly_variable], npcs = 10, reduction.name = "again", verbose = FALSE))
  b <- quiet(import_results(a, s))
  expect_identical(as.character(b$obs$seurat_clusters), unname(as.character(s$seurat_clusters)))
  expect_equal(unname(b$obsm$X_again), unname(Embeddings(s, "again")))
  expect_true("snn" %in% names(b$obsp))
  expect_identical(b@X@chain, a@X@chain)
  expect_identical(b$obs$cell_type, a$obs$cell_type)
})

test_that("gene names that Seurat changes come back", {
  skip_if_not(seurat4)
  a <- as_object(twin)
  a$var_names <- c("A_1", "A-1", "B|2", "c", "d", "e", "f")
  a$layers <- NULL
  s <- as_Seurat(a)
  expect_identical(Key(s[["RNA"]]), "rna_")
  expect_identical(rownames(s), c("A-1", "A-1.1", "B-2", "c", "d", "e", "f"))
  expect_identical(as_AnnDataOOM(s)$var_names, a$var_names)
})

test_that("mapping arguments choose and rename", {
  skip_if_not(seurat4)
  a <- on_file(twin)
  expect_warning(as_Seurat(a), "'double'", class = "anndataoom_warning_mapping")
  s <- as_Seurat(
    a, assay_name = "gex", x_mapping = "counts", layers_mapping = c(data = "double"),
    object_metadata_mapping = c(b = "batch"), assay_metadata_mapping = FALSE,
    reduction_mapping = list(p = c(key = "PP_", embeddings = "X_pca")), graph_mapping = FALSE, misc_mapping = "title"
  )
  expect_identical(names(s), c("gex", "p"))
  expect_equal(as.matrix(GetAssayData(s, "data")), 2 * t(twin$counts))
  expect_identical(Key(s[["p"]]), "PP_")
  expect_true("b" %in% names(s[[]]) && !"score" %in% names(s[[]]))
  expect_identical(Misc(s, "title"), "twin")
  expect_null(Misc(s, "deep"))
  z <- as_Seurat(scale(log1p(a)), layers_mapping = c(counts = "double"))
  expect_equal(unname(GetAssayData(z, "scale.data")), t(values(scale(log1p(a))$X)), ignore_attr = TRUE)
  bare <- AnnDataOOM(obs = a$obs, var = a$var)
  expect_snapshot({
    cat(error_of(as_Seurat(a, layers_mapping = c(counts = "nothing"))))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, graph_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(s, assay_name = "RNA")))
    cat(error_of(as_AnnDataOOM(s, layers_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(s, obsm_mapping = "nothing")))
    cat(error_of(import_results(a, s, assay_name = "RNA")))
    cat(error_of(import_results(a, s[, 1:3])))
    cat(error_of(as_Seurat(bare)))
    cat(error_of(suppressWarnings(as_Seurat(a, layers_mapping = c(other = "double"), x_mapping = FALSE))))
    cat(error_of(as_Seurat(a, assay_name = 3)))
    cat(error_of(as_Seurat(a, raw_mapping = 3)))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, x_mapping = c("counts", "data"))))
    cat(error_of(as_Seurat(a, layers_mapping = c(counts = "double"), x_mapping = "counts")))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, object_metadata_mapping = "nothing")))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, assay_metadata_mapping = "nothing")))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, misc_mapping = "nothing")))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, reduction_mapping = 3)))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, reduction_mapping = c(umap = "X_umap"))))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, reduction_mapping = list(p = c(embeddings = "X_pca", loadings = "P")))))
  })
})

test_that("what does not fit in memory is refused, with the way to go on", {
  skip_if_not(seurat4)
  a <- on_file(twin)
  a$layers <- NULL
  expect_snapshot(
    with_options(list(anndataoom.max_bytes = 300), cat(error_of(as_Seurat(a)))),
    transform = function(lines) gsub("'/[^']*'", "'<file>'", lines)
  )
})

test_that("a bare Seurat object comes in", {
  skip_if_not(seurat4)
  s <- suppressWarnings(CreateSeuratObject(as(t(twin$counts), "CsparseMatrix")))
  a <- as_AnnDataOOM(s, path = tempfile(fileext = ".h5ad"))
  expect_equal(values(a$X), unname(twin$counts))
  expect_length(a$layers, 0)
  expect_identical(a$obs_names, rownames(twin$counts))
})

# SeuratObject 5 is not in Debian 12: a stand-in of the functions called, that keeps what it is given.
stand_in_5 <- function() {
  keep <- function(kind) function(...) structure(list(...), class = kind)
  list(
    version = package_version("5.0.0"),
    CreateAssay5Object = keep("Assay5"),
    `LayerData<-` = function(object, layer, value) {
      object[[layer]] <- value
      object
    },
    AddMetaData = function(object, metadata) {
      attr(object, "meta") <- metadata
      object
    },
    CreateSeuratObject = function(counts, assay, meta.data) {
      stopifnot(inherits(counts, "Assay5"))
      structure(list(meta.data = meta.data) |> c(setNames(list(counts), assay)), class = "Seurat5")
    },
    CreateDimReducObject = keep("DimReduc"),
    as.Graph = function(x) list(graph = x),
    `DefaultAssay<-` = function(object, value) c(object, assay = value),
    `Key<-` = function(object, value) {
      attr(object, "key") <- value
      object
    },
    `Misc<-` = function(object, slot, value) {
      object$misc[[slot]] <- value
      object
    }
  )
}

test_that("with SeuratObject 5 matrices stay on disk (stand-in)", {
  skip_if_not_installed("DelayedArray")
  a <- on_file(twin) |> normalize_total() |> log1p()
  a$raw <- a
  a <- a[, 7:2]
  a$uns$pca <- list(variance = c(4, 1))
  mappings <- list(X = NULL, layers = TRUE, obs = TRUE, var = TRUE, obsm = TRUE, obsp = TRUE, uns = TRUE, raw = TRUE)
  s <- anndataoom:::seurat_of(a, stand_in_5(), "RNA", mappings)
  expect_named(s$RNA, c("data", "double"))
  expect_s4_class(s$RNA$data, "OOMDelayedMatrix")
  expect_equal(as.matrix(s$RNA$data), t(as.matrix(a$X)))
  expect_equal(as.matrix(s$RNA$double), t(as.matrix(a$layers$double)))
  expect_identical(dim(s$raw$data), c(7L, 12L))
  expect_identical(attr(s$RNA, "meta")$length, a$var$length)
  expect_identical(s$meta.data$batch, a$obs$batch)
  expect_identical(s$pca$stdev, c(2, 1))
  expect_identical(s$pca$key, "PC_")
  expect_equal(values(s$RNA_connectivities$graph), values(a$obsp$connectivities))
  expect_identical(s$misc$anndataoom$X, "data")
})
