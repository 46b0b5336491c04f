"""The limits of the packaged policies, met by a real caller: requests a minute and answers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.policy import policies_folder
from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import chunk, serving
from tests.training import SmallIndex


@pytest.mark.parametrize("name", ["default", "strict"])
def test_more_than_sixty_requests_a_minute_are_refused(
    name: str, small_index: SmallIndex, tmp_path: Path
) -> None:
    """For a public key, with the time to wait; staff has no limit."""
    with serving(small_index, tmp_path, policy=policies_folder() / f"{name}.yaml") as served:
        served.up.script(*[Says(Said("Hi"))] * 400)
        answers = [served.ask("public") for _ in range(200)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:60] == [200] * 60
        assert 429 in statuses
        assert int(answers[statuses.index(429)].headers["retry-after"]) >= 1
        assert {served.ask("staff").status_code for _ in range(62)} == {200}


@pytest.mark.parametrize("name", ["default", "strict"])
def test_the_fifth_answer_at_once_is_refused(name: str, small_index: SmallIndex, tmp_path: Path) -> None:
    """Streams count until they end; then there is a place again."""
    with serving(small_index, tmp_path, policy=policies_folder() / f"{name}.yaml") as served:
        served.up.script(*[Raw([chunk({"content": "Hi"}), 2.0, chunk({}, "stop")])] * 4, Says(Said("Hi")))
        served.key("public")
        with ThreadPoolExecutor(5) as pool:
            found = list(pool.map(lambda _: served.ask("public", stream=True).status_code, range(5)))
        assert sorted(found) == [200, 200, 200, 200, 429]
        assert served.ask("public").status_code == 200
