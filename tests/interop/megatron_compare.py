"""Corral against torch.distributed.checkpoint and megatron-core: folders that Corral writes load in both, every tensor equal; folders that
megatron-core makes, cut in ways that are not among the goldens, come out as their Hugging Face twins.

    python megatron_compare.py --corral build/bin/corral [--keep DIR]

Prints one line a claim and ends with `N passed, N failed`.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
MADE = {  # arguments of make_torch_dist.py
    "rows of two ranks in files with a prefix": ["--tp", "2", "--names", "te", "--file-prefix", "decoder", "--threads", "2"],
    "many query heads a group, three layers": ["--layers", "3", "--heads", "8", "--kv-heads", "2", "--hidden", "64"],
    "gate and up apart on two ranks, tied": ["--tp", "2", "--singleton", "--tied", "--dtype", "fp32"],
    "an optimizer, layers each for itself": ["--per-layer", "--optim", "fully_reshardable", "--tp", "2"],
}


def equal(a, b):
    return set(a) == set(b) and all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a)


def weights(folder):
    return {n: t for f in sorted(Path(folder).glob("*.safetensors")) for n, t in load_file(f).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    work = Path(arguments.keep or tempfile.mkdtemp(prefix="corral-megatron-"))
    failed = passed = 0

    def claim(text, holds, detail=""):
        nonlocal failed, passed
        passed += bool(holds)
        failed += not holds
        print(("passed: " if holds else "FAILED: ") + text + ("" if holds else "\n" + detail))

    def corral(*words):
        return subprocess.run([arguments.corral, *map(str, words)], capture_output=True, text=True)

    for model in ("llama3", "llama31", "llama32"):
        run = corral("import", "--hf-model", GOLDEN / "models" / model, "--megatron-path", work / model)
        check = subprocess.run([sys.executable, HERE / "oracle/check_torch_dist.py", work / model, "--hf", GOLDEN / "models" / model],
                               capture_output=True, text=True)
        claim(f"{model}: torch and megatron-core read what import wrote, every tensor equal",
              run.returncode == 0 and check.returncode == 0 and "tensors equal" in check.stdout, run.stderr + check.stdout + check.stderr)
        state = torch.load(work / model / "iter_0000000/train_state.pt", weights_only=True)
        claim(f"{model}: train_state.pt holds what Megatron Bridge reads", state["step"].item() == 0 and state["do_train"].dtype == torch.bool)

    ids = work / "rows.jsonl"
    ids.write_text("".join('{"input_ids": [%s]}\n' % ", ".join(str((r * 31 + i * i) % 90) for i in range(16)) for r in range(8)))
    run = corral("pretrain", "--pretrained-checkpoint", GOLDEN / "models/llama32", "--checkpoint-format", "megatron", "--data", ids,
                 "--seq-length", 16, "--global-batch-size", 4, "--micro-batch-size", 2, "--train-iters", 2, "--lr", "1e-3", "--dir", work / "run",
                 "--set", "optimizer.lr_warmup_iters=1", "train.save_interval=2", "train.eval_interval=0")
    check = subprocess.run([sys.executable, HERE / "oracle/check_torch_dist.py", work / "run/checkpoints"], capture_output=True, text=True)
    claim("a run's checkpoint loads in torch and megatron-core", run.returncode == 0 and check.returncode == 0,
          run.stderr + check.stdout + check.stderr)
    state = torch.load(work / "run/checkpoints/iter_0000002/train_state.pt", weights_only=True)
    claim("its train state counts steps and samples", (state["step"].item(), state["consumed_train_samples"].item()) == (2, 8))

    for i, (name, words) in enumerate(MADE.items()):
        made = work / f"made{i}"
        subprocess.run([sys.executable, HERE / "oracle/make_torch_dist.py", "--out", made, "--seed", str(40 + i), *words], check=True,
                       capture_output=True)
        run = corral("export", "--megatron-path", made / "mcore", "--hf-model", made / "hf", "--hf-path", made / "back")
        claim(f"{name}: comes out as its twin", run.returncode == 0 and equal(weights(made / "back"), weights(made / "hf")), run.stderr)

    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
