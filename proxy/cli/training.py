"""What the commands that put a training set into an index share: its options, and how it is read.

May import: the rooms ``datasets``, ``index`` and ``recognizers``, inside functions. The rule that must stay
true: whatever is skipped is kept, so that it can be told.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from proxy.cli import console
from proxy.cli.options import positive, share
from proxy.cli.values import value_options
from proxy.errors import ConfigError
from proxy.types import Document, Noted, Skipped, Value

if TYPE_CHECKING:
    from proxy.index import Manifest
    from proxy.policy import Policy
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
    parser.add_argument(
        "--audience-field", metavar="FIELD", help="Field with a record's audience (default: audience)"
    )
    parser.add_argument(
        "--ignore-audience-field",
        action="store_true",
        help="Read a field called audience as content, not as a record's audience",
    )
    parser.add_argument("--format", choices=FORMATS, default="auto", help="shape of the records")


def data_options(parser: argparse.ArgumentParser) -> None:
    """How it is read, and what is looked for in it."""
    reading_options(parser)
    parser.add_argument(
        "--background", nargs="+", default=[], metavar="FILE", help="text that is free for everyone"
    )
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes")
    parser.add_argument(
        "--max-skipped",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="Largest share of records that may be left out; with more, no index is written (default: 0.1)",
    )
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
        reading: Callable[[], Mapping[str, Any]],
    ) -> Manifest: ...


class TrainingSet:
    """The files that a command was given, and what was counted as their documents passed.

    Raises ``ConfigError`` for what cannot be a source.
    """

    def __init__(self, options: argparse.Namespace, policy: Policy) -> None:
        from proxy.datasets import Order, Tally, parse_source

        self._options = options
        self._order = Order.of(
            {name: role.clearance for name, role in policy.roles.items()}, policy.audiences
        )
        self.tally = Tally()
        self._sources = [parse_source(argument) for argument in options.data]
        self._background = [parse_source(argument) for argument in options.background]
        self._check_audiences()
        self.skipped: list[Skipped] = []
        """Records that were left out, and remarks for a person (``Noted``)."""
        self.without_audience = 0

    @property
    def left_out(self) -> list[Skipped]:
        """Records and files that were left out."""
        return [each for each in self.skipped if not isinstance(each, Noted)]

    def reported(self, file: str) -> bool:
        """Return whether a remark says that some records of a file are narrower than their own marks."""
        return any(isinstance(each, Noted) and each.where.rpartition(":")[0] == file for each in self.skipped)

    def report(self) -> dict[str, Any]:
        """Return what the index keeps of the reading: counts and reasons, and the first places."""
        reasons = Counter(each.reason for each in self.skipped)
        return {
            "documents": self.tally.documents,
            "left_out": len(self.left_out),
            "audience_by": {
                "record": self.tally.record,
                "source": self.tally.source,
                "default": self.tally.default,
                "none": self.tally.unmarked,
            },
            "reasons": dict(reasons.most_common(50)),
            "places": [each.where for each in self.skipped[:50]],
        }

    def check(self) -> None:
        """Raise ConfigError where more records were left out than ``--max-skipped`` allows."""
        left = len(self.left_out)
        total = left + self.tally.documents
        most: float = self._options.max_skipped
        if total and left > most * total:
            reasons = Counter(each.reason for each in self.left_out).most_common(5)
            raise ConfigError(
                f"{left} of {total} records were left out, more than --max-skipped {most} allows; "
                "the index was not written",
                *(f"{count} x {reason}" for reason, count in reasons),
                *(f"{each.where}: {each.reason}" for each in self.left_out[:5]),
            )

    def _check_audiences(self) -> None:
        """Warn of audiences on the command line that the policy does not name."""
        for name in dict.fromkeys((self._options.audience, *(each.audience for each in self._sources))):
            if name is not None and name not in self._order.readers:
                close = self._order.meant(name)
                hint = f"; did you mean '{close}'?" if close else ""
                console.warn(f"the policy names no audience '{name}': no role may read its text{hint}")

    @property
    def size(self) -> int:
        """Bytes of the documents, without the background."""
        from proxy.datasets import total_bytes

        return total_bytes(self._sources)

    def into(self, write: Write, finder: ValueFinder | None) -> Manifest:
        """Read everything into an index; first once for the shapes of numbers, where values are wanted."""
        from proxy.datasets import Tally, read, total_bytes

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
                order=self._order,
                ignore_audience=options.ignore_audience_field,
                progress=bar.advance,
            )
            if finder is not None:
                bar.stage("learning the shapes of numbers")
                finder.learn(item for item in items() if isinstance(item, Document))
            self.tally = Tally()
            documents = self._with_audience(self._readable(items(tally=self.tally)))
            free = self._readable(read(self._background, with_fields=True, progress=bar.advance))
            return write(
                documents if finder is None else finder.ahead(documents),
                background=free if finder is None else finder.ahead(free),
                values=None if finder is None else finder.of,
                stage=bar.stage,
                reading=self.report,
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
        self.check()
