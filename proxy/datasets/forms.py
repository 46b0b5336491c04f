"""The shapes of records: which fields a shape has, in which order they are read, what must be there.

May import: the ground floor and its room. The rule that must stay true: under ``auto`` the shape
decides the order of a record's texts and never which of them are read, except for a record's own
id and the media it names; only a shape that the operator chose reads some fields alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.datasets.leaves import CHAT, MIN_DIGITS, Tags, rendered, texts

Misfit = Callable[[Mapping[str, Any]], str | None]
"""Why a record does not have a shape, in words that hold nothing of the record; None where it has."""

_NOT_TEXT = frozenset(("id", "_id", "uuid", "idx", "image", "images", "audio", "audios", "video", "videos"))


@dataclass(frozen=True, slots=True)
class Form:
    """A shape of records. ``fields`` are read in this order; none of them: all, in the record's order."""

    name: str
    summary: str
    fields: tuple[str, ...]
    misfit: Misfit
    tags: Tags = CHAT
    distinct: bool = False
    """Whether a text is given once only: in preference sets both answers repeat the prompt."""
    as_json: tuple[str, ...] = ("tools", "functions")
    """Fields that come as JSON text where they are objects or lists."""


def read_texts(record: Any, form: Form, key: str | None = None) -> tuple[str, ...]:
    """The texts of a record in a given form, fields outside it left alone.

    ``key``, under which the record stood, is text as well where the form has no fields of its own.
    """
    if form.fields and isinstance(record, dict):
        return _ordered(record, form, form.fields)
    return _with_key(tuple(texts(record, form.tags)), key)


def read_all_texts(record: Any, form: Form, key: str | None = None) -> tuple[str, ...]:
    """Every text of a record: the form's fields in their order first, then the other fields."""
    if not (form.fields and isinstance(record, dict)):
        return read_texts(record, form, key)
    others = [name for name in record if name not in form.fields and name not in _NOT_TEXT]
    names = (*form.fields, *others) if others else form.fields
    return _with_key(_ordered(record, form, names), key)


def _ordered(record: Mapping[str, Any], form: Form, names: tuple[str, ...]) -> tuple[str, ...]:
    values = []
    for name in names:
        value = record.get(name)
        if value is not None:
            values.append(rendered(value) if name in form.as_json else value)
    found = texts(values, form.tags)
    return tuple(dict.fromkeys(found) if form.distinct else found)


def _with_key(found: tuple[str, ...], key: str | None) -> tuple[str, ...]:
    """The key that a record stood under is often its customer's or document's name: text as well."""
    if not found or not key or key.isspace() or key in found:
        return found
    if key.isdigit() and len(key) < MIN_DIGITS:
        return found  # a position rather than a name
    return (key, *found)


# --- what a record must have ----------------------------------------------------------------------


def _are_turns(value: Any, role: str, contents: frozenset[str]) -> bool:
    if not (isinstance(value, list) and value):
        return False
    for turn in value:
        if not isinstance(turn, dict) or not isinstance(turn.get(role), str) or contents.isdisjoint(turn):
            return False
    return True


_OPENAI_CONTENTS = frozenset(("content", "tool_calls", "function_call", "refusal"))
_SHAREGPT_CONTENTS = frozenset(("value",))
_ANSWER = (str, dict, list)
_VERDICTS = frozenset(("true", "false", "1", "0"))
_KTO_ANSWERS = ("output", "completion", "response", "messages", "conversations")


def _openai(record: Mapping[str, Any]) -> str | None:
    if _are_turns(record.get("messages"), "role", _OPENAI_CONTENTS):
        return None
    return "it has no 'messages': a list of objects with 'role' and 'content'"


def _sharegpt(record: Mapping[str, Any]) -> str | None:
    if _are_turns(record.get("conversations"), "from", _SHAREGPT_CONTENTS):
        return None
    return "it has no 'conversations': a list of objects with 'from' and 'value'"


def _alpaca(record: Mapping[str, Any]) -> str | None:
    return None if isinstance(record.get("instruction"), str) else "it has no string 'instruction'"


def _text(record: Mapping[str, Any]) -> str | None:
    return None if isinstance(record.get("text"), str) else "it has no string 'text'"


def _preference(record: Mapping[str, Any]) -> str | None:
    if isinstance(record.get("chosen"), _ANSWER) and isinstance(record.get("rejected"), _ANSWER):
        return None
    return "it has no 'chosen' and 'rejected' (strings, messages or lists of them)"


def _kto(record: Mapping[str, Any]) -> str | None:
    if not any(_is_verdict(record.get(name)) for name in ("kto_tag", "label")):
        return "it has no 'kto_tag' or 'label' that is true or false"
    if not any(isinstance(record.get(name), (str, list)) for name in _KTO_ANSWERS):
        return f"it has none of {', '.join(repr(name) for name in _KTO_ANSWERS)}"
    return None


def _is_verdict(mark: Any) -> bool:
    return isinstance(mark, (str, int)) and str(mark).lower() in _VERDICTS


def _anything(record: Mapping[str, Any]) -> str | None:
    return None


_PROMPT = ("system", "tools", "history", "instruction", "input", "question", "query", "prompt")
_CHATS = ("conversations", "messages")

PREFERENCE = Form(
    "preference",
    "a prompt with a 'chosen' and a 'rejected' answer: strings, messages or lists of messages",
    (*_PROMPT, *_CHATS, "chosen", "rejected"),
    _preference,
    distinct=True,
)
KTO = Form(
    "kto",
    "a prompt, an answer and 'kto_tag' or 'label', which is true or false",
    (*_PROMPT, *_CHATS, "output", "completion", "response"),
    _kto,
)
OPENAI = Form(
    "openai",
    "'messages' with 'role' and 'content', tool calls, and 'tools' or 'functions'",
    ("messages", "tools", "functions"),
    _openai,
)
SHAREGPT = Form(
    "sharegpt",
    "'conversations' with 'from' and 'value', and 'system' and 'tools'",
    ("system", "tools", "conversations"),
    _sharegpt,
)
ALPACA = Form(
    "alpaca",
    "'instruction', 'input' and 'output', and 'system', 'tools' and 'history'",
    ("system", "tools", "history", "instruction", "input", "output"),
    _alpaca,
)
TEXT = Form("text", "pre-training text: the field 'text', or a plain text file", ("text",), _text)
RECORDS = Form(
    "records", "records of any shape: all their strings, and numbers of 5 digits or more", (), _anything
)

_IN_TURN = (
    (frozenset(("chosen",)), PREFERENCE),
    (frozenset(("label", "kto_tag")), KTO),
    (frozenset(("messages",)), OPENAI),
    (frozenset(("conversations",)), SHAREGPT),
    (frozenset(("instruction",)), ALPACA),
    (frozenset(("text",)), TEXT),
)
"""In which order ``auto`` tries them, the more telling fields first, and the fields one must have."""


def named(record: Any) -> Form | None:
    """The form that a record's fields tell, or None for a record of any other shape."""
    if isinstance(record, dict):
        for needed, form in _IN_TURN:
            if not needed.isdisjoint(record) and form.misfit(record) is None:
                return form
    return None


def misfit(record: Any, form: Form) -> str | None:
    """Why a record cannot be read in ``form``, or None."""
    if isinstance(record, dict):
        return form.misfit(record)
    if form is RECORDS or (form is TEXT and isinstance(record, str)):
        return None
    return "it is not an object"
