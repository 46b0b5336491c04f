"""The records of a shop and of a hospital, whose values the tests of known values look for."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.detectors.known_values import KnownValuesDetector
from proxy.index.values import ValueTrie
from proxy.types import Scanner, View
from tests.detectors.conformance import cut, deliver
from tests.value_index import trie_of, typed, view

CUSTOMER = [
    ("person", "Noah Brown"),
    ("email", "noah.brown7922@example.com"),
    ("phone", "+86 138-1234-5678"),
    ("address", "986 Sunset Drive, Suite 259, Denver, CO 80279"),
    ("address", "80279"),
    ("place", "Denver"),
    ("order", "#W7678072"),
    ("cn_id", "11010519491231002X"),
]
PATIENT = [("person", "王小明"), ("person", "王芳"), ("employee", "10293"), ("phone", "13900139000")]
SHOP = trie_of({"admin": [CUSTOMER, PATIENT], "public": [[("person", "Grace Hopper"), ("place", "Boulder")]]})


def make(index: ValueTrie, sight: View | None = None) -> Scanner:
    return KnownValuesDetector(lambda: index).scanner(view() if sight is None else sight)


def masked(text: str, index: ValueTrie = SHOP, sight: View | None = None, sizes: Sequence[int] = (1,)) -> str:
    """What reaches the caller where every finding is redacted."""
    out, guard = deliver(lambda: [make(index, sight)], typed, cut(text, sizes))
    assert not guard.stopped
    return out
