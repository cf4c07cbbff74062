"""What the demo sent, read back from its sandbox and held against its ledger: a project's paths in, differences out."""

from __future__ import annotations

from collections.abc import Mapping

from pql import pipeline
from pql.connections import from_environment
from pql.orchestration.runtime import now
from pql.outbox.reconcile import Reconciled
from pql.pipeline.health.differences import sentence
from pql.pipeline.project import opened, paths_from_environment


def read_back(environment: Mapping[str, str]) -> list[str]:
    """One sentence for each difference, and for what could not be read; none where all is well."""
    with opened(paths_from_environment(environment), from_environment(environment)) as project:
        done = pipeline.reconcile(project, clock=now, sleep=lambda _seconds: None)  # the sandbox's own sets no pace
        told = [sentence(finding) for finding in done.findings]
        return told + [f"{name} could not be read: {'; '.join(why)}" for name, why in _unread(done)]


def _unread(done: Reconciled) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, why) for name, why in sorted(done.unchecked.items()) if name in done.checked]
