"""The closed syntax of what may leave an answer without a guard, and the names of what may not.

A field is written only when it is known *and* its value is a member of an enumeration, a number, or the name
of the model that was asked for, with a date or a version behind it. An id is sealed (``ids.py``). All else
stays behind and is counted by name.

May import: the ground floor and this room. The rule that must stay true: no function here returns free text,
but for :func:`said` and :func:`text`, whose results are untrusted and may only become a ``Delta``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.dialects.ids import AnswerIds
from proxy.errors import UpstreamError

_MODEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,256}")
_VERSION = re.compile(r"-20[0-9]{2}-?[01][0-9]-?[0-3][0-9]|-[0-9]{3,4}|-v[0-9]{1,2}")
"""What servers put behind a model's name: ``-2024-08-06``, ``-20240806``, ``-0613``, ``-001``, ``-v2``."""

_LARGEST = 2**53  # the largest whole number that JSON readers agree on

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_FINISH_ALIASES = {
    "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "complete": "stop",
    "max_tokens": "length", "max_length": "length", "model_length": "length", "tool_use": "tool_calls",
}  # fmt: skip
_SERVICE_TIERS = frozenset({"auto", "default", "flex", "priority", "scale", "standard"})

DROPPED = frozenset(
    {
        "after_finish", "annotations", "audio", "citations", "content.part", "content_filter_offsets",
        "content_filter_results", "created", "finish_reason", "id", "images", "kv_transfer_params",
        "logprobs", "matched_stop", "metadata", "model", "native_finish_reason", "prompt_filter_results",
        "prompt_logprobs", "prompt_token_ids", "provider", "provider_specific_fields", "reasoning.late",
        "reasoning_details", "search_results", "service_tier", "stop_reason", "system_fingerprint",
        "thinking_blocks", "timings", "token_ids", "tool_calls.id", "tool_calls.name", "tool_calls.type",
        "usage", "x_groq",
    }
)  # fmt: skip
"""The names under which fields that stay behind are counted; every other one counts as ``other``."""

_COUNTS = frozenset(
    {
        "prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens", "input_tokens", "output_tokens",
    }
)  # fmt: skip
_DETAILS = frozenset(
    {
        "prompt_tokens_details", "completion_tokens_details", "input_tokens_details",
        "output_tokens_details",
    }
)  # fmt: skip
_DETAIL_COUNTS = frozenset(
    {
        "cached_tokens", "audio_tokens", "reasoning_tokens", "text_tokens", "image_tokens",
        "accepted_prediction_tokens", "rejected_prediction_tokens", "cache_creation_tokens",
        "cache_write_tokens",
    }
)  # fmt: skip


def unreadable(what: str) -> UpstreamError:
    """The error for an answer of another shape than its dialect's. ``what`` is ours."""
    return UpstreamError(f"The model server's answer cannot be read: {what}.", where="answer")


def mapping(value: object, what: str) -> dict[str, Any]:
    """``value`` as a JSON object; ``null`` counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unreadable(f"{what} is not an object")
    return value


def items(value: object, what: str) -> list[Any]:
    """``value`` as a JSON array; ``null`` counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable(f"{what} is not an array")
    return value


def text(value: object, what: str) -> str:
    """``value`` as a string; ``null`` counts as an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise unreadable(f"{what} is not a string")
    return value


def said(name: str, value: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
    """The channels and texts of a ``content``: a string, or a list of parts, each read by its type."""
    if isinstance(value, str) or value is None:
        if value:
            yield name, value
        return
    for part in items(value, name):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "output_text"):
            yield name, text(part.get("text"), name)
        elif kind == "refusal":
            yield "refusal", text(part.get("refusal"), name)
        elif kind in ("thinking", "reasoning"):  # its text lies under its own name, as text or as parts
            for _, thought in said(name, part.get(kind) or part.get("text"), dropped):
                yield "reasoning_content", thought
        else:
            dropped.append("content.part")


def left_behind(value: Mapping[str, Any], known: frozenset[str], dropped: list[str]) -> None:
    """Report the fields outside ``known`` that say something."""
    if known.issuperset(value):
        return
    for name, content in value.items():
        if name not in known and content not in (None, False, "", [], {}):
            dropped.append(name if name in DROPPED else "other")


def answer(value: object, known: frozenset[str], dropped: list[str]) -> dict[str, Any]:
    """The outermost object of a chunk or body. ``UpstreamError`` where it reports an error."""
    if not isinstance(value, dict):
        raise unreadable("it is not an object")
    if value.get("error") or value.get("object") == "error":
        raise UpstreamError("The model server reported an error.", where="answer")
    left_behind(value, known, dropped)
    return value


def choice_index(choice: Mapping[str, Any], choices: int) -> int:
    """The number of a choice, which must be one that was asked for."""
    index = choice.get("index", 0)
    if type(index) is not int or not 0 <= index < choices:
        raise unreadable("it has a choice that was not asked for")
    return index


def model_name(given: object, asked: str, dropped: list[str]) -> str:
    """The model that an answer names: the one that was asked for, or a dated or numbered form of it.

    Where the server calls it otherwise, as behind an alias, the caller reads the name it asked for.
    """
    if isinstance(given, str):
        if given.startswith(asked) and _VERSION.fullmatch(given, len(asked)):
            return given
        if not given or _MODEL.fullmatch(given):
            return asked
    if given:
        dropped.append("model")
    return asked


def envelope(
    value: Mapping[str, Any], kind: str, ids: AnswerIds, model: str, dropped: list[str]
) -> dict[str, Any]:
    """``id``, ``object``, ``created``, ``model`` and, where the upstream names them, the rest.

    The id is ours. A fingerprint is only to be compared with others, and so a hash of the server's is one.
    """
    created = value.get("created")
    if type(created) is float and created.is_integer():
        created = int(created)
    if type(created) is not int or not 0 <= created <= _LARGEST:
        if created is not None:
            dropped.append("created")
        created = 0
    made: dict[str, Any] = {
        "id": ids.answer,
        "object": kind,
        "created": created,
        "model": model_name(value.get("model"), model, dropped),
    }
    tier = value.get("service_tier")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        made["service_tier"] = tier
    elif tier:
        dropped.append("service_tier")
    fingerprint = value.get("system_fingerprint")
    if isinstance(fingerprint, str) and fingerprint:
        made["system_fingerprint"] = ids.seal.fingerprint(fingerprint)
    elif fingerprint:
        dropped.append("system_fingerprint")
    return made


def finish_reason(value: object, dropped: list[str]) -> str | None:
    """One of OpenAI's reasons. One that nobody knows becomes ``length``: it promises the least."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if value in FINISH_REASONS:
            return value
        if value.lower() in _FINISH_ALIASES:
            return _FINISH_ALIASES[value.lower()]
    dropped.append("finish_reason")
    return "length"


def usage(value: object, dropped: list[str]) -> dict[str, Any] | None:
    """The counts of tokens, numbers only; None where there are none."""
    if not isinstance(value, dict):
        if value is not None:
            dropped.append("usage")
        return None
    made: dict[str, Any] = {}
    for name, content in value.items():
        if name in _COUNTS and _count(content):
            made[name] = content
        elif name in _DETAILS and isinstance(content, dict):
            made[name] = {key: n for key, n in content.items() if key in _DETAIL_COUNTS and _count(n)}
        elif content is not None and "usage" not in dropped:
            dropped.append("usage")
    return made or None


def _count(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and 0 <= value <= _LARGEST
