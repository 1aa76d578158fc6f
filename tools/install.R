# Installs the package from the checkout into the first writable library.
writable <- Filter(function(l) file.access(l, 2) == 0, .libPaths())
lib <- if (length(writable)) writable[[1]] else Sys.getenv("R_LIBS_USER")
dir.create(lib, recursive = TRUE, showWarnings = FALSE)
cat("== building and installing the R package into", lib, "\n")
status <- system2(
  file.path(R.home("bin"), "R"),
  c("CMD", "INSTALL", "--no-multiarch", "--no-staged-install", paste0("--library=", shQuote(lib)), ".")
)
if (status != 0) stop("the installation failed: see the messages above", call. = FALSE)
