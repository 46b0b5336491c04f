"""Building the house: everything that guards is opened first, and what is wrong is said to a person."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from proxy import __version__
from proxy.errors import ConfigError
from proxy.policy import policies_folder
from proxy.server.app import create_app, open_house, spare_collector
from proxy.server.settings import Settings
from proxy.server.state import House
from tests.training import SmallIndex


def settings(small_index: SmallIndex, folder: Path) -> Settings:
    return Settings(index=small_index.path, upstream="http://127.0.0.1:9/v1", state=folder / "s.sqlite")


def close(house: House) -> None:
    asyncio.run(house.close())


def test_a_house_is_opened(small_index: SmallIndex, tmp_path: Path) -> None:
    """Policy, index, keys, trail and metrics are there, and the metrics tell what was opened."""
    house = open_house(settings(small_index, tmp_path), small_index.environment)
    assert house.firewall.policy.name == "default"
    assert house.firewall.index.audiences == ("admin", "nobody", "public", "staff")
    assert house.firewall.detectors[0].name == "memorised"
    text = house.metrics.render()[0].decode()
    assert "sluicegate_index_documents 9.0" in text
    assert f'sluicegate_build_info{{version="{__version__}"}} 1.0' in text
    policy = house.firewall.policy
    assert f'sluicegate_policy_info{{name="{policy.name}",version="{policy.version}"}} 1.0' in text
    for rule in (*policy.rules, "no-rule", "hold-exceeded"):
        assert f'rule="{getattr(rule, "id", rule)}"' in text
    assert (tmp_path / "s.sqlite").is_file()
    assert (tmp_path / "s.trail.jsonl").is_file()
    close(house)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policy": Path("strickt")}, 'did you mean "strict"'),
        ({"policy": Path("/nowhere/policy.yaml")}, "/nowhere/policy.yaml"),
        ({"index": Path("/nowhere/x.idx")}, "there is no index here"),
        ({"upstream": "ftp://x"}, "not an http"),
        ({"state": Path("/proc/nowhere/s.sqlite")}, "/proc/nowhere"),
        ({"trail": Path("/proc/nowhere/trail")}, "/proc/nowhere/trail"),
    ],
    ids=["policy name", "policy file", "index", "upstream", "state", "trail"],
)
def test_what_is_wrong_is_said(
    small_index: SmallIndex, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    """Each part that cannot be opened is a ConfigError that names it."""
    wrong = replace(settings(small_index, tmp_path), **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        open_house(wrong, small_index.environment)
    assert said in str(error.value)
    assert small_index.key not in str(error.value)


def test_the_upstreams_key_comes_from_the_environment(small_index: SmallIndex, tmp_path: Path) -> None:
    """An empty one is none; one that could not be a header is refused and not repeated."""
    where = settings(small_index, tmp_path)
    close(open_house(where, {**small_index.environment, "SLUICEGATE_UPSTREAM_KEY": ""}))
    with pytest.raises(ConfigError) as error:
        open_house(where, {**small_index.environment, "SLUICEGATE_UPSTREAM_KEY": "my\nkey"})
    assert "upstream key" in str(error.value)
    assert "my\nkey" not in str(error.value)


def paths(app: FastAPI) -> set[str]:
    return {route.path for route in app.routes if isinstance(route, Route)}


def test_the_app_serves_what_it_guards_and_no_more(small_index: SmallIndex, tmp_path: Path) -> None:
    """No pages of documentation; metrics only where they have no port of their own."""
    house = open_house(settings(small_index, tmp_path), small_index.environment)
    expected = {"/v1/chat/completions", "/v1/models", "/healthz", "/readyz", "/openapi.json", "/{path:path}"}
    assert paths(create_app(house)) >= expected
    assert "/metrics" not in paths(create_app(house))
    assert not paths(create_app(house)) & {"/docs", "/redoc"}
    shared = House(
        replace(house.settings, metrics_port=None),
        house.firewall,
        house.keys,
        house.upstream,
        house.trail,
        house.metrics,
    )
    assert "/metrics" in paths(create_app(shared))
    close(house)


def test_the_house_is_closed_with_the_app(small_index: SmallIndex, tmp_path: Path) -> None:
    """When the server ends its lifespan the state is closed."""
    house = open_house(settings(small_index, tmp_path), small_index.environment)
    app = create_app(house)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            assert house.faults() == []

    asyncio.run(live())
    assert house.faults() == ["state"]


def test_an_observing_policy_shows_in_the_metrics(small_index: SmallIndex, tmp_path: Path) -> None:
    """A policy in observe mode is told by a gauge, so that an alert can say it was left on."""
    policy = tmp_path / "observe.yaml"
    text = (policies_folder() / "default.yaml").read_text("utf-8")
    policy.write_text(
        text.replace("    mode: observe\n", "").replace("mode: enforce", "mode: observe"), "utf-8"
    )
    for path, observing in ((policy, "1.0"), (None, "0.0")):
        house = open_house(replace(settings(small_index, tmp_path), policy=path), small_index.environment)
        assert f"sluicegate_policy_observing {observing}" in house.metrics.render()[0].decode()
        close(house)


def test_the_collector_is_spared() -> None:
    """What there is before the first request is not gone through again."""
    before = gc.get_freeze_count()
    try:
        spare_collector()
        assert gc.get_freeze_count() > before + 1000
    finally:
        gc.unfreeze()
