"""How closely a stream must be read: by the thresholds alone."""

import pytest

from proxy.detectors.near import SPAN
from proxy.detectors.pace import Pace
from proxy.types import Threshold


@pytest.mark.parametrize(("budget", "stride", "blind"), [(12, 2, -1), (11, 1, 0), (4, 1, 7)])
def test_a_small_budget_is_read_unit_by_unit(budget: int, stride: int, blind: int) -> None:
    """With a budget of a seed or more every second unit is enough; with less something is always held."""
    thresholds = [Threshold(32, budget)]
    pace = Pace.of(20, [20, 32], thresholds, thresholds)
    assert (pace.stride, pace.blind) == (stride, blind)


def test_who_only_observes_does_not_slow_the_stream() -> None:
    """A small budget of an audience whose text is only counted makes no unit count, and holds nothing."""
    pace = Pace.of(20, [20, 32], [Threshold(32, 4)], [])
    assert (pace.stride, pace.blind) == (2, 0)


def test_a_look_back_reaches_as_far_as_anything_needs() -> None:
    """As many units are kept as the longest level and the run before it have, or two spans of a chain."""
    assert Pace.of(20, [20, 96], [Threshold(32, 12)], []).keep == 96 + 20 + 1
    assert Pace.of(20, [20], [Threshold(200, 12)], []).keep == 200 + 20 + 1
    assert Pace.of(20, [20], [Threshold(32, 12, cover=48)], []).keep == 2 * SPAN
