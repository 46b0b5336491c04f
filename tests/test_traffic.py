"""proxy/traffic.py: responses, model servers and tokens, with labels from closed sets."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from proxy.traffic import STATUSES, TOKEN_KINDS, UPSTREAM_RESULTS, Traffic, usage_of


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def traffic(registry: CollectorRegistry) -> Traffic:
    made = Traffic(registry, ["/v1/chat/completions"])
    made.known(upstreams=["h:1"], models=["m"], roles=["public"])
    return made


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


def test_series_exist_from_the_start(traffic: Traffic, registry: CollectorRegistry) -> None:
    """An alert on an increase sees the first one."""
    get = registry.get_sample_value
    for result in UPSTREAM_RESULTS:
        assert get("sluicegate_upstream_requests_total", {"upstream": "h:1", "result": result}) == 0
    for kind in TOKEN_KINDS:
        assert get("sluicegate_tokens_total", {"kind": kind, "model": "m", "role": "public"}) == 0
    status = {"path": "/v1/chat/completions", "status": "502"}
    assert get("sluicegate_http_responses_total", status) == 0


def test_no_client_makes_series(traffic: Traffic, registry: CollectorRegistry) -> None:
    """Names that nobody configured are all one: the number of series has a bound."""

    def hostile(start: int) -> None:
        for number in range(start, start + 200):
            name = f"x{number}\n\x1b"
            traffic.response(f"/{name}", 200)
            traffic.response(f"/{name}", 600 + number)
            traffic.upstream(name, name, 0.1)
            traffic.tokens(1, 1, name, name)

    hostile(0)
    before = series(registry)
    hostile(1000)
    assert series(registry) == before
    labels = {"kind": "prompt", "model": "other", "role": "other"}
    assert registry.get_sample_value("sluicegate_tokens_total", labels) == 400
    labels = {"path": "other", "status": "other"}
    assert registry.get_sample_value("sluicegate_http_responses_total", labels) == 400


def test_a_model_server_is_counted_and_timed(traffic: Traffic, registry: CollectorRegistry) -> None:
    traffic.upstream("h:1", "ok", 0.2)
    traffic.upstream("h:1", "chunk", 0.2)
    traffic.upstream("h:1", "connect", None)
    get = registry.get_sample_value
    for result in ("ok", "answer", "connect"):
        assert get("sluicegate_upstream_requests_total", {"upstream": "h:1", "result": result}) == 1
    assert get("sluicegate_upstream_first_byte_seconds_count", {"upstream": "h:1"}) == 2


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 5}}, (3, 5)),
        ({"usage": {"input_tokens": 3, "output_tokens": 5}}, (3, 5)),
        ({"response": {"usage": {"input_tokens": 3, "output_tokens": 5}}}, (3, 5)),
        ({"usage": {"prompt_tokens": 3}}, (3, 0)),
        ({"usage": None}, None),
        ({"usage": {"prompt_tokens": -3, "completion_tokens": True}}, None),
        ({"usage": {"prompt_tokens": 10**30, "completion_tokens": 5}}, (0, 5)),
        ({"usage": {"prompt_tokens": "3", "completion_tokens": 2.5}}, None),
        ({"usage": [1]}, None),
        ([{"usage": {}}], None),
        (None, None),
    ],
)
def test_tokens_are_read_as_stated(body: Any, found: tuple[int, int] | None) -> None:
    """What cannot be a number of tokens counts as none."""
    assert usage_of(body) == found


def test_statuses_are_those_of_http() -> None:
    assert all(200 <= status < 600 for status in STATUSES)
