.onLoad <- function(libname, pkgname) {
  rs_start(list())
  registerS3method("scale", "AnnDataOOM", scale.AnnDataOOM)
  registerS3method("scale", "default", scale_other)
  registerS3method("scale", "AnnDataOOM", scale_as_base, envir = baseenv())
  registerS3method("log1p", "AnnDataOOM", log1p.AnnDataOOM)
  registerS3method("log1p", "OOMMatrix", log1p.OOMMatrix)
  registerS3method("log1p", "default", log1p_other)
  registerS3method("log1p", "AnnDataOOM", log1p.AnnDataOOM, envir = baseenv())
  registerS3method("log1p", "OOMMatrix", log1p.OOMMatrix, envir = baseenv())
  register_sparse_coercions()
  when_loaded("Matrix", register_matrix_products)
  when_loaded("Matrix", register_pack)
  when_loaded("DelayedArray", register_delayed_array)
  when_loaded("SingleCellExperiment", register_sce)
  when_loaded("SeuratObject", register_seurat)
  setHook(packageEvent("DelayedArray", "attach"), note_scale)
}

note_scale <- function(...) {
  if ("package:anndataoom" %in% search()) {
    packageStartupMessage("scale() is now DelayedArray's: write anndataoom::scale(adata, max_value = 10)")
  }
}

# Calls `register` once `package` is loaded, now or later, so that suggested packages need not be
# loaded here.
when_loaded <- function(package, register) {
  if (isNamespaceLoaded(package)) return(register())
  setHook(packageEvent(package, "onLoad"), function(...) register())
}
