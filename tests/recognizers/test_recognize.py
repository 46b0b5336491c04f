"""The room's door with the real models: what is found, where, and that nothing else changes it."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from proxy.recognizers import KINDS, Entity, Recognizers, open_recognizers

ENGLISH = (
    "Hello, my name is Margaret Thornton and I live at 48 Willow Lane, Springfield, IL 62704. "
    "I worked for Siemens in Munich until my colleague Oliver Brandt left."
)
CHINESE = "我叫陈建国，请把快递寄到上海市浦东新区张江路88号3号楼502室，我在阿里巴巴集团工作。"


def found(recognizers: Recognizers, text: str, kind: str) -> list[str]:
    """The texts of the entities of one kind."""
    (entities,) = recognizers.recognize([text])
    return [text[entity.start : entity.end] for entity in entities if entity.kind == kind]


def test_english_names_are_found_at_their_characters(recognizers: Recognizers) -> None:
    """People, an address and a company, each with exact offsets."""
    assert found(recognizers, ENGLISH, "person") == ["Margaret Thornton", "Oliver Brandt"]
    assert found(recognizers, ENGLISH, "address") == ["48 Willow Lane, Springfield, IL 62704"]
    assert found(recognizers, ENGLISH, "place") == ["Munich"]
    assert found(recognizers, ENGLISH, "organisation") == ["Siemens"]


def test_chinese_names_are_found_at_their_characters(recognizers: Recognizers) -> None:
    """The same in Chinese; an address is whole from the city to the room."""
    assert found(recognizers, CHINESE, "person") == ["陈建国"]
    assert found(recognizers, CHINESE, "address") == ["上海市浦东新区张江路88号3号楼502室"]
    assert found(recognizers, CHINESE, "organisation") == ["阿里巴巴集团"]


def test_small_letters_hide_no_name(recognizers: Recognizers) -> None:
    """A name typed in small letters is found."""
    assert found(recognizers, "my name is margaret thornton", "person") == ["margaret thornton"]


def test_full_width_digits_are_read(recognizers: Recognizers) -> None:
    """An address written in full-width forms is found whole, at its own characters."""
    assert found(recognizers, "地址：北京市海淀区中关村大街２７号，谢谢", "address") == [
        "北京市海淀区中关村大街２７号"
    ]


def test_traditional_characters_are_read(recognizers: Recognizers) -> None:
    """The network knows simplified characters; traditional ones are read as those."""
    text = "寄到臺北市信義區信義路五段7號89樓，收件人陳美玲。"
    assert found(recognizers, text, "person") == ["陳美玲"]
    assert "信義路五段7號89樓" in found(recognizers, text, "address")[0]


def test_mixed_text_is_read_in_both_languages(recognizers: Recognizers) -> None:
    """A Chinese sentence with an English name and an English one with a Chinese name."""
    text = "客户 Margaret Thornton 投诉了。\nPlease call 陈建国 or Oliver Brandt tomorrow."
    people = found(recognizers, text, "person")
    assert {"Margaret Thornton", "陈建国", "Oliver Brandt"} <= set(people)


def test_a_handle_and_a_common_word_are_no_names(recognizers: Recognizers) -> None:
    """Text without a name gives nothing."""
    assert recognizers.recognize(["How do I reset my password? The total is $40, due on Monday."]) == [[]]
    assert recognizers.recognize(["请问怎么修改密码？总共四十元。"]) == [[]]


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "😀😀", "\x00\x01\x02", "12345", "\ud800", "。。。", "a", "的"]
)
def test_text_without_words_gives_nothing(recognizers: Recognizers, text: str) -> None:
    """Empty text, blanks, emoji, control characters and lone surrogates are read without a fault."""
    assert recognizers.recognize([text]) == [[]]


def test_no_texts_give_no_lists(recognizers: Recognizers) -> None:
    """An empty batch is fine."""
    assert recognizers.recognize([]) == []


def test_control_characters_and_emoji_do_not_move_offsets(recognizers: Recognizers) -> None:
    """Offsets count the characters of the raw text, whatever stands before a name."""
    text = "😀\x00\x07\u200d👩‍💻\ud800 Hello, my name is Margaret Thornton 🎉. 我叫陈建国。"
    assert found(recognizers, text, "person") == ["Margaret Thornton", "陈建国"]


def test_names_late_in_a_long_text_are_found(recognizers: Recognizers) -> None:
    """A text of many windows gives every name in it, once, at its place."""
    filler = "The parcel was sent on Monday and should arrive by the end of the week. "
    text = filler * 20 + "It is for Margaret Thornton. " + filler * 20 + "Oliver Brandt signed for it."
    assert found(recognizers, text, "person") == ["Margaret Thornton", "Oliver Brandt"]


def test_a_name_at_every_place_of_a_window_edge_is_found(recognizers: Recognizers) -> None:
    """Without a sentence end to cut at, the overlap keeps a name whole wherever the cut falls."""
    words = "we talked about the old project and the new one and then "
    for shift in range(0, 60, 12):
        text = words * 6 + "x" * shift + " we met Margaret Thornton and " + words * 6
        assert "Margaret Thornton" in found(recognizers, text, "person"), shift


def test_a_text_of_a_hundred_thousand_characters_is_read(recognizers: Recognizers) -> None:
    """Length is no limit; here mostly without words, so that the test is quick."""
    text = "0 " * 49_900 + ENGLISH[:50] + "。" * 60 + CHINESE
    assert len(text) > 100_000 - 200
    assert found(recognizers, text, "person") == ["Margaret Thornton", "陈建国"]


def test_a_long_word_without_blanks_is_read(recognizers: Recognizers) -> None:
    """Text with more pieces than the network takes (dense signs) is read in parts."""
    text = "ab" + "!?" * 400 + " my name is Margaret Thornton"
    assert found(recognizers, text, "person") == ["Margaret Thornton"]


def test_what_is_read_together_changes_nothing(recognizers: Recognizers) -> None:
    """A text gives the same entities and scores alone, in a batch, and in another order."""
    texts = [
        ENGLISH,
        CHINESE,
        "",
        "Dear Mr. Brandt,\nthank you.\nMargaret",
        "张伟和李娜住在北京。",
        ENGLISH[:60],
        CHINESE[:12],
    ]
    alone = [recognizers.recognize([text])[0] for text in texts]
    assert recognizers.recognize(texts) == alone
    order = random.Random(3).sample(range(len(texts)), len(texts))
    assert recognizers.recognize([texts[n] for n in order]) == [alone[n] for n in order]


def test_the_same_text_gives_the_same_result_twice(recognizers: Recognizers) -> None:
    """Nothing is kept from one call to the next."""
    assert recognizers.recognize([ENGLISH + CHINESE]) == recognizers.recognize([ENGLISH + CHINESE])


def test_entities_are_in_order_and_of_a_known_kind(recognizers: Recognizers) -> None:
    """Text order, no overlap within a kind, scores between 0 and 1."""
    (entities,) = recognizers.recognize([ENGLISH + "\n" + CHINESE])
    assert entities == sorted(entities, key=lambda e: (e.start, e.end))
    assert all(isinstance(one, Entity) and one.kind in KINDS and 0 < one.score <= 1 for one in entities)
    for kind in KINDS:
        spans = [(one.start, one.end) for one in entities if one.kind == kind]
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_one_language_alone_reads_that_language() -> None:
    """Opened for Chinese only, English names are not looked for."""
    chinese = open_recognizers(("zh",), threads=1, gpu=False)
    (entities,) = chinese.recognize([ENGLISH + CHINESE])
    assert entities
    assert all(entity.start >= len(ENGLISH) for entity in entities)
