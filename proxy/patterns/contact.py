"""How somebody is reached: e-mail addresses, telephone numbers, IP addresses.

May import: its own folder. The rule that must stay true: a number without country code or the separators of
telephone numbers counts only where its own digits (a Chinese mobile) or a word before it say what it is.
"""

from __future__ import annotations

import ipaddress
import re

from proxy.patterns import checks
from proxy.patterns.alphabet import han
from proxy.patterns.pattern import Pattern, called, whole
from proxy.patterns.shapes import any_case, chars, either, maybe, seq, several

DIGIT = "[0-9]"
ALNUM = "[0-9A-Za-z]"
GAP = chars("[ .-]", 0, 1)
EXTENSION = maybe(seq(maybe(" "), either("x", any_case("ext")), chars("[ .]", 0, 2), chars(DIGIT, 1, 5)))
_FILES = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "bmp",
        "pdf",
        "js",
        "mjs",
        "ts",
        "tsx",
        "jsx",
        "css",
        "scss",
        "html",
        "htm",
        "json",
        "yaml",
        "yml",
        "xml",
        "txt",
        "md",
        "csv",
        "py",
        "java",
        "cpp",
        "hpp",
        "rs",
        "go",
        "rb",
        "php",
        "sh",
        "service",
        "timer",
        "socket",
        "target",
        "local",
        "localhost",
        "internal",
        "lan",
        "test",
        "invalid",
    )
)
_NO_PERSON = frozenset(
    (
        "git",
        "hg",
        "svn",
        "app",
        "param",
        "property",
        "pytest",
        "override",
        "click",
        "staticmethod",
        "classmethod",
    )
)


def _email(text: str) -> int:
    local, _, domain = text.partition("@")
    ending = domain.rpartition(".")[2].lower()
    if ending in _FILES or local.lower() in _NO_PERSON or ".." in local or local.endswith("."):
        return 0
    return len(text)


EMAIL = Pattern(
    "email",
    "email",
    seq(
        *(chars(ALNUM), chars("[0-9A-Za-z._%+'-]", 0, 63), "@"),
        several(seq(chars(ALNUM), chars("[0-9A-Za-z-]", 0, 40), "."), 1, 5),
        chars("[A-Za-z]", 2, 18),
    ),
    _email,
    leaks=(
        "Write to ann.example@example.com for",
        "邮箱是zhang_wei+1@mail.example.cn。",
        "<o'neil@sub.domain.example.org>",
        "ＡＮＮ＠example．com",
    ),
    passes=(
        "image@2x.png",
        "npm i pkg@1.2.3",
        "@app.route and user@localhost",
        "git@github.com:org/repo",
        "a@b and c@d.",
        "logo@dark.svg is used",
    ),
    after=checks.LETTERS_AND_DIGITS + "_",
)


def _paired(text: str) -> bool:
    return text.count("(") == text.count(")")


def _phone(text: str) -> bool:
    number = checks.digits(re.split("[xXeE]", text)[0])
    return 7 <= len(number) <= 15 and _paired(text) and len(set(number)) > 2


PHONE_ABROAD = Pattern(
    "phone-international",
    "phone",
    seq(
        *("+", chars("[1-9]"), chars(DIGIT, 0, 2), maybe(either(" (0)", "(0)"))),
        several(seq(chars("[ .()/-]", 0, 2), chars(DIGIT, 2, 13)), 1, 6),
        EXTENSION,
    ),
    whole(_phone),
    leaks=(
        "call +1 541-714-1388 now",
        "+1-604-696-5272x565",
        "+44 (0)20 7946 0958",
        "+49-30-901820.",
        "tel:+33612345678",
    ),
    passes=("C++17 and +100", "+5 to +12 degrees", "1+1234567", "growth of +12.5 %"),
    sure=False,
)


PHONE_US = Pattern(
    "phone-us",
    "phone",
    seq(
        maybe(seq("1", chars("[ .-]"))),
        either(
            seq("(", chars("[2-9]"), chars(DIGIT, 2), ")", GAP),
            seq(chars("[2-9]"), chars(DIGIT, 2), chars("[.-]")),
        ),
        *(chars("[2-9]"), chars(DIGIT, 2), chars("[ .-]"), chars(DIGIT, 4), EXTENSION),
    ),
    whole(_paired),
    leaks=("call 541-714-1388.", "(905) 674-3793", "1-512-555-0147", "780.999.2181"),
    passes=(
        "2024-01-15",
        "123-456-7890",
        "978-3-16-148410-0",
        "541-714-13889",
        "v905.674.3793.1",
        "541 714 1388",
    ),
    after=checks.LETTERS_AND_DIGITS + "-",
    sure=False,
)

CN_MOBILE = Pattern(
    "cn-mobile",
    "phone",
    seq(
        maybe(seq(either("+86", "0086", "86"), GAP)),
        *("1", chars("[3-9]"), chars(DIGIT), GAP, chars(DIGIT, 4), GAP, chars(DIGIT, 4)),
    ),
    whole(lambda text: len(set(checks.digits(text)[-8:])) > 1),
    leaks=("手机13812345678。", "+86 138 1234 5678", "联系 138-1234-5678", "８６１３９１２３４５６７８"),
    passes=(
        "12812345678",
        "订单20240113812345678",
        "138123456789",
        "1381234567",
        "13800000000元",
        "13.812345678",
    ),
    after=checks.LETTERS_AND_DIGITS,
    sure=False,
)


def _landline(text: str) -> bool:
    """An area code of three digits has eight after it; one of four has seven or eight."""
    number = checks.digits(text).removeprefix("86")
    return _paired(text) and len(number) in ((11,) if number[1] in "12" else (11, 12))


CN_LANDLINE = Pattern(
    "cn-landline",
    "phone",
    seq(
        maybe(seq(either("+86", "86"), GAP)),
        maybe("("),
        either(seq("0", chars("[12]"), chars(DIGIT)), seq("0", chars("[3-9]"), chars(DIGIT, 2))),
        either(")", "-", " ", ") "),
        *(chars("[2-8]"), chars(DIGIT, 2, 3), maybe("-"), chars(DIGIT, 4)),
    ),
    whole(_landline),
    leaks=("电话010-62785001转", "(0755)26012345", "座机：0571 87654321。"),
    passes=("010-6278500", "2010-62785001", "0-100 62785001", "001-12345678"),
    sure=False,
)

LOCAL = seq(maybe("+"), maybe("("), chars(DIGIT), several(seq(chars("[ .()/-]", 0, 2), chars(DIGIT)), 6, 14))
PHONE_CALLED = Pattern(
    "phone-called",
    "phone",
    seq(LOCAL, EXTENSION),
    whole(_phone),
    lead=called(
        *map(any_case, ("phone", "mobile", "telephone", "cellphone", "cell", "tel.", "tel", "fax", "desk")),
        *map(
            any_case, ("call me on", "call me at", "call us at", "call us on", "reach me at", "reach me on")
        ),
        *map(han, ("联系电话", "电话", "手机", "座机")),
    ),
    leaks=(
        "phone: 60-56-85-91",
        "Mobile number is 07700 063 966.",
        "电话：87654321，",
        "tel. (37) 788-0633",
        "fax 467 3395",
    ),
    passes=("phone 12", "phones sold: 12,345,678", "cell 1234", "电话费 2000", "telephone pole 60"),
    after=checks.LETTERS_AND_DIGITS + "-",
    sure=False,
)

IP = Pattern(
    "ipv4",
    "ip",
    seq(
        *[part for _ in range(3) for part in (chars(DIGIT, 1, 3), ".")],
        chars(DIGIT, 1, 3),
        maybe(seq(".", chars(DIGIT))),
    ),
    whole(lambda text: text.count(".") == 3 and checks.ipv4(text)),
    leaks=("from 106.31.73.20 at", "访问来自179.177.214.91，", "86.121.97.248:443"),
    passes=(
        "127.0.0.1",
        "192.168.1.10",
        "version 1.2.3.4",
        "10.1.2.3",
        "300.1.2.3",
        "106.31.73.20.5",
        "2.10.0.1",
    ),
    before=checks.LETTERS_AND_DIGITS + ".",
    after=checks.LETTERS_AND_DIGITS + "-",
    sure=False,
)


def _ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).is_global
    except ValueError:
        return False


IPV6 = Pattern(
    "ipv6",
    "ip",
    seq(several(seq(chars("[0-9A-Fa-f]", 1, 4), ":", maybe(":")), 2, 7), chars("[0-9A-Fa-f]", 1, 4)),
    whole(_ipv6),
    leaks=("at 2001:4860:4860:0:0:0:0:8888.", "2a00:1450:4001:81b::200e"),
    before=checks.LETTERS_AND_DIGITS + ":",
    passes=("12:30:45", "fe80::1:2", "ab:cd:ef:01:23:45", "std::vector", "2001:db8::1:2"),
    sure=False,
)

PHONE_FOLLOWED = Pattern(
    "phone-followed",
    "phone",
    LOCAL,
    whole(lambda text: _phone(text) and min(map(len, re.findall("[0-9]+", text))) > 1),
    trail=seq(
        chars("[ (-]", 1, 2), either(*map(any_case, ("office", "fax", "mobile", "cell", "home", "work")))
    ),
    leaks=("085 175 7641-Office", "781 1704 (fax)", "+47 416 60 039 mobile"),
    passes=("1,234,567 office jobs", "room 12 office", "LTM 11200-9.1 mobile cranes", "2024 mobile phones"),
    sure=False,
)

PATTERNS = (EMAIL, CN_MOBILE, PHONE_ABROAD, PHONE_US, CN_LANDLINE, PHONE_CALLED, PHONE_FOLLOWED, IP, IPV6)
