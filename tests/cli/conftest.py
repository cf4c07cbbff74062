"""`pql` as somebody types it, in this process: words in; exit code, standard output and standard error out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pql.cli import main


@dataclass(frozen=True)
class Said:
    """How a call ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def pql(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call the command line; nothing of the caller's own environment points anywhere."""
    for name in ("HOME", "SETTINGS", "DEFINITIONS", "LAKE", "LEDGER"):
        monkeypatch.delenv(f"PQL_{name}", raising=False)

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["pql", *map(str, words)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    return call
