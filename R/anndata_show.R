#' @rdname AnnDataOOM-class
#' @export
setMethod("show", "AnnDataOOM", function(object) {
  cat(sprintf("AnnDataOOM: %s cells x %s genes\n", big(n_obs(object)), big(n_vars(object))))
  if (!is.null(object@file)) cat("  file:", printable(object@file$path), "-", human_bytes(stored_size(object@file)), "\n")
  queued <- NULL
  info <- if (is(object@X, "OOMMatrix")) tryCatch(matrix_info(object@X), anndataoom_error = identity)
  if (inherits(info, "error")) {
    show_wrapped(paste("X cannot be read:", conditionMessage(info)))
  } else if (!is.null(info)) {
    queued <- info$queued
    cat(
      "  X:", substring(describe_values(info), 2, nchar(describe_values(info)) - 1), if (info$in_memory) "(in memory)",
      "\n"
    )
  } else if (!is.null(object@X)) {
    cat("  X:", describe(object@X), "in memory\n")
  } else {
    cat("  no X\n")
  }
  list_names("obs", names(object@obs))
  list_names("var", names(object@var))
  for (part in c("layers", "obsm", "varm", "obsp", "varp", "uns")) list_names(part, names(slot(object, part)))
  if (!is.null(object@raw)) cat("  raw:", paste(dim(object@raw), collapse = " x "), "\n")
  show_queued(queued)
})

big <- function(n) format(n, big.mark = ",", trim = TRUE)

list_names <- function(part, names) {
  if (length(names) == 0) return(invisible())
  show_wrapped(paste0(part, ": ", paste(printable(names), collapse = ", ")), nchar(part) + 4)
}

# Prints lines within the width of the console, the first indented by 2, the others by `exdent`.
# Breaks at spaces.
show_wrapped <- function(text, exdent = 4) {
  parts <- strsplit(text, " ", fixed = TRUE)[[1]]
  line <- " "
  for (part in parts) {
    if (nchar(line, "width") > exdent && nchar(line, "width") + nchar(part, "width") + 1 > getOption("width")) {
      cat(line, "\n", sep = "")
      line <- strrep(" ", exdent - 1)
    }
    line <- paste(line, part)
  }
  cat(line, "\n", sep = "")
}

#' @rdname AnnDataOOM-class
#' @param ... Not used.
#' @details `summary(x)` lists dimensions, storage of every matrix and memory held by R. It reads no
#'   values.
#' @method summary AnnDataOOM
#' @export
summary.AnnDataOOM <- function(object, ...) {
  matrices <- c(
    list(X = object@X), setNames(object@layers, if (length(object@layers)) paste0("layers$", names(object@layers)))
  )
  if (!is.null(object@raw)) matrices <- c(matrices, list(`raw$X` = object@raw@X))
  rows <- lapply(names(matrices), function(name) {
    x <- matrices[[name]]
    if (is.null(x)) return(NULL)
    info <- matrix_info(as_oom(x))
    data.frame(
      matrix = printable(name), rows = nrow(x), columns = ncol(x), format = info$layout, dtype = info$stored_dtype,
      stored_values = if (is.na(info$nnz)) prod(info$stored_dim) else info$nnz, disk = human_bytes(info$disk_bytes),
      queued = length(info$queued)
    )
  })
  structure(
    list(
      dim = dim(object), file = if (!is.null(object@file)) object@file$path, matrices = do.call(rbind, rows),
      memory = as.numeric(
        utils::object.size(object@obs) + utils::object.size(object@var) + utils::object.size(object@obsm)
      )
    ),
    class = "summary_AnnDataOOM"
  )
}

#' @export
print.summary_AnnDataOOM <- function(x, ...) {
  cat(sprintf("AnnDataOOM: %s cells x %s genes\n", big(x$dim[1]), big(x$dim[2])))
  if (!is.null(x$file)) cat("file:", printable(x$file), "\n")
  if (!is.null(x$matrices)) print(x$matrices, row.names = FALSE)
  cat("obs, var and obsm in memory:", human_bytes(x$memory), "\n")
  invisible(x)
}

# Returns the bytes of the file when it was opened, or of all files in a folder.
stored_size <- function(file) {
  if (is_url(file$path) || !dir.exists(file$path)) return(file$size)
  sum(file.size(list.files(file$path, recursive = TRUE, all.files = TRUE, full.names = TRUE)))
}
