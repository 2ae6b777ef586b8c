"""Import and export of a model in the true shape of Llama 3.2 1B, against cp of the same bytes and against a conversion in Python.

    python conversion.py --corral build/bin/corral [--work DIR] [--model FOLDER] [--repeats 3] [--only cp|python] [--check]

A time is the best of --repeats, for the whole program and the `sync -f` after it. Cold: the source's pages were dropped before (posix_fadvise).
cp runs as `cp --reflink=never --sparse=never`. The conversion in Python is transformers' from_pretrained and torch.distributed.checkpoint's save of
Megatron's tensors; its tensors are compared with Corral's. Prints one table; --check ends with 1 if an aim is missed.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONVERT = """
import sys, torch, transformers
import torch.distributed.checkpoint as dcp
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto")
c, hf = model.config, dict(model.state_dict())
groups, d = c.num_key_value_heads, c.head_dim
def layer(i, name):
    return hf[f"model.layers.{i}.{name}.weight"]
def qkv(i):
    q, k, v = (layer(i, f"self_attn.{x}_proj").reshape(groups, -1, c.hidden_size) for x in "qkv")
    return torch.cat([q, k, v], 1).reshape(-1, c.hidden_size)
makers = {
    "self_attention.linear_qkv.weight": qkv,
    "self_attention.linear_qkv.layer_norm_weight": lambda i: layer(i, "input_layernorm"),
    "self_attention.linear_proj.weight": lambda i: layer(i, "self_attn.o_proj"),
    "mlp.linear_fc1.weight": lambda i: torch.cat([layer(i, "mlp.gate_proj"), layer(i, "mlp.up_proj")]),
    "mlp.linear_fc1.layer_norm_weight": lambda i: layer(i, "post_attention_layernorm"),
    "mlp.linear_fc2.weight": lambda i: layer(i, "mlp.down_proj"),
}
state = {"decoder.layers." + n: torch.stack([make(i) for i in range(c.num_hidden_layers)]) for n, make in makers.items()}
state["embedding.word_embeddings.weight"] = hf["model.embed_tokens.weight"]
state["decoder.final_layernorm.weight"] = hf["model.norm.weight"]
dcp.save(state, checkpoint_id=sys.argv[2], no_dist=True)
"""


def size_of(folder):
    return sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())


def forget(folder):
    """Drops all files of a folder from the page cache, so that they are read from the disk."""
    for path in Path(folder).rglob("*"):
        if path.is_file():
            with open(path, "rb") as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(folder):
    for path in Path(folder).rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as f:
                while f.read(1 << 24):
                    pass


def timed(words, target):
    """Runs a program; returns its seconds with the sync, and its largest resident size."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["sync", "-f", str(Path(target).parent)], check=True)
    begin = time.monotonic()
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{words[0]} failed: {errors.decode()}")
    subprocess.run(["sync", "-f", str(Path(target).parent)], check=True)
    return time.monotonic() - begin, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--work")
    parser.add_argument("--model", help="a Hugging Face folder (one with random weights of 1B's shape)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["cp", "python"])
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    if a.work:
        Path(a.work).mkdir(parents=True, exist_ok=True)
        return compare(a, Path(a.work))
    with tempfile.TemporaryDirectory(prefix="corral-conversion-") as work:
        return compare(a, Path(work))


def compare(a, work):
    model = Path(a.model or work / "hf")
    if not model.exists():
        subprocess.run([a.corral, "init", "--model", "llama32/1b", "--precision", "bf16", "--hf-path", model], check=True)
    megatron, out = work / "megatron", work / "out"
    if not megatron.exists():
        subprocess.run([a.corral, "import", "--hf-model", model, "--megatron-path", megatron], check=True, capture_output=True)
    gigabytes = size_of(model) / 1e9
    missed = 0

    def row(what, cache, other, best, theirs, peak, aim, reached):
        nonlocal missed
        missed += not reached
        print(f"{what:8} {cache:5} {best:7.2f} s {gigabytes / best:6.2f} GB/s {peak / 1e6:7.0f} MB   {other:7} {theirs:7.2f} s   {aim}"
              f"{'' if reached else '  MISSED'}", flush=True)

    print(f"{gigabytes:.2f} GB, best of {a.repeats}\n")
    conversions = {"import": ([a.corral, "import", "--hf-model", model, "--megatron-path", out], model),
                   "export": ([a.corral, "export", "--megatron-path", megatron, "--hf-path", out], megatron)}
    if a.only != "python":
        for what, (words, source) in conversions.items():
            for cache, before in (("warm", warm), ("cold", forget)):
                mine, copies, peak = [], [], 0
                for _ in range(a.repeats):
                    before(source)
                    copies.append(timed(["cp", "-r", "--reflink=never", "--sparse=never", source, out], out)[0])
                    before(source)
                    seconds, memory = timed(words, out)
                    mine.append(seconds)
                    peak = max(peak, memory)
                ratio = min(copies) / min(mine)
                row(what, cache, "cp", min(mine), min(copies), peak, f"{100 * ratio:.0f}% of cp's speed (aim 90%)", ratio >= 0.9)
    if a.only != "cp":
        script, theirs = work / "convert.py", work / "python"
        script.write_text(CONVERT)
        warm(model)
        seconds, memory = timed([sys.executable, script, model, theirs], theirs)
        warm(model)
        mine, peak = timed(conversions["import"][0], out)
        (theirs / "metadata.json").write_text('{"sharded_backend": "torch_dist", "sharded_backend_version": 1}')
        same = subprocess.run([a.corral, "diff", theirs, out], capture_output=True, text=True)
        if same.returncode:
            sys.exit(f"the two conversions differ: {same.stdout}{same.stderr}")
        shutil.rmtree(theirs)
        reached = seconds >= 5 * mine and memory >= 10 * peak
        row("import", "warm", "python", mine, seconds, peak,
            f"{seconds / mine:.1f}x less time, {memory / peak:.0f}x less memory than {memory / 1e9:.1f} GB (aims 5x, 10x)", reached)
    shutil.rmtree(out, ignore_errors=True)
    return a.check and missed > 0


if __name__ == "__main__":
    sys.exit(main())
