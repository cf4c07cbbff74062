"""What could not be used, in words: a read's numbers and its first bad record in; why, where and what to do out."""

from __future__ import annotations

from urllib.parse import quote

from pql.destinations.words import count, one_line
from pql.pipeline.project import Project
from pql.sources import advice
from pql.types import IngestReport, Quarantined

_LONGEST = 200  # characters of a reason


def is_all_unusable(read: int, quarantined: int, left_out: int) -> bool:
    """Whether there were records, and not one of them could be used; the counts are those of `IngestReport`."""
    return 0 < read <= quarantined + left_out


def unusable(project: Project, report: IngestReport, first: Quarantined | None) -> str:
    """What a person is told of a read whose records could not all be used; "" if nothing went to waste.

    `first`: the first record that the read put into quarantine. A few that name nobody are in the note already.
    """
    is_lost = _is_lost(report)
    if not report.quarantined and not is_lost:
        return ""
    said = [f"{report.source}: {_share(report)}."]
    if first is not None:
        said.append(f"The first, {_reason(first)}")
        said.append(advice(project.settings.sources[report.source], first.why))
        said.append(f"They lie in {quarantine(project, report.source)}, each with its reason.")
    if is_lost and report.left_out:
        said.append(f"{report.note[:1].upper()}{report.note[1:]}: look at `user` and `anonymous` in the settings.")
    return " ".join(part for part in said if part)


def empty_lake(project: Project) -> str:
    """What to say where there is no event at all: read first, or see why what was read could not be used."""
    told = f"The lake {project.paths.lake} is empty: run `pql ingest` first."
    bad = project.lake.first_quarantined()
    if not bad:
        return told
    source, first = next(iter(bad.items()))
    settings = project.settings.sources.get(source)
    return " ".join(
        part
        for part in (
            f"The lake {project.paths.lake} is empty: nothing that `pql ingest` read could be used.",
            f"In {quarantine(project, source)} lies, first, {_reason(first)}",
            advice(settings, first.why) if settings else "",
            "Put that right, then run `pql ingest` again.",
        )
        if part
    )


def quarantine(project: Project, source: str) -> str:
    """Where in the lake a source's unusable records lie."""
    return f"{project.paths.lake.rstrip('/')}/quarantine/{quote(source, safe='')}/"


def _is_lost(report: IngestReport) -> bool:
    return is_all_unusable(report.read, report.quarantined, report.left_out)


def _share(report: IngestReport) -> str:
    if not _is_lost(report):
        return f"{report.quarantined:,} of {count(report.read, 'record')} could not be used"
    return (
        "its one record could not be used" if report.read == 1 else f"none of the {report.read:,} records could be used"
    )


def _reason(record: Quarantined) -> str:
    why = one_line(record.why)
    return f"{one_line(record.where)}: {why if len(why) <= _LONGEST else why[:_LONGEST] + '…'}."
