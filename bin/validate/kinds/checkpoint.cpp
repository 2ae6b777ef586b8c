#include "kernel/plugin/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bin/validate/check.h"
#include "corral/error.h"
#include "corral/graph.h"

namespace corral::validate {
namespace {
namespace fs = std::filesystem;

struct Held {
  TensorInfo info;
  std::string bytes;
};

std::vector<Held> random_tensors(std::mt19937_64& random, const std::string& file) {
  std::vector<Held> all;
  const std::pair<DType, Shape> kinds[] = {
      {DType::F32, {5, 7}}, {DType::BF16, {3, 1, 11}}, {DType::F16, {64}}, {DType::F32, {1}}, {DType::BF16, {129, 33}}};
  for (const auto& [dtype, shape] : kinds) {
    Held held;
    held.info.name = "model.tensor." + std::to_string(all.size()) + ".weight";
    held.info.dtype = dtype;
    held.info.shape = shape;
    held.info.file = file;
    held.bytes.resize(bytes_of(dtype, elements(shape)));
    for (char& byte : held.bytes) byte = static_cast<char>(random());
    all.push_back(std::move(held));
  }
  return all;
}

// A format names the state beside a weight as its programs do.
bool is_same(const TensorInfo& found, const TensorInfo& written) {
  if (written.part.empty()) return found.part.empty() && found.name == written.name;
  return found.part == written.part && found.of == written.of && found.role == written.role;
}

// Counts the masters that a format may add: a weight in F32 is its own master.
size_t masters_added(const TensorList& list, const std::vector<Held>& tensors) {
  return static_cast<size_t>(std::count_if(list.tensors.begin(), list.tensors.end(), [&](const TensorInfo& t) {
    return t.role == "master" && std::none_of(tensors.begin(), tensors.end(), [&](const Held& h) { return is_same(t, h.info); });
  }));
}

// Throws if the folder can be opened.
void expect_refused(const CheckpointFormat& format_, const std::string& folder, const std::string& state) {
  try {
    format_.open(folder);
  } catch (const Error& e) {
    if (e.exit_code() == 4) throw;
    return;
  }
  fail_check("it opens a checkpoint {}", state);
}

// Writes in pieces, the last first; the last part writes the second half of each tensor.
void write_parts(const CheckpointFormat& format_, const std::string& folder, CheckpointWriteRequest request,
                 const std::vector<Held>& tensors, uint32_t parts) {
  fs::create_directories(folder);
  for (const Held& held : tensors) request.tensors.tensors.push_back(held.info);
  std::vector<CheckpointWriterHandle> writers;
  for (uint32_t part = parts; part-- > 0;) writers.push_back(format_.create(folder, request, part, parts));
  for (size_t t = tensors.size(); t-- > 0;) {
    const std::string& bytes = tensors[t].bytes;
    const size_t half = bytes.size() / 2;
    writers.front().write(t, half, bytes.data() + half, bytes.size() - half);
    writers.back().write(t, 0, bytes.data(), half);
  }
  for (CheckpointWriterHandle& writer : writers) writer.finish();
  expect_refused(format_, folder, "whose parts are finished, before it is committed");
  writers.front().commit();
}

// Reads in other pieces than were written.
void round_trip(const CheckpointFormat& format_, const std::string& folder, CheckpointWriteRequest request,
                const std::vector<Held>& tensors, uint32_t parts = 1) {
  write_parts(format_, folder, std::move(request), tensors, parts);
  const CheckpointReaderHandle reader = format_.open(folder);
  const TensorList list = reader.list();
  if (list.tensors.size() != tensors.size() + masters_added(list, tensors))
    fail_check("it wrote {} tensors and lists {}", tensors.size(), list.tensors.size());
  for (const Held& held : tensors) {
    const auto at = std::find_if(list.tensors.begin(), list.tensors.end(), [&](const TensorInfo& t) { return is_same(t, held.info); });
    if (at == list.tensors.end()) fail_check("{} is missing after it was written", held.info.name);
    if (at->dtype != held.info.dtype || at->shape != held.info.shape)
      fail_check("{} has another type or shape after it was written", held.info.name);
    std::string bytes(held.bytes.size(), '\0');
    const size_t cut = bytes.size() / 3;
    const auto number = static_cast<uint64_t>(at - list.tensors.begin());
    reader.read(number, 0, bytes.data(), cut);
    reader.read(number, cut, bytes.data() + cut, bytes.size() - cut);
    if (bytes != held.bytes) fail_check("{} has different bytes after it was written", held.info.name);
  }
}

CheckpointWriteRequest model_request() {
  CheckpointWriteRequest request;
  request.kind = "model";
  request.config = "{\"model_type\": \"validate\"}";
  return request;
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  auto random = s.random();
  const std::string folder = s.scratch + "/used";
  fs::remove_all(folder);
  round_trip(CheckpointFormat(plugin, s.options()), folder, model_request(), random_tensors(random, ""));
}

Outcome whole_models(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const CheckpointFormat f(plugin, s.options());
  auto random = s.random();
  const auto tensors = random_tensors(random, "");
  CheckpointWriteRequest request = model_request();
  round_trip(f, s.scratch + "/one", request, tensors);
  request.max_shard_bytes = 4096;
  round_trip(f, s.scratch + "/shards", request, tensors);
  if (f.probe(s.scratch + "/one").confidence == 0) return failed("it does not recognize a checkpoint that it wrote");
  return pass();
}

// Every kind of value, and strings that look like other kinds.
constexpr const char* kConfiguration =
    R"({"model": {"text": "a \"b\" \\ c: #d\n\te", "caf\u00e9": "\ud83e\udd99", "like": ["1e5", "true", "null", "~", "0x10", "1_000", "yes", ""],)"
    R"( "numbers": [0, -1, 9007199254740993, 1e-05, 0.1, -2.5e+30, 1e+16, 3.0], "nothing": null, "flags": [true, false], "none": {},)"
    R"( "section": {"deep": {"deeper": [[1], {"x": "y"}]}, "- odd: key": 1}}})";

// True if `found` contains all of `written`, value for value; it may contain more. Otherwise `at` names the place.
bool holds(const nlohmann::json& found, const nlohmann::json& written, std::string& at) {
  if (!written.is_object()) return found == written && found.type() == written.type();
  if (!found.is_object()) return false;
  const std::string above = at;
  for (const auto& [key, value] : written.items()) {
    at = above + "/" + key;
    if (!found.contains(key) || !holds(found[key], value, at)) return false;
  }
  at = above;
  return true;
}

Outcome keeps_the_configuration(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const CheckpointFormat f(plugin, s.options());
  auto random = s.random();
  CheckpointWriteRequest request = model_request();
  request.config = kConfiguration;
  round_trip(f, s.scratch + "/kept", request, random_tensors(random, ""));
  const CheckpointInfo info = f.open(s.scratch + "/kept").info();
  if (!info.config_is_section && info.config != request.config) return failed("the configuration comes back with different bytes");
  std::string at;
  if (info.config_is_section && !holds(nlohmann::json::parse(info.config, nullptr, false), nlohmann::json::parse(request.config), at))
    return failed("the configuration comes back with a different value of " + at);
  return pass();
}

// Adds two moments of each weight, and a master of each weight that is not in F32.
std::vector<Held> with_state_beside(std::vector<Held> tensors, std::mt19937_64& random) {
  for (size_t w = 0, weights = tensors.size(); w < weights; ++w)
    for (const char* role : {"exp_avg", "exp_avg_sq", "master"}) {
      Held state = tensors[w];
      if (role == std::string("master") && state.info.dtype == DType::F32) continue;
      state.info.part = "optimizer";
      state.info.of = state.info.name;
      state.info.role = role;
      state.info.name = role + ("." + state.info.of);
      state.info.dtype = DType::F32;
      state.bytes.resize(bytes_of(DType::F32, elements(state.info.shape)));
      for (char& byte : state.bytes) byte = static_cast<char>(random());
      tensors.push_back(std::move(state));
    }
  return tensors;
}

// Saves like a run: beside the weights if the format supports that, else in a folder of its own.
Outcome keeps_the_optimizer(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const CheckpointFormat f(plugin, s.options());
  auto random = s.random();
  const std::vector<Held> weights = random_tensors(random, ""), all = with_state_beside(weights, random);
  std::vector<Held> apart(all.begin() + static_cast<std::ptrdiff_t>(weights.size()), all.end());
  for (Held& held : apart) {
    held.info.part = held.info.of = held.info.role = "";
    held.info.file = "optimizer";
  }
  CheckpointWriteRequest state;
  state.kind = "state";
  round_trip(f, s.scratch + "/state", state, apart);
  CheckpointWriteRequest request = model_request();
  request.iteration = 7;
  request.consumed_samples = 56;
  request.optimizer = R"({"lr": 0.001, "weight_decay": 0.1})";
  const std::string folder = s.scratch + "/beside";
  try {
    round_trip(f, folder, request, all);
  } catch (const Unsupported&) {
    if (!fs::is_empty(folder)) return failed("it does not store an optimizer's state, but left something in the folder");
    return pass("in a folder of its own");
  }
  const CheckpointInfo info = f.open(folder).info();
  if (info.optimizer_steps != "7")
    return failed(format("it says of an optimizer's state after 7 updates that it has seen \"{}\"{}", info.optimizer_steps,
                         info.optimizer_refusal.empty() ? "" : ": " + info.optimizer_refusal));
  return pass("beside the weights");
}

Outcome writes_in_parts(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const CheckpointFormat f(plugin, s.options());
  auto random = s.random();
  const std::string folder = s.scratch + "/parts";
  try {
    round_trip(f, folder, model_request(), random_tensors(random, ""), 2);
  } catch (const Unsupported&) {
    if (!fs::is_empty(folder)) return failed("it does not write in parts, but left something in the folder");
    return pass("in one part");
  }
  return pass("in several parts");
}

Outcome refuses_cut_files(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const CheckpointFormat f(plugin, s.options());
  auto random = s.random();
  const std::string folder = s.scratch + "/cut";
  round_trip(f, folder, model_request(), random_tensors(random, ""));
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(folder))
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  for (const uintmax_t size : {fs::file_size(largest) - 1, fs::file_size(largest) / 2, uintmax_t{9}, uintmax_t{0}}) {
    fs::resize_file(largest, size);
    expect_refused(f, folder, format("whose file {} is cut to {} bytes", largest.filename().string(), size));
  }
  return pass();
}

constexpr Check kChecks[] = {
    {"checkpoint.round-trip", "it reads its own checkpoints back bit for bit, whole or in shards", with_plugin<whole_models>},
    {"checkpoint.configuration", "the model's configuration comes back with the same bytes, or as a section with the same values",
     with_plugin<keeps_the_configuration>},
    {"checkpoint.optimizer", "an optimizer's state comes back bit for bit, beside its weights or from a folder of its own",
     with_plugin<keeps_the_optimizer>},
    {"checkpoint.parts", "two parts make one checkpoint once they are committed, or are refused before anything is written",
     with_plugin<writes_in_parts>},
    {"checkpoint.cut-files", "it refuses a checkpoint whose file is cut off", with_plugin<refuses_cut_files>},
};

}  // namespace

extern const Kind kind_checkpoint;
const Kind kind_checkpoint{"checkpoint", CORRAL_CHECKPOINT_ID, CORRAL_SIZE(corral_checkpoint), exercise, kChecks};

}  // namespace corral::validate
