"""Corral against transformers and torch's AdamW on small random Llamas: logits, gradients, 50 steps, greedy tokens, a sharded export.

    python transformers_compare.py --corral build/bin/corral [--only NAME] [--keep DIR]

Error of a tensor = largest difference / largest value of the reference. Prints one line per claim and ends with `N passed, N failed`.
"""
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from frame import corral, main

sys.path.insert(0, str(Path(__file__).parent / "oracle"))
import common  # noqa: E402

BASE = dict(layers=2, hidden=48, heads=6, kv_heads=2, head_dim=16, ffn=112, vocab=320)
CASES = {
    "gqa-6-2-untied": BASE,
    "mha-4-4-tied": BASE | dict(heads=4, kv_heads=4, tied=True),
    "llama3-rope-tied": BASE | dict(rope="llama3", rope_factor=32, tied=True),
    "llama3-rope-untied": BASE | dict(rope="llama3", rope_factor=8),
    "odd-head-dim-and-ffn": BASE | dict(heads=4, kv_heads=2, head_dim=20, ffn=101, hidden=56),
}
SEQ, ROWS, STEPS, LR, MIN_LR, WARMUP = 96, 4, 50, 3e-3, 3e-4, 5  # the original context of the scaled models is 64


def make_model(case, folder):
    arguments = [sys.executable, Path(__file__).parent / "oracle" / "make_llama.py", "--out", folder, "--seed", 7, "--shards", 2,
                 "--text", __file__]
    for key, value in case.items():
        arguments += ["--" + key.replace("_", "-")] + ([] if value is True else [value])
    subprocess.run(list(map(str, arguments)), check=True, capture_output=True)


def rows_of(seed, rows, vocab):
    tokens, _, mask = common.make_rows(seed, rows, SEQ, vocab, 0.25)
    labels = torch.where(mask > 0, tokens.long(), torch.tensor(-100))
    labels[:, 0] = -100
    return tokens.long(), labels


def write_rows(path, batches):
    with open(path, "w") as file:
        for tokens, labels in batches:
            for t, l in zip(tokens.tolist(), labels.tolist()):
                file.write(json.dumps({"input_ids": t, "labels": l}) + "\n")


def relative(a, b):
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return float((a - b).abs().max() / b.abs().max())


def loss_of(model, tokens, labels):
    logits = model(tokens, use_cache=False).logits
    total = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100,
                                              reduction="sum")
    return total / (labels[:, 1:] != -100).sum(), logits.detach()


def compare_forward(report, name, program, folder, work):
    model = common.load_model(folder)
    tokens, labels = rows_of(1, ROWS, model.config.vocab_size)
    write_rows(work / "rows.jsonl", [(tokens, labels)])
    corral(program, "eval", "--checkpoint", folder, "--data", work / "rows.jsonl", "--seq-length", SEQ, "--micro-batch-size", 2,
           "--logits", work / "logits.safetensors", "--gradients", work / "gradients.safetensors")
    loss, logits = loss_of(model, tokens, labels)
    loss.backward()
    ours = load_file(work / "logits.safetensors")
    report.limit(f"{name}: logits", relative(ours["logits"], logits), 1e-5)
    report.claim(f"{name}: logits within 1e-4 absolute", float((ours["logits"] - logits).abs().max()) <= 1e-4)
    mean = float(ours["loss"].double().sum() / ours["targets"].double().sum())
    report.limit(f"{name}: loss", abs(mean - loss.item()), 1e-5)
    gradients = load_file(work / "gradients.safetensors")
    expected = {n: p.grad for n, p in model.named_parameters()}
    report.claim(f"{name}: a gradient for each parameter", set(gradients) == set(expected))
    report.limit(f"{name}: gradients", max(relative(gradients[n], g) for n, g in expected.items()), 1e-5)


def torch_training(folder, batches):
    model = common.load_model(folder)
    named = dict(model.named_parameters())
    groups = [{"params": [p for p in named.values() if (p.ndim > 1) == many], "weight_decay": 0.1 if many else 0.0} for many in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=common.BETAS, eps=common.EPS, foreach=False)
    losses, norms = [], []
    for step, (tokens, labels) in enumerate(batches):
        optimizer.zero_grad()
        loss, _ = loss_of(model, tokens, labels)
        loss.backward()
        norm = common.norm_of(p.grad for p in named.values())
        for p in named.values():
            p.grad *= common.clip_coefficient(norm)
        for group in optimizer.param_groups:
            group["lr"] = common.learning_rate(step, LR, MIN_LR, WARMUP, STEPS)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm)
    return losses, norms, {n: (p.detach(), optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]) for n, p in named.items()}


def compare_training(report, name, program, folder, work):
    vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
    batches = [rows_of(100 + s, ROWS, vocab) for s in range(STEPS)]
    write_rows(work / "train.jsonl", batches)
    corral(program, "pretrain", "--recipe", "llama32_1b_pretrain_config", "--pretrained-checkpoint", folder, "--data", work / "train.jsonl", "--dir",
           work / "run", "--train-iters", STEPS, "--global-batch-size", ROWS, "--micro-batch-size", 2, "--seq-length", SEQ, "--precision", "fp32",
           "--lr", LR, "--min-lr", MIN_LR, "--set", f"optimizer.lr_warmup_iters={WARMUP}", "optimizer.weight_decay=0.1",
           f"optimizer.adam_eps={common.EPS}", "data.shuffle=false", "data.split=1,0,0", "train.log_interval=1", "train.eval_interval=0",
           f"train.save_interval={STEPS}")
    log = [json.loads(line) for line in open(work / "run" / "metrics.jsonl")]
    losses, norms, final = torch_training(folder, batches)
    report.claim(f"{name}: {STEPS} logged steps", [row["step"] for row in log] == list(range(1, STEPS + 1)))
    report.limit(f"{name}: losses of {STEPS} steps", max(abs(r["loss"] - x) for r, x in zip(log, losses)), 2e-5)
    report.limit(f"{name}: gradient norms", max(abs(r["grad_norm"] / x - 1) for r, x in zip(log, norms)), 1e-5)
    checkpoint = work / "run" / "checkpoints" / f"iter_{STEPS:07d}"
    weights, state = load_folder(checkpoint), load_file(checkpoint / "state" / "optimizer.safetensors")
    worst = [0.0, 0.0, 0.0]
    for n, tensors in final.items():
        for i, ours in enumerate((weights[n], state["exp_avg." + n], state["exp_avg_sq." + n])):
            worst[i] = max(worst[i], relative(ours, tensors[i]))
    for what, value in zip(("final weights", "exp_avg", "exp_avg_sq"), worst):
        report.limit(f"{name}: {what}", value, 2e-5)


def load_folder(folder):
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def compare_generation(report, name, program, folder, work):
    model = common.load_model(folder)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    prompts = [common.make_rows(50 + n, 1, n, model.config.vocab_size, 0.0)[0].long() for n in (1, 7, 33, 90)]
    with open(work / "prompts.jsonl", "w") as file:
        for p in prompts:
            file.write(json.dumps({"input_ids": p[0].tolist()}) + "\n")
    done = corral(program, "generate", "--checkpoint", folder, "--prompts", work / "prompts.jsonl", "--max-new-tokens", 24, "--temperature", 0,
                  "--ignore-eos", "--json")
    ours = [json.loads(line)["output_ids"] for line in done.stdout.splitlines()]
    with torch.no_grad():
        theirs = [model.generate(p, attention_mask=torch.ones_like(p), do_sample=False, max_new_tokens=24)[0, p.shape[1]:].tolist() for p in prompts]
    report.claim(f"{name}: greedy tokens of {len(prompts)} prompts", ours == theirs)


def compare_export(report, name, program, folder, work):
    corral(program, "import", "--hf-model", folder, "--dir", work / "imported")
    corral(program, "export", "--checkpoint", work / "imported", "--hf-path", work / "exported", "--max-shard-size", "100KB")
    ours, theirs = load_folder(work / "exported"), load_folder(folder)
    equal = set(ours) == set(theirs) and all(torch.equal(ours[n], t) and ours[n].dtype == t.dtype for n, t in theirs.items())
    report.claim(f"{name}: import and export give every tensor back bit for bit", equal)
    report.claim(f"{name}: the export is sharded", len(list((work / "exported").glob("model-*.safetensors"))) > 1)
    model = common.load_model(work / "exported")
    report.claim(f"{name}: transformers opens the export", all(torch.equal(p.detach(), theirs[n]) for n, p in model.named_parameters()))


def cases(report, program, folder):
    for name, case in CASES.items():
        work = folder / name
        work.mkdir()
        make_model(case, work / "model")
        for compare in (compare_forward, compare_training, compare_generation, compare_export):
            yield f"{name}, {compare.__name__}", partial(compare, report, name, program, work / "model", work)


if __name__ == "__main__":
    main(__doc__, cases)
