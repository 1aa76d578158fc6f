"""Cells laid out: UMAP, diffusion map and pseudotime, densities."""

from __future__ import annotations

import warnings

from ._call import check, verb
from ._verbs import one_of, target_of


def umap(
    adata,
    *,
    min_dist=0.5,
    spread=1.0,
    n_components=2,
    maxiter=None,
    alpha=1.0,
    gamma=1.0,
    negative_sample_rate=5,
    init_pos="spectral",
    random_state=0,
    a=None,
    b=None,
    method="umap",
    key_added=None,
    neighbors_key="neighbors",
    copy=False,
    parallel=True,
):
    """Computes a UMAP of the neighbour graph (`scanpy.tl.umap`), with the same result for any
    number of threads.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    min_dist
        Least distance of points, up to spread.
    spread
        Scale of the embedding.
    n_components
        Dimensions of the embedding.
    maxiter
        Epochs; 500 up to 10,000 cells and 200 above without it.
    alpha
        Initial learning rate.
    gamma
        Weight of negative samples.
    negative_sample_rate
        Negative samples per positive one.
    init_pos
        "spectral", "pca" (the first columns of `obsm["X_pca"]`), "random", a key of obsm, or an array of positions.
    random_state
        Seed of every random number.
    a
        Parameter of the curve, from min_dist and spread without it.
    b
        See a.
    method
        Only "umap".
    key_added
        Key in obsm and uns instead of X_umap and umap.
    neighbors_key
        Name given to neighbors as key_added.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    parallel
        Whether all points move at once, on all threads; else edges move one after the other, as in
        umap-learn.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obsm["X_umap"]`, `uns["umap"]`,
    `obsm["<key_added>"]`, `uns["<key_added>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.umap(adata)
    >>> adata.obsm["X_umap"].shape
    (700, 2)
    """
    one_of("method", method, ["umap"])
    return verb("umap", **locals())


def diffmap(adata, n_comps=15, *, neighbors_key=None, random_state=0, copy=False):
    """Computes a diffusion map of the neighbour graph (`scanpy.tl.diffmap`); the first component is
    the stationary state.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n_comps
        Components, the stationary state counted.
    neighbors_key
        Name given to neighbors as key_added.
    random_state
        Seed of every random number.
    copy
        Whether a changed copy is returned and `adata` stays as it is.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obsm["X_diffmap"]`, `uns["diffmap_evals"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.diffmap(adata)
    >>> adata.obsm["X_diffmap"].shape
    (700, 15)
    """
    return verb("diffmap", **locals())


def dpt(
    adata,
    n_dcs=10,
    *,
    n_branchings=0,
    min_group_size=0.01,
    allow_kendall_tau_shift=True,
    neighbors_key=None,
    copy=False,
):
    """Computes diffusion pseudotime from the cell `uns["iroot"]` (`scanpy.tl.dpt`, without
    branchings).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n_dcs
        Diffusion components to use.
    n_branchings
        Only 0: paga finds branchings.
    min_group_size
        Accepted and has no effect.
    allow_kendall_tau_shift
        Accepted and has no effect.
    neighbors_key
        Name given to neighbors as key_added.
    copy
        Whether a changed copy is returned and `adata` stays as it is.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["dpt_pseudotime"]`, `uns["iroot"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.diffmap(adata)
    >>> adata.uns["iroot"] = 0
    >>> oom.tl.dpt(adata)
    >>> float(adata.obs["dpt_pseudotime"].iloc[0])
    0.0
    """
    check("dpt", locals())
    if n_branchings:
        raise NotImplementedError("only n_branchings=0 is supported: paga finds branchings")
    adata = target_of(adata, copy)
    if "iroot" not in adata.uns:
        raise KeyError("uns has no element 'iroot': set adata.uns['iroot'] to the number of the root cell")
    if "X_diffmap" not in adata.obsm:
        warnings.warn("dpt: runs diffmap first, with its defaults", stacklevel=2)
        diffmap(adata, neighbors_key=neighbors_key)
    verb("dpt", adata, n_dcs=n_dcs, neighbors_key=neighbors_key)
    return adata if copy else None


def embedding_density(adata, basis="umap", *, groupby=None, key_added=None, components=None):
    """Estimates the density of cells at each cell of an embedding, from 0 to 1
    (`scanpy.tl.embedding_density`).

    It is a Gaussian kernel estimate, as `scipy.stats.gaussian_kde`; terms that add up to less than
    1e-11 are left out. Time grows with the square of the number of cells.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    basis
        Element of obsm, with or without "X_".
    groupby
        Column of obs with groups: the density of each group is estimated by itself, so that
        densities do not compare between groups.
    key_added
        Name of the column of obs for the result, instead of `<basis>_density` or
        `<basis>_density_<groupby>`.
    components
        Two components, counted from 1, as numbers or as "1,2".

    Returns
    -------
    None. Sets `obs["<basis>_density"]`, or the column that `groupby` and `key_added` name, and
    `uns["<column>_params"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.pp.neighbors(adata)
    >>> oom.tl.umap(adata)
    >>> oom.tl.embedding_density(adata, groupby="batch")
    >>> float(adata.obs["umap_density_batch"].max())
    1.0
    """
    return verb("embedding_density", **locals())
