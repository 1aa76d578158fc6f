draws_progress <- function() isTRUE(getOption("anndataoom.progress", interactive()))

# A bar on the error stream: `draw(fraction)` while it runs, `close()` at the end. Silent unless the option says so.
progress_bar <- function(label) {
  if (!draws_progress()) return(list(draw = NULL, close = function() NULL))
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
