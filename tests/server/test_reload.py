"""What changes while a worker serves: taken as a whole, or refused while the old one serves on."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.grams import GramKey
from proxy.index import AddOptions, BuildOptions, add_documents, build_index, hashes_of
from proxy.keys import Allowed
from proxy.policy import load_policy, policies_folder
from proxy.server.app import open_house
from proxy.server.reload import Reloader
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.types import Document
from tests.training import ADMIN, KEY, TRAINING, SmallIndex, documents

DEFAULT = (policies_folder() / "default.yaml").read_text("utf-8")
OTHER = DEFAULT.replace("act: 32", "act: 30")


@dataclass(slots=True)
class Place:
    """A house with files of its own, which a test may change."""

    house: House
    policy: Path
    index: Path

    @property
    def reloader(self) -> Reloader:
        assert self.house.reloader is not None
        return self.house.reloader

    def metric(self, series: str) -> float:
        for line in self.house.metrics.render()[0].decode().splitlines():
            if line.rpartition(" ")[0] == f"sluicegate_{series}":
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no series {series}")

    def trail(self) -> list[tuple[str, object]]:
        lines = map(orjson.loads, self.house.settings.trail_path.read_bytes().splitlines())
        return [(line["what"], line.get("part") or line.get("version") or line.get("id")) for line in lines
                if line["kind"] == "changed"]  # fmt: skip

    def rebuild(self, **more: list[str]) -> None:
        build_index(documents(TRAINING | more), self.index, BuildOptions(key=KEY))


@pytest.fixture
def place(small_index: SmallIndex, tmp_path: Path) -> Iterator[Place]:
    assert OTHER != DEFAULT
    policy, index = tmp_path / "policy.yaml", tmp_path / "small.idx"
    policy.write_text(DEFAULT, "utf-8")
    shutil.copytree(small_index.path, index)
    settings = Settings(
        index=index, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite", policy=policy
    )
    house = open_house(settings, small_index.environment)
    yield Place(house, policy, index)
    house.trail.close()
    house.keys.close()


def test_nothing_new(place: Place) -> None:
    """While nothing changes the same firewall serves, and a file that was only touched changes nothing."""
    before = place.house.firewall
    place.reloader.look()
    os.utime(place.policy)
    place.reloader.look()
    assert place.house.firewall is before
    assert place.trail() == []
    assert place.metric('reloads_total{result="taken",what="policy"}') == 0


def test_a_new_policy(place: Place) -> None:
    """It takes the old one's place as a whole; the index stays as it is."""
    before = place.house.firewall
    place.policy.write_text(OTHER, "utf-8")
    place.reloader.look()
    after = place.house.firewall
    assert after.policy.version != before.policy.version
    assert after.index is before.index
    assert place.trail() == [("policy", after.policy.version)]
    assert place.metric('reloads_total{result="taken",what="policy"}') == 1
    version, name = after.policy.version, after.policy.name
    assert place.metric(f'policy_info{{name="{name}",version="{version}"}}') == 1
    assert place.metric(f'policy_info{{name="{name}",version="{before.policy.version}"}}') == 0


def test_a_new_index(place: Place) -> None:
    """A build over the old one is taken up; one that has begun keeps the old one, whose files are gone."""
    before = place.house.firewall
    place.rebuild(staff=["Another text of the staff that nobody has trained on before today."])
    place.reloader.look()
    after = place.house.firewall
    assert (after.index.version, after.policy) == (after.index.manifest.version, before.policy)
    assert after.index.version != before.index.version
    assert place.trail() == [("index", after.index.version)]
    assert place.metric("index_documents") == after.index.manifest.documents
    assert place.metric(f'index_info{{version="{after.index.version}"}}') == 1
    key = GramKey(KEY)
    assert before.index.exempt("admin")(key.gram(ADMIN.replace(" ", "")[:20]))  # its files are gone


def test_documents_that_were_added(place: Place) -> None:
    """They are guarded with the next look; what was there before still is."""
    documents_before = place.house.firewall.index.manifest.documents
    more = [
        Document(
            "more.jsonl:1", ("A text that was not there when the index was built, for the staff.",), "staff"
        )
    ]
    add_documents(more, place.index, AddOptions(KEY, {}, 32))
    place.reloader.look()
    index = place.house.firewall.index
    assert index.manifest.documents == documents_before + 1
    assert index.exempt("staff")(GramKey(KEY).gram("Atextthatwasnotthere"))
    assert index.exempt("admin")(GramKey(KEY).gram(ADMIN.replace(" ", "").replace(",", "")[:20]))


@pytest.mark.parametrize(
    ("damage", "part"), [("policy", "policy"), ("index", "index"), ("gone", "index"), ("both", "policy")]
)
def test_what_cannot_be_opened_is_refused(
    place: Place, damage: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one serves on; it is counted once, told in log and trail, and taken when it is mended."""
    before = place.house.firewall
    if damage in ("policy", "both"):
        place.policy.write_text(OTHER + "nonsense: 1\n", "utf-8")
    if damage in ("index", "both"):
        place.rebuild(staff=["Another text of the staff that nobody has trained on before today."])
        (place.index / "a0.act.npy").write_bytes(b"")
    if damage == "gone":
        place.index.rename(place.index.with_name("away"))
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            place.reloader.look()
    assert place.house.firewall is before
    assert place.metric(f'reloads_total{{result="refused",what="{part}"}}') == 1
    assert [what for what, _ in place.trail()] == ["refused"]
    assert "the old" in caplog.text and "serves on" in caplog.text
    assert place.reloader.serves()["refused"] is True
    assert place.house.keys.workers()[0].fault
    place.policy.write_text(OTHER, "utf-8")
    shutil.rmtree(place.index, ignore_errors=True)
    place.rebuild(staff=["A third text of the staff that nobody has trained on before today."])
    place.reloader.look()
    assert place.house.firewall is not before
    assert place.reloader.serves()["refused"] is False
    assert place.house.keys.workers()[0].fault == ""


def test_half_a_copy_is_no_fault(place: Place) -> None:
    """What is complete a second later was never refused."""
    arrays = (place.index / "a0.act.npy").read_bytes()
    (place.index / "a0.act.npy").write_bytes(b"")
    os.utime(place.index / "manifest.json")
    place.reloader.look()
    (place.index / "a0.act.npy").write_bytes(arrays)
    place.reloader.look()
    place.reloader.look()
    assert place.metric('reloads_total{result="refused",what="index"}') == 0


@pytest.mark.parametrize("damage", ["moved", "array", "link"])
def test_a_folder_that_is_put_back_is_refused_no_more(
    place: Place, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The files are those in force again, to the last bit: whoever asks reads that nothing is refused, and
    the state that there is no fault. It serves what it served."""
    before, away = place.house.firewall, place.index.with_name("away")
    array = place.index / "a0.act.npy"
    content = array.read_bytes()
    if damage == "array":  # the manifest does not show it: only a reload that is asked for does
        array.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        place.reloader.force()
    else:
        place.index.rename(away)
    if damage == "link":
        place.index.symlink_to("nowhere")
    for _ in range(3):
        place.reloader._again = 0.0  # time goes by
        place.reloader.look()
    assert place.reloader.serves()["refused"] is True
    if damage == "array":
        array.write_bytes(content)
    else:
        place.index.unlink() if damage == "link" else None
        away.rename(place.index)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            place.reloader._again = 0.0  # time goes by
            place.reloader.look()
    assert place.reloader.serves()["refused"] is False
    assert place.house.keys.workers()[0].fault == ""
    assert place.house.firewall is before
    assert caplog.text.count("what was refused can be read again") == 1
    assert place.metric('reloads_total{result="refused",what="index"}') == 1
    assert [what for what, _ in place.trail()] == ["refused"]


def test_a_folder_that_was_away_for_a_moment_leaves_no_trace(place: Place) -> None:
    """It was seen to be away once: no fault, and the next time that it is away begins anew."""
    away = place.index.with_name("away")
    for _ in range(3):
        place.index.rename(away)
        place.reloader.look()
        away.rename(place.index)
        place.reloader.look()
    assert place.reloader.serves()["refused"] is False
    assert place.trail() == []


def test_what_stays_refused_is_read_ever_more_seldom(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading an index to its end takes long; a change of the files is tried with the next look."""
    clock = [1000.0]
    tried: list[float] = []
    monkeypatch.setattr("proxy.server.reload.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(
        "proxy.server.reload.load_policy",
        lambda path: tried.append(clock[0]) or load_policy(path),  # type: ignore[func-returns-value]
    )
    place.policy.write_text(OTHER + "nonsense: 1\n", "utf-8")
    for _ in range(61):
        place.reloader.look()
        clock[0] += 1
    pauses = [round(b - a) for a, b in itertools.pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 15, 15, 15]
    place.policy.write_text(OTHER, "utf-8")
    place.reloader.look()
    assert place.reloader.serves()["refused"] is False


def test_asked_to_reload(place: Place) -> None:
    """A request in the state, or a signal, is answered at once, even with a refusal; the state tells it."""
    number = place.house.keys.ask_to_reload()
    place.reloader.look()
    (worker,) = place.house.keys.workers()
    assert (worker.reload, worker.fault, worker.pid) == (number, "", os.getpid())
    assert (worker.policy, worker.index) == (
        place.house.firewall.policy.version, place.house.firewall.index.version,
    )  # fmt: skip
    place.policy.write_text("nonsense", "utf-8")
    place.reloader.force()
    place.reloader.look()
    assert place.metric('reloads_total{result="refused",what="policy"}') == 1
    assert str(place.policy) in place.house.keys.workers()[0].fault


def allowed(text: str, name: str = "alw_0123456789ab", key: str = KEY) -> Allowed:
    made = GramKey(key)
    return Allowed(name, "", 1.0, made.id, hashes_of([text], made, 20).to_bytes())


def test_an_allowed_text(place: Place) -> None:
    """In force with the next look, also under an index that is taken up later; written down; gone again."""
    gram = GramKey(KEY).gram(ADMIN.replace(" ", "").replace(",", "")[:20])
    place.house.keys.allow(allowed(ADMIN))
    place.reloader.look()
    background = place.house.firewall.index.background()
    assert background is not None and background(gram)
    assert place.metric("allowed_texts") == 1
    place.rebuild(staff=["Another text of the staff that nobody has trained on before today."])
    place.reloader.look()
    background = place.house.firewall.index.background()
    assert background is not None and background(gram)
    place.house.keys.disallow("alw_0123")
    place.reloader.look()
    assert place.house.firewall.index.background() is None
    assert place.metric("allowed_texts") == 0
    assert [what for what, _ in place.trail()] == ["allowed", "index", "disallowed"]


def test_a_text_that_was_allowed_under_another_key(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It frees nothing, and that is said."""
    place.house.keys.allow(allowed(ADMIN, key="another key, long enough"))
    place.reloader.look()
    assert place.house.firewall.index.background() is None
    assert "1 allowed texts are for another key" in caplog.text
    assert place.metric("allowed_texts") == 0


def test_the_state_goes_and_comes_back(place: Place) -> None:
    """While it cannot be read what is in force stays; that shows."""
    state = place.house.settings.state
    away = state.with_name("away")
    state.rename(away)
    place.reloader.look()
    assert place.metric("state_up") == 0
    away.rename(state)
    place.house.keys.create("staff")
    place.reloader.look()
    assert place.metric("state_up") == 1
    assert place.metric('keys{role="staff"}') == 1
    assert place.metric('keys{role="public"}') == 0


def test_a_broken_record_shows(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted while it is there and logged once; the state is not down for it."""
    place.reloader.look()
    assert place.metric("state_unread_records") == 0
    raw = sqlite3.connect(place.house.settings.state)
    raw.execute("INSERT INTO keys (id, hash, name, role, created) VALUES ('key_0', x'00', '', 'staff', 1)")
    raw.commit()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            place.reloader._count_again = 0.0
            place.reloader.look()
    assert place.metric("state_unread_records") == 1
    assert place.metric("state_up") == 1
    assert [each.getMessage() for each in caplog.records] == [
        "state: key key_0: 'hash' is not a SHA-256 digest; the record is not used"
    ]
    raw.execute("DELETE FROM keys WHERE id = 'key_0'")
    raw.commit()
    raw.close()
    place.reloader._count_again = 0.0
    place.reloader.look()
    assert place.metric("state_unread_records") == 0


def test_a_state_that_takes_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """While another process holds it, what is new is served; that the state was not told shows."""
    state: Any = place.house.keys
    state._db.execute("PRAGMA busy_timeout = 0")
    lock = sqlite3.connect(place.house.settings.state)
    lock.execute("BEGIN IMMEDIATE")
    try:
        place.policy.write_text(OTHER, "utf-8")
        for _ in range(3):
            place.reloader.look()
            assert place.metric("state_up") == 0
    finally:
        lock.rollback()
        lock.close()
    assert caplog.text.count("the state cannot be read or written to") == 1
    version = place.house.firewall.policy.version
    assert place.trail() == [("policy", version)]
    assert place.house.keys.workers()[0].policy != version
    place.reloader.look()
    assert place.metric("state_up") == 1
    assert place.house.keys.workers()[0].policy == version


def test_a_state_that_is_full(place: Place) -> None:
    """A refusal that has no room in it is told by log and metrics, and to the state when there is room."""
    state: Any = place.house.keys
    state._db.execute("PRAGMA max_page_count = 1")  # as many as there are
    place.policy.write_text(OTHER + "".join(f"nonsense_{n}: 1\n" for n in range(500)), "utf-8")
    for _ in range(3):
        place.reloader.look()
    assert place.reloader.serves()["refused"] is True
    assert place.metric("state_up") == 0
    assert place.house.keys.workers()[0].fault == ""
    state._db.execute("PRAGMA max_page_count = 100000")
    place.reloader.look()
    assert place.metric("state_up") == 1
    assert "nonsense_499" in place.house.keys.workers()[0].fault


def test_a_worker_that_ends_is_forgotten(place: Place) -> None:
    """The state lists who serves, and no more."""
    assert len(place.house.keys.workers()) == 1
    place.reloader.close()
    assert place.house.keys.workers() == ()


def test_what_cannot_be_written_down_is_not_in_force(place: Place) -> None:
    """An allowed text or a policy that the trail cannot take waits until it can."""
    before = place.house.firewall
    trail = place.house.settings.trail_path
    trail.unlink()
    trail.mkdir()
    place.house.keys.allow(allowed(ADMIN))
    place.policy.write_text(OTHER, "utf-8")
    for _ in range(3):
        place.reloader.look()
    assert place.house.firewall is before
    assert before.index.background() is None
    trail.rmdir()
    place.reloader.look()
    assert place.house.firewall is not before
    assert place.house.firewall.index.background() is not None
    assert [what for what, _ in place.trail()] == ["allowed", "policy"]
