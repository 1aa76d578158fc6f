# Resolves an index of `adata[i, j]` to positions. It takes every form that a matrix takes, but none
# that R would extend silently.
resolve_index <- function(index, n, names, axis) {
  if (is(index, "Rle")) index <- as.vector(index)
  if (is.factor(index)) {
    abort("index", axis, " index is a factor: use as.character() for its labels or as.integer() for its codes")
  }
  if (is.logical(index)) {
    if (length(index) != n) {
      abort("index", axis, " index: expected ", n, " TRUE or FALSE, found ", length(index))
    }
    if (anyNA(index)) {
      abort(
        "index", axis, " index holds NA at position ", which(is.na(index))[1],
        ": use which() or %in% to decide what NA means"
      )
    }
    return(which(index, useNames = FALSE))
  }
  if (is.character(index)) {
    if (is.null(names) && length(index) > 0) abort("name", "this matrix has no ", axis, " names to select by")
    at <- match(index, names)
    if (anyNA(at)) {
      abort(
        "name", "no ", axis, " named ", some_of(unique(index[is.na(at)])), similar_names(index[is.na(at)][1], names)
      )
    }
    return(at)
  }
  if (is.null(index)) return(integer())
  if (!is.numeric(index) || !is.null(dim(index)) && length(dim(index)) > 1) {
    abort("index", axis, " index: expected positions, names or TRUE and FALSE, found ", describe(index))
  }
  if (anyNA(index)) abort("index", axis, " index holds NA at position ", which(is.na(index))[1])
  out <- abs(index) > n
  if (any(out)) abort("index", axis, " index ", index[out][1], " is out of range: there are ", n)
  if (any(index != trunc(index))) {
    abort("index", axis, " index ", index[index != trunc(index)][1], " is not a whole number")
  }
  if (any(index < 0) && any(index > 0)) abort("index", axis, " index mixes positive and negative positions")
  if (any(index < 0)) seq_len(n)[index] else as.integer(index[index != 0])
}

same_letters <- function(name, names) {
  letters_of <- function(x) paste(sort(strsplit(x, "")[[1]]), collapse = "")
  same <- nchar(names) == nchar(name)
  same[same] <- vapply(names[same], letters_of, "") == letters_of(name)
  same
}

# Suggests names, as "; did you mean 'CD3D'?", that differ in case, by a letter, or by two swapped
# letters.
similar_names <- function(name, names) {
  if (is.na(name) || !nzchar(name) || !validUTF8(enc2utf8(name))) return("")
  close <- names[tolower(names) == tolower(name)]
  if (length(close) == 0 && length(names) <= 1e5) {
    close <- agrep(name, names, value = TRUE, max.distance = 1, fixed = TRUE)
    close <- close[abs(nchar(close) - nchar(name)) <= 1]
    if (length(close) == 0) close <- names[which(utils::adist(name, names) == 2 & same_letters(name, names))]
  }
  if (length(close) > 0) paste0("; did you mean ", some_of(close, 3), "?") else ""
}
