twin <- small_twin()

test_that("objects are values", {
  a <- as_object(twin)
  b <- a
  b$obs$score <- 0
  b$uns$deep$a <- 9
  b$obsm$new <- matrix(1, 12, 1)
  b$X <- twin$counts + 1
  expect_identical(a$obs$score, twin$obs$score)
  expect_identical(a$uns$deep$a, 1:3)
  expect_identical(names(a$obsm), "X_pca")
  expect_equal(values(a$X), unname(twin$counts))
  expect_identical(b$uns$deep$a, 9)
  expect_identical(b$uns$title, "twin")
  expect_equal(values(b$X), unname(twin$counts) + 1)
})

test_that("verbs do not change their argument", {
  a <- on_file(twin)
  b <- a |> normalize_total(target_sum = 100) |> log1p()
  expect_equal(values(a$X), unname(twin$counts))
  expect_equal(values(b$X), unname(log1p(twin$counts / rowSums(twin$counts) * 100)), tolerance = 1e-6)
})

test_that("every part can be set and removed", {
  a <- as_object(twin)
  a$obs_names <- paste0("n", 1:12)
  expect_identical(rownames(a$X), paste0("n", 1:12))
  expect_identical(rownames(a$obsm$X_pca), paste0("n", 1:12))
  a$var_names <- letters[1:7]
  expect_identical(colnames(a), letters[1:7])
  a$layers$double <- NULL
  expect_length(a$layers, 0)
  a$obsm <- NULL
  expect_length(a$obsm, 0)
  a[["uns"]] <- list(x = 1)
  expect_identical(a[["uns"]]$x, 1)
  a$X <- NULL
  expect_null(a$X)
  expect_identical(dim(a), c(12L, 7L))
  a$obs <- data.frame(z = 1:12)
  expect_identical(a$obs_names, paste0("n", 1:12))
  a$obs$w <- 12:1
  expect_identical(names(a$obs), c("z", "w"))
})

test_that("what does not fit is refused", {
  a <- as_object(twin)
  a$raw <- a
  x <- on_file(twin)$X
  expect_snapshot({
    cat(error_of(a$X <- t(twin$counts)))
    cat(error_of(a$X <- twin$counts[12:1, ]))
    cat(error_of(a$X <- "text"))
    cat(error_of(a$layers$small <- matrix(1, 2, 2)))
    cat(error_of(a$layers <- list(matrix(1, 12, 7))))
    cat(error_of(a$obs <- 1:12))
    cat(error_of(a$obs <- twin$obs[1:3, ]))
    cat(error_of(a$obs <- twin$obs[12:1, ]))
    cat(error_of(a$obs_names <- 1:3))
    cat(error_of(a$obs_names <- c(NA, 2:12)))
    cat(error_of(a$obsm$X_pca <- matrix(1, 3, 2)))
    cat(error_of(a$obsm$text <- sum))
    cat(error_of(a$obsp$graph <- matrix(1, 12, 3)))
    cat(error_of(a$varm <- matrix(1, 7, 2)))
    cat(error_of(a$uns <- 3))
    cat(error_of(a$uns[["a/b"]] <- 3))
    cat(error_of(a$raw <- 3))
    cat(error_of(a$raw <- a[1:3, ]))
    cat(error_of(a$n_obs <- 3))
    cat(error_of(a$nothing <- 3))
    cat(error_of(a$nothing))
    cat(error_of(a$batch))
    cat(error_of(a$uns[["nothing"]]))
    cat(error_of(dimnames(x) <- list("a", NULL)))
  })
  expect_null(a$uns$nothing)
})

test_that("names that are not unique are made so, with a warning", {
  a <- as_object(twin)
  expect_warning(a$var_names <- rep("g", 7), class = "anndataoom_warning_names")
  expect_identical(a$var_names[1:3], c("g", "g-1", "g-2"))
  x <- matrix(1, 2, 2, dimnames = list(c("c", "c"), NULL))
  expect_warning(b <- AnnDataOOM(x), "repeats get")
  expect_identical(b$obs_names, c("c", "c-1"))
  expect_identical(b$var_names, c("0", "1"))
})
