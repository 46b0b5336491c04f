"""The state of a match begins empty, with the index's look-ups of its audience."""

from proxy.detectors.ladder import Ladder
from proxy.types import Threshold
from tests.memory_index import MemoryIndex


def test_a_new_ladder_holds_and_knows_nothing() -> None:
    """Nothing is matched, held or covered before the first unit; the levels are those of the audience."""
    index = MemoryIndex({"admin": ["one document that is long enough for its levels"]})
    ladder = Ladder(index, "admin", Threshold(32, 12), [], holds=True)
    assert (ladder.match, ladder.held, ladder.run, ladder.floor, ladder.active) == (0, 0, 0, 0, False)
    assert [length for length, _ in ladder.levels] == [20, 32]
    assert (ladder.threshold, ladder.budget) == (32, 12)


def test_exemptions_are_looked_up_before_a_match_acts() -> None:
    """From a run of X units on, or from the threshold where that is less, and never within the budget."""
    index = MemoryIndex({"admin": ["one document that is long enough for its levels"]})

    def telling(act: int, budget: int) -> int:
        return Ladder(index, "admin", Threshold(act, budget), [], holds=True).telling

    assert [telling(32, 12), telling(32, 0), telling(16, 12), telling(40, 25)] == [20, 20, 16, 26]
