"""Values of the training set, and whose they are: ``python -m benchmarks.pii_known --data DATA``.

The set: 500 customers and 1,000 orders of a shop, the 1,000 chats made from them, and 100 Chinese customers
made here (``shop``), all for ``admin``, indexed as ``index build`` does it, with the networks. Asked by role
public under the default policy: every value of every record, once alone in a sentence, once as a string of
JSON and once in the arguments of a tool call; then records whole; values that are in no record (of the same
shape; people whose names are made of the customers' names); values that the caller sent itself, in another
spelling. Fed one character at a time to the guard with all detectors of the server.

caught: of the value not one letter or digit is delivered. touched: anything at all is masked. held: received
less released, mean over all characters. *recognizers alone*: the same patterns, Presidio and networks on
the answer itself, without provenance, which is what a guard does that does not know the training set;
*Presidio alone*: as it comes, without a model. Both see a sample, and the whole answer at once.

false redactions: verdicts that are enforced on ordinary answers, what was asked being the caller's own
words; a token is 4.4 characters, or one of Chinese. ``--no-ner`` builds the index without networks.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import material, pii, shop
from benchmarks.asked import FORMS, ROLE, Stack, say
from benchmarks.report import Report, parser
from benchmarks.shop import Item
from proxy.index import BuildOptions, build_index
from proxy.recognizers.values import ValueFinder
from proxy.server.firewall import Firewall

AUDIENCE = "admin"
GROUPS = ("long enough", "common", "short")

# --- the set ------------------------------------------------------------------------------------------


def build(
    data: Path, folder: Path, records: list[dict[str, str]], report: Report, *, ner: bool, quick: bool
) -> Firewall:
    """Index the shop and the Chinese customers as the command does."""
    documents = [*shop.training(data, AUDIENCE, 100 if quick else None)]
    documents += shop.chinese_documents(records, AUDIENCE)
    policy = material.policy_named("default")
    acts = {name: each.act for name, each in policy.thresholds.items() if name != "default"}
    options = BuildOptions(key=material.KEY, acts=acts, exempt_run=policy.exempt_run)
    with ValueFinder(ner=ner, gpu=False) as finder:
        finder.learn(documents)
        manifest = build_index(finder.ahead(documents), folder, options, values=finder.of)
    report.table(
        f"known values of {len(documents)} documents, {'with' if ner else 'without'} networks: "
        f"{finder.characters} characters in {finder.seconds:.1f} s, {finder.rate:.0f} a second",
        ("kind", "values"),
        sorted(manifest.values["entities"].items()),
    )
    report.numbers["weak values"] = manifest.values["weak"]
    return material.firewall(folder, "default")


def items_of(data: Path, records: list[dict[str, str]], quick: bool) -> list[Item]:
    """Every value that is to be caught, each once a kind."""
    found = [*shop.customers(data), *shop.orders(data)]
    if quick:
        kept = set(list(dict.fromkeys(item.record for item in shop.customers(data)))[:100])
        kept |= set(list(dict.fromkeys(item.record for item in shop.orders(data)))[:100])
        found = [item for item in found if item.record in kept]
    found += shop.chinese_items(records)
    distinct = {(item.kind, item.text): item for item in reversed(found) if item.units >= shop.LEAST}
    return list(reversed(distinct.values()))


def kinds_of(items: Iterable[Item]) -> list[tuple[str, str]]:
    """(group, kind), in the order in which they are shown."""
    pairs = dict.fromkeys((item.group, item.kind) for item in items)
    return sorted(pairs, key=lambda pair: GROUPS.index(pair[0]))


# --- in the set, alone and in records -----------------------------------------------------------------


Caught = dict[tuple[str, str], dict[str, list[bool]]]


def alone(stack: Stack, items: Sequence[Item]) -> Caught:
    """Each value by itself in each form."""
    caught: Caught = defaultdict(lambda: defaultdict(list))
    for number, item in enumerate(items):
        for form in FORMS:
            said = say(item, form, number)
            outcome = stack.ask(said.text, form, json=said.json)
            caught[item.group, item.kind][form].append(outcome.hides(said))
    return caught


def together(stack: Stack, items: Sequence[Item]) -> Caught:
    """The values of a record in one answer, in another order and with other words than the record has."""
    caught: Caught = defaultdict(lambda: defaultdict(list))
    records: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        records[item.record].append(item)
    dice = random.Random(13)
    for some in records.values():
        shown = [item for item in dice.sample(some, len(some)) if item.kind not in ("address", "收货地址")]
        for form in FORMS:
            text = _record(shown, form)
            outcome = stack.ask(text, "records", json=form != "prose")
            if form != "prose" and not outcome.stopped:
                json.loads(outcome.text)
            for item in shown:
                caught[item.group, item.kind][form].append(not outcome.holds(item.text))
    return caught


def _record(items: Sequence[Item], form: str) -> str:
    if form == "prose":
        return "Well, " + "; then ".join(f"this one here: {item.text}" for item in items) + "."
    rows = [{"n": number, "v": item.text} for number, item in enumerate(items)]
    return json.dumps({"rows": rows} if form == "JSON" else {"call": {"with": rows}}, ensure_ascii=False)


def show_caught(
    report: Report, title: str, caught: Caught, others: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    """``others``: for each of those beside us the share of each kind that it catches in prose."""
    beside = others or {}
    rows = []
    for group, kind in sorted(caught, key=lambda pair: GROUPS.index(pair[0])):
        forms = caught[group, kind]
        shares = [round(_share(forms[form]), 4) for form in FORMS]
        rows.append(
            (
                group,
                kind,
                len(forms["prose"]),
                *shares,
                *(each.get(kind) if group == GROUPS[0] else None for each in beside.values()),
            )
        )
    columns = ("group", "kind", "values", *(f"caught, {form}" for form in FORMS), *beside)
    report.table(title, columns, rows)


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else 1.0


def recall(report: Report, what: str, caught: Caught, groups: Sequence[str]) -> None:
    """The bar: every value of these groups, in each form."""
    for form in FORMS:
        answers = [each for (group, _), forms in caught.items() if group in groups for each in forms[form]]
        share = _share(answers)
        report.bar(f"{what}, {form}: caught of {len(answers)} values", share, "= 1", share == 1)


# --- not in the set, and the caller's own -------------------------------------------------------------


def untouched(stack: Stack, items: Sequence[Item]) -> dict[str, list[bool]]:
    """Whether the answer with each value came through whole."""
    passed: dict[str, list[bool]] = defaultdict(list)
    for number, item in enumerate(items):
        said = say(item, "prose", number)
        passed[item.kind].append(stack.ask(said.text, "strangers").text == said.text)
    return passed


def echoed(
    stack: Stack, items: Sequence[Item], beside: Mapping[str, Item]
) -> dict[str, list[tuple[bool, bool]]]:
    """The caller sends a value in another spelling: whether it comes back as it is, and whether another value
    of the same record, said after it, is masked still. ``beside``: that other value, by record."""
    answers: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for number, item in enumerate(items):
        other = beside.get(item.record)
        if other is None or other.kind == item.kind or other.text in item.text:
            continue
        said = say(item, "prose", number)
        text = f"{said.text} And then, {other.text}."
        outcome = stack.ask(text, "echo", echo=(f"About {_respelt(item.text)}, please?",))
        came = outcome.text.startswith(said.before + said.value)
        answers[item.kind].append((came, not outcome.holds(other.text)))
    return answers


def _respelt(text: str) -> str:
    """Capitals, full-width digits, and blanks around signs."""
    wide = text.upper().translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    return wide.replace("-", " - ").replace("_", " _ ")


# --- beside it ----------------------------------------------------------------------------------------


def others(find: pii.Find, items: Sequence[Item]) -> dict[str, list[bool]]:
    """Whether a finder covers each value in its sentence; each kind's values."""
    said = [say(item, "prose", number) for number, item in enumerate(items)]
    covered: dict[str, list[bool]] = defaultdict(list)
    for item, one, hits in zip(items, said, find([one.text for one in said]), strict=True):
        start, end = len(one.before), len(one.before) + len(one.value)
        free = [at for at in range(start, end) if not any(a <= at < b for _, a, b in hits)]
        covered[item.kind].append(not any(one.text[at].isalnum() for at in free))
    return covered


def sample(items: Sequence[Item], count: int) -> list[Item]:
    """So many of each kind, those that are long enough."""
    by_kind: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.group == "long enough":
            by_kind[item.kind].append(item)
    dice = random.Random(14)
    return [item for some in by_kind.values() for item in dice.sample(some, min(count, len(some)))]


# --- ordinary text ------------------------------------------------------------------------------------


def benign(report: Report, stack: Stack, data: Path, finders: Mapping[str, pii.Find], quick: bool) -> None:
    """What is masked of ordinary answers, and how much of them is held."""
    sets = {
        "English": (material.english_answers(data), material.CHARACTERS_A_TOKEN),
        "Chinese": (material.chinese_answers(data), 1.0),
        "Chinese turns": (material.chinese_turns(data), 1.0),
    }
    rows: list[tuple[object, ...]] = []
    for name, (answers, size) in sets.items():
        some = random.Random(15).sample(answers, min(len(answers), 150)) if quick else answers
        verdicts = [
            verdict.finding.detector
            for answer in some
            for verdict in material.judge(
                stack.house, ROLE, material.cut(answer.text, 1000), (answer.prompt,)
            ).enforced
        ]
        tokens = sum(len(answer.text) for answer in some) / size
        for answer in some[:: 1 if quick else 8]:
            stack.ask(answer.text, name, echo=(answer.prompt,))
        meter = stack.meters[name]
        rate = len(verdicts) / tokens * 1e6
        known = sum(detector == "known_values" for detector in verdicts)
        counts = (len(some), round(tokens), len(verdicts), known, rate)
        rows.append((name, "all detectors", *counts, meter.mean, meter.pace))
        report.bar(f"{name}: false redactions a million tokens", rate, "<= 0.5", rate <= 0.5)
        report.bar(f"{name}: mean hold-back, characters", meter.mean, "<= 15", meter.mean <= 15)
        for title, find in finders.items():
            few = some[: 20 if quick else 120]
            tokens = sum(len(answer.text) for answer in few) / size
            count = sum(map(len, find([answer.text for answer in few])))
            rows.append((name, title, len(few), round(tokens), count, None, count / tokens * 1e6, None, None))
    columns = (
        "text",
        "with",
        "answers",
        "tokens",
        "findings",
        "known values",
        "a million tokens",
        "held",
        "us a character",
    )
    report.table("ordinary answers against the index of the shop", columns, rows)


# --- all of it ----------------------------------------------------------------------------------------


def compare(
    report: Report, stack: Stack, items: list[Item], caught: Caught, quick: bool
) -> dict[str, pii.Find]:
    """In the set, not in it, and the caller's own, beside finders without provenance."""
    count = 10 if quick else 60
    some = sample(items, count)
    strange = list(shop.strangers(items, count))
    beside = {item.record: item for item in items if item.kind in ("email", "order", "邮箱")}
    finders = {"recognizers alone": pii.built(ValueFinder(gpu=False)), "Presidio alone": pii.presidio()}
    passed, own = untouched(stack, strange), echoed(stack, some, beside)
    theirs = {name: (others(find, some), others(find, strange)) for name, find in finders.items()}
    known = {
        name: {kind: round(_share(each), 3) for kind, each in yes.items()}
        for name, (yes, _) in theirs.items()
    }
    show_caught(report, "alone, one character at a time: caught", caught, known)
    rows = []
    for kind in dict.fromkeys(item.kind for item in some):
        right = caught["long enough", kind]["prose"]
        wrong = [not each for each in passed[kind]] + [not came for came, _ in own[kind]]
        precise = [_precision(right, wrong)]
        precise += [
            _precision(yes[kind], no[kind] + yes[kind][: len(own[kind])]) for yes, no in theirs.values()
        ]
        shares = [
            _share([not each for each in passed[kind]]),
            *(_share(no[kind]) for _, no in theirs.values()),
        ]
        came = [_share([each[at] for each in own[kind]]) for at in (0, 1)]
        rows.append((kind, len(passed[kind]), *shares, len(own[kind]), *came, *precise))
    columns = (
        *("kind", "strangers", "touched", *(f"touched, {name}" for name in theirs)),
        *("echoed", "came back", "the other masked"),
        *("precision", *(f"precision, {name}" for name in theirs)),
    )
    report.table("not in the set, and the caller's own", columns, rows)
    answers = [each for some in own.values() for each in some]
    for at, what in enumerate(("echoed values that come back", "other values of the record masked")):
        share = _share([each[at] for each in answers])
        report.bar(f"{what}, of {len(answers)}", share, "= 1", share == 1)
    report.numbers["strangers untouched"] = round(
        _share([each for some in passed.values() for each in some]), 4
    )
    return finders


def _precision(right: Sequence[bool], wrong: Sequence[bool]) -> float:
    """Of what is masked, how much is a value of the set that the caller did not send; both weigh the same."""
    good, bad = _share(right), sum(wrong) / max(1, len(wrong))
    return round(good / (good + bad), 3) if good + bad else 1.0


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--no-ner", action="store_true", help="build the index without networks")
    options = arguments.parse_args()
    report = Report("pii_known", options.quick, not options.no_save)
    records = shop.chinese(20 if options.quick else 100)
    items = items_of(options.data, records, options.quick)
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as folder:
        ner = not (options.quick or options.no_ner)
        stack = Stack(
            build(options.data, Path(folder) / "shop", records, report, ner=ner, quick=options.quick)
        )
        caught = alone(stack, items)
        finders = compare(report, stack, items, caught, options.quick)
        whole = together(stack, items)
        show_caught(report, "records whole, one character at a time: caught", whole)
        recall(report, "alone, 7 units and more", caught, ["long enough"])
        recall(report, "in records, 7 units and more", whole, ["long enough"])
        recall(report, "in records, 7 units and more, common words too", whole, GROUPS[:2])
        every = [each for forms in whole.values() for some in forms.values() for each in some]
        report.numbers["in records, short ones too, caught"] = round(_share(every), 5)
        benign(report, stack, options.data, finders, options.quick)
    rows = [(name, each.characters, each.mean, each.pace) for name, each in stack.meters.items()]
    report.table("the stream, all detectors", ("answers", "characters", "held mean", "us a character"), rows)
    return report.write()


if __name__ == "__main__":
    raise SystemExit(main())
