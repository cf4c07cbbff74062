"""Loading a folder of definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pql.definition import load

DEFINITION = "definition: {id}\npriority: {priority}\nsignals: {{n: {{count: login}}}}\nqualify: {{n: {{min: 1}}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocabulary.yaml").write_text(
        "events:\n  login: Login\n  seen: {event: Seen, passive: true}\n"
        "  signed_up: {event: Signed Up, passive: true}\n"
    )
    (tmp_path / "b.yaml").write_text(DEFINITION.format(id="second", priority=20))
    (tmp_path / "c.yml").write_text(DEFINITION.format(id="first", priority=10))
    (tmp_path / "settings.yaml").write_text("timezone: UTC\n")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "ready.yaml").write_text("definition: [")
    return tmp_path


def test_definitions_come_by_priority_without_gallery_and_settings(folder: Path) -> None:
    """A folder's own files are definitions, the highest priority first; vocabulary, settings and subfolders are not."""
    loaded = load(folder)
    assert [d.id for d in loaded.definitions] == ["first", "second"]
    assert loaded.problems == ()
    assert loaded.definition("second").priority == 20
    with pytest.raises(KeyError):
        loaded.definition("third")


def test_a_draft_outside_the_folder_has_the_projects_words(folder: Path, tmp_path: Path) -> None:
    """A file without a vocabulary beside it shares the project's, if it is said where that is."""
    draft = tmp_path / "drafts" / "mine.yaml"
    draft.parent.mkdir()
    draft.write_text(DEFINITION.format(id="mine", priority=1))
    assert load([draft]).errors
    assert [d.id for d in load([draft], project=folder).definitions] == ["mine"]


def test_the_vocabulary_is_shared(folder: Path) -> None:
    """Definitions use the folder's shared events; passive ones nobody reads are left out, the sign-up never is."""
    definition = load(folder).definitions[0]
    assert [e.name for e in definition.events] == ["login", "signed_up"]


def test_an_event_cannot_be_redefined(folder: Path) -> None:
    """A shared word means the same everywhere: declaring it again is a problem at that line."""
    (folder / "b.yaml").write_text(
        "definition: b\nevents:\n  login: Log In\nsignals: {n: {count: login}}\nqualify: {n: {min: 1}}\n"
    )
    (error,) = load(folder).errors
    assert (error.line, error.message) == (3, "event `login` is in the shared vocabulary already")


def test_a_wrong_vocabulary_is_told_once_where_it_is_wrong(folder: Path) -> None:
    """A mistake in the vocabulary is reported in the vocabulary, not again at every use."""
    (folder / "vocabulary.yaml").write_text("events:\n  login: {evnt: Login}\nplays: []\n")
    told = [(Path(p.path).name, p.line, p.message) for p in load(folder).errors]
    assert told == [
        ("vocabulary.yaml", 2, "unknown key `evnt` in event `login`"),
        ("vocabulary.yaml", 3, "unknown key `plays` in a vocabulary"),
    ]
    (folder / "vocabulary.yaml").write_text("events: [")
    (problem,) = load(folder).errors
    assert problem.path.endswith("vocabulary.yaml")


def test_ids_are_unique(folder: Path) -> None:
    """Of two definitions with one id the second is refused; both files are named, as either may be the copy."""
    (folder / "d.yaml").write_text(DEFINITION.format(id="second", priority=1))
    loaded = load(folder)
    assert [d.id for d in loaded.definitions] == ["first", "second"]
    (error,) = loaded.errors
    assert error.path.endswith("d.yaml")
    assert f"{folder / 'b.yaml'} is used, {folder / 'd.yaml'} is left out" in error.message


def test_the_id_of_a_copy_is_taken(folder: Path, tmp_path: Path) -> None:
    """A copy beside the original is told of, whichever file one asks about; elsewhere it is a draft of the same."""
    elsewhere = tmp_path / "elsewhere" / "copy.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(DEFINITION.format(id="second", priority=1))
    original = folder / "b.yaml"
    for copy in (folder / "a-copy.yaml", folder / "copy.yaml"):  # sorted before and after the original
        copy.write_text(elsewhere.read_text())
        (expected,) = load(folder).errors
        used = min(copy, original)
        for asked in ([copy], [original], [original, copy], [copy, original, copy]):
            loaded = load(asked, project=folder, beside=True)
            assert loaded.errors == (expected,)
            assert [Path(d.path) for d in loaded.definitions] == [used][: used in asked]
        assert not load([original], project=folder).errors
        copy.unlink()
    assert not load([elsewhere], project=folder, beside=True).problems


def test_files_can_be_named(folder: Path) -> None:
    """Single files can be loaded; the vocabulary beside them holds."""
    assert [d.id for d in load([folder / "b.yaml"]).definitions] == ["second"]
    assert [d.id for d in load(folder / "b.yaml").definitions] == ["second"]


def test_a_shell_may_name_all_files_of_a_folder(folder: Path) -> None:
    """`check definitions/*.yaml` names the vocabulary and the settings, too: neither is taken for a definition."""
    everything = load(sorted(folder.glob("*.y*ml")))
    assert everything == load(folder)
    (folder / "vocabulary.yaml").write_text("events: [")
    assert len(load([folder / "vocabulary.yaml"]).errors) == 1


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing folder, an empty one, a missing file and one that is not UTF-8 are problems, not tracebacks."""
    assert load(tmp_path / "nowhere").errors[0].message == "there is no such folder of definitions"
    assert load(tmp_path).problems[0].level == "warning"
    assert "cannot be read" in load([tmp_path / "missing.yaml"]).errors[0].message
    (tmp_path / "latin.yaml").write_bytes("definition: d\ntitle: Größe\n".encode("latin-1"))
    (error,) = load(tmp_path).errors
    assert (error.line, error.message) == (2, "the file is not UTF-8")
    (tmp_path / "folder.yaml").mkdir()
    assert any("folder.yaml" in p.path and "cannot be read" in p.message for p in load(tmp_path).errors)
