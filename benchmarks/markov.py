"""Text of any size whose words are as common as in the demo sets, and whose runs are nearly all new.

The rule that must stay true: the same sets, order and size give the same text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import material

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENGLISH = ("alpaca_en_demo.json", "dpo_en_demo.json", "kto_en_demo.json", "c4_demo.jsonl", "wiki_demo.txt")
CHINESE = ("alpaca_zh_demo.json", "dpo_zh_demo.json", "glaive_toolcall_zh_demo.json")


def english_words(data: Path) -> list[str]:
    """The words of the English sets, in order, with what stands beside them."""
    items = chain(*(material.demo_set(data, name) for name in ENGLISH), material.bank(data))
    return [word for item in items for word in material.joined(item).split()]


def chinese_words(data: Path) -> list[str]:
    """The characters of the Chinese sets, in order."""
    items = chain(
        *(material.demo_set(data, name) for name in CHINESE), material.crosswoz_places(data, "nobody")
    )
    return [letter for item in items for letter in material.joined(item) if not letter.isspace()]


def markov(words: Sequence[str], glue: str, order: int, size: int, path: Path) -> None:
    """Write about ``size`` bytes of Markov text to ``path``, one document of about 1,000 bytes a line.

    All documents grow side by side: each stands at a place in the words, and moves to the place after one
    drawn from all places with the same last ``order`` words.
    """
    import numpy as np

    dice = np.random.default_rng(50)
    names, codes = np.unique(np.array(words, dtype=object), return_inverse=True)
    groups = _contexts(codes, order)
    by_group = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    mean = sum(len(word.encode()) for word in words) / len(words) + len(glue)
    steps = max(1, round(1000 / mean))
    count = max(1, round(size / (steps * mean)))
    place = dice.integers(order, len(words) - 1, count)
    taken = np.empty((steps, count), dtype=np.int32)
    for step in range(steps):
        taken[step] = codes[place]
        group = groups[place]
        place = by_group[starts[group] + (dice.random(count) * sizes[group]).astype(np.int64)] + 1
        place[place >= len(words)] = order
    with path.open("w", encoding="utf-8") as file:
        for column in range(count):
            text = glue.join(names[taken[:, column]].tolist())
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def _contexts(codes: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """For each place the number of its context: its word and the ``order`` - 1 before it."""
    import numpy as np

    groups = codes
    for back in range(1, order):
        before = np.concatenate([np.zeros(back, codes.dtype), codes[:-back]])
        pairs = groups.astype(np.int64) * (int(codes.max()) + 1) + before
        groups = np.unique(pairs, return_inverse=True)[1]
    return groups
