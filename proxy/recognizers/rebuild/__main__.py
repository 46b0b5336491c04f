"""Rebuilds the folder of models: ``python -m proxy.recognizers.rebuild --data DIR --work DIR``.

Needs, in an environment of its own::

    pip install torch==2.13.0 onnx==1.23.2 onnxruntime tokenizers==0.23.3 numpy safetensors faker==40.54.0

``--data`` holds the training corpora: ``btc.train``, ``btc.dev``, ``btc.test`` (Broad Twitter Corpus) and
``wnut17train.conll``, ``emerging.dev.conll`` (WNUT 2017 without its test part), both CC BY 4.0. ``--work``
keeps what is downloaded. Training takes about half an hour on one thread. The rule that must stay true:
seeds are fixed and sources are pinned, so a rebuild on the same processor type gives the same bytes;
another processor rounds differently, and the model is then equal in quality, not in its sum.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from proxy.errors import ConfigError
from proxy.recognizers.files import FOLDER

from . import bert_onnx, lac, pack, sources, tagger, weights
from .corpora import read_corpora
from .sentences import Maker

SENTENCES, EPOCHS = 16000, 2

CORPORA = """\
Trained on the Broad Twitter Corpus (L. Derczynski, K. Bontcheva and I. Roberts, 2016) and on the training
and development parts of WNUT 2017, Emerging and Rare Entity Recognition (L. Derczynski, E. Nichols, M. van
Erp and N. Limsopatham, 2017), both licensed CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), with
account handles relabelled, and on sentences made for this project with names and addresses of Faker (MIT)."""

LAC_CREDIT = """\
Derived from lac_small, a model of Baidu LAC (https://github.com/baidu/lac, Apache License 2.0; Z. Jiao,
S. Sun and K. Sun, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018), as packaged in lac_small/
of jieba 0.42.1 (Sun Junyi, MIT; the files there carry PaddlePaddle's Apache License 2.0 headers). Changed:
rewritten as ONNX, embedding in 8 bits; alphabet, tags and transitions put into chinese.tables.json."""


def chinese(work: Path) -> dict[str, pack.File]:
    """The Chinese network and its tables."""
    sources.fetch(sources.LAC, work)
    folder = work / "lac" / "weights"
    licence = "Apache-2.0 (Baidu LAC), packaged in jieba (MIT)"
    changes = "rewritten as ONNX, embedding quantised to 8 bits"
    origin = f"{sources.LAC.requirement}, lac_small"
    return {
        "chinese.onnx": pack.File(lac.model(folder), "zh", origin, licence, changes, LAC_CREDIT),
        "chinese.tables.json": pack.File(lac.tables(folder), "zh", origin, licence, "rewritten as JSON"),
    }


def english(work: Path, data: Path) -> dict[str, pack.File]:
    """Our own tagger, trained unless ``work`` keeps the parameters of an earlier run."""
    sources.fetch(sources.MINILM, work)
    numpy = importlib.import_module("numpy")
    tokenizers = importlib.import_module("tokenizers")
    vocabulary = sources.unzip(work / "minilm.zip", "tokenizer.json")
    kept = work / "english.npz"
    if kept.exists():
        sys.stderr.write(f"using the trained parameters in {kept}\n")
        arrays = dict(numpy.load(kept))
    else:
        (work / "minilm.safetensors").write_bytes(sources.unzip(work / "minilm.zip", "model.safetensors"))
        base = weights.minilm(work / "minilm.safetensors")
        tokenizer = tokenizers.Tokenizer.from_str(vocabulary.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        texts = [*read_corpora(data), *Maker(tagger.SEED).sentences(SENTENCES)]
        arrays = tagger.train(texts, tokenizer, base, epochs=EPOCHS)
        numpy.savez(kept, **arrays)
    origin = f"{sources.MINILM.requirement} (all-MiniLM-L6-v2), trained by {__package__}"
    licence = "Apache-2.0 (base model: Apache-2.0; training corpora: CC BY 4.0)"
    changes = "trained to tag PER, LOC, ORG and ADDR, quantised to 8 bits, written as ONNX"
    credit = f"Derived from sentence-transformers/all-MiniLM-L6-v2 (Apache License 2.0).\n{CORPORA}"
    return {
        "english.onnx": pack.File(bert_onnx.tagger_model(arrays), "en", origin, licence, changes, credit),
        "english.tokenizer.json": pack.File(vocabulary, "en", origin, "Apache-2.0", "none"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m proxy.recognizers.rebuild", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="folder of the training corpora")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for downloads and the trained parameters"
    )
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder to write (default: the package's own)"
    )
    args = parser.parse_args()
    try:
        models = chinese(args.work) | english(args.work, args.data)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    size = pack.write(args.out, models)
    sys.stderr.write(f"{args.out}: {len(models)} files, {size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
