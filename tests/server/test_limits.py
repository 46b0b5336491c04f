"""Buckets of requests and places for answers, key by key."""

from __future__ import annotations

from proxy.server.limits import Limit, MemoryLimits


async def test_requests_a_minute() -> None:
    """All of a minute's requests may come at once; then one comes back every so often."""
    now = [0.0]
    limits, limit = MemoryLimits(lambda: now[0]), Limit(per_minute=6)
    admissions = [await limits.admit("a", limit) for _ in range(7)]
    assert [each.allowed for each in admissions] == [True] * 6 + [False]
    assert [each.remaining for each in admissions] == [5, 4, 3, 2, 1, 0, 0]
    refused = admissions[-1]
    assert refused.headers() == {
        "x-ratelimit-limit-requests": "6",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "60.000s",
        "retry-after": "10",
    }
    assert (await limits.admit("b", limit)).allowed
    now[0] = 10.0
    assert (await limits.admit("a", limit)).allowed
    assert not (await limits.admit("a", limit)).allowed
    now[0] = 10_000.0
    assert (await limits.admit("a", limit)).remaining == 5


async def test_answers_at_the_same_time() -> None:
    """A place is taken until it is given back; giving back more than was taken makes no new ones."""
    limits, limit = MemoryLimits(), Limit(concurrent=2)
    assert [(await limits.admit("a", limit)).allowed for _ in range(3)] == [True, True, False]
    assert (await limits.admit("a", limit)).headers() == {"retry-after": "1"}
    for _ in range(3):
        await limits.release("a")
    await limits.release("unknown")
    assert [(await limits.admit("a", limit)).allowed for _ in range(3)] == [True, True, False]


async def test_no_limit() -> None:
    """Without limits everything goes, and nothing is told."""
    limits = MemoryLimits()
    assert Limit().unlimited
    admission = await limits.admit("a", Limit())
    assert (admission.allowed, admission.headers()) == (True, {})


async def test_silent_keys_are_forgotten() -> None:
    """However many keys there are, memory is bounded by those of the last minute."""
    now = [0.0]
    limits, limit = MemoryLimits(lambda: now[0]), Limit(per_minute=1)
    for number in range(10_000):
        await limits.admit(str(number), limit)
        await limits.release(str(number))
    now[0] = 61.0
    await limits.admit("new", limit)
    assert len(limits._counts) == 1


async def test_a_request_may_count_as_many() -> None:
    """All of it is there, or nothing is taken."""
    limits, limit = MemoryLimits(lambda: 0.0), Limit(per_minute=6)
    assert (await limits.admit("a", limit, 4)).remaining == 2
    refused = await limits.admit("a", limit, 3)
    assert (refused.allowed, refused.retry_after) == (False, 10.0)
    assert (await limits.admit("a", limit, 2)).remaining == 0
    assert not (await limits.admit("b", limit, 7)).allowed


async def test_many_new_ids_do_not_make_each_one_cost_a_pass() -> None:
    """The counts are looked through again only when there are twice as many."""
    limits, limit = MemoryLimits(lambda: 0.0), Limit(per_minute=1)
    kept = []
    for number in range(25_000):
        await limits.admit(str(number), limit)
        await limits.release(str(number))
        if not kept or kept[-1] is not limits._counts:
            kept.append(limits._counts)
    assert len(kept) <= 3
