"""What of a value counts as text: its strings, walked without recursion, and its (path, value) pairs.

May import: the standard library and orjson. The rule that must stay true: a string of a record is
dropped only where it is a chat role, the type or id of a message part, or encoded media; any other
string is yielded, so a record of a shape that nobody foresaw loses nothing.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

MIN_DIGITS = 5
"""A bare number is text from this many digits on: fewer tell nobody apart and match everywhere."""

ROLES = frozenset(
    (
        *("system", "user", "assistant", "tool", "function", "developer"),  # OpenAI
        *("human", "gpt", "observation", "function_call", "function_response"),  # ShareGPT
        *("tool_call", "tool_response", "ipython", "model", "bot", "sys", "usr"),
        *("chatgpt", "bing", "bard"),
    )
)
_PART_TYPES = frozenset(
    (
        *("text", "input_text", "output_text", "refusal", "message", "function"),
        *("tool_call", "tool_calls", "tool_use", "tool_result", "tool_response"),
        *("thinking", "reasoning", "reasoning_text", "summary_text", "json_schema"),
    )
)
_MEDIA_TYPES = frozenset(
    (
        *("image", "image_url", "input_image", "audio", "audio_url", "input_audio"),
        *("video", "video_url", "file", "input_file"),
    )
)
_MEDIA_FIELDS = frozenset((*_MEDIA_TYPES, "source", "data", "file_data", "url"))
_MEDIA_KEYS = _MEDIA_FIELDS | {
    "type",
    "id",
    "text",
    "detail",
    "format",
    "filename",
    "file_id",
    "cache_control",
}
_PART_IDS = frozenset(("id", "tool_call_id", "tool_use_id", "call_id"))
_AS_JSON = frozenset(("arguments", "tools", "functions"))
_SCALARS = (int, float, decimal.Decimal, datetime.date, datetime.time)
_TELLING = frozenset(("type", *_AS_JSON))
_JSON_STARTS = frozenset("{[ \t\r\n")


@dataclass(frozen=True, slots=True)
class Tags:
    """Which keys of a message hold its role, and the values that are roles and hence not text."""

    role_keys: tuple[str, ...] = ("role", "from")
    roles: frozenset[str] = ROLES


CHAT = Tags()


def texts(value: Any, tags: Tags = CHAT) -> list[str]:
    """The texts in ``value``, any value made of JSON's types, in their order.

    Strings that are blank or ``data:...;base64`` are left out. Of a string that is itself JSON the
    strings inside follow where escapes make them differ from the JSON text. ``arguments``,
    ``tools`` and ``functions`` that are objects come as JSON text, as chat templates write them.
    Numbers count from :data:`MIN_DIGITS` digits on; keys, booleans and nulls are not text.
    """
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is str:
            if item and not item.isspace() and not _is_media(item):
                found.append(item)
                if item[0] in _JSON_STARTS and "\\" in item and item.lstrip()[0] in "{[":
                    stack.extend(reversed(_escaped_strings(item)))
        elif kind is dict:
            stack.extend(reversed(_text_values(item, tags)))
        elif kind is list or kind is tuple:
            stack.extend(reversed(item))
        elif (number := scalar(item)) is not None and sum(map(str.isdigit, number)) >= MIN_DIGITS:
            found.append(number)
    return found


def fields(record: Any) -> Iterator[tuple[str, str]]:
    """Yield ``(key path, value)`` of every scalar leaf: ``("items.0.price", "47.84")``.

    Positions in lists are path parts counted from 0; numbers and booleans come as JSON writes
    them; nulls are left out. A scalar record has the empty path.
    """
    stack: list[tuple[str, Any]] = [("", record)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, bool):
            yield path, "true" if item else "false"
        elif isinstance(item, (dict, list, tuple)):
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            stack.extend(reversed([(f"{path}.{key}" if path else str(key), leaf) for key, leaf in pairs]))
        elif (number := scalar(item)) is not None:
            yield path, number


def scalar(item: Any) -> str | None:
    """The text of a number, date or time (Parquet has the latter); None for anything else."""
    if item is None or isinstance(item, bool):
        return None
    return str(item) if isinstance(item, _SCALARS) else None


def is_role(value: Any) -> bool:
    """Whether ``value`` is one of the names that chat formats give to the parties."""
    return isinstance(value, str) and value in ROLES


def json_text(value: Any) -> str | None:
    """``value`` as JSON text; None where it is too deep for the encoder (254 levels)."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return None


def _text_values(item: dict[str, Any], tags: Tags) -> Sequence[Any]:
    """The values of an object that can hold text."""
    spoken = False
    for key in tags.role_keys:
        role = item.get(key)
        if isinstance(role, str) and role in tags.roles:
            spoken = True
    if not spoken and _TELLING.isdisjoint(item):
        return list(item.values())
    kind = item.get("type")
    kind = kind if isinstance(kind, str) else ""
    media = kind in _MEDIA_TYPES and item.keys() <= _MEDIA_KEYS  # not just any record with a "type"
    part = media or kind in _PART_TYPES
    kept = []
    for key, value in item.items():
        if spoken and key in tags.role_keys and isinstance(value, str) and value in tags.roles:
            continue
        if part and key == "type":
            continue
        if (spoken or part) and key in _PART_IDS:
            continue
        if media and key in _MEDIA_FIELDS:
            continue
        as_json = key in _AS_JSON or (key == "input" and kind == "tool_use")
        kept.append(rendered(value) if as_json else value)
    return kept


def rendered(value: Any) -> Any:
    """An object or list as its JSON text, where it can be written; anything else as it is."""
    if isinstance(value, (dict, list)):
        return json_text(value) or value
    return value


def _is_media(text: str) -> bool:
    return text.startswith("data:") and ";base64," in text[:200]


def _escaped_strings(text: str) -> list[str]:
    """The strings inside a JSON text that do not stand in it letter by letter, because of escapes."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    coded = "\\u" in text
    found = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _needs_escape(item) or (coded and not item.isascii()):
                found.append(item)
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
        elif isinstance(item, list):
            stack.extend(reversed(item))
    return found


def _needs_escape(text: str) -> bool:
    return '"' in text or "\\" in text or not text.isprintable()
