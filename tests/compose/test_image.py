"""The image: what the Dockerfile copies is there and gets through, what it installs is locked, nobody runs as root."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import version

from pql.pipeline.project import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
LOCK = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", (ROOT / "requirements-server.txt").read_text(), re.M))


def _reaches_the_engine(path: str) -> bool:
    """As .dockerignore says: the last pattern that fits the path, or a folder above it, decides."""
    above = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
    passes = True
    for line in IGNORED:
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = "**/" in line
        candidates = [part.rpartition("/")[2] for part in above] if anywhere else above
        if any(fnmatch(candidate, pattern) for candidate in candidates):
            passes = line.startswith("!")
    return passes


def test_what_is_copied_exists_and_reaches_the_engine():
    """Each source of a COPY is in the project and not ignored."""
    sources = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    assert {"requirements-server.txt", "include", "dags", "plugins"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert _reaches_the_engine(source), source
    assert _reaches_the_engine("include/pql/store/tables.py")


def test_what_is_private_or_big_stays_here():
    """Secrets, ledgers and caches of this machine never get into an image."""
    for path in (
        ".env",
        ".git/config",
        ".demo/ledger.db",
        ".pql/ledger.db",
        "include/definitions/examples/relax/.pql/l",
    ):
        assert not _reaches_the_engine(path), path
    assert not _reaches_the_engine("include/pql/__pycache__/types.cpython-311.pyc")


def test_nobody_runs_as_root():
    """The last word on the user is one without rights, and nothing secret is set for all to read."""
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.M)[-1] == "pql"
    assert "useradd --uid 10001" in DOCKERFILE
    assert not re.search(r"(?i)(password|secret|token|_key)\s*=", DOCKERFILE)


def test_the_lock_has_what_the_services_need():
    """The image installs one lock; the project's dependencies are in it, in the versions that the tests run with."""
    assert re.findall(r"-r (\S+)", DOCKERFILE) == ["requirements-server.txt"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["server"]]
    for name in (re.split(r"[\[<>=~ ]", requirement)[0] for requirement in wanted):
        assert LOCK[name.replace(".", "-")] == version(name), f"{name}: `make lock`, then `make setup`"
    for name in ("requirements.txt", "requirements-dev.txt"):
        other = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", (ROOT / name).read_text(), re.M))
        assert {n: v for n, v in other.items() if n in LOCK} == {n: LOCK[n] for n in other if n in LOCK}, name


def test_the_project_is_where_the_services_look():
    """Airflow finds DAGs and plugins, and the code its own root, at the place the image puts them."""
    root = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.M)
    compose = (ROOT / "docker-compose.yaml").read_text()
    assert root == ["/opt/pql"]
    assert "--editable ." in DOCKERFILE  # so that the code's own root is this folder, not site-packages
    assert {f"{root[0]}/dags", f"{root[0]}/plugins"} <= set(re.findall(r"FOLDER: (\S+)", compose))
