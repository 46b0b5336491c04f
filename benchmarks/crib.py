"""What index files tell without their key: ``python -m benchmarks.crib --data DATA``.

The attacker has the files, the format and the 640 public pages of the bank (the crib), and wants the 58
internal documents. Each attack runs twice in one run: on the stored arrays, and on the same arrays
decrypted, which is how format 2 stored them.

* *words*: the stored value of each word of the public pages makes a table; it decodes internal words.
* *units*: a run of 12 units that a public page holds too is read where the stored position says it is.
* *lengths*: a public page whose number of units no other has is recognised by where documents begin.
* *tables*: for each encrypted array, the first half tells what each stored value means in the second.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import material
from benchmarks.report import Report, parser
from proxy.grams import SEED, GramKey
from proxy.index import parts_of, read_manifest
from proxy.index.files import PartFiles, is_bare, load_array

Read = Callable[[str], NDArray[Any]]


def stored(folder: Path) -> Read:
    """Return what reads the arrays as they lie on disk."""
    return lambda name: load_array(folder, name).reshape(-1)


def decrypted(files: PartFiles) -> Read:
    """Return what reads the arrays as format 2 stored them."""
    return lambda name: (files.bare if is_bare(name) else lambda each: files.column(each).whole())(
        name
    ).reshape(-1)


def words(read: Read, truth: Read, hidden: str, known: str) -> float:
    """Return the share of hidden words that the table of known words decodes, and rightly."""
    table: dict[int, int] = {}
    pairs = zip(read(f"{known}.words.hashes").tolist(), truth(f"{known}.words.hashes").tolist(), strict=True)
    for value, meant in pairs:
        table.setdefault(value, meant)
    right = [
        table.get(value) == meant
        for value, meant in zip(
            read(f"{hidden}.words.hashes").tolist(), truth(f"{hidden}.words.hashes").tolist(), strict=True
        )
    ]
    return sum(right) / len(right)


def units(read: Read, truth: Read, hidden: str, known: str) -> float:
    """Return the share of hidden units that are read at their place: in a run that a known page holds."""

    def grams(prefix: str) -> NDArray[np.uint64]:
        starts = read(f"{prefix}.place.starts")
        bits = (len(starts) - 1).bit_length() - 1
        buckets = np.repeat(np.arange(len(starts) - 1, dtype=np.uint64), np.diff(starts))
        remainders = read(f"{prefix}.place.remainders").astype(np.uint64)
        keys: NDArray[np.uint64] = (buckets << np.uint64(32)) | remainders
        return keys >> np.uint64(max(0, bits - 8)) if bits > 8 else keys

    common = np.isin(grams(hidden), grams(known))
    claimed = read(f"{hidden}.place.positions")[common].astype(np.int64)
    right = claimed == truth(f"{hidden}.place.positions")[common]
    total = int(truth(f"{hidden}.documents")[-1])
    covered = np.zeros(total + SEED, dtype=bool)
    for place in claimed[right].tolist():
        covered[place : place + SEED] = True
    return float(covered[:total].sum()) / total


def lengths(read: Read, truth: Read, known: str) -> int:
    """Return how many known pages are recognised by their number of units alone."""
    real = np.diff(truth(f"{known}.documents").astype(np.int64)).tolist()
    seen = np.diff(read(f"{known}.documents").astype(np.int64)).tolist()
    once = Counter(real)
    return sum(1 for mine, theirs in zip(real, seen, strict=True) if mine == theirs and once[mine] == 1)


def best_table(read: Read, truth: Read, name: str) -> tuple[int, int, int]:
    """Return how many entries of the second half the table of the first decodes; guessed right; in all."""
    values, meant = read(name).tolist(), truth(name).tolist()
    half = len(values) // 2
    table: dict[int, Counter[int]] = {}
    for value, meaning in zip(values[:half], meant[:half], strict=True):
        table.setdefault(value, Counter())[meaning] += 1
    usual = Counter(meant[:half]).most_common(1)
    guess = usual[0][0] if usual else 0
    right = guessed = 0
    for value, meaning in zip(values[half:], meant[half:], strict=True):
        right += (table[value].most_common(1)[0][0] if value in table else guess) == meaning
        guessed += guess == meaning
    return right, guessed, len(values) - half


def main() -> int:
    given = parser(__doc__).parse_args()
    report = Report("crib", given.quick, not given.no_save)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bank.idx"
        material.build(out, material.bank(given.data))
        manifest = read_manifest(out)
        (files,) = parts_of(out, manifest, GramKey(material.KEY))
        names = [each.name for each in manifest.audiences]
        hidden, known = f"a{names.index('admin')}", f"a{names.index('public')}"
        plain, cipher = decrypted(files), stored(out)
        rows = []
        for title, attack in (
            ("internal words decoded, %", lambda read: 100 * words(read, plain, hidden, known)),
            ("internal units read at their place, %", lambda read: 100 * units(read, plain, hidden, known)),
            ("public pages recognised by length", lambda read: lengths(read, plain, known)),
        ):
            before, now = attack(plain), attack(cipher)
            rows.append((title, before, now))
            report.bar(f"{title} without the key", now, "0 (at most 0.1)", now <= 0.1)
        report.table("what the files tell", ("attack", "format 2", "format 3"), rows)
        worst = []
        for file in manifest.files:
            name = file.removesuffix(".npy")
            if file.endswith(".npy") and not is_bare(name):
                right, guessed, count = best_table(cipher, plain, name)
                before, _, _ = best_table(plain, plain, name)
                share = 100 / max(1, count)
                worst.append((name, count, before * share, right * share, guessed * share))
                spread = 5 * (count * 0.25) ** 0.5
                if right > guessed + spread:
                    report.bar(f"{name}: entries decoded by a table", right, f"{guessed} by guessing", False)
        columns = ("array", "entries", "format 2, %", "format 3, %", "guessing, %")
        report.table("tables from the first half", columns, worst)
        told = sum(1 for row in worst if row[3] > row[4] + 500 * 0.5 / max(1, row[1]) ** 0.5)
        report.bar("encrypted arrays whose first half tells of the second", told, "0", told == 0)
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
