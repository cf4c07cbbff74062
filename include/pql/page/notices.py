"""What an act came to, said on the page it leads back to: two words of the address in, a sentence out."""

from __future__ import annotations

from collections.abc import Mapping

_SENTENCES = {
    "retry": (
        "{} made due again: the next run of `deliver` sends them, within five minutes.",
        "delivery",
        "deliveries",
    ),
    "suppress": ("{} suppressed, with the reason and your name.", "delivery", "deliveries"),
    "release_held": (
        "{} released: the next run of `deliver` sends them, within five minutes.",
        "delivery",
        "deliveries",
    ),
    "storm_approve": (
        "{} approved: the next run of `deliver` sends them, within five minutes.",
        "delivery",
        "deliveries",
    ),
    "storm_digest": (
        "{} due, the messages under one a channel: the next run of `deliver` sends them, within five minutes.",
        "delivery",
        "deliveries",
    ),
    "storm_reject": ("{} suppressed, with the reason and your name.", "delivery", "deliveries"),
    "release_silent": (
        "{} released: the next run of `deliver` tells the owners, within five minutes.",
        "opening",
        "openings",
    ),
}
_NOTHING = "Nothing was changed: none was chosen, or they were already on their way, over or released."
_NO_STORM = "Nothing was changed: the run was answered before, or nothing of it is held any more."
_NO_REASON = "Nothing was changed: say why, it is kept with the delivery."


def notice(query: Mapping[str, str]) -> tuple[str, str] | None:
    """("done" or "nothing", the sentence), None if nothing was done. Only our own words are ever shown."""
    done, count = query.get("done", ""), query.get("count", "")
    if done == "no_reason":
        return "nothing", _NO_REASON
    if done not in _SENTENCES or not (count.isascii() and count.isdigit()):
        return None
    number = int(count[:9])
    if number == 0:
        return "nothing", _NO_STORM if done.startswith("storm_") else _NOTHING
    sentence, one, many = _SENTENCES[done]
    return "done", sentence.format(f"{number} {one if number == 1 else many}")
