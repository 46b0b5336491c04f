"""YAML text as a tree that remembers its lines; nothing is built but text, numbers, lists, mappings.

May import: ``proxy.errors``. The rule that must stay true: any text gives a tree or a ``ConfigError``.

The tree is composed from PyYAML's events and never constructed: tags cannot make objects, aliases
(which can make cycles and billions of nodes) are refused, and so is deep nesting. YAML 1.1 reads a
bare ``no`` as false and ``1:30`` as 90; such values keep their spelling, so that a fault can say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from proxy.errors import ConfigError

LONGEST = 262_144
"""Characters of policy text that are read at most."""

DEEPEST = 16

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,8})")
_PREFIX = "tag:yaml.org,2002:"
_PLAIN_NAME = re.compile(r"\*|[\w-]+")
_WORDS = {"timestamp": "str", "value": "str"}  # implicit YAML 1.1 tags that a policy takes as text


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar: ``value`` is text, a whole number, a truth value or None; else ``unread`` says why."""

    line: int
    value: str | int | bool | None
    spelling: str
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    line: int
    members: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    line: int
    members: Mapping[str, tuple[int, Tree]]
    """Key to the line of the key and what stands behind it."""


Tree = Leaf | Items | Fields


@dataclass(slots=True)
class Faults:
    """Everything that is wrong with one file, gathered so that a person sees it all at once."""

    source: str
    found: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, line: int, path: str, message: str) -> None:
        """Note a fault at a line (counted from 1) and a path such as ``roles.public.hold``."""
        self.found.append((line, path, message))

    def touch(self, *sections: str) -> bool:
        """Whether any fault lies in one of these top-level sections."""
        return any(re.split(r"[.\[]", path, maxsplit=1)[0] in sections for _, path, _ in self.found)

    def stop(self) -> None:
        """Raise all faults as one ``ConfigError``, in the order of their lines; none: do nothing."""
        if self.found:
            ordered = sorted(self.found, key=lambda fault: fault[0])
            raise ConfigError(*(f"{self.source}:{line}: {path}: {text}" for line, path, text in ordered))


def shown(text: str) -> str:
    """A value of the policy as a message shows it: quoted, on one line, not too long."""
    cut = text if len(text) <= 60 else text[:57] + "..."
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + '"'


def inside(path: str, key: str) -> str:
    """The path of a key: ``roles.public``; a key that is no plain name is quoted in brackets."""
    if not _PLAIN_NAME.fullmatch(key):
        return f"{path}[{shown(key)}]"
    return f"{path}.{key}" if path else key


class _Refused(yaml.MarkedYAMLError):
    """YAML that is well formed but has no place in a policy."""


class _Loader(yaml.SafeLoader):
    """Composes nodes only; refuses aliases, anchors and deep nesting before they cost anything."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = cast(Any, self).peek_event()
        if getattr(event, "anchor", None):
            raise _Refused(
                problem='anchors and aliases are not read; a value that starts with "*" or "&" needs quotes',
                problem_mark=event.start_mark,
            )
        if self.depth >= DEEPEST:
            raise _Refused(problem="nested too deeply", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read(text: str, faults: Faults) -> Tree:
    """The tree of one YAML document. Raises ``ConfigError`` (with line and column) where it is none."""
    if len(text) > LONGEST:
        raise ConfigError(f"{faults.source}: {len(text)} characters; a policy has at most {LONGEST}")
    try:
        node = _composed(text)
    except yaml.reader.ReaderError as error:
        line, column = _place(text, error.position)
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise ConfigError(f"{faults.source}:{line}:{column}: {message}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_malformed(faults.source, error)) from None
    except (ValueError, OverflowError):  # an escape beyond Unicode, a directive of thousands of digits
        raise ConfigError(f"{faults.source}: not valid YAML: a number in it is out of range") from None
    if node is None:
        raise ConfigError(f"{faults.source}: the file is empty; a policy begins with `version: 1`")
    return _tree(node, "", faults)


def _composed(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _malformed(source: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    problem = error.problem or error.context or "it cannot be read"
    if isinstance(error, _Refused):
        return f"{where}: {problem}"
    hint = '; a value that starts with "*" needs quotes' if "alias" in (error.context or "") else ""
    return f"{where}: not valid YAML: {problem}{hint}"


def _tree(node: Node, path: str, faults: Faults) -> Tree:
    line = node.start_mark.line + 1
    tag = node.tag.removeprefix(_PREFIX)
    if isinstance(node, MappingNode):
        _expect_tag(tag, "map", line, path, faults)
        return Fields(line, _fields(node, path, faults))
    if isinstance(node, SequenceNode):
        _expect_tag(tag, "seq", line, path, faults)
        members: Sequence[Node] = node.value
        return Items(line, tuple(_tree(each, f"{path}[{n}]", faults) for n, each in enumerate(members)))
    assert isinstance(node, ScalarNode)
    return _leaf(line, tag, node.value)


def _expect_tag(tag: str, wanted: str, line: int, path: str, faults: Faults) -> None:
    if tag != wanted:
        faults.add(line, path or "the file", f"the tag {shown(tag)} is not read; a policy has no tags")


def _fields(node: MappingNode, path: str, faults: Faults) -> dict[str, tuple[int, Tree]]:
    members: dict[str, tuple[int, Tree]] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            faults.add(line, path or "the file", "a key must be text, not a list or a mapping")
            continue
        key = _leaf(line, key_node.tag.removeprefix(_PREFIX), key_node.value)
        where = inside(path, key.spelling)
        value = _tree(value_node, where, faults)
        if not isinstance(key.value, str):
            reason = key.unread or f"a key must be text; YAML reads {shown(key.spelling)} as something else"
            faults.add(line, where, f"{reason}; put it in quotes")
        elif key.value in members:
            faults.add(
                line, where, f"this key stands here twice; the first is in line {members[key.value][0]}"
            )
        else:
            members[key.value] = (line, value)
    return members


def _leaf(line: int, tag: str, spelling: str) -> Leaf:
    kind = _WORDS.get(tag, tag)
    if kind == "str":
        return Leaf(line, spelling, spelling)
    if kind == "null":
        return Leaf(line, None, spelling)
    if kind == "bool" and spelling.lower() in {"yes", "true", "on", "no", "false", "off"}:
        return Leaf(line, spelling.lower() in {"yes", "true", "on"}, spelling)
    if kind == "int" and _WHOLE.fullmatch(spelling):
        return Leaf(line, int(spelling), spelling)
    if kind in {"int", "float", "bool"}:
        return Leaf(line, None, spelling, f"YAML reads {shown(spelling)} as a number or a truth value")
    if kind == "merge":
        return Leaf(line, None, spelling, "merge keys are not read")
    return Leaf(line, None, spelling, f"the tag {shown(tag)} is not read; a policy has no tags")
