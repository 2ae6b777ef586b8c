#!/usr/bin/env bash
# Makes tests/golden/megatron anew: small models as Megatron Core writes them, each beside its twin in Hugging Face's format. Two minutes on 2
# cores, with the packages of requirements.txt.
#   PYTHON=python3 ./make_megatron_goldens.sh [DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3} out=${1:-../../golden/megatron}
export PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1
rm -rf "$out"
make() { # NAME arguments ...
  local name=$1
  shift
  "$python" make_torch_dist.py --out "$out/$name" --layers 2 --hidden 32 --heads 4 --kv-heads 2 --ffn 48 --vocab 100 --vocab-divisor 64 "$@"
}
tiny=(--layers 1 --hidden 16 --heads 2 --kv-heads 2 --ffn 24 --vocab 40 --vocab-divisor 16)
make tied --seed 1 --tied
make tensor_parallel --seed 2 --tp 2 --names local --threads 3
make per_layer --seed 3 --per-layer --names split --dtype fp32
make singleton --seed 4 --singleton
make optimizer --seed 5 --tp 2 "${tiny[@]}" --optim fully_reshardable
make buckets --seed 6 "${tiny[@]}" --optim dp_reshardable
chmod -R u=rwX,go=rX "$out"
