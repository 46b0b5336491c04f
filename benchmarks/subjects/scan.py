"""Scan ordinary English answers in pieces of 25 characters: CPU microseconds a token of 4.4 characters."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import material

UNIT = "CPU us a token"


def prepare(data: Path, folder: Path) -> Callable[[], float]:
    """Build the index of the bank's documents and return a turn of 60 answers."""
    material.build(folder / "bank.idx", material.bank(data))
    house = material.firewall(folder / "bank.idx", "default")
    answers = random.Random(60).sample(material.english_answers(data), 60)
    tokens = sum(len(answer.text) for answer in answers) / material.CHARACTERS_A_TOKEN

    def turn() -> float:
        began = time.process_time()
        for answer in answers:
            guard = material.guard(house, "public", (answer.prompt,))
            for piece in material.cut(answer.text, 25):
                if guard.feed(piece).stopped:
                    break
            else:
                guard.finish()
        return (time.process_time() - began) * 1e6 / tokens

    return turn
