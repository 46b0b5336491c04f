"""Known values: against a reader that tries everything, in every spelling, and what is let go."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.known_values import BESIDE, WAIT, KnownValuesDetector
from proxy.guard import StreamGuard
from proxy.index.values import ValueTrie
from proxy.jsontext import JsonCells
from proxy.types import Finding, Scanner, Value, View
from proxy.values import forms_of
from proxy.values.reading import MEETS, SEPARATOR, UNSEEN, read
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner
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
    return KnownValuesDetector(index).scanner(view() if sight is None else sight)


def masked(text: str, index: ValueTrie = SHOP, sight: View | None = None, sizes: Sequence[int] = (1,)) -> str:
    """What reaches the caller where every finding is redacted."""
    out, guard = deliver(lambda: [make(index, sight)], typed, cut(text, sizes))
    assert not guard.stopped
    return out


# --- against a reader that tries everything ---------------------------------------------------------------


def occurrences(text: str, forms: set[str]) -> list[tuple[int, int]]:
    """Every raw span whose letters, in some reading, are a form, and where a word may begin and end."""
    glyphs = [read(character) for character in text]
    seen = [at for at, glyph in enumerate(glyphs) if glyph.kind != UNSEEN]
    kinds = {at: glyphs[at].kind for at in seen}
    before = {at: kinds[seen[n - 1]] if n else SEPARATOR for n, at in enumerate(seen)}
    after = {at: kinds[seen[n + 1]] if n + 1 < len(seen) else SEPARATOR for n, at in enumerate(seen)}
    longest = max(map(len, forms), default=0)
    found = []
    for start in seen:
        if not glyphs[start].letters or not MEETS[before[start]][kinds[start]]:
            continue
        readings = {""}
        for end in range(start, len(text)):
            glyph = glyphs[end]
            if glyph.letters:
                readings = {r + more for r in readings for more in (glyph.letters, glyph.digit) if more}
                readings = {r for r in readings if len(r) <= longest}
                if readings & forms and MEETS[kinds[end]][after[end]]:
                    found.append((start, end + 1))
            if not readings:
                break
    return found


ALPHABETS = ["ab", "aB1 ", "ab12-", "王小一1", "abcdefgh ", "a一1."]


def random_case(seed: int) -> tuple[str, list[str]]:
    """A text sewn together from values, pieces of them and separators, over a small alphabet."""
    dice = random.Random(seed)
    alphabet = dice.choice(ALPHABETS)
    word = lambda low, high: "".join(dice.choice(alphabet) for _ in range(dice.randrange(low, high)))  # noqa: E731
    values = [word(7, 14) for _ in range(dice.randrange(1, 5))]
    parts = []
    for _ in range(dice.randrange(1, 8)):
        piece = dice.choice([*values, word(1, 12)])
        if dice.random() < 0.3:
            piece = piece[dice.randrange(len(piece)) :]
        if dice.random() < 0.3:
            piece = dice.choice(["-", " ", "\u200b", "\u0301"]).join(piece)
        parts.append(piece.upper() if dice.random() < 0.2 else piece)
    return dice.choice(["", " ", ", ", "\n"]).join(parts), values


def test_every_occurrence_is_covered_and_nothing_else() -> None:
    """What the findings cover is what a reader finds that tries all spans; in 300 random texts."""
    checked = 0
    for seed in range(300):
        text, values = random_case(seed)
        known = [Value("code", value) for value in values]
        strong = [value for value in known if (forms := forms_of(value)) is not None and not forms.weak]
        index = trie_of({"admin": [[(value.entity, value.text) for value in strong]]})
        forms = {letters for value in strong for letters in forms_of(value).letters}  # type: ignore[union-attr]
        dice = random.Random(seed)
        sizes = [dice.randrange(1, 20) for _ in range(4)]
        findings = check_scanner(lambda i=index: make(i), text, sizes)
        expected = {at for start, end in occurrences(text, forms) for at in range(start, end)}
        covered = {at for f in findings for at in range(f.span.start, f.span.end)}
        marks = {at for at, character in enumerate(text) if read(character).kind == UNSEEN}
        assert covered - marks == expected - marks, (seed, text, values)
        checked += bool(expected)
    assert checked > 120


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_nothing_of_a_masked_value_remains(seed: int, sizes: list[int]) -> None:
    """Of what reaches the caller a second look finds nothing: no value stands in it in any form."""
    text, values = random_case(seed)
    index = trie_of({"admin": [[("code", value) for value in values if len(value) > 6]]})
    out, _ = deliver(lambda: [make(index)], lambda f: typed(f), cut(text, sizes))
    again, _ = run_scanner(lambda: make(index), [out.replace("[CODE]", " [Q] ")])
    assert not again


KNOWN = [text for kind, text in CUSTOMER if kind not in ("place",) and text != "80279"]
PLAIN = ["", "ok", 'a "quoted" line', "x\\y", "née", "好的", "7678071", "1.25"]


@st.composite
def documents(draw: st.DrawFn) -> tuple[object, str]:
    """A JSON value with known values among its strings, keys and numbers; and how it is written."""
    words = st.sampled_from([*KNOWN, *(f"<{text}>" for text in KNOWN), *PLAIN])
    scalars = words | st.sampled_from([None, True, 7678072, 13812345678, 0.5])
    value = draw(
        st.recursive(
            scalars,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
            max_leaves=8,
        )
    )
    indent = draw(st.sampled_from([None, 1]))
    return value, json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent)


@settings(max_examples=150, deadline=None)
@given(documents(), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_json_in_is_json_out(document: tuple[object, str], sizes: list[int]) -> None:
    """A masked document parses, no known value is in it, and the cutting changes nothing."""
    _, text = document
    outs = []
    for pieces in (list(text), cut(text, sizes)):
        guard = StreamGuard([make(SHOP)], typed, ceiling=100_000, cells=JsonCells())
        outs.append("".join(guard.feed(piece).text for piece in pieces) + guard.finish().text)
        assert not guard.stopped
    assert outs[0] == outs[1]
    left = json.dumps(json.loads(outs[0]), ensure_ascii=False)
    forms = {letters for kind, each in CUSTOMER for letters in _letters(kind, each)}
    assert not [form for form in forms if occurrences(left, {form})]


def _letters(kind: str, text: str) -> tuple[str, ...]:
    forms = forms_of(Value(kind, text))
    return () if forms is None or forms.weak else forms.letters


def test_a_thousand_objects_one_in_another() -> None:
    """The value at the bottom is masked, and the document stays one."""
    depth = 1000
    text = '{"a": [' * depth + '"noah.brown7922@example.com"' + "]}" * depth
    guard = StreamGuard([make(SHOP)], typed, ceiling=100_000, cells=JsonCells())
    out = "".join(guard.feed(character).text for character in text) + guard.finish().text
    assert out == text.replace("noah.brown7922@example.com", "[EMAIL]")


WEAK_ALPHABETS = ["ab ", "ab, ", "王小 "]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_conformance_with_weak_and_free_values(seed: int, sizes: list[int]) -> None:
    """Short, strong, long, cleared and echoed values together: any cutting gives the same answer."""
    dice = random.Random(seed)
    alphabet = dice.choice([*ALPHABETS, *WEAK_ALPHABETS])
    word = lambda low, high: "".join(dice.choice(alphabet) for _ in range(dice.randrange(low, high)))  # noqa: E731
    record = lambda: [(dice.choice(["code", "person"]), word(3, 12)) for _ in range(4)]  # noqa: E731
    long = word(70, 200)
    records = {"admin": [record(), record(), [("key", long)]], "public": [record()]}
    index = trie_of(records)
    values = [text for each in records.values() for values in each for _, text in values]
    parts = [dice.choice([*values, word(1, 30), long[: dice.randrange(60, 200)]]) for _ in range(12)]
    text = dice.choice(["", " ", ", "]).join(parts)
    sight = view(echo=(" ".join(dice.sample(values, 2)), long[: dice.randrange(100)]))
    check_scanner(lambda: make(index, sight), text, sizes)
    check_guarded(lambda: make(index, sight), text, sizes)


# --- every spelling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am noah brown!", "I am [PERSON]!"),
        ("BROWN, Noah", "[PERSON]"),
        ("n-o-a-h b r o w n", "[PERSON]"),
        ("Ｎｏａｈ\u3000Ｂｒｏｗｎ。", "[PERSON]。"),
        ("N\u200bo\u00adah Bro\u0301wn?", "[PERSON]?"),
        ("Noah\n\n  Brown", "[PERSON]"),
        ("theNoahBrownFile", "the[PERSON]File"),
        ("user=noah_brown&x", "user=[PERSON]&x"),
        ("NoahBrown7922@EXAMPLE.com", "[EMAIL]"),
        ("noah dot brown7922 at example dot com,", "[EMAIL],"),
        ("noahbrown7922 (at) example.com", "[EMAIL]"),
        ("noah.brown@example.org", "[PERSON]@example.org"),
        ("call 13812345678.", "call [PHONE]."),
        ("call 138 1234 5678", "call [PHONE]"),
        ("call +8613812345678", "call +[PHONE]"),
        ("call 0086-138-1234-5678", "call [PHONE]"),
        ("一三八一二三四五六七八", "[PHONE]"),
        ("电话：幺三八一二三四五六七八，谢谢", "电话：[PHONE]，谢谢"),
        ("①③⑧①②③④⑤⑥⑦⑧", "[PHONE]"),
        ("१३८१२३४५६७८", "[PHONE]"),
        ("1\n3\n8\n1\n2\n3\n4\n5\n6\n7\n8\n", "[PHONE]\n"),
        ("order w7678072 or 7678072", "order [ORDER] or [ORDER]"),
        ("986 Sunset Dr, Ste 259, Denver, CO 80279", "[ADDRESS]"),
        ("at 986 sunset drive.", "at [ADDRESS]."),
        ("身份证11010519491231002x号", "身份证[CN_ID]号"),
        ("王小明来了", "[PERSON]来了"),
        ("王·小·明", "[PERSON]"),
    ],
)
def test_every_spelling_is_found(text: str, expected: str) -> None:
    """Whatever reads the same is the same value, under one mask of its type, letter by letter or whole."""
    for sizes in ((1,), (3,), (1000,)):
        assert masked(text, sizes=sizes) == expected


@pytest.mark.parametrize(
    "text",
    [
        "annoah brownie",
        "Noah Browning",
        "snoah brown",
        "noah browns",
        "Noah and Brown",
        "913812345678",
        "138123456789",
        "1381234567",
        "order 76780721",
        "order 17678072",
        "W767-8073",
        "version 13.8.1234.567",
        "$13,812,345,679.00 is 138 1234 567",
        "2024-01-02 03:04:05",
        "986 Sunset Boulevard",
        "Suite 259 is free",
        "Denver, Colorado",
        "CO 80280",
        "王大明",
        "小明",
        "王芳是谁",
        "110105194912310021",
        "https://example.com/noahbrowning",
        "Grace Hopper of Boulder",
        "for (let i = 0; i < 7678073; i++) { noah.browns += 1; }",
        "10293 visitors",
        "三七二十一",
        "一二三四五六七八九",
    ],
)
def test_look_alikes_stay_untouched(text: str) -> None:
    """Longer words and numbers, other spellings, prices, dates, versions and code pass letter for letter."""
    assert masked(text) == text


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
    detector = KnownValuesDetector(SHOP)
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


# --- two of the n -------------------------------------------------------------------------------------------


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


# --- long values, holding, and what is only counted ---------------------------------------------------------


def scramble(seed: int, alphabet: str, size: int) -> str:
    dice = random.Random(seed)
    return "".join(dice.choice(alphabet) for _ in range(size))


BASE64 = "ABCDEFGHIJKLMNOPqrstuvwxyz0123456789+/"
KEY_TEXT = "\n".join(["-----BEGIN PRIVATE KEY-----", *(scramble(line, BASE64, 64) for line in range(24))])


def test_a_long_value_is_masked_as_it_comes() -> None:
    """After 64 letters it is found; its mask grows over the rest, separators included, and holds no more."""
    index = trie_of({"admin": [[("private_key", KEY_TEXT)]]})
    for sizes in ((1,), (7,), (5000,)):
        assert masked(f"Key: {KEY_TEXT}\nEnd.", index, sizes=sizes) == "Key: -----[PRIVATE_KEY]\nEnd."
    findings, settled = run_scanner(lambda: make(index), list("x " + KEY_TEXT + " y"))
    assert len({f.part_of for f in findings}) == 1
    assert max(at + 1 - offset for at, offset in enumerate(settled)) < 64 + 30
    half = KEY_TEXT[:700]
    assert masked(f"Key: {half} and so on", index) == "Key: -----[PRIVATE_KEY] and so on"
    assert masked(KEY_TEXT[:50], index) == KEY_TEXT[:50]


def test_of_a_long_value_only_what_the_caller_sent_is_free() -> None:
    """Who sends the first half of a key does not get the second."""
    index = trie_of({"admin": [[("private_key", KEY_TEXT)]]})
    out = masked(KEY_TEXT, index, view(echo=("here: " + KEY_TEXT[:800],)))
    assert out.endswith("[PRIVATE_KEY]")
    free = len(out) - len("[PRIVATE_KEY]")
    assert 600 < free <= 800
    assert KEY_TEXT.startswith(out[:free])
    assert masked(KEY_TEXT, index, view(echo=(KEY_TEXT,))) == KEY_TEXT


def test_two_long_values_that_begin_alike() -> None:
    """Where one is free and the other not, they part at the next place a value is judged."""
    public, secret = KEY_TEXT[:300], KEY_TEXT[:300] + "Q" * 50 + KEY_TEXT[300:900]
    index = trie_of({"admin": [[("key", secret)]], "public": [[("key", public)]]})
    assert masked(public, index) == public
    out = masked(secret, index)
    assert out.endswith("[KEY]") and out.count("[KEY]") == 1
    assert len(out) - len("[KEY]") < 300 + 64


def test_a_value_of_a_megabyte() -> None:
    """It is kept to its limit, found, and never held beyond its first letters."""
    text = "q" + scramble(5, "abcdefghij0123456789 ", 1_000_000)
    index = trie_of({"admin": [[("secret", text)]]})
    findings, settled = run_scanner(lambda: make(index), cut(text[:6000], [500]))
    assert findings[0].span.start == 0
    assert findings[-1].span.end >= 4096
    assert max(at + 1 - offset for at, offset in enumerate(settled)) < 100


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
    detector = KnownValuesDetector(SHOP, lambda role, detector, entity: False)
    text = "80279: Noah Brown, 王芳 and noah.brown7922@example.com"
    findings, settled = run_scanner(lambda: detector.scanner(view()), list(text))
    assert settled == list(range(1, len(text) + 1))
    assert sorted({f.entity for f in findings}) == ["address", "email", "person"]


def test_a_kind_that_is_only_counted_waits_for_no_neighbour() -> None:
    """A short value of a kind that the policy stops nowhere goes at once."""
    detector = KnownValuesDetector(SHOP, lambda role, detector, entity: entity != "employee")
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
