"""proxy/audit/chain.py: each line's hash is over itself and the line before it."""

from __future__ import annotations

import json

import pytest

from proxy.audit.chain import Chain, link, split, trail_key
from proxy.errors import ConfigError


def test_lines_are_linked() -> None:
    """A line's hash follows from the one before it, the first one's from the chain's id."""
    chain, before = Chain(), ""
    for number in range(3):
        line, place = chain.line("k", {"a": number})
        chain.written(place)
        parts = split(line)
        assert parts is not None
        body, mac = parts
        assert mac == place.mac == json.loads(line)["mac"] == link(b"", chain.id, before, body)
        assert json.loads(line) == {
            "v": 2, "chain": chain.id, "n": number, "kind": "k", "a": number, "mac": mac,
        }  # fmt: skip
        before = mac


@pytest.mark.parametrize(
    "said", ["plain", "退款", "a\x7fb", "\x00\n", "\ud800", '"}\\', 2**70, -1e-7, None, True]
)
def test_a_line_is_printable_ascii_whatever_it_says(said: object) -> None:
    """Characters that are none are escaped, and what was said can be read again."""
    line, _ = Chain().line("k", {"a": said, "b": [said]})
    assert all(32 <= byte < 127 for byte in line.rstrip(b"\n"))
    assert json.loads(line)["a"] == json.loads(line)["b"][0] == said


def test_a_line_that_was_not_written_is_made_again() -> None:
    """The chain goes on only when it is told that the line is in the file."""
    chain = Chain()
    assert chain.line("k", {})[1] == chain.line("k", {})[1]
    assert chain.n == 0


def test_a_key_makes_other_hashes() -> None:
    """Who does not have the key cannot write a line that fits."""
    assert link(b"", "c", "", b"{}") != link(b"k" * 16, "c", "", b"{}") != link(b"l" * 16, "c", "", b"{}")


def test_chains_have_ids_of_their_own() -> None:
    """Two workers never write one chain."""
    assert len({Chain().id for _ in range(100)}) == 100


def test_what_is_no_line_is_not_split() -> None:
    """A cut line, a line with something behind it, a line without a hash."""
    line, _ = Chain().line("k", {"a": "b"})
    assert split(line) and split(line.rstrip(b"\n"))
    for other in (line[:-3], line[:-1] + b" \n", b"{}\n", b"", line.replace(b"mac", b"max")):
        assert split(other) is None


def test_the_key_comes_from_the_environment() -> None:
    """None is a plain hash; one that is too short is a fault, and is not repeated."""
    assert trail_key({}) == trail_key({"SLUICEGATE_TRAIL_KEY": " \n"}) == b""
    assert len(trail_key({"SLUICEGATE_TRAIL_KEY": "long enough for a key\n"})) == 64
    with pytest.raises(ConfigError, match="has 5 characters; 16 or more are needed") as error:
        trail_key({"SLUICEGATE_TRAIL_KEY": "short"})
    assert "short" not in str(error.value).replace("SLUICEGATE", "")
