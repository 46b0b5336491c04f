"""The guards of one answer: a guard a channel, a choice that ends as a whole, and what the trail is told."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.dialects import DIALECTS
from proxy.errors import ConfigError
from proxy.policy import load_policy, policies_folder
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.text import count_units
from proxy.types import Caller, Delta, Finding, Scan, Scanner, Span, View
from tests.serving import QUESTION, write_policy
from tests.training import ADMIN, ADMIN_ZH, NOBODY, PUBLIC, STAFF, SmallIndex

BUDGET = 12


@pytest.fixture(scope="module")
def firewall(small_index: SmallIndex) -> Firewall:
    """The packaged default policy over the small index."""
    return Firewall.assemble(load_policy(None), small_index.open())


async def guards(firewall: Firewall, role: str = "public", **fields: Any) -> AnswerGuards:
    """The guards for the answer to one request."""
    request = DIALECTS["/chat/completions"](
        {"model": "m", "messages": QUESTION, "n": 3} | fields, allow_logprobs=False
    )
    return await firewall.guards(Caller("key_0", role), request)


def deltas(text: str, size: int = 5, choice: int = 0, channel: str = "content") -> list[Delta]:
    return [Delta(choice, channel, text[at : at + size]) for at in range(0, len(text), size)]


async def test_clean_text_passes_and_is_counted(firewall: Firewall) -> None:
    """Text that is nobody's comes out as it came, with nothing held at the end."""
    made = await guards(firewall)
    reading = await made.feed(deltas("Hello, how are you? 你好。"), [(0, "content")])
    assert reading.texts == {(0, "content"): "Hello, how are you? 你好。"}
    assert (reading.blocked, reading.fault) == (set(), "")
    assert (made.received, made.released) == (23, 23)
    assert (made.verdicts, made.redacted) == ((), False)
    assert made.held_mean <= made.held_max
    assert made.scan_seconds > 0


async def test_what_was_read_is_freed_when_the_answer_ends(firewall: Firewall) -> None:
    """Nothing of an answer waits for a collection of garbage: its guards go with the last who holds them."""
    gc.collect()
    gc.disable()
    try:
        made = await guards(firewall)
        text = f"Hello, how are you? {ADMIN[:40]} aGVsbG8gd29ybGQsIGhlbGxvIHdvcmxk"
        await made.feed(deltas(text), [(0, "content")])
        seen = weakref.ref(made)
        del made
        assert seen() is None
    finally:
        gc.enable()


async def test_a_channel_is_held_until_it_ends(firewall: Firewall) -> None:
    """The beginning of a secret waits for what follows; the end of the channel lets it go."""
    made = await guards(firewall)
    begun = ADMIN[:30]
    reading = await made.feed(deltas(begun))
    out = reading.texts[0, "content"]
    assert count_units(out) <= BUDGET
    assert made.held_max == made.received - made.released == len(begun) - len(out)
    assert 0 < made.held_mean < len(begun)
    reading = await made.feed([], [(0, "content")])
    assert out + reading.texts[0, "content"] == begun
    assert made.hold_seconds > 0


async def test_a_block_ends_all_channels_of_its_choice(firewall: Firewall) -> None:
    """Once one channel of a choice is stopped the others are mute; other choices go on."""
    made = await guards(firewall)
    reading = await made.feed(
        [
            *deltas(f"I recall: {ADMIN}", channel="reasoning_content"),
            *deltas("The answer.", channel="content"),
            *deltas("Another answer.", choice=1),
        ],
        [(0, "reasoning_content"), (0, "content"), (1, "content")],
    )
    assert reading.blocked == {0}
    assert set(reading.texts) == {(0, "reasoning_content"), (1, "content")}
    assert reading.texts[1, "content"] == "Another answer."
    assert not (await made.feed(deltas("More."))).texts
    assert [channel for channel, _ in made.verdicts] == [(0, "reasoning_content")]
    verdict = made.verdicts[0][1]
    assert (verdict.rule, verdict.finding.provenance.audience) == ("memorised-restricted", "admin")  # type: ignore[union-attr]


async def test_a_redaction_is_told(firewall: Firewall) -> None:
    """A passage of nobody is masked, and the answer counts as redacted."""
    made = await guards(firewall)
    reading = await made.feed(deltas(f"They said: {NOBODY} Bye."), [(0, "content")])
    assert reading.texts[0, "content"].count("[REDACTED]") == 1
    assert made.redacted
    assert not reading.blocked


async def test_a_channel_that_speaks_after_its_end_is_a_fault(firewall: Firewall) -> None:
    """Its tail has been let go unjudged by what comes now, so the answer stops."""
    made = await guards(firewall)
    await made.feed(deltas("Hello"), [(0, "content")])
    reading = await made.feed(deltas("again"))
    assert (reading.fault, reading.texts) == ("relay", {})
    made = await guards(firewall)
    await made.feed(deltas("Hello"), [(0, "content")])
    assert (await made.feed([], [(0, "content")])).fault == ""


class _Late:
    """Reports a finding that begins in text which it had settled."""

    name = "late"

    def scanner(self, view: View) -> Scanner:
        return _LateScanner()


class _LateScanner:
    def __init__(self) -> None:
        self.position = 0

    def feed(self, piece: str) -> Scan:
        start, self.position = self.position, self.position + len(piece)
        settled = list(range(start + 1, self.position + 1))
        found = Finding("pii", "iban", Span(0, self.position), self.position - 1)
        return Scan([found] if self.position > 8 else (), settled)

    def finish(self) -> Sequence[Finding]:
        return ()


async def test_a_fault_ends_the_reading(firewall: Firewall) -> None:
    """What comes after a fault is not read, on any channel."""
    broken = replace(firewall, detectors=(_Late(),))
    made = await guards(broken)
    reading = await made.feed([*deltas("Hello there"), *deltas("Another", choice=1)], [(1, "content")])
    assert reading.fault == "late-finding"
    assert (1, "content") not in reading.texts
    whole = await (await guards(broken)).whole(deltas("Hello there"), [(0, "content")])
    assert whole.fault == "late-finding"
    assert not whole.texts


@pytest.mark.parametrize("size", [1, 7, 4096, 20_000])
async def test_a_whole_answer_is_read_like_a_stream(firewall: Firewall, size: int) -> None:
    """The same guards, channel by channel: what is let go is what a stream of it would give."""
    text = "All is well. " * 900 + f"{PUBLIC} But: {ADMIN}"
    made = await guards(firewall)
    streamed = await made.feed(deltas(text, size), [(0, "content")])
    whole = await (await guards(firewall)).whole(
        [*deltas(text, len(text)), *deltas("Two.", choice=1)], [(0, "content"), (1, "content")]
    )
    assert whole.texts[0, "content"] == streamed.texts[0, "content"]
    assert whole.texts[1, "content"] == "Two."
    assert whole.blocked == streamed.blocked == {0}
    tail = whole.texts[0, "content"].rpartition("But: ")[2]
    assert count_units(tail) <= BUDGET


async def test_arguments_are_read_as_json(firewall: Firewall) -> None:
    """The channel of a call's arguments is decoded, and so is content that was asked for as JSON."""
    spelt = "".join(f"\\u{ord(c):04x}" for c in ADMIN_ZH)
    for channel, fields in (
        ("tool:0:arguments", {}),
        ("content", {"response_format": {"type": "json_object"}}),
    ):
        made = await guards(firewall, **fields)
        reading = await made.feed(deltas(f'{{"a": "{spelt}"}}', channel=channel), [(0, channel)])
        assert reading.blocked == {0}
        assert made.received < len(spelt) / 4  # counted as they are read


async def test_own_words_and_clearance(firewall: Firewall) -> None:
    """What the caller sent, or may read, is let go at once; a long request is read beside the event loop."""
    mine = [{"role": "user", "content": ADMIN + " padding" * 8000}]
    made = await guards(firewall, messages=mine)
    assert "memorised.echo" in made._view.cache
    assert (await made.feed(deltas(ADMIN), [(0, "content")])).texts == {(0, "content"): ADMIN}
    made = await guards(firewall, "staff")
    assert (await made.feed(deltas(STAFF), [(0, "content")])).texts == {(0, "content"): STAFF}
    made = await guards(firewall, "admin")
    reading = await made.feed(deltas(f"{ADMIN} {NOBODY}", 3), [(0, "content")])
    assert reading.texts == {(0, "content"): f"{ADMIN} {NOBODY}"}
    assert made.verdicts
    assert made.held_max == 0


async def test_drift_names_the_document(firewall: Firewall) -> None:
    """An answer that shares much with a protected document is told, with how much of it that is."""
    made = await guards(firewall)
    assert made.drift is None
    await made.feed(deltas("Nothing of interest is said here."), [(0, "content")])
    assert made.drift is None
    await made.feed(deltas(ADMIN, choice=1), [(1, "content")])
    assert made.drift is not None
    document, share = made.drift
    assert document == "admin.jsonl:2"
    assert 0 < share <= 1


async def test_a_role_that_is_gone(firewall: Firewall) -> None:
    """A key of a role that the policy does not have gets no guards, and so no answer."""
    with pytest.raises(ConfigError, match="no role 'ghost'"):
        await guards(firewall, "ghost")


def test_a_policy_for_another_index(small_index: SmallIndex, tmp_path: Path) -> None:
    """Runs of another length than the index knows could exempt nothing: it is said at once."""
    default = (policies_folder() / "default.yaml").read_text("utf-8")
    policy = load_policy(write_policy(tmp_path, default, ("exempt_run: 20", "exempt_run: 16")))
    with pytest.raises(ConfigError, match="exempt_run is 16, but the index was built with 20"):
        Firewall.assemble(policy, small_index.open())
