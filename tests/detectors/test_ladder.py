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
