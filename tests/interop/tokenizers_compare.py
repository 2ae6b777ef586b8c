"""Ids and texts of `corral tokenizer` against tokenizers and tiktoken, on hard and random texts, for a given tokenizer and a freshly trained one.

    python tokenizers_compare.py --corral build/bin/corral --tokenizer tests/golden/tokenizer/small [--transformers]

--transformers: also opens the trained one with transformers and compares ids, begin and end token, and chats in Llama 3's format.
"""
import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop/oracle"))
import make_tokenizer  # noqa: E402
import tokenizer_corpus  # noqa: E402

VOCAB, SPECIAL = 1200, 16


def random_text(generator):
    """A text of any code points but surrogates; blanks and quotes come more often than others."""
    def character():
        if generator.random() < 0.3:
            return generator.choice(" \n\r\t'sStTdDmMrevVlL019.\u00a0\u3000")
        code = generator.choice([0x80, 0x800, 0x10000, 0x32000, 0x110000])
        code = generator.randrange(code)
        return chr(code) if not 0xD800 <= code < 0xE000 else "x"
    return "".join(character() for _ in range(generator.randint(1, 60)))


def code_points():
    """Texts with every assigned code point and some others, each between letters, digits and blanks: the cuts show its class."""
    codes = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and (c < 0x32400 or c % 97 == 0)]
    return ["".join(f"a{chr(c)}1 {chr(c)}\n" for c in codes[i : i + 4000]) for i in range(0, len(codes), 4000)]


class Corral:
    def __init__(self, program, work):
        self.program, self.work = program, Path(work)

    def run(self, *words):
        done = subprocess.run([self.program, "tokenizer", *map(str, words)], capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, name, rows):
        path = self.work / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def encode(self, tokenizer, texts, *flags):
        out = self.run("encode", "--tokenizer", tokenizer, "--data", self.rows("texts.jsonl", [{"text": t} for t in texts]), "--json", *flags)
        return [json.loads(line) for line in out.splitlines()]

    def decode(self, tokenizer, rows):
        out = self.run("decode", "--tokenizer", tokenizer, "--data", self.rows("ids.jsonl", rows), "--json")
        return [json.loads(line) for line in out.split("\n")[:-1]]


def compare(corral, folder, texts):
    other = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    for text, got in zip(code_points(), corral.encode(folder, code_points(), "--no-special")):
        assert got == other.encode(text, add_special_tokens=False).ids, f"{folder}: a code point from {text[1]!r} on is cut otherwise"
    for special in (True, False):
        ours = corral.encode(folder, texts, *([] if special else ["--no-special"]))
        assert len(ours) == len(texts)
        for text, got in zip(texts, ours):
            want = other.encode(text, add_special_tokens=special).ids
            assert got == want, f"{folder}: ids differ for {text[:80]!r}: {got[:20]} and {want[:20]}"
    assert corral.decode(folder, ours) == texts
    # Random ids cut characters into parts.
    generator = random.Random(5)
    odd = [[generator.randrange(other.get_vocab_size()) for _ in range(12)] for _ in range(300)]
    for ids, got in zip(odd, corral.decode(folder, odd)):
        want = other.decode(ids, skip_special_tokens=False)
        assert got == want, f"{folder}: {ids} is {got!r} and {want!r}"
    print(f"{folder}: {sum(map(len, ours))} ids of {len(texts)} texts equal to tokenizers'")


def compare_with_tiktoken(corral, model, texts):
    ranks = make_tokenizer.read_ranks(model)
    names = make_tokenizer.special_tokens("3.1", 256)
    other = tiktoken.Encoding("other", pat_str=make_tokenizer.PATTERN, mergeable_ranks=ranks,
                              special_tokens={name: len(ranks) + i for i, name in enumerate(names)})
    for text, got in zip(texts, corral.encode(model, texts, "--no-special")):
        assert got == other.encode(text, allowed_special="all"), f"{model}: ids differ for {text[:80]!r}"
    print(f"{model}: {len(texts)} texts equal to tiktoken's")


def train(corral, texts, out):
    """Trains a tokenizer, whose merges must be those that the tokenizers library learns from the same text."""
    corral.run("train", "--data", corral.rows("train.jsonl", [{"text": t} for t in texts]), "--vocab-size", VOCAB, "--out", out)
    other = Tokenizer(models.BPE(ignore_merges=True))
    other.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(make_tokenizer.PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    other.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=VOCAB - SPECIAL, show_progress=False, special_tokens=[],
                                                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    ours, theirs = (json.loads(text)["model"] for text in ((Path(out) / "tokenizer.json").read_text(), other.to_str()))
    assert ours["vocab"] == theirs["vocab"] and ours["merges"] == theirs["merges"], "another tokenizer was learned"
    print(f"trained: {len(ours['merges'])} merges equal to tokenizers'")


def compare_with_transformers(corral, folder, texts):
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(folder)
    assert (other.bos_token, other.eos_token) == ("<|begin_of_text|>", "<|end_of_text|>"), (other.bos_token, other.eos_token)
    for text, got in zip(texts, corral.encode(folder, texts)):
        assert got == other(text).input_ids, f"{folder}: ids differ for {text[:80]!r}"
    golden = json.loads((ROOT / "tests/golden/tokenizer/llama3.json").read_text())
    for chat in golden["chats"]:
        text = other.apply_chat_template(chat["messages"], tokenize=False, add_generation_prompt=chat["add_generation_prompt"])
        assert text == chat["text"], f"{folder}: a chat is {text!r}, expected {chat['text']!r}"
    print(f"{folder}: transformers opens it; {len(texts)} texts and {len(golden['chats'])} chats equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--tokenizer", required=True, type=Path)
    parser.add_argument("--transformers", action="store_true")
    args = parser.parse_args()
    generator = random.Random(11)
    written = [text for group in tokenizer_corpus.WRITTEN.values() for text in group]
    texts = written + [tokenizer_corpus.generate(generator) for _ in range(1500)] + [random_text(generator) for _ in range(1500)]
    with tempfile.TemporaryDirectory(prefix="corral-tokenizer-") as work:
        corral = Corral(args.corral, work)
        compare(corral, args.tokenizer, texts)
        compare_with_tiktoken(corral, args.tokenizer / "tokenizer.model", texts)
        readmes = ROOT.glob("plugins/*/*/README.md")
        prose = [part for readme in sorted(readmes) for part in readme.read_text().split("\n\n")]
        # Corral does not learn from special tokens spelled in a text; the tokenizers library does.
        train(corral, [text for text in prose + written if "<|" not in text], Path(work) / "trained")
        compare(corral, Path(work) / "trained", texts)
        if args.transformers:
            compare_with_transformers(corral, Path(work) / "trained", texts)


if __name__ == "__main__":
    main()
