"""Megatron Core's own distributed optimizer continues a run of Corral: it loads the folder of one step, makes the next step on the same rows,
compares with the run's folder of that step, and saves its own.

    python megatron_optimizer.py BEFORE AFTER ROWS.jsonl SAVE

BEFORE and AFTER are iter_N and iter_N+1 of a run in fp32 with all rows in each step and a constant rate. Runs on a CPU: functions that Megatron
expects of a GPU are replaced, and TransformerEngine's fused Adam is a few lines here. Prints the comparison; exit code 1 on a difference.
"""
import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import torch.distributed as dist

def on_cpu(make):
    return lambda *a, **k: make(*a, **{n: torch.device("cpu") if n == "device" and v == "cuda" else v for n, v in k.items()})


for factory in ("tensor", "zeros", "empty"):
    setattr(torch, factory, on_cpu(getattr(torch, factory)))
tensor_type = torch.Tensor.type
torch.Tensor.type = lambda t, *a, **k: tensor_type(t, *a, **k) if a or k else tensor_type(t).replace("torch.", "torch.cuda.")
torch.Tensor.cuda = lambda t, *a, **k: t
torch.cuda.synchronize = lambda *a, **k: None
torch.cuda.current_device = lambda: torch.device("cpu")

import megatron.core.optimizer as optimizers
from megatron.core import dist_checkpointing
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.strategies.torch import TorchDistSaveShardedStrategy
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.optimizer import distrib_optimizer
from megatron.core.transformer import dot_product_attention
from megatron.core.transformer.transformer_config import TransformerConfig


class FusedAdam(torch.optim.Optimizer):
    """Adam with its step count in the groups and its moments in the state, as in the fused versions."""

    def __init__(self, params, **settings):
        super().__init__(params, {k: v for k, v in settings.items() if k != "adam_w_mode"})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["step"] += 1
            b1, b2 = group["betas"]
            for p in group["params"]:
                s = self.state[p]
                s["exp_avg"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["exp_avg_sq"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m, v = s["exp_avg"] / (1 - b1 ** group["step"]), s["exp_avg_sq"] / (1 - b2 ** group["step"])
                # The schedule of Megatron's training program multiplies the decay by wd_mult.
                p.sub_(group["lr"] * (m / (v.sqrt() + group["eps"]) + group["weight_decay"] * group["wd_mult"] * p))


class NoDropout:
    fork = staticmethod(contextlib.nullcontext)


dot_product_attention.tensor_parallel.get_cuda_rng_tracker = NoDropout
optimizers.Adam = distrib_optimizer.Adam = FusedAdam
optimizers.USING_PYTORCH_OPTIMIZER = False
distrib_optimizer.HAVE_APEX_OR_TE = distrib_optimizer.USING_APEX_OPTIMIZER = True
METADATA = {"singleton_local_shards": False, "chained_optim_avoid_prefix": True, "distrib_optim_sharding_type": "fully_reshardable"}


def load(folder, hf, rate):
    config = TransformerConfig(
        num_layers=hf["num_hidden_layers"], hidden_size=hf["hidden_size"], num_attention_heads=hf["num_attention_heads"],
        num_query_groups=hf["num_key_value_heads"], kv_channels=hf["head_dim"], ffn_hidden_size=hf["intermediate_size"],
        use_cpu_initialization=True, normalization="RMSNorm", layernorm_epsilon=hf["rms_norm_eps"], gated_linear_unit=True,
        activation_func=torch.nn.functional.silu, add_bias_linear=False, hidden_dropout=0.0, attention_dropout=0.0,
        bias_activation_fusion=False, bias_dropout_fusion=False, masked_softmax_fusion=False, gradient_accumulation_fusion=False,
        apply_rope_fusion=False)
    model = GPTModel(config=config, transformer_layer_spec=get_gpt_layer_local_spec(normalization="RMSNorm"), vocab_size=hf["vocab_size"],
                     max_sequence_length=256, position_embedding_type="rope", rotary_base=hf["rope_theta"],
                     share_embeddings_and_output_weights=hf["tie_word_embeddings"])
    ddp = DistributedDataParallel(config, DistributedDataParallelConfig(use_distributed_optimizer=True), model)
    # These settings differ from the run's: loading must replace them.
    chained = optimizers.get_megatron_optimizer(
        optimizers.OptimizerConfig(optimizer="adam", lr=9.0, use_distributed_optimizer=True, adam_beta1=0.5, adam_beta2=0.5, adam_eps=1.0,
                                   weight_decay=5.0, clip_grad=1.0), [ddp])
    inner = chained.chained_optimizers[0]
    inner.init_state_fn(inner.optimizer, inner.config)
    metadata = {**METADATA, "dp_cp_group": parallel_state.get_data_parallel_group(with_context_parallel=True)}
    sharded = model.sharded_state_dict(metadata=metadata)
    # The extra states of the local spec are empty, and have other names than those of the fused spec.
    wanted = {"model": {k: v for k, v in sharded.items() if not v.key.endswith("_extra_state")},
              "optimizer": chained.sharded_state_dict(sharded, is_loading=True, metadata=metadata)}
    state = dist_checkpointing.load(wanted, str(folder))
    model.load_state_dict(state["model"], strict=False)
    chained.load_state_dict(state["optimizer"])
    found = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1, "lr": rate, "step": int(folder.name[5:])}
    for group in inner.optimizer.param_groups:
        assert {k: group[k] for k in found} == found, group
    assert sorted(g["wd_mult"] for g in inner.optimizer.param_groups) == [0.0, 1.0]
    return ddp, chained, inner


def save(folder, ddp, chained, iteration):
    metadata = {**METADATA, "dp_cp_group": parallel_state.get_data_parallel_group(with_context_parallel=True)}
    sharded = ddp.module.sharded_state_dict(metadata=metadata)
    state = {"model": sharded, "optimizer": chained.sharded_state_dict(sharded, metadata=metadata), "iteration": iteration,
             "checkpoint_version": 3.0}
    folder.mkdir(parents=True)
    dist_checkpointing.save(state, str(folder), TorchDistSaveShardedStrategy("torch_dist", 1), content_metadata=METADATA)


def main():
    before, after = Path(sys.argv[1]), Path(sys.argv[2])
    rows = torch.tensor([json.loads(line)["input_ids"] for line in open(sys.argv[3])])
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    parallel_state.initialize_model_parallel()
    hf = json.loads((before / "hf/config.json").read_text())
    ddp, chained, inner = load(before, hf, 1e-3)
    tokens, labels = rows[:, :-1], rows[:, 1:]
    hidden = torch.full((1, 1, tokens.shape[1], tokens.shape[1]), True).triu(1)
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    ddp.zero_grad_buffer()
    loss = ddp(tokens, positions, hidden, labels=labels).mean()
    loss.backward()
    ddp.finish_grad_sync()
    print("updated:", chained.step()[0], "loss", loss.item())
    save(Path(sys.argv[4]) / after.name, ddp, chained, int(after.name[5:]))
    theirs, _, other = load(after, hf, 1e-3)
    worst = {}
    for (name, p), q in zip(ddp.module.named_parameters(), theirs.module.parameters()):
        mine, next_ = (o._get_main_param_and_optimizer_states(x) for o, x in ((inner, p), (other, q)))
        for what in ("param", "exp_avg", "exp_avg_sq"):
            scale = next_[what].abs().max().item() if what != "param" else 1.0
            difference = (mine[what] - next_[what]).abs().max().item() / scale
            worst[what] = max(worst.get(what, 0.0), difference)
    print("largest difference:", worst)
    good = worst["param"] < 2e-6 and worst["exp_avg"] < 1e-4 and worst["exp_avg_sq"] < 1e-4
    dist.destroy_process_group()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
