"""proxy/patterns: every rule finds its values and leaves its look-alikes alone."""

from __future__ import annotations

import re

import pytest

from proxy.patterns import ENTITIES, PATTERNS, Matcher, Pattern
from proxy.policy.model import MASKS

ALL = Matcher(PATTERNS)
BENIGN = """
On 2024-01-15 at 12:30:45 version 3.11.7 of the library was released; it costs $1,299.00 or €15.50 (8.5 %).
See RFC 8259, ISO 27001:2013, section 4.2.1 and pages 112-118. ISBN 978-3-16-148410-0. Ratio 1.6180339887.
In 1999, 2000, 2001 and 2002 the figures were 4100 4200 4300 4400, then 12 000, 13 500 and 1 234 567 units.
git commit 9fceb02d0ae598e95dc970b74767f19372d61af8, uuid 123e4567-e89b-12d3-a456-426614174000, sha1 and md5.
for i in range(10): token = tokenizer.next(); password = getpass.getpass(); secret_key = settings.SECRET_KEY
The password is required. Your token expires after 15 minutes. Set API_KEY=your_api_key_here in the .env file.
localhost:8080, 127.0.0.1, 192.168.0.1, 10.0.0.0/8, #fff, rgb(255, 255, 255), 0x1F600, 1e-9, 10^12, 3/4, A4.
C++17, +10 %, -40 to +85 degrees, (2019), [12], 5'11", 100m, 1st, GB18030, US$5, AB12 CD34, M&A, R2-D2, B-52.
中国有34个省级行政区，面积约960万平方公里，人口14.1亿（2020年）。会议定于2024年1月15日下午3点在京召开，费用1200元。
京东、沪深300指数、川菜、粤语、苏州、新闻、云计算、青年、贵州茅台600519、浙江大学、鲁迅、藏书、蒙古包、黑龙江。
密码是必填项，请输入密码。口令错误。手机号码不能为空。身份证明文件。电话会议。护照办理需要3个工作日。银行卡支付。
""".strip()


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_leaks_and_look_alikes(pattern: Pattern) -> None:
    """Each example of a value is found under its entity, alone and among the others; no look-alike is."""
    alone = Matcher([pattern])
    assert pattern.leaks and pattern.passes
    for text in pattern.leaks:
        assert pattern.entity in {found.pattern.entity for found in alone.find(text)}, text
        assert pattern.entity in {found.pattern.entity for found in ALL.find(text)}, text
    for text in pattern.passes:
        assert not list(alone.find(text)), text


def test_ordinary_text_holds_nothing() -> None:
    """Dates, versions, prices, code, names of keys without values: nothing of it is a value."""
    assert [(f.pattern.name, BENIGN[f.start : f.end]) for f in ALL.find(BENIGN)] == []


@pytest.mark.parametrize(
    ("text", "value", "entity"),
    [
        ("Card 4111 1111 1111 1111, valid", "4111 1111 1111 1111", "card"),
        ("IBAN GB82 WEST 1234 5698 7654 32, please", "GB82 WEST 1234 5698 7654 32", "iban"),
        ("gb82west12345698765432 and more", "gb82west12345698765432", "iban"),
        ("身份证号码是11010519491231002X。", "11010519491231002X", "cn_id"),
        ("password: Tr0ub4dor&3.", "Tr0ub4dor&3", "password"),
        ("postgres://app:S3cretPw@db.internal/app", "S3cretPw", "password"),
        ("护照号码：E12345678，", "E12345678", "cn_passport"),
        ("write to ann@example.com.", "ann@example.com", "email"),
        ("手机是１３８１２３４５６７８。", "１３８１２３４５６７８", "phone"),
        ("Proxy-Authorization: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl, x",
         "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl", "jwt"),
    ],
)  # fmt: skip
def test_the_value_is_cut_out_exactly(text: str, value: str, entity: str) -> None:
    """Neither the words before it nor the stop after it belong to a value."""
    (found,) = ALL.find(text)
    assert (text[found.start : found.end], found.pattern.entity) == (value, entity)


def test_a_longer_number_wins() -> None:
    """Of the values that may begin at one place the longest valid one is it."""
    text = "6217 0000 1234 5678 907 and 4111 1111 1111 1111 123"
    assert [text[f.start : f.end] for f in ALL.find(text)] == [
        "6217 0000 1234 5678 907",
        "4111 1111 1111 1111",
    ]


def test_names_of_rules_and_entities() -> None:
    """Names differ, entities are words of a policy, and each has its mask."""
    names = [pattern.name for pattern in PATTERNS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", entity) for entity in ENTITIES)
    assert MASKS.keys() >= ENTITIES
