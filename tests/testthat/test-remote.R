# Tests remote files, with a server on this machine.

# Starts a server for a folder with files. Returns its URL and the connection with which the server
# ends.
serve <- function() {
  python <- Sys.getenv("ANNDATAOOM_PYTHON")
  if (!nzchar(python) || !file.exists(python)) python <- Sys.which("python3")
  script <- file.path("..", "remote", "server.py")
  if (!nzchar(python) || !file.exists(script)) skip("no Python for a server")
  skip_on_os("windows")
  folder <- tempfile("remote")
  dir.create(folder)
  file.copy(example_h5ad(), file.path(folder, "x.h5ad"))
  write_zarr(read_h5ad(example_h5ad()), file.path(folder, "x.zarr"))
  port <- tempfile()
  connection <- pipe(paste(shQuote(python), shQuote(script), shQuote(folder), 300, shQuote(port)), "w")
  for (i in 1:200) {
    if (file.exists(port)) break
    Sys.sleep(0.05)
  }
  list(url = paste0("http://127.0.0.1:", readLines(port)), connection = connection, folder = folder)
}

stop_serving <- function(server) {
  close(server$connection)
  unlink(server$folder, recursive = TRUE)
}

# Sets the server's faults. Returns its counts.
told <- function(url, ...) {
  given <- c(...)
  query <- paste0(names(given), "=", given, collapse = "&")
  con <- url(paste0(url, "/_?", query))
  on.exit(close(con))
  readLines(con, warn = FALSE)
}

# Returns bytes as text, without those that are not printable ASCII.
text_of <- function(x) rawToChar(x[x >= as.raw(32) & x < as.raw(127)])

test_that("values are those of the file, whatever breaks", {
  skip_on_cran()
  server <- serve()
  on.exit(stop_serving(server))
  url <- server$url
  near <- read_h5ad(example_h5ad())
  for (name in c("x.h5ad", "x.zarr")) {
    remote <- read(file.path(url, name))
    expect_equal(remote$obs, near$obs)
    expect_identical(values(remote$X), values(near$X))
    expect_identical(values(remote[5:9, c(3, 1)]$X), values(near[5:9, c(3, 1)]$X))
    for (status in c("500", "reset", "truncate")) {
      told(url, reset = 1, every = 7, status = status)
      expect_identical(values(read(file.path(url, name))$X), values(near$X))
    }
    told(url, reset = 1)
  }
})

test_that("a URL is a location like a path", {
  skip_on_cran()
  server <- serve()
  on.exit(stop_serving(server))
  url <- file.path(server$url, "x.h5ad")
  near <- read_h5ad(example_h5ad())
  remote <- read_h5ad(url)
  expect_identical(remote$filename, url)
  saved <- tempfile(fileext = ".rds")
  saveRDS(remote[1:20, ], saved)
  expect_identical(values(readRDS(saved)$X), values(near[1:20, ]$X))
  both <- concat(list(a = remote, b = near), label = "of", index_unique = "-")
  expect_identical(values(both$X), rbind(values(near$X), values(near$X)))
  here <- tempfile(fileext = ".h5ad")
  write_h5ad(remote, here)
  expect_identical(values(read_h5ad(here)$X), values(near$X))
  expect_match(paste(format(explain(remote)), collapse = "\n"), "remote")
  if (.Platform$OS.type == "unix") {
    forked <- parallel::mclapply(1:2, function(i) sum(values(remote$X)), mc.cores = 2)
    expect_equal(unlist(forked), rep(sum(values(near$X)), 2))
  }
})

test_that("what cannot be had is an error", {
  skip_on_cran()
  server <- serve()
  on.exit(stop_serving(server))
  url <- server$url
  expect_error(read(file.path(url, "none.h5ad")), "not found", class = "anndataoom_error_io")
  expect_error(read_h5ad(file.path(url, "x.h5ad"), mode = "r+"), "is not saved into", class = "anndataoom_error_state")
  remote <- read(file.path(url, "x.h5ad"), storage_options = list(retries = 1))
  told(url, always = 403)
  expect_error(values(remote$X), "permission denied", class = "anndataoom_error_io")
  told(url, reset = 1, etag = "-2")
  expect_error(values(remote$X), "changed while it was open", class = "anndataoom_error_file")
  told(url, reset = 1, every = 1, status = "500")
  expect_error(values(remote$X), "500", class = "anndataoom_error_io")
  # A broken connection is an error; no part of an object is left out.
  expect_error(read(file.path(url, "x.h5ad"), storage_options = list(retries = 0)), class = "anndataoom_error_io")
  told(url, reset = 1)
  expect_error(write_h5ad(remote, "https://me:password@host/x.h5ad"), "nothing is written to URLs")
})

test_that("secrets are neither shown nor kept", {
  skip_on_cran()
  server <- serve()
  on.exit(stop_serving(server))
  url <- file.path(server$url, "x.h5ad")
  remote <- read(paste0(url, "?X-Amz-Signature=s1gnature"), storage_options = c(username = "me", password = "pa55word"))
  saved <- tempfile(fileext = ".rds")
  saveRDS(remote, saved, compress = FALSE)
  shown <- c(capture.output(print(remote)), remote$filename, format(explain(remote)), text_of(readBin(saved, "raw", 1e7)))
  expect_false(any(grepl("s1gnature|pa55word", shown)))
  output <- r_process(c(sprintf("x <- readRDS(%s)", deparse(saved)), "print(dim(as.matrix(x$X)))"))
  expect_match(paste(output, collapse = " "), "signature")
})

test_that("options that are none are errors", {
  expect_snapshot(error = TRUE, {
    read("x.h5ad", storage_options = c(region = "x"))
    read("https://host/x.h5ad", storage_options = c(nonsense = "x"))
    read("https://host/x.h5ad", storage_options = list(timeout = 1:2))
    read("https://host/x.h5ad", storage_options = "x")
    read("ftp://host/x.h5ad")
    read("s3://bucket")
  })
})

test_that("a collection at a URL opens as one, or says how", {
  skip_on_cran()
  server <- serve()
  on.exit(stop_serving(server))
  folder <- file.path(server$folder, "parts.zarr")
  dir.create(folder)
  for (part in c("dataset_0", "dataset_1")) {
    write_zarr(read_h5ad(example_h5ad()), file.path(folder, part))
  }
  head <- '{"zarr_format":3,"node_type":"group","attributes":{"encoding-type":"annbatch-preshuffled"}'
  group <- '"dataset_%d":{"zarr_format":3,"node_type":"group"}'
  parts <- paste(sprintf(group, 0:1), collapse = ",")
  consolidated <- sprintf('"consolidated_metadata":{"kind":"inline","must_understand":false,"metadata":{%s}}', parts)
  writeLines(paste0(head, ",", consolidated, "}"), file.path(folder, "zarr.json"))
  url <- file.path(server$url, "parts.zarr")
  near <- read_h5ad(example_h5ad())
  # The parts share the names of their cells, which is warned of.
  expect_identical(dim(suppressWarnings(read(url))), c(2L * nrow(near), ncol(near)))
  expect_identical(dim(suppressWarnings(AnnDataSet(c(x = url)))), c(2L * nrow(near), ncol(near)))
  expect_error(read_zarr(url), "collection of several objects: open it with read() or AnnDataSet()", fixed = TRUE)
  writeLines(paste0(head, "}"), file.path(folder, "zarr.json"))
  expect_error(read(url), "give AnnDataSet\\(\\) the URLs of its parts", class = "anndataoom_error_file")
  expect_error(read(sub("^http:", "https:", file.path(server$url, "x.h5ad"))), "without encryption at this port")
})
