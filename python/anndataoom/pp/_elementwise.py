"""Functions of each value, recorded without a pass; zeros stay zeros."""

from __future__ import annotations

from .._call import verb

__all__ = ["arcsinh", "log1p", "sqrt", "square"]


def log1p(adata, *, base=None, copy=False, chunked=None, chunk_size=None, layer=None, obsm=None):
    """Takes `ln(1 + x)` (`scanpy.pp.log1p`), computed when values are read.

    Values come as float32, or as float64 for float64 input. `uns["log1p"]["base"]` notes the base.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    base
        Base of the logarithm; natural by default.
    copy
        Whether a changed copy is returned.
    chunked, chunk_size
        Accepted and have no effect.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`, `uns["log1p"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.log1p(adata)
    >>> adata.uns["log1p"]
    {'base': None}
    """
    return verb("log1p", **locals())


def sqrt(adata, *, copy=False, chunked=False, chunk_size=None, layer=None, obsm=None):
    """Takes square roots (`scanpy.pp.sqrt`), computed when values are read; those of counts have
    nearly equal variances.

    Values come as float32, or as float64 for float64 input; negative values give NaN, as in numpy.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    copy
        Whether a changed copy is returned.
    chunked, chunk_size
        Accepted and have no effect.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> total = adata.X.sum()
    >>> oom.pp.sqrt(adata)
    >>> bool(adata.X.sum() < total)
    True
    """
    return verb("sqrt", **locals())


def square(adata, *, copy=False, layer=None, obsm=None):
    """Takes squares, computed when values are read.

    Values come as float32, or as float64 for float64 input.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    copy
        Whether a changed copy is returned.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.square(adata)
    >>> str(adata.X.dtype)
    'float32'
    """
    return verb("square", **locals())


def arcsinh(adata, *, cofactor=5.0, copy=False, layer=None, obsm=None):
    """Takes `arcsinh(x / cofactor)`, computed when values are read; usual for counts of antibodies.

    Values well below the cofactor stay proportional, values above it become logarithmic. Results
    are float32, or float64 for float64 input.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    cofactor
        A number above 0.
    copy
        Whether a changed copy is returned.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `X`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.arcsinh(adata, cofactor=5)
    >>> str(adata.X.dtype)
    'float32'
    """
    return verb("arcsinh", **locals())
