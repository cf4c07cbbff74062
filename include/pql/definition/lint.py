"""A definition without errors in, what is suspicious about it out: it would run, but probably not as meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pql.definition.attributes import attributes_of
from pql.definition.model import Definition, Problem
from pql.definition.possible import Possible, after_signup, reachable_points
from pql.definition.used import compares, used_signals
from pql.located_yaml import did_you_mean, quoted
from pql.settings import FilesSource, HubSpotSource, MixpanelSource, Settings

REVIEW_DAYS = 92  # a quarter (PRODUCT-D6)

# Attributes that need no mapping: the features room makes them.
_ALWAYS_THERE = ("name", "domain", "is_free_mail", "crm_id", "crm_kind")
_FROM_A_CRM = (
    "employees",
    "lifecycle_stage",
    "owner_email",
    "owner_name",
    "not_a_fit",
    "snooze_until",
    "open_deals",
    "won_deals",
    "last_won_at",
    "meetings",
)


def lint(definition: Definition, *, settings: Settings | None = None, today: date | None = None) -> tuple[Problem, ...]:
    """Warnings about the definition, by line.

    With `settings`, also about attributes that no source gives and destinations that are not set up; with `today`,
    also about a review that is due.
    """
    found = [*_signup_alone(definition), *_points(definition), *_unasked(definition), *_entry(definition)]
    found += [*_silent(definition), *_review(definition, today), *_unused(definition), *_gathered(definition)]
    if settings is not None:
        found += [*_unmapped(definition, settings), *_destinations(definition, settings)]
        found += _hours(definition, settings)
    return tuple(sorted(found, key=lambda problem: problem.line))


def _warning(definition: Definition, place: str, message: str, hint: str = "") -> Problem:
    return Problem(definition.path, definition.line(place), message, hint, "warning")


def _signup_alone(definition: Definition) -> Iterator[Problem]:
    """SEM-A2: signing up gives no progress and qualifies nobody."""
    for event in definition.events:
        if event.name == "signed_up" and not event.passive:
            message = "`signed_up` counts as activity: an account that only signed up is alive"
            yield _warning(definition, "events.signed_up", message, "write it `{event: …, passive: true}`")
    for stage in definition.stages:
        if after_signup(stage.when, definition) == Possible(true=True, false=False):
            message = f"signing up alone reaches the stage `{stage.name}`: a sign-up is not value"
            yield _warning(definition, f"activation.{stage.name}", message)
    if after_signup(definition.qualify, definition).true:
        place = "qualify" if definition.has_line("qualify") else "criteria"
        message = "somebody who only signed up can qualify: a sign-up is not value"
        yield _warning(definition, place, message, "ask for usage too, for example active days")


def _points(definition: Definition) -> Iterator[Problem]:
    most = reachable_points(definition)
    for compare in compares(definition.qualify):
        if compare.operand == "score" and compare.min is not None and compare.min > most:
            message = f"`score` of at least {compare.min:g} can never be reached: the lines give at most {most:g}"
            yield _warning(definition, "qualify", message)
    for group in definition.score.groups:
        for line in group.lines:
            if group.max is not None and line.per is None and abs(line.points) > group.max:
                message = (
                    f"{line.points:g} points for `{line.signal}` are more than `{group.name}` may give ({group.max:g})"
                )
                yield _warning(definition, f"score.{group.name}", message)


def _unasked(definition: Definition) -> Iterator[Problem]:
    asked = {compare.name for compare in compares(definition.qualify) if compare.operand == "criterion"}
    for name, _ in definition.criteria:
        if name not in asked:
            message = f"criterion `{name}` is defined, but `qualify` does not ask for it"
            yield _warning(definition, f"criteria.{name}", message)


def _entry(definition: Definition) -> Iterator[Problem]:
    excluded = dict(definition.exclude.attributes)
    for attribute, allowed in definition.only:
        if set(allowed) <= set(excluded.get(attribute, ())):
            message = f"nobody can enter: every `{attribute}` of `only` is excluded again"
            yield _warning(definition, "only", message)


def _unused(definition: Definition) -> Iterator[Problem]:
    used = used_signals(definition)
    for signal in definition.signals:
        if signal.name not in used:
            message = f"signal `{signal.name}` is never used: no stage, criterion, point or play asks for it"
            yield _warning(definition, f"signals.{signal.name}", message, "use it, or leave it out")


def _silent(definition: Definition) -> Iterator[Problem]:
    if definition.status == "live" and not definition.plays:
        yield _warning(
            definition, "status", "the definition is live, but without a play nobody is told", "add `plays:`"
        )


def _review(definition: Definition, today: date | None) -> Iterator[Problem]:
    reviewed = definition.reviewed
    if today is None or reviewed is None or definition.status != "live":
        return
    if (today - reviewed).days > REVIEW_DAYS:
        message = f"last reviewed on {reviewed}, more than a quarter ago"
        yield _warning(definition, "reviewed", message, "look at it again and set `reviewed:`")


def _gathered(definition: Definition) -> Iterator[Problem]:
    for play in definition.plays:
        if play.how == "digest" and not any(action.kind == "slack" for action in play.actions):
            message = f"play `{play.title}` has no `slack` action: nothing of it waits for a digest"
            yield _warning(definition, f"plays.{play.id}", message, "leave out `how`")


# --- against the settings ---


def _unmapped(definition: Definition, settings: Settings) -> Iterator[Problem]:
    given = mapped_attributes(settings)
    for attribute in attributes_of(definition):
        if attribute.removeprefix("user.") not in given:
            message = f"no source gives the attribute `{attribute}`: it is unknown for everybody"
            yield _warning(definition, "definition", message, "map it in settings.yaml")


def mapped_attributes(settings: Settings) -> frozenset[str]:
    """Every attribute that some source gives, or that is always there."""
    names = set(_ALWAYS_THERE)
    for source in settings.sources.values():
        match source:
            case FilesSource():
                for emit in source.emits:
                    names |= {*emit.user_traits, *emit.account_traits}
            case MixpanelSource():
                names |= {"email", "name", *source.user_traits, *source.account_traits}
            case HubSpotSource():
                names |= {*_FROM_A_CRM, *source.attributes, *source.contact_attributes}
    return frozenset(names)


def _destinations(definition: Definition, settings: Settings) -> Iterator[Problem]:
    kinds = {"slack": "slack", "crm_task": "hubspot", "crm_update": "hubspot", "webhook": "webhook"}
    for play in definition.plays:
        for action in play.actions:
            there = settings.destinations.get(action.destination)
            if there is None:
                message = f"play `{play.title}` sends to `{action.destination}`, which settings.yaml does not have"
                hint = _meant(action.destination, kinds[action.kind], settings)
                yield _warning(definition, f"plays.{play.id}", message, hint)
            elif there.kind != kinds[action.kind]:
                message = f"play `{play.title}`: `{action.destination}` is a {there.kind}, it cannot do `{action.kind}`"
                yield _warning(definition, f"plays.{play.id}", message)


def _meant(destination: str, kind: str, settings: Settings) -> str:
    """The destination of that kind that was probably meant: one whose name is much like it, or begins with it."""
    able = [name for name, each in settings.destinations.items() if each.kind == kind]
    longer = [name for name in able if name.startswith(destination) or destination.startswith(name)]
    if len(longer) == 1:
        return f"did you mean {quoted(longer[0])}?"
    return did_you_mean(destination, able, list_all=False) or "add it under `destinations:`"


def _hours(definition: Definition, settings: Settings) -> Iterator[Problem]:
    if settings.working_hours is not None:
        return
    for play in definition.plays:
        asked = {play.hours, *(action.options.get("hours") for action in play.actions)}
        if "working" in asked:
            message = (
                f"play `{play.title}` waits for working hours, but settings.yaml names none: it speaks at any time"
            )
            yield _warning(definition, f"plays.{play.id}", message, "add `working_hours:`")
