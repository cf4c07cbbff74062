"""A lake in S3-compatible storage, reached with the variables that .env names: the line runs there too."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import fsspec
import pytest
import requests
from moto.server import ThreadedMotoServer
from tests.compose.composed import required, services
from tests.flow.conftest import DAY, T0, Story, days_before

NIGHT = T0 + 5 * DAY


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3 of our own, with one bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    requests.put(f"http://{host}:{port}/my-bucket", timeout=10).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def lake(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the lake is, with the environment a container gets from such a .env."""
    written = {
        "PQL_LAKE": "s3://my-bucket/pql",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": s3,
    }
    given = services({**dict.fromkeys(required(), "x"), **written})["scheduler"]["environment"]
    for name in written:
        monkeypatch.setenv(name, given[name])
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    return str(given["PQL_LAKE"])


def test_the_line_runs_on_s3(story: Story, lake: str) -> None:
    """SEM-D1: silent baseline, one announcement, a rerun that changes nothing; all files are in the bucket."""
    story.paths = story.paths.model_copy(update={"lake": lake})
    story.happens("known", *days_before(T0, 3, 2, 1))
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    for _ in range(2):
        story.run("nightly", NIGHT)
        story.deliver()
    assert story.told() == ["ada"]
    assert not (story.folder / "lake").exists()
    files = fsspec.filesystem("s3").find("my-bucket/pql")
    assert {path.split("/")[2] for path in files} >= {"lake.json", "events", "usage_daily", "scores"}
