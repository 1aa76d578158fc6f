# Converts text for the core, which takes UTF-8 only; strings in R may be in any encoding that they
# declare.

# Returns `x` with all its text (values, names, levels, in lists too) in UTF-8. Text in UTF-8 is not
# copied.
in_utf8 <- function(x) if (is_utf8(x)) x else as_utf8(x)

is_utf8 <- function(x) {
  if (is.character(x)) {
    if (!all(validUTF8(x)) || any(Encoding(x) == "latin1")) return(FALSE)
  } else if (is.list(x)) {
    for (item in unclass(x)) if (!is_utf8(item)) return(FALSE)
  } else if (!is.atomic(x) || is.null(x)) {
    return(TRUE) # pointers, functions, matrices of Matrix
  }
  kept <- attributes(x)
  is.null(kept) || is_utf8(names(kept)) && is_utf8(unname(kept))
}

# Converts text to UTF-8. `what` names the value in the error for text that is not valid.
as_utf8 <- function(x, what = NULL) {
  kept <- attributes(x)
  if (is.character(x)) {
    x <- text_in_utf8(x, what)
  } else if (is.list(x)) {
    x <- lapply(unclass(x), as_utf8, what)
  } else if (!is.atomic(x) || is.null(x)) {
    return(x)
  }
  if (!is.null(kept)) attributes(x) <- setNames(as_utf8(unname(kept), what), text_in_utf8(names(kept)))
  x
}

text_in_utf8 <- function(x, what = NULL) {
  locale <- l10n_info()
  if (locale[["UTF-8"]] || !locale[["Latin-1"]] && !locale[["MBCS"]]) {
    # Text without a declared encoding is UTF-8 or invalid. That holds in the C locale too, which
    # has no letters beyond ASCII. enc2utf8() would write <fc> for a byte that is neither.
    Encoding(x[Encoding(x) == "unknown"]) <- "UTF-8"
  }
  x <- enc2utf8(x)
  bad <- !validUTF8(x)
  if (any(bad)) {
    abort(
      "values", if (!is.null(what)) paste0("'", what, "': "), "text that is not valid in its encoding: ", some_of(iconv(x[bad], "UTF-8", "UTF-8", sub = "byte"), 3),
      "; say which one it is in, with Encoding(x) <- \"latin1\", or convert it with iconv()"
    )
  }
  x
}
