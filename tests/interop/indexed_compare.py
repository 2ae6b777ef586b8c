"""Data pairs (PREFIX.idx, PREFIX.bin) of Corral and of megatron-core: megatron-core reads the pairs of `corral data build` and trains on them, and
Corral reads the pairs of megatron-core.

    python indexed_compare.py --corral build/bin/corral
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch

try:
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder
except ImportError as error:
    print(f"skipped: no megatron-core here: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "tests/golden/tokenizer/small"
MODEL = ROOT / "tests/golden/models/llama3"
LENGTH = 32


class Corral:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def run(self, *words):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, name, rows):
        path = self.work / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def evaluate(self, *data):
        return json.loads(self.run("eval", "--checkpoint", MODEL, "--precision", "fp32", "--json", "--seq-length", LENGTH, *data))


def texts():
    generator = random.Random(3)
    words = "one two three fish blue \u00e9t\u00e9 \u65e5\u672c\u8a9e 12345 \n\n \U0001f98a it's".split(" ")
    return [" ".join(generator.choice(words) for _ in range(generator.randint(1, 90))) for _ in range(250)]


def same_as_built(corral):
    """megatron-core finds the documents of the tokenizer, each with its end token; its own training set covers the same tokens."""
    data = corral.rows("texts.jsonl", [{"text": text} for text in texts()])
    prefix = corral.work / "built"
    corral.run("data", "build", "--data", data, "--tokenizer", TOKENIZER, "--out", prefix)
    ids = [json.loads(line) for line in corral.run("tokenizer", "encode", "--tokenizer", TOKENIZER, "--data", data, "--no-special", "--json").splitlines()]
    end = json.loads((TOKENIZER / "tokenizer.json").read_text())["added_tokens"]
    end = next(token["id"] for token in end if token["content"] == "<|end_of_text|>")
    theirs = IndexedDataset(str(prefix))
    assert theirs.index.dtype is DType.optimal_dtype(4096), theirs.index.dtype
    assert len(theirs) == len(ids) and theirs.document_indices.tolist() == list(range(len(ids) + 1))
    for got, want in zip(theirs, ids):
        assert got.tolist() == want + [end]

    # The dataset builder of its trainer must make the parts that data.split makes in Corral.
    config = GPTDatasetConfig(random_seed=1, sequence_length=LENGTH, blend=([str(prefix)], None), split="98,1,1", tokenizer=SimpleNamespace(eod=end, vocab_size=4096, pad=-1, unique_identifiers={}),
                              reset_position_ids=False, reset_attention_mask=False, eod_mask_loss=False, create_attention_mask=False, path_to_cache=str(corral.work / "cache"))
    parts = BlendedMegatronDatasetBuilder(GPTDataset, [None, None, None], lambda: True, config).build()
    assert [len(part.indices) for part in parts] == [245, 3, 2], [len(part.indices) for part in parts]  # as in pair_data_test.cpp
    tokens = sum(len(row) + 1 for row in ids[:245])
    assert len(parts[0]) == (tokens - 1) // LENGTH
    print(f"built: {len(ids)} documents, {sum(map(len, ids)) + len(ids)} tokens equal; {[len(part) for part in parts]} rows in megatron-core's parts")
    return prefix


def write(prefix, documents, dtype, multimodal=False):
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=dtype, multimodal=multimodal)
    for document in documents:
        for sequence in document:
            builder.add_item(torch.tensor(sequence, dtype=torch.float64 if numpy.issubdtype(dtype, numpy.floating) else torch.int64))
        builder.end_document()
    builder.finalize(f"{prefix}.idx")
    return prefix


def read_by_corral(corral):
    """Losses on pairs of every token type, with documents of several sequences or none, with modes, and merged, equal those on the same ids as JSON rows."""
    generator = random.Random(4)
    documents = [[[generator.randrange(100) for _ in range(generator.randint(1, 50))] for _ in range(generator.randint(0, 3))] for _ in range(60)]
    stream = [token for document in documents for sequence in document for token in sequence]
    cuts = [stream[i : i + LENGTH + 1] for i in range(0, len(stream) - 1, LENGTH)]
    tokens = sum(len(cut) - 1 for cut in cuts)
    want = json.loads(corral.run("eval", "--checkpoint", MODEL, "--precision", "fp32", "--json", "--seq-length", LENGTH + 1, "--data", corral.rows("cuts.jsonl", [{"input_ids": cut} for cut in cuts])))
    assert want["targets"] == tokens
    for code in range(1, 9):
        dtype = DType.dtype_from_code(code)
        got = corral.evaluate("--dataset", "indexed", "--data", write(corral.work / f"type{code}", documents, dtype))
        assert got["targets"] == tokens and abs(got["loss"] - want["loss"]) <= 1e-6 * want["loss"], (dtype, got, want)
    modes = corral.evaluate("--dataset", "indexed", "--data", write(corral.work / "modes", documents, numpy.int32, multimodal=True))
    assert modes["loss"] == got["loss"], (modes, got)
    builder = IndexedDatasetBuilder(str(corral.work / "merged.bin"), dtype=numpy.uint16)
    for part, some in enumerate((documents[:20], documents[20:])):
        builder.add_index(str(write(corral.work / f"part{part}", some, numpy.uint16)))
    builder.finalize(str(corral.work / "merged.idx"))
    merged = corral.evaluate("--dataset", "indexed", "--data", corral.work / "merged")
    assert merged["loss"] == got["loss"], (merged, got)
    print(f"read: {len(stream)} tokens in each of 8 types, with modes and merged; loss {got['loss']:.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="corral-indexed-") as work:
        corral = Corral(args.corral, Path(work))
        same_as_built(corral)
        read_by_corral(corral)


if __name__ == "__main__":
    main()
