# The mapping arguments of the conversions, in the form of anndataR.

# Returns a mapping as a named vector (or list) `c(target = "source")`. TRUE gives all of `guess`,
# FALSE none of it. A source without a name is its own target.
mapping_of <- function(mapping, guess, what) {
  if (isTRUE(mapping)) return(guess)
  if (identical(mapping, FALSE)) return(guess[0])
  if (length(mapping) == 0) {
    warn("mapping", what, " is empty: nothing is copied; use FALSE to say so")
    return(guess[0])
  }
  if (!is.character(mapping) && !is.list(mapping) && !all(is.na(mapping))) {
    abort("parameter", what, ": expected TRUE, FALSE or c(target = \"source\"), found ", describe(mapping))
  }
  if (is.null(names(mapping))) names(mapping) <- vapply(mapping, function(v) as.character(v)[1], "")
  unnamed <- names(mapping) == "" | is.na(names(mapping))
  names(mapping)[unnamed] <- vapply(mapping[unnamed], function(v) as.character(v)[1], "")
  if (anyDuplicated(names(mapping))) {
    abort("parameter", what, ": target '", names(mapping)[duplicated(names(mapping))][1], "' is named twice")
  }
  mapping
}

by_name <- function(names) setNames(as.list(names), names)

check_sources <- function(mapping, there, what, where) {
  missing <- setdiff(unlist(mapping), c(there, NA))
  if (length(missing)) {
    abort(
      "name", what, ": no ", where, " named ", some_of(missing), "; there ",
      if (length(there)) paste("are", some_of(there, 20)) else "are none"
    )
  }
  mapping
}

# Returns the elements of a list or data.frame that a mapping names.
mapped <- function(items, mapping, what, where) {
  check_sources(mapping, names(items), what, where)
  setNames(lapply(mapping, function(key) items[[key]]), names(mapping))
}

# Returns matrices by target: layers, and X for NA.
matrix_mapping <- function(adata, layers_mapping, x_mapping, x_name, what) {
  mapping <- mapping_of(layers_mapping, by_name(names(adata@layers)), what)
  check_sources(mapping, names(adata@layers), what, "layer")
  if (!is.null(adata@X) && !any(vapply(mapping, is.na, TRUE)) && !identical(x_mapping, FALSE)) {
    if (is.null(x_mapping)) x_mapping <- x_name
    if (!is.character(x_mapping) || length(x_mapping) != 1) {
      abort("parameter", "x_mapping: expected one name, found ", describe(x_mapping))
    }
    if (x_mapping %in% names(mapping)) {
      abort("parameter", "x_mapping: ", what, " has the target '", x_mapping, "' as well: name another")
    }
    mapping <- c(setNames(list(NA), x_mapping), mapping)
  }
  lapply(mapping, function(key) if (is.na(key)) adata@X else adata@layers[[key]])
}

need_package <- function(package, for_what) {
  if (requireNamespace(package, quietly = TRUE)) return(invisible())
  source <- if (grepl("^Seurat", package)) "install.packages(\"" else "BiocManager::install(\""
  abort("state", for_what, " needs the package ", package, ": ", source, package, "\")")
}

# Reads the elements that a mapping names. If one cannot be read, it is an error where the mapping
# names it; otherwise it is left out with a warning.
read_mapped <- function(items, mapping, what, part) {
  chosen <- mapping_of(mapping, by_name(names(items)), what)
  check_sources(chosen, names(items), what, paste("element of", part))
  values <- lapply(chosen, function(key) tryCatch(items[[key]], anndataoom_error = identity))
  failed <- vapply(values, inherits, TRUE, "anndataoom_error")
  if (any(failed)) {
    if (!isTRUE(mapping)) stop(values[failed][[1]])
    said <- paste0("'", names(values)[failed], "' (", vapply(values[failed], conditionMessage, ""), ")", collapse = ", ")
    warn("mapping", part, ": what cannot be read is left out: ", said)
  }
  setNames(values[!failed], names(chosen)[!failed])
}

# Returns the kind of a matrix's values ("counts", "normalised", "logarithms" or "scaled"), from its
# queued transforms, from uns and from the first cells.
state_of <- function(adata, x) {
  ops <- if (is(x, "OOMMatrix")) matrix_info(x)$ops else character()
  if (any(c("scale", "normalize_pearson_residuals", "regress_out") %in% ops)) return("scaled")
  if ("log1p" %in% ops) return("logarithms")
  if ("normalize_total" %in% ops) return("normalised")
  state_of_values(first_values(x), "log1p" %in% names(adata@uns))
}

# Returns the values of the first cells.
first_values <- function(x, cells = 20L) {
  if (any(dim(x) == 0)) return(numeric())
  part <- collect_oom(select_oom(as_oom(x), seq_len(min(nrow(x), cells)), NULL), limit = Inf, named = FALSE)
  as.numeric(if (is_Matrix(part)) part@x else part)
}

# Logarithms of counts are at most 30. Whole numbers are counts, whatever uns says.
state_of_values <- function(values, logged) {
  values <- values[!is.na(values)]
  if (any(values < 0)) return("scaled")
  if (all(values == trunc(values))) return("counts")
  if (logged || all(values <= 30)) "logarithms" else "normalised"
}
