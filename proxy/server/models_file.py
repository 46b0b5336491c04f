"""The file of ``serve --upstreams``: which servers answer for which model, and for whom.

::

    version: 1
    models:
      support-7b:
        servers:
          - {url: http://10.0.0.5:8000/v1, key: VLLM_KEY, weight: 3}
          - {url: http://10.0.0.6:8000/v1, model: support-7b-lora}
          - {kind: litellm, model: anthropic/claude-x, key: ANTHROPIC_API_KEY, weight: 0}
        aliases: [gpt-4o]
        roles: [public, staff]
    default: {url: http://10.0.0.7:8000/v1}

May import: ``proxy.policy``'s reader, ``proxy.upstreams``. The rules that must stay true: all faults of a
file are found in one reading; the file holds no key, only the name of the variable that does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.errors import ConfigError
from proxy.policy.cursor import Cursor
from proxy.policy.tree import Faults, read, shown
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.router import Client, Route, Router, Server

_LONGEST = 1_000_000
_SECONDS = ("connect", "first_byte", "idle")
_SERVER = ("url", "key", "kind", "model", "weight", *_SECONDS)
_KINDS = ("openai", "litellm")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NOWHERE = "http://127.0.0.1:9/v1"
"""Stands in where a fault has been found; it is never asked."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What every server of a file is made with."""

    environment: Mapping[str, str]
    headers: Mapping[str, str]


def open_models(
    path: Path,
    environment: Mapping[str, str],
    roles: Collection[str],
    headers: Mapping[str, str] | None = None,
) -> Router:
    """Read the router of a file. ``roles``: those of the policy. ``headers`` go out with each request.

    Raises ConfigError with every fault.
    """
    try:
        text = path.read_bytes()[: 4 * _LONGEST].decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save the file as UTF-8") from None
    return parse_models(text, str(path), environment, roles, headers)


def parse_models(
    text: str,
    source: str,
    environment: Mapping[str, str],
    roles: Collection[str],
    headers: Mapping[str, str] | None = None,
) -> Router:
    """Check the text of a file of models. Raises ConfigError with every fault and its place."""
    if not text.strip():
        raise ConfigError(f"{source}: the file is empty; it begins with `version: 1`, then `models:`")
    faults = Faults(source)
    root = Cursor(read(text, faults), "", 1, faults)
    top = root.fields(("version", "models", "default"), required=("version",))
    if "version" in top and (number := top["version"].number(1, 1_000_000)) not in (None, 1):
        top["version"].fault(f"version {number} is not known; this program reads version 1")
    if not {"models", "default"} & set(top):
        root.fault("names no model: give `models`, `default`, or both")
    reading = _Reading(environment, headers or {})
    routes: dict[str, Route] = {}
    names: dict[str, str] = {}
    for name, entry in top["models"].entries("a mapping of models") if "models" in top else []:
        routes[name] = _route(name, entry, reading, roles)
        for each, at in ((name, entry), *((alias, entry) for alias in routes[name].aliases)):
            if each in names:
                at.fault(f"{shown(each)} is already a name of {shown(names[each])}")
            names[each] = name
    default = _server(top["default"], reading, None) if "default" in top else None
    faults.stop()
    return Router(routes, default)


def _route(name: str, here: Cursor, reading: _Reading, roles: Collection[str]) -> Route:
    at = here.fields(("servers", "aliases", "roles"), required=("servers",))
    places = at["servers"].items("a list of servers") if "servers" in at else []
    servers = [_server(each, reading, name) for each in places]
    if servers and not any(server.weight for server in servers):
        at["servers"].fault("every weight is 0, so no server would be asked first")
    allowed = None
    if "roles" in at:
        allowed = frozenset(at["roles"].choices(roles, "role of the policy"))
    aliases = tuple(at["aliases"].choices(None, "name")) if "aliases" in at else ()
    return Route(tuple(servers), aliases, allowed)


def _server(here: Cursor, reading: _Reading, name: str | None) -> Server:
    at = here.fields(_SERVER)
    kind = (at["kind"].choice(_KINDS, "kind") if "kind" in at else None) or "openai"
    model = at["model"].text(256) if "model" in at else None
    weight = at["weight"].number(0, 1000) if "weight" in at else None
    url = at["url"].text(2000) if "url" in at else None
    key = _key(at["key"], reading.environment) if "key" in at else None
    seconds = {each: value for each in _SECONDS if each in at and (value := at[each].number(1, 86_400))}
    if kind == "openai" and "url" not in at:
        here.fault("is missing `url`, the base URL as an OpenAI client would write it")
    if kind == "litellm" and model is None:
        here.fault("is missing `model`, as litellm spells it: provider/name")
    if kind == "litellm" and "connect" in seconds:
        at["connect"].fault("is not known for kind litellm; use first_byte")
    waits: dict[str, Any] = {each: float(value) for each, value in seconds.items()}
    if kind == "openai":
        waits["headers"] = reading.headers
    client = _client(here, kind, url, key, model, waits) if "url" in at or model else None
    return Server(
        client or OpenAIUpstream(_NOWHERE),
        model if kind == "openai" else None,
        1 if weight is None else weight,
        client.name if isinstance(client, OpenAIUpstream) else (model or ""),
    )


def _client(
    here: Cursor, kind: str, url: str | None, key: str | None, model: str | None, waits: dict[str, Any]
) -> Client | None:
    try:
        if kind == "litellm":
            from proxy.upstreams.litellm import LiteLLMUpstream  # imports a large library

            waits.pop("connect", None)  # a fault, and noted
            return LiteLLMUpstream(model or "", key=key, base_url=url, **waits)
        return OpenAIUpstream(url or "", key=key, **waits)
    except ConfigError as error:
        here.fault("; ".join(error.faults))
        return None


def _key(here: Cursor, environment: Mapping[str, str]) -> str | None:
    """The key that a variable holds. The name of the variable stands in the file; a key never does."""
    name = here.text(128, secret=True)
    if name is None:
        return None
    value = environment.get(name, "").strip() if _VARIABLE.fullmatch(name) else ""
    if not value:  # what stands here is not shown: it may be a key
        here.fault("must name an environment variable that is set; a key itself never stands in this file")
        return None
    return value
