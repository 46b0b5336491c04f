"""proxy/recognizers/sentences.py: the names of one sentence, as a detector takes them."""

from __future__ import annotations

from proxy.recognizers.sentences import sentence_reader


def test_names_of_a_sentence() -> None:
    """Kind, offsets and score of each name, in both languages."""
    read = sentence_reader(gpu=False)
    text = "I spoke to Margaret Thornton."
    ((entity, start, end, score),) = read(text)
    assert (entity, text[start:end]) == ("person", "Margaret Thornton")
    assert 0 < score <= 1
    assert [(entity, start, end) for entity, start, end, _ in read("我叫陈建国。")] == [("person", 2, 5)]
    assert read("") == []
