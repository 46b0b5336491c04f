"""Limits over replicas, in a real Redis: one count for all, places that a killed replica cannot keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.server.counts import Counts, FileCounts, RedisCounts
from proxy.server.limits import Limit
from proxy.server.shared_limits import SharedLimits
from tests.redis_server import RedisServer, redis_server

KEY = "key_0123456789ab"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


def limits(counts: Counts) -> SharedLimits:
    return SharedLimits(counts, lease_seconds=0.6, renew_seconds=0.1)


@pytest.fixture(params=["redis", "file"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[SharedLimits]]:
    """Two processes with short leases, over Redis and over a file."""
    if request.param == "redis":
        server = request.getfixturevalue("server")
        made = [limits(RedisCounts(server.url)) for _ in range(2)]
    else:
        made = [limits(FileCounts(tmp_path / "counts")) for _ in range(2)]
    yield made
    for each in made:
        await each.close()


async def test_requests_are_counted_over_replicas(two: list[SharedLimits]) -> None:
    """Five a minute are five, whichever replica is asked; another key has its own."""
    limit = Limit(per_minute=5)
    admissions = [await two[number % 2].admit(KEY, limit) for number in range(7)]
    assert [each.allowed for each in admissions] == [True] * 5 + [False] * 2
    assert [each.remaining for each in admissions] == [4, 3, 2, 1, 0, 0, 0]
    assert {each.limit for each in admissions} == {5}
    assert 0 < admissions[-1].retry_after <= 12
    assert 0 < admissions[-1].reset <= 60
    assert admissions[-1].reason == "requests"
    assert (await two[0].admit("key_other", limit)).allowed


async def test_a_request_may_count_as_many(two: list[SharedLimits]) -> None:
    """All of it is there, or nothing is taken; both processes count alike."""
    limit = Limit(per_minute=6)
    assert (await two[0].admit(KEY, limit, 4)).remaining == 2
    refused = await two[1].admit(KEY, limit, 3)
    assert not refused.allowed
    assert 0 < refused.retry_after <= 10
    assert (await two[1].admit(KEY, limit, 2)).remaining == 0
    assert not (await two[0].admit("key_other", limit, 7)).allowed


async def test_places_are_counted_over_replicas(two: list[SharedLimits]) -> None:
    """Two answers at once are two; one that ends makes room at the other replica."""
    limit = Limit(concurrent=2)
    assert (await two[0].admit(KEY, limit)).allowed
    assert (await two[1].admit(KEY, limit)).allowed
    refused = await two[0].admit(KEY, limit)
    assert (refused.allowed, refused.reason) == (False, "concurrent")
    await two[0].release(KEY)
    await two[0].release(KEY)  # once too often gives nothing back that another one has
    assert (await two[1].admit(KEY, limit)).allowed
    assert not (await two[0].admit(KEY, limit)).allowed


async def test_a_killed_replica_keeps_no_place(two: list[SharedLimits]) -> None:
    """An answer that goes on keeps its place however long it takes; a killed replica's ends by itself."""
    limit = Limit(concurrent=1)
    assert (await two[0].admit(KEY, limit)).allowed
    await asyncio.sleep(1.2)
    assert not (await two[1].admit(KEY, limit)).allowed
    assert two[0]._renewal is not None
    two[0]._renewal.cancel()  # as a kill would
    for _ in range(100):
        if (await two[1].admit(KEY, limit)).allowed:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the place was never given back")


async def test_without_redis_each_counts_by_itself(server: RedisServer) -> None:
    """Requests go on, and the limit holds at each replica; then all count together again."""
    two = [limits(RedisCounts(server.url)) for _ in range(2)]
    limit = Limit(per_minute=60, concurrent=2)
    assert (await two[0].admit(KEY, limit)).allowed
    server.kill()
    for each in two:
        assert [(await each.admit(KEY, limit)).allowed for _ in range(3)] == [True, True, False]
    await two[0].release(KEY)
    assert (await two[0].admit(KEY, limit)).allowed
    for each in two:
        for _ in range(4):
            await each.release(KEY)
    server.start()
    for each in two:
        each._quiet_until = 0.0
    await asyncio.sleep(0.7)  # the place that could not be given back ends with its lease
    assert (await two[0].admit(KEY, limit)).allowed
    assert (await two[1].admit(KEY, limit)).allowed
    assert not (await two[1].admit(KEY, limit)).allowed
    for each in two:
        await each.close()


async def test_who_has_no_limit_asks_nobody() -> None:
    """No question goes to Redis, even where there is none."""
    pytest.importorskip("redis")
    alone = limits(RedisCounts("redis://127.0.0.1:1/0"))
    assert (await alone.admit(KEY, Limit())).allowed
    await alone.release(KEY)
    await alone.close()


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Each process counts by itself, and no request fails."""
    made = limits(FileCounts(tmp_path / "none" / "counts"))
    limit = Limit(per_minute=1)
    assert [(await made.admit(KEY, limit)).allowed for _ in range(2)] == [True, False]
    await made.close()


async def test_requests_come_back_with_time(tmp_path: Path) -> None:
    """One of six a minute after ten seconds."""
    clock = [1000.0]
    counts = FileCounts(tmp_path / "counts", now=lambda: clock[0])
    limit = Limit(per_minute=6)
    assert [(await counts.take(KEY, limit, "l", 1)).allowed for _ in range(7)] == [True] * 6 + [False]
    clock[0] += 10.01
    assert [(await counts.take(KEY, limit, "l", 1)).allowed for _ in range(2)] == [True, False]
    await counts.close()


async def test_full_buckets_leave_the_file(tmp_path: Path) -> None:
    """Callers may name ever new users: what is kept is bounded by those of the last minute."""
    clock = [1000.0]
    counts = FileCounts(tmp_path / "counts", now=lambda: clock[0])
    for number in range(50):
        await counts.take(f"usr_{number}", Limit(per_minute=5), "l", 1)
    clock[0] += 61
    await counts.take("usr_new", Limit(per_minute=5), "l", 1)
    assert counts._db is not None
    assert counts._db.execute("SELECT count(*) FROM buckets").fetchone() == (1,)
    await counts.close()
