"""What the commands that put a training set into an index share: its options, and how it is read.

May import: the rooms ``datasets``, ``index`` and ``recognizers``, inside functions. The rule that must stay
true: whatever is skipped is kept, so that it can be told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from proxy.cli import console
from proxy.cli.options import positive
from proxy.cli.values import value_options
from proxy.types import Document, Skipped, Value

if TYPE_CHECKING:
    from proxy.index import Manifest
    from proxy.recognizers.values import ValueFinder

FORMATS = ("auto", "alpaca", "sharegpt", "openai", "text", "preference", "kto", "records")
"""The shapes that records can have."""


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """``DATA``: what is read."""
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="file, folder or dataset_info.json[:NAME]; AUDIENCE=PATH"
    )


def reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how records are read."""
    parser.add_argument("--audience", metavar="NAME", help="audience of documents that name none")
    parser.add_argument("--audience-field", metavar="FIELD", help="field with a record's audience")
    parser.add_argument("--format", choices=FORMATS, default="auto", help="shape of the records")


def data_options(parser: argparse.ArgumentParser) -> None:
    """How it is read, and what is looked for in it."""
    reading_options(parser)
    parser.add_argument(
        "--background", nargs="+", default=[], metavar="FILE", help="text that is free for everyone"
    )
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes")
    parser.add_argument("--strict", action="store_true", help="stop at the first record that cannot be read")
    value_options(parser)


class Write(Protocol):
    """What takes documents into an index."""

    def __call__(
        self,
        documents: Iterable[Document],
        *,
        background: Iterable[Document],
        values: Callable[[Document], Sequence[Value]] | None,
        stage: Callable[[str], None],
    ) -> Manifest: ...


class TrainingSet:
    """The files that a command was given, and what was counted as their documents passed.

    Raises ``ConfigError`` for what cannot be a source.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        from proxy.datasets import parse_source

        self._options = options
        self._sources = [parse_source(argument) for argument in options.data]
        self._background = [parse_source(argument) for argument in options.background]
        self.skipped: list[Skipped] = []
        self.without_audience = 0

    @property
    def size(self) -> int:
        """Bytes of the documents, without the background."""
        from proxy.datasets import total_bytes

        return total_bytes(self._sources)

    def into(self, write: Write, finder: ValueFinder | None) -> Manifest:
        """Read everything into an index; first once for the shapes of numbers, where values are wanted."""
        from proxy.datasets import read, total_bytes

        options = self._options
        passes = 1 if finder is None else 2
        with console.progress(passes * self.size + total_bytes(self._background), "reading") as bar:
            items = partial(
                read,
                self._sources,
                form=options.format,
                audience_field=options.audience_field,
                default_audience=options.audience,
                strict=options.strict,
                with_fields=True,
                progress=bar.advance,
            )
            if finder is not None:
                bar.stage("learning the shapes of numbers")
                finder.learn(item for item in items() if isinstance(item, Document))
            documents = self._with_audience(self._readable(items()))
            free = self._readable(read(self._background, with_fields=True, progress=bar.advance))
            return write(
                documents if finder is None else finder.ahead(documents),
                background=free if finder is None else finder.ahead(free),
                values=None if finder is None else finder.of,
                stage=bar.stage,
            )

    def _readable(self, items: Iterable[Document | Skipped]) -> Iterator[Document]:
        for item in items:
            if isinstance(item, Skipped):
                self.skipped.append(item)
            else:
                yield item

    def _with_audience(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Background needs no audience: it is free for everyone."""
        for document in documents:
            self.without_audience += document.audience is None
            yield document
