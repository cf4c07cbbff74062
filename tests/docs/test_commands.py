"""Every command of every page is run here or by another test, or it is said why not: none is only looked at."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Said, pql  # noqa: F401  # commands are typed as anybody types them
from tests.docs.test_pages import PAGES, blocks, name

from pql.cli import main
from pql.pipeline.project import ROOT
from pql.sandbox import Server, connections

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
BY_THEIR_OWN = {  # page → what runs it as a whole
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
    "docs/reference/gallery.md": "tests/cli/test_new.py",
}
NOT_HERE = {  # beginning of a command → what runs it, or why nothing does
    "make demo": "tests/airflow/test_demo.py runs what it runs",
    "make test": "it is what runs this",
    "make chaos": "takes hours; tests/chaos runs a small soak and what writes the page",
    "make setup": "it makes the environment that runs this",
    ". .venv/bin/activate": "the same environment",
    "git pull": "needs a remote repository",
    "docker compose": "no Docker engine in tests; tests/compose reads each line and runs the services natively",
    "deploy/make-env.sh": "tests/compose/test_pages.py runs it in a checkout of its own",
    "airflow": "needs a running Airflow; tests/airflow/test_backfill_in_browser.py makes the same backfill",
    "curl": "the same",
    "TOKEN=": "the same",
    "AIRFLOW=": "a variable for the two above",
    "AIRFLOW_CONN_": "tests/docs/test_connect.py reads it as a connection",
    "source .demo/env": "points at the demo's lake, which tests do not have",
    "python -m pql.sandbox": "it would run for ever; tests/sandbox begins one in many ways",
    "python - > sandbox.env": "tests/docs/test_commands.py gives the same connections to every command",
    ". ./sandbox.env": "the same",
    "pql storms show 12": "tests/cli/test_storms.py looks into a stopped run",
    "pql storms approve 12": "the same file answers one, in each way",
    "pql storms digest 12": "the same",
    "pql storms reject 12": "the same",
    "pql --ledger sqlite:///sent.db replay": "sends a year of history to that sandbox; tests/flow replays with sending",
    "python -m pql.orchestration.init --airflow": "migrates Airflow's database; tests/compose/test_native.py does it",
}
SETTINGS = """
sources:
  product:
    kind: files
    path: events.csv
    emits:
      - event: what
        time: at
        user: mail
        account: org
        user_traits: {email: mail}
        account_traits: {name: org_name, plan: plan}
destinations:
  slack: {kind: slack}
"""
DEFINITION = """
definition: new-business
title: New business
status: live
events: {acted: Act}
signals:
  days: {active_days: acted, last: 7d}
criteria:
  value: {days: {min: 3}}
score:
  value: [{signal: days, points: 10, per: 1, max: 50}]
plays:
  - play: Tell sales
    on: newly_qualified
    do:
      - slack: {channel: "#pql-mid"}
"""


def spoken(text: str) -> Iterator[str]:
    """The commands of a shell block, each whole: a quote may span lines, a backslash joins them."""
    text = re.sub(r" <<'EOF'\n.*?^ *EOF$", "", text, flags=re.DOTALL | re.MULTILINE)
    quotes = QUOTED.findall(text)
    lines = re.sub(r"\\\n", " ", QUOTED.sub("\0", text)).splitlines()
    for line in lines:
        parts = [part if part != "\0" else quotes.pop(0) for part in re.split("(\0)", line)]
        command = "".join(parts).partition(" #")[0].strip()
        if command and not command.startswith("#"):
            yield command


def commands() -> dict[Path, list[str]]:
    found: dict[Path, list[str]] = {}
    for page, text in blocks("sh"):
        if name(page) not in BY_THEIR_OWN:
            found.setdefault(page, []).extend(spoken(text))
    return found


def shorter(command: str) -> str:
    """Days of a preview or replay where the page has a month: the same code in a tenth of the time."""
    if "preview" in command and "--from" not in command:
        since = datetime.now(UTC) - timedelta(days=2)  # noqa: TID251  # the CLI reads the clock
        return f"{command} --from {since:%F}"
    if "preview" in command or "replay" in command:
        return command.replace("--to 2026-03-31", "--to 2026-03-02").replace("1h", "6h")
    return command


def is_run_here(command: str) -> bool:
    return not any(command.startswith(beginning) for beginning in NOT_HERE)


RUN_HERE = {page: chosen for page, said in commands().items() if (chosen := list(filter(is_run_here, said)))}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    """One a page: what another page's ledger has sent would be foreign here."""
    with Server(tmp_path / "sandbox") as server:
        yield server


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two nights behind it: Acme Inc, silent since the baseline; Oak, announced in the second."""
    home = tmp_path_factory.mktemp("prepared")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251  # the CLI reads the clock
    march = datetime(2026, 3, 2, tzinfo=UTC)
    nights = {"Acme Inc": [*range(-9, 0)], "Oak": [-3, -2, -1], "Elm": [-1]}
    rows = [
        ((start + timedelta(days=day, hours=9)).isoformat(), f"ann@{org[:4].strip().lower()}.test", org, number)
        for number, (org, days) in enumerate(nights.items(), 4711)
        for day in days
        for start in (today, march)
    ]
    lines = [f"{at},{mail},{number},{org},free,Act" for at, mail, org, number in rows]
    (home / "events.csv").write_text("\n".join(["at,mail,org,org_name,plan,what", *lines]) + "\n")
    (home / "settings.yaml").write_text(SETTINGS)
    (home / "drafts").mkdir()
    (home / "include" / "definitions").mkdir(parents=True)
    (home / "definitions").symlink_to("include/definitions")  # where the project has them
    (home / "definitions" / "new-business.yaml").write_text(DEFINITION)
    (home / "drafts" / "new-business.yaml").write_text(DEFINITION.replace("min: 3", "min: 2"))
    (home / "drafts" / "hand-raiser.yaml").write_text(DEFINITION.replace("new-business", "hand-raiser"))
    for words in (["ingest"], *(["decide", "--as-of", f"{today + timedelta(days=d):%F}"] for d in (-1, 0))):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SystemExit):
            patch.setattr(sys, "argv", ["pql", "--home", str(home), *words])
            main()
    return home


@pytest.mark.parametrize("page", RUN_HERE, ids=name)
def test_the_commands_of_a_page_run(
    page: Path,
    prepared: Path,
    sandbox: Server,
    pql: Callable[..., Said],  # noqa: F811  # the fixture of that name
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the order of the page, in a project that has what they name: none fails, each says something."""
    shutil.copytree(prepared, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for variable, value in connections(sandbox.url).items():
        monkeypatch.setenv(variable, value)
    for command in RUN_HERE[page]:
        words = shlex.split(shorter(command))
        if words[0] == "pql":
            monkeypatch.setenv("PQL_HOME", str(tmp_path))
            said = pql(*words[1:])
            assert (said.code, said.out + said.err != "") == (0, True), f"{command}\n{said.out}{said.err}"
        else:
            done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False)
            assert (words[0][:6], done.returncode) == ("python", 0), f"{command}\n{done.stderr}"


def test_nothing_is_excused_that_is_not_there() -> None:
    """Each excuse is of a command that a page has; each test that it names is there."""
    said = [command for each in commands().values() for command in each]
    for beginning, why in NOT_HERE.items():
        assert any(command.startswith(beginning) for command in said), beginning
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", why):
            assert (ROOT / path).exists(), why
    assert set(BY_THEIR_OWN) <= {name(page) for page in PAGES}
    assert all((ROOT / path).is_file() for path in BY_THEIR_OWN.values())
