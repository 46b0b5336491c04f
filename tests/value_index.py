"""A real trie of known values from a few records, without the rest of an index."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy.grams import GramKey
from proxy.index.learning import bases_of
from proxy.index.value_build import ValueBuilder
from proxy.index.values import ValueTrie
from proxy.types import Action, Finding, Value, Verdict, View
from tests.columns import files, writer

KEY = GramKey("the key of the tests, long enough")

Records = Sequence[Sequence[tuple[str, str]]]


def trie_of(records: Mapping[str, Records], *, free: Sequence[tuple[str, str]] = ()) -> ValueTrie:
    """The trie of the values (entity, text) of each record of each audience."""
    builder = ValueBuilder(KEY)
    for audience, each in records.items():
        for number, values in enumerate(each):
            builder.add([Value(*value) for value in values], audience, number)
    builder.add_free([Value(*value) for value in free])
    counts = {audience: len(each) for audience, each in records.items()}
    with tempfile.TemporaryDirectory() as folder:
        about = builder.write(writer(Path(folder), KEY), bases_of(counts))
        return opened(Path(folder), about, counts)


def opened(folder: Path, about: Mapping[str, object], counts: Mapping[str, int]) -> ValueTrie:
    bounds = {name: (base, base + counts[name]) for name, base in bases_of(counts).items()}
    made = files(folder, KEY)
    return ValueTrie(made, about, KEY, bounds, lambda audience, number: f"{audience}:{number + 1}")


def view(
    protected: Sequence[str] = ("admin",), cleared: Sequence[str] = ("public",), echo: Sequence[str] = ()
) -> View:
    return View("role", tuple(protected), tuple(cleared), {}, tuple(echo))


def typed(finding: Finding) -> Verdict:
    """A policy that redacts everything under its type."""
    return Verdict(Action.REDACT, "rule", finding, True, f"[{finding.entity.upper()}]")
