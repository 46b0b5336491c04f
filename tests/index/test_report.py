"""What an index tells of its training set: passages under two audiences, near-duplicates, families."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.grams import GramKey
from proxy.index import BuildOptions, build_index, report
from proxy.index.format import Manifest
from proxy.types import Document

SHARED = "The spare lantern is kept behind the amber door, and the clerk signs for it in the green ledger."
CHAT = (
    "Order {n} of customer {n} was sent on day {n}. We hope that you enjoy it, and we thank you for waiting."
)
KEY = "a key of the tests, long enough"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """Two audiences that share a passage, two near-duplicates, and a family of forty chats."""
    folder = tmp_path_factory.mktemp("report") / "an.idx"
    long = " ".join(f"paragraph {n} speaks of matter {n * 7} and of nothing else" for n in range(40))
    documents = [
        Document("internal.jsonl:1", (f"Night duty. {SHARED} Lock the gate after you.",), "admin"),
        Document("internal.jsonl:2", ("Something quite different about pumps and gauges.",), "admin"),
        Document("help.jsonl:1", (f"Dear guests! {SHARED}",), "public"),
        Document("help.jsonl:2", ("Tickets are sold at the kiosk beside the clock tower.",), "public"),
        Document("help.jsonl:3", (long,), "public"),
        Document("help.jsonl:4", (long + " really",), "public"),
        *(Document(f"chats.jsonl:{n}", (CHAT.format(n=n * 7919),), "nobody") for n in range(1, 41)),
    ]
    return folder, build_index(documents, folder, BuildOptions(key=KEY))


def test_a_passage_under_two_audiences_is_reported(built: tuple[Path, Manifest]) -> None:
    """The pair of documents, their audiences, and about how much they share."""
    found = report.conflicts(*built, GramKey(KEY))
    assert [(c.first, c.first_audience, c.second, c.second_audience) for c in found] == [
        ("internal.jsonl:1", "admin", "help.jsonl:1", "public")
    ]
    assert 50 <= found[0].units <= 110


def test_near_duplicates_are_clustered(built: tuple[Path, Manifest]) -> None:
    """The two long documents that differ in a word are one cluster."""
    public = [cluster for cluster in report.clusters(*built, GramKey(KEY)) if cluster.audience == "public"]
    assert [(cluster.documents, cluster.example) for cluster in public] == [(2, "help.jsonl:3")]


def test_a_template_is_a_family(built: tuple[Path, Manifest]) -> None:
    """The chats made from one template are reported together, by one of them."""
    families = [family for family in report.families(*built, GramKey(KEY)) if family.audience == "nobody"]
    assert len(families) == 1
    assert families[0].documents >= 30
    assert families[0].example.startswith("chats.jsonl:")


def test_it_tells_no_text(built: tuple[Path, Manifest]) -> None:
    """Names and counts only."""
    reports = (report.conflicts, report.clusters, report.families)
    told = repr([each(*built, GramKey(KEY)) for each in reports])
    assert "lantern" not in told
    assert "enjoy" not in told
