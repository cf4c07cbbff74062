"""Forgetting that was cut short is finished by doing it again, whatever name of theirs is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.flow.conftest import DAY, T0, Story, days_before
from tests.flow.test_forget import SETTINGS, everything, words

from pql.lake import Lake
from pql.lake.storage import Storage
from pql.pipeline.forgetting import forget as forgetting
from pql.pipeline.forgetting import ledger

NAMES = ("solo-user-1", "solo@gmail.com", "so lo", "solo's phone")


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def story(new_story: Any) -> Story:
    """One who qualifies alone, known by id, device, address and name; another before."""
    made: Story = new_story(settings=SETTINGS)
    made.happens("old", *days_before(T0, 20, 19, 18))
    made.run("nightly", T0)
    made.happens(
        "solo-user-1", *days_before(T0 + DAY, 3, 2, 1), mail="solo@gmail.com", name="So Lo", device="solo's phone"
    )
    made.run("nightly", T0 + DAY)
    return made


def after_files(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die when so many files of the lake were written or removed."""
    left = [number]

    def counting(real: Any) -> Any:
        def call(*args: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args)

        return call

    monkeypatch.setattr(Storage, "publish", counting(Storage.publish))
    monkeypatch.setattr(Storage, "remove", counting(Storage.remove))


@pytest.mark.parametrize("files", [5, 8])  # amid the daily usage, before the snapshots
def test_killed_amid_the_lake_it_is_finished_by_doing_it_again(
    story: Story, pql: Any, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """What tied the address to the id may be gone by then: the rest under the id goes all the same."""
    with monkeypatch.context() as dying:
        after_files(files, dying)
        with pytest.raises(Killed):
            begin(story)
    finish(story, pql)


def test_killed_before_the_ledger_it_is_finished_by_doing_it_again(
    story: Story, pql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake says nothing of them any more; the ledger's rows go all the same."""
    with monkeypatch.context() as dying:
        dying.setattr(ledger, "erase", lambda *_, **__: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            begin(story)
    finish(story, pql)


def begin(story: Story) -> None:
    """Forget the address; what happens inside is raised here."""
    project = story.open()
    try:
        forgetting.forget(project, "solo@gmail.com", now=story.now)
    finally:
        project.close()


def finish(story: Story, pql: Any) -> None:
    """Doing it again leaves nothing, the note of what was begun neither."""
    done = pql(*words(story), "solo@gmail.com", "--yes")
    assert done.code == 0, done.out + done.err
    left = everything(story)
    assert [name for name in NAMES if name in left] == []
    assert "old" in left
    assert list(Path(story.paths.lake).glob("forgetting*")) == []
    assert Lake(story.paths.lake).is_forgotten(["user:solo-user-1", "email:solo@gmail.com"]) == [True, True]
