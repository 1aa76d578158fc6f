"""Tests remote files: values equal those of the file, only the needed parts are read, and faults
are handled."""

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from anndata.tests.helpers import assert_equal
from conftest import ROOT, rich
from scipy import sparse

import anndataoom as oom

sys.path.insert(0, str(ROOT / "tests" / "remote"))
from server import Server  # noqa: E402

N, M = 3000, 400


def counts():
    rng = np.random.default_rng(5)
    x = sparse.random(N, M, 0.2, format="csr", random_state=rng, dtype="float32")
    x.data = np.ceil(x.data * 9).astype("float32")
    names = {"obs": [f"c{i}" for i in range(N)], "var": [f"g{j}" for j in range(M)]}
    adata = ad.AnnData(x)
    adata.obs_names, adata.var_names = names["obs"], names["var"]
    adata.obs["batch"] = np.where(np.arange(N) % 3 == 0, "a", "b")
    adata.obsm["X_pca"] = rng.normal(size=(N, 5)).astype("float32")
    return adata


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Makes one matrix in all layouts and formats, in chunks of a few kilobytes."""
    folder = tmp_path_factory.mktemp("remote")
    adata = counts()
    small = {"compression": "gzip", "chunks": 4096}
    adata.write_h5ad(folder / "plain.h5ad")
    oom.convert(folder / "plain.h5ad", folder / "csr.h5ad", **small)
    csc = adata.copy()
    csc.X = csc.X.tocsc()
    csc.write_h5ad(folder / "plain_csc.h5ad")
    oom.convert(folder / "plain_csc.h5ad", folder / "csc.h5ad", **small)
    dense = adata.copy()
    dense.X = dense.X.toarray()
    dense.write_h5ad(folder / "dense.h5ad", compression="gzip")
    adata.write_h5ad(folder / "theirs.h5ad", compression="gzip")
    x = oom.read_h5ad(folder / "csr.h5ad")
    x.write_zarr(folder / "v2.zarr", zarr_format=2, chunks=4096)
    x.write_zarr(folder / "v3.zarr", zarr_format=3, shards=0, chunks=4096)
    x.write_zarr(folder / "sharded.zarr", zarr_format=3, shards=16, chunks=4096)
    for name in ("v2", "sharded"):
        shutil.make_archive(folder / f"{name}.zarr", "zip", folder / f"{name}.zarr")
    rich().write_h5ad(folder / "rich.h5ad")
    return folder


@pytest.fixture
def server(folder):
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


FILES = [
    "plain.h5ad", "csr.h5ad", "csc.h5ad", "dense.h5ad", "theirs.h5ad", "v2.zarr", "v3.zarr", "sharded.zarr",
    "v2.zarr.zip", "sharded.zarr.zip",
]  # fmt: skip
QUICK = {"retries": 7}


def values(adata):
    x = adata.to_adata().X
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_the_file(name, folder, server):
    far, near = oom.read(f"{server.url}/{name}"), oom.read(folder / name)
    assert far.shape == (N, M)
    assert_equal(far.to_adata(), near.to_adata())
    np.testing.assert_array_equal(values(far), counts().X.toarray())
    # Sums add up in the order of the file, wherever the file is.
    assert np.array_equal(far.X.sum(axis=0), near.X.sum(axis=0))
    rows, genes = [5, 2999, 17, 5], ["g3", "g399", "g7"]
    np.testing.assert_array_equal(values(far[rows, genes]), values(near[rows, genes]))
    oom.pp.normalize_total(far)
    oom.pp.normalize_total(near)
    np.testing.assert_array_equal(values(far[:50]), values(near[:50]))


def test_every_element_is_that_of_the_file(folder, server):
    far, near = oom.read(f"{server.url}/rich.h5ad"), ad.read_h5ad(folder / "rich.h5ad")
    assert_equal(far.to_adata(), near)


def test_only_what_is_needed_is_fetched(folder, server):
    size = (folder / "csr.h5ad").stat().st_size
    far = oom.read(f"{server.url}/csr.h5ad")
    opened = dict(server.counts)
    assert opened["requests"] <= 12 and opened["bytes"] < size / 2
    server.reset()
    far[100:110].to_adata()
    # The limit allows two chunks of 4,096 values for each of two arrays, and a node of each tree.
    assert server.counts["requests"] <= 24 and server.counts["bytes"] < size / 8
    # The first chunks may have come with the start of the file, so a gene in the middle is used.
    far, whole = oom.read(f"{server.url}/csc.h5ad"), (folder / "csc.h5ad").stat().st_size
    server.reset()
    x = np.asarray(far[:, "g200"].X.sum())
    assert server.counts["requests"] <= 12 and server.counts["bytes"] < whole / 8
    assert x == counts()[:, "g200"].X.sum()
    traffic = far._file.traffic()
    assert traffic[0] > 0 and traffic[1] > 0


def test_explain_tells_requests_and_bytes(server, capsys):
    oom.explain(oom.read(f"{server.url}/csr.h5ad"))
    text = capsys.readouterr().out
    assert "far away" in text and "requests" in text


@pytest.mark.parametrize("status", ["500", "503", "reset", "truncate", "wrong", "429"])
@pytest.mark.parametrize("name", ["csr.h5ad", "csc.h5ad", "dense.h5ad", "sharded.zarr", "v2.zarr", "v2.zarr.zip"])
def test_what_passes_changes_nothing(name, status, folder, server):
    if status == "wrong" and name == "v2.zarr":
        pytest.skip("objects are asked for whole")
    # Opening and all values take some ten requests.
    server.set(every=3, status=status)
    try:
        far = oom.read(f"{server.url}/{name}", storage_options=QUICK)
        found = values(far)
    except OSError as error:
        # A part that was not requested is an error, never a value.
        assert status == "wrong" and "asked for" in str(error)
        return
    np.testing.assert_array_equal(found, counts().X.toarray())
    assert status == "wrong" or far._file.traffic()[2] > 0


def test_what_does_not_pass_is_an_error(server):
    far = oom.read(f"{server.url}/csr.h5ad", storage_options={"retries": 1})
    for status, words in [("500", "500"), ("reset", "2 requests"), ("truncate", "2 requests")]:
        server.set(every=1, status=status)
        with pytest.raises(OSError, match=words):
            far.X.sum()
    server.reset()
    assert far.X.sum() == counts().X.sum()
    server.set(always="403")
    with pytest.raises(PermissionError, match="permission denied") as error:
        far.X.sum()
    assert "secret-of-the-server" not in str(error.value)


def test_slow_answers_are_waited_for_and_stalled_ones_are_not(server):
    server.set(rate=4_000_000, latency=0.01)
    assert oom.read(f"{server.url}/csr.h5ad").X.sum() == counts().X.sum()
    server.reset()
    far = oom.read(f"{server.url}/csr.h5ad", storage_options={"timeout": 1, "retries": 1})
    server.set(every=1, status="stall", stall=5)
    began = time.monotonic()
    with pytest.raises(OSError, match="no answer in 1 s"):
        far.X.sum()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["csr.h5ad", "csc.h5ad", "sharded.zarr", "v2.zarr", "v2.zarr.zip"])
def test_a_file_that_changed_is_an_error(name, server):
    far = oom.read(f"{server.url}/{name}")
    server.set(etag="-2")
    with pytest.raises(OSError, match="changed while it was open"):
        far.X.sum()


def test_a_file_that_is_removed_is_an_error(folder, server):
    shutil.copy(folder / "csr.h5ad", folder / "gone.h5ad")
    shutil.copytree(folder / "sharded.zarr", folder / "gone.zarr")
    file, store = oom.read(f"{server.url}/gone.h5ad"), oom.read(f"{server.url}/gone.zarr")
    os.remove(folder / "gone.h5ad")
    shutil.rmtree(folder / "gone.zarr")
    for far in (file, store):
        with pytest.raises(OSError, match="not there any more|changed"):
            far.X.sum()


def test_what_cannot_be_opened_is_told(folder, server):
    with pytest.raises(FileNotFoundError, match="not found"):
        oom.read(f"{server.url}/none.h5ad")
    with pytest.raises(FileNotFoundError, match="not found"):
        oom.read(f"{server.url}/none.zarr")
    server.set(always="403")
    with pytest.raises(PermissionError, match="storage_options"):
        oom.read(f"{server.url}/csr.h5ad")
    server.reset()
    server.set(ranges=0)
    with pytest.raises(OSError, match="range requests"):
        oom.read(f"{server.url}/plain.h5ad")
    server.reset()
    (folder / "text.h5ad").write_text("no data")
    with pytest.raises(OSError, match="signature is missing"):
        oom.read(f"{server.url}/text.h5ad")
    (folder / "empty.h5ad").write_bytes(b"")
    with pytest.raises(OSError, match="empty"):
        oom.read(f"{server.url}/empty.h5ad")
    cut = (folder / "plain.h5ad").read_bytes()
    (folder / "cut.h5ad").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(OSError, match="truncated"):
        oom.read(f"{server.url}/cut.h5ad")
    with pytest.raises(OSError, match="port|refused|connection"):
        oom.read("http://127.0.0.1:9/x.h5ad", storage_options={"retries": 0})
    with pytest.raises(ValueError, match="https://, http://, s3://"):
        oom.read("ftp://host/x.h5ad")
    with pytest.raises(RuntimeError, match="far away, and is not saved into"):
        oom.read(f"{server.url}/csr.h5ad", backed="r+")
    with pytest.raises(OSError, match="Zarr store"):
        oom.read_h5ad(f"{server.url}/v3.zarr")


def test_nothing_is_written_to_a_url(server):
    far = oom.read(f"{server.url}/csr.h5ad")
    for write in (far.write_h5ad, far.write_zarr):
        with pytest.raises(OSError, match="nothing is written to URLs"):
            write("https://me:password@host/new.h5ad?sig=secret")
        try:
            write("https://me:password@host/new.h5ad?sig=secret")
        except OSError as error:
            assert "password" not in str(error) and "secret" not in str(error)


def test_options_are_checked(folder, server):
    with pytest.raises(ValueError, match="storage_options"):
        oom.read(folder / "csr.h5ad", storage_options={"region": "x"})
    for wrong in ({"nonsense": 1}, {"timeout": "soon"}):
        with pytest.raises(ValueError, match="storage_options"):
            oom.read(f"{server.url}/csr.h5ad", storage_options=wrong)
    for wrong in ({"timeout": [1]}, {1: "x"}, "timeout=1", 5):
        with pytest.raises(ValueError, match="storage_options must be"):
            oom.read(f"{server.url}/csr.h5ad", storage_options=wrong)
    with pytest.raises(ValueError, match="object_store"):
        oom.read("s3://bucket/x.h5ad", storage_options={"nonsense": "1"})


def test_no_secret_is_shown_or_kept(server, capsys):
    import base64

    server.set(user="Basic " + base64.b64encode(b"me:pa55word").decode())
    with pytest.raises(PermissionError) as error:
        oom.read(f"{server.url}/csr.h5ad")
    url = server.url.replace("http://", "http://me:pa55word@") + "/csr.h5ad?X-Amz-Signature=s1gnature&download=1"
    far = oom.read(url)
    assert far.X.sum() == counts().X.sum()
    oom.explain(far)
    shown = [repr(far), str(far.filename), capsys.readouterr().out, str(error.value), far._repr_html_()]
    saved = pickle.dumps(far)
    for secret in ("pa55word", "s1gnature"):
        assert all(secret not in text for text in shown)
        assert secret.encode() not in saved
    assert "download=1" in str(far.filename)
    # The same process knows the secrets; in another process they must be given again.
    assert pickle.loads(saved).X.sum() == counts().X.sum()
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()).X.sum()"
    other = subprocess.run([sys.executable, "-c", code], input=saved, capture_output=True, timeout=60)
    assert other.returncode and b"signature" in other.stderr and b"read()" in other.stderr
    # The text of the file shows options that are not secret.
    options = {"username": "me", "password": "pa55word", "timeout": 20}
    far = oom.read(f"{server.url}/csr.h5ad", storage_options=options)
    assert str(far.filename).endswith("#timeout=20") and b"pa55word" not in pickle.dumps(far)
    other = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(far), capture_output=True, timeout=60)
    assert other.returncode and b"storage_options" in other.stderr


def total(url):
    return float(oom.read(url).X.sum())


def total_of(far):
    return float(far.X.sum())


@pytest.mark.parametrize("name", ["csr.h5ad", "sharded.zarr"])
def test_a_url_is_a_location_like_a_path(name, folder, server, tmp_path):
    url, expected = f"{server.url}/{name}", float(counts().X.sum())
    far = oom.read(url)
    assert far.filename == url
    again = pickle.loads(pickle.dumps(far[10:, :50]))
    np.testing.assert_array_equal(values(again), values(far[10:, :50]))
    assert total(Path(url)) == expected
    for method in ("spawn", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(total, [url, url]) == [expected] * 2
            assert pool.map(total_of, [far]) == [expected]
    dask = far.X.to_dask()
    assert float(dask.compute(scheduler="processes").sum()) == expected
    joined = oom.concat({"a": far, "b": oom.read(folder / name)}, label="of")
    assert float(joined.X.sum()) == 2 * expected
    assert oom.AnnDataSet({"a": url, "b": folder / name}).shape == (2 * N, M)
    far.write_h5ad(tmp_path / "here.h5ad")
    assert_equal(oom.read(tmp_path / "here.h5ad").to_adata(), far.to_adata())
    oom.convert(url, tmp_path / "here.zarr")
    np.testing.assert_array_equal(values(oom.read(tmp_path / "here.zarr")), values(far))
    # The chunks of a remote store cannot be listed, so they are copied by value.
    far.write_zarr(tmp_path / "written.zarr")
    assert_equal(oom.read(tmp_path / "written.zarr").to_adata(), far.to_adata())
    oom.pp.log1p(far)
    oom.tl.rank_genes_groups(far, "batch", n_genes=5)
    near = oom.read(folder / name)
    oom.pp.log1p(near)
    oom.tl.rank_genes_groups(near, "batch", n_genes=5)
    assert far.uns["rank_genes_groups"]["scores"].tolist() == near.uns["rank_genes_groups"]["scores"].tolist()


def test_a_pickle_of_another_state_is_refused(server):
    saved = pickle.dumps(oom.read(f"{server.url}/csr.h5ad"))
    server.set(etag="-2")
    with pytest.raises(OSError, match="changed since"):
        pickle.loads(saved)


def test_the_column_index_lies_in_its_folder(server, tmp_path):
    far = oom.read(f"{server.url}/csr.h5ad")
    far.X.index_columns(tmp_path)
    server.reset()
    assert float(far[:, "g7"].X.sum()) == float(counts()[:, "g7"].X.sum())
    assert server.counts["bytes"] == 0


def test_parts_are_kept_in_a_folder(folder, server, tmp_path):
    cache, expected = tmp_path / "cache", counts().X.sum()
    oom.settings.cache = str(cache)
    try:
        assert oom.read(f"{server.url}/csr.h5ad").X.sum() == expected
        server.reset()
        far = oom.read(f"{server.url}/csr.h5ad")
        assert far.X.sum() == expected
        # The state is requested together with the start of the file; the rest is in the cache.
        assert server.counts["requests"] <= 2 and far._file.traffic()[3] > 0
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


@pytest.fixture
def heeded():
    """SIGINT as at a terminal: a shell that starts a process in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("during", ["open", "pass"])
def test_ctrl_c_ends_the_waiting(during, server, heeded):
    far = oom.read(f"{server.url}/csr.h5ad")
    server.set(every=1, status="stall", stall=20)
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        oom.read(f"{server.url}/dense.h5ad") if during == "open" else far.X.sum()
    assert time.monotonic() - began < 4
    server.reset()
    assert far.X.sum() == counts().X.sum()


@pytest.fixture(scope="module")
def bucket(folder):
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    import boto3

    s3 = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    host, port = s3.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="s3cr3t"
    )
    client.create_bucket(Bucket="cells")
    for name in ("csr.h5ad", "csc.h5ad", "v2.zarr", "v3.zarr", "sharded.zarr", "sharded.zarr.zip"):
        place = folder / name
        for path in [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]:
            client.upload_file(str(path), "cells", f"a folder/{path.relative_to(folder)}")
    # A bucket can list the metadata, so they need not be consolidated.
    for path in (folder / "v2.zarr").rglob("*"):
        if path.is_file() and path.name != ".zmetadata":
            client.upload_file(str(path), "cells", f"loose.zarr/{path.relative_to(folder / 'v2.zarr')}")
    yield url
    s3.stop()


@pytest.fixture
def credentials(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT", bucket)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")


@pytest.mark.parametrize("name", ["csr.h5ad", "csc.h5ad", "v2.zarr", "v3.zarr", "sharded.zarr", "sharded.zarr.zip"])
def test_buckets(name, folder, credentials):
    far = oom.read(f"s3://cells/a folder/{name}")
    assert_equal(far.to_adata(), oom.read(folder / name).to_adata())
    assert pickle.loads(pickle.dumps(far)).X.sum() == counts().X.sum()
    assert far._file.traffic()[0] > 0


def test_buckets_list_what_is_not_consolidated(folder, credentials):
    assert_equal(oom.read("s3://cells/loose.zarr").to_adata(), oom.read(folder / "v2.zarr").to_adata())


def test_buckets_take_options(folder, bucket, monkeypatch, capsys):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    options = {
        "aws_access_key_id": "key", "aws_secret_access_key": "s3cr3t-of-mine", "region": "us-east-1",
        "endpoint_url": bucket, "allow_http": True,
    }  # fmt: skip
    far = oom.read("s3://cells/a folder/csr.h5ad", storage_options=options)
    assert far.X.sum() == counts().X.sum()
    oom.explain(far)
    shown = [repr(far), str(far.filename), capsys.readouterr().out]
    assert all("s3cr3t" not in text for text in shown) and b"s3cr3t" not in pickle.dumps(far)
    assert "region=us-east-1" in str(far.filename) and bucket.split("/")[-1] in str(far.filename)
    with pytest.raises(FileNotFoundError, match="not found"):
        oom.read("s3://cells/none.h5ad", storage_options=options)
    with pytest.raises(OSError) as error:
        oom.read("s3://no-such-bucket/x.h5ad", storage_options={**options, "retries": 0})
    assert "s3cr3t" not in str(error.value)


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
            far = oom.read(f"http://127.0.0.1:{port}/{name}")
            np.testing.assert_array_equal(values(far), counts().X.toarray())
        with pytest.raises(FileNotFoundError, match="not found"):
            oom.read(f"http://127.0.0.1:{port}/none.h5ad")
        shutil.copy(folder / "csr.h5ad", folder / "changes.h5ad")
        far = oom.read(f"http://127.0.0.1:{port}/changes.h5ad")
        os.utime(folder / "changes.h5ad", (1, 1))
        with pytest.raises(OSError, match="changed while it was open"):
            far.X.sum()
    finally:
        process.terminate()
        process.wait(20)


def test_options_that_are_refused_are_not_kept(server):
    url = f"{server.url}/csr.h5ad"
    for _ in range(2):
        with pytest.raises(ValueError, match="tiemout"):
            oom.read(url, storage_options={"tiemout": 5})
        assert oom.read(url).shape == (N, M)


def test_collections_are_opened_by_their_parts(server, folder):
    collection = folder / "parts.zarr"
    shutil.copytree(folder / "v3.zarr", collection / "dataset_0", dirs_exist_ok=True)
    attributes = '{"encoding-type": "annbatch-preshuffled"}'
    metadata = f'{{"zarr_format": 3, "node_type": "group", "attributes": {attributes}, '
    metadata += '"consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": {}}}'
    (collection / "zarr.json").write_text(metadata)
    for opened in (oom.read, oom.AnnDataSet):
        with pytest.raises(OSError, match="collection of several objects.*give AnnDataSet"):
            opened(f"{server.url}/parts.zarr")
    one = oom.AnnDataSet([f"{server.url}/parts.zarr/dataset_0"])
    assert one.shape == (N, M)
