"""Known values: what a finding tells, what the caller may have, which value wins, and what is held."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.detectors.known_values import KnownValuesDetector
from proxy.types import Finding
from tests.detectors.conformance import run_scanner
from tests.detectors.shop import CUSTOMER, SHOP, make, masked
from tests.value_index import trie_of, view

# --- whose it is --------------------------------------------------------------------------------------------


def test_a_finding_tells_kind_document_and_audience() -> None:
    """And which value it was, under a number that is the same in every spelling; never its text."""
    findings, _ = run_scanner(lambda: make(SHOP), list("Brown Noah or Noah Brown"))
    assert [(f.detector, f.entity, f.span.start, f.span.end) for f in findings] == [
        ("known_values", "person", 0, 10),
        ("known_values", "person", 14, 24),
    ]
    assert {f.fingerprint for f in findings} == {findings[0].fingerprint}
    assert findings[0].provenance is not None
    assert (findings[0].provenance.document, findings[0].provenance.audience) == ("admin:1", "admin")
    assert "Noah" not in repr(findings)


def test_a_value_in_a_text_the_caller_may_read_is_no_leak() -> None:
    """It passes, whatever else it stands in; for a caller without that clearance it does not."""
    both = [("person", "Ada Lovelace"), ("phone", "13800138000")]
    index = trie_of({"admin": [both, CUSTOMER], "public": [[both[0]]]})
    text = "Ada Lovelace, 13800138000, Noah Brown"
    assert masked(text, index) == "Ada Lovelace, [PHONE], [PERSON]"
    assert (
        masked(text, index, view(protected=("admin", "public"), cleared=())) == "[PERSON], [PHONE], [PERSON]"
    )
    assert masked(text, index, view(protected=(), cleared=("admin", "public"))) == text


def test_one_finding_for_each_protected_audience() -> None:
    """A policy may treat audiences differently, so each is reported; one mask stands for them."""
    index = trie_of({"admin": [CUSTOMER], "staff": [CUSTOMER]})
    sight = view(protected=("admin", "staff"))
    findings, _ = run_scanner(lambda: make(index, sight), ["Noah Brown"])
    assert [f.provenance.audience for f in findings if f.provenance] == ["admin", "staff"]
    assert masked("Noah Brown!", index, sight) == "[PERSON]!"


def test_letters_that_are_free_as_one_value_are_free_as_another() -> None:
    """The same letters under two kinds: a document the caller may read holds them."""
    index = trie_of({"admin": [[("person", "Max Mustermann")]], "public": [[("account", "max.mustermann")]]})
    assert masked("Max Mustermann", index) == "Max Mustermann"


def test_a_value_in_free_text_is_no_leak() -> None:
    """What the operator declared free when the index was built is never found."""
    index = trie_of({"admin": [CUSTOMER]}, free=[("person", "Noah Brown")])
    assert masked("Noah Brown, order W7678072", index) == "Noah Brown, order [ORDER]"


# --- echo ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", ["I am Noah Brown.", "brown, noah", "my mail is noah.brown7922@example.com", "Ｎoah\u200bBrown"]
)
def test_what_the_caller_sent_comes_back_in_any_form(said: str) -> None:
    """The rest of the same record is still a leak."""
    answer = "Hello Noah Brown (BROWN, NOAH): order W7678072 goes to 986 Sunset Drive."
    out = masked(answer, sight=view(echo=("Hi.", said)))
    assert out == "Hello Noah Brown (BROWN, NOAH): order [ORDER] goes to [ADDRESS]."


def test_an_echoed_phone_comes_back_in_its_other_form() -> None:
    """A number that came with its country code is the caller's without it, too."""
    assert masked("13812345678", sight=view(echo=("+86 (138) 1234-5678",))) == "13812345678"


def test_a_short_value_beside_what_the_caller_sent_is_a_leak() -> None:
    """Who sends a name and asks for the postal code gets it masked; everyday words still pass."""
    sight = view(echo=("What is the zip code of Noah Brown?",))
    assert masked("It is 80279, in Denver.", sight=sight) == "It is [ADDRESS], in [PLACE]."
    assert masked("He lives in Denver.", sight=sight) == "He lives in Denver."
    assert (
        masked("It is 80279, in Denver.", sight=view(echo=("What is the code?",)))
        != "It is 80279, in Denver."
    )


def test_echo_is_worked_out_once_for_all_channels() -> None:
    """It is kept with the request."""
    detector = KnownValuesDetector(lambda: SHOP)
    sight = view(echo=("Noah Brown",))
    detector.prepare(sight)
    kept = dict(sight.cache)
    detector.scanner(sight), detector.scanner(sight)
    assert sight.cache == kept and len(kept) == 1


# --- the longest wins ---------------------------------------------------------------------------------------


def test_the_longest_value_gives_the_mask() -> None:
    """A name inside an address or an e-mail goes with it; alone it is itself."""
    index = trie_of({"admin": [[("person", "Ann Perkins"), ("address", "Ann Perkins Square 12")]]})
    assert masked("at Ann Perkins Square 12.", index) == "at [ADDRESS]."
    assert masked("at Ann Perkins Square 13.", index) == "at [PERSON] Square 13."
    assert masked("Ann Perkins", index) == "[PERSON]"
    assert masked("noah.brown7922@example.com") == "[EMAIL]"
    assert masked("noah.brown7922@example.net") == "[PERSON]7922@example.net"


def test_values_that_overlap_are_both_masked() -> None:
    """Neither its end nor its beginning remains of the other."""
    index = trie_of({"admin": [[("person", "Ann Perkins"), ("address", "Perkins Square 12")]]})
    assert masked("Ann Perkins Square 12", index) == "[PERSON]"


def test_a_value_within_a_free_one_is_free() -> None:
    """Its letters stand in what the caller may read."""
    index = trie_of(
        {"admin": [[("person", "Ann Perkins")]], "public": [[("address", "Ann Perkins Square 12")]]}
    )
    assert masked("Ann Perkins Square 12; Ann Perkins", index) == "Ann Perkins Square 12; [PERSON]"


# --- holding, and what is only counted ---------------------------------------------------------------------


def test_ordinary_text_is_held_by_a_character_or_two() -> None:
    """Only what may still become a value is held back."""
    text = "The quick review of our plans for next year shows that most of them are on their way. " * 5
    _, settled = run_scanner(lambda: make(SHOP), list(text))
    held = [at + 1 - offset for at, offset in enumerate(settled)]
    assert sum(held) / len(held) < 1
    assert max(held) < 8


def test_a_run_of_separators_ends_a_value() -> None:
    """After 64 characters that are no letters nothing is held; fewer may stand inside a value."""
    assert masked("Noah" + "-" * 64 + "Brown") == "[PERSON]"
    assert masked("Noah" + "-" * 65 + "Brown") == "Noah" + "-" * 65 + "Brown"
    _, settled = run_scanner(lambda: make(SHOP), list("N" + "=" * 5000))
    assert max(at + 1 - offset for at, offset in enumerate(settled)) <= 66


def test_what_is_only_counted_is_never_held() -> None:
    """Where the policy could stop none of it, every character is settled as it comes; findings are made."""
    detector = KnownValuesDetector(lambda: SHOP, lambda role, detector, entity: False)
    text = "80279: Noah Brown, 王芳 and noah.brown7922@example.com"
    findings, settled = run_scanner(lambda: detector.scanner(view()), list(text))
    assert settled == list(range(1, len(text) + 1))
    assert sorted({f.entity for f in findings}) == ["address", "email", "person"]


def test_a_kind_that_is_only_counted_waits_for_no_neighbour() -> None:
    """A short value of a kind that the policy stops nowhere goes at once."""
    detector = KnownValuesDetector(lambda: SHOP, lambda role, detector, entity: entity != "employee")
    _, settled = run_scanner(lambda: detector.scanner(view()), list("Nr. 10293, " + "a" * 20))
    assert settled[9] == 10


def test_an_index_without_values_costs_and_holds_nothing() -> None:
    """Text is read through."""
    findings, settled = run_scanner(lambda: make(trie_of({"admin": [[]]})), list("Noah Brown"))
    assert not findings
    assert list(settled) == list(range(1, 11))


def test_a_very_long_stream_keeps_little() -> None:
    """What a scanner remembers does not grow with the answer, and it still finds what comes late."""
    scanner = make(SHOP)
    for turn in range(3000):
        assert not scanner.feed(f"Denver and 王芳 are named here, time after time; {turn}. ").findings
    kept = [scanner._pending, scanner._waiting, scanner._recent, scanner._tails]  # type: ignore[attr-defined]
    assert sum(map(len, kept)) < 40
    found: Sequence[Finding] = scanner.feed("Far from all of that: Noah Brown. Y").findings
    assert [f.entity for f in found] == ["person"]
