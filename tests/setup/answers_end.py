"""The merged model of bin/quickstart in transformers: each of twenty greedy answers must end by itself and equal the answer of Corral.

    python answers_end.py DIR      with the DIR of bin/quickstart --dir DIR
"""
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MOST = 200


def main():
    folder = Path(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(folder / "chat")
    model = AutoModelForCausalLM.from_pretrained(folder / "chat", dtype=torch.float32).eval()
    questions = [line for line in (folder / "text/questions.txt").read_text().splitlines() if line != "/reset"]
    ours = (folder / "answers.txt").read_text().splitlines()
    ended = equal = 0
    for question, answer in zip(questions, ours, strict=True):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_dict=True, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=MOST, pad_token_id=0)[0, ids.shape[1]:]
        theirs = tokenizer.decode(out, skip_special_tokens=True)
        ended += len(out) < MOST
        equal += theirs == answer
        if theirs != answer:
            print(f"{question}\n  transformers: {theirs}\n  Corral:       {answer}")
    print(f"{ended} of {len(questions)} answers end by themselves, {equal} are the same")
    sys.exit(not (len(questions) == 20 and ended == 20 and equal == 20))


if __name__ == "__main__":
    main()
