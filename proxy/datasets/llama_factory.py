"""LLaMA-Factory's ``dataset_info.json``: which sets there are, and how their columns are named.

The format is described in LLaMA-Factory's ``data/README.md``. May import: the ground floor and its
room. The rule that must stay true: nothing is fetched; a set that is not on this disk is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.datasets.forms import Form, Misfit
from proxy.datasets.json_pieces import Broken, parse
from proxy.datasets.leaves import ROLES, Tags
from proxy.errors import ConfigError

NAME = "dataset_info.json"

_REMOTE = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_COMMON = ("system", "tools")
_ANSWERS = ("chosen", "rejected")
_ROLE_TAGS = ("user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")


@dataclass(frozen=True, slots=True)
class Entry:
    """One set of the file: where its data is and how to read it, or ``fault``: why it is not read."""

    name: str
    path: Path | None = None
    form: Form | None = None
    fault: str = ""


def is_dataset_info(content: Any) -> bool:
    """Whether a JSON value describes sets as LLaMA-Factory does (others use the file's name too)."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(entry, dict) for entry in content.values())
        and any(key in entry for entry in content.values() for key in ("file_name", *_REMOTE))
    )


def load(path: Path) -> dict[str, Any] | None:
    """The content of a ``dataset_info.json``; None where it is not LLaMA-Factory's.

    Raises ``ConfigError`` where it cannot be read or is not JSON.
    """
    try:
        content = parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except Broken as fault:
        raise ConfigError(f"{path}:{fault.line + 1}: {fault.reason}") from None
    return content if is_dataset_info(content) else None


def entries(path: Path, name: str | None = None) -> list[Entry]:
    """The sets that ``path`` describes, or the one called ``name``.

    Raises ``ConfigError`` where the file is not LLaMA-Factory's or has no set of that name.
    """
    content = load(path)
    if content is None:
        raise ConfigError(f"{path}: describes no sets (LLaMA-Factory: name -> file_name, columns, ...)")
    if name is None:
        return [_entry(each, content[each], path.parent) for each in content]
    if name not in content:
        raise ConfigError(f"{path}: has no set called {name!r}; it has {', '.join(sorted(content))}")
    return [_entry(name, content[name], path.parent)]


def _entry(name: str, description: Mapping[str, Any], folder: Path) -> Entry:
    if remote := next((key for key in _REMOTE if description.get(key)), None):
        # LLaMA-Factory ignores file_name where one of these is given
        return Entry(
            name, fault=f"it is a remote set ({remote}), not on this disk: download it and name its file"
        )
    file_name = description.get("file_name")
    if not isinstance(file_name, str) or not file_name:
        return Entry(name, fault="it has no file_name")
    path = folder / file_name
    if not path.exists():
        return Entry(name, fault=f"its file {file_name} does not exist")
    formatting = description.get("formatting", "alpaca")
    if formatting not in ("alpaca", "sharegpt", "openai"):
        return Entry(name, fault="its formatting is neither alpaca, sharegpt nor openai")
    columns, tags = description.get("columns", {}), description.get("tags", {})
    if not _are_names(columns) or not _are_names(tags):
        return Entry(name, fault="its columns and tags must be objects of names")
    return Entry(name, path, _alpaca(columns) if formatting == "alpaca" else _chat(columns, tags, formatting))


def _are_names(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) for name in value.values() if name is not None
    )


def _alpaca(columns: Mapping[str, str | None]) -> Form:
    """As LLaMA-Factory has it: where columns are given, those that are not named are not read."""
    named = columns or _ALPACA
    order = (*_COMMON, "history", "prompt", "query", "response", *_ANSWERS)
    fields = tuple(column for key in order if (column := named.get(key)))
    needed = tuple(column for key in ("prompt", *_ANSWERS) if (column := named.get(key)))
    return Form(
        "dataset_info",
        "alpaca with named columns",
        fields,
        _needs(needed or fields),
        distinct=any(named.get(key) for key in _ANSWERS),
        as_json=(named.get("tools") or "tools",),
    )


def _chat(columns: Mapping[str, str | None], tags: Mapping[str, str | None], formatting: str) -> Form:
    role = tags.get("role_tag") or ("role" if formatting == "openai" else "from")
    content = tags.get("content_tag") or ("content" if formatting == "openai" else "value")
    messages = columns.get("messages") or ("messages" if formatting == "openai" else "conversations")
    roles = ROLES | {value for key in _ROLE_TAGS if (value := tags.get(key))}
    others = tuple(column for key in _COMMON if (column := columns.get(key)))
    answers = tuple(column for key in _ANSWERS if (column := columns.get(key)))

    def misfit(record: Mapping[str, Any]) -> str | None:
        turns = record.get(messages)
        if not isinstance(turns, list):
            return f"it has no list {messages!r}"
        spoken = all(isinstance(turn, dict) and (content in turn or "tool_calls" in turn) for turn in turns)
        return None if spoken else f"a message in {messages!r} has no {content!r}"

    return Form(
        "dataset_info",
        "messages with named columns",
        (*others, messages, *answers),
        misfit,
        Tags(tuple(dict.fromkeys((role, "role", "from"))), frozenset(roles)),
        distinct=bool(answers),
        as_json=(columns.get("tools") or "tools",),
    )


def _needs(columns: tuple[str, ...]) -> Misfit:
    def misfit(record: Mapping[str, Any]) -> str | None:
        missing = [column for column in columns if column not in record]
        return f"it has no {', '.join(repr(column) for column in missing)}" if missing else None

    return misfit
