"""Ask the world at the moment of sending: may this still be said, and to whom? (SEM-W4)

The ledger's own objections (blocks, stays that have ended) are the outbox's; these are the world's: entry conditions of
the definition, a deal that is open or was won since, "not a fit", and who owns the account now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pql.clients.http import RemoteError
from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import CompanyNow
from pql.outbox.sending.claims import Claim
from pql.pipeline.crm_now import CrmNews, CrmNow, with_owner
from pql.pipeline.entry_now import Values, barred
from pql.pipeline.project import Project
from pql.settings import HubSpotSource
from pql.types import Alert, UnknownConnection, UserError

# HubSpot's search shows a change minutes late, so that a deal won just before T may not have been known at T.
SEARCH_LAG = timedelta(hours=1)


def rechecker(project: Project, clock: Callable[[], datetime]) -> Rechecker:
    """What says of claimed deliveries what to say (their alert, with today's owner) or why to say nothing.

    It raises UserError (RemoteError) when it cannot tell: nothing is sent unchecked. Safe to ask from several threads.
    """
    source = next((s for s in project.settings.sources.values() if isinstance(s, HubSpotSource)), None)
    entry = _Entry(project)
    return Rechecker(entry, None if source is None else partial(_ask_crm, project, source, entry, clock))


class Rechecker:
    """`outbox.BatchRecheck` by definitions, settings and, of what has a record there, the CRM."""

    def __init__(self, entry: _Entry, ask_crm: Callable[[], _AskCrm] | None) -> None:
        self._entry = entry
        self._make = ask_crm
        self._made: _AskCrm | None = None
        self._making = threading.Lock()

    def __call__(self, claim: Claim) -> Alert | str:
        """What to say, or why to say nothing."""
        (said,) = self.many([claim])
        if isinstance(said, Exception):
            raise said
        return said

    def many(self, claims: Sequence[Claim]) -> list[Alert | str | Exception]:
        """The same for each, asking the CRM once for all; an exception where it cannot be told."""
        said = {claim.id: _told(partial(self._without_crm, claim)) for claim in claims}
        asked = [claim for claim in claims if self._make and claim.alert.crm_id and isinstance(said[claim.id], Alert)]
        if asked:
            said |= zip([claim.id for claim in asked], self._by_crm(asked), strict=True)
        return [said[claim.id] for claim in claims]

    def _by_crm(self, asked: Sequence[Claim]) -> list[Alert | str | Exception]:
        """What the CRM says of each; one whose record it will not show must not stand before the others."""
        try:
            return self._crm().many(asked)
        except UserError as error:
            if len(asked) == 1 or not _is_about_one(error):
                return [error] * len(asked)
        return [said for claim in asked for said in self._by_crm([claim])]

    def _without_crm(self, claim: Claim) -> Alert | str:
        return self._entry.objection(claim) or claim.alert

    def _crm(self) -> _AskCrm:
        """Made when the first delivery asks: what is suppressed without it needs no connection."""
        assert self._make is not None
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made


def _is_about_one(error: UserError) -> bool:
    """Whether the CRM refused what was asked, and may answer if it is asked about others."""
    return isinstance(error, RemoteError) and error.kind in ("rejected", "missing")


def _told(ask: Callable[[], Alert | str]) -> Alert | str | Exception:
    try:
        return ask()
    except UserError as error:
        return error


def _ask_crm(project: Project, source: HubSpotSource, entry: _Entry, clock: Callable[[], datetime]) -> _AskCrm:
    return _AskCrm(CrmNews(_client(project, source), source, clock), entry, clock)


def _client(project: Project, source: HubSpotSource) -> HubSpot:
    try:
        connection = project.connections(source.connection)
    except UnknownConnection as error:
        raise UserError(str(error)) from error
    return HubSpot(
        connection, not_a_fit_property=source.not_a_fit_property, snooze_property=source.snooze_property, attempts=1
    )


@dataclass(frozen=True)
class _AskCrm:
    """The part of the recheck that asks the CRM."""

    news: CrmNews
    entry: _Entry
    clock: Callable[[], datetime]

    def many(self, claims: Sequence[Claim]) -> list[Alert | str | Exception]:
        """What to say of each, or why to say nothing; raises RemoteError if the CRM cannot be asked about all."""
        found = self.news.about([claim.alert for claim in claims])
        return [_told(partial(self._one, claim, now)) for claim, now in zip(claims, found, strict=True)]

    def _one(self, claim: Claim, now: CrmNow | None) -> Alert | str:
        alert = claim.alert
        if now is None:
            return f"the CRM has no {alert.crm_kind} {alert.crm_id} any more"
        objection = next(_objections(claim, now.records, self.clock()), "")
        if objection:
            return objection
        told = with_owner(self.news.client, now, alert)
        values = now.values(self.news.source) | ({"owner_email": told.owner_email} if told.owner_email else {})
        return self.entry.objection(claim, now.domain, values) or told


class _Entry:
    """Whether what a delivery is about may still enter the definitions it speaks for."""

    def __init__(self, project: Project) -> None:
        self._definitions = {d.id: d for d in project.definitions}
        self._own_domains = tuple(project.settings.own_domains)
        self._broken = next(map(str, project.errors), "")

    def objection(self, claim: Claim, domain: str = "", values: Values | None = None) -> str:
        """Why it may not, "" if it may; `domain` and `values` are what the CRM says, if it was asked.

        Raises UserError while a definition cannot be found and a file cannot be read: it may be in there.
        """
        alert = claim.alert
        live = [d for name in alert.definitions if (d := self._definitions.get(name)) and d.status == "live"]
        if not live:
            return self._silenced(alert)
        if claim.kind == "crm_update" and not alert.crm_id:
            return "the CRM has no record of it to write to"
        kind, _, key = claim.account_key.partition(":")
        domains = dict.fromkeys((alert.domain, key if kind == "domain" else "", domain))
        return barred(live, claim.account_key, [d for d in domains if d], values or {}, self._own_domains)

    def _silenced(self, alert: Alert) -> str:
        if self._broken and not set(alert.definitions) <= set(self._definitions):
            raise UserError(f"{', '.join(alert.definitions)}: a definition file has an error: {self._broken}")
        return f"the definition is no longer live: {', '.join(alert.definitions)}"


def _objections(claim: Claim, records: tuple[CompanyNow, ...], now: datetime) -> Iterator[str]:
    """What each record has against saying anything; a write-back is no message: who is closing wants it too."""
    since = datetime.fromisoformat(claim.alert.as_of) - SEARCH_LAG
    for record in records:
        if record.not_a_fit:
            yield "marked not a fit in the CRM"
        if record.snooze_until is not None and record.snooze_until > now:
            yield f"snoozed in the CRM until {record.snooze_until:%Y-%m-%d}"
        if claim.kind != "crm_update" and record.open_deals:
            yield "a colleague is closing it: the CRM has an open deal"
        if claim.kind != "crm_update" and any(
            d.closed_at is not None and d.closed_at >= since for d in record.won_deals
        ):
            yield "already won: the CRM has a deal won since"
