# Methods and a class for DelayedArray, made when that package is loaded, so that it need not be
# installed.

# The environment of these methods: the namespace is sealed by that time.
bioc <- new.env()
bioc$.packageName <- "anndataoom"

# Returns the function from the first of `packages` that exports it, else NULL.
exported <- function(name, packages) {
  for (package in packages) {
    if (requireNamespace(package, quietly = TRUE) && name %in% getNamespaceExports(package)) {
      return(getExportedValue(package, name))
    }
  }
  NULL
}

# Finds the generics that read sparse values, by the class that each returns. DelayedArray < 0.27.2
# has extract_sparse_array(), which returns a SparseArraySeed. Until 0.29.9 that function is called
# OLD_extract_sparse_array(). Since then, extract_sparse_array() of the package SparseArray returns
# a SparseArray.
sparse_readers <- function(find = exported) {
  new <- find("extract_sparse_array", "SparseArray")
  old <- find("OLD_extract_sparse_array", "DelayedArray")
  if (is.null(old) && is.null(new)) old <- find("extract_sparse_array", "DelayedArray")
  readers <- list(SparseArraySeed = old, SparseArray = new)
  readers[!vapply(readers, is.null, TRUE)]
}

register_sparse_reader <- function(generic, class, where = bioc) {
  force(class)
  for (seed in c("OOMMatrix", "OOMMatrixSeed")) {
    methods::setMethod(generic, seed, function(x, index) methods::as(seed_values(x, index), class), where = where)
  }
}

register_delayed_array <- function() {
  if (isTRUE(bioc$registered)) return(invisible())
  bioc$registered <- TRUE
  array_packages <- c("S4Arrays", "DelayedArray")
  define <- function(name, packages, class, method) {
    generic <- exported(name, packages)
    if (!is.null(generic)) methods::setMethod(generic, class, method, where = bioc)
  }
  for (seed in c("OOMMatrix", "OOMMatrixSeed")) {
    define("extract_array", array_packages, seed, seed_array)
    define("is_sparse", array_packages, seed, seed_is_sparse)
    define("chunkdim", array_packages, seed, seed_chunkdim)
    define("type", "BiocGenerics", seed, function(x) "double")
    define("path", "BiocGenerics", seed, seed_path)
  }
  readers <- sparse_readers()
  for (class in names(readers)) register_sparse_reader(readers[[class]], class)

  # A namespace is saved as its name and loaded when it is read. So the class exists before a saved
  # matrix is used, in a fresh session or worker too.
  methods::setClass(
    "OOMDelayedMatrix", contains = "DelayedMatrix", slots = c(home = "environment"),
    prototype = list(home = asNamespace("DelayedArray")), where = bioc
  )
  delayed <- exported("DelayedArray", "DelayedArray")
  methods::setMethod(delayed, "OOMMatrixSeed", new_delayed, where = bioc)
  methods::setMethod(delayed, "OOMMatrix", function(seed) new_delayed(OOMMatrixSeed(seed)), where = bioc)
  define("matrixClass", "DelayedArray", "OOMDelayedMatrix", function(x) "OOMDelayedMatrix")
  methods::setAs("OOMMatrix", "DelayedMatrix", function(from) new_delayed(OOMMatrixSeed(from)), where = bioc)
  methods::setAs("OOMMatrix", "DelayedArray", function(from) new_delayed(OOMMatrixSeed(from)), where = bioc)
  register_delayed_methods()
}

new_delayed <- function(seed) exported("new_DelayedArray", "DelayedArray")(seed, Class = "OOMDelayedMatrix")

# Makes a DelayedMatrix of any matrix of an object: genes x cells if `transposed`, else cells x
# genes.
delayed_of <- function(x, transposed = FALSE) {
  if (!requireNamespace("DelayedArray", quietly = TRUE)) {
    abort(
      "state", "this needs the package DelayedArray: BiocManager::install(\"DelayedArray\"); without it, use ",
      "chunk_apply(), x[i, j], rowSums() and x %*% y, or as(x, \"dgCMatrix\")"
    )
  }
  new_delayed(OOMMatrixSeed(x, transposed))
}
