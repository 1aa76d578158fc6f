"""Tests buckets of object stores, each with a server of the service on this machine."""

import json
import os
import pickle
import shutil
import threading

import pytest
from anndata.tests.helpers import assert_equal
from remote_files import Cloud, counts

import anndataoom as oom


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
    remote = oom.read(f"s3://cells/a folder/{name}")
    assert_equal(remote.to_adata(), oom.read(folder / name).to_adata())
    assert pickle.loads(pickle.dumps(remote)).X.sum() == counts().X.sum()
    assert remote._file.traffic()[0] > 0


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
    remote = oom.read("s3://cells/a folder/csr.h5ad", storage_options=options)
    assert remote.X.sum() == counts().X.sum()
    oom.explain(remote)
    shown = [repr(remote), str(remote.filename), capsys.readouterr().out]
    assert all("s3cr3t" not in text for text in shown) and b"s3cr3t" not in pickle.dumps(remote)
    assert "region=us-east-1" in str(remote.filename) and bucket.split("/")[-1] in str(remote.filename)
    with pytest.raises(FileNotFoundError, match="not found"):
        oom.read("s3://cells/none.h5ad", storage_options=options)
    with pytest.raises(OSError) as error:
        oom.read("s3://no-such-bucket/x.h5ad", storage_options={**options, "retries": 0})
    assert "s3cr3t" not in str(error.value)


GOOGLE = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
# A key is base64; this one is of no account.
AZURE = {"account_name": "account", "account_key": "c2VjcmV0LW9mLW1pbmU=", "allow_http": True}


@pytest.fixture(params=["gs", "az"])
def cloud(request, folder, tmp_path):
    """Google Cloud Storage or Azure Blob Storage on this machine: the scheme, the options, the server."""
    loose = tmp_path / "loose.zarr"
    shutil.copytree(folder / "v2.zarr", loose)
    (loose / ".zmetadata").unlink()
    for name in ("csr.h5ad", "v3.zarr", "sharded.zarr", "sharded.zarr.zip"):
        (tmp_path / name).symlink_to(folder / name)
    server = Cloud(tmp_path, "google" if request.param == "gs" else "azure")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if request.param == "gs":
        options = {"service_account_key": json.dumps({"gcs_base_url": server.url, **GOOGLE})}
    else:
        options = {"endpoint": f"{server.url}/account", **AZURE}
    yield request.param, {**options, "retries": 0}, server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["csr.h5ad", "v3.zarr", "sharded.zarr", "sharded.zarr.zip", "loose.zarr"])
def test_clouds(name, folder, cloud):
    scheme, options, _ = cloud
    remote = oom.read(f"{scheme}://cells/{name}", storage_options=options)
    assert_equal(remote.to_adata(), oom.read(folder / name.replace("loose", "v2")).to_adata())
    assert all("c2Vjcm" not in text for text in (repr(remote), str(remote.filename)))
    assert b"c2Vjcm" not in pickle.dumps(remote)


def test_what_clouds_have_not_is_told(cloud):
    scheme, options, server = cloud
    with pytest.raises(FileNotFoundError, match="no such bucket or object"):
        oom.read(f"{scheme}://cells/none.h5ad", storage_options=options)
    with pytest.raises(FileNotFoundError, match="no such bucket or object"):
        oom.read(f"{scheme}://none/csr.h5ad", storage_options=options)
    server.set(always="403")
    with pytest.raises(PermissionError, match="permission denied.*storage_options"):
        oom.read(f"{scheme}://cells/csr.h5ad", storage_options=options)


def test_missing_credentials_and_accounts_are_told(server, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_")):
            monkeypatch.delenv(name)
    # A machine of a cloud would answer at another address.
    options = {"metadata_endpoint": server.url, "endpoint": server.url, "allow_http": True}
    with pytest.raises(PermissionError, match="no credentials are given.*AWS_ACCESS_KEY_ID.*skip_signature"):
        oom.read("s3://cells/x.h5ad", storage_options=options)
    with pytest.raises(OSError, match="account is not given: it is account_name in storage_options"):
        oom.read("az://cells/x.h5ad")
