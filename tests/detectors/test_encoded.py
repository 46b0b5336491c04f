"""Encoded text is found as the plain copy is; ordinary text is neither held nor changed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.detectors.decoders.transducer import BUDGET, STRIDE
from proxy.detectors.encoded import EncodedDetector
from proxy.guard import StreamGuard
from proxy.text import count_units
from proxy.types import Action, Finding, Provenance, Scan, Scanner, Span, Verdict, View, in_full
from tests.detectors.encodings import CHINESE, ENCODINGS, ENGLISH, SCRAMBLES, SECRETS, Encode, b64, shift
from tests.detectors.reference import BUDGET as UNITS
from tests.detectors.reference import Exact, cut, run, view

PROSE = (
    "Of course. Here is the text that you asked me for, in the form that you wanted it to have: ",
    "好的，这里就是您所需要的内容，格式如下所示，请您仔细查看： ",
    "Yes.\n\n",
    "",
)
AFTER = " I hope that this is of some help to you. Please tell me if there is anything else that you need."
SLACK = 2 * STRIDE

slow = settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.too_slow])
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def detector(*secrets: str) -> EncodedDetector:
    return EncodedDetector([Exact(secrets)])


def check(findings: Sequence[Finding], settled: Sequence[int]) -> None:
    """What every scanner owes: order, and no span that begins in what was settled before it was decided."""
    assert list(settled) == sorted(settled)
    assert all(limit <= read for read, limit in enumerate(settled, 1))
    assert [finding.at for finding in findings] == sorted(finding.at for finding in findings)
    for finding in findings:
        assert finding.span.start >= (settled[finding.at - 1] if finding.at else 0)
        assert finding.span.start < finding.span.end <= finding.at + 1 or finding.at == len(settled)


def leaked(findings: Sequence[Finding], start: int, end: int) -> list[int]:
    """The raw characters of [start, end) that no finding's span covers."""
    inside = {place for finding in findings for place in range(finding.span.start, finding.span.end)}
    return [place - start for place in range(start, end) if place not in inside]


def budget(encode: Encode, secret: str) -> int:
    """Raw characters that carry the leak budget and the character that exceeds it."""
    first = next(size for size in range(len(secret)) if count_units(secret[:size]) > UNITS)
    return len(encode(secret[: first + 1]))


def trailing(encode: Encode, secret: str) -> int:
    """Raw characters at the end that may stay: a full stop is no part of a passage, nor what closes a run."""
    return len(encode(secret[-1])) + 12


# --- what is encoded is found ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODINGS)
@slow
@given(data=st.data())
def test_an_encoded_secret_is_found_but_for_the_budget(name: str, data: st.DataObject) -> None:
    """Whatever stands before it and however the text is cut, all of it is covered but the budget."""
    code = ENCODINGS[name]
    secret = data.draw(st.sampled_from(SECRETS[code.texts]))
    before = data.draw(st.sampled_from(PROSE))[data.draw(st.integers(0, 12)) :]
    raw = code.encode(secret)
    text = before + raw + AFTER
    findings, settled = run(detector(secret).scanner(view()), list(cut(text, data.draw(sizes))))
    check(findings, settled)
    left = leaked(findings, len(before), len(before) + len(raw))
    allowed = BUDGET + SLACK + budget(code.encode, secret)
    assert findings, "nothing was found"
    assert all(place < allowed or place >= len(raw) - trailing(code.encode, secret) for place in left), left
    assert {finding.part_of for finding in findings} == {findings[0].part_of}


@pytest.mark.parametrize("name", SCRAMBLES)
@slow
@given(data=st.data())
def test_a_scrambled_secret_is_found_where_it_reads_like_language(name: str, data: st.DataObject) -> None:
    """Shifted and reversed English is found; what was let go is the gate's delay."""
    code = SCRAMBLES[name]
    secret = data.draw(st.sampled_from(SECRETS["ascii" if code.texts == "any" else code.texts]))
    before = data.draw(st.sampled_from(PROSE))[data.draw(st.integers(0, 12)) :]
    raw = code.encode(secret)
    findings, settled = run(
        detector(secret).scanner(view()), list(cut(before + raw + AFTER, data.draw(sizes)))
    )
    check(findings, settled)
    left = leaked(findings, len(before), len(before) + len(raw))
    assert findings, "nothing was found"
    assert sum(place < len(raw) - 8 for place in left) <= 3 * BUDGET


_SIGNS = "etaoinshrdlu ETAOIN0123456789.,;:'-?()退款限额需要值班经理的第二次签字公司账户例外必须书面"
_WRITING = st.lists(st.sampled_from(_SIGNS), min_size=60, max_size=90).map("".join)


WHOLE = [
    name
    for name, code in ENCODINGS.items()
    if code.texts == "any" and name not in ("percent", "percent-twice", "quoted-printable")
]
"""Codes that leave no letter as it is."""


@pytest.mark.parametrize("name", WHOLE)
@slow
@given(data=st.data())
def test_any_text_is_found_however_meaningless(name: str, data: st.DataObject) -> None:
    """The codes that carry any text are found whatever they carry."""
    code = ENCODINGS[name]
    secret = data.draw(_WRITING.filter(lambda text: len(set(text)) >= 12 and count_units(text) >= 60))
    raw = code.encode(secret)
    text = PROSE[0] + raw + AFTER
    findings, settled = run(detector(secret).scanner(view()), list(cut(text, data.draw(sizes))))
    check(findings, settled)
    assert findings
    allowed = BUDGET + 2 * SLACK + budget(code.encode, secret)
    assert findings[0].span.start - len(PROSE[0]) < allowed + len(code.encode(secret)) // 3


def test_chinese_written_backwards_is_found() -> None:
    """Reversed Chinese opens the gate by the joints of its words."""
    for secret in CHINESE:
        text = PROSE[1] + secret[::-1] + PROSE[1]
        findings, settled = run(detector(secret).scanner(view()), [text])
        check(findings, settled)
        assert len(leaked(findings, len(PROSE[1]), len(PROSE[1]) + len(secret))) <= BUDGET + STRIDE


def test_words_in_the_opposite_order_are_found() -> None:
    """A joint like 'the of' opens the gate; from there on the passage is held and covered."""
    for secret in ENGLISH:
        raw = " ".join(reversed(secret.split()))
        findings, settled = run(detector(secret).scanner(view()), list(PROSE[0] + raw + AFTER))
        check(findings, settled)
        assert findings
        assert leaked(findings, len(PROSE[0]), len(PROSE[0]) + len(raw))[-1] < 96


def test_a_passage_of_which_only_some_characters_are_escaped_is_found() -> None:
    """Plain characters between escapes pass through, so a passage is read as a whole."""
    secret = ENGLISH[0]
    for raw in (
        secret.replace(" ", "%20"),
        secret.replace("e", "&#101;"),
        secret.replace("o", "\\u006f"),
        secret.replace("t", "=74"),
    ):
        findings, settled = run(detector(secret).scanner(view()), [PROSE[0] + raw + AFTER])
        check(findings, settled)
        assert findings
        assert leaked(findings, len(PROSE[0]), len(PROSE[0]) + len(raw) - 8)[-1] < BUDGET + 20


def test_plain_text_is_left_to_the_plain_scanners() -> None:
    """A passage without a single escape is not reported, although escapes stand near it."""
    text = "100%25 sure, R&amp;D, x=3D4, and a line\\nbreak. " + AFTER + ENGLISH[0] + AFTER
    findings, _ = run(detector(ENGLISH[0]).scanner(view()), [text])
    assert findings == []


def test_codes_are_undone_to_the_depth_given() -> None:
    """A code in a code is undone at depth two, and not at depth one."""
    text = PROSE[0] + b64(b64(ENGLISH[0])) + AFTER
    for depth, found in ((1, False), (2, True)):
        scanner = EncodedDetector([Exact(ENGLISH)], depth=depth).scanner(view())
        assert bool(run(scanner, [text])[0]) is found


def test_a_finding_is_the_inner_one_in_raw_offsets() -> None:
    """Entity and provenance are the inner finding's; the span is that of the raw run."""
    raw = b64(ENGLISH[0])
    findings, _ = run(detector(ENGLISH[0]).scanner(view()), list(PROSE[0] + raw + AFTER))
    first = findings[0]
    assert (first.detector, first.entity) == ("encoded", "passage")
    assert first.provenance == Provenance("secret:0", "admin")
    assert first.origin == len(PROSE[0])
    assert first.span.start <= len(PROSE[0]) + BUDGET
    assert findings[-1].span.end >= len(PROSE[0]) + len(raw) - 4
    for one, two in itertools.pairwise(findings):
        assert two.span.start <= one.span.end <= two.span.end


def test_what_only_the_end_of_the_text_completes_is_found_by_finish() -> None:
    """The last number of a run has no separator after it; the end of the text stands for one."""
    secret = "".join(sign for sign in ENGLISH[0].lower() if sign.isalpha())[:32]
    text = PROSE[0] + ENCODINGS["decimal"].encode(secret)
    scanner = detector(secret).scanner(view())
    assert list(scanner.feed(text).findings) == []
    (finding,) = scanner.finish()
    assert finding.at == finding.span.end == len(text)
    assert finding.span.start <= len(PROSE[0]) + BUDGET + budget(ENCODINGS["decimal"].encode, secret)


@dataclass(frozen=True)
class Word:
    """Finds one word the moment it is complete, and holds its beginning: a known value."""

    word: str
    name: str = "word"

    def scanner(self, view: View) -> Scanner:
        return WordScanner(self.word)


class WordScanner:
    def __init__(self, word: str) -> None:
        self._word, self._text, self._settled = word, "", 0

    def feed(self, piece: str) -> Scan:
        findings, settled = [], []
        for character in piece:
            self._text += character
            read = len(self._text)
            if self._text.endswith(self._word):
                findings.append(Finding("word", "VALUE", Span(read - len(self._word), read), read - 1))
            live = next(
                (n for n in range(len(self._word) - 1, 0, -1) if self._text.endswith(self._word[:n])), 0
            )
            self._settled = max(self._settled, read - live)
            settled.append(self._settled)
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        return ()


def test_a_value_deep_in_a_run_is_covered_whole() -> None:
    """Once a decoder reads, a value is held from the character that carries its first byte."""
    inside = "The customer to write to is zelda.quill@example.org, as agreed on the phone."
    for encode in (ENCODINGS["base64"].encode, ENCODINGS["hex"].encode, ENCODINGS["percent-all"].encode):
        text = PROSE[0] + encode(inside) + AFTER
        scanner = EncodedDetector([Word("zelda.quill@example.org")]).scanner(view())
        findings, settled = run(scanner, list(text))
        check(findings, settled)
        assert len(findings) == 1
        start = len(PROSE[0]) + len(encode(inside[: inside.index("zelda")]).rstrip("="))
        assert abs(findings[0].span.start - start) <= 2
        assert settled[findings[0].at - 1] <= findings[0].span.start


def test_words_backwards_tell_nothing_new_of_a_value() -> None:
    """A value that is one word is the same in either direction: only runs of words are read backwards."""
    text = "spring in changed was it and the of shelf the on stood zelda.quill@example.org for the of list "
    value = Word("zelda.quill@example.org")
    found, _ = run(EncodedDetector([value]).scanner(view()), list(text * 2))
    assert found, "the words look as if they were in the wrong order"
    found, settled = run(EncodedDetector([value], runs=()).scanner(view()), list(text * 2))
    assert not found
    assert settled[-1] == 2 * len(text)


def test_a_value_that_left_before_its_decoder_began_is_still_reported() -> None:
    """Within the first raw characters nothing is held; the value is reported, so that a block can stop."""
    scanner = EncodedDetector([Word("zelda")]).scanner(view())
    findings, settled = run(scanner, list("See it: " + b64("zelda and more of it, a lot") + AFTER))
    check(findings, settled)
    assert len(findings) == 1


# --- how the text is cut changes nothing -----------------------------------------------------------------


_FRAGMENTS = st.one_of(
    st.sampled_from(
        [code.encode(SECRETS[code.texts][0]) for code in (ENCODINGS | SCRAMBLES).values()]
    ).flatmap(lambda raw: st.integers(0, len(raw)).map(lambda end: raw[:end])),
    st.sampled_from([*PROSE, *ENGLISH, *CHINESE, AFTER]),
    st.text("abcXYZ019 +/=%&#;\\ux{}.-\n\u200b\u200c\ufe0f\U000e0041⠁", max_size=60),
    st.text(max_size=30),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_FRAGMENTS, min_size=1, max_size=5).map("".join), sizes)
def test_cutting_changes_nothing(text: str, pieces: list[int]) -> None:
    """Any cutting gives what one character at a time gives: findings and settled offsets."""
    inner = detector(*ENGLISH, *CHINESE, SECRETS["letters"][0])
    single = run(inner.scanner(view()), list(text))
    assert run(inner.scanner(view()), list(cut(text, pieces))) == single
    assert run(inner.scanner(view()), [text]) == single
    check(*single)


def test_empty_pieces_are_nothing() -> None:
    """A piece of no characters gives no findings and no offsets."""
    scanner = detector(ENGLISH[0]).scanner(view())
    assert in_full(scanner.feed(""), 0, 0) == Scan((), range(1, 1))
    assert list(scanner.finish()) == []


# --- together with the guard -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Action.BLOCK, Action.REDACT])
@slow
@given(data=st.data())
def test_behind_a_guard_nothing_but_the_budget_leaves(action: Action, data: st.DataObject) -> None:
    """What a caller receives of an encoded secret is the budget; of the text around a redaction, all."""
    name = data.draw(st.sampled_from([name for name, code in ENCODINGS.items() if code.texts == "any"]))
    secret = data.draw(st.sampled_from(SECRETS["any"]))
    raw = ENCODINGS[name].encode(secret)
    plain = Exact((secret,))
    scanners = [plain.scanner(view()), EncodedDetector([plain]).scanner(view())]
    guard = StreamGuard(scanners, lambda finding: Verdict(action, "rule", finding))
    out = "".join(guard.feed(piece).text for piece in cut(PROSE[0] + raw + AFTER, data.draw(sizes)))
    out += guard.finish().text
    assert out.startswith(PROSE[0])
    received = out[len(PROSE[0]) :]
    if action is Action.BLOCK:
        assert guard.stopped and raw.startswith(received)
        assert len(received) <= BUDGET + SLACK + budget(ENCODINGS[name].encode, secret)
    else:
        assert not guard.stopped and received.count("[REDACTED]") == 1
        assert out.endswith(AFTER[1:])
        kept = received.removesuffix(AFTER).replace("[REDACTED]", "")
        assert len(kept) <= BUDGET + SLACK + budget(ENCODINGS[name].encode, secret) + trailing(
            ENCODINGS[name].encode, secret
        )


def test_a_strict_view_lets_less_go() -> None:
    """With no leak budget, what leaves of a run is what is read before its decoder begins."""
    secret = ENGLISH[0]
    for encode in (
        ENCODINGS["base64"].encode,
        ENCODINGS["hex-0x"].encode,
        ENCODINGS["tags"].encode,
        shift(7),
    ):
        raw = encode(secret)
        findings, settled = run(detector(secret).scanner(view(budget=0)), list(PROSE[0] + raw + AFTER))
        check(findings, settled)
        assert leaked(findings, len(PROSE[0]), len(PROSE[0]) + len(raw) - 8)[-1] < BUDGET
