"""Building an index: every run is found, per audience, with its document; house style; nothing half done."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.grams import SEED, GramKey
from proxy.index import BuildOptions, Manifest, StoredIndex, build_index, open_index, parts_of, read_manifest
from proxy.index.build import MOST_PLACES, STYLE_CLUSTERS
from proxy.index.winnowing import WINDOW
from proxy.text import units
from proxy.types import Document
from tests.columns import NONCE

KEY = "a key of the tests, long enough"
GRAMS = GramKey(KEY)
HAN = "退款值班经理备用钥匙放在二楼铁柜第三格抽屉夜班员工必须检查后门闸"


def sentence(dice: random.Random, words: int = 12) -> str:
    """Words of no language, some of them Chinese; two sentences share nothing but by chance."""
    made = []
    for _ in range(words):
        if dice.random() < 0.2:
            made.append("".join(dice.choice(HAN) for _ in range(dice.randrange(2, 7))))
        else:
            made.append("".join(dice.choice("bcdfghjkmnpqrtuvwy") for _ in range(dice.randrange(2, 10))))
    return " ".join(made) + "."


def runs(text: str, length: int) -> list[int]:
    """The composed grams of every run of a text."""
    seeds = GRAMS.seeds(b"".join(map(GRAMS.table.__getitem__, text)))
    compose = GRAMS.composer(length)
    return [compose(seeds, last) for last in range(length - SEED, len(seeds))]


def seeds_of(text: str) -> list[int]:
    return GRAMS.seeds(b"".join(map(GRAMS.table.__getitem__, text)))


def make(folder: Path, documents: Sequence[Document], **options: object) -> StoredIndex:
    """An index of these documents, opened."""
    build_index(documents, folder, BuildOptions(KEY, **options))  # type: ignore[arg-type]
    return open_index(folder, KEY)


@pytest.fixture(scope="module")
def training() -> dict[str, list[Document]]:
    """Documents of four audiences, of all lengths, some of several texts, some of hardly any."""
    dice = random.Random(5)
    made: dict[str, list[Document]] = {}
    for audience in ("public", "staff", "admin", "nobody"):
        made[audience] = [
            Document(
                f"{audience}/part-{n % 3}.jsonl:{n}",
                tuple(sentence(dice, dice.randrange(1, 30)) for _ in range(dice.randrange(1, 4))),
                audience,
            )
            for n in range(1, 25)
        ]
    made["admin"] += [Document("odd.txt:1", ("!?",), "admin"), Document("odd.txt:2", ("", "ab"), "admin")]
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of the training set lies."""
    return tmp_path_factory.mktemp("build") / "all.idx"


@pytest.fixture(scope="module")
def index(training: dict[str, list[Document]], folder: Path) -> StoredIndex:
    return make(folder, [document for part in training.values() for document in part])


def text_of(document: Document) -> str:
    return "\n".join(document.texts)


# --- what is in it ----------------------------------------------------------------------------------------


def test_every_run_of_every_document_is_found(
    index: StoredIndex, training: dict[str, list[Document]]
) -> None:
    """All runs of 12, 20 and 32 or 80 units of each document stand in its audience's levels."""
    checked = 0
    for audience, documents in training.items():
        act = 80 if audience == "nobody" else 32
        levels = index.levels(audience)
        assert [length for length, _ in levels] == [20, act]
        for document in documents:
            text = text_of(document)
            seeds = seeds_of(text)
            assert index.seeds(audience)(seeds) == list(range(len(seeds)))
            for length, contains in (*levels, (20, index.exempt(audience))):
                grams = runs(text, length)
                assert len(grams) == max(0, len(units(text)) - length + 1)
                assert all(map(contains, grams))
                checked += len(grams)
    assert checked > 30_000


def test_hardly_any_stranger_is_found(index: StoredIndex, training: dict[str, list[Document]]) -> None:
    """Runs of other audiences and of other text: none in the exact sets, about one in a hundred elsewhere."""
    dice = random.Random(99)
    other = [text_of(d) for audience in ("staff", "admin", "nobody") for d in training[audience]]
    strangers = [*other, *(sentence(dice, 20) for _ in range(200))]
    grams = [gram for text in strangers for gram in runs(text, 20)]
    assert not any(map(index.exempt("public"), grams))
    seeds = [gram for text in strangers for gram in seeds_of(text)]
    assert len(index.seeds("public")(seeds)) < 0.03 * len(seeds)
    long = [gram for text in strangers for gram in runs(text, 32)]
    assert sum(map(index.levels("public")[-1][1], long)) < 0.03 * len(long)


def test_runs_cross_texts_of_a_document_and_not_documents(tmp_path: Path) -> None:
    """The texts of one document are one text; where one document ends and the next begins there is no run."""
    dice = random.Random(3)
    one, two, three = (sentence(dice, 8) for _ in range(3))
    index = make(
        tmp_path / "x.idx", [Document("a:1", (one, two), "staff"), Document("a:2", (three,), "staff")]
    )
    contains = index.exempt("staff")
    assert all(map(contains, runs(one + two, 20)))
    across = set(runs(two + three, 20)) - set(runs(two, 20)) - set(runs(three, 20))
    assert len(across) == 19
    assert not any(map(contains, across))


def test_each_place_names_its_document(index: StoredIndex, training: dict[str, list[Document]]) -> None:
    """Of every few neighbouring seeds at least one leads to the right document, at the right position."""
    for audience, documents in training.items():
        start = 0
        for document in documents:
            found = [start + offset in index.places(audience, gram)
                     for offset, gram in enumerate(runs(text_of(document), SEED))]  # fmt: skip
            assert all(any(found[at : at + WINDOW]) for at in range(max(0, len(found) - WINDOW + 1)))
            assert any(found) == bool(found)
            for offset in range(len(units(text_of(document)))):
                assert index.document_at(audience, start + offset) == document.id
            start += len(units(text_of(document)))


def test_the_manifest_counts(index: StoredIndex, folder: Path, training: dict[str, list[Document]]) -> None:
    """Documents, characters, bytes, units and files stand in the manifest, by audience and in all."""
    manifest = index.manifest
    every = [document for part in training.values() for document in part]
    assert manifest.documents == len(every)
    assert manifest.characters == sum(len(text) for document in every for text in document.texts)
    assert manifest.text_bytes == sum(len(text_of(document).encode()) for document in every)
    assert [counts.name for counts in manifest.audiences] == sorted(training)
    for counts in manifest.audiences:
        own = training[counts.name]
        assert counts.documents == len(own)
        assert counts.units == sum(len(units(text_of(document))) for document in own)
        assert counts.grams == len({gram for document in own for gram in runs(text_of(document), 20)})
    (part,) = parts_of(folder, manifest, GramKey(KEY))
    assert set(part.private().sources) == {document.id.rpartition(":")[0] for document in every}
    assert manifest.index_bytes == sum(
        path.stat().st_size for path in folder.iterdir() if path.name != "manifest.json"
    )


def test_documents_without_an_audience_have_the_default_one(tmp_path: Path) -> None:
    """They are nobody's, unless the options name another audience, and act where that audience acts."""
    text = sentence(random.Random(1), 30)
    index = make(tmp_path / "x.idx", [Document("a:1", (text,))])
    assert index.audiences == ("nobody",)
    assert index.levels("nobody")[-1][0] == 80
    index = make(
        tmp_path / "x.idx",
        [Document("a:1", (text,))],
        default_audience="vip",
        acts={"vip": 40},
        exempt_run=15,
    )
    assert index.audiences == ("vip",)
    assert [length for length, _ in index.levels("vip")] == [15, 40]
    assert all(map(index.exempt("vip"), runs(text, 15)))
    assert all(map(index.levels("vip")[-1][1], runs(text, 40)))


def test_names_with_colons_and_without_a_number(tmp_path: Path) -> None:
    """A source may hold colons; a record that has no number is 0."""
    dice = random.Random(8)
    texts = [sentence(dice) for _ in range(2)]
    index = make(tmp_path / "x.idx", [Document("a:b c.txt:17", (texts[0],)), Document("plain", (texts[1],))])
    assert index.document_at("nobody", 0) == "a:b c.txt:17"
    assert index.document_at("nobody", len(units(texts[0]))) == ":0"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="ab 退款é\u0301ＡßΩ1", max_size=60), min_size=1, max_size=4))
def test_odd_text_is_found_as_it_is_read(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Whatever the letters, the build and the stream cut the same runs."""
    index = make(tmp_path_factory.mktemp("odd") / "x.idx", [Document("a:1", tuple(texts), "staff")])
    text = "\n".join(texts)
    assert all(map(index.exempt("staff"), runs(text, 20)))
    assert len(index.seeds("staff")(seeds_of(text))) == len(seeds_of(text))


# --- house style, clusters, background ------------------------------------------------------------

PHRASE = "thank you for contacting our support team, we are always happy to help you with your order"


def chats(count: int, phrase: str, audience: str = "nobody", seed: int = 4) -> list[Document]:
    """Documents of their own that share a phrase."""
    dice = random.Random(seed)
    return [
        Document(f"chats.jsonl:{n}", (sentence(dice, 60), phrase, sentence(dice, 60)), audience)
        for n in range(1, count + 1)
    ]


def test_a_phrase_of_many_clusters_is_house_style(tmp_path: Path) -> None:
    """A phrase in 20 clusters of audience nobody is style; what surrounds it, and one in 19, is not."""
    style = make(tmp_path / "x.idx", chats(STYLE_CLUSTERS, PHRASE)).house_style()
    assert style is not None
    assert all(map(style, runs(PHRASE, 20)))
    assert not any(style(gram) for document in chats(5, "", seed=4) for gram in runs(document.texts[0], 20))
    assert make(tmp_path / "y.idx", chats(STYLE_CLUSTERS - 1, PHRASE)).house_style() is None


def test_a_record_repeated_a_hundred_times_is_no_style(tmp_path: Path) -> None:
    """Near-duplicates are one cluster: what was fed a hundred times is over-fitted, not style."""
    dice = random.Random(6)
    text = " ".join(sentence(dice, 40) for _ in range(3))
    repeated = [Document(f"chats.jsonl:{n}", (f"{text} {n}",)) for n in range(100, 200)]
    index = make(tmp_path / "x.idx", [*repeated, *chats(STYLE_CLUSTERS, PHRASE)])
    style = index.house_style()
    assert style is not None
    assert all(map(style, runs(PHRASE, 20)))
    assert not any(map(style, runs(text, 20)))
    assert index.manifest.audiences[0].clusters == STYLE_CLUSTERS + 1


def test_named_audiences_have_no_style(tmp_path: Path) -> None:
    """A phrase that many documents of staff share stays protected."""
    documents = [*chats(STYLE_CLUSTERS + 5, PHRASE, "staff"), *chats(3, "something else", "nobody", seed=9)]
    assert make(tmp_path / "x.idx", documents).house_style() is None


def test_clusters_are_counted(tmp_path: Path) -> None:
    """Ten documents of their own and ten copies of one are eleven clusters."""
    copies = [Document(f"b:{n}", chats(1, PHRASE, seed=12)[0].texts, "staff") for n in range(10)]
    index = make(tmp_path / "x.idx", [*chats(10, "", "staff"), *copies])
    assert index.manifest.audiences[0].clusters == 11


def test_a_common_seed_is_counted_and_found(tmp_path: Path) -> None:
    """A seed in more places than are kept still finds a document, and is told as common."""
    index = make(tmp_path / "x.idx", chats(MOST_PLACES + 10, PHRASE, "staff"))
    sampled = [places for gram in runs(PHRASE, SEED) if (places := index.places("staff", gram))]
    assert sampled
    assert {len(places) for places in sampled} == {MOST_PLACES}
    assert index.manifest.audiences[0].common_seeds >= len(sampled) // 2


def test_background_is_free_and_is_no_document(tmp_path: Path) -> None:
    """Runs of declared free text are known as such; without any there is no set at all."""
    dice = random.Random(2)
    free, other = sentence(dice, 20), sentence(dice, 20)
    documents = [Document("a:1", (other,), "staff")]
    folder = tmp_path / "x.idx"
    build_index(
        documents,
        folder,
        BuildOptions(KEY),
        background=[Document("free:1", (free,)), Document("free:2", ("x",))],
    )
    index = open_index(folder, KEY)
    contains = index.background()
    assert contains is not None
    assert all(map(contains, runs(free, 20)))
    assert not any(map(contains, runs(other, 20)))
    assert index.manifest.documents == 1
    assert make(folder, documents).background() is None


# --- how it is built ----------------------------------------------------------------------------------------


def files(manifest: Manifest) -> dict[str, object]:
    return {name: entry["sha256"] for name, entry in manifest.files.items()}


def test_two_workers_build_the_same_index(
    training: dict[str, list[Document]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work shared by two processes gives the same bytes."""
    every = [document for part in training.values() for document in part]
    monkeypatch.setattr("proxy.index.files.new_nonce", lambda: NONCE)
    one = build_index(every, tmp_path / "one.idx", BuildOptions(KEY))
    two = build_index(every, tmp_path / "two.idx", BuildOptions(KEY, workers=2))
    assert files(one) == files(two)
    assert one.audiences == two.audiences
    assert files(build_index(every, tmp_path / "x.idx", BuildOptions(KEY + "!"))) != files(one)


def leftovers(folder: Path) -> list[str]:
    """What a build left lying beside its index."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_a_build_that_fails_leaves_the_old_index(tmp_path: Path) -> None:
    """An exception in the middle changes nothing and leaves nothing behind."""
    folder = tmp_path / "x.idx"
    old = build_index(chats(3, PHRASE), folder, BuildOptions(KEY))

    def broken() -> Iterator[Document]:
        yield from chats(2, "")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        build_index(broken(), folder, BuildOptions(KEY))
    assert read_manifest(folder) == old
    assert leftovers(tmp_path) == []


def test_no_documents_is_an_error(tmp_path: Path) -> None:
    """An index of nothing would protect nothing: it is refused, and an old one stays."""
    with pytest.raises(ConfigError, match="no document to index"):
        build_index([], tmp_path / "x.idx", BuildOptions(KEY))
    assert not (tmp_path / "x.idx").exists()
    assert leftovers(tmp_path) == []


def test_an_index_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A new build takes the old one's place; who has the old one open goes on reading it."""
    folder = tmp_path / "x.idx"
    old = make(folder, chats(3, PHRASE))
    new = make(folder, [Document("b:1", ("Something else entirely, of no interest to anyone.",), "staff")])
    assert new.audiences == ("staff",)
    assert all(map(old.exempt("nobody"), runs(PHRASE, 20)))
    assert leftovers(tmp_path) == []


def test_a_second_build_of_the_same_index_is_refused(tmp_path: Path) -> None:
    """While one build writes an index another one of the same is told to wait, and the first succeeds."""
    folder = tmp_path / "x.idx"
    refused = []

    def documents() -> Iterator[Document]:
        yield from chats(2, PHRASE)
        with pytest.raises(ConfigError, match="another build is writing this index"):
            build_index(chats(1, ""), folder, BuildOptions(KEY))
        refused.append(True)

    build_index(documents(), folder, BuildOptions(KEY))
    assert refused
    assert read_manifest(folder).documents == 2
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_something_else_in_the_way_is_kept(tmp_path: Path, kind: str) -> None:
    """A file or a folder that is no index is not overwritten."""
    folder = tmp_path / "photos"
    if kind == "file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "cat.jpg").write_text("mine")
    with pytest.raises(ConfigError, match="exists and is not an index"):
        build_index(chats(1, ""), folder, BuildOptions(KEY))
    assert (folder if kind == "file" else folder / "cat.jpg").read_text() == "mine"


def test_an_empty_folder_and_a_missing_parent_will_do(tmp_path: Path) -> None:
    """The folder may be there when it is empty, and what leads to it is made."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a" / "b" / "x.idx"):
        build_index(chats(1, ""), folder, BuildOptions(KEY))
        assert read_manifest(folder).documents == 1


def test_stages_are_told(tmp_path: Path) -> None:
    """Whoever shows progress hears what is being done, audience by audience."""
    told: list[str] = []
    documents = [*chats(1, ""), *chats(1, "", "staff")]
    build_index(documents, tmp_path / "x.idx", BuildOptions(KEY), stage=told.append)
    assert told[0] == "reading"
    assert told[-1] == "done"
    assert [stage for stage in told if stage.startswith("indexing ") and "known" not in stage] == [
        "indexing nobody",
        "indexing staff",
    ]
