"""Tests remote files: values equal those of the file, and only the needed parts are read."""

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from anndata.tests.helpers import assert_equal
from remote_files import FILES, M, N, counts, values

import anndataoom as oom


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_the_file(name, folder, server):
    remote, near = oom.read(f"{server.url}/{name}"), oom.read(folder / name)
    assert remote.shape == (N, M)
    assert_equal(remote.to_adata(), near.to_adata())
    np.testing.assert_array_equal(values(remote), counts().X.toarray())
    # Sums add up in the order of the file, wherever the file is.
    assert np.array_equal(remote.X.sum(axis=0), near.X.sum(axis=0))
    rows, genes = [5, 2999, 17, 5], ["g3", "g399", "g7"]
    np.testing.assert_array_equal(values(remote[rows, genes]), values(near[rows, genes]))
    oom.pp.normalize_total(remote)
    oom.pp.normalize_total(near)
    np.testing.assert_array_equal(values(remote[:50]), values(near[:50]))


def test_every_element_is_that_of_the_file(folder, server):
    remote, near = oom.read(f"{server.url}/rich.h5ad"), ad.read_h5ad(folder / "rich.h5ad")
    assert_equal(remote.to_adata(), near)


def test_only_what_is_needed_is_fetched(folder, server):
    size = (folder / "csr.h5ad").stat().st_size
    remote = oom.read(f"{server.url}/csr.h5ad")
    opened = dict(server.counts)
    assert opened["requests"] <= 12 and opened["bytes"] < size / 2
    server.reset()
    remote[100:110].to_adata()
    # The limit allows two chunks of 4,096 values for each of two arrays, and a node of each tree.
    assert server.counts["requests"] <= 24 and server.counts["bytes"] < size / 8
    # The first chunks may have come with the start of the file, so a gene in the middle is used.
    remote, whole = oom.read(f"{server.url}/csc.h5ad"), (folder / "csc.h5ad").stat().st_size
    server.reset()
    x = np.asarray(remote[:, "g200"].X.sum())
    assert server.counts["requests"] <= 12 and server.counts["bytes"] < whole / 8
    assert x == counts()[:, "g200"].X.sum()
    traffic = remote._file.traffic()
    assert traffic[0] > 0 and traffic[1] > 0


def test_the_chunks_of_a_shard_need_no_look_at_the_store(server):
    remote = oom.read(f"{server.url}/sharded.zarr")
    server.reset()
    assert remote.X.sum() == counts().X.sum()
    # Both arrays have 59 chunks in 4 shards: an index, a look at the store and a range for each.
    assert server.counts["heads"] <= 8 and server.counts["requests"] <= 26


def test_explain_tells_requests_and_bytes(server, capsys):
    oom.explain(oom.read(f"{server.url}/csr.h5ad"))
    text = capsys.readouterr().out
    assert "remote" in text and "requests" in text


def test_no_secret_is_shown_or_kept(server, capsys):
    import base64

    server.set(user="Basic " + base64.b64encode(b"me:pa55word").decode())
    with pytest.raises(PermissionError) as error:
        oom.read(f"{server.url}/csr.h5ad")
    url = server.url.replace("http://", "http://me:pa55word@") + "/csr.h5ad?X-Amz-Signature=s1gnature&download=1"
    remote = oom.read(url)
    assert remote.X.sum() == counts().X.sum()
    oom.explain(remote)
    shown = [repr(remote), str(remote.filename), capsys.readouterr().out, str(error.value), remote._repr_html_()]
    saved = pickle.dumps(remote)
    for secret in ("pa55word", "s1gnature"):
        assert all(secret not in text for text in shown)
        assert secret.encode() not in saved
    assert "download=1" in str(remote.filename)
    # The same process knows the secrets; in another process they must be given again.
    assert pickle.loads(saved).X.sum() == counts().X.sum()
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()).X.sum()"
    other = subprocess.run([sys.executable, "-c", code], input=saved, capture_output=True, timeout=60)
    assert other.returncode and b"signature" in other.stderr and b"read()" in other.stderr
    # The text of the file shows options that are not secret.
    options = {"username": "me", "password": "pa55word", "timeout": 20}
    remote = oom.read(f"{server.url}/csr.h5ad", storage_options=options)
    assert str(remote.filename).endswith("#timeout=20") and b"pa55word" not in pickle.dumps(remote)
    other = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(remote), capture_output=True, timeout=60)
    assert other.returncode and b"storage_options" in other.stderr


def total(url):
    return float(oom.read(url).X.sum())


def total_of(remote):
    return float(remote.X.sum())


@pytest.mark.parametrize("name", ["csr.h5ad", "sharded.zarr"])
def test_a_url_is_a_location_like_a_path(name, folder, server, tmp_path):
    url, expected = f"{server.url}/{name}", float(counts().X.sum())
    remote = oom.read(url)
    assert remote.filename == url
    again = pickle.loads(pickle.dumps(remote[10:, :50]))
    np.testing.assert_array_equal(values(again), values(remote[10:, :50]))
    assert total(Path(url)) == expected
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(total, [url, url]) == [expected] * 2
            assert pool.map(total_of, [remote]) == [expected]
    dask = remote.X.to_dask()
    assert float(dask.compute(scheduler="processes").sum()) == expected
    joined = oom.concat({"a": remote, "b": oom.read(folder / name)}, label="of")
    assert float(joined.X.sum()) == 2 * expected
    assert oom.AnnDataSet({"a": url, "b": folder / name}).shape == (2 * N, M)
    remote.write_h5ad(tmp_path / "here.h5ad")
    assert_equal(oom.read(tmp_path / "here.h5ad").to_adata(), remote.to_adata())
    oom.convert(url, tmp_path / "here.zarr")
    np.testing.assert_array_equal(values(oom.read(tmp_path / "here.zarr")), values(remote))
    # The chunks of a remote store cannot be listed, so they are copied by value.
    remote.write_zarr(tmp_path / "written.zarr")
    assert_equal(oom.read(tmp_path / "written.zarr").to_adata(), remote.to_adata())
    oom.pp.log1p(remote)
    oom.tl.rank_genes_groups(remote, "batch", n_genes=5)
    near = oom.read(folder / name)
    oom.pp.log1p(near)
    oom.tl.rank_genes_groups(near, "batch", n_genes=5)
    assert remote.uns["rank_genes_groups"]["scores"].tolist() == near.uns["rank_genes_groups"]["scores"].tolist()


def test_the_column_index_lies_in_its_folder(server, tmp_path):
    remote = oom.read(f"{server.url}/csr.h5ad")
    remote.X.index_columns(tmp_path)
    server.reset()
    assert float(remote[:, "g7"].X.sum()) == float(counts()[:, "g7"].X.sum())
    assert server.counts["bytes"] == 0


def test_parts_are_kept_in_a_folder(folder, server, tmp_path):
    cache, expected = tmp_path / "cache", counts().X.sum()
    oom.settings.cache = str(cache)
    try:
        assert oom.read(f"{server.url}/csr.h5ad").X.sum() == expected
        server.reset()
        remote = oom.read(f"{server.url}/csr.h5ad")
        assert remote.X.sum() == expected
        # The state is requested together with the start of the file; the rest is in the cache.
        assert server.counts["requests"] <= 2 and remote._file.traffic()[3] > 0
        parts = [path for path in cache.rglob("*") if path.is_file()]
        assert parts
        for path in parts:
            damaged = bytearray(path.read_bytes())
            damaged[len(damaged) // 2] ^= 1
            path.write_bytes(damaged)
        assert oom.read(f"{server.url}/csr.h5ad").X.sum() == expected
        server.set(etag="-2")
        assert oom.read(f"{server.url}/csr.h5ad").X.sum() == expected
        oom.settings.cache_limit = 1 << 20
        for name in FILES[:5]:
            oom.read(f"{server.url}/{name}").X.sum()
        assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) <= 1 << 20
    finally:
        oom.settings.cache, oom.settings.cache_limit = None, 10 << 30


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def test_nginx(folder, tmp_path):
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tmp_path.chmod(0o755)
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX.format(folder=tmp_path, port=port, root=folder) + ("" if os.getuid() else "user root;\n"))
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(conf)], stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
        for name in FILES:
            remote = oom.read(f"http://127.0.0.1:{port}/{name}")
            np.testing.assert_array_equal(values(remote), counts().X.toarray())
        with pytest.raises(FileNotFoundError, match="not found"):
            oom.read(f"http://127.0.0.1:{port}/none.h5ad")
        shutil.copy(folder / "csr.h5ad", folder / "changes.h5ad")
        remote = oom.read(f"http://127.0.0.1:{port}/changes.h5ad")
        os.utime(folder / "changes.h5ad", (1, 1))
        with pytest.raises(OSError, match="changed while it was open"):
            remote.X.sum()
    finally:
        process.terminate()
        process.wait(20)


def test_collections_are_opened_as_one(server, folder):
    collection = folder / "parts.zarr"
    for part in ("dataset_0", "dataset_1"):
        shutil.copytree(folder / "v3.zarr", collection / part, dirs_exist_ok=True)
    names = ", ".join(
        f'"{part}": {json.dumps({"zarr_format": 3, "node_type": "group"})}' for part in ("dataset_0", "dataset_1")
    )
    consolidated = f'"consolidated_metadata": {{"kind": "inline", "must_understand": false, "metadata": {{{names}}}}}'
    attributes = '{"encoding-type": "annbatch-preshuffled"}'
    metadata = f'{{"zarr_format": 3, "node_type": "group", "attributes": {attributes}'
    (collection / "zarr.json").write_text(f"{metadata}, {consolidated}}}")
    url = f"{server.url}/parts.zarr"
    for whole in (oom.read(url, storage_options={"timeout": 10}), oom.AnnDataSet(url)):
        assert whole.shape == (2 * N, M)
        np.testing.assert_array_equal(values(whole[N:]), counts().X.toarray())
    with pytest.raises(KeyError, match=r"collection of several objects: open it with read\(\) or AnnDataSet\(\)"):
        oom.read_zarr(url)
    # Without the list of its parts it is opened part by part.
    (collection / "zarr.json").write_text(metadata + "}")
    for opened in (oom.read, oom.AnnDataSet):
        with pytest.raises(OSError, match="collection of several objects.*give AnnDataSet"):
            opened(url)
    one = oom.AnnDataSet([f"{url}/dataset_0"])
    assert one.shape == (N, M)


def test_a_kept_copy_has_the_name_of_the_file(server, tmp_path):
    path = oom.read(f"{server.url}/csr.h5ad?download=1").pack(tmp_path)
    assert Path(path).name.startswith("csr.X.") and path.endswith(".packed")
