// Every recipe has the published values; tests/golden/recipes.json has one row per recipe and variant.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::config {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

const std::string kRecipes = CORRAL_SOURCE_DIR "/recipes";

FolderSchemas& plugins() {
  static FolderSchemas schemas({CORRAL_BINARY_DIR "/plugins"});
  return schemas;
}

const json& rows() {
  static const json all = json::parse(read_text_file(CORRAL_SOURCE_DIR "/tests/golden/recipes.json"));
  return all;
}

const std::map<std::string, std::string> kPrecision{{"bf16_mixed", "bf16"},
                                                    {"bf16_with_fp8_current_scaling_mixed", "fp8"},
                                                    {"bf16_with_mxfp8_mixed", "mxfp8"},
                                                    {"bf16_with_nvfp4_mixed", "nvfp4"}};

// The recipe and flags that a user gives for a row.
Sources sources_of(const json& row, const std::string& recipe) {
  Sources sources;
  sources.recipe = recipe;
  if (row["task"] == "finetune") {
    sources.flags.push_back(parse_assignment("peft.plugin=" + row["variant"].get<std::string>(), "--peft"));
    sources.flags.push_back(parse_assignment("data.packed=false", "--set"));
  } else if (row["variant"] != "default") {
    sources.flags.push_back(parse_assignment("precision.plugin=" + kPrecision.at(row["variant"]), "--precision"));
  }
  return sources;
}

// True for the variant of a recipe without flags.
bool is_default(const json& row) {
  return row["variant"] == "default" || row["variant"] == "lora" || row["variant"] == "bf16_with_fp8_current_scaling_mixed";
}
Sources default_sources(const json& row, const std::string& recipe) {
  Sources sources = sources_of(row, recipe);
  if (row["variant"] != "default") sources.flags.erase(sources.flags.begin());
  return sources;
}

json or_else(const json& value, const json& instead) { return value.is_null() ? instead : value; }

// The published value of each key of a configuration.
std::map<std::string, json> expected_values(const json& row) {
  std::string model = row["model_name"];
  for (char& c : model) c = static_cast<char>(std::tolower(c));
  model.erase(0, model.find("llama-") + 6);  // 3.1-8b
  std::string family = "llama";
  for (const char c : model.substr(0, model.find('-')))
    if (c != '.') family += c;
  const bool finetune = row["task"] == "finetune";
  std::map<std::string, json> e{
      {"run.mode", row["task"]},
      {"run.gpus", or_else(row["gpus_total"], 0)},
      {"model.plugin", family},
      {"model.size", model.substr(model.find('-') + 1)},
      {"model.num_hidden_layers", row["num_layers"]},
      {"model.hidden_size", row["hidden_size"]},
      {"model.intermediate_size", row["ffn_hidden_size"]},
      {"model.num_attention_heads", row["num_attention_heads"]},
      {"model.num_key_value_heads", row["num_query_groups"]},
      {"model.head_dim", row["head_dim"]},
      {"model.vocab_size", row["vocab_size"]},
      {"model.rope_theta", row["rotary_base"]},
      {"model.rope_scaling.rope_type", or_else(row["rope_scaling_type"], "none")},
      {"model.max_position_embeddings", row["max_position_embeddings"]},
      {"model.tie_word_embeddings", row["tied_embeddings"]},
      {"model.rms_norm_eps", row["norm_eps"]},
      {"model.hidden_dropout", row["hidden_dropout"]},
      {"model.initializer_range", row["init_method_std"]},
      {"train.train_iters", row["train_iters"]},
      {"train.global_batch_size", row["global_batch_size"]},
      {"train.micro_batch_size", row["micro_batch_size"]},
      {"train.seq_length", row["seq_length"]},
      {"train.seed", row["seed"]},
      {"train.log_interval", row["log_interval"]},
      {"train.eval_interval", row["eval_interval"]},
      {"train.eval_iters", row["eval_iters"]},
      {"train.save_interval", row["save_interval"]},
      {"optimizer.plugin", row["optimizer"]},
      {"optimizer.lr", row["lr"]},
      {"optimizer.min_lr", row["min_lr"]},
      {"optimizer.lr_warmup_iters", row["lr_warmup_iters"]},
      {"optimizer.lr_warmup_init", row["lr_warmup_init"]},
      {"optimizer.lr_decay_iters", or_else(row["lr_decay_iters"], 0)},
      {"optimizer.lr_decay_style", row["lr_decay_style"]},
      {"optimizer.weight_decay", row["effective_weight_decay"]},
      {"optimizer.adam_beta1", row["adam_beta1"]},
      {"optimizer.adam_beta2", row["adam_beta2"]},
      {"optimizer.adam_eps", row["adam_eps"]},
      {"optimizer.clip_grad", row["clip_grad"]},
      {"precision.plugin", kPrecision.at(row["mixed_precision"])},
      {"recompute.granularity", or_else(row["recompute_granularity"], "none")},
      {"recompute.num_layers", or_else(row["recompute_num_layers"], 0)},
      {"parallel.tensor", row["tensor_parallel_size"]},
      {"parallel.pipeline", row["pipeline_parallel_size"]},
      {"parallel.virtual_pipeline", or_else(row["virtual_pipeline_parallel_size"], 1)},
      {"parallel.context", row["context_parallel_size"]},
      {"parallel.sequence", row["sequence_parallel"]},
      {"parallel.distributed_optimizer", row["use_distributed_optimizer"]},
      {"parallel.overlap", row["overlap_grad_reduce"]},
      {"parallel.pipeline_accounts_embedding", row["account_for_embedding_in_pipeline_split"]},
      {"parallel.pipeline_accounts_loss", row["account_for_loss_in_pipeline_split"]},
      {"data.plugin", finetune ? "sft" : "text"},
      {"data.split", or_else(row["dataset_split_with_blend"], "90,10,0")},  // val_proportion 0.1, no test part
      {"data.shuffle", true},
      {"data.seed", row["dataset_seed"]},
      {"data.packed", false},
      {"data.packed_seq_length", or_else(row["packed_seq_length"], 0)},
      {"data.packed_global_batch_size", or_else(row["packed_global_batch_size"], 0)},
      {"data.template", finetune ? "{input} {output}" : ""},
      {"tokenizer.path", or_else(row["tokenizer_name"], "")},
      {"peft.plugin", row["peft"]},
      {"checkpoint.async", row["async_save"]},
      {"checkpoint.pretrained", or_else(row["pretrained_checkpoint"], "")},
  };
  if (!row["rope_scaling_type"].is_null())
    for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
      e[std::string("model.rope_scaling.") + key] = row[std::string("rope_scaling_") + key];
  if (!row["fp8_recipe"].is_null() && row["fp8_recipe"] != "mxfp8") e["precision.recipe"] = row["fp8_recipe"];
  for (const char* key : {"num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16"}) e[std::string("precision.") + key] = row[key];
  for (const char* key : {"dim", "alpha", "dropout", "target_modules"})
    if (!row[std::string("peft_") + key].is_null()) e[std::string("peft.") + key] = row[std::string("peft_") + key];
  return e;
}

json as_json(const Value& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

// A line for each key whose value differs from the published one. `value_of` returns null for an unknown key.
template <class ValueOf>
std::string differences_of(const ValueOf& value_of, const json& row) {
  std::string all;
  for (const auto& [key, want] : expected_values(row)) {
    const json have = value_of(key);
    // A precision without layers in bf16 has no such key.
    if (have != want && !(have.is_null() && want == 0 && key.find("_in_bf16") != std::string::npos))
      all += key + " = " + have.dump() + ", published: " + want.dump() + "\n";
  }
  return all;
}

std::string differences(const RunConfig& config, const json& row) {
  const auto value_of = [&](const std::string& key) {
    const Setting* setting = config.find(key);
    return setting ? as_json(setting->value) : json();
  };
  return differences_of(value_of, row);
}

std::string label(const json& row) { return row["recipe"].get<std::string>() + " " + row["variant"].get<std::string>(); }

TEST(Recipes, HaveThePublishedValuesInEveryVariant) {
  const RecipeFolders folders({kRecipes});
  ASSERT_EQ(rows().size(), 36u);
  for (const json& row : rows()) EXPECT_EQ(differences(resolve(sources_of(row, row["recipe"]), folders, plugins()), row), "") << label(row);
}

// The program prints the same values, with the flags that a user gives.
TEST(Recipes, AreShownByTheProgramInEveryVariant) {
  for (const json& row : rows()) {
    std::string words = " recipes show " + row["recipe"].get<std::string>() + " --json";
    if (row["task"] == "finetune")
      words += " --peft " + row["variant"].get<std::string>() + " --set data.packed=false";
    else if (row["variant"] != "default")
      words += " --precision " + row["variant"].get<std::string>();
    FILE* const output = popen((CORRAL_BINARY_DIR "/bin/corral" + words).c_str(), "r");
    ASSERT_NE(output, nullptr);
    std::string text;
    for (int c = std::fgetc(output); c != EOF; c = std::fgetc(output)) text += static_cast<char>(c);
    ASSERT_EQ(pclose(output), 0) << words;
    const json shown = json::parse(text);
    EXPECT_EQ(differences_of([&](const std::string& key) { return shown.contains(key) ? shown[key]["value"] : json(); }, row), "") << words;
  }
}

TEST(Recipes, TakeTheOriginalNamesOfPrecisions) {
  const RecipeFolders folders({kRecipes});
  for (const json& row : rows()) {
    Sources sources = default_sources(row, row["recipe"]);
    if (row["task"] == "finetune" && !is_default(row)) continue;
    sources.flags.push_back(parse_assignment("precision.plugin=" + row["mixed_precision"].get<std::string>(), "--precision"));
    EXPECT_EQ(differences(resolve(sources, folders, plugins()), row), "") << label(row);
  }
}

TEST(Recipes, AreTheTwentyPublishedRecipes) {
  std::set<std::string> published;
  for (const json& row : rows()) published.insert(row["recipe"]);
  const std::vector<std::string> names = RecipeFolders({kRecipes}).names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), published);
  EXPECT_EQ(names.size(), 20u);
}

TEST(Recipes, PackFinetuningByDefault) {
  const RecipeFolders folders({kRecipes});
  for (const json& row : rows()) {
    if (row["task"] != "finetune") continue;
    Sources sources = sources_of(row, row["recipe"]);
    sources.flags.pop_back();
    const RunConfig config = resolve(sources, folders, plugins());
    EXPECT_TRUE(config.boolean("data.packed")) << label(row);
    EXPECT_EQ(config.integer("train.seq_length"), row["packed_seq_length"]) << label(row);
    EXPECT_EQ(config.integer("train.global_batch_size"), row["packed_global_batch_size"]) << label(row);
  }
}

TEST(Recipes, SayWhereTheLayoutCannotRunOnThePublishedGpus) {
  const RecipeFolders folders({kRecipes});
  for (const json& row : rows()) {
    const RunConfig config = resolve(sources_of(row, row["recipe"]), folders, plugins());
    const bool cannot = row["recipe"] == "llama31_405b_finetune_config" && row["variant"] != "none";
    ASSERT_EQ(config.notices().size(), cannot ? 1u : 0u) << label(row);
    if (!cannot) continue;
    EXPECT_NE(config.notices()[0].find("up to 128 GPUs, or with train.global_batch_size=64"), std::string::npos) << config.notices()[0];
  }
}

// Positions of all digits outside comments.
std::vector<size_t> digits_of(const std::string& text) {
  std::vector<size_t> places;
  bool comment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') comment = false;
    if (text[i] == '#') comment = true;
    if (!comment && std::isdigit(static_cast<unsigned char>(text[i]))) places.push_back(i);
  }
  return places;
}

TEST(Recipes, AreComparedInEveryDigit) {
  const fs::path folder = fs::path(testing::TempDir()) / "corral_recipe_digits";
  fs::create_directories(folder);
  fs::copy_file(kRecipes + "/aliases.textproto", folder / "aliases.textproto", fs::copy_options::overwrite_existing);
  const RecipeFolders folders({folder.string()});
  size_t changed = 0;
  for (const std::string& name : RecipeFolders({kRecipes}).names()) {
    const std::string text = read_text_file(kRecipes + "/" + name + ".textproto");
    for (const size_t at : digits_of(text)) {
      std::string other = text;
      other[at] = static_cast<char>('0' + (text[at] - '0' + 1) % 10);
      std::ofstream(folder / (name + ".textproto")) << other;
      bool seen = false;
      for (const json& row : rows()) {
        if (seen || row["recipe"] != name) continue;
        try {
          seen = !differences(resolve(sources_of(row, name), folders, plugins()), row).empty() ||
                 (is_default(row) && !differences(resolve(default_sources(row, name), folders, plugins()), row).empty());
        } catch (const Error&) {
          seen = true;
        }
      }
      EXPECT_TRUE(seen) << name << ": byte " << at << " may change: " << text.substr(text.rfind('\n', at) + 1, 60);
      ++changed;
    }
  }
  EXPECT_GT(changed, 1000u);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace corral::config
