"""What may pass, for whom: the policy file, read strictly and decided quickly.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: what the policy does
not name is protected, and a finding that no rule fits is blocked.
"""

from __future__ import annotations

from proxy.policy.files import load_policy, packaged_policies, policies_folder
from proxy.policy.model import (
    HOLD_EXCEEDED,
    NO_RULE,
    RESERVED,
    UNKNOWN_ENTITY,
    Numbers,
    Policy,
    Role,
    Rule,
    examples,
)
from proxy.policy.rules import Kind
from proxy.policy.schema import DETECTORS, parse_policy

__all__ = [
    "DETECTORS",
    "HOLD_EXCEEDED",
    "NO_RULE",
    "RESERVED",
    "UNKNOWN_ENTITY",
    "Kind",
    "Numbers",
    "Policy",
    "Role",
    "Rule",
    "examples",
    "load_policy",
    "packaged_policies",
    "parse_policy",
    "policies_folder",
]
