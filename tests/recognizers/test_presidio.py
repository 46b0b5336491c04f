"""proxy/recognizers/presidio.py: the frame finds what its recognizers find, whatever is read together."""

from __future__ import annotations

import logging
import socket

import pytest

from proxy.patterns import PATTERNS
from proxy.recognizers.presidio import Frame, Hit

TEXT = "Write to ann@example.com or call +33 1 40 20 50 50."


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame()


def found(frame: Frame, text: str) -> list[tuple[str, str]]:
    return [(hit.entity, text[hit.start : hit.end]) for hit in frame.read([text])[0]]


def test_all_patterns_work_in_the_frame(frame: Frame) -> None:
    """Each example of each rule is found under its entity."""
    texts = [text for pattern in PATTERNS for text in pattern.leaks]
    wanted = [pattern.entity for pattern in PATTERNS for _ in pattern.leaks]
    for text, entity, hits in zip(texts, wanted, frame.read(texts), strict=True):
        assert entity in {hit.entity for hit in hits}, text


def test_what_is_read_together_changes_nothing(frame: Frame) -> None:
    """Short texts are read in one call, and each has the values that it has alone."""
    texts = [
        TEXT,
        "",
        "nothing here",
        "  \n",
        "GB82 WEST 1234",
        "5698 7654 xx",
        "a\x1eb ann@example.com",
        TEXT * 3,
    ]
    together = frame.read(texts)
    assert together == [frame.read([text])[0] for text in texts]
    assert together[4] == together[5] == []
    assert frame.read([]) == []


def test_offsets(frame: Frame) -> None:
    """Hits point at the characters of their own text."""
    assert frame.read(["x", TEXT])[1] == [Hit("email", 9, 24), Hit("phone", 33, 50)]


def test_presidio_adds_what_ours_do_not_see(frame: Frame) -> None:
    """Telephone numbers by numbering plans, and e-mail addresses with letters of any script."""
    assert found(frame, "büro@müller-straße.de") == [("email", "büro@müller-straße.de")]
    assert found(frame, "Ruf an: 030 901820 10") == [("phone", "030 901820 10")]


@pytest.mark.parametrize(
    "text",
    ["8310926033 and 6469567736", "(5925362855), (1994478369)", "1 234 567 890 units", "2024-01-15 10:30"],
)
def test_rows_of_digits_are_no_telephone_numbers(frame: Frame, text: str) -> None:
    """Numbers of wares, amounts and dates."""
    assert found(frame, text) == []


def test_chinese_addresses(frame: Frame) -> None:
    """They are read without a network as well."""
    text = "收货地址是杭州市西湖区文三路478号，电话13812345678"
    assert found(frame, text) == [("address", "杭州市西湖区文三路478号"), ("phone", "13812345678")]


def test_long_texts_are_read_in_windows(frame: Frame) -> None:
    """A value at any place of a long text is found once, with its offset in the whole."""
    filler = "plain words without any value " * 2200
    text = f"ann@example.com {filler} 4111 1111 1111 1111 {filler} bob@example.org"
    hits = frame.read([text])[0]
    assert [text[hit.start : hit.end] for hit in hits] == [
        "ann@example.com",
        "4111 1111 1111 1111",
        "bob@example.org",
    ]
    edge = "word " * 11_998 + "4111 1111 1111 1111 " + "word " * 200
    assert [edge[hit.start : hit.end] for hit in frame.read([edge])[0]] == ["4111 1111 1111 1111"]


def test_no_value_crosses_texts(frame: Frame) -> None:
    """What stands between texts ends every value, also one that grows."""
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF"
    first, second = frame.read([key, "plain text after it"])
    assert [(hit.entity, hit.end) for hit in first] == [("private_key", len(key))]
    assert second == []


def test_it_is_silent_and_asks_no_network(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
                                          capfd: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Nothing is downloaded, nothing is printed, nothing is warned of."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a recognizer asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with caplog.at_level(logging.WARNING):
        assert len(Frame().read([TEXT, "büro@müller.de"])) == 2
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
