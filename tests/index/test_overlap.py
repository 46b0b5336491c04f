"""proxy/index/overlap.py: counts of free runs, judged by sets of plain runs of units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.grams import GramKey
from proxy.index import AddOptions, BuildOptions, add_documents, build_index, read_manifest
from proxy.index.allowed import hashes_of
from proxy.index.overlap import ALLOWED, Freed, free_elsewhere
from proxy.text import units
from proxy.types import NOBODY, Document
from tests.training import ADMIN, KEY, PUBLIC, STAFF

FILLER = "Nothing in this sentence is anywhere else, since nobody ever wrote it down before today, I think."
CLEARED = {
    "anyone": frozenset({"public"}),
    "clerk": frozenset({"public", "staff"}),
    "boss": frozenset({"public", "staff", "admin", NOBODY}),
}


def readers(audience: str, other: str | None) -> Sequence[str]:
    """Who is cleared for the first audience and not for the second; or not cleared for the first."""
    if other is None:
        return [role for role, names in CLEARED.items() if audience not in names]
    return [role for role, names in CLEARED.items() if audience in names and other not in names]


def runs(text: str, length: int) -> set[tuple[int, ...]]:
    """Every run of ``length`` units, found without any index."""
    found = units(text)
    return {tuple(found[at : at + length]) for at in range(len(found) - length + 1)}


def build(folder: Path, *documents: tuple[str, str]) -> None:
    build_index(
        [Document(f"d:{at}", (text,), audience) for at, (audience, text) in enumerate(documents)],
        folder,
        BuildOptions(KEY),
    )


def found(folder: Path, **options: object) -> list[Freed]:
    return free_elsewhere(folder, read_manifest(folder), GramKey(KEY), readers, **options)  # type: ignore[arg-type]


def test_text_that_wider_text_holds_is_counted_run_by_run(tmp_path: Path) -> None:
    """The count is that of the sets of runs; the roles are those that get the text though not cleared."""
    folder = tmp_path / "x.idx"
    build(folder, ("public", f"{PUBLIC} {ADMIN[:90]}"), ("staff", STAFF), ("admin", f"{ADMIN} {FILLER}"))
    length = read_manifest(folder).exempt_run
    (freed,) = found(folder)
    secret, wide = runs(f"{ADMIN} {FILLER}", length), runs(f"{PUBLIC} {ADMIN[:90]}", length)
    assert (freed.audience, freed.runs, freed.of) == ("admin", len(secret & wide), len(secret))
    assert freed.runs > 20
    assert dict(freed.through) == {"public": freed.runs}
    assert set(freed.roles) == {"anyone", "clerk"}


def test_text_that_is_nowhere_else_is_no_finding(tmp_path: Path) -> None:
    """Nor is wide text that narrow text holds as well, for that is what an audience is for."""
    build(tmp_path / "x.idx", ("public", PUBLIC), ("admin", ADMIN))
    assert found(tmp_path / "x.idx") == []
    build(tmp_path / "y.idx", ("public", PUBLIC), ("boss only", ADMIN))
    assert found(tmp_path / "y.idx") == []


def test_every_way_is_counted_and_runs_free_twice_count_once(tmp_path: Path) -> None:
    """Through two audiences and an allowed text."""
    folder = tmp_path / "x.idx"
    build(folder, ("public", ADMIN[:80]), ("staff", ADMIN[:110]), ("admin", ADMIN))
    length = read_manifest(folder).exempt_run
    allowed = hashes_of([ADMIN[60:]], GramKey(KEY), length).runs
    by_name = {each.audience: each for each in found(folder, allowed=allowed)}
    admin = by_name["admin"]
    secret = runs(ADMIN, length)
    assert dict(admin.through) == {
        "public": len(secret & runs(ADMIN[:80], length)),
        "staff": len(secret & runs(ADMIN[:110], length)),
        ALLOWED: len(secret & runs(ADMIN[60:], length)),
    }
    assert admin.runs == len(
        secret & (runs(ADMIN[:110], length) | runs(ADMIN[60:], length) | runs(ADMIN[:80], length))
    )
    assert dict(by_name["staff"].through)["public"] == len(
        runs(ADMIN[:110], length) & runs(ADMIN[:80], length)
    )


@pytest.mark.parametrize("new_is_narrow", [True, False])
def test_an_addition_is_held_against_what_was_there(tmp_path: Path, new_is_narrow: bool) -> None:
    """Found: a take-back that old text still gives away, and new text that gives old text away."""
    folder = tmp_path / "x.idx"
    first, second = ("public", "admin") if new_is_narrow else ("admin", "public")
    # An old pair that is free already is not what the addition did.
    build(folder, (first, f"{ADMIN} {FILLER}"), ("public", STAFF), (NOBODY, STAFF))
    add_documents([Document("new:1", (ADMIN,), second)], folder, AddOptions(KEY, {}, 40))
    freed = found(folder, since=1)
    assert [(each.audience, each.added) for each in freed] == [("admin", new_is_narrow)]
    assert freed[0].runs == len(runs(ADMIN, read_manifest(folder).exempt_run))


def test_sets_that_differ_are_told_apart_however_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing in many slices gives the counts of comparing at once."""
    folder = tmp_path / "x.idx"
    text = " ".join(f"word{number * 7919 % 1000} and some{number * 104729 % 997}" for number in range(600))
    build(folder, ("public", text[: len(text) // 2]), ("admin", text))
    at_once = found(folder)
    monkeypatch.setattr("proxy.index.overlap._AT_ONCE", 64)
    assert found(folder) == at_once
    length = read_manifest(folder).exempt_run
    assert at_once[0].runs == len(runs(text, length) & runs(text[: len(text) // 2], length))
