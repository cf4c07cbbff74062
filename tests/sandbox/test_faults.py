"""Everything that can go wrong at a vendor, on demand and repeatable; the effects log says what really happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from pql.sandbox import Server

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HUBSPOT = {"Authorization": "Bearer pat-sandbox"}


@pytest.fixture
def turned(tmp_path: Path) -> Iterator[tuple[Server, Callable[..., None]]]:
    """A sandbox whose clock, and with it its limits, one can turn."""
    moment = [NOW]

    def turn(**by: float) -> None:
        moment[0] += timedelta(**by)

    with Server(tmp_path, clock=lambda: moment[0], paced_by_clock=True) as server:
        yield server, turn


def _post(slack: WebClient, text: str = "x") -> Any:
    return slack.chat_postMessage(channel="#pql", text=text)


def _broken(slack: WebClient) -> None:
    with pytest.raises(Exception):  # noqa: B017  # http.client, urllib and the SDK each have their own
        _post(slack)


def _texts(sandbox: Server) -> list[str]:
    return [effect["message"]["text"] for effect in sandbox.effects("slack")]


def test_a_lost_answer_leaves_the_effect(sandbox: Server, slack: WebClient) -> None:
    """The client sees a broken connection although the message is there; the next call works."""
    sandbox.fail("chat.postMessage", "lost")
    _broken(slack)
    assert _texts(sandbox) == ["x"]
    assert _post(slack, "y")["ok"]


def test_an_outage_has_no_effect(sandbox: Server, slack: WebClient) -> None:
    """Errors, limits and expired tokens are answered before the service acts, as often as was asked for."""
    sandbox.fail("chat.postMessage", "rate_limited")
    with pytest.raises(SlackApiError) as caught:
        _post(slack)
    sandbox.fail("/crm/v3/owners", "unavailable", times=2)
    codes = [requests.get(f"{sandbox.url}/hubspot/crm/v3/owners", timeout=10).status_code for _ in range(3)]
    assert caught.value.response.headers["retry-after"] == "1"
    assert codes == [503, 503, 401]
    assert sandbox.effects() == []


@pytest.mark.parametrize("how", ["error", "fatal_error", "internal_error"])
def test_an_error_may_come_after_the_act(sandbox: Server, slack: WebClient, how: Any) -> None:
    """The same words are said whether the service acted or not; only the log knows."""
    for acts in (False, True):
        sandbox.fail("chat.postMessage", how, acts=acts)
        with pytest.raises(SlackApiError):
            _post(slack, f"acted: {acts}")
    assert _texts(sandbox) == ["acted: True"]


def test_a_late_act_comes_when_its_time_has_come(turned: Any) -> None:
    """The connection breaks at once, the message appears 45 seconds later."""
    sandbox, turn = turned
    slack = WebClient("xoxb-sandbox", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])
    sandbox.fail("chat.postMessage", "late", delay_s=45)
    _broken(slack)
    turn(seconds=44)
    time.sleep(0.1)
    assert sandbox.effects("slack") == []
    turn(seconds=2)
    deadline = time.monotonic() + 10
    while not sandbox.effects("slack") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _texts(sandbox) == ["x"]


@pytest.mark.parametrize("value", ["7", "-5", "999999999", "soon", "Sat, 01 Jan 2028 00:00:00 GMT", None])
def test_a_rate_limit_in_every_shape(sandbox: Server, value: str | None) -> None:
    """Retry-After is what was asked for, also what no client expects; or it is not there."""
    sandbox.fail("/slack/api/", "rate_limited", retry_after=value)
    answer = requests.post(f"{sandbox.url}/slack/api/auth.test", timeout=10)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == value


def test_part_of_a_batch_is_refused(sandbox: Server) -> None:
    """Some rows of a batch are done, the others refused with their categories in one 207; the log has those done."""
    rows = [{"properties": {"hs_task_subject": f"t{n}", "hs_timestamp": "2026-03-02T12:00:00Z"}} for n in range(20)]
    for number, row in enumerate(rows):
        row["objectWriteTraceId"] = f"trace-{number}"  # type: ignore[assignment]
    sandbox.fail("/tasks/batch/create", "partial", rows=0.4, seed=3, categories=["VALIDATION_ERROR", "RATE_LIMITS"])
    url = f"{sandbox.url}/hubspot/crm/v3/objects/tasks/batch/create"
    answer = requests.post(url, json={"inputs": rows}, headers=HUBSPOT, timeout=10)
    said = answer.json()
    assert answer.status_code == 207
    assert 0 < said["numErrors"] < 20
    assert {each["category"] for each in said["errors"]} == {"VALIDATION_ERROR", "RATE_LIMITS"}
    assert len(said["results"]) + said["numErrors"] == 20 == len(sandbox.effects("hubspot")) + said["numErrors"]


def test_a_service_is_down_for_a_while(turned: Any) -> None:
    """Nothing is answered but 503 until the sandbox's clock has moved on."""
    sandbox, turn = turned
    sandbox.fail("/hubspot/", "down", times=None, delay_s=6 * 3600)
    url = f"{sandbox.url}/hubspot/crm/v3/owners"
    codes = []
    for _ in range(3):
        codes.append(requests.get(url, headers=HUBSPOT, timeout=10).status_code)
        turn(hours=3)
    codes.append(requests.get(url, headers=HUBSPOT, timeout=10).status_code)
    assert codes == [503, 503, 200, 200]


def test_a_burst_is_said_ok_to_and_not_shown(turned: Any) -> None:
    """Faster than one a second and channel, Slack says ok and shows nothing: the log calls such messages hidden."""
    sandbox, turn = turned
    slack = WebClient("xoxb-sandbox", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])
    requests.put(f"{sandbox.url}/admin/limits", json={"limits": False, "hides_bursts": True}, timeout=10)
    assert all(_post(slack, text)["ok"] for text in ("a", "b", "c"))
    turn(seconds=1)
    shown = _post(slack, "d")
    assert [effect["kind"] for effect in sandbox.effects("slack")] == ["slack", "slack_hidden", "slack_hidden", "slack"]
    history = slack.conversations_history(channel=shown["channel"])
    assert [message["text"] for message in history["messages"][:-1]] == ["d", "a"]  # the last: somebody joined


def test_a_share_of_requests_is_drawn_by_seed(tmp_path: Path) -> None:
    """The same seed strikes the same requests, another seed others."""

    def struck(folder: str, seed: int) -> list[int]:
        with Server(tmp_path / folder) as sandbox:
            sandbox.fail("/webhook/", "error", times=None, share=0.5, seed=seed)
            return [requests.post(f"{sandbox.url}/webhook/x", timeout=10).status_code for _ in range(20)]

    first, again, other = struck("a", 1), struck("b", 1), struck("c", 2)
    assert first == again != other
    assert set(first) == {500, 401}


def test_slow_answers_arrive_whole(sandbox: Server) -> None:
    """A late answer and a dripping one carry what the service said."""
    sandbox.fail("/health", "slow", delay_s=0.2)
    sandbox.fail("/health", "slow_body", delay_s=0.2)
    for _ in range(2):
        assert requests.get(f"{sandbox.url}/health", timeout=10).json()["ok"]


def test_faults_are_armed_listed_and_cleared_over_http(sandbox: Server) -> None:
    """An operator elsewhere can do what a test does; a fault that makes no sense is refused with what is wrong."""
    url = f"{sandbox.url}/admin/faults"
    assert requests.post(url, json={"path": "/hubspot/", "how": "error", "times": 2}, timeout=10).status_code == 201
    wrong = requests.post(url, json={"path": "/hubspot/", "how": "bang"}, timeout=10)
    assert (wrong.status_code, "bang" in wrong.json()["error"]) == (400, True)
    assert requests.get(f"{sandbox.url}/hubspot/crm/v3/owners", timeout=10).status_code == 500
    assert [f["times"] for f in requests.get(url, timeout=10).json()["faults"]] == [1]
    requests.delete(url, timeout=10)
    assert requests.get(f"{sandbox.url}/hubspot/crm/v3/owners", timeout=10).status_code == 401
