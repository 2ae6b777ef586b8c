"""Text to ids on one core: Corral, tiktoken and tokenizers, one after the other, on the same text in the same run, one table with ratios.

    python tokenizer.py --corral build/bin/corral [--tokenizer PATH/tokenizer.model] [--prose FILE] [--code FILE] [--only-corral] [--check]

The default tokenizer is the small one of tests/golden; default prose are WordNet's glosses, default code is this Python's standard library. Each figure is
the best of five passes. Corral's is printed by `corral tokenizer encode`: through the plugin's C interface, without reading files and printing. --check
ends with 1 unless it is at least 25 MB/s and 4 times tiktoken's.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop/oracle"))
import make_tokenizer  # noqa: E402

BYTES, PASSES = 8_000_000, 5


def prose():
    glosses = (line.partition(" | ")[2].strip() for name in ("noun", "verb", "adj", "adv") for line in open(f"/usr/share/wordnet/data.{name}") if not line.startswith(" "))
    return ". ".join(gloss[:1].upper() + gloss[1:] for gloss in glosses)[:BYTES]


def code():
    text = ""
    for file in sorted(Path(os.__file__).parent.glob("**/*.py")):
        text += file.read_text(encoding="utf-8", errors="ignore")
        if len(text) > BYTES:
            break
    return text[:BYTES]


def documents(text):
    """Cuts a text into documents of 4,000 characters."""
    return [text[i : i + 4000] for i in range(0, len(text), 4000)]


def corral(args, work, rows):
    path = work / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    best = 0.0
    for _ in range(PASSES):
        done = subprocess.run([args.corral, "tokenizer", "encode", "--tokenizer", args.tokenizer, "--data", path, "--no-special", "--json"], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        best = max(best, float(re.search(r"([\d.]+) MB/s", done.stderr)[1]))
    return best, [json.loads(line) for line in done.stdout.splitlines()]


def timed(encode, rows):
    size, best = sum(len(row.encode()) for row in rows), 0.0
    for _ in range(PASSES):
        begin = time.perf_counter()
        ids = [encode(row) for row in rows]
        best = max(best, size / (time.perf_counter() - begin) / 1e6)
    return best, ids


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "tests/golden/tokenizer/small/tokenizer.model")
    parser.add_argument("--prose", type=Path)
    parser.add_argument("--code", type=Path)
    parser.add_argument("--only-corral", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = {"prose": args.prose.read_text(encoding="utf-8") if args.prose else prose(), "code": args.code.read_text(encoding="utf-8") if args.code else code()}
    ranks = make_tokenizer.read_ranks(args.tokenizer)
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        work = Path(folder)
        if not args.only_corral:
            import tiktoken
            from tokenizers import Tokenizer

            names = make_tokenizer.special_tokens("3.1", 256)
            tik = tiktoken.Encoding("bench", pat_str=make_tokenizer.PATTERN, mergeable_ranks=ranks,
                                    special_tokens={name: len(ranks) + i for i, name in enumerate(names)})
            (work / "tokenizer.json").write_text(json.dumps(make_tokenizer.tokenizer_json(ranks, "3.1", 256, "pairs")))
            other = Tokenizer.from_file(str(work / "tokenizer.json"))
        print(f"{len(ranks):,} tokens; MB/s on one core")
        print(f"{'text':8} {'Corral':>8} {'tiktoken':>9} {'ratio':>6} {'tokenizers':>11} {'ratio':>6}")
        fast = True
        for name, text in texts.items():
            rows = documents(text)
            ours, ids = corral(args, work, rows)
            if args.only_corral:
                print(f"{name:8} {ours:8.1f}")
                continue
            tik_speed, tik_ids = timed(lambda row: tik.encode(row, allowed_special="all"), rows)
            hf_speed, hf_ids = timed(lambda row: other.encode(row, add_special_tokens=False).ids, rows[:500])
            assert ids == tik_ids and ids[:500] == hf_ids, f"{name}: other ids"
            fast = fast and ours >= 25 and ours >= 4 * tik_speed
            print(f"{name:8} {ours:8.1f} {tik_speed:9.1f} {ours / tik_speed:6.1f} {hf_speed:11.1f} {ours / hf_speed:6.1f}", flush=True)
        if args.check and not fast:
            sys.exit("slower than 25 MB/s, or than 4 times tiktoken")


if __name__ == "__main__":
    main()
