"""Payload structure: when an object is found, what it covers, and what is free."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.payload import PayloadDetector
from proxy.guard import StreamGuard
from proxy.index.learning import bases_of
from proxy.index.payload import StructureBuilder, Structures
from proxy.jsontext import JsonCells
from proxy.types import Action, Document, Scanner, View
from tests.columns import files, writer
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner, verdict
from tests.value_index import KEY, view


def structures_of(documents: Mapping[str, Sequence[Document]]) -> Structures:
    """The structures of a few documents, without the rest of an index."""
    builder = StructureBuilder(KEY)
    for audience, each in documents.items():
        for number, document in enumerate(each):
            builder.add(document, audience, number)
    bases = bases_of({audience: len(each) for audience, each in documents.items()})
    bounds = {name: (base, base + len(documents[name])) for name, base in bases.items()}
    with tempfile.TemporaryDirectory() as folder:
        about = builder.write(writer(Path(folder), KEY), bases)
        opened = files(Path(folder), KEY)
        made = Structures(opened, about, KEY, bounds, lambda name, number: f"{name}:{number + 1}")
        made.having(0)  # reads what is read when first asked for
        return made


def order(number: int, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"#W{number}",
        "user_id": "noah",
        "status": "pending",
        "address": {"zip": "80279", "city": "Denver"},
        "items": [{"name": "Tea", "price": 4.5}],
        **more,
    }


TOOL = Document("x:1", (f"The tool said {json.dumps(order(1, internal_margin=0.4))}.",), "admin")
INDEX = structures_of({"admin": [TOOL]})
NEW = order(99, internal_margin=0.9)
PATHS = 10


def make(index: Structures = INDEX, sight: View | None = None) -> Scanner:
    return PayloadDetector(index).scanner(view() if sight is None else sight)


def redacted(text: str, index: Structures = INDEX, sight: View | None = None) -> str:
    out, guard = deliver(lambda: [make(index, sight)], verdict(Action.REDACT), cut(text, [3]))
    assert not guard.stopped
    return out


def test_new_values_in_a_known_structure_are_found() -> None:
    """From six of its ten paths on; what follows of the object is covered, the brace and the rest are not."""
    text = f"Sure: {json.dumps(NEW)} Anything else?"
    findings, settled = run_scanner(make, list(text))
    assert settled == list(range(1, len(text) + 1))
    assert {(f.detector, f.entity, f.part_of) for f in findings} == {("payload", "structure", 1)}
    first = text.index('"zip"'), text.index('"city"'), text.index('"items"')
    assert findings[0].span.start == first[1] + len('"city":')
    assert findings[-1].span.end == text.index("} Anything")
    assert [f.at for f in findings] == list(range(findings[0].at, findings[-1].at + 1))
    assert findings[0].provenance is not None
    assert (findings[0].provenance.document, findings[0].provenance.audience) == ("admin:1", "admin")
    assert redacted(text) == f"{text[: findings[0].span.start]}[REDACTED]}} Anything else?"


def test_fewer_than_six_paths_or_of_sixty_percent_are_no_finding() -> None:
    """Five paths pass, and so do six of eleven."""
    five = {"order_id": 1, "user_id": 2, "status": 3, "address": {"zip": 4}}
    assert not run_scanner(make, [json.dumps(five)])[0]
    large = Document("x:1", (json.dumps({f"key_{c}": 1 for c in "abcdefghijk"}),), "admin")
    index = structures_of({"admin": [large]})
    assert not run_scanner(lambda: make(index), [json.dumps({f"key_{c}": 1 for c in "abcdef"})])[0]
    assert run_scanner(lambda: make(index), [json.dumps({f"key_{c}": 1 for c in "abcdefg"})])[0]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NEW, indent=2),
        json.dumps({"status": "ok", "data": {"order": NEW}}),
        json.dumps([{"a": 1}, NEW]),
        repr(NEW),
        json.dumps(NEW).replace("order_id", "orderId").replace('"status"', "status"),
        "function () { return " + json.dumps(NEW) + "; }",
        json.dumps({"arguments": json.dumps(NEW)}),
        json.dumps(NEW)[:-1],
    ],
)
def test_in_any_dress(text: str) -> None:
    """Indented, in an envelope or a list, as Python writes it, keys spelt otherwise, as a string, cut off."""
    assert run_scanner(make, [text])[0]


def test_json_stays_json() -> None:
    """In a channel that is JSON the rest of the object loses its values, and still parses."""
    text = json.dumps({"note": "fine", "order": NEW, "after": "still here"})
    guard = StreamGuard([make()], verdict(Action.REDACT), cells=JsonCells())
    out = "".join([*(guard.feed(piece).text for piece in cut(text, [5])), guard.finish().text])
    parsed = json.loads(out)
    assert parsed["note"] == "fine"
    assert parsed["after"] == "still here"
    assert parsed["order"]["order_id"] == "#W99"
    assert "0.9" not in out and "Tea" not in out
    assert "[REDACTED]" in out


def test_what_the_caller_may_read_or_sent_is_free() -> None:
    """A structure that stands in a cleared text, in the caller's own JSON, or in its JSON schema."""
    text = json.dumps(NEW)
    public = structures_of({"admin": [TOOL], "public": [Document("p:1", TOOL.texts)]})
    assert redacted(text, public) == text
    assert (
        redacted(text, sight=view(echo=("Fill this in: " + json.dumps(order(0, internal_margin=None)),)))
        == text
    )
    assert redacted(text, sight=view(protected=(), cleared=("admin",))) == text
    flat = {key: 1 for key in ("order_id", "user_id", "status", "city", "price", "margin", "zip")}
    index = structures_of({"admin": [Document("x:1", (json.dumps(flat),))]})
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in flat}}
    assert redacted(json.dumps(flat), index) != json.dumps(flat)
    assert redacted(json.dumps(flat), index, view(echo=(json.dumps(schema),))) == json.dumps(flat)


def test_the_part_that_is_not_free_is_found() -> None:
    """An internal record that has more keys than the public one is found at the first of them."""
    index = structures_of({"admin": [TOOL], "public": [Document("p:1", (json.dumps(order(5)),))]})
    assert redacted(json.dumps(order(7)), index) == json.dumps(order(7))
    out = redacted(json.dumps(NEW), index)
    assert out == json.dumps(NEW).replace(" 0.9", "[REDACTED]")


def test_records_teach_a_structure() -> None:
    """The fields of a record that was read from a file, with the ids among its keys left out."""
    fields = tuple(
        (key, "1") for key in ("name.first", "name.last", "email", "cards.card_1234567.brand", "zip", "tier")
    )
    index = structures_of({"admin": [Document("users.json:1", ("",), fields=fields)]})
    new = {"name": {"first": 1, "last": 2}, "email": 3, "cards": {"card_7654321": {"brand": 4}}, "zip": 5}
    findings, _ = run_scanner(lambda: make(index), [json.dumps(new)])
    assert findings


def test_unquoted_keys_teach_nothing() -> None:
    """Code and style sheets in a training text are no payloads."""
    code = "const a = { one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, seven: 7 };"
    assert len(structures_of({"admin": [Document("x:1", (code,))]})) == 0


def test_many_objects_one_after_the_other() -> None:
    """Each is found by itself; text between them passes; nothing is kept of those that have ended."""
    scanner = make()
    out = 0
    for number in range(200):
        out += len(
            {f.part_of for f in scanner.feed(json.dumps(order(number, internal_margin=1)) + " and ").findings}
        )
    assert out == 200
    assert not scanner._counts  # type: ignore[attr-defined]


KEYS = ["order_id", "user_id", "status", "zip", "city", "name", "price", "margin", "a", "b"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_conformance(seed: int, sizes: list[int]) -> None:
    """Any text, any cutting: same findings, nothing held; observed, nothing changes."""
    dice = random.Random(seed)

    def thing(depth: int) -> Any:
        if depth and dice.random() < 0.3:
            return [thing(depth - 1) for _ in range(2)]
        if depth and dice.random() < 0.8:
            return {key: thing(depth - 1) for key in dice.sample(KEYS, dice.randrange(1, 9))}
        return dice.choice([1, "x", None, 'a "b" {c}', "it's"])

    documents = [Document("x:1", (json.dumps(thing(2)),)) for _ in range(4)]
    index = structures_of({"admin": documents[:2], "nobody": documents[1:3], "public": documents[3:]})
    sight = view(protected=("admin", "nobody"), echo=(json.dumps(thing(2)),))
    text = " ".join(["well,", json.dumps(thing(3)), dice.choice(documents).texts[0], json.dumps(thing(3))])
    text = text[: dice.randrange(10, len(text) + 1)]
    for each in (text, text.replace('"', "'")):
        check_scanner(lambda: make(index, sight), each, sizes)
        check_guarded(lambda: make(index, sight), each, sizes)
