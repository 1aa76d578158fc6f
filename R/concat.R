#' Concatenate objects
#'
#' Joins objects along an axis as `anndata.concat` does. X, layers and raw are stacked lazily: none
#' of their values are read, and every verb works on the whole as on a single file. Names, data
#' frames, embeddings and `uns` are combined in memory.
#'
#' @param adatas A list of `AnnDataOOM` objects; its names are the `keys`.
#' @param axis `"obs"` (or 0) to stack cells, `"var"` (or 1) to join genes of the same cells.
#' @param join `"inner"` keeps entries of the other axis that all objects have, `"outer"` those that
#'   any has.
#' @param merge,uns_merge Rule for elements of the other axis (its data frame, `varm` and `varp`),
#'   and of `uns`: `NULL` keeps none, `"same"` those that all objects have with equal values,
#'   `"unique"` those with only one distinct value, `"first"` the first found, `"only"` those that
#'   only one object has.
#' @param label,keys Name of a new column for the origin of each entry, and its value for each
#'   object.
#' @param index_unique Separator between names and keys, such as `"-"`, which makes names unique;
#'   `NULL` keeps the names.
#' @param fill_value Value for entries that an object does not have; by default 0 in a sparse result
#'   and `NA` in a dense one.
#' @param pairwise Whether `obsp` (`varp` along var) is kept, as blocks on the diagonal.
#' @param file File to write the result to, streamed; the result then reads from it.
#' @return An [AnnDataOOM-class], whose matrices read from the files of its parts.
#' @details Names have to be unique in R: repeated ones get `"-1"`, `"-2"`, ... with a warning, unless `index_unique`
#'   makes them so.
#' @seealso [AnnDataSet()] for many files.
#' @examples
#' adata <- read_h5ad(example_h5ad())
#' parts <- list(a = adata[1:100, ], b = adata[201:250, 1:500])
#' both <- concat(parts, label = "part", index_unique = "-")
#' both
#' table(both$obs$part)
#' @export
concat <- function(
  adatas, axis = "obs", join = "inner", merge = NULL, uns_merge = NULL, label = NULL, keys = NULL,
  index_unique = NULL, fill_value = NULL, pairwise = FALSE, file = NULL
) {
  if (is(adatas, "AnnDataOOM") || !is.list(adatas)) {
    abort("parameter", "adatas: expected a list of AnnDataOOM objects, found ", describe(adatas))
  }
  if (length(adatas) == 0) abort("parameter", "adatas: expected at least one object, found none")
  lapply(adatas, check_adata)
  check_arguments(
    "concat", axis = axis, join = join, merge = merge, uns_merge = uns_merge, label = label, index_unique = index_unique,
    fill_value = fill_value, pairwise = pairwise, file = file
  )
  if (!is.null(fill_value) && is.na(fill_value)) fill_value <- NaN
  along <- if (is.character(axis)) axis else c("obs", "var")[axis + 1]
  across <- setdiff(c("obs", "var"), along)
  inner <- join == "inner"
  if (!is.null(names(adatas)) && !is.null(keys)) abort("parameter", "keys: the list has names already")
  if (is.null(keys)) keys <- if (is.null(names(adatas))) as.character(seq_along(adatas) - 1L) else names(adatas)
  if (length(keys) != length(adatas)) {
    abort("parameter", "keys: expected ", length(adatas), " of them, found ", length(keys))
  }
  keys <- as.character(keys)
  adatas <- unname(adatas)
  frames <- lapply(adatas, slot, along)
  counts <- vapply(frames, nrow_of, 1)
  names_along <- unlist(lapply(frames, row.names))
  if (!is.null(index_unique)) names_along <- paste0(names_along, index_unique, rep(keys, counts))
  names_along <- unique_names(as.character(names_along), along)
  own <- lapply(adatas, function(a) row.names(slot(a, across)))
  names_across <- if (inner) Reduce(intersect, own) else Reduce(union_of, own)
  from <- lapply(own, function(names) if (!identical(names, names_across)) match(names_across, names, nomatch = 0L))

  annotation <- bind_frames(frames, counts, inner)
  if (!is.null(label)) annotation[[label]] <- factor(rep(keys, counts), levels = unique(keys))
  attr(annotation, "row.names") <- names_along
  other <- merge_lists(lapply(seq_along(adatas), function(i) {
    frame <- slot(adatas[[i]], across)
    lapply(frame, function(column) if (is.null(from[[i]])) column else na_rows(column, from[[i]]))
  }), merge, "merge")
  other <- structure(other, names = as.character(names(other)), row.names = names_across, class = "data.frame")
  whole <- if (along == "obs") AnnDataOOM(obs = annotation, var = other) else AnnDataOOM(obs = other, var = annotation)

  stacked <- function(matrices, fill = fill_value) {
    members <- Map(function(x, from, n) {
      if (!is.null(x)) return(list(x = as_oom(drop_names(x)), from = from))
      none <- matrix(FALSE, if (along == "obs") n else 0, if (along == "obs") 0 else n)
      list(x = as_oom(none), from = integer(length(names_across)))
    }, matrices, from, counts)
    stack_oom(along, members, length(names_across), fill)
  }
  with_x <- vapply(adatas, function(a) !is.null(a@X), NA)
  if (any(with_x) && !all(with_x)) {
    abort("state", "some of the objects have X and some have none: remove it, or set it everywhere")
  }
  if (all(with_x)) whole@X <- stacked(lapply(adatas, slot, "X"))
  layers <- lapply(adatas, slot, "layers")
  for (key in joint_keys(layers, inner)) {
    whole@layers[[key]] <- stacked(lapply(layers, `[[`, key), if (!inner) fill_value)
  }

  elements <- function(part) {
    lapply(adatas, function(a) lapply(slot(a, part), resolve))
  }
  whole <- set_part(whole, paste0(along, "m"), bind_elements(elements(paste0(along, "m")), counts, inner, fill_value))
  if (!is.null(merge)) {
    pick <- function(part, square) {
      Map(function(items, from) lapply(items, reindex, from, square, fill_value), elements(part), from)
    }
    whole <- set_part(whole, paste0(across, "m"), merge_lists(pick(paste0(across, "m"), FALSE), merge, "merge"))
    whole <- set_part(whole, paste0(across, "p"), merge_lists(pick(paste0(across, "p"), TRUE), merge, "merge"))
  }
  if (pairwise) {
    whole <- set_part(whole, paste0(along, "p"), bind_diagonal(elements(paste0(along, "p")), counts, inner))
  }
  if (!is.null(uns_merge)) whole <- set_part(whole, "uns", merge_lists(elements("uns"), uns_merge, "uns_merge"))

  raw <- lapply(adatas, slot, "raw")
  with_raw <- !vapply(raw, is.null, NA)
  if (all(with_raw)) {
    ends <- cumsum(counts)
    parts <- Map(function(raw, adata, n, end) {
      obs <- adata@obs[character()]
      if (along == "obs") row.names(obs) <- names_along[seq_len(n) + end - n]
      part <- AnnDataOOM(obs = obs, var = raw@var)
      part@X <- raw@X
      part
    }, raw, adatas, counts, ends)
    both <- concat(parts, axis, join, fill_value = fill_value)
    whole@raw <- methods::new("OOMRaw", X = both@X, var = both@var, varm = list())
  } else if (any(with_raw)) {
    warn("raw", "only some of the objects have raw: it is left out")
  }
  if (is.null(file)) return(whole)
  write_h5ad(whole, file)
  read_h5ad(file)
}

#' Open many files as one object
#'
#' Stacks the cells of all files without reading their matrices. Quality control, highly variable
#' genes (also by `batch_key`), principal components and all other verbs stream from file to file.
#'
#' @param files Paths of files or folders of any kind that [read()] opens, or a list of paths and
#'   `AnnDataOOM` objects. Their names, or else the names of the files and folders, go into the
#'   column `add_key`. A folder with several count matrices, as GEO has them, gives an object for
#'   each, named by the prefix of its files; a collection of annbatch gives an object for each part.
#' @param add_key Name of the column of `obs` for the origin of each cell; `NULL` for none.
#' @param join,index_unique,... See [concat()].
#' @param external See [read_h5ad()]; used for files given by their paths.
#' @return An [AnnDataOOM-class].
#' @examples
#' all <- AnnDataSet(c(one = example_h5ad(), two = example_h5ad()), index_unique = "-")
#' all
#' all <- calculate_qc_metrics(all)
#' tapply(all$obs$total_counts, all$obs$sample, mean)
#' @export
AnnDataSet <- function(files, add_key = "sample", join = "inner", index_unique = NULL, external = "refuse", ...) {
  if (is.character(files)) files <- as.list(files)
  if (!is.list(files) || length(files) == 0) {
    abort("parameter", "files: expected paths of files or folders, found ", describe(files))
  }
  called <- names(files)
  check_unique(called)
  adatas <- unlist(lapply(seq_along(files), function(i) {
    if (is.character(files[[i]])) return(members_at(files[[i]], called[i], external))
    stats::setNames(list(check_adata(files[[i]])), if (is.null(called)) as.character(i - 1L) else called[i])
  }))
  check_unique(names(adatas))
  if (!is.null(add_key)) check_name(add_key, "add_key")
  concat(adatas, join = join, label = add_key, index_unique = index_unique, ...)
}

check_unique <- function(names) {
  twice <- names[duplicated(names)]
  if (length(twice)) abort("name", "files: names are not unique: ", some_of(twice), "; give the list names")
}

# Reads the file or folder at a path and names the object; a folder with several matrices gives an
# object for each.
members_at <- function(path, name, external) {
  check_path(path, "files")
  if (is_url(path)) {
    if (rs_work("opening", rs_content, path = path) != "collection") {
      last <- basename(sub("/+$", "", sub("[?#].*", "", path)))
      return(stats::setNames(list(read(path, external = external)), if (is.null(name)) sub("[.][^.]*$", "", last) else name))
    }
  } else {
    path <- path.expand(path)
    prefixes <- rs_call(rs_prefixes, path = path)
    if (length(prefixes)) {
      called <- paste0(if (!is.null(name)) paste0(name, "_"), sub("[_.-]+$", "", prefixes))
      return(stats::setNames(lapply(prefixes, function(prefix) read_10x_mtx(path, prefix = prefix)), called))
    }
  }
  parts <- rs_call(rs_collection, path = path)
  if (length(parts)) {
    called <- paste0(if (!is.null(name)) paste0(name, "_"), "dataset_", seq_along(parts) - 1L)
    return(stats::setNames(lapply(parts, read, external = external), called))
  }
  if (is.null(name)) {
    name <- basename(normalizePath(path, mustWork = FALSE))
    if (!dir.exists(path)) name <- sub("[.][^.]*$", "", name)
  }
  stats::setNames(list(read(path, external = external)), name)
}
