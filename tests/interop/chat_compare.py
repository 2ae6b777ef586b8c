"""Corral's chats against transformers: the ids and labels of the goldens made anew, the templates that Corral writes into its folders, and
answers that end by themselves.

    python chat_compare.py --corral build/bin/corral [--keep DIR]

Prints one line per claim and ends with `N passed, N failed`.
"""
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from frame import corral, main

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests/golden/models/llama3"
GOLDEN = json.loads((ROOT / "tests/golden/chat.json").read_text())


def golden_again(report, work):
    again = work / "chat.json"
    oracle = Path(__file__).parent / "oracle/golden_chat.py"
    subprocess.run([sys.executable, oracle, "--tokenizer", MODEL, "--templates", ROOT / "plugins/dataset/sft/templates", "--out", again], check=True,
                   capture_output=True)
    report.claim("tests/golden/chat.json is what transformers gives", json.loads(again.read_text()) == GOLDEN)


def without_template(folder):
    """Copies the model without its chat template: any template in Corral's output is Corral's own."""
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def written_template(report, program, work, family, chats):
    """transformers renders the text that Corral trained on, with the templates of a run, its export and its merge; it ends where Corral ends."""
    model = without_template(work / "model")
    rows = work / "rows.jsonl"
    rows.write_text("".join(json.dumps(c["row"]) + "\n" for c in chats))
    settings = ["--set", f"data.template={family}", "data.template_date=3 Mar 2031"]
    shown = json.loads(corral(program, "data", "check", "--json", "--show", len(chats), "--data", rows, "--tokenizer", model, *settings, check=False).stdout)["shown"]
    taught = work / "taught.jsonl"
    taught.write_text("".join(json.dumps({"prompt": f"What is {i}?", "completion": str(i)}) + "\n" for i in range(10)))
    corral(program, "finetune", "--pretrained-checkpoint", model, "--peft", "lora", "--dataset", "sft", "--data", taught, "--dir", work / "run", "--seq-length",
           192, "--global-batch-size", 2, "--train-iters", 1, *settings, "data.split=1", "optimizer.lr_warmup_iters=0")
    corral(program, "export", "--checkpoint", work / "run", "--hf-path", work / "adapter")
    corral(program, "merge", "--checkpoint", work / "run", "--hf-path", work / "merged")
    for folder in (work / "run/checkpoints/iter_0000001", work / "adapter", work / "merged"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = [tokenizer.apply_chat_template(c["row"]["messages"], tools=c["row"].get("tools"), tokenize=True, return_dict=False) for c in chats]
        name = f"{family}, {folder.relative_to(work)}"
        report.claim(f"{name}: the ids of {len(chats)} chats", ids == [s["input_ids"] for s in shown])
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
        report.claim(f"{name}: ends at <|eot_id|>", tokenizer.convert_tokens_to_ids("<|eot_id|>") in (ends if isinstance(ends, list) else [ends]))


def ends_by_itself(report, program, work):
    """Four facts are learned by heart with LoRA. In transformers the merge answers each as in Corral, and ends."""
    facts = {"Sky?": "blue", "Grass?": "green", "Coal?": "black", "Snow?": "white"}
    rows = work / "facts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": q, "completion": a}) + "\n" for q, a in facts.items()))
    corral(program, "finetune", "--pretrained-checkpoint", MODEL, "--peft", "lora", "--dataset", "sft", "--data", rows, "--dir", work / "taught", "--seq-length",
           192, "--global-batch-size", 4, "--epochs", 120, "--lr", 1e-2, "--set", "peft.dim=16", "peft.modules_to_save=embed_tokens,lm_head,norms", "data.split=1",
           "optimizer.lr_warmup_iters=5")
    corral(program, "merge", "--checkpoint", work / "taught", "--hf-path", work / "taught_merged")
    tokenizer, model = AutoTokenizer.from_pretrained(work / "taught_merged"), AutoModelForCausalLM.from_pretrained(work / "taught_merged")
    for question, answer in facts.items():
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=False)
        new = model.generate(ids, do_sample=False, max_new_tokens=60)[0, ids.shape[1] :].tolist()
        text = tokenizer.decode(new, skip_special_tokens=True)
        report.claim(f"transformers answers {question} with {text!r} and ends", text == answer and new[-1] == tokenizer.convert_tokens_to_ids("<|eot_id|>"))
        (work / "question").write_text(question + "\n")
        with open(work / "question") as question_file:
            chat = subprocess.run([program, "chat", "--temperature", "0", "--max-new-tokens", "60", "--checkpoint", work / "taught"], stdin=question_file,
                                  capture_output=True, text=True)
        report.claim(f"Corral answers {question} with {chat.stdout!r} and ends", chat.stdout == answer + "\n" and "cut after" not in chat.stderr)


def cases(report, program, folder):
    yield "golden", partial(golden_again, report, folder)
    for family, chats in GOLDEN.items():
        (folder / family).mkdir()
        yield family, partial(written_template, report, program, folder / family, family, chats)
    yield "ends", partial(ends_by_itself, report, program, folder)


if __name__ == "__main__":
    main(__doc__, cases)
