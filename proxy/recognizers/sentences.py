"""Names in single sentences, for answers as they come: given to a detector where a policy asks for names.

May import: this room. The rule that must stay true: whoever calls does so off the event loop, for a sentence
takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.recognizers.recognize import open_recognizers

Read = Callable[[str], Sequence[tuple[str, int, int, float]]]


def sentence_reader(*, threads: int = 1, gpu: bool | None = None) -> Read:
    """A function: sentence -> (entity, start, end, score) of each name in it. May be shared by threads.

    Raises ``ConfigError`` where the models cannot be opened.
    """
    networks = open_recognizers(threads=threads, gpu=gpu)

    def read(sentence: str) -> Sequence[tuple[str, int, int, float]]:
        return [(one.kind, one.start, one.end, one.score) for one in networks.recognize([sentence])[0]]

    return read
