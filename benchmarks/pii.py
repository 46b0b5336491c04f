"""Personal data: what is found of it, and what that costs: ``python -m benchmarks.pii --data DATA``.

*build*: what ``ValueFinder`` finds in a text when an index is built: patterns, Presidio and the networks.
*patterns*: the same without the networks. *stream*: what the detector ``pii`` finds in the text as it comes,
one character at a time, under the strict policy, without the networks. *Presidio alone*: its AnalyzerEngine
with all the recognizers it loads for English, on a blank spaCy pipeline, scores as they come; without a
model it has none for people, places and organisations.

recall: gold values that overlap a found one of their own kind (place and address count as one kind, an
address holds places); any: of any kind, which is what a mask needs. precision: found values that overlap a
gold value of any kind. English: presidio-research synth v2 (1,500 texts). Chinese: sentences made here
(``chinese_chat``), 400 of each kind.

What provenance adds, on values of a training set, of strangers and of the caller: ``benchmarks.pii_known``.

held: received less released, in characters, mean over all characters, of ordinary answers; alarms: values
found in them, for a million tokens of 4.4 characters (Chinese: a million characters).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import material
from benchmarks.chinese_chat import Sample, samples
from benchmarks.report import Report, parser
from proxy.detectors.pii import PiiDetector
from proxy.policy import load_policy
from proxy.recognizers.values import ValueFinder
from proxy.types import Document, View

Hits = list[tuple[str, int, int]]
Find = Callable[[Sequence[str]], list[Hits]]

SYNTH = {
    "PERSON": "person",
    "STREET_ADDRESS": "address",
    "GPE": "place",
    "ORGANIZATION": "organisation",
    "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "US_SSN": "us_ssn",
    "IP_ADDRESS": "ip",
}
PRESIDIO = SYNTH | {"LOCATION": "place"}
FAMILY = {"place": "address"}
BARS = {"person": 0.95, "address": 0.95, "place": 0.90, "organisation": 0.80}
_COLUMNS = ("kind", "gold", "recall", "any", "found", "precision")


def synth(path: Path) -> Iterator[Sample]:
    """The set of presidio-research; kinds that are not ours keep the name the set gives them."""
    for record in json.loads(path.read_text("utf-8")):
        spans = record["spans"]
        gold = (
            (SYNTH.get(s["entity_type"], s["entity_type"]), s["start_position"], s["end_position"])
            for s in spans
        )
        yield Sample(record["full_text"], tuple(gold))


# --- those that find ---------------------------------------------------------------------------------


def built(finder: ValueFinder) -> Find:
    """What the build knows of each text, at every place where it stands."""

    def find(texts: Sequence[str]) -> list[Hits]:
        found = finder.find([Document(str(n), (text,), "staff") for n, text in enumerate(texts)])
        return [
            [(value.entity, at, at + len(value.text)) for value in values for at in _places(text, value.text)]
            for text, values in zip(texts, found, strict=True)
        ]

    return find


def _places(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def streamed(detector: PiiDetector, role: str = "public") -> Find:
    """What the detector finds, one character at a time."""

    def find(texts: Sequence[str]) -> list[Hits]:
        found = []
        for text in texts:
            scanner = detector.scanner(View(role, (), (), {}))
            findings = [finding for character in text for finding in scanner.feed(character).findings]
            findings += scanner.finish()
            found.append([(f.entity, f.span.start, f.span.end) for f in findings])
        return found

    return find


def presidio() -> Find:
    """Presidio as it is, but for its model and its list of public suffixes, which it would download."""
    import spacy
    import tldextract.tldextract as suffixes
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    suffixes.TLD_EXTRACTOR = suffixes.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def find(texts: Sequence[str]) -> list[Hits]:
        results = [analyzer.analyze(text, "en") for text in texts]
        return [
            [(PRESIDIO.get(r.entity_type, r.entity_type), r.start, r.end) for r in each] for each in results
        ]

    return find


# --- measures ---------------------------------------------------------------------------------------


def measure(
    report: Report, title: str, items: Sequence[Sample], find: Find, kinds: Sequence[str]
) -> dict[str, dict[str, float]]:
    """A table for one set and one finder; returns the shares by kind."""
    texts = [item.text for item in items]
    find(texts[:1])  # opens whatever is opened once
    began = time.process_time()
    found = find(texts)
    spent = time.process_time() - began
    count: Counter[tuple[str, str]] = Counter()
    for item, hits in zip(items, found, strict=True):
        for kind, start, end in item.gold:
            count[kind, "gold"] += 1
            count[kind, "any"] += any(a < end and start < b for _, a, b in hits)
            own = (1 for k, a, b in hits if _family(k) == _family(kind) and a < end and start < b)
            count[kind, "recall"] += next(own, 0)
        for kind, start, end in set(hits):
            count[kind, "found"] += 1
            count[kind, "right"] += any(a < end and start < b for _, a, b in item.gold)
    shares: dict[str, dict[str, float]] = {}
    for kind in kinds:
        gold, seen = count[kind, "gold"] or 1, count[kind, "found"]
        precision = round(count[kind, "right"] / seen, 3) if seen else None
        shares[kind] = {
            "gold": count[kind, "gold"],
            "recall": round(count[kind, "recall"] / gold, 3),
            "any": round(count[kind, "any"] / gold, 3),
            "found": seen,
            "precision": precision,  # type: ignore[dict-item]
        }
    pace = spent / sum(map(len, texts)) * 1e6
    rows = [(kind, *shares[kind].values()) for kind in kinds]
    report.table(f"{title}: {len(texts)} texts, {pace:.1f} us CPU a character", _COLUMNS, rows)
    return shares


def _family(kind: str) -> str:
    return FAMILY.get(kind, kind)


def cost(
    report: Report, detectors: dict[str, tuple[PiiDetector, str]], texts: dict[str, Sequence[str]]
) -> None:
    """Microseconds and hold-back of the stream on ordinary answers, and what is found in them."""
    rows = []
    for policy, (detector, role) in detectors.items():
        detector.prepare(role)
        for name, answers in texts.items():
            for size in (1, 5):
                row = _cost(detector, role, answers, size)
                rows.append((policy, role, name, size, *row))
                if policy == "default" and size == 5:
                    report.bar(f"mean hold-back, {policy}, {name}, characters", row[1], "<= 15", row[1] <= 15)
    columns = (
        "policy",
        "role",
        "text",
        "piece",
        "us a character",
        "held mean",
        "held most",
        "values",
        "a million",
    )
    report.table("The stream on ordinary answers", columns, rows)


def _cost(detector: PiiDetector, role: str, answers: Sequence[str], size: int) -> tuple[Any, ...]:
    spent = held = most = found = total = 0.0
    for text in answers:
        scanner = detector.scanner(View(role, (), (), {}))
        pieces = list(material.cut(text, size))
        began = time.process_time()
        scans = [scanner.feed(piece) for piece in pieces]
        rest = scanner.finish()
        spent += time.process_time() - began
        behind = [
            n + 1 - offset for n, offset in enumerate(offset for scan in scans for offset in scan.settled)
        ]
        held, most, total = held + sum(behind), max(most, *behind, 0), total + len(text)
        found += sum(len(scan.findings) for scan in scans) + len(rest)
    english = answers[0].isascii()
    tokens = total / (material.CHARACTERS_A_TOKEN if english else 1)
    return (
        round(spent / total * 1e6, 2),
        round(held / total, 2),
        int(most),
        int(found),
        round(found / tokens * 1e6, 1),
    )


def rates(report: Report, finders: dict[str, ValueFinder], documents: Sequence[Document]) -> None:
    """How fast a build goes."""
    rows = []
    for name, finder in finders.items():
        finder.find(documents[:1])
        size = sum(len(text) for document in documents for text in document.texts)
        began = time.process_time()
        finder.find(documents[1:])
        rows.append((name, len(documents), size, round(size / (time.process_time() - began) / 1e6, 3)))
    report.table(
        "Build, one process", ("with", "documents", "characters", "million characters a CPU second"), rows
    )
    slowest = rows[-1][-1]
    report.bar("rate without networks, million characters a CPU second", slowest, ">= 1", slowest >= 1)


def bars(report: Report, shares: dict[str, dict[str, float]], wanted: dict[str, float], what: str) -> None:
    for kind, bar in wanted.items():
        share = shares[kind]["any" if kind in BARS and what == "English" else "recall"]
        report.bar(f"{what}: {kind}", share, f">= {bar}", share >= bar)


def main() -> int:
    options = parser(__doc__).parse_args()
    report = Report("pii", options.quick, not options.no_save)
    take = 60 if options.quick else None
    english = list(islice(synth(options.data / "pii/synth_dataset_v2.json"), take))
    chinese = list(samples(40 if options.quick else 400))
    plain, full = ValueFinder(ner=False), ValueFinder(gpu=False)
    all_kinds = tuple(SYNTH.values())
    ours = measure(report, "English, build", english, built(full), all_kinds)
    measure(report, "English, patterns", english, built(plain), all_kinds[4:])
    measure(report, "English, stream", english, streamed(PiiDetector()), all_kinds[4:])
    theirs = measure(report, "English, Presidio alone", english, presidio(), all_kinds)
    bars(report, ours, BARS, "English")
    for kind in all_kinds[4:]:
        mine, other = ours[kind]["recall"], theirs[kind]["recall"]
        report.bar(f"English: {kind}, recall less Presidio's", mine - other, ">= 0", mine >= other)
    kinds = ("cn_id", "phone", "card", "person", "address")
    made = measure(report, "Chinese, build", chinese, built(full), kinds)
    measure(report, "Chinese, patterns", chinese, built(plain), kinds)
    stream = measure(report, "Chinese, stream", chinese, streamed(PiiDetector()), kinds[:3])
    measure(report, "Chinese, Presidio alone", chinese, presidio(), kinds)
    bars(report, made, dict.fromkeys(kinds, 0.95), "Chinese")
    bars(report, stream, dict.fromkeys(kinds[:3], 0.95), "Chinese, stream")
    policies = {name: load_policy(Path(name)) for name in ("default", "strict")}
    detectors = {name: (PiiDetector(stops=policy.stops), "public") for name, policy in policies.items()}
    answers = 40 if options.quick else 600
    texts = {
        "English": [
            answer.text for answer in islice(material.english_answers(options.data), 0, 5 * answers, 5)
        ],
        "Chinese": [answer.text for answer in material.chinese_answers(options.data)[:answers]],
    }
    cost(report, detectors, {name: [text for text in some if text] for name, some in texts.items()})
    chats = material.demo_set(options.data, "alpaca_en_demo.json") + material.demo_set(
        options.data, "alpaca_zh_demo.json"
    )
    rates(report, {"networks": full, "patterns": plain}, chats[: 30 if options.quick else 600])
    return report.write()


if __name__ == "__main__":
    raise SystemExit(main())
