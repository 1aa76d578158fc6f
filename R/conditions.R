# All calls into Rust and all conditions go through this file.

# Calls a wrapper with named arguments, shows its warnings, raises its error as a classed condition
# and returns its value. Handlers may jump out of here: Rust has returned by then.
rs_call <- function(fun, ...) {
  reply <- fun(in_utf8(list(...)))
  for (note in reply$warnings) if (note$class == "note") inform("note", note$message) else warn(note$class, note$message)
  if (identical(reply$error, "cancelled")) interrupt()
  if (!is.null(reply$error)) abort(reply$error, reply$message)
  reply$ok
}

# Runs a long call with the settings from the options and a progress bar named `label`.
rs_work <- function(label, fun, ...) {
  bar <- progress_bar(label)
  on.exit(bar$close())
  rs_call(fun, ..., settings = call_settings(), progress = careful(bar$draw))
}

# Makes text of a file safe to show: characters that move the cursor of a terminal or turn the
# direction of writing become escapes.
printable <- function(x, keep = integer()) {
  unseen <- setdiff(c(1:31, 127:159, 0x200e, 0x200f, 0x202a:0x202e, 0x2066:0x2069), keep)
  vapply(enc2utf8(as.character(x)), function(text) {
    codes <- if (is.na(text) || !validUTF8(text)) integer() else utf8ToInt(text)
    at <- which(codes %in% unseen)
    if (length(at) == 0) return(text)
    shown <- vapply(codes, intToUtf8, "")
    shown[at] <- sprintf(ifelse(codes[at] < 256, "\\x%02x", "\\u%04x"), as.integer(codes[at]))
    paste(shown, collapse = "")
  }, "", USE.NAMES = FALSE)
}

# Raises the error of a kind ("index", "shape", ...). The text is not formatted further.
abort <- function(kind, ...) {
  class <- c(paste0("anndataoom_error_", kind), "anndataoom_error", "error", "condition")
  stop(structure(class = class, list(message = printable(legible(...), 10L), call = NULL)))
}

# Makes the text of a message. Bytes that are no valid text become numbers.
legible <- function(...) {
  text <- enc2utf8(paste0(...))
  if (validUTF8(text)) text else iconv(text, "UTF-8", "UTF-8", sub = "byte")
}

# Raises Ctrl-C as R does: a condition that is no error, so that try() lets it through. Where
# nothing catches it, all calls end.
interrupt <- function() {
  signalCondition(structure(
    class = c("anndataoom_interrupt", "interrupt", "condition"), list(message = "interrupted", call = NULL)
  ))
  cat("\n", file = stderr())
  invokeRestart("abort")
}

warn <- function(kind, ...) {
  class <- c(paste0("anndataoom_warning_", kind), "anndataoom_warning", "warning", "condition")
  warning(structure(class = class, list(message = printable(legible(...), 10L), call = NULL)))
}

# Tells the user of something done without being asked; silent with options(anndataoom.quiet =
# TRUE).
inform <- function(kind, ...) {
  if (isTRUE(setting("quiet"))) return(invisible())
  class <- c(paste0("anndataoom_message_", kind), "anndataoom_message", "message", "condition")
  message(structure(class = class, list(message = printable(legible(..., "\n"), 10L), call = NULL)))
}

# Lists names for messages: "'a', 'b', 'c' and 4 more".
some_of <- function(x, n = 5) {
  shown <- paste0("'", utils::head(x, n), "'", collapse = ", ")
  if (length(x) > n) paste0(shown, " and ", length(x) - n, " more") else shown
}

# Describes an R object for messages.
describe <- function(x) {
  if (is.null(x)) {
    "NULL"
  } else if (is.atomic(x) && length(x) == 1 && is.null(dim(x)) && is.na(x)) {
    "NA"
  } else if (!is.null(dim(x))) {
    paste0(class(x)[1], " of ", paste(dim(x), collapse = " x "))
  } else {
    paste0(class(x)[1], " of length ", length(x))
  }
}
