"""The how-to pages about Docker Compose: each command names services, programs and options that there are."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.compose.composed import required, services

from pql.pipeline.project import ROOT

PAGES = ("run-with-compose.md", "upgrade.md")
ALL = services({name: "x" for name in required()}, ["celery", "demo"])
VERBS = {"up", "ps", "run", "exec", "logs", "stop", "build", "down", "restart", "cp"}
WITH_VALUE = {"--since", "--scale"}
COMMAND = re.compile(r"`?(docker compose [^`#\n<>]+)")


def commands() -> list[str]:
    text = "\n".join((ROOT / "docs" / "how-to" / page).read_text() for page in PAGES)
    return sorted({found.strip() for found in COMMAND.findall(text)})


@pytest.mark.parametrize("command", commands())
def test_docker_commands_name_what_there_is(command):
    """The verb is Compose's, services are in the file, and what runs inside them is a program with that command."""
    words = shlex.split(command)[2:]
    if words[0] == "--profile":
        assert any(words[1] in service.get("profiles", []) for service in ALL.values())
        words = words[2:]
    verb, rest = words[0], words[1:]
    assert verb in VERBS
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in WITH_VALUE else rest[1:]
    if verb in ("run", "exec"):
        _runs_inside(rest[0], rest[1:])
    elif verb == "cp":
        assert {place.partition(":")[0] for place in rest if ":" in place} <= set(ALL)
    else:
        assert set(rest) <= set(ALL)


def _runs_inside(service: str, words: list[str]) -> None:
    assert service in ALL
    if service == "postgres":
        assert words[0] in ("pg_dump", "pg_restore", "psql")
        assert words[words.index("--username") + 1] == ALL[service]["environment"]["POSTGRES_USER"]
    elif words[0] == "airflow":
        from airflow.cli.cli_parser import get_parser

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", ALL[service]["environment"]["AIRFLOW__CORE__AUTH_MANAGER"])
            get_parser().parse_args(words[1:])
    elif words[0] == "pql":
        from tests.docs.test_pages import CLI

        assert words[1] in CLI.commands
    else:
        assert words[0] in ("tar", "find")  # of the image's Debian
        folders = {volume.split(":")[1] for volume in ALL[service]["volumes"]}
        named = {word for word in words if word.startswith("/")}
        assert named
        assert all(any(folder.startswith(word) for folder in folders) for word in named)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that making .env takes."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "make-env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def test_make_env_fills_in_what_is_empty_and_nothing_else(checkout):
    """All secrets are there, none twice, the Fernet key is one, nobody else may read them; again changes nothing."""
    subprocess.run([checkout / "deploy" / "make-env.sh"], check=True, capture_output=True)
    first = (checkout / ".env").read_text()
    made = dict(re.findall(r"^([A-Z_]+)=(.+)$", first, re.M))
    assert set(made) == set(required())
    assert len(set(made.values())) == len(made)
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32
    assert (checkout / ".env").stat().st_mode & 0o077 == 0
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for name, value in made.items() if "FERNET" not in name)

    (checkout / ".env").write_text(first.replace(made["REDIS_PASSWORD"], ""))
    subprocess.run([checkout / "deploy" / "make-env.sh"], check=True, capture_output=True)
    again = dict(re.findall(r"^([A-Z_]+)=(.+)$", (checkout / ".env").read_text(), re.M))
    assert {name for name in made if again[name] != made[name]} == {"REDIS_PASSWORD"}
