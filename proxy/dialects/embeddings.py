"""``/v1/embeddings``: texts in, vectors out. A vector holds nothing to guard, and nothing else goes out.

A vector is a list of finite numbers, or such a list in base64 (little-endian 32-bit floats); what is
neither is refused: a text would fit where a vector is expected.

May import: the ground floor and this room. The rule that must stay true: no string of the answer is
written but base64 that has been read as numbers of a vector's size, and the name of the model asked for.
"""

from __future__ import annotations

import binascii
import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.dialects import asking, fields
from proxy.dialects.asking import wrong
from proxy.dialects.ids import Seal
from proxy.dialects.shapes import Channel, StreamedAnswer
from proxy.errors import UpstreamError
from proxy.types import Cleared, Delta

_BODY = frozenset({"id", "object", "created", "data", "model", "usage", "service_tier"})
_MEMBER = frozenset({"object", "index", "embedding"})
_MOST = 8192
_LONGEST = 65_536
_LARGEST = 1e4
"""No embedding has a number near it; text read as numbers has."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request that has been checked; ``choices`` is the number of inputs."""

    body: Mapping[str, Any]
    model: str
    choices: int
    stream: bool = False

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        """None: no text comes back that could be compared with them."""
        return ()

    def is_json(self, channel: str) -> bool:
        return False

    def streamed(self, answer_id: str, sentence: str) -> StreamedAnswer:
        raise ValueError("embeddings are not streamed")

    def whole(self, body: object, answer_id: str, sentence: str) -> EmbeddingAnswer:
        return EmbeddingAnswer(body, self.choices, self.model)


def request(body: object, *, allow_logprobs: bool, seal: Seal | None = None) -> EmbeddingRequest:
    """Check a body. Raises ``RequestError``, which names the field (``param``) and what is wrong.

    There is nothing to seal: the answer has no id.
    """
    body = asking.object_body(body)
    model = asking.model(body)
    if asking.flag(body, "stream"):
        raise wrong("stream", "has no meaning here: vectors are not streamed")
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise wrong("encoding_format", "must be 'float' or 'base64'")
    given = body.get("input")
    if isinstance(given, str) and given:
        return EmbeddingRequest(body, model, 1)
    listed = asking.members(given)
    if not listed or len(listed) > _MOST:
        raise wrong("input", f"must be a string or a list of 1 to {_MOST} inputs")
    single = all(type(each) is int for each in listed)  # the tokens of one text
    return EmbeddingRequest(body, model, 1 if single else len(listed))


class EmbeddingAnswer:
    """``PlainAnswer`` for embeddings: it has no texts."""

    deltas: Sequence[Delta] = ()

    def __init__(self, body: object, choices: int, model: str) -> None:
        dropped: list[str] = []
        answer = fields.answer(body, _BODY, dropped)
        made: list[dict[str, Any]] = []
        for raw in fields.items(answer.get("data"), "data"):
            member = fields.mapping(raw, "an embedding")
            fields.left_behind(member, _MEMBER, dropped)
            index = fields.choice_index(member, choices)
            made.append(
                {"object": "embedding", "index": index, "embedding": _vector(member.get("embedding"))}
            )
        if sorted(each["index"] for each in made) != list(range(choices)):
            raise fields.unreadable("it has not one embedding for each input")
        named = fields.model_name(answer.get("model"), model, dropped)
        self._body: dict[str, Any] = {"object": "list", "data": made, "model": named}
        if usage := fields.usage(answer.get("usage"), dropped):
            self._body["usage"] = usage
        self.dropped: Sequence[str] = dropped

    def write(
        self, texts: Mapping[Channel, Cleared], blocked: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        if texts or blocked:
            raise ValueError("an embedding has no text")
        return self._body


def _vector(value: object) -> list[float] | str:
    if isinstance(value, str):
        return _encoded(value)
    if not isinstance(value, list) or not 0 < len(value) <= _LONGEST:
        raise _no_vector()
    for each in value:
        if type(each) not in (float, int) or not abs(each) <= _LARGEST:
            raise _no_vector()
    return value


def _encoded(text: str) -> str:
    """Base64 of floats, written anew from what was read."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise _no_vector() from None
    if not raw or len(raw) % 4 or len(raw) > 4 * _LONGEST:
        raise _no_vector()
    numbers = array("f", raw)
    if not all(math.isfinite(each) and abs(each) <= _LARGEST for each in numbers):
        raise _no_vector()
    return binascii.b2a_base64(raw, newline=False).decode()


def _no_vector() -> UpstreamError:
    return fields.unreadable("an embedding is no list of numbers")
