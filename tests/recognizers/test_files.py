"""The model files: what the manifest says is what is run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import proxy
from proxy.errors import ConfigError
from proxy.recognizers import open_recognizers
from proxy.recognizers.files import CPU, CUDA, FOLDER, MANIFEST, open_session, read_models

ROOT = Path(proxy.__file__).parents[1]


@pytest.fixture
def chinese_folder(tmp_path: Path) -> Path:
    """A copy of the Chinese files with their manifest."""
    for path in FOLDER.glob("*"):
        if path.name.startswith("chinese") or path.name == MANIFEST:
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


def test_every_committed_file_is_the_manifests() -> None:
    """Size and sha256 of each file agree with the manifest, and no file is left unlisted."""
    listed = json.loads((FOLDER / MANIFEST).read_text("utf-8"))["files"]
    present = {path.name for path in FOLDER.iterdir()} - {MANIFEST, "NOTICE"}
    assert present == set(listed)
    for name, entry in listed.items():
        data = (FOLDER / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"]), name


def test_all_files_together_stay_below_fifty_megabytes() -> None:
    """The models are committed and shipped: their size has a ceiling."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 50_000_000


def test_every_file_says_where_it_comes_from() -> None:
    """Source, licence and changes are written down for each file, and the NOTICE names the authors."""
    listed = json.loads((FOLDER / MANIFEST).read_text("utf-8"))["files"]
    assert all(entry["source"] and entry["licence"] and entry["changes"] for entry in listed.values())
    notice = (FOLDER / "NOTICE").read_text("utf-8")
    assert "Broad Twitter Corpus" in notice and "CC BY 4.0" in notice


def test_a_truncated_file_is_refused(chinese_folder: Path) -> None:
    """A model that was cut short is a ConfigError that names the file and both sizes."""
    path = chinese_folder / "chinese.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ConfigError, match=r"chinese\.onnx: has \d+ bytes, not \d+"):
        open_recognizers(("zh",), threads=1, folder=chinese_folder)


def test_a_changed_file_is_refused(chinese_folder: Path) -> None:
    """One changed byte is found by its sum."""
    path = chinese_folder / "chinese.onnx"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="sha256"):
        open_recognizers(("zh",), threads=1, folder=chinese_folder)


def test_missing_files_are_all_named_at_once(chinese_folder: Path) -> None:
    """Every missing file of the language is a fault of the one error."""
    for path in chinese_folder.glob("chinese*"):
        path.unlink()
    with pytest.raises(ConfigError) as caught:
        read_models(chinese_folder, ("zh",))
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "files": {"x": 3}}', '{"format": 9, "files": {}}']
)
def test_a_broken_manifest_is_refused(chinese_folder: Path, content: str) -> None:
    """A manifest that is not one, or of another format, is a ConfigError."""
    (chinese_folder / MANIFEST).write_text(content, "utf-8")
    with pytest.raises(ConfigError, match="manifest"):
        read_models(chinese_folder, ("zh",))


def test_no_manifest_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest is a ConfigError."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_models(tmp_path, ("zh",))


def test_bytes_that_are_no_model_are_refused() -> None:
    """onnxruntime's own exceptions do not reach the caller."""
    with pytest.raises(ConfigError, match="cannot load"):
        open_session(b"not a model", "x.onnx", threads=1, gpu=False)


def test_a_gpu_is_claimed_only_where_a_session_has_it() -> None:
    """Insisting on a GPU gives a session that reports one, or a ConfigError; not insisting always works."""
    data = (FOLDER / "chinese.onnx").read_bytes()
    assert CPU in open_session(data, "chinese.onnx", threads=1, gpu=None).get_providers()
    assert open_session(data, "chinese.onnx", threads=1, gpu=False).get_providers() == [CPU]
    try:
        session = open_session(data, "chinese.onnx", threads=1, gpu=True)
    except ConfigError as error:
        assert "GPU" in str(error)
    else:
        assert CUDA in session.get_providers()


@pytest.mark.parametrize(("languages", "threads"), [(("en", "de"), 1), ((), 1), (("en",), 0)])
def test_wrong_settings_are_refused(languages: tuple[str, ...], threads: int) -> None:
    """An unknown language, none at all, or no thread is a ConfigError."""
    with pytest.raises(ConfigError, match="recognizers"):
        open_recognizers(languages, threads=threads)


def test_importing_the_room_loads_nothing_heavy() -> None:
    """The import alone loads neither a model nor numpy, tokenizers or onnxruntime."""
    heavy = ("numpy", "tokenizers", "onnxruntime")
    code = f"import sys, proxy.recognizers; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_models_reports_nowhere(tmp_path: Path) -> None:
    """Nothing is written beside and no telemetry set up: onnxruntime would leave its session's file."""
    script = (
        "from proxy.recognizers import open_recognizers\n"
        "assert open_recognizers(('en',), threads=1).recognize(['Ann Smith lives in Boston.'])[0]"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        timeout=120,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
