# The common parts of the R tools: timing a step, and the last lines of the report, as JSON.
file <- commandArgs(trailingOnly = TRUE)[[1]]
threads <- as.integer(Sys.getenv("ANNDATAOOM_THREADS", "2"))
options(anndataoom.threads = threads)

# Records the peak resident set in MB since the last step; Linux resets it on request.
peaks <- 0
peak <- function() {
  line <- grep("^VmHWM:", readLines("/proc/self/status"), value = TRUE)
  found <- as.numeric(gsub("[^0-9]", "", line)) / 1024
  peaks <<- max(peaks, found)
  try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
  found
}

step <- function(name, work) {
  started <- proc.time()[["elapsed"]]
  value <- force(work)
  seconds <- proc.time()[["elapsed"]] - started
  cat(sprintf('{"step": "%s", "seconds": %.3f, "peak_mb": %.1f}\n', name, seconds, peak()))
  value
}

report <- function(genes = NULL, variance = NULL) {
  peak()
  fields <- sprintf('"peak_mb": %.1f', peaks)
  if (!is.null(genes)) fields <- c(fields, sprintf('"genes": [%s]', paste0('"', genes, '"', collapse = ", ")))
  if (!is.null(variance)) fields <- c(fields, sprintf('"variance": [%s]', paste(format(variance, digits = 15), collapse = ", ")))
  cat("{", paste(fields, collapse = ", "), "}\n", sep = "")
}
