"""One loopback server for all of it: a folder, a seed and a clock in, Slack, HubSpot, Mixpanel and webhooks out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from pql.sandbox import admin, hubspot, mixpanel, page, slack, webhook
from pql.sandbox.clock import system_clock
from pql.sandbox.crm import Crm
from pql.sandbox.effects import Effect, EffectsLog
from pql.sandbox.fault_line import FaultLine
from pql.sandbox.faults import Fault, Faults, How
from pql.sandbox.slack_state import Workspace
from pql.sandbox.world import World

HOST = "127.0.0.1"


def create_app(world: World, faults: Faults) -> FaultLine:
    """The ASGI application of a world."""
    app = FastAPI(title="PQL sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    workspace, crm = Workspace(world), Crm(world)
    app.include_router(slack.router(world, workspace), prefix="/slack")
    app.include_router(hubspot.router(world, crm), prefix="/hubspot")
    app.include_router(mixpanel.router(world), prefix="/mixpanel")
    app.include_router(webhook.router(world), prefix="/webhook")
    app.include_router(page.router(world, workspace, crm))
    app.include_router(admin.router(world, faults), prefix="/admin")

    @app.get("/effects")
    def effects(system: str | None = None, after: int = 0) -> Response:
        """The append-only log: everything that was done, in order."""
        return JSONResponse(world.effects.all(system, after))

    @app.get("/health")
    def health() -> Response:
        return JSONResponse({"ok": True, "seed": world.seed, "now": world.now().isoformat()})

    return FaultLine(app, faults, world.now)


class Server:
    """The sandbox in a thread, for tests and the demo: `with Server(folder, seed=7) as s: s.url, s.effects()`."""

    def __init__(
        self,
        state_dir: Path | str,
        seed: int = 7,
        clock: Callable[[], datetime] | None = None,
        *,
        port: int = 0,
        host: str = HOST,
        limits: bool = True,
        paced_by_clock: bool = False,
        company_at: datetime | None = None,
    ) -> None:
        """`paced_by_clock`: limits are measured by `clock`. `company_at`: the simulated company stands still there, so
        that an hour of `clock` costs nothing; what clients write goes on.
        """
        self._log = EffectsLog(Path(state_dir))
        self.world = World(seed, clock or system_clock, self._log, limits, company_at=company_at)
        if paced_by_clock:  # limits in the simulated time, for stories that sleep by turning the clock
            self.world.seconds = lambda: self.world.now().timestamp()
        self.faults = Faults(self.world.now)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen()  # whoever is told the address may call at once; answers begin when serving does
        self.port = int(self._socket.getsockname()[1])
        self.url = self.world.base_url = f"http://{HOST}:{self.port}"
        self._line = create_app(self.world, self.faults)
        config = uvicorn.Config(self._line, log_level="critical", access_log=False, lifespan="off")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; returns when requests are accepted."""
        self._thread.start()
        while not self._uvicorn.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"the sandbox could not start on {self.url}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving and let go of the port."""
        self._uvicorn.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def serve_until_stopped(self) -> None:
        """Serve in this thread until SIGINT or SIGTERM."""
        self._uvicorn.run([self._socket])

    def effects(self, system: str | None = None) -> list[Effect]:
        """What was done so far, in order; of one system if named."""
        return self._log.all(system)

    def landing_at(self) -> datetime | None:
        """When the next request that is late will have its effect, None if none is under way."""
        return self._line.landing_at()

    def in_hand(self) -> int:
        """How many requests are being answered at this moment; one that is late does not count."""
        return self._line.in_hand

    def fail(self, path: str, how: How, times: int | None = 1, **more: Any) -> None:
        """Let the next `times` requests whose path contains `path` go wrong; `more` as `Fault` has it."""
        self.faults.arm(Fault(path, how, times, **more))
