"""The room's door: opens the models that the languages need and reads texts with them.

May import: ``proxy.errors`` and the room's own files; what needs numpy, tokenizers or onnxruntime only
inside functions. The rule that must stay true: what is found in a text depends on that text alone, not
on the texts read with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.errors import ConfigError

from . import files
from .entities import Entity, addresses_joined, joined, trimmed
from .windows import chinese_windows, plain

if TYPE_CHECKING:
    from .chinese import Chinese
    from .english import English

LANGUAGES = ("en", "zh")


class Recognizers:
    """Finds people, places, addresses and organisations. Made by ``open_recognizers``.

    May be shared by threads: it keeps nothing of what it reads.
    """

    def __init__(self, english: English | None, chinese: Chinese | None) -> None:
        self._english = english
        self._chinese = chinese

    def recognize(self, texts: Sequence[str]) -> list[list[Entity]]:
        """For each text its entities in text order; those of one kind do not overlap.

        Offsets count characters of the text as given. A text of any length and content will do: empty,
        in both languages, with control characters or lone surrogates.
        """
        clean = [plain(text) for text in texts]
        chinese = self._read_chinese(clean)
        return [self._entities(text, more) for text, more in zip(clean, chinese, strict=True)]

    def _entities(self, text: str, chinese: list[Entity]) -> list[Entity]:
        english = joined(self._english.recognize(text)) if self._english else []
        found = joined((*addresses_joined(english, text), *chinese))
        return [entity for entity in (trimmed(one, text) for one in found) if entity]

    def _read_chinese(self, texts: Sequence[str]) -> list[list[Entity]]:
        found: list[list[Entity]] = [[] for _ in texts]
        if self._chinese is None:
            return found
        places = [(n, start, end) for n, text in enumerate(texts) for start, end in chinese_windows(text)]
        read = self._chinese.recognize([texts[n][start:end] for n, start, end in places])
        for (n, start, _), entities in zip(places, read, strict=True):
            found[n] += [Entity(one.kind, one.start + start, one.end + start, one.score) for one in entities]
        return found


def open_recognizers(
    languages: Sequence[str] = LANGUAGES,
    *,
    threads: int,
    gpu: bool | None = None,
    folder: Path = files.FOLDER,
) -> Recognizers:
    """Open the models for ``languages`` ("en", "zh"), each with ``threads`` threads.

    ``gpu``: None takes CUDA where onnxruntime really has it, True insists, False keeps off it. The sums
    of the files are checked once, here. Raises ConfigError for an unknown language, a missing or
    changed file, or a GPU that is not there.
    """
    unknown = [language for language in languages if language not in LANGUAGES]
    if unknown or not languages or threads < 1:
        raise ConfigError(
            f"recognizers: {list(languages)}, {threads} threads; known: en, zh; 1 thread or more"
        )
    data = files.read_models(folder, tuple(languages))

    def session(name: str) -> object:
        return files.open_session(data[name], name, threads=threads, gpu=gpu)

    english, chinese = None, None
    if "en" in languages:
        from .english import English, Tagger

        english = English(Tagger(session("english.onnx"), data["english.tokenizer.json"]))
    if "zh" in languages:
        from .chinese import Chinese

        chinese = Chinese(session("chinese.onnx"), data["chinese.tables.json"])
    return Recognizers(english, chinese)
