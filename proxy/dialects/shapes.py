"""What every dialect looks like from the relay: a request, an answer read in pieces, an answer read whole.

How a streamed answer goes through::

    request = DIALECTS[path](body, allow_logprobs=..., seal=...)
    answer = request.streamed(answer_id, sentence)
    for each chunk of the upstream:
        reading = answer.read(chunk)       # untrusted texts; what is safe as it is stays inside
        texts = what the guards let go of reading.deltas, and at the finish of reading.ended
        for frame in answer.write(reading, texts, blocked={choice: incident}): encode and send
        when answer.over: close the upstream
    reading = answer.cut(), and the same again       # where the stream ended before its choices did

A whole answer: ``answer = request.whole(body, answer_id, sentence)``, the guards read ``answer.deltas``,
``answer.write(texts, blocked)`` is the body to send.

May import: the ground floor. The rule that must stay true: text reaches a frame only as ``Cleared``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from proxy.dialects.ids import Seal
from proxy.types import Cleared, Delta

Channel = tuple[int, str]
"""A choice and the name of one of its text channels."""


class Frame(NamedTuple):
    """One event for the caller: its JSON, and the name of the event where the dialect has names.

    ``last``: it ends the stream, and no ``[DONE]`` follows.
    """

    data: dict[str, Any]
    event: str | None = None
    last: bool = False


class Reading(NamedTuple):
    """One chunk, read.

    ``deltas``: its texts, untrusted, in order. ``ended``: channels that have had text and will have
    no more; their guards are to be finished after the deltas were fed. ``dropped``: names of the
    fields that stay behind, from the closed set ``fields.DROPPED`` (for a metric). ``rest``: the
    dialect's own, what may go out without a guard; it has been held to a closed syntax.
    """

    deltas: Sequence[Delta] = ()
    ended: Sequence[Channel] = ()
    dropped: Sequence[str] = ()
    rest: object = None


class StreamedAnswer(Protocol):
    """One streamed answer; it holds state and is not shared."""

    @property
    def over(self) -> bool:
        """True when the last choice that was open has been blocked: the upstream can be closed.

        After a choice that finishes by itself it stays False: the usage may still come.
        """
        ...

    def read_again(self, data: str) -> Reading | None:
        """The reading of a chunk, as it came, that differs from an earlier one in its text alone; None for
        any other, which is to be parsed and given to :meth:`read`."""
        ...

    def read(self, chunk: object) -> Reading:
        """Raises ``UpstreamError`` for a chunk that cannot be read, and for an error of the upstream."""
        ...

    def write(
        self,
        reading: Reading | None,
        texts: Mapping[Channel, Cleared],
        blocked: Mapping[int, str] | None = None,
    ) -> list[Frame]:
        """The frames to send now; none where all is held back.

        ``blocked``: the incident of each choice that a guard has stopped; its texts go out first, then
        the refusal, and what the upstream says on it afterwards is ignored. Without a ``reading``
        only texts and blocks are written. Raises ``ValueError`` for the text of a choice that is over.
        """
        ...

    def cut(self) -> Reading:
        """The upstream has ended: the channels that no chunk has ended."""
        ...

    def failed(self, message: str, code: str, kind: str) -> Frame:
        """What tells the caller in the middle of a stream that it ends here, and why, in our words."""
        ...


class PlainAnswer(Protocol):
    """One whole answer, read."""

    @property
    def deltas(self) -> Sequence[Delta]: ...

    @property
    def dropped(self) -> Sequence[str]: ...

    def write(
        self, texts: Mapping[Channel, Cleared], blocked: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        """The answer rebuilt; ``blocked`` gives the incident of each choice that a guard has stopped."""
        ...


class Request(Protocol):
    """A request that has been checked."""

    @property
    def body(self) -> Mapping[str, Any]: ...

    @property
    def model(self) -> str: ...

    @property
    def stream(self) -> bool: ...

    @property
    def choices(self) -> int: ...

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        """The texts that the caller itself sent under one of ``roles``, never the assistant's."""
        ...

    def is_json(self, channel: str) -> bool:
        """Whether the text of a channel is JSON, and is to be read with ``JsonCells``."""
        ...

    def streamed(self, answer_id: str, sentence: str) -> StreamedAnswer:
        """``answer_id``: what the answer's id says of it; ``sentence`` is said at a block."""
        ...

    def whole(self, body: object, answer_id: str, sentence: str) -> PlainAnswer:
        """Raises ``UpstreamError`` for a body that cannot be read."""
        ...


class Dialect(Protocol):
    """Checks a body. Raises ``RequestError``. Without a ``seal`` nobody can send the answer's ids back."""

    def __call__(self, body: object, *, allow_logprobs: bool, seal: Seal | None = None) -> Request: ...


CONTENT_FILTER_RESULTS: Mapping[str, Mapping[str, bool]] = {
    # Azure's shape. Both are always said, whatever was found: the caller must not learn which.
    "protected_material_text": {"detected": True, "filtered": True},
    "personally_identifiable_information": {"detected": True, "filtered": True},
}


def filter_results() -> dict[str, dict[str, bool]]:
    """``CONTENT_FILTER_RESULTS``, to be put into an answer."""
    return {name: dict(result) for name, result in CONTENT_FILTER_RESULTS.items()}


def refusal(sentence: str, incident: str) -> str:
    """What a caller reads at a block: the same for every cause, with the number to ask about."""
    return f"{sentence} (incident {incident})"


def error_frame(message: str, *, code: str | None, kind: str = "upstream_error") -> Frame:
    """OpenAI's error object, for a stream that has already begun. ``message`` is ours."""
    return Frame({"error": {"message": message, "type": kind, "param": None, "code": code}})
