"""The policy file's schema: a tree becomes a checked ``Policy``, or every fault is named.

May import: ``proxy.types``, ``proxy.errors``, ``proxy.policy.*``. The rule that must stay true: all
faults of a file are found in one reading, and nothing that is unknown is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import PurePath
from typing import cast

from proxy.policy import speaking
from proxy.policy.cursor import Cursor, meant
from proxy.policy.entities import KNOWN, NEWEST
from proxy.policy.model import NUMBERED, Logprobs, OnBlock, Policy, Role
from proxy.policy.rules import Kind, Known, read_rules
from proxy.policy.tree import Faults, Leaf, read, shown
from proxy.types import Action, Threshold

ECHO = ("system", "developer", "user", "tool", "function")
"""Roles of messages that can count as the caller's own words."""

ROLE = re.compile(r"[^\W_][\w.-]{0,63}")
"""Names of roles, which become labels of metrics."""

EXEMPT_MARGIN = 8
"""An exempt run ends at least so many units before a match acts: else the guarantee fails."""

_NO_AUDIENCE = {"default": '"default" is no audience: in `thresholds` it stands for those not named there'}
_NO_ECHO = {
    "assistant": '"assistant" cannot count as the caller\'s words: a caller could have the model say a '
    "protected text piece by piece, send it back, and so exempt the whole"
}
_EXEMPT_RUN = 20
_THRESHOLD = Threshold(act=32, budget=12, cover=48)
_LEAST_RUN = 12  # a shorter exempt run stands in nearly every text, and would exempt nearly everything
_COVER = (24, 160)  # near-verbatim text is held from a cover of 24, in a window of 160 units
_HOLD = (256, 1_000_000)
_TOP = (
    *("version", "name", "mode", "mask", "audiences"),
    *("thresholds", "exempt_run", "roles", "rules", "detectors", "unknown_entities"),
)
_THRESHOLDS = ("act", "budget", "cover")
_ROLE = (
    *("clearance", "models", "echo", "hold", "on_block", "logprobs"),
    *("requests_per_minute", "concurrent", "subject", "key_requests_per_minute", "key_concurrent"),
    *("guard", "speaks_for", "default_role"),
)
ACTIONS_FOR_UNKNOWN = {"block": Action.BLOCK, "redact": Action.REDACT}
_UNKNOWN_SINCE = 2
"""The version of the file that says what becomes of entities it does not know."""

_SUBJECTS_A_KEY = 20
"""Subjects at their limit that one key may have, where the policy gives the key no limit of its own."""

DETECTORS: Mapping[str, Kind] = {
    "memorised": Kind(entities=frozenset({"passage", "near_passage"}), needs_index=True),
    "known_values": Kind(needs_index=True),
    "pii": Kind(always=False, settings={"ner": bool}),
    "payload": Kind(needs_index=True),
    "encoded": Kind(needs_index=True),
}
"""The detectors a policy may name."""


def parse_policy(text: str, source: str, detectors: Mapping[str, Kind] = DETECTORS) -> Policy:
    """Check the text of a policy file. Raises ``ConfigError`` with every fault, each with its line
    and its path, such as ``roles.public.clearance[1]``."""
    faults = Faults(source)
    root = Cursor(read(text, faults), "", 1, faults)
    top = root.fields(_TOP, required=("version", "audiences", "roles", "rules"))
    version = _version(top["version"]) if "version" in top else NEWEST
    unknown = _unknown(top, version)
    name = _name(top["name"]) if "name" in top else None
    mode = top["mode"].choice(("enforce", "observe"), "mode") if "mode" in top else "enforce"
    masks = top["mask"].choice(("typed", NUMBERED), "kind of mask") if "mask" in top else "typed"
    audiences = _audiences(top.get("audiences"))
    thresholds, exempt_run = _limits(top, audiences)
    roles, logprobs_at = _roles(top.get("roles"), audiences, thresholds)
    settings = _settings(top.get("detectors"), detectors)
    off = [each for each, values in settings.items() if values.get("enabled") is False]
    known = Known(audiences, tuple(roles) or None, detectors, off, mode == "observe")
    rules = read_rules(top.get("rules"), known)
    named = {detector for rule in rules for detector, _ in rule.findings}
    policy = Policy(
        name=name or PurePath(source).stem or "policy",
        source=source,
        version=sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        observe=mode == "observe",
        audiences=tuple(audiences or ()),
        thresholds=thresholds,
        exempt_run=exempt_run,
        roles=roles,
        rules=rules,
        detectors={
            each: {"enabled": kind.always or each in named, **settings.get(each, {})}
            for each, kind in detectors.items()
        },
        entities={each: kind.entities for each, kind in detectors.items() if kind.entities},
        numbered=masks == NUMBERED,
        format=version,
        unknown=unknown,
    )
    _logprobs(policy, logprobs_at, faults)
    faults.stop()
    return policy


def _version(here: Cursor) -> int:
    """The version of the file; the newest one where it is faulty, so that no fault follows from the fault."""
    number = here.number(1, 1_000_000)
    if number is not None and number in KNOWN:
        return number
    if number is not None:
        here.fault(f"version {number} is not known; this program reads versions {min(KNOWN)} to {NEWEST}")
    return NEWEST


def _unknown(top: Mapping[str, Cursor], version: int) -> Action | None:
    """What becomes of findings of entities that the policy does not know; None: they are observed."""
    if version < _UNKNOWN_SINCE:
        if "unknown_entities" in top:
            top["unknown_entities"].fault(
                f"is part of version {_UNKNOWN_SINCE}; write `version: {_UNKNOWN_SINCE}` to use it"
            )
        return None
    if "unknown_entities" not in top:
        return Action.BLOCK
    word = top["unknown_entities"].choice((*ACTIONS_FOR_UNKNOWN, "observe"), "action")
    return None if word == "observe" else ACTIONS_FOR_UNKNOWN.get(word or "", Action.BLOCK)


def _name(here: Cursor) -> str | None:
    name = here.text(64)
    if name is not None and not name.isprintable():
        here.fault("is not one line of plain characters")
    return name


def _audiences(here: Cursor | None) -> list[str] | None:
    """The audiences; None where they cannot be known, so that no fault follows from the fault."""
    if here is None:
        return None
    names = here.choices(None, "audience", _NO_AUDIENCE)
    for each in names:
        if each != each.strip() or not each.isprintable() or len(each) > 100:
            here.fault(f"{shown(each)} is no name of an audience: one line, no blanks around it, at most 100")
    return names or None


def _limits(top: Mapping[str, Cursor], audiences: Collection[str] | None) -> tuple[dict[str, Threshold], int]:
    """Thresholds of ``default`` and every audience, and the exempt run; all in units."""
    run_at = top.get("exempt_run")
    run = (run_at.number(_LEAST_RUN, 10_000) if run_at else None) or _EXEMPT_RUN
    entries = dict(top["thresholds"].entries()) if "thresholds" in top else {}
    default = entries.pop("default", None)
    fallback = _threshold(default.fields(_THRESHOLDS) if default else {}, _THRESHOLD, run, run_at)
    thresholds = {each: fallback for each in ("default", *(audiences or ()))}
    for name, entry in entries.items():
        if audiences is not None and name not in thresholds:
            entry.fault(f"{shown(name)} is no audience of this policy" + meant(name, list(thresholds)))
        thresholds[name] = _threshold(entry.fields(_THRESHOLDS), fallback, run, None)
    return thresholds, run


def _threshold(at: Mapping[str, Cursor], fallback: Threshold, run: int, run_at: Cursor | None) -> Threshold:
    """One entry; what it leaves out it takes from ``fallback``, and all of it where it is faulty.

    ``run_at`` is where a clash with the exempt run is reported when the entry has no ``act``.
    """
    act = at["act"].number(1, 10_000) if "act" in at else fallback.act
    budget = at["budget"].number(0, 10_000) if "budget" in at else fallback.budget
    cover = at["cover"].number(0, _COVER[1]) if "cover" in at else fallback.cover
    if act is None or budget is None or cover is None:
        return fallback
    if 0 < cover < _COVER[0]:
        at["cover"].fault(f"must be 0 (off) or from {_COVER[0]} to {_COVER[1]}, not {cover}")
        return fallback
    if budget >= act:
        place = at["budget"] if "budget" in at else at["act"]
        place.fault(f"a budget of {budget} is not below act ({act}): the whole match would be delivered")
        return fallback
    clash = at.get("act", run_at)
    if clash is not None and run > act - EXEMPT_MARGIN:
        clash.fault(
            f"exempt_run ({run}) must be at most act - {EXEMPT_MARGIN}, and act is {act}: "
            "else exempt runs could hide a match"
        )
        return fallback
    return Threshold(act, budget, cover)


def _roles(
    here: Cursor | None, audiences: Collection[str] | None, thresholds: Mapping[str, Threshold]
) -> tuple[dict[str, Role], dict[str, Cursor]]:
    """The roles, and the place of each one's ``logprobs``."""
    longest = max(each.act for each in thresholds.values())
    roles: dict[str, Role] = {}
    logprobs_at: dict[str, Cursor] = {}
    places: dict[str, tuple[Cursor, Mapping[str, Cursor]]] = {}
    for name, entry in here.entries("a mapping of roles") if here else []:
        if not ROLE.fullmatch(name) or name == "other":
            entry.fault(f"{shown(name)} is no name of a role: letters, digits, `-`, `_`, `.`, at most 64")
        at = entry.fields(_ROLE, required=("clearance",))
        roles[name] = _role(name, entry, at, audiences, longest)
        places[name] = entry, at
        if "logprobs" in at:
            logprobs_at[name] = at["logprobs"]
    speaking.check(roles, places)
    return roles, logprobs_at


def _role(
    name: str, here: Cursor, at: Mapping[str, Cursor], audiences: Collection[str] | None, longest: int
) -> Role:
    made = Role(name, clearance=())
    hold = (at["hold"].number(*_HOLD) if "hold" in at else None) or made.hold
    if hold < 4 * longest:
        place = at.get("hold", here)
        place.fault(f"a hold of {hold} characters is less than 4 x act ({longest}): answers would be cut off")
    on_block = at["on_block"].choice(("refuse", "error"), "way to block") if "on_block" in at else None
    logprobs = at["logprobs"].choice(("refuse", "strip", "allow"), "choice") if "logprobs" in at else None
    guard = speaking.guards(at)
    subject = speaking.subject(at["subject"]) if "subject" in at else made.subject
    requests, concurrent = _most(at, "requests_per_minute", 1_000_000), _most(at, "concurrent", 100_000)
    models = () if guard else made.models
    return Role(
        name=name,
        clearance=speaking.clearance(at["clearance"], audiences, guard) if "clearance" in at else (),
        models=tuple(at["models"].choices(None, "model pattern")) if "models" in at else models,
        echo=_echo(at["echo"]) if "echo" in at else made.echo,
        hold=hold,
        on_block=cast(OnBlock, on_block or made.on_block),
        logprobs=cast(Logprobs, logprobs or made.logprobs),
        requests_per_minute=requests,
        concurrent=concurrent,
        key_requests_per_minute=_of_the_key(at, "key_requests_per_minute", requests, subject),
        key_concurrent=_of_the_key(at, "key_concurrent", concurrent, subject),
        subject=subject,
        guard=guard,
        speaks_for=speaking.speaks_for(at["speaks_for"]) if "speaks_for" in at else (),
        default_role=(at["default_role"].text() or "") if "default_role" in at else "",
    )


def _of_the_key(at: Mapping[str, Cursor], name: str, each: int | None, subject: str) -> int | None:
    """The limit of all subjects of one key: without it, a caller that changes its name has none."""
    if name not in at:
        return each * _SUBJECTS_A_KEY if each is not None and subject != "key" else None
    most = at[name].number(1, 20_000_000)
    if subject == "key":
        at[name].fault("has no effect: with `subject: key` a key is one subject; limit the subject")
    elif most is not None and each is not None and most < each:
        at[name].fault(f"{most} for the key is less than {each} for one of its subjects")
    return most


def _most(at: Mapping[str, Cursor], name: str, most: int) -> int | None:
    return at[name].number(1, most) if name in at else None


def _echo(here: Cursor) -> tuple[str, ...]:
    """The message roles whose text is the caller's own; the word ``none`` stands for no message."""
    if isinstance(here.tree, Leaf) and here.tree.value == "none":
        return ()
    return tuple(here.choices(ECHO, "message role", _NO_ECHO))


def _settings(here: Cursor | None, detectors: Mapping[str, Kind]) -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = {}
    for name, entry in here.entries("a mapping of detectors") if here else []:
        if name not in detectors:
            entry.fault(f"{shown(name)} is no detector" + meant(name, detectors))
            continue
        kinds: dict[str, type] = {"enabled": bool, **detectors[name].settings}
        values = {
            key: at.truth() if kinds[key] is bool else at.number(0, 1_000_000)
            for key, at in entry.fields(kinds).items()
        }
        settings[name] = {key: value for key, value in values.items() if value is not None}
    return settings


def _logprobs(policy: Policy, at: Mapping[str, Cursor], faults: Faults) -> None:
    """Asked of the parts put together, so only where the parts are sound."""
    if faults.touch("mode", "audiences", "roles", "rules", "detectors"):
        return
    for role, here in at.items():
        if policy.roles[role].logprobs == "allow" and not policy.sees_everything(role, policy.audiences):
            here.fault(
                "logprobs spell the text again token by token; they can be allowed only for a role for "
                "which nothing is ever redacted or blocked"
            )
