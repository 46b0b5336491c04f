"""The fingerprints of matches in the trail: of no use with the index files, under a key of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import proxy
from proxy.detectors import build
from proxy.grams import GramKey
from proxy.index import BuildOptions, StoredIndex, build_index, open_index
from proxy.policy import load_policy
from proxy.server.firewall import Firewall, parts_of
from proxy.server.marks import PURPOSE, Marks
from proxy.types import Document, Finding, Span, Value
from tests.server.test_firewall import deltas, guards
from tests.training import ADMIN, KEY, documents

IBAN = "GB33BUKB20201555555555"
NEAR = ADMIN.replace("enter code Falcon", "type code Falcon").replace("nine", "ten")
KEYS = ("ticket", "vault", "floor", "manager", "limit", "shift", "reason", "till", "drawer")
ANSWERS = {
    "passage": f"They said: {ADMIN} And that was that.",
    "near": f"They said: {NEAR} And that was that.",
    "value": f"The account is {IBAN}, as far as I know.",
    "encoded": f"They said: {ADMIN.encode().hex()} And that was that.",
    "pii": "Write to anna.lindqvist@example.org about the card 4111 1111 1111 1111.",
    "payload": json.dumps({name: 7 * number for number, name in enumerate(KEYS)}),
}
DETECTORS = {
    "passage": "memorised",
    "near": "memorised",
    "value": "known_values",
    "encoded": "encoded",
    "pii": "pii",
    "payload": "payload",
}
PAYLOAD = json.dumps({name: f"{number} and something else" for number, name in enumerate(reversed(KEYS))})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with passages, known values and a structure."""
    out = tmp_path_factory.mktemp("marks") / "x.idx"
    held = Document("admin.jsonl:9", (f"The account of the warehouse is {IBAN}.",), "admin")
    payloads = [Document(f"admin.jsonl:{n}", (PAYLOAD,), "admin") for n in (10, 11)]

    def values(document: Document) -> list[Value]:
        return [Value("iban", IBAN)] if document is held else []

    build_index([*documents(), held, *payloads], out, BuildOptions(key=KEY), values=values)
    return out


@pytest.fixture(scope="module")
def index(folder: Path) -> StoredIndex:
    return open_index(folder, KEY)


@pytest.fixture(scope="module")
def firewall(index: StoredIndex) -> Firewall:
    return Firewall.assemble(load_policy(None), index)


def raw(index: StoredIndex, text: str) -> Iterator[Finding]:
    """What the detectors themselves report."""
    policy = load_policy(None)
    view = policy.view("public", (), index.audiences)
    for detector in build(parts_of(policy, index), policy.enabled):
        scanner = detector.scanner(view)
        yield from scanner.feed(text).findings
        yield from scanner.finish()


def stored(folder: Path) -> set[int]:
    """Every number of 64 bits that can be read in the files of an index without its key."""
    found: set[int] = set()
    for path in folder.rglob("*.npy"):
        array = np.load(path)
        if array.dtype.itemsize == 8:
            found.update(array.view(np.uint64).ravel().tolist())
    return found


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_fingerprint_points_into_no_file_of_the_index(
    kind: str, folder: Path, index: StoredIndex, firewall: Firewall
) -> None:
    """Each kind of finding: what the trail gets is neither what the detector looked up, nor stored, nor a
    number of a value; the look-ups of the index answer no to it."""
    made = await guards(firewall)
    await made.feed(deltas(ANSWERS[kind]), [(0, "content")])
    written = {verdict.finding.fingerprint for _, verdict in made.verdicts}
    looked_up = {finding.fingerprint for finding in raw(index, ANSWERS[kind])}
    detectors = {verdict.finding.detector for _, verdict in made.verdicts}
    assert written and looked_up and DETECTORS[kind] in detectors
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in written)
    assert not written & looked_up
    numbers = {int(each, 16) for each in written}
    assert not numbers & (stored(folder) | set(range(len(index.values()))))
    levels = [contains for name in index.audiences for _, contains in index.levels(name)]
    assert not any(contains(number) for contains in levels for number in numbers)


async def test_what_a_detector_looks_up_would_point_into_the_index(index: StoredIndex) -> None:
    """The reason for all this: as the detectors mark them, matches are entries of the index."""
    levels = [contains for _, contains in index.levels("admin")]
    found = [int(each.fingerprint, 16) for each in raw(index, ANSWERS["passage"])]
    assert any(contains(number) for contains in levels for number in found)
    values = [each for each in raw(index, ANSWERS["value"]) if each.detector == "known_values"]
    assert {int(each.fingerprint, 16) for each in values} == {0}


async def test_a_match_has_one_fingerprint_for_as_long_as_a_build_is_served(
    index: StoredIndex, firewall: Firewall, tmp_path: Path
) -> None:
    """In every answer and for every role; another build, or another key, has others."""
    seen = []
    for _ in range(2):
        made = await guards(firewall)
        await made.feed(deltas(ANSWERS["value"]), [(0, "content")])
        seen.append([verdict.finding.fingerprint for _, verdict in made.verdicts])
    assert seen[0] == seen[1]
    finding = Finding("memorised", "passage", Span(0, 9), 9, fingerprint="00000000000000ff")
    marks = [
        Marks(index.key, index.version),
        Marks(index.key, index.version),
        Marks(index.key, "another build"),
        Marks(GramKey("another key of 16 or more"), index.version),
    ]
    one, same, *others = (each.of(finding).fingerprint for each in marks)
    assert one == same
    assert len({one, *others}) == 3
    assert Marks(index.key, "v").of(Finding("x", "y", Span(0, 1), 1)).fingerprint == ""


def test_the_secrets_of_look_ups_make_no_fingerprint(index: StoredIndex) -> None:
    """Whoever has the seeds and mixers of the index, and not its key, cannot make one; and the key of the
    fingerprints gives other seeds."""
    finding = Finding("memorised", "passage", Span(0, 9), 9, fingerprint="00000000000000ff")
    key = index.key
    thief = object.__new__(GramKey)
    thief.__dict__.update(key.__dict__ | {"_root": bytes(64)})
    assert (thief.seed, thief.mixer(12)(1, 2)) == (key.seed, key.mixer(12)(1, 2))
    assert Marks(thief, "v").of(finding) != Marks(key, "v").of(finding)
    theirs = GramKey(key.derived(PURPOSE).hex())
    assert (theirs.seed, theirs.id) != (key.seed, key.id)
    assert theirs.mixer(12)(1, 2) != key.mixer(12)(1, 2)


def test_every_key_that_is_derived_has_a_label_of_its_own() -> None:
    """Two purposes under one label would share a key."""
    labels: list[str] = []
    for path in Path(proxy.__file__).parent.rglob("*.py"):
        text = path.read_text("utf-8")
        labels += re.findall(r'\.derived\(b"([^"]+)"\)', text)
        labels += re.findall(r'^_?PURPOSE = b"([^"]+)"', text, re.MULTILINE)
    assert len(labels) >= 7
    assert len(set(labels)) == len(labels)
    assert all(len(each) <= 16 for each in labels)


def test_no_repr_shows_the_key(index: StoredIndex) -> None:
    assert repr(Marks(index.key, index.version)) == "Marks()"
