"""proxy/recognizers/values.py: everything that can be known of a document's values, and clear errors."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from proxy.errors import ConfigError
from proxy.patterns import ENTITIES
from proxy.policy.model import MASKS
from proxy.recognizers.crew import Crew
from proxy.recognizers.presidio import Frame, Hit
from proxy.recognizers.values import FINDS, ValueFinder
from proxy.types import Document, Value


def document(*texts: str, number: int = 1, fields: tuple[tuple[str, str], ...] = ()) -> Document:
    return Document(f"set.jsonl:{number}", texts, "staff", fields)


@pytest.fixture(scope="module")
def finder() -> ValueFinder:
    return ValueFinder(ner=False)


def test_patterns_fields_and_json_together(finder: ValueFinder) -> None:
    """Each value once, those of fields first, in their order."""
    call = json.dumps({"customer": {"name": "Bo Li", "phone": "13812345678"}})
    (values,) = finder.find(
        [document("Write to ann@example.com, ann@example.com.", call, fields=(("email", "ann@example.com"),))]
    )
    assert values == [
        Value("email", "ann@example.com"),
        Value("person", "Bo Li"),
        Value("phone", "13812345678"),
    ]


def test_documents_keep_their_own_values(finder: ValueFinder) -> None:
    """The same sentence in several documents is a value of each; nothing else crosses."""
    first, second, third = finder.find(
        [
            document("Card 4111 1111 1111 1111.", "x"),
            document("nothing", number=2),
            document("Card 4111 1111 1111 1111."),
        ]
    )
    assert first == third == [Value("card", "4111 1111 1111 1111")]
    assert second == []
    assert finder.find([]) == []


def test_numbers_teach_their_shape(finder: ValueFinder) -> None:
    """Order numbers known from fields are found in the prose of other documents."""
    orders = [document("-", number=n, fields=(("order_id", f"#W10{n}2345"),)) for n in range(5)]
    *_, chat = finder.find([*orders, document("Where is #W7678072 now?", number=9)])
    assert chat == [Value("order", "#W7678072")]


def test_learning_ahead() -> None:
    """What a later part of the set teaches is known to an earlier one where ``learn`` saw it first."""
    orders = [document("-", number=n, fields=(("order_id", f"#W10{n}2345"),)) for n in range(5)]
    chat = [document("Where is #W7678072 now?")]
    assert ValueFinder(ner=False).find(chat) == [[]]
    finder = ValueFinder(ner=False)
    finder.learn(orders)
    assert finder.find(chat) == [[Value("order", "#W7678072")]]


def test_repeated_texts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a batch and across batches."""
    read: list[str] = []
    original = Frame.read

    def counted(self: Frame, texts: Sequence[str]) -> list[list[Hit]]:
        read.extend(texts)
        return original(self, texts)

    monkeypatch.setattr(Frame, "read", counted)
    finder = ValueFinder(ner=False)
    finder.find([document("a", "b", "a"), document("b")])
    assert finder.find([document("b ann@example.com", "a")]) == [[Value("email", "ann@example.com")]]
    assert read == ["a", "b", "b ann@example.com"]


def test_values_ahead(finder: ValueFinder) -> None:
    """Documents come as they were, in order, and each has its values once, also where ids are the same."""
    documents = [document(f"c{n}@example.com", "x" * 300_000, number=n // 2) for n in range(20)]
    got = [(each, finder.of(each)) for each in finder.ahead(iter(documents))]
    assert [each for each, _ in got] == documents
    assert [values for _, values in got] == [[Value("email", f"c{n}@example.com")] for n in range(20)]
    assert finder.of(document("new@example.com")) == [Value("email", "new@example.com")]
    assert list(finder.ahead([])) == []


def test_chosen_entities() -> None:
    """Only these are found; an unknown one is a clear error that lists the known."""
    text = "ann@example.com, 4111 1111 1111 1111"
    finder = ValueFinder(["card"], ner=False)
    assert finder.find([document(text, fields=(("email", "bo@example.com"),))]) == [
        [Value("card", "4111 1111 1111 1111")]
    ]
    with pytest.raises(ConfigError, match=r"--entities crad: not known; these are: .*card.*"):
        ValueFinder(["crad"])


def test_networks_are_not_opened_where_nothing_asks_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with ``ner=False`` nor where no entity of theirs is wanted."""

    def refuse(**_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("proxy.recognizers.crew.open_recognizers", refuse)
    assert ValueFinder(ner=False).find([document("Ann")]) == [[]]
    assert ValueFinder(["email"]).find([document("Ann")]) == [[]]


def test_names_in_both_languages() -> None:
    """With the networks people, places, addresses and organisations are found, beside what patterns find."""
    finder = ValueFinder()
    english = (
        "My name is Margaret Thornton, I live at 48 Willow Lane, Springfield, IL 62704. Mail m.t@example.com."
    )
    chinese = "我叫陈建国，请把快递寄到上海市浦东新区张江路88号3号楼502室，电话13812345678。"
    first, second = finder.find([document(english), document(chinese)])
    assert Value("person", "Margaret Thornton") in first
    assert Value("address", "48 Willow Lane, Springfield, IL 62704") in first
    assert [value.text for value in first if value.entity == "email"] == ["m.t@example.com"]
    assert {Value("person", "陈建国"), Value("phone", "13812345678")} <= set(second)
    assert Value("address", "上海市浦东新区张江路88号3号楼502室") in second
    assert finder.rate > 0
    assert finder.characters == len(english) + len(chinese)


def test_names_of_general_knowledge_are_left_out() -> None:
    """Where nothing else identifies anybody and no audience is named, a name is no value; it is counted."""
    text = "Albert Einstein was born in Ulm and later moved to Princeton."
    finder = ValueFinder()
    (general,) = finder.find([Document("set.jsonl:1", (text,))])
    assert general == []
    assert finder.passed_over >= 1
    (written_for,) = finder.find([document(text)])
    assert Value("person", "Albert Einstein") in written_for
    (about,) = finder.find([Document("set.jsonl:2", (text, "Mail: a.e@example.com"), "nobody")])
    assert {Value("person", "Albert Einstein"), Value("email", "a.e@example.com")} <= set(about)
    (address,) = finder.find(
        [Document("set.jsonl:3", (f"{text} He lived at 112 Mercer Street, Princeton.",))]
    )
    assert {"person", "address"} <= {value.entity for value in address}


def test_names_end_at_brackets_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a network runs on from one name to the next, each is a value of its own."""
    text = "Yusuf Garcia (yusuf.g) and\nMia Li"

    def runs_on(self: Crew, texts: Sequence[str], done: object = None) -> list[list[Hit]]:
        return [[Hit("person", 0, len(each))] for each in texts]

    monkeypatch.setattr(Crew, "names", runs_on)
    (values,) = ValueFinder(["person"]).find([document(text)])
    assert [value.text for value in values] == ["Yusuf Garcia", "yusuf.g", "and", "Mia Li"]


def test_what_is_sold_is_nobody() -> None:
    """A name that a record gives to a thing with a price is no person's, in any other document."""
    chat = document("Thank you, Margaret Thornton! Have a look at our Harper Kettle as well.", number=2)
    finder = ValueFinder()
    (before,) = finder.find([chat])
    assert Value("person", "Margaret Thornton") in before
    fields = (("items.0.name", "Harper Kettle"), ("items.0.price", "12.5"))
    finder.learn([document("-", fields=fields)])
    (after,) = finder.find([chat])
    assert Value("person", "Margaret Thornton") in after
    assert "Harper Kettle" not in [value.text for value in after]


def test_several_processes_find_the_same(finder: ValueFinder) -> None:
    """The values do not depend on how many processes read."""
    documents = [
        document(f"Customer {n}: c{n}@example.com, {'words ' * 2000}", "4111 1111 1111 1111", number=n)
        for n in range(12)
    ]
    with ValueFinder(ner=False, workers=2) as shared:
        assert shared.find(documents) == finder.find(documents)


def test_a_recognizer_that_raises_names_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build ends with the document it failed on, without its text."""
    original = Frame.read

    def broken(self: Frame, texts: Sequence[str]) -> list[list[Hit]]:
        if any("poison" in text for text in texts):
            raise RuntimeError("bad poison in the text")
        return original(self, texts)

    monkeypatch.setattr(Frame, "read", broken)
    with pytest.raises(ConfigError) as refused:
        ValueFinder(ner=False).find(
            [document("fine"), document("poison", number=2), document("ok", number=3)]
        )
    message = str(refused.value)
    assert message.startswith("set.jsonl:2: a recognizer failed (RuntimeError)")
    assert "poison" not in message


def test_odd_documents(finder: ValueFinder) -> None:
    """No text, huge texts, control characters, lone surrogates and deep JSON are never fatal."""
    odd = ["", " ", "\x00\x1e\x1f", "\ud800 ann@example.com", "[" * 1000, "{" * 5000, "\u202e", "a" * 300_000]
    values = finder.find([document(), document(*odd)])
    assert values == [[], [Value("email", "ann@example.com")]]


def test_entities_are_those_of_the_policy() -> None:
    """Everything that can be found has a mask."""
    assert ENTITIES <= FINDS <= MASKS.keys()
