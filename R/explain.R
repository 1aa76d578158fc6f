#' Explain the cost of the next verbs
#'
#' Prints the plan of a matrix: what is stored and queued, and what earlier passes left (sums, kept
#' columns, packed rows, an index). For each verb it gives the number of passes over the values, the
#' place they are read from, and the bytes read. `explain()` itself reads no values. Results that
#' passes leave for later ones are kept for the session, not by `saveRDS()`.
#'
#' @param adata An [AnnDataOOM-class] or an [OOMMatrix-class].
#' @param layer Name of the layer to use instead of `X`.
#' @param use_raw Whether to use `raw`.
#' @return A list of class `oom_plan`: `text`, and the data.frame `steps` (`verb`, `passes`, `over`, `columns`, `bytes`).
#' @export
#' @examples
#' adata <- read_h5ad(example_h5ad()) |> calculate_qc_metrics(percent_top = NULL)
#' explain(adata)
explain <- function(adata, layer = NULL, use_raw = FALSE) {
  check_arguments("explain", layer = layer, use_raw = use_raw)
  x <- if (is(adata, "OOMMatrix")) adata else matrix_for(adata, layer, use_raw)
  plan <- rs_call(rs_explain, matrix = pointer_of(x), settings = call_settings())
  steps <- as.data.frame(plan[names(plan) != "text"], stringsAsFactors = FALSE)
  structure(list(text = plan$text, steps = steps), class = "oom_plan")
}

#' @export
print.oom_plan <- function(x, ...) {
  cat(printable(x$text, 10L))
  invisible(x)
}
