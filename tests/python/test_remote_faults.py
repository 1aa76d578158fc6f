"""Tests the faults of servers: a request is repeated where that helps, an error is clear, and no wrong
value is ever returned."""

import os
import pickle
import shutil
import signal
import threading
import time

import numpy as np
import pytest
from remote_files import M, N, counts, values

import anndataoom as oom

QUICK = {"retries": 7}


@pytest.mark.parametrize("status", ["500", "503", "reset", "truncate", "wrong", "429"])
@pytest.mark.parametrize("name", ["csr.h5ad", "csc.h5ad", "dense.h5ad", "sharded.zarr", "v2.zarr", "v2.zarr.zip"])
def test_what_passes_changes_nothing(name, status, folder, server):
    if status == "wrong" and name == "v2.zarr":
        pytest.skip("objects are asked for whole")
    # Opening and all values take some ten requests.
    server.set(every=3, status=status)
    try:
        remote = oom.read(f"{server.url}/{name}", storage_options=QUICK)
        found = values(remote)
    except OSError as error:
        # A part that was not requested is an error, never a value.
        assert status == "wrong" and "asked for" in str(error)
        return
    np.testing.assert_array_equal(found, counts().X.toarray())
    assert status == "wrong" or remote._file.traffic()[2] > 0


def test_what_does_not_pass_is_an_error(server):
    remote = oom.read(f"{server.url}/csr.h5ad", storage_options={"retries": 1})
    for status, words in [("500", "500"), ("reset", "2 requests"), ("truncate", "2 requests")]:
        server.set(every=1, status=status)
        with pytest.raises(OSError, match=words):
            remote.X.sum()
    server.reset()
    assert remote.X.sum() == counts().X.sum()
    server.set(always="403")
    with pytest.raises(PermissionError, match="permission denied") as error:
        remote.X.sum()
    assert "secret-of-the-server" not in str(error.value)


def test_slow_answers_are_waited_for_and_stalled_ones_are_not(server):
    server.set(rate=4_000_000, latency=0.01)
    assert oom.read(f"{server.url}/csr.h5ad").X.sum() == counts().X.sum()
    server.reset()
    remote = oom.read(f"{server.url}/csr.h5ad", storage_options={"timeout": 1, "retries": 1})
    server.set(every=1, status="stall", stall=5)
    began = time.monotonic()
    with pytest.raises(OSError, match="no answer in 1 s"):
        remote.X.sum()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["csr.h5ad", "sharded.zarr", "v2.zarr", "v3.zarr", "v2.zarr.zip"])
def test_answers_may_come_without_their_length(name, server):
    server.set(chunked=1)
    np.testing.assert_array_equal(values(oom.read(f"{server.url}/{name}")), counts().X.toarray())


def test_whole_files_for_ranges_are_told_with_and_without_their_length(folder, server):
    for chunked in (0, 1):
        server.set(ranges=0, chunked=chunked)
        with pytest.raises(OSError, match="range requests"):
            oom.read(f"{server.url}/plain.h5ad")
        # A file that is no longer than the first range needs no others.
        (folder / "short.h5ad").write_bytes(b"no data")
        with pytest.raises(OSError, match="signature is missing"):
            oom.read(f"{server.url}/short.h5ad")


def test_a_server_that_never_answers_is_given_up(server):
    """The default is three times 20 seconds."""
    server.set(every=1, status="stall", stall=60)
    began = time.monotonic()
    with pytest.raises(OSError, match="no answer in 1 s, after 3 requests"):
        oom.read(f"{server.url}/csr.h5ad", storage_options={"timeout": 1})
    assert time.monotonic() - began < 20


def test_encryption_where_there_is_none_is_told(server):
    with pytest.raises(OSError, match="without encryption at this port: try http://"):
        oom.read(server.url.replace("http://", "https://") + "/csr.h5ad")


@pytest.mark.parametrize("name", ["csr.h5ad", "csc.h5ad", "sharded.zarr", "v2.zarr", "v2.zarr.zip"])
def test_a_file_that_changed_is_an_error(name, server):
    remote = oom.read(f"{server.url}/{name}")
    server.set(etag="-2")
    with pytest.raises(OSError, match="changed while it was open"):
        remote.X.sum()


def test_a_file_that_is_removed_is_an_error(folder, server):
    shutil.copy(folder / "csr.h5ad", folder / "gone.h5ad")
    shutil.copytree(folder / "sharded.zarr", folder / "gone.zarr")
    file, store = oom.read(f"{server.url}/gone.h5ad"), oom.read(f"{server.url}/gone.zarr")
    os.remove(folder / "gone.h5ad")
    shutil.rmtree(folder / "gone.zarr")
    for remote in (file, store):
        with pytest.raises(OSError, match="not there any more|changed"):
            remote.X.sum()


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
    with pytest.raises(RuntimeError, match="remote, and is not saved into"):
        oom.read(f"{server.url}/csr.h5ad", backed="r+")
    with pytest.raises(OSError, match="Zarr store"):
        oom.read_h5ad(f"{server.url}/v3.zarr")


def test_nothing_is_written_to_a_url(server):
    remote = oom.read(f"{server.url}/csr.h5ad")
    for write in (remote.write_h5ad, remote.write_zarr):
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


def test_options_that_are_refused_are_not_kept(server):
    url = f"{server.url}/csr.h5ad"
    for _ in range(2):
        with pytest.raises(ValueError, match="tiemout"):
            oom.read(url, storage_options={"tiemout": 5})
        assert oom.read(url).shape == (N, M)


def test_a_pickle_of_another_state_is_refused(server):
    saved = pickle.dumps(oom.read(f"{server.url}/csr.h5ad"))
    server.set(etag="-2")
    with pytest.raises(OSError, match="changed since"):
        pickle.loads(saved)


@pytest.fixture
def heeded():
    """SIGINT as at a terminal: a shell that starts a process in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("during", ["open", "pass"])
def test_ctrl_c_ends_the_waiting(during, server, heeded):
    remote = oom.read(f"{server.url}/csr.h5ad")
    server.set(every=1, status="stall", stall=20)
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        oom.read(f"{server.url}/dense.h5ad") if during == "open" else remote.X.sum()
    assert time.monotonic() - began < 4
    server.reset()
    assert remote.X.sum() == counts().X.sum()
