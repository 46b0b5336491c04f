"""Trains the English tagger: the MiniLM-L6 encoder with a label for every word piece.

May import: torch, safetensors, tokenizers and numpy, when used. The rule that must stay true: seeds
are fixed and one thread works, so the same data and the same torch build give the same model.

The encoder is BERT (Devlin and others 2019) as MiniLM-L6 has it: 6 layers, width 384, 12 heads,
uncased. Its pieces carry no case, so the row of the "token type" table, which is of no use
here, says how the word was written (``shape`` in ``proxy.recognizers.english``).
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.recognizers.english import LABELS, SHAPES, pieces

from .sentences import Sentence

LAYERS, WIDTH, HEADS, LONGEST = 6, 384, 12, 192
SEED = 20261

Example = tuple[list[int], list[int], list[int]]
"""Piece ids, shapes and label ids of one training text, all of one length."""


def labelled(tokenizer: Any, sentence: Sentence) -> Example:
    """Number the pieces of ``sentence`` and the label of each: B- where a mark begins, I- inside it."""
    ids, shapes, offsets = pieces(tokenizer, sentence.text)
    labels = [0] * len(ids)
    for start, end, kind in sentence.marks:
        begun = False
        for n, (left, right) in enumerate(offsets):
            if right > left and left >= start and left < end:
                labels[n] = LABELS.index(("I-" if begun else "B-") + kind)
                begun = True
    return ids[:LONGEST], shapes[:LONGEST], labels[:LONGEST]


def joined(sentences: Sequence[Sentence], seed: int) -> Iterator[Sentence]:
    """Sentences in random order, some alone and some joined, since windows hold more than one."""
    dice = random.Random(seed)
    waiting = list(sentences)
    dice.shuffle(waiting)
    while waiting:
        text, marks = "", list[tuple[int, int, str]]()
        for _ in range(dice.choice((1, 1, 2, 3, 5))):
            if not waiting or (len(text) + len(waiting[-1].text) > 420 and text):
                break
            one = waiting.pop()
            text += dice.choice((" ", "\n")) if text else ""
            marks += [(len(text) + start, len(text) + end, kind) for start, end, kind in one.marks]
            text += one.text
        yield Sentence(text, tuple(marks))


def batches(examples: list[Example], pieces_a_batch: int, seed: int) -> list[list[Example]]:
    """Batches of texts of like length, about ``pieces_a_batch`` pieces each, in random order."""
    dice = random.Random(seed)
    ordered = sorted(examples, key=lambda e: (len(e[0]) + dice.random() * 8, dice.random()))
    made: list[list[Example]] = [[]]
    for example in ordered:
        if made[-1] and (len(made[-1]) + 1) * len(example[0]) > pieces_a_batch:
            made.append([])
        made[-1].append(example)
    dice.shuffle(made)
    return made


def encoder(torch: Any, vocabulary: int) -> Any:
    """The network; parameter names are those of the published weights, plus a classifier."""
    nn = torch.nn
    functional = torch.nn.functional

    def layer() -> Any:
        parts = {
            "query": (WIDTH, WIDTH),
            "key": (WIDTH, WIDTH),
            "value": (WIDTH, WIDTH),
            "out": (WIDTH, WIDTH),
        }
        parts |= {"up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
        modules = {name: nn.Linear(*sizes) for name, sizes in parts.items()}
        return nn.ModuleDict(
            modules | {"norm1": nn.LayerNorm(WIDTH, 1e-12), "norm2": nn.LayerNorm(WIDTH, 1e-12)}
        )

    class Tagger(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(vocabulary, WIDTH)
            self.positions = nn.Embedding(512, WIDTH)
            self.shapes = nn.Embedding(SHAPES, WIDTH)
            self.norm = nn.LayerNorm(WIDTH, 1e-12)
            self.layers = nn.ModuleList(layer() for _ in range(LAYERS))
            self.classifier = nn.Linear(WIDTH, len(LABELS))
            self.drop = nn.Dropout(0.1)

        def forward(self, ids: Any, shapes: Any, mask: Any) -> Any:
            batch, length = ids.shape
            places = torch.arange(length)
            x = self.drop(self.norm(self.words(ids) + self.positions(places) + self.shapes(shapes)))
            for part in self.layers:
                q, k, v = (
                    part[name](x).view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)
                    for name in ("query", "key", "value")
                )
                seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
                seen = part["out"](seen.transpose(1, 2).reshape(batch, length, WIDTH))
                x = part["norm1"](x + self.drop(seen))
                x = part["norm2"](x + self.drop(part["down"](functional.gelu(part["up"](x)))))
            return self.classifier(self.drop(x))

    return Tagger()


def start_from(torch: Any, network: Any, base: Mapping[str, Any]) -> None:
    """Copy ``base`` into ``network``: all but the classifier; every shape starts from the first row."""
    state = network.state_dict()
    for name, value in base.items():
        if name.startswith("shapes."):
            state[name] = torch.tensor(value[:1]).repeat(SHAPES, 1)
        elif not name.startswith("classifier."):
            state[name] = torch.tensor(value)
    network.load_state_dict(state)


def train(
    sentences: Sequence[Sentence], tokenizer: Any, base: Mapping[str, Any], *, epochs: int
) -> dict[str, Any]:
    """Train from ``base`` (see ``weights.py``) and return the parameters as float32 arrays, by name."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    network = encoder(torch, len(base["words.weight"]))
    start_from(torch, network, base)
    plan: list[list[Example]] = []
    for epoch in range(epochs):
        examples = [labelled(tokenizer, one) for one in joined(sentences, SEED + epoch)]
        plan += batches(examples, 1536, SEED + epoch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, weight_decay=0.01, fused=True)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-4, total_steps=len(plan), pct_start=0.1)
    began, running = time.monotonic(), 0.0
    network.train()
    for number, batch in enumerate(plan):
        ids, shapes, labels, mask = tensors(torch, batch)
        logits = network(ids, shapes, mask)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        pace.step()
        running = 0.98 * running + 0.02 * float(loss.detach()) if number else float(loss.detach())
        if number % 100 == 0:
            spent = time.monotonic() - began
            sys.stderr.write(f"step {number} of {len(plan)}  loss {running:.4f}  {spent:.0f} s\n")
            sys.stderr.flush()
    return {name: value.detach().float().numpy() for name, value in network.state_dict().items()}


def tensors(torch: Any, batch: list[Example]) -> tuple[Any, Any, Any, Any]:
    """One batch as ids, shapes, labels (-1 where there is no text) and the attention mask."""
    length = max(len(ids) for ids, _, _ in batch)
    rows = [[], [], [], []]  # type: list[list[list[int]]]
    for ids, shapes, labels in batch:
        gap = length - len(ids)
        rows[0].append(ids + [0] * gap)
        rows[1].append(shapes + [0] * gap)
        rows[2].append(labels + [-1] * gap)
        rows[3].append([1] * len(ids) + [0] * gap)
    ids_, shapes_, labels_, mask = (torch.tensor(row) for row in rows)
    return ids_, shapes_, labels_, mask.bool()
