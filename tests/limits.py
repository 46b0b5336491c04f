"""Packaged policies without their limits on requests, for tests that ask more often than a person would."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.policy import packaged_policies, policies_folder

_LIMIT = re.compile(r"^ *(requests_per_minute|concurrent): \d+\n", re.MULTILINE)


def unlimited(name: str = "default") -> str:
    """Return the text of a packaged policy without limits on requests."""
    text, count = _LIMIT.subn("", (policies_folder() / f"{name}.yaml").read_text("utf-8"))
    assert count, f"{name} has no limit; this file is not needed any more"
    return text


def without_limits(folder: Path, policy: Path | None = None) -> Path:
    """Return a copy, in ``folder``, of a packaged policy without limits; another policy as it is."""
    name = "default" if policy is None else str(policy)
    if name not in packaged_policies():
        return Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-without-limits.yaml"
    made.write_text(unlimited(name), "utf-8")
    return made
