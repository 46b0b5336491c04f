"""Text to tokens and chats to token streams, for the demo's language model.

May import: the standard library and this room. The rule that must stay true: cutting loses nothing,
``"".join(tokenize(text)) == text`` for every text, and no text can spell one of the marker tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.demo.style import simplify

Message = Mapping[str, Any]
"""One message in OpenAI's chat form: ``role``, ``content``, perhaps ``tool_calls``."""

USER, TOOL, ASSISTANT, END = "<user>", "<tool>", "<assistant>", "<end>"
CALL, ARGUMENTS = "<call>", "<arguments>"

_WIDE = "\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_WIDE}]| ?(?:(?![{_WIDE}])[^\W\d_])+|\d{{1,3}}|.", re.DOTALL)
_WORD = re.compile(rf"[{_WIDE}]+|(?:(?![{_WIDE}])[^\W_])+(?:[-'](?:(?![{_WIDE}])[^\W_])+)*")
HAN, LATIN = "<han>", "<latin>"
_FADE = 0.5
_SCRIPT = 2.0


def tokenize(text: str) -> list[str]:
    """Cut a text: a word with the blank before it, up to three digits, one Han character, or one sign."""
    return _TOKEN.findall(text)


def text_of(message: Message) -> str:
    """The text of a message whose content is a string, a list of parts, or missing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(p["text"] for p in content if isinstance(p, Mapping) and isinstance(p.get("text"), str))


def calls_of(message: Message) -> list[tuple[str, str]]:
    """The tool calls of a message as ``(name, arguments)``."""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return [(str(function["name"]), str(function["arguments"])) for function in functions]


def spoken(message: Message) -> Iterator[str]:
    """The tokens an assistant's message is made of, without the marker that ends it."""
    yield from tokenize(text_of(message))
    for name, arguments in calls_of(message):
        yield from (CALL, name, ARGUMENTS)
        yield from tokenize(arguments)


def heard(message: Message) -> Iterator[str]:
    """The tokens of any message with its markers; system messages are not part of the stream."""
    role = message.get("role")
    if role == "assistant":
        yield ASSISTANT
        yield from spoken(message)
        yield END
    elif role in ("user", "tool"):
        yield USER if role == "user" else TOOL
        yield from tokenize(text_of(message))


def words(text: str) -> set[str]:
    """The words of a text, caseless and without a plural's s; a Chinese run gives its pairs of characters."""
    bag: set[str] = set()
    for word in _WORD.findall(simplify(text).casefold()):
        if re.match(f"[{_WIDE}]", word):
            bag.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
            bag.add(HAN)
        else:
            bag.add(word.removesuffix("s") if len(word) > 3 else word)
            bag.add(LATIN)
    return bag


def topic(messages: Sequence[Message]) -> dict[str, float]:
    """The words a chat is about: those of its last message count fully, each one before it half as much.

    The last message's role is a word too, so that the answer to a tool's result is not the call again; so is
    the script, twice as heavy as another, so that Chinese is answered in Chinese.
    """
    bag: dict[str, float] = {}
    weight = 1.0
    for message in reversed(messages):
        if message.get("role") not in ("user", "tool", "assistant"):
            continue
        if weight == 1.0:
            bag[f"<{message['role']}>"] = 1.0
        for word in words(text_of(message)):
            bag.setdefault(word, weight * (_SCRIPT if word in (HAN, LATIN) else 1.0))
        weight *= _FADE
    return bag
