skip_if_not_installed("Seurat")
suppressPackageStartupMessages(library(SeuratObject))

twin <- small_twin()
seurat4 <- packageVersion("SeuratObject") < "5.0.0"

# Returns a layer, or a slot, of the default assay.
layer_of <- function(s, name) {
  if (seurat4) SeuratObject::GetAssayData(s, slot = name) else LayerData(s, layer = name)
}

pipeline_object <- function() {
  adata <- suppressMessages(calculate_qc_metrics(read_h5ad(example_h5ad()), qc_vars = "mt"))
  adata$layers$counts <- adata$X
  adata <- adata |> highly_variable_genes(n_top_genes = 300, flavor = "pearson_residuals") |>
    normalize_total(target_sum = 1e4) |> log1p() |> pca(n_comps = 15) |> neighbors() |> umap(maxiter = 50)
  adata$raw <- adata
  leiden(adata)
}

test_that("every part goes to a Seurat object and comes back", {
  a <- pipeline_object()
  s <- as_Seurat(a)
  expect_true(validObject(s))
  expect_equal(dim(s), rev(dim(a)))
  expect_equal(as.matrix(layer_of(s, "counts")), t(as.matrix(a$layers$counts)))
  expect_equal(as.matrix(layer_of(s, "data")), t(as.matrix(a$X)))
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
  expect_identical(VariableFeatures(s), a$var_names[order(a$var$highly_variable_rank)][1:300])
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
  expect_identical(names(b$obs), names(a$obs))
  expect_identical(names(b$var), names(a$var))
  expect_setequal(names(b$obsm), names(a$obsm))
  expect_setequal(names(b$uns), names(a$uns))
  expect_equal(as(a, "Seurat")[["RNA"]], s[["RNA"]])
})

test_that("Seurat works on it, and its results come back", {
  skip_on_cran()
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
  a <- as_object(twin)
  a$var_names <- c("A_1", "A-1", "B|2", "c", "d", "e", "f")
  a$layers <- NULL
  s <- as_Seurat(a)
  expect_identical(Key(s[["RNA"]]), "rna_")
  expect_identical(rownames(s), c("A-1", "A-1.1", "B-2", "c", "d", "e", "f"))
  expect_identical(as_AnnDataOOM(s)$var_names, a$var_names)
})

test_that("markers are those of an object Seurat normalised itself", {
  skip_if_not_installed("Seurat")
  a <- read_h5ad(example_h5ad())[1:300, ]
  a$layers$counts <- a$X
  a <- log1p(normalize_total(a, target_sum = 1e4))
  group <- rep(c("a", "b"), length.out = 300)
  own <- suppressWarnings(SeuratObject::CreateSeuratObject(as(t(as.matrix(a$layers$counts)), "CsparseMatrix")))
  own <- Seurat::NormalizeData(own, verbose = FALSE)
  changes <- lapply(list(as_Seurat(a), own), function(s) {
    SeuratObject::Idents(s) <- group
    Seurat::FoldChange(s, ident.1 = "a")
  })
  expect_equal(changes[[1]], changes[[2]], tolerance = 1e-5)
  # With another base of the logarithm they are not the data that Seurat expects.
  b <- a
  b$X <- NULL
  b$X <- b$layers$counts
  expect_length(as_Seurat(log1p(b, base = 2))@commands, 0)
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
  expect_equal(as.matrix(layer_of(s, "data")), 2 * t(twin$counts))
  expect_identical(Key(s[["p"]]), "PP_")
  expect_true("b" %in% names(s[[]]) && !"score" %in% names(s[[]]))
  expect_identical(Misc(s, "title"), "twin")
  expect_null(Misc(s, "deep"))
  z <- as_Seurat(scale(log1p(a)), layers_mapping = c(counts = "double"))
  expect_equal(unname(layer_of(z, "scale.data")), t(values(scale(log1p(a))$X)), ignore_attr = TRUE)
  expect_snapshot({
    cat(error_of(as_Seurat(a, layers_mapping = c(counts = "nothing"))))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, graph_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(s, assay_name = "RNA")))
    cat(error_of(as_AnnDataOOM(s, layers_mapping = "nothing")))
    cat(error_of(as_AnnDataOOM(s, obsm_mapping = "nothing")))
    cat(error_of(import_results(a, s, assay_name = "RNA")))
    cat(error_of(import_results(a, s[, 1:3])))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, in_memory = NA)))
    cat(error_of(as_Seurat(a, layers_mapping = FALSE, in_memory = FALSE)))
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
  s <- suppressWarnings(CreateSeuratObject(as(t(twin$counts), "CsparseMatrix")))
  a <- as_AnnDataOOM(s, path = tempfile(fileext = ".h5ad"))
  expect_equal(values(a$X), unname(twin$counts))
  expect_length(a$layers, 0)
  expect_identical(a$obs_names, rownames(twin$counts))
})

test_that("'data' holds logarithms, never scaled values", {
  a <- as_object(twin)
  a$layers <- NULL
  a <- log1p(normalize_total(a, target_sum = 100))
  logged <- t(as.matrix(a$X))
  a$raw <- a
  z <- scale(a[, 6:3], max_value = 2)
  s <- as_Seurat(z)
  expect_equal(as.matrix(layer_of(s, "data")), logged[6:3, ])
  expect_equal(as.matrix(layer_of(s, "scale.data")), t(as.matrix(z$X)))
  b <- as_AnnDataOOM(s)
  expect_length(b$layers, 0)
  expect_equal(values(b$X), values(z$X))
  expect_equal(values(b$raw$X), values(z$raw$X))
  # Counts in raw are counts; scaled values in a file are recognised by their values.
  z$raw <- as_object(twin)
  file <- tempfile(fileext = ".h5ad")
  write_h5ad(z, file)
  s <- as_Seurat(read_h5ad(file))
  expect_equal(as.matrix(layer_of(s, "counts")), t(twin$counts[, 6:3]))
  expect_equal(unname(layer_of(s, "scale.data")), t(values(z$X)))
  z$raw <- NULL
  expect_warning(s <- as_Seurat(z), "'data'", class = "anndataoom_warning_mapping")
  data <- if (seurat4) layer_of(s, "data") else layer_of(s, "scale.data")[0, ]
  expect_true(all(data == 0))
  expect_equal(values(suppressWarnings(as_AnnDataOOM(s))$X), values(z$X))
})

test_that("everything that opens is converted", {
  bare <- as_object(twin)
  bare$obs <- data.frame(row.names = bare$obs_names)
  bare$var <- data.frame(row.names = bare$var_names)
  bare$layers <- NULL
  expect_equal(dim(as_Seurat(bare)), c(7, 12))
  odd <- bare
  odd$varm <- list(PCs = rbind(NA, twin$loadings[-1, 1:2]))
  odd$obsm <- list(X_pca = rbind(NaN, twin$pca[-1, ]), m3 = twin$pca, X_umap = twin$pca, umap = twin$pca, X_ = twin$pca, table = data.frame(u = 1:12), words = data.frame(w = letters[1:12]))
  odd$uns$table <- data.frame(a = 1)
  odd$var_names <- c("", "b", "c_d", "c-d", "e", "f", "g")
  s <- suppressWarnings(as_Seurat(odd))
  expect_true(is.nan(Embeddings(s, "pca")[1, 1]))
  expect_equal(unname(Loadings(s, "pca")), unname(odd$varm$PCs))
  b <- as_AnnDataOOM(s)
  expect_identical(b$var_names, odd$var_names)
  expect_setequal(names(b$obsm), names(odd$obsm))
  for (name in setdiff(names(odd$obsm), c("table", "words"))) expect_equal(unname(b$obsm[[name]]), unname(odd$obsm[[name]]))
  expect_identical(b$obsm$words$w, letters[1:12])
  expect_equal(values(b$varp$links), values(odd$varp$links))
  expect_identical(names(suppressMessages(import_results(odd, s))$obsm), names(odd$obsm))
  expect_identical(names(b$obs), character())
  none <- AnnDataOOM(obs = twin$obs, var = twin$var)
  expect_warning(s <- as_Seurat(none), "no X", class = "anndataoom_warning_mapping")
  expect_equal(dim(s), c(7, 12))
  expect_null(as_AnnDataOOM(s)$X)
  taken <- as_object(twin)
  taken$layers <- list(counts = 2 * twin$counts)
  expect_equal(as.matrix(layer_of(suppressWarnings(as_Seurat(taken)), "counts")), 2 * t(twin$counts))
})

test_that("variable features come and go", {
  a <- as_object(twin)
  a$layers <- NULL
  a$var$highly_variable <- c(TRUE, FALSE, TRUE, NA, TRUE, FALSE, FALSE)
  s <- as_Seurat(a)
  expect_identical(VariableFeatures(s), a$var_names[c(1, 3, 5)])
  expect_identical(as_AnnDataOOM(s)$var$highly_variable, a$var$highly_variable)
  a$var$dispersions_norm <- c(1, 9, 3, 9, 2, 9, 9)
  s <- as_Seurat(a)
  expect_identical(VariableFeatures(s), a$var_names[c(3, 5, 1)])
  VariableFeatures(s) <- a$var_names[c(2, 7)]
  expect_identical(which(as_AnnDataOOM(s)$var$highly_variable), c(2L, 7L))
})

# Stands in for SeuratObject 5 if another version is installed: its functions return their
# arguments.
stand_in_5 <- function() {
  keep <- function(kind) function(...) structure(list(...), class = kind)
  list(
    version = package_version("5.0.0"),
    CreateAssay5Object = keep("StandIn5"),
    `LayerData<-` = function(object, layer, value) {
      object[[layer]] <- value
      object
    },
    Layers = function(object) names(object),
    LayerData = function(object, layer) object[[layer]],
    `VariableFeatures<-` = function(object, value) {
      attr(object, "chosen") <- value
      object
    },
    AddMetaData = function(object, metadata) {
      attr(object, "meta") <- metadata
      object
    },
    CreateSeuratObject = function(counts, assay, meta.data) {
      stopifnot(inherits(counts, "StandIn5"))
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
  s <- anndataoom:::seurat_of(a, stand_in_5(), "RNA", mappings, in_memory = FALSE)
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
  # A matrix that needs at most a quarter of the limit is read.
  small <- anndataoom:::seurat_of(a, stand_in_5(), "RNA", mappings)
  expect_s4_class(small$RNA$data, "dgCMatrix")
  expect_s4_class(small$RNA$double, "dgCMatrix")
  expect_equal(as.matrix(small$RNA$data), t(as.matrix(a$X)))
  expect_message(
    large <- with_options(
      list(anndataoom.max_bytes = 4000), anndataoom:::seurat_of(a, stand_in_5(), "RNA", mappings)
    ),
    "in_memory = TRUE", class = "anndataoom_message_memory"
  )
  expect_s4_class(large$RNA$data, "OOMDelayedMatrix")
  expect_identical(large$RNA$data[seq_len(6), seq_len(12)]@seed@matrix@chain, large$RNA$data@seed@matrix@chain)
  expect_error(
    with_options(list(anndataoom.max_bytes = 300), anndataoom:::seurat_of(a, stand_in_5(), "RNA", mappings, TRUE)),
    "in_memory = FALSE", class = "anndataoom_error_memory"
  )
  # If there are only scaled values, the assay has no data.
  scaled <- scale(a)
  scaled$raw <- scaled$layers <- NULL
  expect_warning(s <- anndataoom:::seurat_of(scaled, stand_in_5(), "RNA", mappings), class = "anndataoom_warning_mapping")
  expect_named(s$RNA, "scale.data")
})

test_that("layers of Seurat 5 are all taken, split ones joined (stand-in)", {
  api <- stand_in_5()
  m <- t(twin$counts)
  genes <- rownames(m)
  cells <- colnames(m)
  taken <- function(layers) {
    found <- anndataoom:::seurat_matrices(structure(layers, class = "StandIn5"), genes, cells, api)
    lapply(found, function(x) if (is(x, "OOMMatrix")) t(values(x)) else values(x))
  }
  sparse <- as(m, "CsparseMatrix")
  expect_identical(taken(list(counts = sparse, data = log1p(sparse))), list(counts = unname(m), data = unname(log1p(m))))
  # The cells are in another order than in the object. One part lacks two genes, which are 0 there.
  parts <- list(
    counts.2 = sparse[, c(9, 1, 5)], counts.a.b = sparse[7:3, c(2:4, 6:8)], counts.1 = m[, 10:12],
    scale.data = m[1:3, ]
  )
  expected <- m
  expected[1:2, c(2:4, 6:8)] <- 0
  expect_warning(found <- taken(parts), "'scale.data'", class = "anndataoom_warning_mapping")
  expect_identical(found, list(counts = unname(expected)))
  # Lazy parts.
  lazy <- lapply(list(1:5, 6:12), function(at) anndataoom:::delayed_of(AnnDataOOM(twin$counts)$X, transposed = TRUE)[, at])
  expect_identical(taken(list(data.x = lazy[[2]], data.y = lazy[[1]])), list(data = unname(m)))
  # The same cells twice, or not all of them, cannot be joined.
  expect_warning(expect_length(taken(list(counts.1 = sparse, counts.2 = sparse[, 1:2])), 1), "counts.2")
  expect_warning(expect_length(taken(list(counts.1 = sparse[, 1:3], counts.2 = sparse[, 3:12])), 0), "counts.1")
})

test_that("layers of Seurat 5 come in", {
  skip_if(seurat4, "a test of SeuratObject 5")
  a <- pipeline_object()
  for (in_memory in c(TRUE, FALSE)) {
    s <- as_Seurat(a, in_memory = in_memory)
    expect_identical(is(LayerData(s, layer = "data"), "OOMDelayedMatrix"), !in_memory)
    b <- as_AnnDataOOM(s)
    expect_equal(values(b$X), values(a$X))
    expect_equal(values(b$layers$counts), values(a$layers$counts))
    expect_equal(values(b$raw$X), values(a$raw$X))
    if (!in_memory) expect_identical(b@X@chain, a@X@chain)
  }
  s <- as_Seurat(a, raw_mapping = FALSE)
  s[["RNA"]] <- split(s[["RNA"]], f = s$batch)
  b <- as_AnnDataOOM(s)
  expect_equal(values(b$X), values(a$X))
  expect_identical(names(b$layers), "counts")
  expect_equal(values(b$layers$counts), values(a$layers$counts))
  suppressWarnings(s[["RNA"]] <- as(JoinLayers(s[["RNA"]]), "Assay"))
  expect_equal(values(as_AnnDataOOM(s)$X), values(a$X))
})
