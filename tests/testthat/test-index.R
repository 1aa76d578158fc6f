twin <- small_twin()
n <- nrow(twin$counts)
m <- ncol(twin$counts)

forms <- list(
  range = 3:7, permuted = c(5, 1, 4), repeated = c(2, 2, 6, 2), negative = -(1:3), all_but_one = -4, zero = c(0, 3),
  none = integer(),
  logical = rep(c(TRUE, FALSE, TRUE), length.out = 7), no_logical = rep(FALSE, 7), double = c(1.0, 7.0)
)

expect_twin <- function(object, i, j) {
  rows <- rownames(twin$counts)[i]
  counts <- twin$counts[i, j, drop = FALSE]
  expect_identical(dim(object), dim(counts))
  expect_equal(values(object$X), unname(counts))
  expect_equal(values(object$layers$double), unname(2 * counts))
  expect_identical(colnames(object), object$var_names)
  expect_equal(unname(object$obsm$X_pca), twin$pca[i, , drop = FALSE])
  expect_equal(unname(object$varm$PCs), twin$loadings[j, , drop = FALSE])
  expect_equal(values(object$obsp$connectivities), values(twin$graph[i, i, drop = FALSE]))
  expect_equal(unname(object$varp$links), twin$gene_graph[j, j, drop = FALSE])
  expect_identical(object$obs$score, twin$obs$score[i])
  expect_identical(object$obs$batch, droplevels(twin$obs$batch[i]))
  expect_identical(object$var$length, twin$var$length[j])
  expect_identical(sub("-[0-9]+$", "", object$obs_names), rows)
}

for (place in c("memory", "file")) {
  adata <- if (place == "memory") as_object(twin) else on_file(twin)
  for (form in names(forms)) {
    test_that(paste("every part follows a", form, "index of an object in", place), {
      index <- forms[[form]]
      genes <- seq_len(m)[index]
      expect_twin(adata[, index], seq_len(n), genes)
      rows <- if (is.logical(index)) which(rep_len(index, n)) else seq_len(n)[index]
      given <- if (is.logical(index)) rep_len(index, n) else index
      expect_twin(adata[given, ], rows, seq_len(m))
      expect_twin(adata[given, index], rows, genes)
    })
  }

  test_that(paste("names select from an object in", place), {
    expect_twin(adata[c("cell9", "cell2"), c("gene7", "MT-1")], c(9, 2), c(7, 1))
  })

  test_that(paste("selections of selections compose in", place), {
    expect_twin(adata[c(9, 3, 3, 1), -1][c(4, 2), c(3, 1)], c(1, 3), (2:m)[c(3, 1)])
    expect_identical(dim(adata[integer(), ]), c(0L, m))
    expect_identical(dim(adata[integer(), ][, 2:3]), c(0L, 2L))
  })

  test_that(paste("raw keeps its genes and follows the cells in", place), {
    adata$raw <- adata
    part <- adata[c(8, 2), 1:2]
    expect_identical(dim(part$raw), c(2L, m))
    expect_equal(values(part$raw$X), unname(twin$counts[c(8, 2), ]))
    expect_identical(rownames(part$raw$var), colnames(twin$counts))
    expect_identical(rownames(part$raw$X), part$obs_names)
  })
}

test_that("repeated cells get unique names", {
  adata <- as_object(twin)
  expect_identical(adata[c(3, 3, 1, 3), ]$obs_names, c("cell3", "cell3-1", "cell1", "cell3-2"))
})

test_that("head, dim and names", {
  adata <- as_object(twin)
  expect_identical(dim(head(adata, 3)), c(3L, m))
  expect_identical(dim(head(adata, -3)), c(n - 3L, m))
  expect_identical(c(nrow(adata), ncol(adata)), c(n, m))
  expect_identical(rownames(adata), rownames(twin$counts))
  expect_identical(length(adata), n)
  expect_true(all(c("X", "obs", "uns", "raw") %in% names(adata)))
  expect_identical(.DollarNames(adata, "^obs"), c("obs", "obsm", "obsp", "obs_names"))
})

test_that("wrong indices say what is wrong", {
  adata <- as_object(twin)
  x <- on_file(twin)$X
  expect_snapshot({
    cat(error_of(adata[1]))
    cat(error_of(adata[c(TRUE, FALSE), ]))
    cat(error_of(adata[rep(NA, 12), ]))
    cat(error_of(adata[c(1, NA), ]))
    cat(error_of(adata[13, ]))
    cat(error_of(adata[-13, ]))
    cat(error_of(adata[1.5, ]))
    cat(error_of(adata[c(-1, 2), ]))
    cat(error_of(adata[factor("cell1"), ]))
    cat(error_of(adata[, c("Gene2", "gene3")]))
    cat(error_of(adata[, c("x%s%n", "it's \"q\"", "a", "b", "c", "d", "e")]))
    cat(error_of(adata[list(1), ]))
    cat(error_of(x[3]))
    cat(error_of(x["no cell", ]))
  })
})
