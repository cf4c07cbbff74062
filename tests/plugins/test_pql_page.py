"""The page's wiring to Airflow's own logins and roles, with Airflow's simple auth manager and real tokens."""

from __future__ import annotations

import ast
import html
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pql import store
from pql.orchestration import runtime
from pql.page.guard import Guard
from pql.pipeline.project import ROOT

FILE = ROOT / "plugins" / "pql_page.py"


def load() -> ModuleType:
    """The file as Airflow imports it: by itself, not as part of a package."""
    loader = SourceFileLoader("pql_page", str(FILE))
    spec = spec_from_loader("pql_page", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class Roles:
    """An Airflow with the plugin's app mounted, where people of every role can sign in."""

    def __init__(self, plugin: ModuleType) -> None:
        from airflow.api_fastapi.app import create_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        self._manager = create_auth_manager()
        self._user = SimpleAuthManagerUser
        self.text = ""  # of the last answer
        app = FastAPI()
        (mounted,) = plugin.PqlPage.fastapi_apps
        app.mount(mounted["url_prefix"], mounted["app"])
        self._client = TestClient(app, follow_redirects=False, base_url="http://testserver")

    def call(self, role: str | None, method: str, path: str, **arguments: Any) -> int:
        """The status that somebody of this role (None: nobody) gets, signed in by cookie as browsers are."""
        self._client.cookies.clear()
        if role is not None:
            token = self._manager.generate_jwt(self._user(username=role.lower(), role=role))
            self._client.cookies.set("_token", token)
        headers = {"origin": "http://testserver", **arguments.pop("headers", {})}
        for name, value in arguments.pop("cookies", {}).items():
            self._client.cookies.set(name, value)
        answer = self._client.request(method, f"/pql{path}", headers=headers, **arguments)
        self.text = answer.text
        return answer.status_code


@pytest.fixture
def roles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Roles:
    """Airflow's simple auth manager with real roles, over an empty project."""
    from airflow.models.dag import DagModel
    from airflow.models.revoked_token import RevokedToken

    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "y" * 64)
    monkeypatch.setenv("PQL_HOME", str(ROOT / "include" / "definitions" / "examples" / "sparkify"))
    monkeypatch.setenv("PQL_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setattr(DagModel, "get_team_name", staticmethod(lambda dag_id: None))  # Airflow's own database
    monkeypatch.setattr(RevokedToken, "is_revoked", staticmethod(lambda jti: False))  # is not wanted here
    store.migrate(f"sqlite:///{tmp_path / 'ledger.db'}")
    return Roles(load())


def test_reading_needs_a_login_and_acting_a_role_that_may_start_runs(roles: Roles) -> None:
    """Nobody: 401. A viewer reads and may not act. A user may start `deliver`: with a page's token the act is done."""
    act = ("POST", "/openings/release-top")
    assert roles.call(None, "GET", "/") == 401
    assert roles.call(None, *act, data={"top": "1"}) == 401
    assert roles.call("VIEWER", "GET", "/openings") == 200
    assert "may read only" in roles.text
    assert roles.call("VIEWER", *act, data={"top": "1"}) == 403
    assert "may not start runs of `deliver`" in html.unescape(roles.text)
    assert roles.call("USER", "GET", "/deliveries") == 200
    assert "may read only" not in roles.text
    assert roles.call("USER", *act, data={"top": "1"}) == 403
    assert "no valid token" in roles.text
    form = {"top": "1", "token": Guard("y" * 64).token("user", runtime.now())}
    assert roles.call("USER", *act, data=form) == 303


def test_a_token_of_nobody_is_refused(roles: Roles) -> None:
    """Made up, or of a role Airflow does not know."""
    assert roles.call(None, "GET", "/", headers={"authorization": "Bearer made.up.token"}) == 403
    assert roles.call(None, "GET", "/", cookies={"_token": "made.up.token"}) in (401, 403)


def test_importing_the_file_imports_nothing_of_ours() -> None:
    """Airflow imports it in every task: the page, pandas and FastAPI come when the page is first asked for."""
    words = f"import sys; sys.path.insert(0, {str(FILE.parent)!r}); import airflow.sdk; before = set(sys.modules); "
    words += "import pql_page; print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert not {"pql", "pandas", "fastapi", "duckdb", "pygal"} & set(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_a_page_that_cannot_be_built_is_a_sentence_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow goes on; strangers learn nothing; once it is put right the page is there."""
    plugin = load()
    app = FastAPI()
    app.mount("/pql", plugin.Page())
    client = TestClient(app)
    monkeypatch.setattr(plugin, "_page", lambda: 1 / 0)
    answer = client.get("/pql/")
    assert answer.status_code == 503
    assert "division" not in answer.text
    monkeypatch.setattr(plugin, "_page", FastAPI)
    assert client.get("/pql/docs").status_code == 200
