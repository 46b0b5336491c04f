"""proxy/detectors/pii.py: unknown personal data is found in the stream, whatever the cutting."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings

from proxy.detectors.pii import NAMES, PiiDetector
from proxy.errors import ConfigError
from proxy.guard import StreamGuard
from proxy.patterns import ENTITIES, PATTERNS, Pattern
from proxy.types import Action, Finding, Scanner, Span, View
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner, verdict
from tests.patterns.material import sizes, texts

ALL = PiiDetector()
CHECKED = PiiDetector(stops=lambda role, detector, entity: entity not in ("email", "phone", "ip", "cn_plate"))
WATCHING = PiiDetector(stops=lambda role, detector, entity: False)
KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEowIBAAKCAQEAx7q8Zp+/1a\n" * 40
    + "-----END RSA PRIVATE KEY-----"
)


def view(*echo: str) -> View:
    return View("public", (), (), {}, echo)


def scan(detector: PiiDetector, text: str, *echo: str) -> list[Finding]:
    scanner = detector.scanner(view(*echo))
    return [*scanner.feed(text).findings, *scanner.finish()]


def redacted(text: str, *echo: str, detector: PiiDetector = ALL) -> str:
    def decide(finding: Finding) -> object:
        return verdict(Action.REDACT, mask=f"[{finding.entity}]")(finding)

    return deliver(lambda: [detector.scanner(view(*echo))], decide, list(text))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_each_leak_is_found_one_character_at_a_time(pattern: Pattern) -> None:
    """Every example of a value is found in the stream under its entity."""
    for text in pattern.leaks:
        scanner = ALL.scanner(view())
        findings = [f for character in text for f in scanner.feed(character).findings] + [*scanner.finish()]
        assert pattern.entity in {finding.entity for finding in findings}, text


@given(texts, sizes)
@settings(max_examples=400, deadline=None)
@example(KEY, [1])
@example("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P b", [3])
@example("Card 4111 1111 1111 1111 123 and 4111-1111-1111-1111", [2])
def test_any_cutting(text: str, pieces: Sequence[int]) -> None:
    """Findings and settled offsets do not depend on the cutting, and no finding begins in settled text."""
    check_scanner(lambda: ALL.scanner(view()), text, pieces)
    check_guarded(lambda: ALL.scanner(view()), text, pieces)


@given(texts, sizes)
@settings(max_examples=150, deadline=None)
def test_the_stream_finds_what_the_rules_find_in_the_whole_text(text: str, pieces: Sequence[int]) -> None:
    """The index build and the stream read the same rules and find the same values."""
    findings, _ = run_scanner(lambda: ALL.scanner(view()), cut(text, pieces))
    covered = {n for f in findings for n in range(f.span.start, f.span.end)}
    matcher = ALL._matcher(ENTITIES)
    assert matcher is not None
    assert covered == {n for found in matcher.find(text) for n in range(found.start, found.end)}


@given(texts, sizes)
@settings(max_examples=150, deadline=None)
def test_what_is_only_counted_is_never_held(text: str, pieces: Sequence[int]) -> None:
    """Where nothing would be stopped nothing waits, and the count does not depend on the cutting."""
    one, settled = run_scanner(lambda: WATCHING.scanner(view()), list(text))
    assert settled == list(range(1, len(text) + 1))
    assert run_scanner(lambda: WATCHING.scanner(view()), cut(text, pieces)) == (one, settled)


def test_what_is_only_counted_is_counted_wherever_it_stands() -> None:
    """A value is counted at every offset, also across the strides at which the count is made."""
    for offset in (*range(480, 530), 1000, 1010, 1015, 1020):
        text = "x " * (offset // 2) + "ann@example.com" + " y" * 700
        assert [f.entity for f in scan(WATCHING, text)] == ["email"], offset
        assert scan(WATCHING, text)[0].span == Span(offset // 2 * 2, offset // 2 * 2 + 15)


def test_only_what_would_be_stopped_is_held() -> None:
    """Under the default policy a word is not held for the e-mail address it could become; a number is."""
    _, settled = run_scanner(lambda: CHECKED.scanner(view()), list("friendship"))
    assert settled[2:] == list(range(3, 11))
    _, settled = run_scanner(lambda: CHECKED.scanner(view()), list("to 4111 1111"))
    assert settled[-1] == 3
    _, settled = run_scanner(lambda: ALL.scanner(view()), list("friendship"))
    assert settled[-1] == 0


def test_a_place_is_let_go_as_soon_as_nothing_can_come_of_it() -> None:
    """A number that is too long, or a word that no token begins with, is not held."""
    for text in ("3.14159265358979323846264338327950288", "sketch ", "中文没有数字", "2024年"):
        _, settled = run_scanner(lambda: CHECKED.scanner(view()), list(text))
        assert settled[-1] >= len(text) - 1, text


def test_the_hold_is_one_value_long_at_most() -> None:
    """However long a run of signs goes on, what is held stays below the longest value."""
    matcher = ALL._matcher(ENTITIES)
    assert matcher is not None
    for text in (
        "a" * 5000,
        "1 " * 3000,
        "password: " + "a1B" * 3000,
        "eyJ" + "a" * 3000,
        KEY * 5,
        "+1-" * 900,
    ):
        _, settled = run_scanner(lambda: ALL.scanner(view()), cut(text, [7]))
        assert max(n + 1 - offset for n, offset in enumerate(settled)) <= matcher.longest + 1
    assert matcher.longest < 600


def test_values_are_masked_and_nothing_else() -> None:
    """The mask stands exactly where the value stood."""
    text = "身份证号码是11010519491231002X。Card 4111 1111 1111 1111, ann@example.com."
    assert redacted(text) == "身份证号码是[cn_id]。Card [card], [email]."


def test_a_long_key_is_masked_whole_without_being_held() -> None:
    """A private key is redacted from its first sign to its last, once, while little of it is held."""
    guard = StreamGuard([ALL.scanner(view())], verdict(Action.REDACT, mask="[K]"), ceiling=300)
    out = "".join(guard.feed(character).text for character in f"Key:\n{KEY}\nend.") + guard.finish().text
    assert out == "Key:\n[K]-----END RSA PRIVATE KEY-----\nend."
    assert not guard.stopped


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_the_callers_letters_free_nothing_of_a_key(size: int) -> None:
    """However long a key grows and however it is cut, signs that the caller wrote are masked with it."""
    text = "some words " * 20 + KEY
    said = "The quick brown fox jumps over MIIEow 0123456789 times."
    findings, _ = run_scanner(lambda: ALL.scanner(view(said)), cut(text, [size]))
    covered = {n for f in findings for n in range(f.span.start, f.span.end)}
    assert covered == set(range(text.index("-----BEGIN"), text.index("-----END")))


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("My card is 4111111111111111", "Card 4111 1111 1111 1111 works."),
        ("4111.1111.1111.1111", "Card 4111-1111-1111-1111 works."),
        ("mail ANN@Example.com", "I wrote to ann@example.com."),
        ("call 138 1234 5678", "+86 13812345678 was called"),
        ("from +86-138-1234-5678", "手机13812345678。"),
        ("DB_PASSWORD=hunter42x", "password: hunter42x"),
        ("身份证１１０１０５１９４９１２３１００２Ｘ", "11010519491231002x"),
    ],
)
def test_the_callers_own_values_come_back(said: str, answered: str) -> None:
    """What the caller wrote, in any way of writing it, is free; without the caller's word it is masked."""
    assert redacted(answered, said) == answered
    assert redacted(answered) != answered


def test_a_value_beside_the_callers_own_is_still_masked() -> None:
    """Only the value itself is free, not one that differs in a digit or stands beside it."""
    said = "my card 4111 1111 1111 1111"
    assert redacted("4111111111111111 and 5500005555555559", said) == "4111111111111111 and [card]"


def test_part_of_the_callers_words_frees_no_short_value() -> None:
    """A short value is free only where it stands in the request as it is written."""
    assert redacted("password: a1B2c3", "a 1 b 2 c 3") == "password: [password]"


def test_findings_hold_no_text_and_a_keyed_mark() -> None:
    """The same value has the same mark under one key, and another under another key."""
    first, second = scan(ALL, "ann@example.com, ANN@example.com ")
    other = scan(PiiDetector(key=b"another key"), "ann@example.com ")[0]
    assert first.fingerprint == second.fingerprint != other.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", first.fingerprint)


def test_a_recogniser_of_names_that_raises_stops_the_answer() -> None:
    """Nothing of the sentence leaves, and the guard says that a scanner failed."""

    def broken(sentence: str) -> list[tuple[str, int, int, float]]:
        raise RuntimeError("model gone")

    guard = StreamGuard([PiiDetector(recognize=broken).scanner(view())], verdict(Action.REDACT))
    assert guard.feed("Ann Example lives here").text == ""
    step = guard.feed(".\n")
    assert (step.text, step.stopped, step.fault) == ("", True, "scanner")


def test_names_are_stopped_with_the_patterns() -> None:
    """Patterns and names together: both are masked, each once."""

    def names(sentence: str) -> list[tuple[str, int, int, float]]:
        return [("person", m.start(), m.end(), 0.9) for m in re.finditer("Ann Example", sentence)]

    detector = PiiDetector(recognize=names)
    assert detector.slow
    text = "Ann Example, card 4111 1111 1111 1111.\nBye"
    assert redacted(text, detector=detector) == "[person], card [card].\nBye"
    check_scanner(lambda: detector.scanner(view()), text, [5])


def test_what_it_can_find() -> None:
    """Names come only from recognisers."""
    assert PiiDetector.entities == ENTITIES | NAMES
    assert not ENTITIES & NAMES
    assert not ALL.slow


def test_a_missing_engine_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without google-re2 the detector says so when it is made, and no answer is let through unread."""
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    with pytest.raises(ConfigError, match="google-re2"):
        PiiDetector()


def test_scanners_share_nothing() -> None:
    """What one channel has read is not seen by another."""
    first: Scanner = ALL.scanner(view())
    first.feed("Card 4111 1111 ")
    second = ALL.scanner(view())
    second.feed("1111 1111 ")
    assert not second.finish()
