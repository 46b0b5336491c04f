"""Opens the model files: reads the manifest, checks every file's sum, starts a session.

May import: ``proxy.errors``; onnxruntime when a session is started. The rule that must stay true: what
is run is what was checked, so a session is made from the very bytes whose sum was taken.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.errors import ConfigError

FOLDER = Path(__file__).parent / "models"
MANIFEST = "manifest.json"
FORMAT = 1
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
WARNING, FATAL = 2, 4
"""Severities of onnxruntime's log; WARNING is its default."""


def read_models(folder: Path, languages: tuple[str, ...]) -> dict[str, bytes]:
    """The files that ``languages`` need, by name.

    Raises ConfigError, with every fault in one, when the manifest or a file is missing, cut short or
    changed.
    """
    manifest = _manifest(folder)
    found: dict[str, bytes] = {}
    faults: list[str] = []
    for name, entry in manifest.items():
        if entry["language"] not in languages:
            continue
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            faults.append(f"{folder / name}: cannot be read ({error.strerror}); install the package again")
            continue
        if len(data) != entry["bytes"]:
            faults.append(
                f"{folder / name}: has {len(data)} bytes, not {entry['bytes']}; install the package again"
            )
        elif hashlib.sha256(data).hexdigest() != entry["sha256"]:
            faults.append(
                f"{folder / name}: is not the file of the manifest (sha256); install the package again"
            )
        found[name] = data
    if faults:
        raise ConfigError(*faults)
    return found


def _manifest(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise ConfigError(f"{path}: format {manifest['format']}, this version reads {FORMAT}")
        entries: Mapping[str, Mapping[str, Any]] = manifest["files"]
        for entry in entries.values():
            _ = (entry["language"], entry["bytes"], entry["sha256"])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); install the package again") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path}: is not a model manifest; install the package again") from None
    return entries


def open_session(data: bytes, name: str, *, threads: int, gpu: bool | None) -> Any:
    """An onnxruntime session on ``data``.

    ``gpu`` None uses CUDA where it works, True requires it, False keeps off it. That a build lists the
    provider says nothing: only a session that reports it has it. The 8-bit products run on the
    processor in any case. Raises ConfigError.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at the import: else it writes a file and reports home
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    wanted = [CUDA, CPU] if gpu is not False and CUDA in runtime.get_available_providers() else [CPU]
    runtime.set_default_logger_severity(FATAL)  # it would print pages where CUDA is not there
    try:
        session = runtime.InferenceSession(data, options, providers=wanted)
    except Exception as error:  # onnxruntime's errors have no common base of their own
        raise ConfigError(f"{name}: onnxruntime cannot load it ({type(error).__name__})") from None
    finally:
        runtime.set_default_logger_severity(WARNING)
    if gpu and CUDA not in session.get_providers():
        raise ConfigError(f"{name}: a GPU was asked for, but onnxruntime has no working {CUDA}")
    return session
