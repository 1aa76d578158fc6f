"""Lists every way to a file or into memory, for tests that hold for each of them."""

import pickle

import anndata as ad

import anndataoom as oom


def ways(tmp_path):
    """Returns functions that take an AnnData to a file or into memory and return it."""
    out = tmp_path / "out.h5ad"

    def write(a):
        a.write(out)
        return ad.read_h5ad(out)

    def copied(a):
        a.copy(out)
        return ad.read_h5ad(out)

    def concatenated(a):
        # The concatenation of one object keeps all its content, through the tables of concat.
        oom.concat([a], merge="first", uns_merge="first", file=out)
        return ad.read_h5ad(out)

    return {
        "write": write,
        "copy": copied,
        "to_adata": lambda a: a.to_adata(),
        "to_memory": lambda a: a.to_memory(),
        "pickle": lambda a: write(pickle.loads(pickle.dumps(a))),
        "concat": concatenated,
    }


WAYS = ["write", "copy", "to_adata", "to_memory", "pickle", "concat"]
