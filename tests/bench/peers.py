"""Training and generation of a 125M Llama: Corral and transformers + PyTorch on the same cores, one after the other, one table with ratios.

    python peers.py --corral build/bin/corral [--threads 2] [--steps 4] [--only train|generate]

Shape: hidden 768, 12 layers, 12 heads, 4 key/value heads, ffn 2048, vocabulary 32,000, sequence 512, 2,048 tokens a step.
Best of the steps after the first. PyTorch's bf16 on a processor without bf16 instructions is timed on one step of 128 tokens and marked *.
"""
import argparse
import json
import random
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

SHAPE = dict(num_hidden_layers=12, hidden_size=768, intermediate_size=2048, num_attention_heads=12, num_key_value_heads=4, vocab_size=32000)
SEQ, ROWS, PREFILL, DECODE = 512, 4, 512, 128
PARAMETERS = 12 * (2 * 768 * 768 + 2 * 256 * 768 + 3 * 768 * 2048) + 32000 * 768


def flop_per_token():
    """6 a parameter of the matrix products, and causal attention forward and backward."""
    return 6 * PARAMETERS + 6 * SHAPE["num_hidden_layers"] * SHAPE["hidden_size"] * SEQ


def rows(path, count, length):
    generator = random.Random(1)
    with open(path, "w") as file:
        for _ in range(count):
            file.write(json.dumps({"input_ids": [generator.randrange(32000) for _ in range(length)]}) + "\n")


def corral_train(args, work, precision):
    rows(work / "rows.jsonl", ROWS * args.steps, SEQ)
    run = work / ("run-" + precision)
    subprocess.run(
        [args.corral, "pretrain", "--recipe", "llama3_8b_pretrain_config", "--dir", run, "--data", work / "rows.jsonl", "--precision", precision,
         "--train-iters", str(args.steps), "--global-batch-size", str(ROWS), "--micro-batch-size", str(ROWS), "--seq-length", str(SEQ), "--set",
         *[f"model.{k}={v}" for k, v in SHAPE.items()], "model.head_dim=64", "data.shuffle=false", "data.split=1,0,0", "train.log_interval=1",
         "train.eval_interval=0", "train.save_interval=0", "parallel.context=1", "optimizer.lr_warmup_iters=0", f"device.threads={args.threads}"],
        check=True, capture_output=True)
    log = [json.loads(line) for line in open(run / "metrics.jsonl")]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return max(r["tokens_per_second"] for r in log[1:]), peak


def torch_model(dtype):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE, head_dim=64, rope_theta=500000.0, tie_word_embeddings=False)).to(dtype)


def torch_train(args, precision):
    import torch

    torch.set_num_threads(args.threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    flags = open("/proc/cpuinfo").read()
    slow = precision == "bf16" and "avx512_bf16" not in flags
    shape, steps = ((1, 128), 1) if slow else ((ROWS, SEQ), args.steps)
    model, best = torch_model(dtype), 0.0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for step in range(steps):
        begin = time.perf_counter()
        tokens = torch.randint(0, 32000, shape)
        optimizer.zero_grad()
        model(tokens, labels=tokens, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step or steps == 1:
            best = max(best, shape[0] * shape[1] / (time.perf_counter() - begin))
    return best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, slow


def corral_generate(args, work, precision):
    model = work / "model"
    if not model.exists():
        subprocess.run([args.corral, "init", "--model", "llama3/8b", "--hf-path", model, "--set", *[f"model.{k}={v}" for k, v in SHAPE.items()],
                        "model.head_dim=64"], check=True, capture_output=True)
    rows(work / "prompt.jsonl", 1, PREFILL)
    done = subprocess.run([args.corral, "generate", "--checkpoint", model, "--prompts", work / "prompt.jsonl", "--max-new-tokens", str(DECODE), "--ignore-eos",
                           "--json", "--precision", precision, "--set", f"device.threads={args.threads}"], check=True, capture_output=True, text=True)
    speeds = re.findall(r"([\d.]+) tokens/s", done.stderr)
    return float(speeds[0]), float(speeds[1])


def torch_generate(args):
    import torch

    torch.set_num_threads(args.threads)
    model, tokens = torch_model(torch.float32).eval(), torch.randint(0, 32000, (1, PREFILL))
    with torch.no_grad():
        model(tokens[:, :16])
        begin = time.perf_counter()
        out = model(tokens, use_cache=True)
        prefill = PREFILL / (time.perf_counter() - begin)
        begin = time.perf_counter()
        for _ in range(DECODE):
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        return prefill, DECODE / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--only", choices=["train", "generate"])
    args = parser.parse_args()
    print(f"{'what':24} {'Corral':>10} {'PyTorch':>10} {'ratio':>7}   {'GFLOP/s':>8} {'MiB':>7} {'MiB':>7}")
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        work = Path(folder)
        ours = {}
        if args.only != "generate":
            ours = {p: corral_train(args, work, p) for p in ("fp32", "bf16")}
        generated = {p: corral_generate(args, work, p) for p in ("fp32", "bf16")} if args.only != "train" else {}
        for precision, (speed, peak) in ours.items():
            theirs, their_peak, slow = torch_train(args, precision)
            print(f"{'training ' + precision:24} {speed:10.1f} {theirs:9.1f}{'*' if slow else ' '} {speed / theirs:7.2f}   "
                  f"{speed * flop_per_token() / 1e9:8.1f} {peak:7.0f} {their_peak:7.0f}", flush=True)
        if generated:
            prefill, decode = torch_generate(args)
            for precision, (p, d) in generated.items():
                print(f"{'prefill 512 ' + precision:24} {p:10.1f} {prefill:9.1f}  {p / prefill:7.2f}")
                print(f"{'decode 128 ' + precision:24} {d:10.1f} {decode:9.1f}  {d / decode:7.2f}")
    print("tokens/s; PyTorch generates in fp32 in every row")


if __name__ == "__main__":
    main()
