"""Corral against torch.distributed.checkpoint and megatron-core: both load the folders of Corral with every tensor equal, and Corral converts
folders of megatron-core, cut in ways that the goldens lack, into their twins in Hugging Face's format.

    python megatron_compare.py --corral build/bin/corral [--keep DIR]

Prints one line per claim and ends with `N passed, N failed`.
"""
import argparse
import json
import shutil
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


def adapter_agrees(work):
    import torch.distributed.checkpoint as dcp
    folder = work / "adapter_mg/iter_0000000"
    metadata = dcp.FileSystemReader(folder).read_metadata().state_dict_metadata
    got = {n: torch.empty(m.size, dtype=m.properties.dtype) for n, m in metadata.items() if hasattr(m, "size")}
    dcp.load(got, storage_reader=dcp.FileSystemReader(folder), no_dist=True)
    want = weights(work / "adapter/checkpoints/iter_0000002")
    heads, groups, layers = 4, 2, 2
    seen = 0
    for layer in range(layers):
        def peft(module, what):
            return want[f"base_model.model.model.layers.{layer}.{module}.lora_{what}"]

        def stored(module, what):
            nonlocal seen
            seen += 1
            return got[f"decoder.layers.{module}.adapter.{what}"][layer]

        for module, parts in {"self_attention.linear_qkv": ["self_attn." + p + "_proj" for p in "qkv"],
                              "self_attention.linear_proj": ["self_attn.o_proj"], "mlp.linear_fc1": ["mlp.gate_proj", "mlp.up_proj"],
                              "mlp.linear_fc2": ["mlp.down_proj"]}.items():
            def rows(what):
                tensors = [peft(p, what) for p in parts]
                if len(parts) < 3:
                    return torch.cat(tensors)
                d = tensors[1].shape[0] // groups
                cut = [t.reshape(groups, -1, *t.shape[1:]) for t in tensors]
                assert cut[0].shape[1] == heads // groups * d
                return torch.cat(cut, 1).reshape(-1, *tensors[0].shape[1:])

            for p in parts:
                if not torch.equal(stored(module, "linear_in.weight"), peft(p, "A.weight")):
                    return False
            if not torch.equal(stored(module, "linear_out.weight"), rows("B.weight")):
                return False
            if not torch.equal(stored(module, "weight_magnitude"), rows("magnitude_vector")):
                return False
    return seen == layers * (7 + 4 + 4) and len(got) == 12


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

    # Optimizer state, out and in. Megatron Core's own optimizer makes the step between two checkpoints of a run and saves; from that folder
    # Corral makes the next step of the run. Every step trains on all rows.
    every = work / "every.jsonl"
    every.write_text("".join('{"input_ids": [%s]}\n' % ", ".join(str((r * 31 + i * i) % 90) for i in range(17)) for r in range(12)))
    words = ["--data", every, "--seq-length", 17, "--global-batch-size", 12, "--micro-batch-size", 4, "--lr", "1e-3", "--train-iters", 5, "--set",
             "optimizer.lr_decay_style=constant", "train.save_interval=1", "train.eval_interval=0", "train.log_interval=1"]
    run = corral("pretrain", "--pretrained-checkpoint", GOLDEN / "models/llama3", "--checkpoint-format", "megatron", "--dir", work / "steps",
                 *words)
    steps = work / "steps/checkpoints"
    check = subprocess.run([sys.executable, HERE / "megatron_optimizer.py", steps / "iter_0000003", steps / "iter_0000004", every, work / "theirs"],
                           capture_output=True, text=True)
    claim("megatron-core's distributed optimizer goes on from a run's folder and comes to its next one",
          run.returncode == check.returncode == 0 and "updated: True" in check.stdout, run.stderr + check.stdout + check.stderr)
    print(check.stdout, end="")
    if check.returncode == 0:
        shutil.copytree(steps / "iter_0000004/hf", work / "theirs/iter_0000004/hf")
        (work / "theirs/latest_checkpointed_iteration.txt").write_text("4")
    run = corral("pretrain", "--load", work / "theirs", "--dir", work / "back", *words)

    def last(name):
        return json.loads((work / name / "metrics.jsonl").read_text().splitlines()[-1])

    claim("a run goes on from what that optimizer saved as from its own",
          run.returncode == 0 and "after 4 steps, with the optimizer's" in run.stderr and last("back")["step"] == 5
          and all(abs(last("back")[k] / last("steps")[k] - 1) < 1e-5 for k in ("loss", "grad_norm")), run.stderr)
    exported = corral("export", "--checkpoint", work / "steps", "--hf-path", work / "steps_hf")
    mine, theirs = weights(work / "back/checkpoints/iter_0000005"), weights(work / "steps_hf")
    claim("and comes to the same weights after its next step", exported.returncode == 0 and set(mine) == set(theirs)
          and max((mine[n] - theirs[n]).abs().max().item() for n in mine) < 2e-6, exported.stderr)

    # An adapter: q, k, v share their first matrix, as do gate and up. The rows of the second matrices are ordered as those of the weights.
    tuned = corral("finetune", "--pretrained-checkpoint", GOLDEN / "models/llama3", "--peft", "dora", "--data", ids, "--seq-length", 16,
                   "--global-batch-size", 2, "--micro-batch-size", 2, "--train-iters", 2, "--lr", "1e-2", "--dir", work / "adapter",
                   "--set", "optimizer.lr_warmup_iters=1", "peft.dim=3", "peft.alpha=6", "train.eval_interval=0", "train.save_interval=2")
    run = corral("import", "--hf-model", GOLDEN / "models/llama3", "--adapter", work / "adapter", "--megatron-path", work / "adapter_mg",
                 "--target-modules", "linear_qkv", "linear_proj", "linear_fc1", "linear_fc2")
    check = subprocess.run([sys.executable, HERE / "oracle/check_torch_dist.py", work / "adapter_mg"], capture_output=True, text=True)
    claim("an adapter's folder loads in torch and megatron-core", tuned.returncode == run.returncode == check.returncode == 0,
          tuned.stderr + run.stderr + check.stdout + check.stderr)
    claim("and holds the matrices and magnitudes of peft's folder where Megatron Bridge looks for them", adapter_agrees(work),
          run.stderr + check.stdout)

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
