"""A small sound policy, and what a change to it is refused for."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from proxy.errors import ConfigError
from proxy.policy import Policy, parse_policy

SMALL: dict[str, Any] = {
    "version": 1,
    "audiences": ["open", "team", "nobody"],
    "thresholds": {"default": {"act": 40, "budget": 10, "cover": 50}, "nobody": {"act": 80}},
    "roles": {
        "guest": {"clearance": ["open"]},
        "member": {"clearance": ["open", "team"]},
    },
    "rules": [
        {"id": "own", "finding": "memorised/passage", "audience": ["team"], "action": "block"},
        {"id": "mail", "finding": ["pii/email"], "roles": ["guest"], "action": "redact"},
    ],
}

class _Drop:
    """A marker whose name is the same in every process, so that test ids are."""

    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()
"""As a value: leave the key out."""


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small policy with ``value`` at a path such as ``rules[0].id``."""
    policy = copy.deepcopy(SMALL)
    steps: list[Any] = [int(n) if n else name for n, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)]
    place: Any = policy
    for step in steps[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is DROP:
        del place[steps[-1]]
    elif isinstance(place, list) and steps[-1] == len(place):
        place.append(value)
    else:
        place[steps[-1]] = value
    return policy


def parsed(policy: dict[str, Any]) -> Policy:
    return parse_policy(yaml.safe_dump(policy, sort_keys=False), "p.yaml")


def faults(policy: dict[str, Any] | str) -> list[tuple[str, str]]:
    """Path and message of each fault of a policy that must be refused; all have a line."""
    text = policy if isinstance(policy, str) else yaml.safe_dump(policy, sort_keys=False)
    with pytest.raises(ConfigError) as refused:
        parse_policy(text, "p.yaml")
    parts = [re.fullmatch(r"p\.yaml:[1-9]\d*: (.+?): (.+)", fault, re.S) for fault in refused.value.faults]
    assert all(parts), refused.value.faults
    return [(part[1], part[2]) for part in parts if part]
