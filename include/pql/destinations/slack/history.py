"""What stands in Slack: expected messages and a moment in; our messages since, and those that are gone, out.

A message counts by its delivery key (metadata) or, as an edit may lose that, by its receipt's place and time. It is
gone only if a history read to its end lacks it *and* Slack says `message_not_found` of it. Histories are read at the
pace that Slack has for them (tier 3, about 50 calls a minute) for as long as there is time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pql.clients.slack import Slack, SlackError, delivery_key
from pql.types import Expected, ReadBack, Standing

_PAGE = 200
_GAP_S = 1.2
_PATIENCE = 5  # calls answered "later" before a place is left alone
_DELETED = "tombstone"  # what stands for a deleted message that has answers
_SHOWN_TOO = "thread_broadcast"
_TIME_OVER = "there was no time left for it; it is read the next time"

Message = Mapping[str, Any]


class SlackHistory:
    """Reads channels, direct messages and threads of one workspace. `seconds`: how long one reading may take."""

    def __init__(
        self, slack: Slack, *, clock: Callable[[], datetime], sleep: Callable[[float], None], seconds: float
    ) -> None:
        self._slack = slack
        self._clock = clock
        self._sleep = sleep
        self._seconds = seconds

    def read(self, expected: Sequence[Expected], since: datetime) -> ReadBack:
        """See `pql.types.Reader`. Places: the channel's id; of a thread `channel/ts`."""
        until = self._clock() + timedelta(seconds=self._seconds)
        reading = _Reading(self._slack, since.timestamp(), lambda: self._clock() < until, self._sleep)
        for channel in reading.channels(expected):
            reading.read(channel)
        for thread in sorted({_thread(each) for each in expected} | reading.answered):
            if thread:
                reading.read(thread)
        for each in expected:
            reading.confirm(each)
        return ReadBack(tuple(reading.standing), reading.gone, frozenset(reading.shown), reading.unread)


@dataclass
class _Reading:
    """One reading under way."""

    slack: Slack
    oldest: float
    is_time: Callable[[], bool]
    sleep: Callable[[float], None]
    shown: dict[str, set[str]] = field(default_factory=dict)  # place → ts of all that stands there
    unread: dict[str, str] = field(default_factory=dict)
    standing: list[Standing] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)  # threads under our own messages with something new in them

    def channels(self, expected: Sequence[Expected]) -> list[str]:
        """The ids of all channels that are expected in."""
        found = {str(each.receipt["channel"]) for each in expected if each.receipt and each.receipt.get("channel")}
        for lane in sorted({each.lane for each in expected if not each.receipt}):
            try:
                found.add(self._channel(lane.removeprefix("slack:")))
            except SlackError as error:
                if error.fate != "rejected":  # where nobody is, or no such channel, nothing can stand
                    self.unread[lane] = error.reason
        return sorted(found)

    def _channel(self, name: str) -> str:
        if name.startswith("dm:"):
            return self.slack.direct_channel(name.removeprefix("dm:"))
        return self.slack.channel_id(name)

    def read(self, place: str) -> None:
        """A place to its end, or why not."""
        channel, _, thread = place.partition("/")
        shown: set[str] = set()
        standing: list[Standing] = []
        try:
            for message in self._messages(channel, thread):
                ts = str(message["ts"])
                if message.get("subtype") == _DELETED or float(ts) < self.oldest:
                    continue
                if thread and ts == thread:
                    continue  # the first message stands in the channel itself
                if not thread and message.get("subtype") == _SHOWN_TOO:
                    continue  # an answer that the channel shows, too, stands in its thread
                shown.add(ts)
                standing += _ours(message, channel, place)
                if delivery_key(message) and float(message.get("latest_reply") or 0) >= self.oldest and not thread:
                    self.answered.add(f"{channel}/{ts}")
        except SlackError as error:
            self.unread[place] = error.reason
            return
        self.shown[place] = shown
        self.standing += standing

    def confirm(self, each: Expected) -> None:
        """Whether a delivered message that its place does not show is gone, which Slack itself must say."""
        receipt = each.receipt or {}
        channel, ts = str(receipt.get("channel") or ""), str(receipt.get("ts") or "")
        place = _thread(each) or channel
        if not ts or float(ts) < self.oldest or place not in self.shown:
            return
        if ts in self.shown[place]:
            if all(one.receipt["ts"] != ts for one in self.standing if one.key == each.key):
                self.standing.append(_at(each.key, channel, place, ts))  # it stands there, its metadata does not
            return
        try:
            self._call("chat.getPermalink", {"channel": channel, "message_ts": ts})
        except SlackError as error:
            if error.code == "message_not_found":
                self.gone[each.key] = place
            else:
                self.unread[place] = error.reason
                self.shown.pop(place)
            return
        self.standing.append(_at(each.key, channel, place, ts))

    def _messages(self, channel: str, thread: str) -> Iterator[Message]:
        method = "conversations.replies" if thread else "conversations.history"
        asked = {"channel": channel, "oldest": f"{self.oldest:.6f}", "include_all_metadata": True, "limit": _PAGE}
        cursor = ""
        while True:
            more = ({"ts": thread} if thread else {}) | ({"cursor": cursor} if cursor else {})
            try:
                page = self._call(method, asked | more)
            except SlackError as error:
                if thread and error.code == "thread_not_found":
                    return  # its first message was deleted, and with it whatever answered
                raise
            yield from page.get("messages", ())
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor and page.get("has_more"):
                raise self._cannot(method, "a page says there is more and not where")
            if not cursor:
                return

    def _call(self, method: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Slack's answer, waited for as long as it asks while there is time."""
        for _ in range(_PATIENCE):
            if not self.is_time():
                raise self._cannot(method, _TIME_OVER)
            self.sleep(_GAP_S)
            try:
                return self.slack.call(method, arguments)
            except SlackError as error:
                if error.retry_after_s is None:
                    raise
                last = error
                self.sleep(min(error.retry_after_s, 60.0))
        raise last

    def _cannot(self, method: str, why: str) -> SlackError:
        return SlackError(self.slack.connection_id, method, why, "ambiguous")


def _thread(each: Expected) -> str:
    """The thread a delivered answer stands in, "" for a message of its own."""
    receipt = each.receipt or {}
    thread, ts = str(receipt.get("thread_ts") or ""), str(receipt.get("ts") or "")
    return f"{receipt['channel']}/{thread}" if thread and thread != ts and receipt.get("channel") else ""


def _ours(message: Message, channel: str, place: str) -> list[Standing]:
    key = delivery_key(message)
    return [] if key is None else [_at(key, channel, place, str(message["ts"]))]


def _at(key: str, channel: str, place: str, ts: str) -> Standing:
    return Standing(key, place, datetime.fromtimestamp(float(ts), UTC), {"channel": channel, "ts": ts})
