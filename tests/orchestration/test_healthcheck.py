"""The health check of the containers says what the API server says, and ends as Docker expects."""

from __future__ import annotations

import sys

import pytest

from pql.orchestration import healthcheck


@pytest.mark.parametrize(("said", "code"), [("healthy", 0), ("unhealthy", 1), (None, 1)])
def test_only_healthy_ends_well(loopback, monkeypatch, capsys, said, code):
    """0 for healthy; 1 for anything else, a part without a heartbeat included."""
    loopback.script = lambda seen: loopback.answer({"scheduler": {"status": said}})
    monkeypatch.setattr(sys, "argv", ["health", "scheduler", "--url", loopback.url])
    assert healthcheck.main() == code
    assert capsys.readouterr().out == f"scheduler: {said}\n"
    assert [seen.path for seen in loopback.seen] == ["/api/v2/monitor/health"]


def test_nobody_answers(loopback):
    """Without an API server it says whom it asked, and does not raise."""
    loopback.close()
    assert healthcheck.status(loopback.url, "scheduler").startswith(f"no answer from {loopback.url}")


def test_an_answer_of_something_else_is_no_health(loopback):
    """A page that is not Airflow's health is not healthy."""
    loopback.script = lambda seen: loopback.answer(b"<html>")
    assert healthcheck.status(loopback.url, "scheduler") != "healthy"
