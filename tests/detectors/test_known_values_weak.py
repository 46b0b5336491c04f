"""Known values that are short or common: a finding only beside another one of their record."""

from __future__ import annotations

import pytest

from proxy.detectors.known_values import BESIDE, WAIT
from tests.detectors.conformance import run_scanner
from tests.detectors.shop import SHOP, make, masked
from tests.value_index import trie_of


def test_a_short_value_alone_is_let_go_after_forty_units() -> None:
    """It waits so long for a neighbour, no longer, and nothing is found."""
    text = "王芳" + "，" + "好" * 60
    findings, settled = run_scanner(lambda: make(SHOP), list(text))
    assert not findings
    wait = next(at for at, offset in enumerate(settled) if offset > 0)
    assert wait == len("王芳，") - 1 + WAIT // 2
    assert settled[-1] == len(text)
    spaces, _ = "王芳" + " " * 500, None
    _, settled = run_scanner(lambda: make(SHOP), list(spaces))
    assert next(at for at, offset in enumerate(settled) if offset > 0) <= 3 * WAIT + 2


def test_a_neighbour_that_begins_in_time_may_end_later() -> None:
    """The wait is for where a companion begins; while none can come any more, nothing is held."""
    near, far = "x" * 38, "x" * 41
    assert masked(f"80279 {near} noah.brown7922@example.com.") == f"[ADDRESS] {near} [EMAIL]."
    assert masked(f"80279 {far} noah.brown7922@example.com.") == f"80279 {far} [EMAIL]."
    text = f"80279 {near} noah.brown7922@examples of it"
    assert masked(text) == f"[ADDRESS] {near} [PERSON]7922@examples of it"
    never = f"80279 {near} noah.brennan and more"
    findings, settled = run_scanner(lambda: make(SHOP), list(never))
    assert not findings
    assert settled[never.index("noah") + len("noah.bre")] > len("80279")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("王芳，工号10293", "[PERSON]，工号[EMPLOYEE]"),
        ("工号10293：王芳", "工号[EMPLOYEE]：[PERSON]"),
        ("80279 is where Noah Brown lives", "[ADDRESS] is where [PERSON] lives"),
        ("Noah Brown lives in 80279, Denver", "[PERSON] lives in [ADDRESS], [PLACE]"),
        ("Denver? Noah Brown", "[PLACE]? [PERSON]"),
        ("80279 Denver", "[ADDRESS] [PLACE]"),
        ("王芳 80279", "王芳 80279"),
        ("王芳 王芳 王芳", "王芳 王芳 王芳"),
        ("Noah Brown 王芳", "[PERSON] 王芳"),
    ],
)
def test_two_values_of_a_record(text: str, expected: str) -> None:
    """In either order; not two of different records, nor one value twice."""
    assert masked(text) == expected


def test_a_later_neighbour_of_one_that_was_let_go_is_masked() -> None:
    """The first is out, after its wait; the second of the record comes soon enough to be a finding."""
    filler = "nothing else is said about this here. " * 3
    assert masked(f"王芳 {filler}10293") == f"王芳 {filler}[EMPLOYEE]"
    far = "x " * (BESIDE + 1)
    assert masked(f"王芳 {far}10293") == f"王芳 {far}10293"


def test_two_everyday_words_prove_nothing() -> None:
    """A first name and a city of one record stand beside each other everywhere."""
    index = trie_of({"admin": [[("person", "Noah"), ("place", "Denver"), ("employee", "48213")]]})
    assert masked("Noah moved to Denver", index) == "Noah moved to Denver"
    assert masked("Noah, 48213, Denver", index) == "[PERSON], [EMPLOYEE], [PLACE]"


def test_values_of_many_records_prove_nothing() -> None:
    """Two short values that stand together in a hundred records tell none of them."""
    index = trie_of({"admin": [[("code", "Zorro"), ("code", "Bravo")]] * 100})
    assert masked("Zorro Bravo", index) == "Zorro Bravo"


def test_a_value_equal_to_a_common_word() -> None:
    """It passes in any sentence, and is masked beside its record's other value."""
    index = trie_of({"admin": [[("person", "Mark"), ("person", "Will"), ("email", "mark.will@example.net")]]})
    text = "Mark my words: this will be fine, and you will mark it."
    assert masked(text, index) == text
    assert masked("Will: mark.will@example.net", index) == "[PERSON]: [EMAIL]"


def test_a_weak_value_inside_a_strong_one_is_no_neighbour_of_it() -> None:
    """Letters do not prove themselves."""
    index = trie_of({"admin": [[("person", "Ann Li"), ("address", "Ann Li Road 77")]]})
    assert masked("Ann Li Road 77", index) == "[ADDRESS]"
    assert masked("Ann Li Road 78", index) == "Ann Li Road 78"
