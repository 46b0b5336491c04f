"""Known values in every spelling, and what only looks like one."""

from __future__ import annotations

import pytest

from tests.detectors.shop import masked


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
