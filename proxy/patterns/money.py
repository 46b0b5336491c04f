"""Where money lies: payment cards, Chinese bank cards, IBAN.

May import: its own folder. The rule that must stay true: a number counts only with its check digit and in the
groups it is printed in; a row of numbers from a table is no card.
"""

from __future__ import annotations

from proxy.patterns import checks
from proxy.patterns.alphabet import han
from proxy.patterns.pattern import Pattern, called, whole
from proxy.patterns.shapes import any_case, chars, either, maybe, seq, several

DIGIT = "[0-9]"
ALNUM = "[0-9A-Za-z]"


def _spaced(text: str) -> bool:
    """One kind of separator throughout."""
    return not (" " in text and "-" in text)


CARD = Pattern(
    "card",
    "card",
    chars(DIGIT, 12, 19),
    whole(checks.card),
    leaks=("card 4111111111111111.", "卡号6217000012345678907，", "347415977307943 exp", "630427373398;"),
    passes=(
        "4111111111111112",
        "1234567812345670",
        "0000000000000000",
        "41111111111111111",
        "x4111111111111111",
    ),
    before=checks.LETTERS_AND_DIGITS + ".#_",
    after=checks.LETTERS_AND_DIGITS + "_",
)

CARD_GROUPS = Pattern(
    "card-groups",
    "card",
    either(
        seq(*[part for _ in range(3) for part in (chars(DIGIT, 4), chars("[ -]"))], chars(DIGIT, 4)),
        seq(chars(DIGIT, 4), chars("[ -]"), chars(DIGIT, 6), chars("[ -]"), chars(DIGIT, 4, 5)),
        seq(chars(DIGIT, 6), chars("[ -]"), chars(DIGIT, 10, 13)),
    ),
    whole(lambda text: _spaced(text) and checks.card(text)),
    leaks=(
        "Card 4111 1111 1111 1111, valid",
        "5500-0055-5555-5559",
        "3474 159773 07943",
        "622202 1234567890128",
    ),
    passes=(
        "Order 4111 1111 1111 1112 has",
        "4100 4200 4300 4400",
        "4111-1111 1111 1111",
        "1234 5678 9012 3456",
    ),
)

CARD_LONG_GROUPS = Pattern(
    "card-long-groups",
    "card",
    seq(*[part for _ in range(4) for part in (chars(DIGIT, 4), chars("[ -]"))], chars(DIGIT, 1, 3)),
    whole(lambda text: _spaced(text) and checks.card(text)),
    leaks=("卡号6217 0000 1234 5678 907。",),
    passes=("6217 0000 1234 5678 906", "6217 0000 1234 567"),
)

_COUNTRY = either(*checks.IBAN_LENGTHS, *map(str.lower, checks.IBAN_LENGTHS))
IBAN = Pattern(
    "iban",
    "iban",
    seq(_COUNTRY, chars(DIGIT, 2), several(seq(maybe(chars("[ -]")), chars(ALNUM)), 11, 30)),
    checks.iban_length,
    leaks=(
        "IBAN GB82 WEST 1234 5698 7654 32, please.",
        "DE89370400440532013000",
        "gb82west12345698765432 and more",
        "NL91-ABNA-0417-1643-00.",
    ),
    passes=(
        "GB83 WEST 1234 5698 7654 32",
        "GB82 WEST 1234",
        "ab12 of these words are no account",
        "ZZ82WEST12345698765432",
    ),
)

CARD_CALLED = Pattern(
    "card-called",
    "card",
    seq(chars(DIGIT), several(seq(chars("[ -]", 0, 1), chars(DIGIT)), 11, 18)),
    whole(lambda text: _spaced(text) and checks.luhn(checks.digits(text)) and int(checks.digits(text)) > 0),
    lead=called(*map(any_case, ("card", "cc", "visa", "mastercard")), *map(han, ("银行卡", "卡号"))),
    leaks=(
        "银行卡号：6228480402564890018",
        "卡号是 6222 0212 3456 7890 128",
        "my credit card 3590730093437731 has been",
        "card no. 0604 2607 0011",
    ),
    passes=(
        "银行卡号：6228480402564890019",
        "卡号 12345678",
        "银行卡 6228",
        "card 20240115 and 4242",
        "cc 123456789012",
    ),
    after=checks.LETTERS_AND_DIGITS + "-",
)

PATTERNS = (CARD, CARD_GROUPS, CARD_LONG_GROUPS, CARD_CALLED, IBAN)
