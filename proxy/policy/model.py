"""A policy in force: roles, rules, thresholds; what a detector may know; the verdict on a finding.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: what the policy does
not name stays shut. No rule for a finding: blocked. An audience the policy does not name: protected
from every role, and no rule that allows fits its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from proxy.errors import ConfigError
from proxy.policy.entities import KNOWN, NEWEST, Entities
from proxy.types import Action, Finding, Threshold, Verdict, View

NO_RULE = "no-rule"
"""The rule id of a finding that no rule fits; it is blocked."""

HOLD_EXCEEDED = "hold-exceeded"
"""The rule id of the verdict on an answer that held back more than its role may."""

UNKNOWN_ENTITY = "unknown-entity"
"""The rule id of a finding whose entity the policy does not know (version 2)."""

RESERVED = frozenset({NO_RULE, HOLD_EXCEEDED, UNKNOWN_ENTITY, "fault", "other"})
"""Ids that no rule may have: they stand for verdicts that come from no rule."""

MASKS: Mapping[str, str] = {
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "ip": "[IP]",
    "url": "[URL]",
    "person": "[PERSON]",
    "place": "[PLACE]",
    "address": "[ADDRESS]",
    "organisation": "[ORGANISATION]",
    "date_of_birth": "[DATE_OF_BIRTH]",
    "card": "[CARD]",
    "iban": "[IBAN]",
    "bank_account": "[BANK_ACCOUNT]",
    "cn_id": "[CN_ID]",
    "cn_passport": "[PASSPORT]",
    "cn_plate": "[PLATE]",
    "cn_company": "[COMPANY_ID]",
    "us_ssn": "[SSN]",
    "national_id": "[NATIONAL_ID]",
    "passport": "[PASSPORT]",
    "licence": "[LICENCE]",
    "order": "[ORDER]",
    "account": "[ACCOUNT]",
    "employee": "[EMPLOYEE]",
    "tracking": "[TRACKING]",
    "identifier": "[ID]",
    "private_key": "[PRIVATE_KEY]",
    "api_key": "[API_KEY]",
    "jwt": "[TOKEN]",
    "password": "[PASSWORD]",
}
"""What stands in place of an entity where the rule has no mask of its own; else ``[REDACTED]``."""

NUMBERED = "numbered"
"""As the mask of a rule or a policy: masks of typed entities carry numbers, one for each value."""

_KEPT = 4096
"""Resolved verdicts that are kept at most; entities and audiences are few, so it is never reached."""

_STRANGER = "\0"
"""An entity that no rule names: what a detector might report one day."""

OnBlock = Literal["refuse", "error"]
Logprobs = Literal["refuse", "strip", "allow"]


@dataclass(frozen=True, slots=True)
class Role:
    """What callers with keys of this role may read and use; ``hold`` is in characters.

    ``requests_per_minute`` and ``concurrent`` are for each subject, ``key_requests_per_minute`` and
    ``key_concurrent`` for all subjects of one key together; None: no limit. ``subject``: whom limits are
    counted for: ``key`` (the key's owner, else the key), ``user`` (a field of the request) or
    ``header:NAME``. ``guard``: the role judges text for the roles of ``speaks_for``, by ``default_role``
    where a call names none.
    """

    name: str
    clearance: tuple[str, ...]
    models: tuple[str, ...] = ("*",)
    echo: tuple[str, ...] = ("system", "developer", "user", "tool", "function")
    hold: int = 4096
    on_block: OnBlock = "refuse"
    logprobs: Logprobs = "refuse"
    requests_per_minute: int | None = None
    concurrent: int | None = None
    key_requests_per_minute: int | None = None
    key_concurrent: int | None = None
    subject: str = "key"
    guard: bool = False
    speaks_for: tuple[str, ...] = ()
    default_role: str = ""

    def may_use(self, model: str) -> bool:
        """Whether one of the role's patterns (shell style, upper and lower case differ) fits."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``audience`` and ``roles`` None: any. ``findings`` are (detector, entity) or ``*``."""

    id: str
    findings: tuple[tuple[str, str], ...]
    action: Action
    audience: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    mask: str | None = None
    observe: bool = False
    leaks: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()

    def fits(self, role: str, detector: str, entity: str, audience: str | None, known: bool) -> bool:
        """Whether the rule is about this finding.

        ``audience`` None: a finding without provenance. ``known``: the policy names the audience (or
        there is none); a rule that allows never fits the text of an audience the policy does not name.
        """
        if self.roles is not None and role not in self.roles:
            return False
        if self.audience is not None and audience not in self.audience:
            return False
        if self.action is Action.ALLOW and not known:
            return False
        return any(d in ("*", detector) and e in ("*", entity) for d, e in self.findings)

    def names(self, detector: str, entity: str) -> bool:
        """Whether the rule has the entity's own name."""
        return any(d in ("*", detector) and e == entity for d, e in self.findings)

    @property
    def allows_all(self) -> bool:
        """Whether the rule allows whatever is found, so also what nobody finds yet."""
        return self.action is Action.ALLOW and ("*", "*") in self.findings


@dataclass(frozen=True, slots=True)
class _Outcome:
    action: Action
    rule: str
    enforced: bool
    mask: str
    numbered: bool = False


class Numbers:
    """The numbers that values of one answer have got: ``[PERSON_1]`` is one person, wherever it stands.

    Values are told apart by the fingerprints of their findings.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}

    def mask(self, mask: str, fingerprint: str) -> str:
        """``[EMAIL]`` with the number of this value; a new value gets the next number of its type."""
        number = self._known.get((mask, fingerprint))
        if number is None:
            number = self._known[mask, fingerprint] = self._last[mask] = self._last.get(mask, 0) + 1
        return f"{mask[:-1]}_{number}]"


_Question = tuple[str, str, str, str | None]
"""Role, detector, entity, audience of the provenance."""

_Known = tuple[tuple[str, ...], tuple[str, ...], Mapping[str, Threshold], frozenset[str]]
"""Of a view: what is protected, what is cleared, the thresholds, what is only observed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that has been checked. Immutable: a reload makes a new one.

    ``version`` is the beginning of the sha256 of the text. ``thresholds`` (units) has every audience
    and ``default``. ``detectors`` has every known detector with its settings, ``enabled`` among them;
    ``entities`` what a detector can report, where that is known. ``numbered``: masks carry numbers.

    ``format``: the ``version`` of the file, which decides what entities it knows. A finding of another
    entity, which no fitting rule names, is only observed under version 1; under version 2 it gets
    ``unknown`` (None: observed), unless a rule allows ``*/*``.
    """

    name: str
    source: str
    version: str
    observe: bool
    audiences: tuple[str, ...]
    thresholds: Mapping[str, Threshold]
    exempt_run: int
    roles: Mapping[str, Role]
    rules: tuple[Rule, ...]
    detectors: Mapping[str, Mapping[str, object]]
    entities: Mapping[str, frozenset[str]] = field(default_factory=dict)
    numbered: bool = False
    format: int = NEWEST
    unknown: Action | None = Action.BLOCK
    _stopping: dict[tuple[str, str, str | None], bool] = field(
        default_factory=dict, repr=False, compare=False
    )
    _outcomes: dict[_Question, _Outcome] = field(default_factory=dict, repr=False, compare=False)
    _views: dict[tuple[str, tuple[str, ...]], _Known] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def role(self, name: str) -> Role:
        """The role of this name. Raises ``ConfigError`` where the policy has none (a stale key)."""
        role = self.roles.get(name)
        if role is not None:
            return role
        near = get_close_matches(name, self.roles, n=1)
        guess = f'; did you mean "{near[0]}"?' if near else ""
        known = ", ".join(self.roles)
        raise ConfigError(f"{self.source}: no role {name[:60]!r}{guess} (roles: {known})")

    def hold(self, role: str) -> int:
        """The most characters ever held back undecided for this role."""
        return self.role(role).hold

    def enabled(self, detector: str) -> bool:
        """Whether the detector runs under this policy."""
        return bool(self.detectors.get(detector, {}).get("enabled", False))

    def view(self, role: str, echo: Sequence[str], index_audiences: Sequence[str]) -> View:
        """What the detectors may know of one request of this role.

        Protected is every audience of the index outside the role's clearance, so also one that the
        policy does not name; it gets the ``default`` threshold. ``observed`` is that of ``memorised``.
        """
        question = (role, tuple(index_audiences))
        known = self._views.get(question)
        if known is None:
            known = self._known_of(*question)
            if len(self._views) < _KEPT:
                self._views[question] = known
        protected, cleared, thresholds, observed = known
        return View(role, protected, cleared, thresholds, tuple(echo), self.exempt_run, observed)

    def _known_of(self, role: str, index_audiences: Sequence[str]) -> _Known:
        audiences = tuple(dict.fromkeys(index_audiences))
        protected = self._protected(role, audiences)
        default = self.thresholds["default"]
        return (
            protected,
            tuple(each for each in audiences if each not in protected),
            MappingProxyType({each: self.thresholds.get(each, default) for each in protected}),
            self.observed(role, "memorised", audiences),
        )

    def decide(self, finding: Finding, role: str, numbers: Numbers | None = None) -> Verdict:
        """The verdict of the first rule that fits; none fits: BLOCK by ``no-rule``.

        ``numbers``: those of the answer, where masks may carry them. Raises ``ConfigError`` for a role
        that the policy does not have.
        """
        provenance = finding.provenance
        audience = provenance.audience if provenance is not None else None
        question = (role, finding.detector, finding.entity, audience)
        outcome = self._outcomes.get(question)
        if outcome is None:
            outcome = self._answer(question)
        mask = outcome.mask
        if outcome.numbered and numbers is not None and finding.fingerprint:
            mask = numbers.mask(mask, finding.fingerprint)
        return Verdict(outcome.action, outcome.rule, finding, outcome.enforced, mask)

    def can_stop(self, role: str, detector: str, index_audiences: Sequence[str]) -> bool:
        """Whether any finding of a detector could be redacted or blocked for this role.

        Asked for findings of the index's protected audiences and for findings without provenance.
        False: the detector only observes for this role, so nothing need be held back for it.
        """
        audiences = (None, *self._protected(role, index_audiences))
        return any(self._stops(role, detector, audience) for audience in audiences)

    def stops(self, role: str, detector: str, entity: str, index_audiences: Sequence[str] = ()) -> bool:
        """Whether a finding of this kind would be redacted or blocked: one that comes from no document, or
        from one of these audiences as far as they are protected from the role."""
        self.role(role)
        audiences = (None, *self._protected(role, index_audiences))
        outcomes = (self._resolve((role, detector, entity, audience)) for audience in audiences)
        return any(each.enforced and each.action is not Action.ALLOW for each in outcomes)

    def observed(self, role: str, detector: str, index_audiences: Sequence[str]) -> frozenset[str]:
        """The protected audiences whose text a detector only counts for this role."""
        audiences = self._protected(role, index_audiences)
        return frozenset(each for each in audiences if not self._stops(role, detector, each))

    def sees_everything(self, role: str, index_audiences: Sequence[str]) -> bool:
        """Whether no detector that runs could stop anything for this role."""
        running = (each for each in self.detectors if self.enabled(each))
        return not any(self.can_stop(role, each, index_audiences) for each in running)

    def logprobs(self, role: str, index_audiences: Sequence[str]) -> Logprobs:
        """What becomes of a request for logprobs, which spell the text again token by token.

        A role that may have them gets them only while nothing could be stopped for it.
        """
        wanted = self.role(role).logprobs
        if wanted == "allow" and not self.sees_everything(role, index_audiences):
            return "refuse"
        return wanted

    def _protected(self, role: str, index_audiences: Sequence[str]) -> tuple[str, ...]:
        clearance = self.role(role).clearance
        return tuple(each for each in dict.fromkeys(index_audiences) if each not in clearance)

    def _stops(self, role: str, detector: str, audience: str | None) -> bool:
        """Whether a finding of this detector and audience could be stopped, whatever its entity.

        Where the detector's entities are not all known, also one that no rule names is asked for.
        """
        question = (role, detector, audience)
        answer = self._stopping.get(question)
        if answer is None:
            known = self.entities.get(detector)
            named = {entity for rule in self.rules for _, entity in rule.findings} - {"*"}
            every = known or named | self.known_entities.get(detector, frozenset()) | {_STRANGER}
            outcomes = (self._resolve((role, detector, e, audience)) for e in every)
            answer = any(each.enforced and each.action is not Action.ALLOW for each in outcomes)
            if len(self._stopping) < _KEPT:
                self._stopping[question] = answer
        return answer

    def _answer(self, question: _Question) -> _Outcome:
        self.role(question[0])
        outcome = self._resolve(question)
        if len(self._outcomes) < _KEPT:
            self._outcomes[question] = outcome
        return outcome

    @property
    def known_entities(self) -> Entities:
        """What the file means by ``*``: the entities of its version, by detector."""
        return KNOWN[self.format]

    def rule_for(self, role: str, detector: str, entity: str, audience: str | None) -> Rule | None:
        """Return the first rule that fits such a finding, whether its entity is known or not."""
        known = audience is None or audience in self.audiences
        fitting = (rule for rule in self.rules if rule.fits(role, detector, entity, audience, known))
        return next(fitting, None)

    def _resolve(self, question: _Question) -> _Outcome:
        role, detector, entity, audience = question
        mask = MASKS.get(entity, "[REDACTED]")
        rule = self.rule_for(role, detector, entity, audience)
        known = entity in self.known_entities.get(detector, ()) or (
            rule is not None and (rule.names(detector, entity) or rule.allows_all)
        )
        if not known and self.format > 1 and self.unknown is not None:
            return _Outcome(self.unknown, UNKNOWN_ENTITY, not self.observe, mask)
        if rule is None:
            return _Outcome(Action.BLOCK, NO_RULE, known and not self.observe, mask)
        enforced = known and not (self.observe or rule.observe)
        wanted = rule.mask == NUMBERED or (self.numbered and rule.mask is None)
        numbered = wanted and entity in MASKS and enforced and rule.action is Action.REDACT
        own = None if rule.mask == NUMBERED else rule.mask
        return _Outcome(rule.action, rule.id, enforced, own or mask, numbered)


def examples(policy: Policy) -> Iterator[tuple[Rule, str, bool]]:
    """Each example of each rule: the rule, the text, and whether the rule must fit something in it."""
    for rule in policy.rules:
        yield from ((rule, text, True) for text in rule.leaks)
        yield from ((rule, text, False) for text in rule.passes)
