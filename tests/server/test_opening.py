"""An index that is older than one that was served is refused, at the start and while serving."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.errors import IndexFormatError
from proxy.index import BuildOptions, build_index, read_manifest
from proxy.keys import KeyStore
from proxy.server import app
from proxy.server.app import open_house
from proxy.server.opening import OlderIndex, name_of
from proxy.server.settings import Settings
from proxy.server.state import House
from tests.cli.running import run, running
from tests.server.test_workers import until
from tests.training import KEY, TRAINING, documents

ENVIRONMENT = {"SLUICEGATE_INDEX_KEY": KEY}
MORE = {"staff": ["A new secret of the staff that the older build does not know of at all."]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a server whose folder holds two builds, the older one in ``older.idx``."""
    index = tmp_path / "x.idx"
    build_index(documents(), index, BuildOptions(key=KEY))
    shutil.copytree(index, tmp_path / "older.idx")
    build_index(documents(TRAINING | MORE), index, BuildOptions(key=KEY))
    return Settings(index=index, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite")


def put_back(settings: Settings) -> None:
    """Put the older build in the newer one's place."""
    shutil.rmtree(settings.index)
    shutil.copytree(settings.index.with_name("older.idx"), settings.index)


def started(settings: Settings) -> Iterator[House]:
    house = open_house(settings, ENVIRONMENT)
    yield house
    assert house.reloader is not None
    house.reloader.close()
    house.trail.close()
    house.keys.close()


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    yield from started(settings)


def changes(settings: Settings) -> list[dict[str, object]]:
    lines = map(orjson.loads, settings.trail_path.read_bytes().splitlines())
    return [line for line in lines if line["kind"] == "changed"]


def test_a_start_with_an_older_index_is_refused(settings: Settings, house: House) -> None:
    """It says which builds, and what to do; nothing has changed, so the newer one starts again."""
    newer = house.firewall.index.manifest.serial
    away = settings.index.rename(settings.index.with_name("newer.idx"))
    shutil.copytree(settings.index.with_name("older.idx"), settings.index)
    older = read_manifest(settings.index).serial
    assert older < newer
    said = f"x.idx: is build {older}, and build {newer} was served before: .* serve --allow-older"
    for _ in range(2):
        with pytest.raises(OlderIndex, match=said):
            open_house(settings, ENVIRONMENT)
    shutil.rmtree(settings.index)
    away.rename(settings.index)
    for _ in started(settings):
        pass


def test_an_operator_accepts_an_older_index_once(settings: Settings, house: House) -> None:
    """The trail records it with both numbers. From then on its own number counts, without the flag too."""
    newer = house.firewall.index.manifest.serial
    put_back(settings)
    older = read_manifest(settings.index)
    for each in (replace(settings, allow_older=True), settings, replace(settings, allow_older=True)):
        for other in started(each):
            assert other.firewall.index.manifest.serial == older.serial
    (line,) = [line for line in changes(settings) if line["what"] == "older_index"]
    assert (line["version"], line["serial"], line["highest"]) == (older.version, older.serial, newer)


def test_while_serving_an_older_index_is_refused(settings: Settings, house: House) -> None:
    """Also where an operator asks to read it, and where an older one was accepted at the start; a newer one
    is taken."""
    reloader, before = house.reloader, house.firewall
    assert reloader is not None
    put_back(settings)
    for forced in (False, False, True):
        if forced:
            reloader.force()
        reloader.look()
        assert house.firewall is before
    assert reloader.serves()["refused"] is True
    (worker,) = house.keys.workers()
    assert "was served before" in worker.fault
    build_index(documents(TRAINING | MORE), settings.index, BuildOptions(key=KEY))
    reloader.look()
    assert house.firewall is not before
    assert reloader.serves()["refused"] is False
    assert house.keys.serial(house.firewall.index.key.id, "x.idx") == read_manifest(settings.index).serial


def test_an_index_that_comes_while_the_server_starts_is_not_missed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the folder's place after the old one was opened, and before the watch begins."""
    opened = app.open_served_state

    def slow(*given: Any) -> Any:
        build_index(documents(TRAINING | MORE), settings.index, BuildOptions(key=KEY))
        return opened(*given)

    monkeypatch.setattr(app, "open_served_state", slow)
    for house in started(settings):
        newest = read_manifest(settings.index).version
        assert house.firewall.index.version != newest
        assert house.reloader is not None
        house.reloader.look()
        assert house.firewall.index.version == newest


def test_what_is_served_may_be_read_again_whatever_the_state_says(settings: Settings, house: House) -> None:
    """Another replica has served a newer one meanwhile; reading again what serves is no fault."""
    assert house.reloader is not None
    house.keys.raise_serial(house.firewall.index.key.id, "x.idx", 2_000_000_000_000)
    house.reloader.force()
    house.reloader.look()
    assert house.reloader.serves()["refused"] is False


def test_a_number_that_was_raised_by_hand_does_not_fit_the_mac(settings: Settings, house: House) -> None:
    """Whoever lacks the key cannot pass an old copy off as a new build."""
    put_back(settings)
    path = settings.index / "manifest.json"
    serial = read_manifest(settings.index).serial
    path.write_text(path.read_text("utf-8").replace(f'"serial": {serial}', f'"serial": {serial + 10**6}'))
    assert read_manifest(settings.index).serial == serial + 10**6
    with pytest.raises(IndexFormatError, match="its MAC does not fit"):
        open_house(settings, ENVIRONMENT)


def test_indexes_of_other_names_and_keys_have_numbers_of_their_own(settings: Settings, house: House) -> None:
    """A folder is known by its name, however its path is written."""
    for each in (settings.index, Path(f"{settings.index}/"), settings.index / ".." / "x.idx"):
        assert name_of(replace(settings, index=each)) == "x.idx"
    for other in started(replace(settings, index=settings.index.with_name("older.idx"))):
        assert other.firewall.index.manifest.serial < house.firewall.index.manifest.serial
    store = KeyStore(settings.state)
    assert store.serial("another key", "x.idx") == 0
    store.close()


def test_from_the_command_line(settings: Settings, tmp_path: Path) -> None:
    """Exit code 2 and two sentences for an older index; with the flag it is served, and the trail holds."""
    arguments = ("serve", "--index", settings.index, "--upstream", "http://127.0.0.1:9/v1", "--port", "0")
    arguments += ("--metrics-port", "0", "--workers", "2", "--state", settings.state)
    with running(*arguments, cwd=tmp_path, **ENVIRONMENT) as server:
        server.wait_for("metrics on ")
        assert server.end() == 0
    put_back(settings)
    done = run(*arguments, cwd=tmp_path, **ENVIRONMENT)
    assert done.returncode == 2
    assert b"was served before" in done.stderr and b"--allow-older" in done.stderr
    assert b"Traceback" not in done.stderr
    with running(*arguments, cwd=tmp_path, SLUICEGATE_ALLOW_OLDER="true", **ENVIRONMENT) as server:
        server.wait_for("metrics on ")
        until(lambda: len(workers(settings)) == 2)
        assert server.end() == 0
    assert [line["what"] for line in changes(settings)] == ["older_index"]
    for command in ("verify", "list"):
        done = run("audit", command, "--state", settings.state, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def workers(settings: Settings) -> list[str]:
    store = KeyStore(settings.state)
    found = [worker.id for worker in store.workers()]
    store.close()
    return found
