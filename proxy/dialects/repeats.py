"""Chunks that differ from an earlier one in nothing but their text, told without reading them anew.

Strategy. A server writes chunk after chunk alike: what stands before the text and after it is the same, byte
for byte. Of a chunk that was read in full and had one text and nothing else, what lies before and after is
kept. One that begins and ends so, and has one JSON string between, says the same with that text: JSON's
grammar leaves no other reading (RFC 8259).

May import: the standard library and orjson. The rule that must stay true: a text is told only where reading
the whole chunk would give the kept chunk with that text in place of its own.
"""

from __future__ import annotations

from typing import Any

import orjson

_MISSES = 8
"""Chunks in a row that were learned and never met again, after which no more are: the server numbers them."""
_PROBE = "\u241f"
"""Stands for the text where a form is tried; a server has no reason to write it elsewhere."""


class Repeats:
    """The form of the chunks of one choice."""

    __slots__ = ("_after", "_before", "_least", "_misses")

    def __init__(self) -> None:
        self._before = self._after = ""
        self._least = 0
        self._misses = 0

    def text(self, data: str) -> str | None:
        """The text of a chunk of the kept form; None for any other."""
        if not self._least or len(data) < self._least:
            return None
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        try:
            text = orjson.loads(data[len(self._before) - 1 : len(data) - len(self._after) + 1])
        except orjson.JSONDecodeError:
            return None
        if type(text) is not str or not text:
            return None
        self._misses = 0
        return text

    def learn(self, data: str, chunk: Any, text: str) -> None:
        """Keep the form of ``data``, which was read as ``chunk`` and had ``text`` at
        ``choices[0].delta.content`` and nothing else."""
        self._least = 0
        if self._misses >= _MISSES:
            return
        self._misses += 1
        written = orjson.dumps(text).decode()
        before, found, after = data.partition(written)
        if not found or written in after:
            return
        before, after = before + '"', '"' + after
        delta = chunk["choices"][0]["delta"]
        try:
            tried = orjson.loads(before + _PROBE + after)
        except orjson.JSONDecodeError:
            return
        said, delta["content"] = delta["content"], _PROBE
        same = tried == chunk
        delta["content"] = said
        if same:
            self._before, self._after = before, after
            self._least = len(before) + len(after) + 1
