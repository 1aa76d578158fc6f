"""Principal components, by scanpy's name and parameters."""

from __future__ import annotations

import numpy as np

from .._call import check, verb
from .._verbs import one_of, target_of

__all__ = ["pca"]

_DEFAULT = object()
# The solvers of scanpy, and names that its releases before 1.11 passed on.
_SOLVERS = (None, "auto", "arpack", "covariance_eigh", "randomized", "lobpcg", "full", "tsqr", "jacobi")


def pca(
    adata,
    n_comps=None,
    *,
    layer=None,
    zero_center=True,
    svd_solver=None,
    chunked=False,
    chunk_size=None,
    random_state=0,
    return_info=False,
    mask_var=_DEFAULT,
    use_highly_variable=None,
    dtype="float32",
    key_added=None,
    copy=False,
):
    """Computes principal components (`scanpy.pp.pca`) of a matrix of any size; nothing is random.

    Up to 5,000 genes, the result is exact and takes two passes, one for the products of all pairs
    of genes and one for the projection. For more genes, the components are approximated to a small
    residual in a few dozen passes. Adds obsm `X_pca` (cells x components, float32), varm `PCs`
    (genes x components) and `uns["pca"]`, as scanpy; signs as in scikit-learn.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n_comps
        Number of components; by default 50, or one less than the smaller extent.
    layer
        Layer instead of X.
    zero_center
        Whether genes are centred.
    svd_solver
        One of scanpy's names, which has no effect.
    random_state, chunked, chunk_size, return_info
        Accepted and have no effect (the last one as in scanpy, for annotated data).
    mask_var
        Column of var, or mask, of the genes to use; `highly_variable` where it exists, None for all.
    use_highly_variable
        The older name of `mask_var`: True for "highly_variable", False for all genes.
    dtype
        Dtype of the coordinates.
    key_added
        Key for obsm, varm and uns instead of `X_pca`, `PCs` and `pca`.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obsm["X_pca"]`, `varm["PCs"]`, `uns["pca"]`,
    `obsm["<key_added>"]`, `varm["<key_added>"]`, `uns["<key_added>"]`.

    Raises
    ------
    ValueError
        There are more components than the matrix allows, the mask is empty, or values are not
        finite.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.pp.pca(adata, n_comps=20)
    >>> adata.obsm["X_pca"].shape, adata.varm["PCs"].shape
    ((700, 20), (2000, 20))
    """
    check("pca", locals())
    one_of("svd_solver", svd_solver, _SOLVERS)
    try:
        dtype = np.dtype(dtype)
    except (TypeError, ValueError):
        raise ValueError(f"pca: dtype must be a dtype of numpy, found {dtype!r}") from None
    if dtype.kind != "f":
        raise ValueError(f"pca: dtype must be one of floating-point numbers, found {dtype}")
    if use_highly_variable is not None:
        mask_var = "highly_variable" if use_highly_variable else None
    elif mask_var is _DEFAULT:
        mask_var = "highly_variable" if "highly_variable" in target_of(adata, False).var else None
    changed = verb("pca", **dict(locals(), dtype=None))
    if dtype != np.float32:
        obsm, key = (adata if changed is None else changed).obsm, "X_pca" if key_added is None else key_added
        obsm[key] = obsm[key].astype(dtype)
    return changed
