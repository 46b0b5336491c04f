"""Presidio's AnalyzerEngine as the frame in which all pattern recognizers read a training set.

Ours are recognizers of Presidio's kind: the shared patterns, Chinese addresses, numbers beside the word for
them. Of Presidio's own those are taken that see more than ours do: telephone numbers by the numbering plans
of many countries, and e-mail addresses with letters of any script. It runs on a blank spaCy pipeline: no
model is loaded, and nothing is looked up on a network.

May import: ``proxy.patterns`` and this room; presidio_analyzer, spacy and tldextract inside functions. The
rule that must stay true: what is found in a text does not depend on the texts read with it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from proxy.patterns import ENTITIES, PATTERNS, Matcher, Pattern
from proxy.recognizers.chinese_addresses import addresses
from proxy.recognizers.numbers import NUMBERS

BETWEEN = "\n\x1e\n"
"""Stands between texts that are read together; no value goes across it."""

_TOGETHER = 16_000
"""Characters that are read in one call: a call costs as much as a thousand characters."""
_LONGEST = 60_000
_OVERLAP = 1_200
_LANGUAGE = "en"
"""The name under which the blank pipeline is known; it cuts text of any language into words."""
_OWN_NAMES = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone"}

_NUMBER = re.compile(r"(?<![\w.#/+-])(?:\+|\((?=\d{1,6}\)))?\d(?:[ ).-]{0,2}\(?\d){6,14}(?![\w/-]|[.,]\d)")
"""What may be a telephone number; not a row of digits alone, which an order number is as well."""
_SEPARATED = re.compile(r"[ ().+-]")
_AMOUNT_OR_DATE = re.compile(
    r"\d{1,3}(?:[ .]\d{3})+"
    r"|(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?(?: .*)?"
    r"|\d\d?[-./]\d\d?[-./](?:19|20)\d\d(?: .*)?"
)


class Hit(NamedTuple):
    """A value of ``entity`` at characters ``[start, end)`` of a text."""

    entity: str
    start: int
    end: int


class Frame:
    """An analyzer with all pattern recognizers. Reads English and Chinese alike; not shared by threads."""

    def __init__(self) -> None:
        self._engine = analyzer()
        self._entities = self._engine.get_supported_entities(_LANGUAGE)

    def read(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The values of each text, in their order; none lies inside another."""
        found: list[list[Hit]] = [[] for _ in texts]
        for numbers in _batches(texts):
            if len(numbers) == 1:
                found[numbers[0]] = self._long(texts[numbers[0]])
                continue
            starts, place = [], 0
            for number in numbers:
                starts.append(place)
                place += len(texts[number]) + len(BETWEEN)
            for hit in self._analyze(BETWEEN.join(texts[number] for number in numbers)):
                at = bisect_right(starts, hit.start) - 1
                end = min(
                    hit.end - starts[at], len(texts[numbers[at]])
                )  # a key grows over what stands between
                if hit.start - starts[at] < end:
                    found[numbers[at]].append(Hit(hit.entity, hit.start - starts[at], end))
        return found

    def _long(self, text: str) -> list[Hit]:
        if len(text) <= _LONGEST:
            return self._analyze(text)
        hits: set[Hit] = set()
        for start, end in _windows(text):
            hits.update(Hit(e, a + start, b + start) for e, a, b in self._analyze(text[start:end]))
        return _outermost(hits)

    def _analyze(self, text: str) -> list[Hit]:
        if not text.strip():
            return []
        results = self._engine.analyze(text, _LANGUAGE, entities=self._entities)
        own = [Hit(r.entity_type, r.start, r.end) for r in results if r.entity_type not in _OWN_NAMES]
        theirs = [
            Hit(_OWN_NAMES[r.entity_type], r.start, r.end) for r in results if r.entity_type in _OWN_NAMES
        ]
        return _outermost(own + [hit for hit in theirs if not _touches(hit, own)])


def analyzer(patterns: Sequence[Pattern] = (*PATTERNS, *NUMBERS)) -> Any:
    """Presidio's ``AnalyzerEngine`` with our recognizers and those of its own that are better than ours."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, PhoneRecognizer
    from tldextract import TLDExtract

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        """A pipeline without a model, shown no text: no recognizer here asks for its words."""

        def load(self) -> None:
            self.nlp = {_LANGUAGE: spacy.blank(_LANGUAGE)}

        def process_text(self, text: str, language: str) -> Any:
            return super().process_text("", language)

    class AsItIs(ContextAwareEnhancer):  # type: ignore[misc]
        """Leaves scores alone: our patterns read the words before a value themselves."""

        def __init__(self) -> None:
            super().__init__(0.0, 0.0, 0, 0)

        def enhance_using_context(
            self, text: str, raw_results: list[Any], *rest: Any, **more: Any
        ) -> list[Any]:
            return raw_results

    class Patterns(EntityRecognizer):  # type: ignore[misc]
        """The patterns that the stream is searched with, and numbers beside the word for them."""

        def load(self) -> None:
            self.matcher = Matcher(patterns)

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            found = self.matcher.find(text)
            return [RecognizerResult(one.pattern.entity, one.start, one.end, 1.0) for one in found]

    class Addresses(EntityRecognizer):  # type: ignore[misc]
        """Chinese addresses."""

        def load(self) -> None:
            pass

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            return [RecognizerResult("address", start, end, 0.8) for start, end in addresses(text)]

    class Emails(EmailRecognizer):  # type: ignore[misc]
        """Presidio's, with the list of public suffixes that came with its package."""

        suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)

        def validate_result(self, pattern_text: str) -> bool:
            return bool(self.suffixes(pattern_text).fqdn)

        def analyze(self, text: str, *rest: Any, **more: Any) -> list[Any]:
            return super().analyze(text, *rest, **more) if "@" in text and not text.isascii() else []

    class Phones(PhoneRecognizer):  # type: ignore[misc]
        """Presidio's, shown only what may be a number: it reads a whole text eight times."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            found = []
            for number in _NUMBER.finditer(text):
                if _SEPARATED.search(number[0]) and not _AMOUNT_OR_DATE.fullmatch(number[0]):
                    for result in super().analyze(number[0], entities, nlp_artifacts):
                        result.start += number.start()
                        result.end += number.start()
                        found.append(result)
            return found

    recognizers = [
        Patterns(sorted({pattern.entity for pattern in patterns} | ENTITIES), name="patterns"),
        Addresses(["address"], name="chinese addresses"),
        Emails(),
        Phones(),
    ]
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=[_LANGUAGE])
    engine = Blank(models=[{"lang_code": _LANGUAGE, "model_name": "blank"}])
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=engine,
        supported_languages=[_LANGUAGE],
        context_aware_enhancer=AsItIs(),
    )


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Numbers of the texts to read together; one that is long, or holds the separator, is read alone."""
    batch: list[int] = []
    size = 0
    for number, text in enumerate(texts):
        if len(text) > _TOGETHER or "\x1e" in text:
            yield [number]
            continue
        if size + len(text) > _TOGETHER and batch:
            yield batch
            batch, size = [], 0
        batch.append(number)
        size += len(text) + len(BETWEEN)
    if batch:
        yield batch


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > _LONGEST:
        end = start + _LONGEST
        cut = max(text.rfind("\n", start + _LONGEST // 2, end), text.rfind(" ", start + _LONGEST // 2, end))
        end = cut if cut > 0 else end
        yield start, end
        start = end - _OVERLAP
    yield start, len(text)


def _touches(hit: Hit, others: Sequence[Hit]) -> bool:
    return any(other.start < hit.end and hit.start < other.end for other in others)


def _outermost(hits: Sequence[Hit] | set[Hit]) -> list[Hit]:
    """In their order, without those that lie inside another."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda each: (each.start, -each.end)):
        if not kept or hit.end > kept[-1].end:
            kept.append(hit)
    return kept
