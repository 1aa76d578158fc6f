draws_progress <- function() isTRUE(getOption("anndataoom.progress", interactive()))

# Makes `draw(fraction)`, called while a long call runs, and `close()`, called at its end: a bar of
# the package cli with the time left, or a plain one without cli. They do nothing unless the option
# asks for progress.
progress_bar <- function(label) {
  if (!draws_progress()) return(list(draw = NULL, close = function() NULL))
  if (requireNamespace("cli", quietly = TRUE)) cli_bar(label) else plain_bar(label)
}

# Wraps `draw` for Rust, where R must not jump: returns NULL, the text of its error, or FALSE after
# a Ctrl-C.
careful <- function(draw) {
  if (is.null(draw)) return(NULL)
  function(fraction) {
    tryCatch(
      {
        draw(fraction)
        NULL
      },
      error = conditionMessage,
      interrupt = function(e) FALSE
    )
  }
}

cli_bar <- function(label) {
  id <- NULL
  home <- environment()
  draw <- function(fraction) {
    if (is.null(id)) {
      id <<- cli::cli_progress_bar(
        total = 1000, format = paste0(escape_braces(label), " {cli::pb_bar} {cli::pb_percent} {cli::pb_eta_str}"),
        # A verb of several passes goes from the end to the start again, where cli would have closed
        # the bar.
        auto_terminate = FALSE, .auto_close = FALSE, .envir = home
      )
    }
    cli::cli_progress_update(set = round(1000 * fraction), id = id, .envir = home)
    invisible()
  }
  close <- function() if (!is.null(id)) cli::cli_progress_done(id = id, .envir = home)
  list(draw = draw, close = close)
}

escape_braces <- function(text) gsub("}", "}}", gsub("{", "{{", text, fixed = TRUE), fixed = TRUE)

plain_bar <- function(label) {
  started <- proc.time()[["elapsed"]]
  width <- 0
  terminal <- isatty(stderr()) || interactive()
  draw <- function(fraction) {
    if (!terminal) return(invisible())
    elapsed <- proc.time()[["elapsed"]] - started
    done <- round(24 * fraction)
    left <- if (fraction > 0.02) paste0(", ", human_seconds(elapsed / fraction - elapsed), " left") else ""
    line <- sprintf("  %s [%s%s] %3.0f %%%s", label, strrep("=", done), strrep(" ", 24 - done), 100 * fraction, left)
    width <<- max(width, nchar(line))
    cat("\r", formatC(line, width = -width), sep = "", file = stderr())
    invisible()
  }
  close <- function() if (width > 0) cat("\r", strrep(" ", width), "\r", sep = "", file = stderr())
  list(draw = draw, close = close)
}

human_seconds <- function(s) {
  if (s < 90) sprintf("%.0f s", s) else if (s < 5400) sprintf("%.0f min", s / 60) else sprintf("%.1f h", s / 3600)
}
