"""Where policy files are: a path, the name of a packaged policy, or the packaged default.

May import: ``proxy.policy.schema``. The rule that must stay true: a path that cannot be read is a
fault; nothing falls back to another policy in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from proxy.errors import ConfigError
from proxy.policy.model import Policy
from proxy.policy.rules import Kind
from proxy.policy.schema import DETECTORS, parse_policy
from proxy.policy.tree import LONGEST

DEFAULT = "default"


def policies_folder() -> Path:
    """The packaged policies: ``proxy/policies`` in a wheel, ``policies`` beside it in a checkout.

    Raises ``ConfigError`` where neither is there (a damaged installation).
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "policies", package.parent / "policies"):
        if (folder / f"{DEFAULT}.yaml").is_file():
            return folder
    raise ConfigError(f"{package / 'policies'}: the packaged policies are missing; install sluicegate again")


def packaged_policies() -> tuple[str, ...]:
    """The names that ``load_policy`` takes without a path."""
    return tuple(sorted(path.stem for path in policies_folder().glob("*.yaml")))


def load_policy(path: Path | None, detectors: Mapping[str, Kind] = DETECTORS) -> Policy:
    """Read and check a policy file. Raises ``ConfigError`` with every fault.

    None is the packaged default. A bare name without a suffix, such as ``strict``, is a packaged
    policy, whatever lies in the working directory.
    """
    found = _found(path)
    try:
        with found.open("rb") as file:
            raw = file.read(4 * LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{found}: cannot be read: {error.strerror or error}") from None
    if len(raw) > 4 * LONGEST:
        raise ConfigError(f"{found}: too large for a policy; at most {LONGEST} characters are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{found}:{line}: not UTF-8; save the file as UTF-8") from None
    return parse_policy(text, str(found), detectors)


def _found(path: Path | None) -> Path:
    name = DEFAULT if path is None else str(path)
    bare = path is None or (path.suffix == "" and path.name == name)
    if not bare:
        return Path(name)
    known = packaged_policies()
    if name in known:
        return policies_folder() / f"{name}.yaml"
    if Path(name).is_file():
        return Path(name)
    near = get_close_matches(name, known, n=1)
    guess = f'; did you mean "{near[0]}"?' if near else ""
    raise ConfigError(f"{name}: no such file and no packaged policy{guess} (packaged: {', '.join(known)})")
