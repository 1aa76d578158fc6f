"""Graphs and trees of groups of cells."""

from __future__ import annotations

from ._call import check, outcome, verb
from ._convert import from_core
from ._verbs import target_of


def paga(adata, groups=None, *, use_rna_velocity=False, model="v1.2", neighbors_key=None, copy=False):
    """Compares how often two groups are neighbours with chance (`scanpy.tl.paga`, model v1.2).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    groups
        Column of obs with the groups; leiden, else louvain, without it.
    use_rna_velocity
        Not supported.
    model
        Only "v1.2".
    neighbors_key
        Name given to neighbors as key_added.
    copy
        Whether a changed copy is returned and `adata` stays as it is.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `uns["paga"]`, `uns["<groups>_sizes"]`.

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
    >>> oom.tl.paga(adata, "cell_type")
    >>> adata.uns["paga"]["groups"]
    'cell_type'
    """
    check("paga", locals())
    if use_rna_velocity or model != "v1.2":
        found = f"found model={model!r}, use_rna_velocity={use_rna_velocity}"
        raise NotImplementedError(f"only model='v1.2' is supported, without use_rna_velocity; {found}")
    if groups is None:
        groups = next((key for key in ("leiden", "louvain") if key in target_of(adata, False).obs), None)
        if groups is None:
            raise ValueError("groups: obs has no column 'leiden' or 'louvain'; run tl.leiden first, or name another")
    return verb("paga", adata, groups=groups, neighbors_key=neighbors_key, copy=copy)


def dendrogram(
    adata,
    groupby,
    *,
    n_pcs=None,
    use_rep=None,
    var_names=None,
    use_raw=None,
    cor_method="pearson",
    linkage_method="complete",
    optimal_ordering=False,
    key_added=None,
    inplace=True,
):
    """Clusters groups of cells by the correlation of their means (`scanpy.tl.dendrogram`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    groupby
        Column of obs with the groups, or several.
    n_pcs
        Columns of the embedding to use.
    use_rep
        Element of obsm to use; X_pca without it.
    var_names
        Genes to use instead of an embedding.
    use_raw
        Whether var_names are looked up in raw; where there is one, without it.
    cor_method
        Correlation of groups.
    linkage_method
        Distance of clusters of groups.
    optimal_ordering
        Not supported.
    key_added
        Key of uns instead of dendrogram_<groupby>.
    inplace
        Whether results are put into `adata`; else they are returned.

    Returns
    -------
    None, or with `inplace=False` the value for `uns["dendrogram_<groupby>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.pca(adata, n_comps=20)
    >>> oom.tl.dendrogram(adata, "cell_type")
    >>> sorted(adata.uns["dendrogram_cell_type"])[:2]
    ['categories_idx_ordered', 'categories_ordered']
    """
    check("dendrogram", locals())
    if optimal_ordering:
        raise NotImplementedError("optimal_ordering is not supported")
    found = outcome("dendrogram", **locals())
    return found.merge(adata) if inplace else from_core(found.patch["uns"][0][1])
