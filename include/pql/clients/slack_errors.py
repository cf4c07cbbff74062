"""Slack's error codes in one table: did the request take effect, and what should somebody do about it.

Codes: https://docs.slack.dev/reference/methods/chat.postMessage (errors), https://docs.slack.dev/apis/web-api/rate-limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["not_sent", "ambiguous", "rejected"]


@dataclass(frozen=True)
class Verdict:
    """What an error code means: `not_sent` may be tried again, `ambiguous` may have happened, `rejected` never will."""

    fate: Fate
    advice: str = ""


_TOKEN = Verdict("not_sent", "put a valid bot token (xoxb-…) into the connection")
_SCOPE = Verdict("not_sent", "give the Slack app the missing scope and reinstall it")
_BUSY = Verdict("not_sent")
_MIGRATING = Verdict("not_sent", "the workspace is being migrated; it will work again by itself")
_BROKE = Verdict("ambiguous")
_RESTRICTED = Verdict("rejected", "a workspace admin must allow the app to post there")
_NOBODY = Verdict("rejected", "no active Slack user has that e-mail; set the owner's Slack e-mail or a channel")
_MESSAGE = Verdict("rejected", "the message itself was refused; report this with the delivery id")
_THREAD = Verdict("rejected", "the message to answer under is gone or takes no answers")

VERDICTS: dict[str, Verdict] = {
    # the connection: wrong for every delivery, put right by ops, so nothing is given up at once
    "not_authed": _TOKEN,
    "invalid_auth": _TOKEN,
    "account_inactive": _TOKEN,
    "token_revoked": _TOKEN,
    "token_expired": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "missing_scope": _SCOPE,
    "no_permission": _SCOPE,
    "access_denied": _SCOPE,
    "accesslimited": Verdict("not_sent", "Slack refuses this network; allow its address in the workspace"),
    "ekm_access_denied": Verdict("not_sent", "an admin has suspended posting in the workspace"),
    "org_login_required": _MIGRATING,
    "team_added_to_org": _MIGRATING,
    # too fast
    "ratelimited": _BUSY,
    "rate_limited": _BUSY,
    "message_limit_exceeded": _BUSY,
    # Slack broke while it was at it: "some aspect of the operation may have succeeded"
    "fatal_error": _BROKE,
    "internal_error": _BROKE,
    "request_timeout": _BROKE,
    "service_unavailable": _BROKE,
    # this channel
    "channel_not_found": Verdict("rejected", "create the channel, or invite the app if it is private"),
    "not_in_channel": Verdict("rejected", "invite the app to the channel (/invite)"),
    "is_archived": Verdict("rejected", "unarchive the channel or name another one in the play"),
    "cannot_reply_to_message": _THREAD,
    "invalid_thread_ts": _THREAD,
    "thread_not_found": _THREAD,
    "restricted_action": _RESTRICTED,
    "restricted_action_read_only_channel": _RESTRICTED,
    "restricted_action_thread_only_channel": _RESTRICTED,
    "restricted_action_non_threadable_channel": _THREAD,
    # this person
    "users_not_found": _NOBODY,
    "user_not_found": _NOBODY,
    "user_not_visible": _NOBODY,
    "user_disabled": _NOBODY,
    "cannot_dm_bot": _NOBODY,
    "messages_tab_disabled": Verdict("rejected", "switch on the app's Messages tab (App Home)"),
    # this message
    "invalid_blocks": _MESSAGE,
    "invalid_blocks_format": _MESSAGE,
    "msg_too_long": _MESSAGE,
    "msg_blocks_too_long": _MESSAGE,
    "no_text": _MESSAGE,
    "invalid_metadata_format": _MESSAGE,
    "invalid_metadata_schema": _MESSAGE,
    "metadata_too_large": _MESSAGE,
    "invalid_arguments": _MESSAGE,
    "invalid_arg_name": _MESSAGE,
}

THREAD_CODES = frozenset(code for code, verdict in VERDICTS.items() if verdict is _THREAD)
NOBODY_CODES = frozenset(code for code, verdict in VERDICTS.items() if verdict is _NOBODY)


def verdict(code: str, status: int = 200) -> Verdict:
    """What Slack's error `code` with that HTTP status means; an unknown code is a plain "no", tried again.

    >>> verdict("is_archived").fate, verdict("fatal_error").fate, verdict("never_heard_of").fate
    ('rejected', 'ambiguous', 'not_sent')
    >>> verdict("", 503).fate, verdict("", 429).fate
    ('ambiguous', 'not_sent')
    """
    if code in VERDICTS:
        return VERDICTS[code]
    return _BROKE if status >= 500 else _BUSY
