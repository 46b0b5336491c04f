"""Curves as an SVG file, without a plotting library.

The rule that must stay true: the file is readable as text: no font, no script, nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

_WIDTH, _HEIGHT = 460, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 34, 14, 46
_COLOURS = ("#1b6ca8", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#475569")
_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y, low, high), in the order of x. A y of 0 on a log axis is shown at its high end."""

    name: str
    points: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram. ``marks``: values of x with a word of explanation."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    bottom: float
    top: float
    logarithmic: bool = False
    marks: Sequence[tuple[float, str]] = ()


def svg(panels: Sequence[Panel], note: str) -> str:
    """The panels in two columns, with a note below."""
    rows = -(-len(panels) // _COLUMNS)
    width, height = _WIDTH * _COLUMNS, _HEIGHT * rows + 24
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11">'
    )
    out = [head, f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, panel in enumerate(panels):
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        out += [f'<g transform="translate({x},{y})">', *_Frame(panel).drawn(), "</g>"]
    out.append(f'<text x="10" y="{height - 9}" fill="#475569">{escape(note)}</text></svg>')
    return "\n".join(out) + "\n"


class _Frame:
    """Axes and lines of one panel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        values = [point[0] for line in panel.lines for point in line.points]
        self._first, self._last = min(values), max(values)

    def drawn(self) -> Iterator[str]:
        panel = self._panel
        yield f'<text x="{_LEFT}" y="16" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
        yield from self._axes()
        for at, word in panel.marks:
            x = self._x(at)
            yield f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#94a3b8" stroke-dasharray="3 3"/>'
            yield f'<text x="{x + 3:.1f}" y="{_TOP + 10}" fill="#64748b">{escape(word)}</text>'
        for number, line in enumerate(panel.lines):
            yield from self._line(line, _COLOURS[number % len(_COLOURS)], number)

    def _axes(self) -> Iterator[str]:
        panel = self._panel
        low, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value in self._ticks():
            y = self._y(value)
            yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#e2e8f0"/>'
            yield f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        for point in panel.lines[0].points:
            yield f'<text x="{self._x(point[0]):.1f}" y="{low + 14}" text-anchor="middle">{point[0]:g}</text>'
        yield f'<path d="M{_LEFT} {_TOP}V{low}H{right}" fill="none" stroke="#334155"/>'
        yield f'<text x="{(_LEFT + right) / 2}" y="{low + 31}" text-anchor="middle">{escape(panel.x)}</text>'
        middle = (_TOP + low) / 2
        place = f'transform="rotate(-90 14 {middle})" x="14" y="{middle}" text-anchor="middle"'
        yield f"<text {place}>{escape(panel.y)}</text>"

    def _ticks(self) -> list[float]:
        panel = self._panel
        if panel.logarithmic:
            return [
                10.0**power for power in range(floor(log10(panel.bottom)) + 1, floor(log10(panel.top)) + 1)
            ]
        return [panel.bottom + (panel.top - panel.bottom) * part / 5 for part in range(6)]

    def _x(self, value: float) -> float:
        share = (value - self._first) / max(1e-9, self._last - self._first)
        return _LEFT + 10 + share * (_WIDTH - _LEFT - _RIGHT - 20)

    def _y(self, value: float) -> float:
        panel = self._panel
        value = min(max(value, panel.bottom), panel.top)
        if panel.logarithmic:
            share = log10(value / panel.bottom) / log10(panel.top / panel.bottom)
        else:
            share = (value - panel.bottom) / (panel.top - panel.bottom)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def _line(self, line: Line, colour: str, number: int) -> Iterator[str]:
        shown = [(self._x(x), y, low, high) for x, y, low, high in line.points]
        seen = [(x, self._y(y)) for x, y, _, _ in shown if y > 0 or not self._panel.logarithmic]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in seen)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        for x, y, low, high in shown:
            top, bottom = self._y(high), self._y(low)
            yield f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}" stroke-opacity=".45"/>'
            empty = self._panel.logarithmic and not y
            centre, fill = (top, "white") if empty else (self._y(y), colour)
            yield f'<circle cx="{x:.1f}" cy="{centre:.1f}" r="2.6" fill="{fill}" stroke="{colour}"/>'
        at = _TOP + 24 + 14 * number
        yield f'<path d="M{_WIDTH - 190} {at - 4}h14" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{_WIDTH - 172}" y="{at}">{escape(line.name)}</text>'
