"""One side of a comparison: a process that prepares a subject once and does a turn each time it is asked to.

``python side.py TREE SUBJECT.py DATA FOLDER``. It answers on the output, a JSON object a line: first
``{"unit"}`` when it is ready, then ``{"cost"}`` for each line that it reads; ``{"error"}`` when it failed.
The packages are those of TREE, whatever is installed, so one copy of this file serves two commits.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType


def main(arguments: list[str]) -> int:
    """Serve turns until the input ends; returns the exit code."""
    tree, subject, data, folder = map(Path, arguments)
    sys.path[0] = str(tree)  # in place of this file's folder
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a subject prints is no answer
    try:
        module = _loaded(subject)
        turn = module.prepare(data, folder)
        print(json.dumps({"unit": module.UNIT}), file=answers, flush=True)
        for _ in sys.stdin:
            print(json.dumps({"cost": float(turn())}), file=answers, flush=True)
    except Exception as error:  # any failure of a subject ends the comparison with its reason
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers, flush=True)
        return 1
    return 0


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("subject", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
