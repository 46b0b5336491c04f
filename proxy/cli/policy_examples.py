"""Try the examples of a policy: texts in which a rule must find something, and texts in which it must not.

They are read without an index, so only what is not in the training set can be found. Invariant: no message
has the text of an example.
"""

from __future__ import annotations

from proxy.policy import Policy, Rule, examples


def failing(policy: Policy) -> list[str]:
    """Return what is wrong with each example that does not do what it says."""
    faults = []
    numbers: dict[tuple[str, bool], int] = {}
    for rule, text, leaks in examples(policy):
        number = numbers[rule.id, leaks] = numbers.get((rule.id, leaks), -1) + 1
        won = _winners(policy, rule, text)
        if leaks and rule.id not in won:
            instead = f"; found there: {', '.join(sorted(won))}" if won else "; nothing is found there"
            faults.append(f"rule {rule.id}: leaks[{number}]: the rule decides no finding in it{instead}")
        elif not leaks and rule.id in won:
            faults.append(f"rule {rule.id}: passes[{number}]: the rule decides a finding in it")
    return faults


def _winners(policy: Policy, rule: Rule, text: str) -> set[str]:
    """The rules that decide findings in a text, for the roles that the rule is about."""
    from proxy.detectors.pii import PiiDetector

    recognize = None
    if policy.detectors.get("pii", {}).get("ner"):
        from proxy.recognizers.sentences import sentence_reader  # opens networks: only where asked for

        recognize = sentence_reader()
    detector = PiiDetector(recognize=recognize)
    won = set()
    for name, role in policy.roles.items():
        if role.guard or (rule.roles is not None and name not in rule.roles):
            continue
        scanner = detector.scanner(policy.view(name, (), ()))
        findings = [*scanner.feed(text).findings, *scanner.finish()]
        won |= {policy.decide(finding, name).rule for finding in findings}
    return won
