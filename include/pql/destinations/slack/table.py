"""A table of many messages in, its Slack message out: the hottest accounts, a line or two each; pure, all data escaped.

One section a row: within Slack's 50 blocks of 3,000 characters, and within the 13,200 of a whole message, because
every part of a row has a limit of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from pql.destinations import words
from pql.destinations.slack.text import FALLBACK_LIMIT, HEADER_LIMIT, bold, cut, mrkdwn, plain, safe, section
from pql.types import Alert, Listing

Block = dict[str, object]

SHOWN = 20  # rows; more are only counted
_NAME_LIMIT = 60
_WORDS_LIMIT = 40  # of size, owner and headline, each
_REASON_LIMIT = 110
_URL_LIMIT = 150
_NAMED = 5  # accounts in the notification
_SIGN = "📋"


def table(alert: Alert, listing: Listing, record_url: Callable[[Alert], str]) -> list[Block]:
    """The blocks: a title, a row per account (rank, name, score, change, size, owner, first reason), how many more."""
    blocks: list[Block] = [{"type": "header", "text": plain(_title(alert), HEADER_LIMIT)}]
    titles = _said(" + ".join(alert.titles), HEADER_LIMIT)
    if titles:
        blocks.append({"type": "context", "elements": [mrkdwn(titles)]})
    shown = listing.alerts[:SHOWN]
    blocks += [
        section(_gone(rank, each) if rank - 1 in listing.taken_back else _row(rank, each, record_url(each)))
        for rank, each in enumerate(shown, start=1)
    ]
    more = listing.more + len(listing.alerts) - len(shown)
    rest = f"… and {more:,} more in the thread" if more else "Each has its message in the thread"
    blocks.append({"type": "context", "elements": [mrkdwn(rest)]})
    return blocks


def fallback(alert: Alert, listing: Listing) -> str:
    """The text of the notification: the title and the first names."""
    told = [each for place, each in enumerate(listing.alerts) if place not in listing.taken_back]
    names = [f"{_said(_name(each), _NAME_LIMIT)} ({each.score})" for each in told[:_NAMED]]
    return cut(" · ".join(part for part in (_title(alert), ", ".join(names)) if part), FALLBACK_LIMIT)


def _title(alert: Alert) -> str:
    return f"{_SIGN} {safe(alert.account_name, 80)}: {safe(alert.headline, _WORDS_LIMIT)}"


def _row(rank: int, alert: Alert, url: str) -> str:
    name = _said(_name(alert), _NAME_LIMIT)
    points, when = words.delta(alert)
    first = [f"{rank}.  {_linked(name, url)}", f"Score {bold(str(alert.score))}"]
    first += [f"{'▲' if points > 0 else '▼'}{abs(points)} {when}"] if points else []
    first += [happened] if (happened := _said(alert.headline)) else []
    owner = _said(alert.owner_name or alert.owner_email or "nobody yet")
    second = [part for part in (words.size(alert, _said), f"owner {owner}") if part]
    reason = next((each for each in alert.reasons if each.points > 0), None)
    second += [f"{bold(words.signed(reason.points))} {_said(reason.text, _REASON_LIMIT)}"] if reason else []
    return f"{'  ·  '.join(first)}\n{' · '.join(second)}"


def _gone(rank: int, alert: Alert) -> str:
    name = _said(_name(alert), _NAME_LIMIT).replace("~", "∼")
    return f"{rank}.  ~{name}~  ·  No longer qualified"


def _name(alert: Alert) -> str:
    return words.one_line(alert.account_name) or words.one_line(alert.account_key) or "An account"


def _linked(name: str, url: str) -> str:
    """The name as a link. What could end the link early is not in the name, and a URL that holds it is no link."""
    if not url or len(url) > _URL_LIMIT or any(sign in url for sign in "<>|& \n"):
        return bold(name)
    return bold(f"<{url}|{name}>")


def _said(text: object, limit: int = _WORDS_LIMIT) -> str:
    """Foreign text for a cell; a backtick would begin code that swallows the rest of the row."""
    return safe(str(text).replace("`", "ˋ"), limit)
