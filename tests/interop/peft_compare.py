"""Corral against peft: adapters that peft made and trained, and adapters of Corral that peft loads.

    python peft_compare.py --corral build/bin/corral [--only NAME] [--keep DIR]

Error of a tensor = largest difference / largest value of the reference. Prints one line per claim and ends with `N passed, N failed`.
"""
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent / "oracle"))
import common  # noqa: E402
import golden_peft  # noqa: E402
from frame import corral, main  # noqa: E402
from transformers_compare import BASE, make_model, relative  # noqa: E402

BASE = BASE | dict(no_tokenizer=True)
TIED = BASE | dict(heads=4, kv_heads=2, rope="llama3", rope_factor=32, tied=True)
STEPS, SEQ, ROWS = 20, 32, 2
# Adapters that peft makes and trains: the arguments of golden_peft.py.
MADE_BY_PEFT = {
    "lora-all": [],
    "dora-all": ["--method", "dora"],
    "lora-rslora": ["--rslora"],
    "dora-rslora": ["--method", "dora", "--rslora"],
    "lora-attention-only": ["--targets", "q_proj", "v_proj"],
    "dora-mlp-only": ["--method", "dora", "--targets", "gate_proj", "down_proj"],
    "lora-rank-over-each-side": ["--rank", "130", "--alpha", "65"],
    "dora-rank-over-a-side": ["--method", "dora", "--rank", "60", "--alpha", "30"],
}
# Adapters that Corral makes and trains: base model, method, keys.
MADE_BY_CORRAL = {
    "lora-fused": (BASE, "lora", ["peft.target_modules=linear_qkv,linear_proj,linear_fc1,linear_fc2"]),
    "dora-fused": (BASE, "dora", ["peft.target_modules=linear_qkv,linear_proj,linear_fc1,linear_fc2"]),
    "lora-one-layer": (BASE, "lora", ["peft.target_modules=*.layers.1.*.linear_qkv,model.layers.0.mlp.up_proj"]),
    "dora-rslora-norms-head": (BASE, "dora", ["peft.use_rslora=true", "peft.modules_to_save=norms,lm_head"]),
    "lora-final-norm": (BASE, "lora", ["peft.modules_to_save=norm"]),
    "lora-tied-embedding": (TIED, "lora", ["peft.modules_to_save=embed_tokens"]),
    "dora-tied-head": (TIED, "dora", ["peft.modules_to_save=lm_head", "peft.target_modules=o_proj,linear_fc1"]),
}


def write_rows(path, tokens, labels, mask):
    """Writes the sequences of a golden. Its labels are shifted by one already, so each sequence gets one more token, its last label."""
    with open(path, "w") as file:
        for t, l, m in zip(tokens.reshape(-1, tokens.shape[-1]), labels.reshape(-1, tokens.shape[-1]), mask.reshape(-1, tokens.shape[-1])):
            shifted = [-100] + [int(x) if keep else -100 for x, keep in zip(l, m)]
            file.write(json.dumps({"input_ids": t.tolist() + [int(l[-1])], "labels": shifted}) + "\n")


def finetune(program, model, data, folder, method, keys, *flags):
    corral(program, "finetune", "--pretrained-checkpoint", model, "--data", data, "--dir", folder, "--peft", method, "--seq-length", SEQ + 1,
           "--global-batch-size", ROWS, "--train-iters", STEPS, "--lr", 3e-3, "--min-lr", 3e-4, *flags, "--set", "data.split=100,0,0",
           "data.shuffle=false", "train.log_interval=1", "optimizer.lr_warmup_iters=2", f"optimizer.lr_decay_iters={STEPS}",
           "optimizer.weight_decay=0.1", "optimizer.adam_beta2=0.95", "optimizer.adam_eps=1e-5", "optimizer.clip_grad=1", *keys)
    return folder / f"checkpoints/iter_{STEPS:07d}"


def logits_of(program, data, out, *model):
    corral(program, "eval", "--checkpoint", *model, "--data", data, "--seq-length", SEQ + 1, "--logits", out)
    return load_file(out)["logits"][:, :-1]


def made_by_peft(report, name, arguments, work, program, model):
    golden = work / "golden"
    subprocess.run([sys.executable, Path(__file__).parent / "oracle" / "golden_peft.py", "--model", model, "--out", golden, "--steps", str(STEPS),
                    *arguments], check=True, capture_output=True)
    method = "dora" if "dora" in arguments else "lora"
    tensors, facts = load_file(golden / f"{method}.safetensors"), json.loads((golden / f"{method}.json").read_text())
    first, every = work / "first.jsonl", work / "every.jsonl"
    write_rows(first, tensors["tokens"][0], tensors["labels"][0], tensors["loss_mask"][0])
    write_rows(every, tensors["tokens"], tensors["labels"], tensors["loss_mask"])

    corral(program, "eval", "--checkpoint", model, "--adapter", golden / f"{method}_start", "--data", first, "--seq-length", SEQ + 1, "--logits",
           work / "logits", "--gradients", work / "gradients")
    report.limit(f"{name}: logits", relative(load_file(work / "logits")["logits"][:, :-1], tensors["logits"]), 1e-5)
    gradients = load_file(work / "gradients")
    expected = {n[5:]: t for n, t in tensors.items() if n.startswith("grad.")}
    report.claim(f"{name}: the same {len(expected)} parameters have gradients", expected.keys() == gradients.keys())
    report.limit(f"{name}: gradients", max(relative(gradients[n], t) for n, t in expected.items()), 1e-5)

    last = finetune(program, model, every, work / "run", method, [], "--adapter", golden / f"{method}_start")
    losses = [json.loads(line)["loss"] for line in open(work / "run/metrics.jsonl")]
    report.limit(f"{name}: losses of {STEPS} steps", max(abs(a - b) for a, b in zip(losses, facts["losses"], strict=True)), 5e-5)
    ours, theirs = load_file(last / "adapter_model.safetensors"), load_file(golden / f"{method}_end/adapter_model.safetensors")
    report.claim(f"{name}: the same names", ours.keys() == theirs.keys())
    report.limit(f"{name}: adapter weights", max(float((ours[n] - t).abs().max()) for n, t in theirs.items()), 5e-5)

    merged = {n[7:]: t for n, t in tensors.items() if n.startswith("merged.")}
    for what, source, limit in (("given", ["--hf-model", model, "--adapter", golden / f"{method}_end"], 1e-6), ("trained", ["--checkpoint", work / "run"], 2e-5)):
        corral(program, "merge", *source, "--hf-path", work / what)
        weights = load_file(work / what / "model.safetensors")
        report.limit(f"{name}: merge of the {what} adapter", max(relative(weights[n], t) for n, t in merged.items()), limit)
    if name.endswith("-all"):
        in_bf16(report, name, work, program, model)


def in_bf16(report, name, work, program, model):
    """Model and adapter in bf16 in both programs. They round at different points, so each is compared with float32; ours may be half as far again as peft's."""
    method = "dora" if "dora" in name else "lora"
    golden = work / "golden"
    tensors = load_file(golden / f"{method}.safetensors")
    tokens, labels, mask = tensors["tokens"][0], tensors["labels"][0], tensors["loss_mask"][0]
    base = common.load_model(model).to(torch.bfloat16)
    theirs = PeftModel.from_pretrained(base, golden / f"{method}_start", is_trainable=True, autocast_adapter_dtype=False)
    logits = theirs(tokens.long(), use_cache=False).logits.float()
    (common.summed_loss(logits, labels, mask) / mask.sum()).backward()
    corral(program, "eval", "--checkpoint", model, "--adapter", golden / f"{method}_start", "--data", work / "first.jsonl", "--seq-length", SEQ + 1,
           "--precision", "bf16", "--logits", work / "logits", "--gradients", work / "gradients")
    report.limit(f"{name}: logits in bf16, from float32's", relative(load_file(work / "logits")["logits"][:, :-1], tensors["logits"]),
                 1.5 * relative(logits.detach(), tensors["logits"]))
    gradients = load_file(work / "gradients")
    peft_gradients = {golden_peft.short(n): p.grad.float() for n, p in theirs.named_parameters() if p.grad is not None}
    peft_gradients = {n if n in gradients else n + ".weight": g for n, g in peft_gradients.items()}
    exact = {n[5:]: t for n, t in tensors.items() if n.startswith("grad.")}
    report.claim(f"{name}: the same {len(exact)} gradients in bf16", peft_gradients.keys() == gradients.keys() == exact.keys())
    report.limit(f"{name}: gradients in bf16, from float32's", max(relative(gradients[n], t) for n, t in exact.items()),
                 1.5 * max(relative(peft_gradients[n], t) for n, t in exact.items()))


def made_by_corral(report, name, case, work, program):
    shape, method, keys = case
    model = work / "model"
    make_model(shape, model)
    tokens, labels, mask = common.make_rows(99, ROWS * STEPS, SEQ, shape["vocab"], 0.25)
    data = work / "data.jsonl"
    write_rows(data, tokens, labels, mask)
    last = finetune(program, model, data, work / "run", method, ["peft.dim=4", "peft.alpha=8", *keys])
    corral(program, "export", "--checkpoint", work / "run", "--hf-path", work / "adapter")
    ours = logits_of(program, data, work / "logits", work / "run")
    plain = logits_of(program, data, work / "logits", model)
    report.claim(f"{name}: training changed the function by {relative(ours, plain):.2f}", relative(ours, plain) > 0.01)
    for what, folder in (("checkpoint", last), ("export", work / "adapter")):
        theirs = PeftModel.from_pretrained(common.load_model(model), folder)
        with torch.no_grad():
            report.limit(f"{name}: peft's logits of the {what}", relative(theirs(tokens.long(), use_cache=False).logits, ours), 1e-5)
    corral(program, "merge", "--checkpoint", work / "run", "--hf-path", work / "merged")
    with torch.no_grad():
        logits = common.load_model(work / "merged")(tokens.long(), use_cache=False).logits
    report.limit(f"{name}: transformers' logits of the merge", relative(logits, ours), 2e-5)


def cases(report, program, folder):
    model = folder / "base"
    make_model(BASE, model)
    for name, arguments in MADE_BY_PEFT.items():
        work, name = folder / "peft" / name, "peft's " + name
        work.mkdir(parents=True)
        yield name, partial(made_by_peft, report, name, arguments, work, program, model)
    for name, case in MADE_BY_CORRAL.items():
        work, name = folder / "corral" / name, "Corral's " + name
        work.mkdir(parents=True)
        yield name, partial(made_by_corral, report, name, case, work, program)


if __name__ == "__main__":
    main(__doc__, cases)
