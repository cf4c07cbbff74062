"""What every answer of a vendor means for a delivery, in one table: an error code, status or exception in, a row out.

The clients look here and nowhere else; `docs/reference/delivery-errors.md` is written from here. Where an effect could
have happened, what is not known is ambiguous: it is looked for before anything is sent again.

Sources: docs.slack.dev/reference/methods (chat.postMessage, chat.update) and /apis/web-api/rate-limits;
developers.hubspot.com/docs/api-reference/error-handling; the Standard Webhooks specification, "Delivery success and
failure"; RFC 9110.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pql.types import Outcome

System = Literal["slack", "http", "hubspot row", "webhook", "transport"]
Kind = Literal["", "unreachable", "lost", "unauthorized", "forbidden", "missing", "rate_limited", "rejected", "server"]
Wait = Literal["", "schedule", "told"]
About = Literal["", "thread", "person"]


@dataclass(frozen=True)
class Meaning:
    """One row: the answer, what it means for the effect, why, and what somebody should do about it."""

    system: System
    code: str
    outcome: Outcome
    why: str
    advice: str = ""
    kind: Kind = "rejected"
    about: About = ""  # what is refused, where the message can be said differently: the thread, the person

    @property
    def wait(self) -> Wait:
        """When it is tried again without a Retry-After: as any failure (schedule), soon (told), never ("")."""
        if self.outcome in ("delivered", "rejected"):
            return ""
        return "told" if self.kind == "rate_limited" else "schedule"


_TOKEN = "put a valid bot token (xoxb-…) into the connection"  # noqa: S105  # words, no token
_SCOPE = "give the Slack app the missing scope and reinstall it"
_ALLOW = "a workspace admin must allow the app to post there"
_SLACK_EMAIL = "no active Slack user has that e-mail; set the owner's Slack e-mail or a channel"
_REPORT = "the message itself was refused; report this with the delivery id"
_THREAD = "the message to answer under is gone or takes no answers"
_SOME_OF_IT = "Slack: some aspect of the operation may have succeeded"
_OPS = "wrong for every delivery and put right by ops, so nothing is given up at once"
_AS_LONG = "the workspace is being migrated; it will work again by itself"


def _slack(outcome: Outcome, why: str, advice: str, codes: str, kind: Kind = "rejected", about: About = "") -> _Rows:
    return tuple(Meaning("slack", code, outcome, why, advice, kind, about) for code in codes.split())


_Rows = tuple[Meaning, ...]

_SLACK: _Rows = (
    *_slack("delivered", "the message stands", "", "ok"),
    *_slack(
        "not_sent", _OPS, _TOKEN,
        "not_authed invalid_auth account_inactive token_revoked token_expired not_allowed_token_type "
        "two_factor_setup_required",
        "unauthorized",
    ),
    *_slack(
        "not_sent", _OPS, _SCOPE, "missing_scope no_permission access_denied app_access_restricted", "forbidden"
    ),
    *_slack(
        "not_sent", _OPS, "give the app access to the workspace",
        "team_access_not_granted team_not_found enterprise_is_restricted", "forbidden",
    ),
    *_slack("not_sent", _OPS, "Slack refuses this network; allow its address", "accesslimited", "forbidden"),
    *_slack("not_sent", _OPS, "an admin has suspended posting in the workspace", "ekm_access_denied", "forbidden"),
    *_slack(
        "not_sent", "passes by itself", _AS_LONG,
        "org_login_required team_added_to_org external_channel_migrating", "server",
    ),
    *_slack("not_sent", "too fast: refused before it was posted", "", "ratelimited rate_limited", "rate_limited"),
    *_slack("not_sent", "the workspace's limit of messages", "", "message_limit_exceeded", "server"),
    *_slack("ambiguous", _SOME_OF_IT, "", "fatal_error internal_error service_unavailable", "server"),
    *_slack("ambiguous", "the request was cut short, nobody says where", "", "request_timeout", "server"),
    *_slack(
        "rejected", "no such channel", "create the channel, or invite the app if it is private", "channel_not_found"
    ),
    *_slack("rejected", "the app is no member", "invite the app to the channel (/invite)", "not_in_channel"),
    *_slack("rejected", "archived", "unarchive the channel or name another one in the play", "is_archived"),
    *_slack(
        "rejected", "said in the channel instead, as an answer cannot be", _THREAD,
        "cannot_reply_to_message invalid_thread_ts thread_not_found restricted_action_non_threadable_channel "
        "restricted_action_thread_locked",
        about="thread",
    ),
    *_slack(
        "rejected", "the channel's rules", _ALLOW,
        "restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel",
    ),
    *_slack(
        "rejected", "said to the play's channel instead, if it names one", _SLACK_EMAIL,
        "users_not_found user_not_found user_not_visible user_disabled cannot_dm_bot", about="person",
    ),
    *_slack(
        "rejected", "the app takes no direct messages", "switch on the app's Messages tab (App Home)",
        "messages_tab_disabled",
    ),
    *_slack(
        "rejected", "an edit: the message is gone or may not be changed any more",
        "somebody deleted it, or the workspace limits how long messages can be edited",
        "message_not_found cant_update_message edit_window_closed is_inactive",
    ),
    *_slack(
        "rejected", "the same message is refused again", _REPORT,
        "invalid_blocks invalid_blocks_format block_mismatch msg_too_long msg_blocks_too_long no_text "
        "invalid_metadata_format invalid_metadata_schema metadata_too_large metadata_must_be_sent_from_app "
        "markdown_text_conflict attachment_payload_limit_exceeded too_many_attachments as_user_not_supported "
        "invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type "
        "missing_post_type",
    ),
    *_slack(
        "rejected", "a method that is gone", "upgrade this project", "method_deprecated deprecated_endpoint",
    ),
    *_slack("not_sent", "429 without a code", "", "429", "rate_limited"),
    *_slack("not_sent", "something before Slack (a proxy) refused it", "", "3xx 4xx", "server"),
    *_slack("ambiguous", "Slack broke, or something before it", "", "5xx", "server"),
    *_slack("ambiguous", "200 without Slack's JSON: a proxy's page, or half an answer", "", "2xx", "server"),
    *_slack("ambiguous", "a code that is not in this table", "", "*", "server"),
)  # fmt: skip

THE_CONNECTION = "the connection"  # whoever says an advice puts its name there

_HTTP: _Rows = (  # HubSpot; Mixpanel, of which nothing is written, is read with the same rows
    Meaning("http", "2xx", "delivered", "the record is written; of a batch (207) each row says for itself", kind=""),
    Meaning("http", "3xx", "rejected", "redirects are not followed",
            f"It redirects elsewhere, which is not followed: check the host of {THE_CONNECTION}."),
    Meaning("http", "400", "rejected", "HubSpot will not take it so; of a batch the bad row is found by halves"),
    Meaning("http", "401", "not_sent", _OPS,
            f"The token or password is wrong, expired or revoked: put a valid one into {THE_CONNECTION}.",
            "unauthorized"),
    Meaning("http", "403", "not_sent", _OPS,
            f"The credentials lack a permission (scope): grant it, or change {THE_CONNECTION}.", "forbidden"),
    Meaning("http", "404", "rejected", "the record is not there", "", "missing"),
    Meaning("http", "408", "not_sent", "the request did not arrive in time, so it was not acted on", "", "server"),
    Meaning("http", "409", "not_sent", "the same key is being written at this moment", "", "server"),
    Meaning("http", "423", "not_sent", "locked for two seconds while much is written", "", "server"),
    Meaning("http", "425", "not_sent", "too early", "", "server"),
    Meaning("http", "429", "not_sent", "a limit; refused before it was acted on",
            "Too many requests; it is tried again later.", "rate_limited"),
    Meaning("http", "477", "not_sent", "the portal is being moved between data centres (up to a day)", "", "server"),
    Meaning("http", "4xx", "rejected", "any other refusal: the same request is refused again"),
    Meaning("http", "521", "not_sent", "the edge could not connect to HubSpot", "", "server"),
    Meaning("http", "523", "not_sent", "the edge could not reach HubSpot", "", "server"),
    Meaning("http", "525", "not_sent", "the edge found no TLS with HubSpot", "", "server"),
    Meaning("http", "526", "not_sent", "the edge did not trust HubSpot's certificate", "", "server"),
    # 503 says that it was not taken on, but something between may say so of an answer that it lost
    Meaning("http", "5xx", "ambiguous", "it broke or took too long (500, 502, 503, 504, 522): it may have acted",
            "", "server"),
    Meaning("http", "*", "ambiguous", "no status one knows", "", "server"),
)  # fmt: skip

_ROWS: _Rows = (  # `category` of an error in a batch's 207
    Meaning("hubspot row", "RATE_LIMITS", "not_sent", "too fast", kind="server"),
    Meaning("hubspot row", "LOCKED", "not_sent", "somebody else writes the record", kind="server"),
    Meaning("hubspot row", "MIGRATION_IN_PROGRESS", "not_sent", "passes by itself", kind="server"),
    Meaning("hubspot row", "SERVICE_UNAVAILABLE", "not_sent", "not taken on", kind="server"),
    Meaning("hubspot row", "CONFLICT", "not_sent", "the same key was written at the same moment", kind="server"),
    Meaning("hubspot row", "INTERNAL_ERROR", "ambiguous", "it broke on the way", kind="server"),
    Meaning("hubspot row", "VALIDATION_ERROR", "rejected", "a value is not taken"),
    Meaning("hubspot row", "OBJECT_NOT_FOUND", "rejected", "no such record"),
    Meaning("hubspot row", "BANNED", "rejected", "not allowed"),
    Meaning("hubspot row", "not mentioned", "ambiguous", "the answer says nothing of the row", kind="lost"),
    Meaning("hubspot row", "*", "ambiguous", "a category that is not in this table", kind="server"),
)  # fmt: skip

_WEBHOOK: _Rows = (
    Meaning("webhook", "2xx", "delivered", "taken, whatever the body says", kind=""),
    Meaning("webhook", "3xx", "not_sent", "redirects are not followed",
            "redirects are not followed: put the final URL into the connection"),
    Meaning("webhook", "410", "rejected", "Standard Webhooks: the receiver wants no more",
            "it wants no more webhooks; remove it from the plays"),
    Meaning("webhook", "429", "not_sent", "too fast", kind="rate_limited"),
    Meaning("webhook", "4xx", "not_sent", "a failure by the standard: the receiver may be mended within a day"),
    Meaning("webhook", "5xx", "ambiguous", "it may have acted; the same webhook-id is sent again", kind="server"),
    Meaning("webhook", "*", "ambiguous", "no status one knows; the same webhook-id is sent again", kind="server"),
    Meaning("webhook", "AddressRefusedError", "rejected", "an address that must not be called (private, metadata)"),
    Meaning("webhook", "secret", "not_sent", _OPS, "put a Standard Webhooks secret into the connection"),
)  # fmt: skip

_BEFORE = "no connection came about, so nothing left"


def _exceptions(outcome: Outcome, why: str, names: str, kind: Kind) -> _Rows:
    return tuple(Meaning("transport", name, outcome, why, kind=kind) for name in names.split())


_TRANSPORT: _Rows = (  # classes of Python, urllib3 and requests, the first that is found inside a failure
    *_exceptions("not_sent", "the name is not known, so nothing left", "gaierror NameResolutionError", "unreachable"),
    *_exceptions(
        "not_sent", _BEFORE, "ConnectionRefusedError NewConnectionError ConnectTimeoutError ConnectTimeout",
        "unreachable",
    ),
    *_exceptions("not_sent", "the certificate is not trusted, so nothing left", "SSLCertVerificationError",
                 "unreachable"),
    *_exceptions("not_sent", "no address one could call", "InvalidURL MissingSchema InvalidSchema LocationParseError",
                 "unreachable"),
    Meaning("transport", "*", "ambiguous", "a time-out, a reset, half an answer: the request had left", kind="lost"),
)  # fmt: skip

TABLE: _Rows = (*_SLACK, *_HTTP, *_ROWS, *_WEBHOOK, *_TRANSPORT)
_BY_CODE = {(row.system, row.code): row for row in TABLE}
THREAD_CODES = frozenset(row.code for row in TABLE if row.about == "thread")
NOBODY_CODES = frozenset(row.code for row in TABLE if row.about == "person")


def of_slack(code: str, status: int = 200) -> Meaning:
    """What Slack's `error` means; without one, what the HTTP status does.

    >>> of_slack("is_archived").outcome, of_slack("fatal_error").outcome, of_slack("never_heard_of").outcome
    ('rejected', 'ambiguous', 'ambiguous')
    >>> of_slack("", 503).outcome, of_slack("", 429).outcome, of_slack("", 407).outcome, of_slack("").outcome
    ('ambiguous', 'not_sent', 'not_sent', 'ambiguous')
    """
    return _BY_CODE.get(("slack", code), _BY_CODE["slack", "*"]) if code else _of_status("slack", status)


def of_http(status: int) -> Meaning:
    """What a status of HubSpot's means for what was being written.

    >>> of_http(418).outcome, of_http(502).outcome, of_http(503).outcome, of_http(477).wait
    ('rejected', 'ambiguous', 'ambiguous', 'schedule')
    """
    return _of_status("http", status)


def of_webhook(status: int | str) -> Meaning:
    """What a receiver's status means, or the name of what keeps it from being called.

    >>> of_webhook(410).outcome, of_webhook(404).outcome, of_webhook(429).wait, of_webhook(500).outcome
    ('rejected', 'not_sent', 'told', 'ambiguous')
    """
    return _of_status("webhook", status)


def of_row(category: str) -> Meaning:
    """What the category of one row's error in HubSpot's 207 means.

    >>> of_row("VALIDATION_ERROR").outcome, of_row("RATE_LIMITS").outcome, of_row("NEW").outcome
    ('rejected', 'not_sent', 'ambiguous')
    """
    return _BY_CODE.get(("hubspot row", category), _BY_CODE["hubspot row", "*"])


def of_failure(error: object) -> Meaning:
    """What it means that no answer came: by the first class of the table inside `error`, its reasons and causes.

    >>> of_failure(OSError(ConnectionRefusedError())).outcome, of_failure(TimeoutError()).outcome
    ('not_sent', 'ambiguous')
    """
    for inner in _inside(error):
        for one in type(inner).__mro__:
            if ("transport", one.__name__) in _BY_CODE:
                return _BY_CODE["transport", one.__name__]
    return _BY_CODE["transport", "*"]


def _of_status(system: System, status: int | str) -> Meaning:
    codes = (str(status), f"{str(status)[0]}xx", "*")
    return next(_BY_CODE[system, code] for code in codes if (system, code) in _BY_CODE)


def _inside(error: object, depth: int = 6) -> Iterator[BaseException]:
    """The failure and what it wraps: libraries keep the cause in `args` or `reason`."""
    if depth and isinstance(error, BaseException):
        yield error
        for wrapped in (*error.args, getattr(error, "reason", None), error.__cause__):
            yield from _inside(wrapped, depth - 1)
