// The flags that every command has, and those that several share: shorthands of configuration keys above all.
#include "bin/terminal/command.h"

namespace corral::cli {
namespace {

constexpr Flag kCommon[] = {
    {"help", Flag::kNothing, "", "this text"},
    {"verbose", Flag::kNothing, "", "say more (-v)"},
    {"plugin-path", Flag::kPaths, "DIR", "look for plugins here first"},
};

constexpr Flag kShared[] = {
    {"recipe", Flag::kValue, "NAME", "recipe to begin from; `corral recipes` lists them; or a .textproto file"},
    {"config", Flag::kPaths, "FILE", "values that override the recipe's"},
    {"set", Flag::kPaths, "KEY=VALUE", "any key; `corral recipes show NAME` lists them"},
    {"name", Flag::kValue, "NAME", "name of the run", "run.name"},
    {"dir", Flag::kValue, "DIR", "directory of the run", "run.dir"},
    {"model", Flag::kValue, "MODEL[/SIZE]", "model family and size: llama32/1b", "model.plugin"},
    {"data", Flag::kPaths, "PATH", "data; a number before a path is its weight: 0.3 a.jsonl 0.7 b.jsonl", "data.paths"},
    {"dataset", Flag::kValue, "PLUGIN", "reader of the data", "data.plugin"},
    {"tokenizer", Flag::kValue, "PATH", "folder, file or hub name of the tokenizer", "tokenizer.path"},
    {"train-iters", Flag::kValue, "N", "steps", "train.train_iters"},
    {"global-batch-size", Flag::kValue, "N", "sequences a step", "train.global_batch_size"},
    {"micro-batch-size", Flag::kValue, "N", "sequences computed at once", "train.micro_batch_size"},
    {"seq-length", Flag::kValue, "N", "tokens a sequence", "train.seq_length"},
    {"lr", Flag::kValue, "X", "highest learning rate", "optimizer.lr"},
    {"min-lr", Flag::kValue, "X", "learning rate at the end", "optimizer.min_lr"},
    {"optimizer", Flag::kValue, "PLUGIN", "optimizer", "optimizer.plugin"},
    {"precision", Flag::kValue, "PLUGIN", "formats of weights, activations and products: fp32, bf16", "precision.plugin"},
    {"peft", Flag::kValue, "PLUGIN", "none, lora, dora", "peft.plugin"},
    {"tp", Flag::kValue, "N", "ranks that share each layer", "parallel.tensor"},
    {"pp", Flag::kValue, "N", "pipeline ranks, each with consecutive layers", "parallel.pipeline"},
    {"vp", Flag::kValue, "N", "chunks of layers on each pipeline rank", "parallel.virtual_pipeline"},
    {"cp", Flag::kValue, "N", "ranks that share each sequence", "parallel.context"},
    {"device", Flag::kValue, "PLUGIN", "device", "device.plugin"},
    {"collective", Flag::kValue, "PLUGIN", "how ranks exchange tensors", "collective.plugin"},
    {"checkpoint-format", Flag::kValue, "PLUGIN", "format of the written weights", "checkpoint.format"},
    {"pretrained-checkpoint", Flag::kValue, "PATH", "weights to begin from", "checkpoint.pretrained"},
    {"load", Flag::kValue, "PATH", "checkpoint to continue from in a new directory: weights, the optimizer's state, steps",
     "checkpoint.load"},
    {"tracker", Flag::kValues, "PLUGIN", "plugins that record metrics", "tracker.plugins"},
    {"sample-interval", Flag::kValue, "N", "steps between sample texts of the model in training", "train.sample_interval"},
    {"sample-prompt", Flag::kPaths, "TEXT", "text that the samples continue", "train.sample_prompt"},
    {"dump-graph", Flag::kValue, "STAGE",
     "print the graph after model, peft, generation, autodiff, recompute, precision, optimizer or partition, or the memory plan (plan), "
     "and stop"},
};

}  // namespace

std::span<const Flag> common_flags() { return kCommon; }
std::span<const Flag> shared_flags() { return kShared; }

}  // namespace corral::cli
