"""A real Airflow on this machine: SQLite, LocalExecutor, loopback only, its own process group. For demo and tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil
import requests

from pql.orchestration.airflow_rest import AirflowRest
from pql.pipeline.project import ROOT

PREPARE = ("python", "-m", "pql.orchestration.init", "--airflow")
SERVICES: Mapping[str, Sequence[str]] = {
    "scheduler": ("airflow", "scheduler"),
    "dag-processor": ("airflow", "dag-processor"),
    "api-server": ("airflow", "api-server"),
}
PATIENCE_S = 5.0  # then killed: what a task had under way is looked up by the next run


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody listens on it, else one the system gives."""
    for candidate in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _family(pid: int) -> list[psutil.Process]:
    """The process and everything below it; a task runs in a group of its own, which the group's signal would miss."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _program(words: Sequence[str]) -> list[str]:
    """The command as a module of this very Python: `airflow` and `python` mean those of our environment."""
    return [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-m", *words]


@dataclass
class LocalAirflow(AirflowRest):
    """Airflow's home and the extra environment its processes get; a context manager that leaves nothing behind."""

    home: Path
    environment: Mapping[str, str]
    port: int = 0
    say: Callable[[str], None] = lambda _text: None
    prepare: Sequence[str] = PREPARE
    services: Mapping[str, Sequence[str]] = field(default_factory=lambda: SERVICES)
    login: tuple[str, str] | None = None
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> str:
        return f"in {self.home}"

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of every Airflow process."""
        settings = {
            "CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": self._secret("jwt"),
            "API__SECRET_KEY": self._secret("api"),
            "CORE__INTERNAL_API_SECRET_KEY": self._secret("internal"),
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}?timeout=60",
            "SCHEDULER__CATCHUP_BY_DEFAULT": "False",
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
        }
        dropped = ("AIRFLOW", "PQL_", "PYTHONDONTWRITEBYTECODE")  # every task imports anew: compiled files save half
        keep = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        return {
            **keep,
            "AIRFLOW_HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": "127.0.0.1,localhost",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            **self.environment,
        }

    def _secret(self, name: str) -> str:
        """A secret that all processes of this Airflow share and that ends with its home."""
        self.home.mkdir(parents=True, exist_ok=True)
        file = self.home / f".{name}"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(os.urandom(24).hex())
        return file.read_text()

    def __enter__(self) -> LocalAirflow:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.port = self.port or free_port()
        self.say("preparing Airflow's database, the ledger and the pools")
        self.run(self.prepare)
        self.say(f"starting Airflow on {self.url}")
        for service in self.services:
            self.start(service)
        try:
            self.wait_until(self._ready, 120, "Airflow did not come up")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, service: str) -> None:
        """Start one of the services; its output goes to `<service>.log`, after what is there."""
        with (self.home / f"{service}.log").open("ab") as log:
            self._processes[service] = subprocess.Popen(  # noqa: S603  # the commands of this installation
                _program(self.services[service]),
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, service: str) -> None:
        """End a service and its tasks at once, as a machine that loses power does; `start` brings it back."""
        process = self._processes.pop(service)
        for member in _family(process.pid):
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()

    def stop(self) -> None:
        """End every process this object started, with all that they started, tasks under way included."""
        family: dict[int, psutil.Process] = {}
        for patience, end in ((PATIENCE_S, psutil.Process.terminate), (PATIENCE_S, psutil.Process.kill)):
            started = self._processes.values()
            family |= {member.pid: member for process in started for member in _family(process.pid)}
            for member in family.values():
                with suppress(psutil.NoSuchProcess):
                    end(member)
            psutil.wait_procs(list(family.values()), timeout=patience)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def run(self, words: Sequence[str], typed: str = "") -> str:
        """Run one command in this Airflow's environment, with what a person would type; its output."""
        done = subprocess.run(  # noqa: S603  # the commands of this installation
            _program(words),
            env=self.env,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # no terminal: what asks for a password reads `typed`
        )
        if done.returncode:
            raise RuntimeError(f"`{' '.join(words)}` failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def _ready(self) -> bool:
        self.check_alive()
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    def check_alive(self) -> None:
        """Raise RuntimeError with the end of its log if a service has ended."""
        for service, process in self._processes.items():
            if process.poll() is not None:
                tail = (self.home / f"{service}.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{service} ended with {process.returncode}:\n{tail}")
