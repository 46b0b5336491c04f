"""Rules over the words of a Chinese sentence, without the network."""

from __future__ import annotations

from proxy.recognizers.chinese_rules import Token, entities_of


def read(words: str) -> list[tuple[str, str]]:
    """The kind and text of what is found in words written as ``word/tag word/tag``."""
    text, tokens = "", list[Token]()
    for item in words.split(" "):
        word, _, tag = item.rpartition("/")
        tokens.append(Token(tag, len(text), len(text) + len(word)))
        text += word
    return [(entity.kind, text[entity.start : entity.end]) for entity in entities_of(text, tokens)]


def test_parts_from_city_to_room_are_one_address() -> None:
    """Places side by side with a house number make one address."""
    assert read("寄/v 到/v 上海市/LOC 浦东新区/LOC 张江路88弄/LOC 3号楼502室/m") == [
        ("address", "上海市浦东新区张江路88弄3号楼502室")
    ]


def test_a_road_cut_into_common_words_is_put_together() -> None:
    """A road name the network took for common words belongs to the address when a number follows."""
    assert read("云南省/LOC 武汉市/LOC 文化/n 路/n 529号/m") == [("address", "云南省武汉市文化路529号")]


def test_a_bare_number_after_a_building_is_a_room() -> None:
    """17栋1284 goes on to the room; a price or a year after a house does not."""
    assert read("南京路8号/LOC 阳光花园17栋/LOC 1284/m") == [("address", "南京路8号阳光花园17栋1284")]
    assert read("住/v 南京路8号/LOC 300元/m") == [("address", "南京路8号")]


def test_places_without_a_house_stay_places() -> None:
    """Cities in a list are places."""
    assert read("北京/LOC ,/w 上海/ns 和/c 广州/LOC") == [
        ("place", "北京"),
        ("place", "上海"),
        ("place", "广州"),
    ]


def test_a_name_loses_its_title() -> None:
    """张伟先生 is 张伟; a surname with a title names nobody."""
    assert read("张伟先生/PER 和/c 王老师/PER") == [("person", "张伟")]


def test_a_form_announces_a_name() -> None:
    """After 姓名 a surname and given name is a name, though the network saw none."""
    assert read("姓名/n :/w 常/d 超红/n ,/w 男/a") == [("person", "常超红")]


def test_a_cue_without_a_name_gives_nothing() -> None:
    """我叫 followed by common words is no name."""
    assert read("我/r 叫/v 不/d 醒/v 他/r") == []


def test_a_common_word_tagged_as_a_name_needs_a_surname() -> None:
    """The tag nr alone is weak: it counts with a surname or the dot of a foreign name."""
    assert read("树木/nr 和/c 张敏/nr 和/c 尼古拉·哥白尼/nr") == [
        ("person", "张敏"),
        ("person", "尼古拉·哥白尼"),
    ]


def test_latin_letters_are_left_to_the_english_reader() -> None:
    """A Latin word that the Chinese network tags is not its to report."""
    assert read("MALL/nr 和/c iPad/ORG") == []


def test_an_organisation_keeps_its_span() -> None:
    """ORG and nt are organisations."""
    assert read("在/p 腾讯公司/ORG 工作/v") == [("organisation", "腾讯公司")]
