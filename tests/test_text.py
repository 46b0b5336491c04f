"""The skeleton: no cutting changes it, and nothing that changes only the looks of a text does."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.text import (
    UNIT_BYTES,
    WIDE,
    FoldTable,
    UnitTable,
    count_units,
    fold,
    fold_character,
    is_wide,
    plain_character,
    units,
    units_of,
)

ENGLISH = "Refunds above 500 dollars need a second approval by the shift lead."
CHINESE = "退款超过五百元须经值班经理第二次批准，并记录在案。"


@given(st.text(), st.text())
def test_fold_is_a_homomorphism(a: str, b: str) -> None:
    """The fold of two texts together is their folds together: pieces can be folded one by one."""
    assert fold(a + b) == fold(a) + fold(b)


@given(st.text())
def test_bulk_and_single_folds_agree(text: str) -> None:
    """The table for whole texts, the single characters and the encoded units say the same."""
    assert fold(text) == "".join(map(fold_character, text))
    table = UnitTable()
    encoded = b"".join(table[character] for character in text)
    starts = range(0, len(encoded), UNIT_BYTES)
    codes = [int.from_bytes(encoded[i : i + UNIT_BYTES], "little") for i in starts]
    assert codes == units(text)
    assert count_units(text) == len(codes)


@given(st.text() | st.text(st.characters(max_codepoint=127)) | st.text("aZ09 .-_漢ﷺ½é\u200b"))
def test_a_whole_text_has_the_units_of_its_characters(text: str) -> None:
    """ASCII is translated as a whole, other text character by character: the same units, the same counts."""
    table = UnitTable()
    each = [table[character] for character in text]
    assert table.encoded(text) == b"".join(each)
    assert list(table.counts(text)) == [len(encoded) // UNIT_BYTES for encoded in each]


@given(st.text())
def test_normal_forms_do_not_matter(text: str) -> None:
    """Composed or decomposed, canonical or compatible: the skeleton is the same."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert units(unicodedata.normalize(form, text)) == units(text)


def _mathematical(text: str) -> str:
    return "".join(
        chr(0x1D400 + ord(c) - 65) if c.isupper() else chr(0x1D41A + ord(c) - 97) if c.islower() else c
        for c in text
    )


DISGUISES = {
    "capitals": str.upper,
    "title case": str.title,
    "no spaces": lambda t: t.replace(" ", ""),
    "line breaks": lambda t: t.replace(" ", "\n\n  "),
    "spaced letters": lambda t: " ".join(t),
    "starred letters": lambda t: "*".join(t),
    "hyphenated letters": lambda t: "-".join(t),
    "one letter a line": lambda t: "\n".join(t),
    "zero width": lambda t: "\u200b".join(t),
    "bidi controls": lambda t: "\u202e" + "\u2066".join(t) + "\u202c",
    "variation selectors": lambda t: "\ufe0f".join(t),
    "tag characters between": lambda t: "\U000e0020".join(t),
    "combining marks": lambda t: "\u0301\u0334".join(t),
    "full width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "mathematical bold": _mathematical,
    "homoglyphs": lambda t: t.translate(str.maketrans("aceopxyHTBMKij", "асеорхуНТВМКіј")),
    "leet": lambda t: t.translate(str.maketrans("oieast", "013457")),
    "markdown": lambda t: "**" + t.replace(" ", "** _", 1) + "_",
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_changes_nothing(name: str) -> None:
    """Each of the disguises that the skeleton removes leaves it as it was."""
    assert fold(DISGUISES[name](ENGLISH)) == fold(ENGLISH)
    if name != "mathematical bold":
        assert units(DISGUISES[name](CHINESE)) == units(CHINESE)


def test_traditional_script_folds_to_simplified() -> None:
    """The same sentence in the other script has the same skeleton."""
    assert units("退款超過五百元須經值班經理第二次批準，並記錄在案。") == units(CHINESE)


@given(st.text(alphabet="退款超过五百元须经值班经理abc 12", min_size=1))
def test_han_counts_two_units_and_latin_one(text: str) -> None:
    """A Han character makes two different units, a letter or digit one."""
    han = sum(is_wide(c) for c in text)
    kept = sum(c != " " for c in text)
    assert count_units(text) == kept + han
    assert units_of("退") == (ord("退"), ord("退") + WIDE)


def test_leet_and_look_alikes_do_not_touch_values() -> None:
    """For values whose digits count, digits stay digits and scripts stay apart."""
    assert plain_character("0") == "0"
    assert plain_character("１") == "1"
    assert plain_character("А") == "а"
    assert fold_character("0") == fold_character("O") == fold_character("о") == "o"


def test_decimal_digits_of_all_scripts_fold_to_ascii_digits() -> None:
    """A digit of another script is that digit, not the letter it looks like."""
    assert fold("٢٢ २२ 22") == "222222"


def test_what_is_not_a_letter_or_digit_is_dropped() -> None:
    """Punctuation, spaces, controls, emoji and lone surrogates leave no unit."""
    assert fold("\t ,.;:!?-_/\\|@#$%^&*()[]{}<>~`'\"\u200d🙂\x00\ud800") == ""


def test_the_table_forgets_rather_than_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of ever new characters cannot make the cache of folds grow without bound."""
    monkeypatch.setattr("proxy.text._CACHE_LIMIT", 8)
    table, encoded = FoldTable(), UnitTable()
    for code in range(0x4E00, 0x4E40):
        assert table[code] == fold_character(chr(code))
        assert encoded[chr(code)]
    assert len(table) <= 8
    assert len(encoded) <= 8
