"""The caller's own words: their runs and seeds, worked out once a request."""

from proxy.detectors.echo import Echo
from proxy.types import View
from tests.memory_index import KEY, encode, runs

OWN = ("Is the amber ledger kept at the north gate?", "And the second text stands apart from it.")


def _view(echo: tuple[str, ...]) -> View:
    return View("public", (), (), {}, echo)


def test_runs_and_seeds_of_each_text_are_known() -> None:
    """Every run of X units and every seed of the caller's texts is found."""
    echo = Echo(KEY, 20, _view(OWN))
    for text in OWN:
        assert all(map(echo.contains, runs(text, 20)))
        assert all(map(echo.contains_seed, KEY.seeds(encode(text))))


def test_no_run_crosses_two_texts() -> None:
    """The end of one text and the beginning of the next make no run together."""
    echo = Echo(KEY, 20, _view(OWN))
    crossing = runs("".join(OWN), 20)
    assert not all(map(echo.contains, crossing))
    assert not Echo(KEY, 20, _view(())).contains_seed(KEY.seeds(encode(OWN[0]))[0])


def test_it_is_worked_out_once_for_all_channels() -> None:
    """Two scanners of one request share the work through the view's cache."""
    view = _view(OWN)
    assert Echo(KEY, 20, view).grams() is Echo(KEY, 20, view).grams()
    assert Echo(KEY, 20, view).seeds() is Echo(KEY, 20, view).seeds()
