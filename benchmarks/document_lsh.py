"""What whole-document similarity costs: ``python -m benchmarks.document_lsh --data DATA``.

One million documents of 100 tokens (a fixed seed; ``--documents`` changes it), each a set of 176 random
seeds: a token is 4.4 characters, of which two in five give a sampled seed. Half of them are made in pairs
that share 80 % of their seeds. Ours (``proxy.index.lsh``) keeps all in flat arrays; datasketch's
MinHashLSH, which keeps Python dictionaries, is given a part and its bytes a document are compared. Both with
bands of 8 rows out of 128 places, both are asked for the same documents.

Memory is what the process grows by while the structure is made, signatures included; queries are those of
one thread, CPU time, in batches (ours) and one by one (both), signatures ready-made.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, parser
from proxy.index import minhash
from proxy.index.lsh import DocumentLsh

_SEEDS = 176
_SHARED = 0.8
_PART = 50_000
"""Documents that datasketch gets, and of which signatures are made by it."""
_BATCH = 2_000
_TURNS = 5


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def made(count: int) -> NDArray[np.uint32]:
    """Signatures of ``count`` documents, shape (count, 128).

    A place of a signature is the least of as many random numbers as the set has members, so it is drawn
    directly: of two sets with a share J in common the same place is equal with probability J.
    """
    dice = np.random.default_rng(61)
    least = (1 - dice.random((count, minhash.PERMUTATIONS)) ** (1 / _SEEDS)) * (1 << 32)
    signature = least.astype(np.uint32)
    pairs = count // 4
    jaccard = _SHARED / (2 - _SHARED)
    same = dice.random((pairs, minhash.PERMUTATIONS)) < jaccard
    signature[pairs : 2 * pairs][same] = signature[:pairs][same]
    return signature


def ours(report: Report, signature: NDArray[np.uint32]) -> list[object]:
    before, began = resident(), time.process_time()
    kept = signature.copy()  # so that what is measured holds the signatures too
    lsh = DocumentLsh(kept)
    spent, grown = time.process_time() - began, resident() - before
    count, pairs = len(signature), len(signature) // 4
    asked = signature[random.Random(1).sample(range(count), _BATCH)]
    batch, single = [], []
    for _ in range(_TURNS):
        began = time.process_time()
        lsh.query(asked)
        batch.append(time.process_time() - began)
        began = time.process_time()
        for one in range(200):
            lsh.query(asked[one : one + 1])
        single.append(time.process_time() - began)
    texts, documents, _ = lsh.query(signature[pairs : 2 * pairs][:_BATCH])
    met = np.count_nonzero(documents == texts)
    rate = _BATCH / median(batch)
    gigabytes = max(grown, lsh.nbytes) / 1e9
    report.bar(f"GB for {count} documents", gigabytes, "<= 1", gigabytes <= 1)
    report.bar("queries a second, one core", rate, ">= 20000", rate >= 20_000)
    return [
        *("ours", count, lsh.nbytes / 1e6, grown / 1e6, max(grown, lsh.nbytes) / count, spent),
        *(rate, 200 / median(single), 100 * met / min(pairs, _BATCH)),
    ]


def theirs(signature: NDArray[np.uint32]) -> list[object]:
    from datasketch import MinHash, MinHashLSH

    def sketch(row: NDArray[np.uint32]) -> MinHash:
        return MinHash(num_perm=minhash.PERMUTATIONS, seed=1, scheme=minhash.SCHEME, hashvalues=row.copy())

    gc.collect()
    before, began = resident(), time.process_time()
    lsh = MinHashLSH(num_perm=minhash.PERMUTATIONS, params=(minhash.BANDS, minhash.ROWS))
    for number, row in enumerate(signature):
        lsh.insert(number, sketch(row))
    spent, grown = time.process_time() - began, resident() - before
    pairs = len(signature) // 4
    asked = [sketch(row) for row in signature[pairs : 2 * pairs][:_BATCH]]
    began = time.process_time()
    found = [lsh.query(one) for one in asked]
    rate = len(asked) / (time.process_time() - began)
    met = sum(number in each for number, each in enumerate(found))
    return [
        *("datasketch MinHashLSH", len(signature), None, grown / 1e6, grown / len(signature), spent),
        *(None, rate, 100 * met / len(asked)),
    ]


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--documents", type=int, help="documents (1,000,000; with --quick 100,000)")
    given = options.parse_args()
    count = given.documents or (100_000 if given.quick else 1_000_000)
    extra = {"documents": count} if given.documents else {}
    report = Report("document_lsh", given.quick, not given.no_save, extra)
    signature = made(count)
    rows = [theirs(made(_PART)), ours(report, signature)]
    columns = (
        *("", "documents", "arrays MB", "grown MB", "bytes a document", "CPU s to make"),
        *("queries/s in batches", "queries/s one by one", "partners found %"),
    )
    report.table("whole-document similarity", columns, rows)
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
