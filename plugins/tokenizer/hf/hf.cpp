// Tokenizers in Hugging Face folders, and Meta's tokenizer.model.
#include <algorithm>
#include <filesystem>

#include "corral/tokenizer.h"
#include "corral/utf8.h"
#include "options.wire.h"
#include "plugins/tokenizer/common/encoder.h"
#include "plugins/tokenizer/common/folder.h"
#include "plugins/tokenizer/common/tokenizer_json.h"
#include "plugins/tokenizer/common/tokenizer_model.h"
#include "plugins/tokenizer/common/trainer.h"
#include "plugins/tokenizer/hf/special_names.h"

namespace {
namespace fs = std::filesystem;
using namespace corral::tokenizer;

constexpr char kEndOfText[] = "<|end_of_text|>";
// Each of these ends a text, in addition to the token that the configuration names.
constexpr const char* kEnds[] = {kEndOfText, "<|eom_id|>", "<|eot_id|>"};
// The files of a tokenizer that may be beside its tokenizer.json.
constexpr const char* kFiles[] = {"tokenizer.json",      "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                  "chat_template.jinja", "chat_template.json",    "tokenizer.model"};

struct Place {
  std::string folder, json, model;  // "" if missing
};

Place find(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const std::string json = path + "/tokenizer.json", model = path + "/tokenizer.model";
    return {path, is_file(json) ? json : "", is_file(model) ? model : ""};
  }
  const std::string folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path().string() : ".";
  if (!is_file(path)) return {};
  return path.ends_with(".json") ? Place{folder, path, ""} : Place{folder, "", path};
}

class HfInstance final : public corral::TokenizerInstance {
 public:
  HfInstance(Definition definition, const SpecialNames& names, corral::FileList files, std::string description)
      : encoder_(std::move(definition)), files_(std::move(files)) {
    const Definition& d = encoder_.definition();
    info_.num_ids = static_cast<uint32_t>(d.tokens.size());
    info_.description = std::move(description);
    const auto named = [&](const std::string& name, const char* key, const std::string& file) {
      const int32_t id = encoder_.id_of(name);
      if (id < 0) corral::fail("{}: {} = \"{}\" is not a token of the tokenizer", file, key, name);
      return id;
    };
    if (!names.bos.empty())
      info_.bos_ids.push_back(named(names.bos, "bos_token", names.bos_file));
    else if (!d.prefix.empty())
      info_.bos_ids.push_back(d.prefix[0]);
    if (!names.eos.empty()) info_.eos_ids.push_back(named(names.eos, "eos_token", names.eos_file));
    for (const char* end : kEnds) {
      const int32_t id = encoder_.id_of(end);
      if (id >= 0 && std::find(info_.eos_ids.begin(), info_.eos_ids.end(), id) == info_.eos_ids.end()) info_.eos_ids.push_back(id);
    }
    info_.end_of_text_id = encoder_.id_of(kEndOfText);
    if (info_.end_of_text_id < 0 && !info_.eos_ids.empty()) info_.end_of_text_id = info_.eos_ids[0];
    for (const AddedToken& t : d.added) {
      if (!t.special) continue;
      info_.special_tokens.push_back(t.content);
      info_.special_ids.push_back(t.id);
    }
  }

  corral::TokenizerInfo info() override { return info_; }
  // Few programs open a tokenizer.model alone, so tokenizer.json and its companions are generated.
  corral::FileList files() override {
    corral::FileList all = files_;
    const auto there = [&](const std::string& name) {
      return std::any_of(files_.files.begin(), files_.files.end(), [&](const corral::NamedFile& f) { return f.name == name; });
    };
    if (there("tokenizer.json")) return all;
    for (WrittenFile& made : make_tokenizer_files(encoder_.definition(), kEndOfText)) {
      if (there(made.name)) continue;
      corral::NamedFile& file = all.files.emplace_back();
      file.name = made.name;
      file.content = std::move(made.content);
    }
    return all;
  }

  uint64_t encode(std::string_view text, uint64_t flags, int32_t* ids, uint64_t capacity) override {
    IdWriter out(ids, capacity);
    encoder_.encode(text, {.add_special = (flags & CORRAL_ADD_SPECIAL) != 0, .plain = (flags & CORRAL_PLAIN_TEXT) != 0}, out);
    return out.count();
  }

  std::string decode(const int32_t* ids, uint64_t count, uint64_t flags) override {
    std::string bytes;
    for (uint64_t i = 0; i < count; ++i) bytes += encoder_.bytes_of(ids[i], (flags & CORRAL_SKIP_SPECIAL) != 0);
    return corral::replace_invalid_utf8(std::move(bytes));
  }

  std::string bytes_of(int32_t id, uint64_t flags) override {
    return std::string(encoder_.bytes_of(id, (flags & CORRAL_SKIP_SPECIAL) != 0));
  }

 private:
  const Encoder encoder_;
  corral::TokenizerInfo info_;
  corral::FileList files_;
};

std::string described(const Definition& d, const char* what) {
  return corral::format("{}: byte-level BPE, {} ids, {} merges, {} added tokens{}", what, d.tokens.size(), d.merges.size(), d.added.size(),
                        d.pattern == kLlamaPattern ? ", Llama 3's pattern" : "");
}

class Hf final : public corral::Tokenizer<corral::tokenizer::hf::Options> {
 public:
  corral::Probe probe(const std::string& path) override {
    corral::Probe probe;
    const Place place = find(path);
    if (!place.json.empty() || !place.model.empty())
      probe.confidence = 100;
    else
      probe.reason = "neither a tokenizer.json nor a tokenizer.model";
    return probe;
  }

  std::unique_ptr<corral::TokenizerInstance> open(const std::string& path, const Options& options) override {
    const Place place = find(path);
    if (place.json.empty() && place.model.empty()) corral::fail("{}: neither a tokenizer.json nor a tokenizer.model", path);
    const bool json = !place.json.empty();
    const std::string& main = json ? place.json : place.model;
    corral::FileList files;
    const auto add = [&](const std::string& file) {
      corral::NamedFile& named = files.files.emplace_back();
      named.name = fs::path(file).filename().string();
      named.content = read_file(file);
    };
    add(main);
    // The main file gets the name that other programs look for.
    files.files[0].name = json ? "tokenizer.json" : "tokenizer.model";
    for (const char* name : kFiles)
      if (const std::string file = place.folder + "/" + name; file != main && is_file(file) && files.files[0].name != name) add(file);
    Definition definition = json ? parse_tokenizer_json(files.files[0].content, main)
                                 : parse_tokenizer_model(files.files[0].content, main, options.special_tokens);
    std::string description = described(definition, json ? "tokenizer.json" : "tokenizer.model");
    return std::make_unique<HfInstance>(std::move(definition), read_special_names(place.folder), std::move(files), std::move(description));
  }

  corral::FileList train(const corral::TokenizerTrainRequest& request, const corral::TextSource& source) override {
    check_new_folder(request.out);
    const Definition definition = corral::tokenizer::train({.vocab_size = request.vocab_size, .threads = request.threads}, source);
    const std::vector<WrittenFile> written = make_tokenizer_files(definition, kEndOfText);
    write_folder(request.out, written);
    corral::FileList files;
    for (const WrittenFile& file : written) files.files.emplace_back().name = file.name;
    return files;
  }
};

}  // namespace

CORRAL_PLUGIN(Hf)
