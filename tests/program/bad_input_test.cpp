// Bad input of every kind: the program prints one message with the words a user needs, ends with the right exit code and leaves nothing
// behind.
#include <fcntl.h>
#include <sys/resource.h>

#include <functional>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kInput = 2, kEnvironment = 3;

// The folder with the files of a case; the case's command line calls it $F.
struct Place {
  fs::path folder;
  fs::path operator/(const std::string& name) const { return folder / name; }

  static fs::path golden(const std::string& model) { return fs::path(CORRAL_SOURCE_DIR) / "tests/golden/models" / model; }
  void copy(const std::string& model, const std::string& as = "model") const { fs::copy(golden(model), folder / as); }
  void text(const std::string& name, const std::string& content) const { write_text(folder / name, content); }

  // A copy of a golden model with one line of its config.json changed.
  void config(const std::string& model, const std::function<void(json&)>& change) const {
    copy(model);
    json j = json::parse(text_of(folder / "model/config.json"));
    change(j);
    text("model/config.json", j.dump(2));
  }
  // A copy of a golden model whose weight file is `length`, `header` and `data_size` zero bytes.
  void weights(const std::string& header, size_t data_size, uint64_t length) const {
    copy("llama32");
    write_text(folder / "model/model.safetensors",
               std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data_size, '\0'));
  }
  void weights(const std::string& header, size_t data_size = 0) const { weights(header, data_size, header.size()); }

  // A copy of a built plugin with a manifest for `abi`; every `from` in its bytes is replaced by `to`.
  void plugin(const std::string& abi, const std::string& from = "", const std::string& to = "") const {
    std::string bytes = text_of(CORRAL_BINARY_DIR "/plugins/precision/fp32/fp32.so");
    for (size_t at = from.empty() ? bytes.npos : bytes.find(from); at != bytes.npos; at = bytes.find(from, at + 1))
      bytes.replace(at, from.size(), to);
    text("fp32.so", bytes);
    const std::string make = CORRAL_BINARY_DIR "/sdk/corral-manifest --kind precision --name fp32 --version 1 --license Apache-2.0 --abi " +
                             abi + " --plugin " + (folder / "fp32.so").string() + " --out " + (folder / "fp32.manifest").string();
    ASSERT_EQ(std::system(make.c_str()), 0);
  }
};

struct Case {
  const char* name;
  std::function<void(const Place&)> prepare;
  std::string words;
  int code;
  std::vector<std::string> message;
  const char* before = "";  // shell text in front of the program
};

void nothing(const Place&) {}

// A training run that passes in a moment; a case breaks it with `data`, `more` or `tokenizer`.
std::string train(const std::string& data, const std::string& more = "", const std::string& tokenizer = Place::golden("llama3")) {
  return "pretrain --recipe llama32_1b_pretrain_config --tokenizer " + tokenizer + " --data " + data +
         " --dir $F/run --train-iters 2 --micro-batch-size 2 --seq-length 16 --precision fp32 --set device.threads=1 " +
         (more.find("data.split") == more.npos ? "data.split=1 " : "") +
         "train.eval_interval=0 model.num_hidden_layers=1 model.hidden_size=16 model.intermediate_size=16 model.num_attention_heads=2 "
         "model.num_key_value_heads=1 model.head_dim=8 " +
         (more.find("warmup") == more.npos ? "optimizer.lr_warmup_iters=0 " : "") +
         (more.find("batch_size") == more.npos ? "train.global_batch_size=2 " : "") + more;
}
constexpr char kEval[] = "eval --data $F/ids.jsonl --seq-length 8 --checkpoint $F/model";
constexpr char kImport[] = "import --hf-model $F/model --dir $F/run";
constexpr char kExport[] = "export --megatron-path $F/mg --hf-model " CORRAL_SOURCE_DIR "/tests/golden/megatron/tied/hf --hf-path $F/out";
constexpr char kShow[] = "recipes show llama32_1b_pretrain_config ";

auto model(const char* name) {
  return [name](const Place& p) { p.copy(name); };
}
auto config_says(const char* key, json value) {
  return [key, value](const Place& p) { p.config("llama31", [&](json& j) { j[key] = value; }); };
}
auto config_without(const char* key) {
  return [key](const Place& p) { p.config("llama31", [&](json& j) { j.erase(key); }); };
}
auto header(std::string text, size_t data_size = 0) {
  return [text, data_size](const Place& p) { p.weights(text, data_size); };
}
auto data(std::string content) {
  return [content](const Place& p) { p.text("data.jsonl", content); };
}
// A copy of a Megatron Core folder, then damaged.
auto megatron(const std::function<void(const fs::path& folder, const fs::path& iteration)>& damage) {
  return [damage](const Place& p) {
    fs::copy(Place::golden("../megatron/tied/mcore"), p.folder / "mg", fs::copy_options::recursive);
    damage(p.folder / "mg", p.folder / "mg/iter_0000500");
  };
}
void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string bytes = text_of(file);
  for (size_t at = 0; (at = bytes.find(from, at)) != bytes.npos; at += to.size()) bytes.replace(at, from.size(), to);
  write_text(file, bytes);
}
// A Megatron data pair of four sequences of eight tokens, whose index has `bytes` written over position `at`.
auto pair(size_t at, const std::string& bytes) {
  return [at, bytes](const Place& p) {
    std::string index("MMIDIDX\0\0", 9);
    const auto put = [&](auto n) { index.append(reinterpret_cast<const char*>(&n), sizeof n); };
    put(uint64_t{1});
    put(uint8_t{8});  // uint16
    put(uint64_t{4});
    put(uint64_t{5});
    for (int s = 0; s < 4; ++s) put(int32_t{8});
    for (int s = 0; s < 4; ++s) put(int64_t{16} * s);
    for (int d = 0; d < 5; ++d) put(int64_t{d});
    index.replace(at, bytes.size(), bytes);
    p.text("p.idx", index);
    p.text("p.bin", std::string(64, '\1'));
  };
}
std::string one(const char* dtype, const char* shape, const char* offsets) {
  return std::string("{\"w\":{\"dtype\":\"") + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      // The command line.
      {"UnknownCommand", nothing, "pretrian --dir $F/run", kInput, {"pretrian: no such command", "did you mean `corral pretrain`?"}},
      {"UnknownSubCommand", nothing, "recipes shwo x", kInput, {"\"shwo\"", "did you mean `corral recipes show`?"}},
      {"CheckMemoryWithoutCheck",
       model("llama32"),
       "export --checkpoint $F/model --hf-path $F/out --check-memory 1GB",
       kInput,
       {"--check-memory limits the memory of --check"}},
      {"TargetModulesOfAModel",
       model("llama32"),
       "import --hf-model $F/model --megatron-path $F/out --target-modules linear_qkv",
       kInput,
       {"--target-modules are an adapter's"}},
      {"FormatOfAMegatronFolder",
       model("llama32"),
       "import --hf-model $F/model --megatron-path $F/out --checkpoint-format hf",
       kInput,
       {"--checkpoint-format is of a run directory"}},
      {"StreamOfJson", model("llama32"), "generate --checkpoint $F/model --prompt a --stream --json", kInput, {"--stream", "--json"}},
      {"StreamOfManyPrompts",
       model("llama32"),
       "generate --checkpoint $F/model --prompts $F/p.jsonl --stream",
       kInput,
       {"--stream shows one text"}},
      {"OptionsOfNoTokenizer",
       data("{\"input_ids\": [1, 2]}\n"),
       "data build --data $F/data.jsonl --out $F/out --set tokenizer.plugin=hf",
       kInput,
       {"--set are options of a tokenizer"}},
      {"SamplePromptWithoutInterval",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "--sample-prompt a"),
       kInput,
       {"--sample-prompt: no text is sampled: --sample-interval N"}},
      {"ValidateListAsJson",
       nothing,
       "plugin validate " CORRAL_BINARY_DIR "/plugins/precision/fp32/fp32.so --list --json",
       kInput,
       {"--list leaves --json without effect"}},
      {"UnknownFlag", nothing, "generate --max-tokens 3", kInput, {"--max-tokens: no such flag", "did you mean \"--max-new-tokens\"?"}},
      {"UnknownRecipe",
       nothing,
       "pretrain --recipe llama32_1b_pretain_config --dir $F/run",
       kInput,
       {"recipe \"llama32_1b_pretain_config\": no such recipe", "did you mean \"llama32_1b_pretrain_config\"?"}},
      {"UnknownKey",
       nothing,
       std::string(kShow) + "--set train.train_iter=3",
       kInput,
       {"train.train_iter: no such key", "did you mean \"train.train_iters\"?", "set by --set"}},
      {"UnknownPlugin",
       nothing,
       std::string(kShow) + "--optimizer adamv",
       kInput,
       {"optimizer.plugin = \"adamv\": no such optimizer plugin", "did you mean \"adamw\"?"}},
      {"UnknownModelSize", nothing, "init --model llama32/2b --hf-path $F/out", kInput, {"model.size = \"2b\"", "no such size of llama32"}},
      {"WordForANumber",
       nothing,
       std::string(kShow) + "--train-iters ten",
       kInput,
       {"train.train_iters = \"ten\": expected", "set by --train-iters"}},
      {"NumberForAChoice",
       nothing,
       std::string(kShow) + "--set model.tie_word_embeddings=maybe",
       kInput,
       {"model.tie_word_embeddings = \"maybe\": expected true or false"}},
      {"FlagOfAWrongType",
       model("llama3"),
       "generate --checkpoint $F/model --prompt x --max-new-tokens many",
       kInput,
       {"--max-new-tokens = \"many\": expected an integer"}},
      {"RunWithoutADataFlag", nothing, "pretrain --recipe llama32_1b_pretrain_config --dir $F/run", kInput, {"--data FILE"}},

      {"RunWithoutAModel",
       data("{\"text\": \"a\"}\n"),
       "pretrain --tokenizer " + Place::golden("llama3").string() + " --data $F/data.jsonl --dir $F/run",
       kInput,
       {"pretrain needs a model: --recipe NAME"}},
      {"PromptWithoutQuotes",
       model("llama3"),
       "generate --checkpoint $F/model --prompt two words",
       kInput,
       {"--prompt has 2 texts", "put one into quotes"}},
      {"ModelAsAWord", nothing, "generate $F/model --prompt a", kInput, {"takes no such word", "a model is named by --checkpoint PATH"}},

      {"GroupWithoutACommand", nothing, "tokenizer", kInput, {"after `corral tokenizer` comes one of decode, encode, info, train"}},
      {"KeyLikeNoOther",
       nothing,
       std::string(kShow) + "--set a=b",
       kInput,
       {"a: no such key", "`corral recipes show NAME` lists the keys"}},
      {"OptionThatAPluginRefuses",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "optimizer.adam_beta1=1.5"),
       kInput,
       {"optimizer.adam_beta1 = 1.5: expected 0 or more and less than 1", "set by --set, after recipe llama32_1b_pretrain_config"}},
      {"PositionsThatDoNotTurn",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "model.rope_theta=0"),
       kInput,
       {"model.rope_theta = 0: expected more than 0", "set by --set"}},
      {"LayersWithoutEnd",
       nothing,
       "init --model llama32/1b --set model.num_hidden_layers=100000 --hf-path $F/out",
       kInput,
       {"model.num_hidden_layers = 100000: expected a number from 1 to 10000", "set by --set"}},
      {"VocabularyBelowTheTokenizers",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "model.vocab_size=100"),
       kInput,
       {"model.vocab_size = 100, but the tokenizer has 320 ids: leave model.vocab_size out, or set it to 320 or more"}},
      {"RanksOfAnEvaluation", model("llama32"), std::string(kEval) + " --tp 2", kInput, {"parallel.tensor = 2", "one rank", "set by --tp"}},
      {"RanksOfAGeneration",
       model("llama3"),
       "generate --checkpoint $F/model --prompt x --set parallel.pipeline=2",
       kInput,
       {"parallel.pipeline = 2", "set by --set"}},
      {"UnknownStage", model("llama32"), std::string(kEval) + " --dump-graph modle", kInput, {"no such stage; there are model, peft"}},
      {"StageThatNoGraphPasses",
       model("llama32"),
       std::string(kEval) + " --dump-graph optimizer",
       kInput,
       {"--dump-graph optimizer: no graph passes this stage here, but model, precision, partition and plan"}},
      {"FileForAPluginFolder",
       nothing,
       "plugins --plugin-path " CORRAL_BINARY_DIR "/plugins/precision/fp32/fp32.so",
       kInput,
       {"fp32.so: a file: name its folder"}},
      {"NoPluginFolder", nothing, "plugins --plugin-path $F/none", kInput, {"--plugin-path $F/none: no such folder"}},

      // Missing files.
      {"NoDataFile", nothing, train("$F/none.jsonl"), kInput, {"$F/none.jsonl", "no such file"}},
      {"NoTokenizer",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "", "$F/tok"),
       kInput,
       {"tokenizer.path = \"$F/tok\": no such file or folder"}},
      {"NoCheckpoint", nothing, "generate --checkpoint $F/none --prompt x", kInput, {"$F/none: no such checkpoint"}},
      {"NoModelToImport", nothing, "import --hf-model $F/none --dir $F/run", kInput, {"--hf-model $F/none: no such folder"}},
      {"NoPrompts", model("llama32"), "generate --checkpoint $F/model --prompts $F/none", kInput, {"--prompts: cannot read $F/none"}},
      {"NoConfigFile", nothing, std::string(kShow) + "--config $F/none", kInput, {"$F/none", "No such file"}},
      {"FolderWithoutWeights",
       [](const Place& p) { fs::create_directory(p / "model"); },
       kImport,
       kInput,
       {"$F/model: no installed format knows this", "has neither model.safetensors nor"}},
      {"NoFolderForLogits", model("llama32"), std::string(kEval) + " --logits $F/none/l", kInput, {"the folder $F/none does not exist"}},
      {"FolderForGradients", model("llama32"), std::string(kEval) + " --gradients $F", kInput, {"--gradients $F: that is a folder"}},
      {"FileForARun",
       [](const Place& p) {
         p.text("run", "");
         p.text("data.jsonl", "{\"text\": \"a\"}\n");
       },
       train("$F/data.jsonl"),
       kInput,
       {"run.dir = \"$F/run\": that is a file", "set by --dir"}},
      {"OutputIsNotEmpty", model("llama32"), "export --checkpoint $F/model --hf-path $F/model", kInput, {"$F/model is not empty"}},

      // Safetensors.
      {"WeightsCutOff",
       [](const Place& p) {
         p.copy("llama32");
         fs::resize_file(p / "model/model.safetensors", 20000);
       },
       kImport,
       kInput,
       {"$F/model/model.safetensors: tensor \"", "cut off, copy it again"}},
      {"WeightsOfSevenBytes",
       [](const Place& p) {
         p.copy("llama32");
         fs::resize_file(p / "model/model.safetensors", 7);
       },
       kEval,
       kInput,
       {"7 bytes are not a safetensors file"}},
      {"HeaderLengthLies",
       [](const Place& p) { p.weights("{}", 0, uint64_t{1} << 62); },
       kEval,
       kInput,
       {"model.safetensors: header length 4611686018427387904"}},
      {"HeaderLongerThanTheFile",
       [](const Place& p) { p.weights("{}", 0, 1000); },
       kEval,
       kInput,
       {"header length 1000, but the file has only 2"}},
      {"OffsetsBeyondTheFile", header(one("F32", "[4]", "[0,16]"), 8), kEval, kInput, {"tensor \"w\" ends at byte 16", "has only 8"}},
      {"OffsetsBackwards",
       header(one("F32", "[1]", "[4,0]"), 4),
       kEval,
       kInput,
       {"tensor \"w\": data_offsets [4, 0] end before they begin"}},
      {"TensorsOverlap",
       header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 6),
       kEval,
       kInput,
       {"tensor \"b\" begins at byte 2 inside tensor \"a\""}},
      {"UnknownElementType", header(one("F33", "[1]", "[0,4]"), 4), kEval, kInput, {"tensor \"w\": dtype \"F33\": expected one of"}},
      {"ShapeProductOverflows",
       header(one("F32", "[4294967296,4294967296,4294967296]", "[0,0]")),
       kEval,
       kInput,
       {"tensor \"w\": its shape has more elements than a file can hold"}},
      {"TensorOfNoModel", header(one("F32", "[1]", "[0,4]"), 4), kImport, kInput, {"the checkpoint has no tensor \"model."}},
      {"WeightsOfIntegers",
       [](const Place& p) {
         p.copy("llama32");
         auto tensors = raw_tensors(p / "model");
         std::string& norm = tensors.at("model.norm.weight");
         norm.replace(0, 5, "\"I32\"");
         write_tensors(p / "model/model.safetensors", tensors);
       },
       kImport,
       kInput,
       {"tensor \"model.norm.weight\" of model.safetensors is I32: weights are expected in F32, BF16 or F16"}},
      {"OnlyAPickle",
       [](const Place& p) {
         p.copy("llama32");
         fs::rename(p / "model/model.safetensors", p / "model/pytorch_model.bin");
       },
       kImport,
       kInput,
       {"$F/model: no installed format knows this"}},

      // config.json.
      {"UnknownRopeType",
       [](const Place& p) { p.config("llama31", [](json& j) { j["rope_scaling"]["rope_type"] = "yarn"; }); },
       kImport,
       kInput,
       {"$F/model: config.json: rope_scaling.rope_type = \"yarn\": expected \"llama3\""}},
      {"ConfigWithoutAKey", config_without("hidden_size"), kImport, kInput, {"config.json: key \"hidden_size\" is missing"}},
      {"ConfigOfAWrongType",
       config_says("num_hidden_layers", "two"),
       kImport,
       kInput,
       {"config.json: num_hidden_layers = \"two\": expected a whole number"}},
      {"AttentionBias", config_says("attention_bias", true), kImport, kInput, {"config.json: attention_bias = true"}},
      {"MlpBias", config_says("mlp_bias", true), kEval, kInput, {"config.json: mlp_bias = true"}},
      {"OtherActivation", config_says("hidden_act", "gelu"), kEval, kInput, {"config.json: hidden_act = \"gelu\": expected \"silu\""}},
      {"OtherFamily", config_says("model_type", "mistral"), kEval, kInput, {"config.json: model_type = \"mistral\": expected \"llama\""}},
      {"ConfigIsNoJson",
       [](const Place& p) {
         p.copy("llama31");
         p.text("model/config.json", "{\"hidden_size\": ");
       },
       kEval,
       kInput,
       {"$F/model: config.json: "}},
      {"NoConfigAtAll",
       [](const Place& p) {
         p.copy("llama32");
         fs::remove(p / "model/config.json");
       },
       kEval,
       kInput,
       {"$F/model: has tensors, but no configuration"}},
      {"LayersOfAConfigWithoutEnd", config_says("num_hidden_layers", 2000000000), kImport, kInput, {"num_hidden_layers = 2000000000"}},
      {"ConfigOfAnotherShape",
       config_says("intermediate_size", 96),
       kImport,
       kInput,
       {"tensor \"model.layers.0.mlp.", "has shape [112, 48], but the model's configuration needs [96, 48]"}},

      // Vocabulary.
      {"TokenizerWithMoreIdsThanTheModelHasRows",
       [](const Place& p) {
         p.copy("llama3");
         auto tensors = raw_tensors(p / "model");
         fs::remove(p / "model/model.safetensors.index.json");
         for (int i = 1; i <= 3; ++i) fs::remove(p / ("model/model-0000" + std::to_string(i) + "-of-00003.safetensors"));
         for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
           std::string& t = tensors.at(name);
           const size_t data = t.find(']') + 1, columns = (t.size() - data) / 320;
           t = t.substr(0, t.find('[')) + "[300," + std::to_string(columns / 4) + "]" + t.substr(data, 300 * columns);
         }
         write_tensors(p / "model/model.safetensors", tensors);
         json j = json::parse(text_of(p / "model/config.json"));
         j["vocab_size"] = 300;
         p.text("model/config.json", j.dump());
       },
       "generate --checkpoint $F/model --prompt a",
       kInput,
       {"model.vocab_size = 300, but the tokenizer has 320 ids"}},
      {"IdsOutOfTheVocabulary",
       [](const Place& p) {
         p.copy("llama32");
         p.text("prompts", "{\"input_ids\": [1, 320]}\n");
       },
       "generate --checkpoint $F/model --prompts $F/prompts",
       kInput,
       {"$F/prompts:1: input_ids has 320, but ids go from 0 to 319"}},

      // Data.
      {"LineIsNoJson", data("{\"text\": \"a\"}\n{\"text\": \n"), train("$F/data.jsonl"), kInput, {"$F/data.jsonl:2: "}},
      {"LineHasNoText", data("{\"text\": \"a\"}\n\n{\"txt\": \"b\"}\n"), train("$F/data.jsonl"), kInput, {"$F/data.jsonl:3: ", "text"}},
      {"InvalidUtf8", data("{\"text\": \"a\"}\n{\"text\": \"\xff\"}\n"), train("$F/data.jsonl"), kInput, {"$F/data.jsonl:2: ", "UTF-8"}},
      {"EmptyData", data(""), train("$F/data.jsonl"), kInput, {"$F/data.jsonl"}},
      {"DataShorterThanOneSequence",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl"),
       kInput,
       {"train.seq_length + 1 = 17", "give more text or a smaller train.seq_length"}},
      {"TextWithoutATokenizer",
       [](const Place& p) {
         p.copy("llama32");
         p.text("data.jsonl", "{\"text\": \"abc\"}\n");
       },
       "eval --checkpoint $F/model --data $F/data.jsonl --seq-length 8",
       kInput,
       {"$F/data.jsonl:1", "--tokenizer DIR"}},
      {"RowLongerThanASequence",
       [](const Place& p) {
         p.copy("llama32");
         p.text("long.jsonl", "{\"input_ids\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n");
       },
       "eval --checkpoint $F/model --data $F/long.jsonl --seq-length 4",
       kInput,
       {"$F/long.jsonl:1"}},

      // A run's settings.
      {"WarmUpNotBelowTheDecay",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "optimizer.lr_warmup_iters=2"),
       kInput,
       {"optimizer.lr_warmup_iters = 2 is not below the 2 steps", "set optimizer.lr_warmup_iters="}},
      {"BatchIsNoMultiple",
       data("{\"text\": \"a\"}\n"),
       train("$F/data.jsonl", "train.global_batch_size=3"),
       kInput,
       {"train.global_batch_size = 3", "multiple of train.micro_batch_size = 2"}},
      {"RunIsThereAlready",
       [](const Place& p) {
         fs::create_directory(p / "run");
         p.text("run/config.textproto", "train { train_iters: 2 }\n");
         p.text("data.jsonl", "{\"text\": \"a\"}\n");
       },
       train("$F/data.jsonl"),
       kInput,
       {"$F/run contains a run already: continue with --resume"}},
      {"NothingToResume", data("{\"text\": \"a\"}\n"), train("$F/data.jsonl", "--resume"), kInput, {"--resume: $F/run contains no run"}},
      {"PromptLongerThanTheModel",
       model("llama3"),
       "generate --checkpoint $F/model --prompt abc --max-new-tokens 100000",
       kInput,
       {"--max-new-tokens ", " would fit"}},

      // Plugins.
      {"NoPluginAtAll",
       [](const Place& p) {
         p.copy("llama32");
         p.text("fp32.so", "not a library");
       },
       std::string(kEval) + " --precision $F/fp32.so",
       kInput,
       {"$F/fp32.so"}},
      {"LibraryThatIsNoPlugin",
       [](const Place& p) {
         p.copy("llama32");
         fs::copy_file(CORRAL_BINARY_DIR "/plugins/precision/fp32/fp32.so", p / "fp32.so");
       },
       std::string(kEval) + " --precision $F/fp32.so",
       kInput,
       {"$F/fp32.so", "it has no manifest beside it"}},
      {"PluginOfANewerAbi",
       [](const Place& p) {
         p.copy("llama32");
         p.plugin("9.0");
       },
       std::string(kEval) + " --precision $F/fp32.so",
       kInput,
       {"$F/fp32.so", "it targets ABI 9.0, this Corral offers 1."}},
      {"PluginWhoseLibraryIsMissing",
       [](const Place& p) {
         p.copy("llama32");
         p.plugin("1.0", "libgcc_s.so.1", "libgone_.so.1");
       },
       std::string(kEval) + " --precision $F/fp32.so",
       kEnvironment,
       {"$F/fp32.so", "the library libgone_.so.1 is missing"}},
      {"NoSuchTracker",
       data("{\"text\": \"a b c\"}\n"),
       train("$F/data.jsonl", "--tracker $F/none.so"),
       kInput,
       {"tracker plugin $F/none.so: there is no such file"}},
      {"NoSuchDataset",
       data("{\"text\": \"a b c\"}\n"),
       train("$F/data.jsonl", "--dataset $F/none.so"),
       kInput,
       {"dataset plugin $F/none.so: there is no such file"}},
      {"NoSuchDevice",
       model("llama3"),
       "generate --checkpoint $F/model --device $F/none.so --prompt a",
       kInput,
       {"device plugin $F/none.so: there is no such file"}},
      {"PluginCutOff",
       [](const Place& p) {
         p.copy("llama32");
         p.plugin("1.0");
         fs::resize_file(p / "fp32.so", 3000);
       },
       std::string(kEval) + " --precision $F/fp32.so",
       kInput,
       {"$F/fp32.so"}},

      // A full disk. The limit on file sizes stands in for it, as a small disk can be mounted by root only.
      {"NoRoomForAnExport",
       model("llama32"),
       "export --checkpoint $F/model --hf-path $F/out",
       kEnvironment,
       {"cannot write $F/out.partial/model.safetensors: File too large", "nothing is left of it"},
       "ulimit -f 40; "},
      {"NoRoomForAnImport", model("llama32"), kImport, kEnvironment, {"cannot write ", "File too large"}, "ulimit -f 40; "},
      {"NoRoomForInit",
       nothing,
       "init --model llama32/1b --set model.num_hidden_layers=1 model.vocab_size=64 --hf-path $F/out",
       kEnvironment,
       {"cannot write ", "File too large"},
       "ulimit -f 40; "},
      {"NoRoomForLogits",
       model("llama32"),
       std::string(kEval) + " --logits $F/logits.safetensors",
       kEnvironment,
       {"cannot write ", "File too large"},
       "ulimit -f 20; "},
      {"MoreMemoryThanThereIs",
       data("{\"text\": \"" + std::string(200, 'a') + "\"}\n"),
       "pretrain --recipe llama31_405b_pretrain_config --tokenizer " + Place::golden("llama3").string() +
           " --data $F/data.jsonl --dir $F/run --seq-length 16",
       kEnvironment,
       {"out of memory: the tensors need ", " TB, and device/cpu has ", "to use less: a smaller train.micro_batch_size"}},
      {"NoPermission",
       [](const Place& p) {
         p.copy("llama32");
         p.text("file", "");
       },
       "export --checkpoint $F/model --hf-path $F/file/out",
       kEnvironment,
       {"$F/file"}},

      // Megatron folders.
      {"MegatronFileIsCut",
       megatron([](const fs::path&, const fs::path& i) { fs::resize_file(i / "__0_0.distcp", 5000); }),
       kExport,
       kInput,
       {"$F/mg/iter_0000500/__0_0.distcp: \"", "but the file has 5000: it was cut off"}},
      {"MegatronFileIsGone",
       megatron([](const fs::path&, const fs::path& i) { fs::remove(i / "__0_0.distcp"); }),
       kExport,
       kInput,
       {"$F/mg/iter_0000500/__0_0.distcp: .metadata names it, but it is not there"}},
      {"MegatronMetadataIsGone",
       megatron([](const fs::path&, const fs::path& i) { fs::remove(i / ".metadata"); }),
       kExport,
       kInput,
       {"$F/mg: no installed format", "its tracker names iter_0000500, which has no .metadata; its save did not finish"}},
      {"MegatronTrackerNamesNothing",
       megatron([](const fs::path& f, const fs::path&) { write_text(f / "latest_checkpointed_iteration.txt", "700"); }),
       kExport,
       kInput,
       {"its tracker names iter_0000700, which has no .metadata; name iter_0000500, which has, or write its number into "}},
      {"MegatronTrackerLeavesTheFolder",
       megatron([](const fs::path& f, const fs::path&) { write_text(f / "latest_checkpointed_iteration.txt", "../../x"); }),
       kExport,
       kInput,
       {"latest_checkpointed_iteration.txt: \"../../x\": expected the number of an iteration, or release"}},
      {"MegatronFolderOfTheOlderFormat",
       megatron([](const fs::path&, const fs::path& i) {
         fs::remove(i / ".metadata");
         fs::create_directory(i / "mp_rank_00");
       }),
       kExport,
       kInput,
       {"it is of Megatron's older format, torch: Megatron converts it with --ckpt-convert-format torch_dist"}},
      {"MegatronPathLeavesTheFolder",
       megatron([](const fs::path&, const fs::path& i) { replace_in(i / ".metadata", "__0_0.distcp", "../00.distcp"); }),
       kExport,
       kInput,
       {"$F/mg/iter_0000500/.metadata: \"", "is in \"../00.distcp\": expected the plain name of a .distcp file"}},
      {"MegatronMetadataRunsAProgram",
       megatron([](const fs::path&, const fs::path& i) { replace_in(i / ".metadata", "BytesStorageMetadata", "BytesStorageMetadat_"); }),
       kExport,
       kInput,
       {"names \"torch.distributed.checkpoint.metadata.BytesStorageMetadat_\", which no checkpoint needs: refused"}},
      {"MegatronMarkIsNoObject",
       megatron([](const fs::path&, const fs::path& i) { write_text(i / "metadata.json", "{"); }),
       kExport,
       kInput,
       {"$F/mg/iter_0000500/metadata.json: expected an object with sharded_backend"}},
      {"MegatronMarkOfAnotherBackend",
       megatron([](const fs::path&, const fs::path& i) { write_text(i / "metadata.json", "{\"sharded_backend\": \"zarr\"}"); }),
       kExport,
       kInput,
       {"metadata.json: sharded_backend = \"zarr\": only torch_dist is read"}},

      // Megatron data pairs, their blends and splits.
      {"PairIsLongerThanItsFile",
       pair(34, std::string("\xff\xff\xff\x7f", 4)),
       train("$F/p", "--dataset indexed"),
       kInput,
       {"$F/p.idx: sequence 0, 2147483647 tokens of uint16 from byte 0 on, is beyond the end of $F/p.bin"}},
      {"PairHasASequenceOfNegativeLength",
       pair(34, std::string(4, '\xff')),
       train("$F/p", "--dataset indexed"),
       kInput,
       {"$F/p.idx: sequence 0 has -1 tokens: expected 0 or more"}},
      {"PairHasMoreSequencesThanBytes",
       pair(18, std::string(7, '\xff')),
       train("$F/p", "--dataset indexed"),
       kInput,
       {"$F/p.idx: is cut off or damaged"}},
      {"PairOfAnUnknownType",
       pair(17, "c"),
       train("$F/p", "--dataset indexed"),
       kInput,
       {"$F/p.idx: its tokens are of type 99; known are 1"}},
      {"PairWithoutTokens",
       [](const Place& p) {
         pair(0, "")(p);
         fs::remove(p.folder / "p.bin");
       },
       train("$F/p", "--dataset indexed"),
       kInput,
       {"data.paths: $F/p.idx exists, but not $F/p.bin"}},
      {"BlendWithANegativeWeight",
       pair(0, ""),
       train("-1 $F/p 2 $F/p", "--dataset indexed"),
       kInput,
       {"data.paths: weight -1 of $F/p: expected a number above 0", "set by --data"}},
      {"BlendOfAnOddList",
       pair(0, ""),
       train("0.3 $F/p 0.7", "--dataset indexed"),
       kInput,
       {"data.paths: weight 0.7 has no path after it", "set by --data"}},
      {"SplitThatIsNoNumber",
       pair(0, ""),
       train("$F/p", "--dataset indexed --set data.split=most"),
       kInput,
       {"data.split = \"most\": share 1 is not a number; expected up to three shares", "set by --set"}},
      {"SplitThatLeavesNothingToTrainOn",
       pair(0, ""),
       train("$F/p", "--dataset indexed --set data.split=0,1,0"),
       kInput,
       {"data.split = \"0,1,0\": no sequences are left to train on: expected a first share above 0", "set by --set"}},
  };
  return all;
}

class BadInput : public testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "corral-bad-XXXXXX";
    place_.folder = ::mkdtemp(name.data());
    place_.text("ids.jsonl", "{\"input_ids\": [1, 2, 3, 4, 5, 6, 7, 8]}\n");
  }
  void TearDown() override { fs::remove_all(place_.folder); }

  std::string expand(std::string text) const {
    for (size_t at = 0; (at = text.find("$F", at)) != text.npos;) text.replace(at, 2, place_.folder.string());
    return text;
  }
  // Content of every file; folders are empty strings.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(place_.folder))
      all[entry.path().string()] = entry.is_regular_file() ? text_of(entry.path()) : "";
    return all;
  }
  Place place_;
};

TEST_P(BadInput, GetsOneMessageItsExitCodeAndLeavesNothing) {
  const Case& c = cases()[GetParam()];
  c.prepare(place_);
  const auto before = contents();
  const std::string files = testing::TempDir() + "corral-bad-" + std::to_string(::getpid()), words = expand(c.words);
  rusage start{}, end{};
  ::getrusage(RUSAGE_CHILDREN, &start);
  const auto [code, out, err] = run_program(words, files + ".out", files + ".err", "cd " + place_.folder.string() + "; " + c.before);
  ::getrusage(RUSAGE_CHILDREN, &end);
  for (const char* ending : {".out", ".err"}) fs::remove(files + ending);
  SCOPED_TRACE(c.before + words + "\n" + err);
  EXPECT_EQ(code, c.code);
  EXPECT_EQ(out, "");
  const size_t first = err.find("error: ");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(err.find("error: ", first + 1), std::string::npos) << "two messages";
  for (const std::string& part : c.message) EXPECT_NE(err.find(expand(part), first), std::string::npos) << part;
  EXPECT_EQ(contents(), before) << "something was written";
  const double seconds = static_cast<double>(end.ru_utime.tv_sec - start.ru_utime.tv_sec) +
                         static_cast<double>(end.ru_utime.tv_usec - start.ru_utime.tv_usec) * 1e-6;
  EXPECT_LT(seconds, 1) << "of the processor";
}

INSTANTIATE_TEST_SUITE_P(Table, BadInput, testing::Range(size_t{0}, cases().size()),
                         [](const auto& test) { return std::string(cases()[test.param].name); });

// The disk is full in the middle of training: earlier checkpoints stay whole, and the last of them can be exported.
TEST_F(ProgramTest, AFullDiskDuringTrainingLeavesTheCheckpointsBefore) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
  fs::create_directory(*this / "disk");
  write_text(*this / "data.jsonl", "{\"text\": \"" + std::string(4000, 'a') + "\"}\n");
  std::string words = train(*this / "data.jsonl", "train.save_interval=1 --train-iters 40");
  words.replace(words.find("--train-iters 2 "), 16, "");
  words.replace(words.find("$F/run"), 6, *this / "disk/run");
  const std::string script = "mount -t tmpfs -o size=700k corral " + (*this / "disk") + " || exit 77; " CORRAL_BINARY_DIR "/bin/corral " +
                             words + " 2>" + (*this / "err") + "; code=$?; ls " + (*this / "disk/run/checkpoints") + " >" +
                             (*this / "left") + "; " CORRAL_BINARY_DIR "/bin/corral export --checkpoint " + (*this / "disk/run") +
                             " --hf-path " + (*this / "out") + " 2>/dev/null || exit 1; exit $code";
  write_text(*this / "script", script);
  const int status = std::system(("unshare -m sh " + (*this / "script") + " 2>/dev/null").c_str());
  if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) GTEST_SKIP() << "cannot mount a small disk here";
  const std::string err = text_of(*this / "err"), left = text_of(*this / "left");
  EXPECT_EQ(WEXITSTATUS(status), kEnvironment) << err;
  EXPECT_NE(err.find("No space left on device"), std::string::npos) << err;
  EXPECT_NE(err.find("checkpoints saved before are untouched"), std::string::npos) << err;
  EXPECT_NE(left.find("iter_0000001"), std::string::npos) << left;
  EXPECT_EQ(left.find(".partial"), std::string::npos) << left;
}

}  // namespace
