"""The texts the programs work on, read from the data folder, and the parts of Sluicegate put together.

The rule that must stay true: what is said to share no run with a text is told by comparing the folded texts
themselves, never by the index or the detectors that are measured.
"""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from proxy.datasets import Source, read
from proxy.guard import StreamGuard
from proxy.index import BuildOptions, build_index, open_index
from proxy.policy import Policy, load_policy, policies_folder
from proxy.server.firewall import Firewall
from proxy.text import FoldTable, fold, fold_character, is_wide
from proxy.types import Action, Document, Finding, Verdict

KEY = "a key for benchmarks only"
RUN = 20
"""Units of a run that exempts (X)."""

CHARACTERS_A_TOKEN = 4.4
"""Of English text; an assumption, as usual for the tokenizers of today."""

DEMO_SETS = (
    "alpaca_en_demo.json",
    "alpaca_zh_demo.json",
    "c4_demo.jsonl",
    "dpo_en_demo.json",
    "dpo_zh_demo.json",
    "glaive_toolcall_en_demo.json",
    "glaive_toolcall_zh_demo.json",
    "identity.json",
    "kto_en_demo.json",
    "v1_sft_demo.jsonl",
    "wiki_demo.txt",
)
"""The demo sets of LLaMA-Factory (folder ``llama_factory``)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An ordinary answer and what was asked for it."""

    prompt: str
    text: str


def documents(path: Path, audience: str | None = None) -> list[Document]:
    """The training documents of one file; ``audience`` for those that name none."""
    return list(reading(path, audience))


def reading(path: Path, audience: str | None = None) -> Iterator[Document]:
    """The same, one after the other."""
    found = read([Source(path)], default_audience=audience)
    return (item for item in found if isinstance(item, Document))


def bank(data: Path) -> list[Document]:
    """698 documents of a bank: 58 internal (admin), 640 public."""
    return documents(data / "bank/knowledge.jsonl")


def shop(data: Path) -> list[Document]:
    """1,000 chats of a shop (admin)."""
    return documents(data / "shop/finetune_messages.jsonl")


def demo_set(data: Path, name: str, audience: str | None = None) -> list[Document]:
    """One demo set of LLaMA-Factory."""
    return documents(data / "llama_factory" / name, audience)


def crosswoz_places(data: Path, audience: str) -> list[Document]:
    """The hotels, restaurants and sights of CrossWOZ, with addresses and telephones."""
    names = ("hotel_db.json", "restaurant_db.json", "attraction_db.json")
    return [document for name in names for document in documents(data / "crosswoz" / name, audience)]


def crosswoz_dialogues(data: Path, audience: str) -> list[Document]:
    """The dialogues of CrossWOZ, a document each: all its turns, as of a chat in ``messages``."""
    return [
        Document(f"dialogue:{number}", tuple(text for _, text in turns), audience)
        for number, turns in enumerate(chinese_dialogues(data), 1)
    ]


def marked(items: Iterable[Document], audience: str) -> list[Document]:
    """The documents for another audience."""
    return [replace(item, audience=audience) for item in items]


# --- ordinary text ------------------------------------------------------------------------------------


def english_answers(data: Path) -> list[Answer]:
    """3,224 answers of eight models to the even prompts of AlpacaEval."""
    lines = (data / "benign/alpaca_eval_even.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [Answer(record["prompt"], record["text"]) for record in records]


def chinese_answers(data: Path) -> list[Answer]:
    """The chosen and the rejected answers of dpo_zh_demo."""
    records = json.loads((data / "llama_factory/dpo_zh_demo.json").read_text("utf-8"))
    return [
        Answer("\n".join(turn["value"] for turn in record["conversations"]), record[side]["value"])
        for record in records
        for side in ("chosen", "rejected")
    ]


def chinese_dialogues(data: Path) -> list[list[tuple[str, str]]]:
    """The dialogues of CrossWOZ (validation part): (role, text) of each turn."""
    with zipfile.ZipFile(data / "crosswoz/val.json.zip") as archive:
        content = json.loads(archive.read("val.json"))
    return [[(turn["role"], turn["content"]) for turn in each["messages"]] for each in content.values()]


def chinese_turns(data: Path) -> list[Answer]:
    """What the travel guide of CrossWOZ says, each turn after what the traveller has said so far."""
    found = []
    for dialogue in chinese_dialogues(data):
        asked: list[str] = []
        for role, text in dialogue:
            if role == "usr":
                asked.append(text)
            else:
                found.append(Answer("\n".join(asked), text))
    return found


# --- units ------------------------------------------------------------------------------------------------


class Units:
    """Folds texts into units, as strings: the second unit of a wide character is ``\\x01``."""

    def __init__(self) -> None:
        self._table = FoldTable()
        self._wide: dict[str, str] = {}

    def skeleton(self, text: str) -> str:
        """One character a unit."""
        wide = self._wide
        out = []
        for letter in fold(text, self._table):
            unit = wide.get(letter)
            if unit is None:
                unit = wide[letter] = letter + "\x01" if is_wide(letter) else letter
            out.append(unit)
        return "".join(out)

    def count(self, text: str) -> int:
        return len(self.skeleton(text))

    def runs(self, texts: Iterable[str], length: int = RUN) -> Iterator[str]:
        """All runs of ``length`` units of each text."""
        for text in texts:
            units = self.skeleton(text)
            for at in range(len(units) - length + 1):
                yield units[at : at + length]


def joined(document: Document) -> str:
    """The text of a document as the index sees it."""
    return "\n".join(document.texts)


def traditional_table() -> dict[int, str]:
    """Simplified to traditional characters, the inverse of the packaged table, for ``str.translate``.

    Where several traditional characters have one simplified form, the one with the lowest code point
    among the common ideographs is taken: a script that no one writes, but every character of it is one.
    """
    table: dict[int, str] = {}
    content = (resources.files("proxy.folding") / "simplified.tsv").read_text("utf-8")
    for line in content.splitlines():
        code, target = (int(part, 16) for part in line.split("\t"))
        if 0x4E00 <= code <= 0x9FFF and fold_character(chr(code)) == fold_character(chr(target)):
            table.setdefault(target, chr(code))
    return table


# --- Sluicegate -------------------------------------------------------------------------------------------


def policy_named(name: str) -> Policy:
    return load_policy(Path(name))


def without_limits(folder: Path, name: str) -> Path:
    """Write a copy of a packaged policy without limits on requests: a benchmark asks as fast as it can."""
    text = (policies_folder() / f"{name}.yaml").read_text("utf-8")
    made = folder / f"{name}-without-limits.yaml"
    made.write_text(re.sub(r"(?m)^ *(requests_per_minute|concurrent): \d+\n", "", text), "utf-8")
    return made


def build(folder: Path, items: Iterable[Document]) -> None:
    """Index documents with the thresholds of the default policy."""
    policy = policy_named("default")
    acts = {name: each.act for name, each in policy.thresholds.items() if name != "default"}
    build_index(
        items,
        folder,
        BuildOptions(
            key=KEY, acts=acts, default_act=policy.thresholds["default"].act, exempt_run=policy.exempt_run
        ),
    )


def firewall(folder: Path, policy: str) -> Firewall:
    return Firewall.assemble(policy_named(policy), open_index(folder, KEY))


def guard(house: Firewall, role: str, echo: Sequence[str] = ()) -> StreamGuard:
    """The guard of one answer, as the server makes it."""
    view = house.policy.view(role, tuple(echo), house.index.audiences)
    scanners = [detector.scanner(view) for detector in house.detectors]

    def decide(finding: Finding) -> Verdict:
        return house.policy.decide(finding, role)

    return StreamGuard(scanners, decide, ceiling=house.policy.hold(role))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a role got of an answer, and why."""

    text: str
    stopped: bool
    fault: str
    enforced: tuple[Verdict, ...]


def judge(house: Firewall, role: str, pieces: Iterable[str], echo: Sequence[str] = ()) -> Outcome:
    """Feed an answer in pieces to one guard."""
    one = guard(house, role, echo)
    out, fault = [], ""
    for piece in pieces:
        step = one.feed(piece)
        out.append(step.text)
        fault = fault or step.fault
        if step.stopped:
            break
    else:
        step = one.finish()
        out.append(step.text)
        fault = step.fault
    enforced = tuple(v for v in one.verdicts if v.enforced and v.action is not Action.ALLOW)
    return Outcome("".join(out), one.stopped, fault, enforced)


def cut(text: str, size: int) -> Iterator[str]:
    """Pieces of ``size`` characters."""
    return (text[at : at + size] for at in range(0, len(text), size))


def cut_at_random(text: str, dice: random.Random, most: int = 50) -> Iterator[str]:
    """Pieces of 1 to ``most`` characters."""
    at = 0
    while at < len(text):
        size = dice.randint(1, most)
        yield text[at : at + size]
        at += size


def audiences(items: Iterable[Document]) -> Mapping[str, int]:
    """How many documents each audience has (``nobody`` for those that name none)."""
    count: dict[str, int] = {}
    for item in items:
        name = item.audience or "nobody"
        count[name] = count.get(name, 0) + 1
    return count
