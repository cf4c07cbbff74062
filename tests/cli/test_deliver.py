"""`pql deliver`: what could not go out is said with the reason, and where to look further."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.cli.test_cli import home, loaded  # noqa: F401  # fixtures
from tests.conftest import Answer, Loopback

Pql = Callable[..., Said]


@pytest.fixture
def due(pql: Pql, loaded: Path) -> Path:  # noqa: F811  # the fixture imported above
    """A project in which a message to Slack and a webhook are due."""
    assert pql("--home", loaded, "run").code == 0
    assert pql("--home", loaded, "release", "--top", 1, "--yes").code == 0
    return loaded


def test_what_could_not_go_is_said_with_the_reason(pql: Pql, due: Path) -> None:
    """A destination that is no longer in the settings, and one without a connection; the next drain says nothing."""
    settings = due / "settings.yaml"
    settings.write_text(settings.read_text().replace("slack: {kind: slack}", "other: {kind: slack}"))
    said = pql("--home", due, "deliver", "-f", "json")
    assert (said.code, {row["state"] for row in json.loads(said.out)}) == (0, {"retry"})
    slack, webhook = said.err.splitlines()
    assert slack == (
        "pql: slack: 1 to be tried again, because: There is no destination `slack` in the settings (known: other, "
        "zapier_nudge). See `pql deliveries --state pending`."
    )
    assert webhook.startswith("pql: zapier_nudge: 1 to be tried again, because: There is no connection `zapier_nudge`")
    again = pql("--home", due, "deliver")
    assert (again.out, again.err) == ("nothing was due\n", "")


def test_what_is_given_up_is_said_with_the_reason(
    pql: Pql, due: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and why; what was given up by an earlier drain is not told again."""
    loopback.script = lambda seen: Answer({"ok": False, "error": "channel_not_found"})
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slack", "host": loopback.url, "password": "x"})
    )
    said = pql("--home", due, "deliver")
    assert said.code == 1
    dead = next(line for line in said.err.splitlines() if line.startswith("pql: slack"))
    assert dead.startswith("pql: slack: 1 given up, because: ")
    assert "channel_not_found" in dead
    assert dead.endswith("See `pql deliveries --state dead`.")
    assert pql("--home", due, "deliver").err == ""
