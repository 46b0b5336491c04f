"""What the commands that put a training set into an index share: its options, and how it is read.

May import: the rooms ``datasets``, ``index`` and ``recognizers``, inside functions. The rule that must stay
true: whatever is skipped is kept, so that it can be told.
"""

from __future__ import annotations

import argparse
import codecs
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from proxy.cli import console
from proxy.cli.options import option, positive, share
from proxy.cli.progress import Progress
from proxy.cli.values import value_options
from proxy.errors import ConfigError
from proxy.types import NOBODY, Document, Noted, Skipped, Unread, Value

if TYPE_CHECKING:
    from proxy.datasets import Tally
    from proxy.index import Manifest
    from proxy.policy import Policy
    from proxy.recognizers.values import ValueFinder

FORMATS = ("auto", "alpaca", "sharegpt", "openai", "text", "preference", "kto", "records")
"""The shapes that records can have."""


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """``DATA``: what is read."""
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="File, folder or dataset_info.json[:NAME]; AUDIENCE=PATH gives its audience",
    )


def reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how records are read."""
    option(
        parser,
        "--audience",
        metavar="NAME",
        help="Audience for documents that do not specify one",
        shown=NOBODY,
    )
    option(
        parser,
        "--audience-field",
        metavar="FIELD",
        help="Field with a record's audience",
        shown="audience",
    )
    option(
        parser,
        "--ignore-audience-field",
        action="store_true",
        help="Read a field called audience as content, not as a record's audience",
        default=False,
    )
    option(parser, "--format", choices=FORMATS, default="auto", help="Shape of the records")
    option(
        parser,
        "--encoding",
        type=_encoding,
        metavar="NAME",
        help="Encoding of text files that are not UTF-8, such as gb18030",
        shown="what their bytes tell",
    )


def _encoding(text: str) -> str:
    """A text encoding that Python knows. Raises ArgumentTypeError."""
    try:
        found = codecs.lookup(text)
        b"text".decode(found.name, "replace")  # refuses what is no text encoding
    except (LookupError, UnicodeError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no encoding that is known; such are gb18030, big5, cp932, cp1252, utf-16-le"
        ) from None
    return found.name


def data_options(parser: argparse.ArgumentParser) -> None:
    """How it is read, and what is looked for in it."""
    reading_options(parser)
    parser.add_argument(
        "--background", nargs="+", default=[], metavar="FILE", help="Text that is free for everyone"
    )
    option(parser, "--workers", type=positive, default=1, metavar="N", help="Processes that read")
    option(
        parser,
        "--max-skipped",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="Largest share of records that may be left out; with more, no index is written",
    )
    option(
        parser,
        "--strict",
        action="store_true",
        help="Stop at the first record that cannot be read",
        default=False,
    )
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
            "encodings": {path.name: name for path, name in list(self.tally.encodings.items())[:50]},
            "reasons": dict(reasons.most_common(50)),
            "places": [each.where for each in self.skipped[:50]],
        }

    def check(self) -> None:
        """Raise ConfigError where more records were left out than ``--max-skipped`` allows."""
        left = len(self.left_out)
        total = left + self.tally.documents
        most: float = self._options.max_skipped
        self._check_files(most)
        if total and left > most * total:
            reasons = Counter(each.reason for each in self.left_out).most_common(5)
            raise ConfigError(
                f"{left} of {total} records were left out, more than --max-skipped {most} allows; "
                "the index was not written",
                *(f"{count} x {reason}" for reason, count in reasons),
                *(f"{each.where}: {each.reason}" for each in self.left_out[:5]),
            )

    def _check_files(self, most: float) -> None:
        """Raise ConfigError where the files of which nothing was read are too large a share of all bytes."""
        unread = [each for each in self.skipped if isinstance(each, Unread)]
        lost = sum(each.size for each in unread)
        total = self.size
        if total and lost > most * total:
            raise ConfigError(
                f"{len(unread)} files ({lost} of {total} bytes) were not read, more than --max-skipped {most}"
                " allows; the index was not written",
                *(f"{each.where}: {each.reason}" for each in unread[:5]),
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

    def into(self, write: Write, finder: ValueFinder | None, bar: Progress) -> Manifest:
        """Read everything into an index; first once for the shapes of numbers, where values are wanted."""
        from proxy.datasets import Tally, total_bytes

        count: Callable[[int], None] | None = None
        if finder is None:
            size, free, unit = self.size, total_bytes(self._background), "bytes"
            count = bar.advance
        else:
            size, free = self._learn(finder, bar)
            unit = "characters"
            finder.looked_at = bar.advance
        self.tally = Tally()
        documents = self._with_audience(self._readable(self._items(count, self.tally)))
        background = self._readable(self._free_items(count))
        name = "reading" if finder is None else "looking for known values"

        def stage(step: str) -> None:
            if step == "reading":
                bar.stage(name, size, unit)
            else:
                bar.stage(step)

        def announced() -> Iterator[Document]:
            if self._background:
                bar.stage(f"{name} in free text" if finder is not None else "reading free text", free, unit)
            yield from background if finder is None else finder.ahead(background)

        return write(
            documents if finder is None else finder.ahead(documents),
            background=announced(),
            values=None if finder is None else finder.of,
            stage=stage,
            reading=self.report,
        )

    def _learn(self, finder: ValueFinder, bar: Progress) -> tuple[int, int]:
        """Read everything once. Return the characters of the documents, and of the free text."""
        from proxy.datasets import total_bytes

        bar.stage("learning the shapes of numbers", self.size + total_bytes(self._background))
        counts = [0, 0]

        def documents() -> Iterator[Document]:
            for item in self._items(bar.advance):
                if isinstance(item, Document):
                    counts[0] += sum(map(len, item.texts))
                    yield item

        finder.learn(documents())
        for item in self._free_items(bar.advance):
            if isinstance(item, Document):
                counts[1] += sum(map(len, item.texts))
        return counts[0], counts[1]

    def _items(
        self, progress: Callable[[int], None] | None, tally: Tally | None = None
    ) -> Iterable[Document | Skipped]:
        from proxy.datasets import read

        options = self._options
        return read(
            self._sources,
            form=options.format,
            audience_field=options.audience_field,
            default_audience=options.audience,
            strict=options.strict,
            with_fields=True,
            order=self._order,
            ignore_audience=options.ignore_audience_field,
            encoding=options.encoding,
            progress=progress,
            tally=tally,
        )

    def _free_items(self, progress: Callable[[int], None] | None) -> Iterable[Document | Skipped]:
        from proxy.datasets import read

        return read(
            self._background, with_fields=True, progress=progress, encoding=self._options.encoding
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
