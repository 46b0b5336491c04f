"""Every value that can be known of a training set: patterns, networks and field names together.

Strategy. The distinct texts of a batch go through Presidio's frame, its distinct sentences through the
networks, each once in a run; what was read lately is remembered. Fields of records, and JSON inside texts,
name their values. Numbers known so teach shapes, with which the texts are searched again.

Training sets are full of Shakespeare and Paris. A name that only a network saw is somebody's where the
document is about somebody: something else in it identifies a person or an order, or it was written for a
named audience. Elsewhere it is general knowledge, and is left out (``passed_over`` counts these).

May import: the ground floor and this room. The rule that must stay true: a recognizer that fails stops the
build, with the document it failed on; no value is left out in silence, and no text is in a message.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple

from proxy.errors import ConfigError, ProxyError
from proxy.patterns import ENTITIES
from proxy.recognizers.crew import Crew
from proxy.recognizers.entities import KINDS
from proxy.recognizers.numbers import LEARNED, LearnedNumbers
from proxy.recognizers.pieces import pieces
from proxy.recognizers.presidio import Hit
from proxy.recognizers.records import goods_of, json_fields, values_of
from proxy.types import NOBODY, Document, Value

NAMED = frozenset(("date_of_birth", "national_id", "passport", "licence", "bank_account"))
"""Entities that only a field's name tells."""

_VAGUE = frozenset(("place", "organisation", "ip", "password", "api_key", "private_key", "jwt", "identifier"))
"""Kinds of which one in a document does not make it one about somebody."""

FINDS = ENTITIES | frozenset(KINDS) | LEARNED | NAMED
"""The entities that can be asked for."""

_NAME = re.compile(r'\w(?:[^\n()\[\]{}<>|"“”]*\w\.?)?')

_DOOR = 3
"""Digits of an address that identifies somebody; it has four times as many characters, and more."""

_REMEMBERED = 20_000_000
"""Characters of texts, and of sentences, whose values are remembered: what is repeated is seldom far away."""

_MOST_GOODS = 500_000

_BATCH = 2_000_000
"""Characters of the documents whose values are found together."""
_BATCH_NER = 48_000
"""The same for each process where networks read: some seconds' work, so that progress is seen."""

_PATTERNS = 0.05
"""The share of the time that patterns take where networks read as well."""

ReadTexts = Callable[[Sequence[str], Callable[[int], None]], list[list[Hit]]]


class _Found(NamedTuple):
    """A value of a text. ``guessed``: only a network saw it, and it is no whole address."""

    value: Value
    guessed: bool


class ValueFinder:
    """Finds the values of documents. Use as a context manager where ``workers`` is more than 1."""

    def __init__(
        self,
        entities: Collection[str] | None = None,
        ner: bool = True,
        workers: int = 1,
        *,
        gpu: bool | None = None,
    ) -> None:
        """``entities``: those to find; None: all. ``ner``: networks read names. ``workers``: processes.

        Raises ``ConfigError`` for an entity that does not exist and for models that cannot be opened.
        """
        unknown = sorted(set(entities or ()) - FINDS)
        if unknown:
            raise ConfigError(
                f"--entities {', '.join(unknown)}: not known; these are: {', '.join(sorted(FINDS))}"
            )
        self._wanted = frozenset(FINDS if entities is None else entities)
        self.ner = ner and not self._wanted.isdisjoint(KINDS)
        """Whether networks read."""
        self._batch = max(1, workers) * _BATCH_NER if self.ner else _BATCH
        self._crew = Crew(workers, ner=self.ner, gpu=gpu)
        self._texts = _Memory(self._crew.patterns)
        self._sentences = _Memory(self._crew.names)
        self._learned = LearnedNumbers()
        self._goods: set[str] = set()
        """What things are called, in lower case: names of nobody."""
        self._waiting: dict[str, deque[list[Value]]] = defaultdict(deque)
        self.documents = 0
        """Documents looked at so far."""
        self.characters = 0
        """Their characters."""
        self.seconds = 0.0
        self.looked_at: Callable[[int], None] = lambda _characters: None
        """Is told, while documents are read, how many more of their characters were looked at."""
        self.passed_over = 0
        """Names in documents that are about nobody; each once a document."""

    @property
    def rate(self) -> float:
        """Characters a second, so far."""
        return self.characters / self.seconds if self.seconds else 0.0

    def __enter__(self) -> ValueFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes."""
        self._crew.close()

    def learn(self, documents: Iterable[Document]) -> None:
        """Learn the shapes of numbers ahead of :meth:`find`, which else knows those of earlier batches."""
        for document in documents:
            for value in self._named(document):
                self._learned.teach(value.entity, value.text)

    def ahead(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The same documents, whose values are found some megabytes ahead, in batches: see :meth:`of`."""
        batch: list[Document] = []
        size = 0
        for document in documents:
            batch.append(document)
            size += sum(map(len, document.texts)) + 100
            if size >= self._batch:
                yield from self._found_ahead(batch)
                batch, size = [], 0
        yield from self._found_ahead(batch)

    def _found_ahead(self, batch: list[Document]) -> Iterator[Document]:
        for document, values in zip(batch, self.find(batch), strict=True):
            self._waiting[document.id].append(values)
            yield document

    def of(self, document: Document) -> list[Value]:
        """The values of a document that :meth:`ahead` gave, once; of any other, found now."""
        waiting = self._waiting.get(document.id)
        if not waiting:
            return self.find([document])[0]
        values = waiting.popleft()
        if not waiting:
            del self._waiting[document.id]
        return values

    def find(self, documents: Sequence[Document]) -> list[list[Value]]:
        """The values of each document, each once, those of fields first.

        Raises ``ConfigError`` where a recognizer fails, with the id of the document.
        """
        began = time.perf_counter()
        characters = sum(len(text) for document in documents for text in document.texts)
        spread = _Spread(characters, self.looked_at)
        try:
            found = self._find(documents, spread)
            spread.end()
        except ProxyError:
            raise
        except (
            Exception
        ) as error:  # whatever a recognizer raises: the build must not go on without its values
            raise self._failure(documents, error) from error
        self.seconds += time.perf_counter() - began
        self.documents += len(documents)
        self.characters += characters
        return found

    def _find(self, documents: Sequence[Document], spread: _Spread | None = None) -> list[list[Value]]:
        texts = list(dict.fromkeys(text for document in documents for text in document.texts))
        cut = [list(pieces(text)) for text in texts] if self.ner else [[] for _ in texts]
        spread = spread or _Spread(0, self.looked_at)
        in_texts = self._texts.read(texts, spread.over(_PATTERNS if self.ner else 1.0))
        in_sentences = self._sentences.read(
            list(dict.fromkeys(piece for some in cut for piece in some)), spread.over(1.0 - _PATTERNS)
        )
        named = [self._named(document) for document in documents]
        for value in (value for values in named for value in values):
            self._learned.teach(value.entity, value.text)
        for text, hits in in_texts.items():
            for hit in hits:
                self._learned.teach(hit.entity, text[hit.start : hit.end])
        by_text = {
            text: self._of_text(text, in_texts[text], some, in_sentences)
            for text, some in zip(texts, cut, strict=True)
        }
        return [
            self._of_document(document, own, [found for text in document.texts for found in by_text[text]])
            for document, own in zip(documents, named, strict=True)
        ]

    def _of_document(
        self, document: Document, named: Sequence[Value], found: Sequence[_Found]
    ) -> list[Value]:
        """The values of a document, each once. ``named``: those that its fields tell."""
        sure = dict.fromkeys((*named, *(each.value for each in found if not each.guessed)))
        about = document.audience not in (None, NOBODY) or any(v.entity not in _VAGUE for v in sure)
        if about:
            return list(dict.fromkeys((*named, *(each.value for each in found))))
        self.passed_over += len({each.value for each in found if each.guessed}.difference(sure))
        return list(sure)

    def _of_text(
        self, text: str, hits: Sequence[Hit], cut: Sequence[str], sentences: dict[str, Sequence[Hit]]
    ) -> list[_Found]:
        """The values of one text, in their order; a name inside a value that a pattern found is none."""
        found = [(hit, False) for hit in hits if hit.entity in self._wanted]
        at = 0
        for piece in cut:
            for hit in sentences[piece]:
                moved = Hit(hit.entity, hit.start + at, hit.end + at)
                if hit.entity not in self._wanted or any(
                    h.start <= moved.start and moved.end <= h.end for h in hits
                ):
                    continue
                for part in _parts(moved, text):
                    said = text[part.start : part.end]
                    if said.lower() not in self._goods:
                        found.append((part, not _leads_to_a_door(part.entity, said)))
            at += len(piece)
        for sighting in self._learned.find(text):
            found.append((Hit(sighting.entity, sighting.start, sighting.end), False))
        found.sort(key=lambda each: (each[0].start, -each[0].end))
        values = ((Value(hit.entity, text[hit.start : hit.end].strip()), guess) for hit, guess in found)
        return [
            _Found(value, guess) for value, guess in values if value.entity in self._wanted and value.text
        ]

    def _named(self, document: Document) -> list[Value]:
        """What the names of fields tell: of the record, and of JSON in its texts."""
        found: list[Value] = []
        for fields in (document.fields, *(tuple(json_fields(text)) for text in document.texts)):
            found += values_of(fields)
            if len(self._goods) < _MOST_GOODS:
                self._goods.update(name.lower() for name in goods_of(fields))
        return [value for value in dict.fromkeys(found) if value.entity in self._wanted]

    def _failure(self, documents: Sequence[Document], error: Exception) -> ConfigError:
        """Looks for the document alone on which it fails again."""
        where = f"{documents[0].id} to {documents[-1].id}" if documents else "no document"
        for document in documents:
            try:
                self._find([document])
            except Exception:  # fails closed: whatever was raised, it becomes the error below
                where = document.id
                break
        return ConfigError(
            f"{where}: a recognizer failed ({type(error).__name__}), so its values are unknown and there is "
            "no index. --entities leaves recognizers out, --no-ner the networks"
        )


def _parts(hit: Hit, text: str) -> Iterator[Hit]:
    """What a network saw as one name, without the brackets, quotes and line ends that it ran across."""
    if hit.entity == "address":
        yield hit
        return
    for part in _NAME.finditer(text, hit.start, hit.end):
        yield Hit(hit.entity, part.start(), part.end())


def _leads_to_a_door(entity: str, text: str) -> bool:
    """Whether what a network saw identifies somebody by itself: an address with its numbers, on one line."""
    return entity == "address" and "\n" not in text and sum(map(str.isdigit, text)) >= _DOOR < len(text) // 4


class _Spread:
    """Spreads the characters of a batch over the steps in which they are read, so that progress is even."""

    def __init__(self, characters: int, tell: Callable[[int], None]) -> None:
        self._characters = characters
        self._tell = tell
        self._done = 0.0
        self._told = 0

    def over(self, weight: float) -> Callable[[float], None]:
        """Return what takes the further part of a step that is done. ``weight``: the step's part of all."""

        def done(part: float) -> None:
            self._done += weight * part
            self._report(min(self._characters, int(self._characters * self._done)))

        return done

    def end(self) -> None:
        """Everything was read, also what was remembered from before."""
        self._report(self._characters)

    def _report(self, characters: int) -> None:
        if characters > self._told:
            self._tell(characters - self._told)
            self._told = characters


class _Memory:
    """Reads texts once; forgets the oldest when they are too many."""

    def __init__(self, read: ReadTexts) -> None:
        self._read = read
        self._known: dict[str, Sequence[Hit]] = {}
        self._size = 0

    def read(self, texts: Sequence[str], done: Callable[[float], None]) -> dict[str, Sequence[Hit]]:
        """The hits of each text (all distinct). ``done`` is told which further part of them was read."""
        new = [text for text in texts if text not in self._known]
        size = sum(map(len, new)) or 1
        fresh: dict[str, Sequence[Hit]] = (
            dict(zip(new, map(tuple, self._read(new, lambda some: done(some / size))), strict=True))
            if new
            else {}
        )
        found = {text: fresh[text] if text in fresh else self._known[text] for text in texts}
        self._known.update(fresh)
        self._size += sum(map(len, fresh))
        while self._size > _REMEMBERED:
            oldest = next(iter(self._known))
            self._size -= len(oldest)
            del self._known[oldest]
        return found
