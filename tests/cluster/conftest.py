"""A scheduler with two worker processes, a store that speaks S3, a small cohort and its model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_dim.cli import main
from tests.cli.conftest import cli, write_case, write_cohort

__all__ = ["cli"]

pytest.importorskip("distributed")

SCANS = 4


@pytest.fixture(scope="package")
def s3():
    """A bucket on a server of its own; the environment names it, as a person's would."""
    moto = pytest.importorskip("moto.server")
    import boto3
    import fsspec.config

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    names = {
        "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    fsspec.config.set_conf_env(fsspec.config.conf)
    store = boto3.client("s3", endpoint_url=names["FSSPEC_S3_ENDPOINT_URL"])
    store.create_bucket(Bucket="scans")
    yield store
    server.stop()
    fsspec.config.conf.pop("s3", None)
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


@pytest.fixture(scope="package")
def scheduler(s3):
    """The address of a scheduler on the loopback, with two workers that know the store."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
        memory_limit="1.5GiB",
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


@pytest.fixture(scope="package")
def home(tmp_path_factory) -> Path:
    """A folder with ``data/scans.csv``, four scans with masks, and a run trained for two steps."""
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "data").mkdir()
    training = write_cohort(folder / "data")
    rows = ["image,labels,slices,site,split"]
    for number in range(SCANS):
        write_case(folder / "data", f"s{number}", 10 + number)
        rows.append(f"s{number}.nii.gz,s{number}_mask.nii.gz,,site{number % 2},test")
    (folder / "data" / "scans.csv").write_text("\n".join(rows) + "\n")
    small = folder / "small.toml"
    small.write_text(
        "width = 4\nmin_size = 32\nlabelled_batch = 2\nunlabelled_batch = 2\ncontext = 1\n"
    )
    arguments = ("fit", training, "--out", folder / "run", "--steps", 2, "--config", small)
    assert main([str(argument) for argument in arguments]) == 0
    return folder
