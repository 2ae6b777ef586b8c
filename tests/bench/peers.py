"""Training, fine-tuning and generation of a 125M Llama: Corral, transformers + PyTorch (+ peft) and llama.cpp on the same cores, one after the other,
one table with ratios.

    python peers.py --corral build/bin/corral [--threads 2] [--steps 4] [--only train|lora|full|generate] [--precision fp32|bf16] [--llama-python PYTHON] [--under COMMAND]
                    [--rounds 1]

Shape: hidden 768, 12 layers, 12 heads, 4 key/value heads, ffn 2048, vocabulary 32,000, sequence 512, 2,048 tokens a step. Each figure comes from a
process of its own and is the best of the steps after the first. --under: a command that runs each process, such as taskset. llama.cpp is measured if the
Python of --llama-python has the packages cyllama and gguf; it runs f32, and f16 as its fastest type of 16 bits. PyTorch's bf16 on a processor without
bf16 instructions is timed on one step of 128 tokens and marked *. Generation is the best of --rounds, all programs by turns, because a virtual machine may
run both threads on one core for seconds, at half the speed; "cores" is how many of two cores the threads of a round had. Mixed is PyTorch's autocast:
bf16 products over fp32 weights, gradients and moments, the types that Corral's bf16 stores; PyTorch's bf16 stores all of them in bf16.

Fine-tuning: samples of 32 to 480 tokens, the second half of each trained. Two samples share a sequence of 512 (packed), or each has its own (padded).
LoRA has rank 16 on all seven linear layers. Tokens are counted with padding for both programs.
"""
import argparse
import json
import multiprocessing
import random
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPE = dict(num_hidden_layers=12, hidden_size=768, intermediate_size=2048, num_attention_heads=12, num_key_value_heads=4, vocab_size=32000)
SEQ, ROWS, PREFILL, DECODE = 512, 4, 512, 128
PARAMETERS = 12 * (2 * 768 * 768 + 2 * 256 * 768 + 3 * 768 * 2048) + 32000 * 768


def flop_per_token():
    """Operations per token: 6 per parameter of the matrix products, and causal attention forward and backward."""
    return 6 * PARAMETERS + 6 * SHAPE["num_hidden_layers"] * SHAPE["hidden_size"] * SEQ


def rows(path, count, length):
    generator = random.Random(1)
    with open(path, "w") as file:
        for _ in range(count):
            file.write(json.dumps({"input_ids": [generator.randrange(32000) for _ in range(length)]}) + "\n")


def model_settings():
    return [f"model.{k}={v}" for k, v in SHAPE.items()] + ["model.head_dim=64"]


def corral_train(args, work, precision):
    rows(work / "rows.jsonl", ROWS * args.steps, SEQ)
    run = work / ("run-" + precision)
    subprocess.run(
        [args.corral, "pretrain", "--recipe", "llama3_8b_pretrain_config", "--dir", run, "--data", work / "rows.jsonl", "--precision", precision,
         "--train-iters", str(args.steps), "--global-batch-size", str(ROWS), "--micro-batch-size", str(ROWS), "--seq-length", str(SEQ), "--set",
         *model_settings(), "data.shuffle=false", "data.split=1,0,0", "train.log_interval=1", "train.eval_interval=0", "train.save_interval=0",
         "parallel.context=1", "optimizer.lr_warmup_iters=0", f"device.threads={args.threads}"],
        check=True, capture_output=True)
    log = [json.loads(line) for line in open(run / "metrics.jsonl")]
    return {"speed": max(r["tokens_per_second"] for r in log[1:]), "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def samples(count):
    """Lengths of (question, answer), in pairs of samples that fill a sequence, the longer one first. A sample of n tokens takes n - 1 positions."""
    generator = random.Random(2)
    for _ in range(count):
        first = generator.randrange(SEQ // 2, SEQ - 32)
        for places in (first, SEQ - first):
            yield places + 1 - (places + 1) // 2, (places + 1) // 2


def sample_rows(args, packed):
    """The training data of both programs: for each sequence a list of (ids, length of the question)."""
    generator = random.Random(3)
    each = [([generator.randrange(32000) for _ in range(question + answer)], question) for question, answer in samples(ROWS * args.steps // (1 if packed else 2))]
    return [each[i : i + 2] for i in range(0, len(each), 2)] if packed else [[sample] for sample in each]


def corral_finetune(args, work, precision, method, form):
    model, data = init_model(args, work), work / "samples.jsonl"
    with open(data, "w") as file:
        for row in sample_rows(args, form == "packed"):
            for ids, question in row:
                file.write(json.dumps({"input_ids": ids, "labels": [-100] * question + ids[question:]}) + "\n")
    run = work / "-".join(["run", precision, method, form])
    size = ["data.packed=true", f"data.packed_seq_length={SEQ}", f"data.packed_global_batch_size={ROWS}"] if form == "packed" else ["data.packed=false"]
    adapter = ["peft.dim=16", "peft.alpha=32"] if method == "lora" else []
    subprocess.run(
        [args.corral, "finetune", "--recipe", "llama3_8b_finetune_config", "--pretrained-checkpoint", model, "--dir", run, "--data", data, "--peft",
         "none" if method == "full" else method, "--precision", precision, "--train-iters", str(args.steps), "--micro-batch-size", str(ROWS),
         *([] if form == "packed" else ["--global-batch-size", str(ROWS), "--seq-length", str(SEQ)]), "--set", *size, *adapter, "data.shuffle=false",
         "data.split=1,0,0", "train.log_interval=1", "train.eval_interval=0", "train.save_interval=0", "parallel.tensor=1",
         "parallel.distributed_optimizer=false", "optimizer.lr_warmup_iters=0", f"device.threads={args.threads}"],
        check=True, capture_output=True)
    log = [json.loads(line) for line in open(run / "metrics.jsonl")]
    return {"speed": max(r["tokens_per_second"] for r in log[1:]), "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def torch_finetune(args, work, precision, method, form):
    import torch
    from peft import LoraConfig, get_peft_model

    torch.set_num_threads(args.threads)
    model, best = torch_model(torch_dtype(precision)), 0.0
    if method == "lora":
        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM"))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, every = torch.optim.AdamW(trained, lr=1e-4), sample_rows(args, form == "packed")
    for step in range(args.steps):
        begin = time.perf_counter()
        ids, labels, positions, mask = (torch.full((ROWS, SEQ), value) for value in (0, -100, 0, 0))
        for r, row in enumerate(every[step * ROWS : (step + 1) * ROWS]):
            at = 0
            for sample, question in row:
                n = len(sample) - 1  # as in Corral, where the last token is only a target
                ids[r, at : at + n], mask[r, at : at + n] = torch.tensor(sample[:n]), 1
                labels[r, at + question : at + n], positions[r, at : at + n] = torch.tensor(sample[question:n]), torch.arange(n)
                at += n
        inputs = {"position_ids": positions} if form == "packed" else {"attention_mask": mask}
        optimizer.zero_grad()
        with autocast(precision):
            loss = model(input_ids=ids, labels=labels, use_cache=False, **inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if step:
            best = max(best, ROWS * SEQ / (time.perf_counter() - begin))
    return {"speed": best, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def autocast(precision):
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "mixed")


def torch_model(dtype):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE, head_dim=64, rope_theta=500000.0, tie_word_embeddings=False)).to(dtype)


def torch_dtype(precision):
    import torch

    return torch.bfloat16 if precision == "bf16" else torch.float32


def torch_train(args, work, precision):
    import torch

    torch.set_num_threads(args.threads)
    slow = precision != "fp32" and "avx512_bf16" not in open("/proc/cpuinfo").read()
    shape, steps = ((1, 128), 1) if slow else ((ROWS, SEQ), args.steps)
    model, best = torch_model(torch_dtype(precision)), 0.0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for step in range(steps):
        begin = time.perf_counter()
        tokens = torch.randint(0, 32000, shape)
        optimizer.zero_grad()
        with autocast(precision):
            loss = model(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step or steps == 1:
            best = max(best, shape[0] * shape[1] / (time.perf_counter() - begin))
    return {"speed": best, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "slow": slow}


def init_model(args, work):
    model = work / "model"
    if not model.exists():
        subprocess.run([args.corral, "init", "--model", "llama3/8b", "--hf-path", model, "--set", *model_settings()], check=True, capture_output=True)
    return model


def corral_generate(args, work, precision):
    model = init_model(args, work)
    rows(work / "prompt.jsonl", 1, PREFILL)
    done = subprocess.run([args.corral, "generate", "--checkpoint", model, "--prompts", work / "prompt.jsonl", "--max-new-tokens", str(DECODE),
                           "--ignore-eos", "--json", "--precision", precision, "--set", f"device.threads={args.threads}"], check=True, capture_output=True, text=True)
    prefill, decode = re.findall(r"([\d.]+) tokens/s", done.stderr)
    return {"prefill": float(prefill), "decode": float(decode)}


def torch_generate(args, work, precision):
    import torch

    torch.set_num_threads(args.threads)
    model, tokens = torch_model(torch_dtype(precision)).eval(), torch.randint(0, 32000, (1, PREFILL))
    with torch.no_grad():
        model(tokens[:, :16])
        begin = time.perf_counter()
        out = model(tokens, use_cache=True, logits_to_keep=1)
        prefill = PREFILL / (time.perf_counter() - begin)
        begin = time.perf_counter()
        for _ in range(DECODE):
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        return {"prefill": prefill, "decode": DECODE / (time.perf_counter() - begin)}


def write_gguf(path, type_of_weights):
    """Writes random weights in the shape for llama.cpp."""
    import gguf
    import numpy

    heads, kv, hidden, ffn = SHAPE["num_attention_heads"], SHAPE["num_key_value_heads"], SHAPE["hidden_size"], SHAPE["intermediate_size"]
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(2048)
    file.add_embedding_length(hidden)
    file.add_block_count(SHAPE["num_hidden_layers"])
    file.add_feed_forward_length(ffn)
    file.add_head_count(heads)
    file.add_head_count_kv(kv)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_freq_base(500000.0)
    file.add_vocab_size(SHAPE["vocab_size"])
    file.add_tokenizer_model("none")
    random_numbers = numpy.random.default_rng(0)

    def add(name, *shape):
        weights = random_numbers.standard_normal(shape, dtype=numpy.float32) * 0.02
        file.add_tensor(name + ".weight", weights.astype(type_of_weights) if len(shape) > 1 else numpy.ones(shape, numpy.float32))

    add("token_embd", SHAPE["vocab_size"], hidden)
    for i in range(SHAPE["num_hidden_layers"]):
        for name, *shape in [("attn_norm", hidden), ("attn_q", hidden, hidden), ("attn_k", kv * 64, hidden), ("attn_v", kv * 64, hidden),
                             ("attn_output", hidden, hidden), ("ffn_norm", hidden), ("ffn_gate", ffn, hidden), ("ffn_up", ffn, hidden), ("ffn_down", hidden, ffn)]:
            add(f"blk.{i}.{name}", *shape)
    add("output_norm", hidden)
    add("output", SHAPE["vocab_size"], hidden)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def llama_generate(args, work, precision):
    import cyllama.llama.llama_cpp as llama

    path = work / f"model-{precision}.gguf"
    write_gguf(path, {"fp32": "float32", "bf16": "float16"}[precision])
    llama.disable_logging()
    llama.ggml_backend_load_all()
    model = llama.LlamaModel(str(path), llama.LlamaModelParams(), verbose=False)
    settings = llama.LlamaContextParams()
    settings.n_ctx, settings.n_batch, settings.n_ubatch = 1024, PREFILL, PREFILL
    settings.n_threads = settings.n_threads_batch = args.threads
    context = llama.LlamaContext(model, settings, verbose=False)
    tokens = [random.Random(1).randrange(32000) for _ in range(PREFILL)]
    prefill = 0.0
    for _ in range(3):  # the first round also loads the weights
        context.kv_cache_clear()
        begin = time.perf_counter()
        context.decode(llama.llama_batch_get_one(tokens, 0))
        context.synchronize()
        prefill = max(prefill, PREFILL / (time.perf_counter() - begin))
    begin = time.perf_counter()
    for i in range(DECODE):
        context.decode(llama.llama_batch_get_one([7 + i], PREFILL + i))
        context.synchronize()
    return {"prefill": prefill, "decode": DECODE / (time.perf_counter() - begin)}


def has_llama(python):
    return subprocess.run([python, "-c", "import cyllama, gguf"], capture_output=True).returncode == 0


def measured(args, work, what, *case):
    """Runs one of the functions above in a process of its own; returns its figures."""
    python = args.llama_python if what.startswith("llama") else sys.executable
    command = [*shlex.split(args.under), python, __file__, "--corral", args.corral, "--threads", str(args.threads), "--steps", str(args.steps),
               "--measure", what, str(work), *case]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{what} {' '.join(case)} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(name, ours, theirs, rest=""):
    """Prints a row with the ratio to the best peer. `theirs`: (peer, figure) pairs."""
    known = [(peer, figure) for peer, figure in theirs if figure]
    best = max((figure for _, figure in known), default=None)
    print(f"{name:18} {ours:9.1f}  {f'{ours / best:5.2f}x' if best else '     -'}  {', '.join(f'{peer} {figure:.1f}' for peer, figure in known):48} {rest}",
          flush=True)


def memory(ours, theirs):
    return f"MiB {ours['peak']:.0f}" + (f" of {theirs['peak']:.0f}, {ours['peak'] / theirs['peak']:.2f}x" if theirs else "")


def training_rows(args, work):
    kinds = {p: ["fp32"] if p == "fp32" else ["fp32", "bf16", "mixed"] for p in args.precision}
    ours = {p: measured(args, work, "corral_train", p) for p in kinds}
    torch = {q: measured(args, work, "torch_train", q) for q in kinds[args.precision[-1]]}
    for p in kinds:
        # PyTorch's best speed for bf16 may be its fp32. Memory is compared with the peer that stores the same types.
        peers = [(f"PyTorch {q}{'*' if torch[q]['slow'] else ''}", torch[q]["speed"]) for q in kinds[p] if torch[q]]
        row(f"training {p}", ours[p]["speed"], peers, f"{ours[p]['speed'] * flop_per_token() / 1e9:.0f} GFLOP/s, {memory(ours[p], torch[kinds[p][-1]])}")


def finetuning_rows(args, work):
    for p in args.precision:
        for method in ("lora", "full") if args.only is None else (args.only,):
            for form in ("packed", "padded"):
                ours, theirs = (measured(args, work, what, p, method, form) for what in ("corral_finetune", "torch_finetune"))
                if ours:
                    row(f"{method} {form} {p}", ours["speed"], [("peft" if method == "lora" else "PyTorch", theirs and theirs["speed"])], memory(ours, theirs))


def busy_loop(_):
    """The count that one thread reaches in a tenth of a second."""
    count, end = 0, time.perf_counter() + 0.1
    while time.perf_counter() < end:
        count += sum(range(1000)) > 0
    return count


def cores(threads):
    """The counts of that many threads at once over the count of one alone: how many cores they had."""
    with multiprocessing.Pool(threads) as pool:
        pool.map(busy_loop, range(threads), 1)
        alone = pool.apply(busy_loop, (0,))
        return sum(pool.map(busy_loop, range(threads), 1)) / alone


def best_of(figures):
    figures = [f for f in figures if f]
    return {key: max(f[key] for f in figures) for key in figures[0]} if figures else None


def generation_rows(args, work):
    rounds = []
    for _ in range(args.rounds):
        print(f"cores: {cores(args.threads):.2f}", flush=True)
        rounds.append({("corral", p): measured(args, work, "corral_generate", p) for p in args.precision}
                      | {("torch", q): measured(args, work, "torch_generate", q) for q in ("fp32", "bf16") if q in ("fp32", *args.precision)}
                      | {("llama", p): measured(args, work, "llama_generate", p) for p in args.precision if has_llama(args.llama_python)})
    ours, torch, llama = ({case: best_of([r[program, case] for r in rounds if (program, case) in r]) for case in ("fp32", "bf16")}
                          for program in ("corral", "torch", "llama"))
    for p in args.precision:
        for what in ("prefill", "decode"):
            peers = [(f"PyTorch {q}", torch[q][what]) for q in (("fp32",) if p == "fp32" else ("fp32", "bf16")) if torch[q]]
            if llama[p]:
                peers.append(("llama.cpp " + {"fp32": "f32", "bf16": "f16"}[p], llama[p][what]))
            read = ours[p][what] * PARAMETERS * (4 if p == "fp32" else 2) / 1e9
            row(f"{what} {PREFILL if what == 'prefill' else DECODE} {p}", ours[p][what], peers, f"reads {read:.1f} GB/s" if what == "decode" else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--only", choices=["train", "lora", "full", "generate"])
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--llama-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--under", default="", help="command that each measurement is run by")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        what, work, *case = args.measure
        print(json.dumps(globals()[what](args, Path(work), *case)))
        return
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        print(f"{'tokens/s':18} {'Corral':>9}  {'ratio':>6}  peers")
        for names, rows_of in ((("train",), training_rows), (("lora", "full"), finetuning_rows), (("generate",), generation_rows)):
            if args.only in (None, *names):
                rows_of(args, Path(folder))


if __name__ == "__main__":
    main()
