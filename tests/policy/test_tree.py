"""proxy/policy/tree.py: YAML as a tree with lines."""

from __future__ import annotations

import pytest

from proxy.errors import ConfigError
from proxy.policy.tree import LONGEST, Faults, Fields, Items, Leaf, inside, read, shown


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(text, Faults("p.yaml"))
    (fault,) = error.value.faults
    return fault


def noted(text: str) -> list[tuple[int, str, str]]:
    faults = Faults("p.yaml")
    read(text, faults)
    return faults.found


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [b", "p.yaml:1:6: not valid YAML: "),
        ("a: b\n c: d", "p.yaml:2:3: not valid YAML: "),
        ("a: 'b", "p.yaml:1:6: not valid YAML: "),
        ("a:\n\t- b", "p.yaml:2:1: not valid YAML: "),
        ("a: 1\n---\nb: 2", "p.yaml:2:1: not valid YAML: "),
        ("a: b\nc: \x07", "p.yaml:2:4: character U+0007 is not allowed"),
        ("a: \ud800", "p.yaml:1:4: character U+D800 is not allowed"),
    ],
)
def test_malformed_yaml_has_line_and_column(text: str, where: str) -> None:
    """Text that is no YAML is refused at the place where the reader gave up."""
    assert refused(text).startswith(where)


def test_an_empty_file_is_refused() -> None:
    """A file with nothing in it says how a policy begins."""
    for text in ("", "   \n", "# only words\n"):
        assert "the file is empty" in refused(text)


def test_aliases_are_refused_before_they_cost_anything() -> None:
    """Anchors and aliases, whole bombs of them and cycles, are refused at the first."""
    bomb = "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(40))
    assert refused(bomb).startswith("p.yaml:1:4: anchors and aliases are not read")
    assert refused("&a [*a]").startswith("p.yaml:1:1: anchors")
    assert refused("a: *x").startswith("p.yaml:1:4: anchors")


def test_an_unquoted_star_gets_a_hint() -> None:
    """`*/email` without quotes, the likely slip, says that it needs them."""
    assert 'a value that starts with "*" needs quotes' in refused("finding: */email")
    assert 'starts with "*"' in refused("finding: *email")


def test_deep_nesting_is_refused() -> None:
    """A thousand brackets end in a fault, not in a crash."""
    assert "nested too deeply" in refused("[" * 1000)
    assert "nested too deeply" in refused("".join(" " * n + "a:\n" for n in range(30)))


@pytest.mark.parametrize("escape", ["\\U00110000", "\\UFFFFFFFF"])
def test_an_escape_beyond_unicode_is_refused(escape: str) -> None:
    """An escape that is no character is a fault."""
    assert "out of range" in refused(f'a: "{escape}"')


def test_a_long_file_is_refused() -> None:
    """What is too long to be a policy is not parsed."""
    assert "has at most" in refused("#" * (LONGEST + 1))


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("abc", "abc"),
        ("'5'", "5"),
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("yes", True),
        ("Off", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("2026-01-02", "2026-01-02"),
        ("=", "="),
        ("!!str 5", "5"),
    ],
)
def test_scalars(spelling: str, value: object) -> None:
    """A scalar is text, a whole number, a truth value or nothing, and keeps its line."""
    tree = read(f"\na: {spelling}", Faults("p"))
    assert isinstance(tree, Fields)
    line, leaf = tree.members["a"]
    assert isinstance(leaf, Leaf)
    assert (line, leaf.value, leaf.unread) == (2, value, "")
    assert type(leaf.value) is type(value)


@pytest.mark.parametrize(
    "spelling", ["0x20", "010", "1_000", "1:30", "1.5", ".inf", "1e3", "12345678901", "0b_"]
)
def test_numbers_in_other_spellings_are_not_guessed(spelling: str) -> None:
    """A number that is not plain digits has no value but says what YAML makes of it."""
    tree = read(f"- {spelling}", Faults("p"))
    assert isinstance(tree, Items)
    leaf = tree.members[0]
    assert isinstance(leaf, Leaf)
    assert (leaf.value, leaf.spelling) in ((None, spelling), (spelling, spelling))
    assert bool(leaf.unread) is (leaf.value is None)


@pytest.mark.parametrize("text", ["!!python/object:os.system 'x'", "!mine x", "!!binary aGk=", "!!int x"])
def test_tags_make_nothing(text: str) -> None:
    """A tag is never constructed: the scalar has no value and says why."""
    tree = read(f"- {text}", Faults("p"))
    assert isinstance(tree, Items)
    leaf = tree.members[0]
    assert isinstance(leaf, Leaf)
    assert leaf.value is None
    assert leaf.unread


@pytest.mark.parametrize(
    ("text", "path"), [("a: !!set {b: }", "a"), ("a: !x [b]", "a"), ("!x {a: b}", "the file")]
)
def test_tags_on_lists_and_mappings_are_faults(text: str, path: str) -> None:
    """A tag on a list or a mapping is noted at its place."""
    assert [(1, path)] == [(line, where) for line, where, message in noted(text) if "no tags" in message]


def test_a_key_written_twice_is_a_fault() -> None:
    """The second of two equal keys is named, with the line of the first, at any depth."""
    assert noted("a: 1\nb: {c: 1, c: 2}\na: 2") == [
        (2, "b.c", "this key stands here twice; the first is in line 2"),
        (3, "a", "this key stands here twice; the first is in line 1"),
    ]
    assert [path for _, path, _ in noted("x: [{c: 1, c: 2}]")] == ["x[0].c"]


@pytest.mark.parametrize("key", ["no", "1", "~", "1.5", "<<"])
def test_a_key_that_is_not_text_is_a_fault(key: str) -> None:
    """A key that YAML reads as something else says that it needs quotes."""
    ((line, _, message),) = noted(f"\n{key}: {{a: b}}")
    assert line == 2
    assert "put it in quotes" in message


def test_a_key_that_is_a_list_is_a_fault() -> None:
    """Keys are single words."""
    ((_, path, message),) = noted("a: {? [b] : c}")
    assert path == "a"
    assert "a key must be text" in message


def test_paths() -> None:
    """Plain keys are joined by dots; others stand in brackets and cannot break a line."""
    assert inside("", "a") == "a"
    assert inside("a", "b-c") == "a.b-c"
    assert inside("a", "b\nc.d") == 'a["b\\nc.d"]'
    assert shown("x" * 100) == '"' + "x" * 57 + '..."'


def test_faults_stop_sorted_and_only_if_any() -> None:
    """No fault, no error; else one error with all of them in the order of lines."""
    faults = Faults("p")
    faults.stop()
    faults.add(9, "b.c", "late")
    faults.add(2, "a[0]", "early")
    with pytest.raises(ConfigError) as error:
        faults.stop()
    assert list(error.value.faults) == ["p:2: a[0]: early", "p:9: b.c: late"]
    assert faults.touch("a")
    assert faults.touch("x", "b")
    assert not faults.touch("c")
