"""Admission: what a request takes, in which order, and that each place is given back once."""

from __future__ import annotations

import json

import pytest

from proxy.policy import Role
from proxy.server.admission import Overload, Places, admitted, counted_for, key_total
from proxy.server.limits import Limit, MemoryLimits
from proxy.types import Caller

CALLER = Caller("key_0", "public")
ANN, BOB = (Caller("key_0", "public", f"usr_{name}") for name in ("ann", "bob"))
ROLE = Role(
    "public", ("public",), subject="user", requests_per_minute=2, concurrent=1,
    key_requests_per_minute=3, key_concurrent=2,
)  # fmt: skip


def test_a_key_is_counted_under_its_id_and_others_with_their_role() -> None:
    """Limits are those of a role, so an owner's keys of two roles do not share one bucket."""
    assert counted_for(CALLER) == "key_0"
    assert counted_for(Caller("key_0", "staff", "own_1")) == "own_1:staff"
    assert key_total(ANN) == key_total(BOB) != counted_for(CALLER)


async def test_a_refused_subject_takes_nothing_from_its_key() -> None:
    """The other subjects of the key find all of it."""
    limits = MemoryLimits(lambda: 0.0)
    first = await admitted(limits, ANN, ROLE)
    for _ in range(10):
        with pytest.raises(Overload):
            await admitted(limits, ANN, ROLE)
    second = await admitted(limits, BOB, ROLE)
    assert (first.headers["x-ratelimit-remaining-requests"], len(second.taken)) == ("1", 2)


async def test_a_refused_key_gives_the_subjects_place_back() -> None:
    """Nothing is held for a request that was not admitted."""
    limits, role = MemoryLimits(lambda: 0.0), Role("r", (), subject="user", concurrent=1, key_concurrent=1)
    held = await admitted(limits, ANN, role)
    with pytest.raises(Overload):
        await admitted(limits, BOB, role)
    await held.release()
    await held.release()  # once is enough
    again = await admitted(limits, BOB, role)
    with pytest.raises(Overload):
        await admitted(limits, ANN, role)
    await again.release()


async def test_what_a_refusal_says() -> None:
    """A 429 in OpenAI's form; a call that never fits says so; nothing names the subject."""
    places = Places(MemoryLimits(lambda: 0.0))
    with pytest.raises(Overload) as refused:
        await places.take("usr_0123", Limit(per_minute=60), 2048)
    response = refused.value.response()
    said = json.loads(bytes(response.body))["error"]
    assert (response.status_code, said["code"]) == (429, "rate_limit_exceeded")
    assert said["message"].startswith("This call counts as 2048 requests")
    await places.take("usr_0123", Limit(concurrent=1))
    with pytest.raises(Overload) as refused:
        await places.take("usr_0123", Limit(concurrent=1))
    body = bytes(refused.value.response().body)
    assert b"at the same time" in body
    assert b"usr_" not in body
    assert places.taken == []


async def test_no_limit_asks_nobody() -> None:
    """And tells nothing."""
    places = await admitted(MemoryLimits(), CALLER, Role("r", ()))
    assert (places.taken, dict(places.headers)) == ([], {})
