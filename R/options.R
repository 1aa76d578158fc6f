# Returns the value of an option of this package.
setting <- function(name) getOption(paste0("anndataoom.", name))

# Returns the options that go with every call into the core.
call_settings <- function() {
  names <- c("threads", "memory", "graph_memory", "scratch_limit", "scratch", "cache")
  c(sapply(names, setting, simplify = FALSE), list(cache_limit = getOption("anndataoom.cache_limit", 10 * 1024^3)))
}

max_bytes <- function() {
  value <- getOption("anndataoom.max_bytes", 2 * 1024^3)
  check_arguments("settings", max_bytes = value)
  value
}

#' Settings of anndataoom
#'
#' Lists versions and settings, for a bug report, as `sessionInfo()` does for R.
#'
#' @return A list of class `oom_config`: versions of the package, of its core and of the HDF5
#'   inside; the filters it reads; threads in use and cores of the machine; working memory and the
#'   largest matrix put into memory, in bytes; whether progress is drawn; versions of the suggested
#'   packages that are installed.
#' @export
#' @examples
#' oom_config()
oom_config <- function() {
  config <- c(
    list(version = as.character(utils::packageVersion("anndataoom"))),
    rs_call(rs_config, settings = call_settings())
  )
  config$max_bytes <- max_bytes()
  config$progress <- draws_progress()
  bridges <- c("DelayedArray", "SingleCellExperiment", "SeuratObject", "ggplot2")
  there <- bridges[vapply(bridges, function(p) nzchar(system.file(package = p)), TRUE)]
  config$packages <- vapply(there, function(p) paste(p, utils::packageVersion(p)), "", USE.NAMES = FALSE)
  structure(config, class = "oom_config")
}

#' @export
format.oom_config <- function(x, ...) {
  value <- vapply(x, function(v) paste(format(v, big.mark = ","), collapse = ", "), "")
  bytes <- c("memory", "max_bytes")
  value[bytes] <- vapply(x[bytes], human_bytes, "")
  value[["packages"]] <- paste(x$packages, collapse = ", ")
  value[["filters"]] <- paste(x$filters, collapse = ", ")
  paste0(formatC(paste0(names(value), ":"), width = -12), value)
}

#' @export
print.oom_config <- function(x, ...) {
  cat("anndataoom", format(x), sep = "\n  ")
  cat("\n")
  invisible(x)
}

human_bytes <- function(bytes) {
  if (is.na(bytes)) return("unknown size")
  unit <- max(0, min(floor(log(max(bytes, 1), 1024)), 4))
  value <- bytes / 1024^unit
  paste(
    format(round(value, if (unit == 0 || value >= 100) 0 else 1), big.mark = ","),
    c("B", "KB", "MB", "GB", "TB")[unit + 1]
  )
}
