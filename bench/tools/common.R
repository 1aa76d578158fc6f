# What the R tools share: timing a step, and the last lines of the report, as JSON.
file <- commandArgs(trailingOnly = TRUE)[[1]]
threads <- as.integer(Sys.getenv("ANNDATAOOM_THREADS", "2"))
options(anndataoom.threads = threads)

step <- function(name, work) {
  started <- proc.time()[["elapsed"]]
  value <- force(work)
  cat(sprintf('{"step": "%s", "seconds": %.3f}\n', name, proc.time()[["elapsed"]] - started))
  value
}

report <- function(genes = NULL, variance = NULL) {
  peak <- grep("^VmHWM:", readLines("/proc/self/status"), value = TRUE)
  fields <- sprintf('"peak_mb": %.1f', as.numeric(gsub("[^0-9]", "", peak)) / 1024)
  if (!is.null(genes)) fields <- c(fields, sprintf('"genes": [%s]', paste0('"', genes, '"', collapse = ", ")))
  if (!is.null(variance)) fields <- c(fields, sprintf('"variance": [%s]', paste(format(variance, digits = 15), collapse = ", ")))
  cat("{", paste(fields, collapse = ", "), "}\n", sep = "")
}
