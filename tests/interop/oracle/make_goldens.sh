#!/usr/bin/env bash
# Makes tests/golden/models, expected, lowp and chat.json anew: three tiny models, the numbers of transformers, torch and peft on them, low-precision
# vectors, chats.
# About five minutes on 2 cores, with the packages of requirements.txt.
#   PYTHON=python3 ./make_goldens.sh [DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3} out=${1:-../../golden}
models=$out/models expected=$out/expected
export PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1
run() { "$python" "$@"; }

rm -rf "$out"/{models,expected,lowp}
# As Llama 3: no RoPE scaling, untied output weights, several files, a tokenizer.
run make_llama.py --out "$models/llama3" --seed 11 --vocab 320 --shards 3
# As Llama 3.1 Instruct: RoPE scaled by 8, three end tokens; bf16.
run make_llama.py --out "$models/llama31" --seed 12 --vocab 320 --rope llama3 --rope-factor 8 --instruct --dtype bfloat16 --shards 2 --no-tokenizer
# As Llama 3.2: RoPE scaled by 32, tied embeddings; the configuration as transformers 5 writes it.
run make_llama.py --out "$models/llama32" --seed 13 --vocab 320 --rope llama3 --rope-factor 32 --tied --config-style 5 --no-tokenizer

for model in llama3 llama31 llama32; do
  run golden_forward.py --model "$models/$model" --out "$expected/$model" --seed 21
done
run golden_forward.py --model "$models/llama3" --out "$expected/llama3" --seed 21 --precision bf16
run golden_train.py --model "$models/llama3" --out "$expected/llama3" --seed 22
run golden_train.py --model "$models/llama32" --out "$expected/llama32" --seed 22 --precision bf16
run golden_packed.py --model "$models/llama32" --out "$expected/llama32" --seed 23
run golden_generate.py --model "$models/llama31" --out "$expected/llama31" --seed 24
run golden_generate.py --model "$models/llama32" --out "$expected/llama32" --seed 24
run golden_peft.py --model "$models/llama3" --out "$expected/llama3" --seed 25 --method lora
run golden_peft.py --model "$models/llama3" --out "$expected/llama3" --seed 25 --method dora
# Small ones for other cases: rsLoRA's scale, some of the modules, ranks above the sides of a matrix.
some() { run golden_peft.py --model "$models/llama3" --out "$expected/llama3" --batch 1 --seq 8 "$@"; }
some --seed 27 --name lora_rslora --rslora --targets k_proj v_proj --rank 6 --alpha 9
some --seed 28 --name dora_partial --method dora --targets layers.1.mlp.up_proj layers.0.self_attn.k_proj
some --seed 29 --name lora_wide --targets layers.0.self_attn.v_proj --rank 49 --alpha 25
some --seed 30 --name dora_wide --method dora --rslora --targets layers.1.self_attn.k_proj --rank 33 --alpha 10
run golden_lowp.py --out "$out/lowp" --seed 26
run golden_chat.py --tokenizer "$models/llama3" --templates ../../../plugins/dataset/sft/templates --out "$out/chat.json"
chmod -R u=rwX,go=rX "$models" "$expected" "$out/lowp"
