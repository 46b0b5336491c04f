"""The false alarms of ``benchmarks.detection`` alone: ``python -m benchmarks.detection_alarms --data DATA``.

The same indexes, texts and thresholds: completions touched a million tokens with their Poisson intervals, the
curves over L and C, and their drawing, without the table of what is found, which takes hours.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import alarms, curves, detection, material
from benchmarks.alarms import Sweep
from benchmarks.curves import Judged, Kept
from benchmarks.report import RESULTS, Report, parser
from benchmarks.transforms import Words


def english(data: Path, folder: Path, quick: bool, report: Report) -> Kept:
    """Passages of the bank found by each L and each C alone, for the drawing."""
    language = next(iter(detection.languages(data, quick)))
    house = alarms.house(folder, language.items, language.halves[0])
    passages = detection.drawn(report, language, house, 20 if quick else 300)
    words = Words(language.halves[1], han=language.han)
    return detection.kept(Sweep(house, language.items, "admin"), passages, words)


def main() -> int:
    options = parser(__doc__).parse_args()
    report = Report("detection_alarms", options.quick, not options.no_save)
    results: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as name:
        folder = Path(name)
        for language in detection.languages(options.data, options.quick):
            for number, index in enumerate(detection.indexes(options.data, language)):
                results.append(curves.judge(index, folder / f"{language.part}{number}"))
                print(f"{index.name}: judged", file=sys.stderr, flush=True)
        curves.show_alarms(report, results)
        curves.show_curve(report, "exact runs of L units alone", results, lambda each: each.exact)
        curves.show_curve(report, "near-verbatim cover C alone", results, lambda each: each.near)
        kept = english(options.data, folder / "kept", options.quick, report)
        curves.show_kept(report, "English", kept)
        picture = curves.drawing(results, kept, material.policy_named("default"))
    if report.save:
        stem = "detection_alarms.quick" if options.quick else "detection_alarms"
        (RESULTS / f"{stem}.svg").write_text(picture, "utf-8")
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
