"""docker-compose.yaml holds together: all it names is in the project, in Airflow or in its own file."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.compose.composed import PROJECT_IN_IMAGE, Missing, example, raw, required, services, variables_of_the_file

from pql.orchestration import healthcheck
from pql.pipeline.project import ROOT
from pql.settings import load_settings

SECRETS = {name: f"{name.lower().replace('_', '')}0123456789" for name in required()}
ALL = services(SECRETS, ["celery", "demo"])
OURS = sorted(name for name, service in ALL.items() if "build" in service)
BIN = Path(sys.executable).parent
PORTS = {"postgres": 5432, "redis": 6379, "api-server": 8080, "sandbox": 8090}
LIVING = sorted(name for name, service in ALL.items() if service["restart"] != "no")


def test_profiles_add_what_they_say():
    """Without a profile all of Airflow runs; celery adds Redis and workers, demo the sandbox and its connections."""
    plain = set(services(SECRETS))
    assert plain == {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert set(services(SECRETS, ["celery"])) - plain == {"redis", "worker"}
    assert set(services(SECRETS, ["demo"])) - plain == {"sandbox", "demo-connections"}


@pytest.mark.parametrize("name", required())
def test_it_refuses_to_start_without_a_secret(name):
    """A secret that is not set stops everything, with the page that says how to make it."""
    with pytest.raises(Missing, match=f"{name}: .*docs/how-to/run-with-compose.md"):
        services({**SECRETS, name: ""})


def test_every_variable_is_explained_once():
    """.env.example has the variables the file reads, and no others; the defaults it tells are those that hold."""
    explained = example()
    assert set(explained) - {"COMPOSE_PROFILES"} == variables_of_the_file()
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yaml").read_text()))
    assert {name: explained[name] for name in defaults} == defaults


def test_no_secret_is_in_the_file():
    """Whatever is secret is a required variable or handed on, never a value with or without a default."""
    secret = re.compile(r"PASSWORD|SECRET|_KEY|_CONN|AUTH$|BROKER_URL|LEDGER")
    for service in raw()["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or value is None or ":?" in str(value), name
    assert not re.search(r"://[^$@\s]*:[^$@\s]+@", (ROOT / "docker-compose.yaml").read_text())


def test_airflow_knows_its_settings():
    """Each AIRFLOW__SECTION__OPTION is one that Airflow, or a provider in the lock, describes."""
    from airflow.configuration import conf
    from airflow.executors.executor_loader import ExecutorLoader

    described = conf.configuration_description
    environment = ALL["scheduler"]["environment"]
    for name in (name for name in environment if name.startswith("AIRFLOW__")):
        section, option = name.removeprefix("AIRFLOW__").lower().split("__")
        assert option in described[section]["options"], name
    executors = [ExecutorLoader.executors[name] for name in ("LocalExecutor", "CeleryExecutor")]
    for path in (environment["AIRFLOW__CORE__AUTH_MANAGER"], *executors):
        module, _, name = path.rpartition(".")
        assert f"class {name}(" in _source_of(module)


def test_our_own_settings_are_read():
    """Each PQL_ variable that services get is read by the code; connections are those that the settings name."""
    sources = [*(ROOT / "include" / "pql").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    read = set(re.findall(r"[\"'](PQL_\w+)[\"']", code))
    read |= {f"PQL_{name}_START" for name in re.findall(r"start_date\(\"(\w+)\"", code)}
    given = raw()["services"]["scheduler"]["environment"]
    assert {name for name in given if name.startswith("PQL_")} <= read
    settings = load_settings(ROOT / "include" / "settings.yaml")
    named = {part.connection for part in (*settings.sources.values(), *settings.destinations.values())}
    conns = {name for name in given if name.startswith("AIRFLOW_CONN_")}
    assert conns == {f"AIRFLOW_CONN_{str(name).upper()}" for name in named if name}


def _words(service: dict[str, Any]) -> list[list[str]]:
    """The commands of a service: what it runs and what checks it."""
    check = service.get("healthcheck", {}).get("test", [])
    checks = [check[1].split() if check[0] == "CMD-SHELL" else check[1:]] if check else []
    return [command for command in (service.get("command", []), *checks) if command]


@pytest.mark.parametrize("name", OURS)
def test_commands_exist(name):
    """What a service of our image runs, and what checks it, are programs of the lock with options they have."""
    for words in _words(ALL[name]):
        assert shutil.which(words[0], path=str(BIN)), words
        if words[0] == "airflow":
            _parse_airflow(words[1:])
        elif words[1:2] == ["-m"]:
            options = re.findall(r"add_argument\(\s*\"(--[\w-]+)\"", _source_of(words[2]))
            assert {word for word in words if word.startswith("--")} <= set(options)


def _source_of(module: str) -> str:
    """The text of what `python -m module` runs."""
    spec = find_spec(f"{module}.__main__") if find_spec(module).submodule_search_locations else find_spec(module)
    return Path(spec.origin).read_text()


def _parse_airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(words)  # exits where there is no such command or option


def test_health_checks_name_their_own_part():
    """A part of Airflow is checked under the name that the API server knows it by."""
    asked = {name: _words(ALL[name])[1][3] for name in ("api-server", "scheduler", "dag-processor", "triggerer")}
    assert set(asked.values()) == set(healthcheck.PARTS)
    assert {name.replace("-", "_"): part for name, part in asked.items() if name != "api-server"}.items() <= {
        (part, part) for part in healthcheck.PARTS
    }


def test_volumes_lead_somewhere():
    """Bind mounts exist and lie over their own place in the image; named volumes are declared and used."""
    used = set()
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name, service in ALL.items():
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if not source.startswith("./"):
                used.add(source)
                assert name not in OURS or f" {target}" in dockerfile, "its owner is the image's folder's"
                continue
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro")
            assert not target.startswith(PROJECT_IN_IMAGE) or target == PROJECT_IN_IMAGE + source.removeprefix(".")
    assert used == set(raw()["volumes"])
    lake = ALL["scheduler"]["environment"]["PQL_LAKE"]
    assert f"lake:{lake}" in ALL["scheduler"]["volumes"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_dependencies_can_be_met(name):
    """What a service waits for starts with it, and can become what it waits for."""
    for target, wanted in ALL[name].get("depends_on", {}).items():
        profiles = set(ALL[target].get("profiles", []))
        assert not profiles or profiles >= set(ALL[name].get("profiles", ["always"]))
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in ALL[target]
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert ALL[target]["restart"] == "no"


def test_addresses_are_services_with_that_port():
    """Every host:port in an address is a service and the port it listens on; only two are published, on loopback."""
    text = str([(s.get("environment"), s.get("command"), s.get("healthcheck")) for s in ALL.values()])
    addresses = set(re.findall(r"(?:@|//)([a-z][\w.-]*):(\d+)", text)) - {("localhost", "8080")}
    assert addresses == {(name, str(port)) for name, port in PORTS.items()}
    from airflow.configuration import conf

    assert conf.getint("api", "port") == PORTS["api-server"]
    published = {name: s["ports"] for name, s in ALL.items() if "ports" in s}
    assert published == {"api-server": ["127.0.0.1:8080:8080"], "sandbox": ["127.0.0.1:8090:8090"]}


@pytest.mark.parametrize("name", LIVING)
def test_what_stays_up_is_watched_and_confined(name):
    """It restarts, has a health check and a memory limit, and may gain no rights."""
    service = ALL[name]
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval"} <= set(service["healthcheck"])
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert name in OURS or service["user"] not in ("root", "0")


def test_every_pool_can_be_full_at_once():
    """Airflow runs as many tasks as all pools have slots: none of them waits for an unrelated one."""
    from pql.orchestration.defaults import POOLS

    slots = sum(slots for slots, _ in POOLS.values())
    assert int(ALL["scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"]) >= slots
