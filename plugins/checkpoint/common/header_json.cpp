#include "plugins/checkpoint/common/header_json.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "corral/error.h"

namespace corral::safetensors {
namespace {
using nlohmann::json;

// {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"KEY": "TEXT"}}
// Read event by event: a tree would drop a name that appears twice, and nesting is bounded to three levels.
class Events final : public nlohmann::json_sax<json> {
 public:
  explicit Events(const std::string& file) : file_(file) {}
  std::vector<StoredTensor> tensors;

  bool start_object(size_t) override {
    if (depth_ > 1) wrong("an object");
    return ++depth_, true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      if (!names_.insert(name).second) fail("{}: tensor {} appears twice", file_, in_quotes(name));
      in_metadata_ = name == "__metadata__";
      if (name.empty()) fail("{}: a tensor has an empty name", file_);
      key_ = name;
      dtype_seen_ = shape_seen_ = offsets_seen_ = false;
      if (!in_metadata_) tensors.emplace_back().name = name;
    } else if (!in_metadata_) {
      field_ = name;
      bool* seen = name == "dtype" ? &dtype_seen_ : name == "shape" ? &shape_seen_ : name == "data_offsets" ? &offsets_seen_ : nullptr;
      if (!seen) fail("{}: tensor {}: unknown key {}", file_, in_quotes(key_), in_quotes(name));
      if (std::exchange(*seen, true)) fail("{}: tensor {}: {} appears twice", file_, in_quotes(key_), name);
    }
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_) {
      const char* missing = !dtype_seen_ ? "dtype" : !shape_seen_ ? "shape" : !offsets_seen_ ? "data_offsets" : nullptr;
      if (missing) fail("{}: tensor {}: {} is missing", file_, in_quotes(key_), missing);
    }
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || field_ == "dtype") wrong("a list");
    count_ = 0;
    return ++depth_, true;
  }
  bool end_array() override {
    --depth_;
    if (field_ == "data_offsets" && count_ != 2)
      fail("{}: tensor {}: data_offsets has {} numbers, expected 2", file_, in_quotes(key_), count_);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) wrong("a number");
    StoredTensor& t = tensors.back();
    if (field_ == "shape") {
      if (value > static_cast<uint64_t>(INT64_MAX)) wrong("a size of " + std::to_string(value));
      if (count_ >= kMostAxes) fail("{}: tensor {}: shape has more than {} axes", file_, in_quotes(key_), kMostAxes);
      t.shape.push_back(static_cast<int64_t>(value));
    } else if (count_ < 2) {
      (count_ == 0 ? t.begin : t.end) = value;
    }
    ++count_;
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || field_ != "dtype") wrong("a string");
    tensors.back().type = element_type(value);
    if (tensors.back().type) return true;
    std::string all;
    for (const ElementType& t : element_types()) all += std::string(all.empty() ? "" : ", ") + t.name;
    fail("{}: tensor {}: dtype {}: expected one of {}", file_, in_quotes(key_), in_quotes(value), all);
  }
  bool number_integer(number_integer_t value) override { wrong(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { wrong("the number " + text.substr(0, 40)); }
  bool null() override { wrong("null"); }
  bool boolean(bool value) override { wrong(value ? "true" : "false"); }
  bool binary(binary_t&) override { wrong("binary"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    fail("{}: header is not JSON at its byte {}: {}", file_, position, e.what());
  }

 private:
  static constexpr size_t kMostAxes = 64;

  [[noreturn]] void wrong(const std::string& found) const {
    if (depth_ == 0) fail("{}: header is {}, expected an object of tensors", file_, found);
    if (depth_ == 1) fail("{}: tensor {} is {}, expected an object", file_, in_quotes(key_), found);
    if (in_metadata_) fail("{}: __metadata__ contains {}, expected only strings", file_, found);
    const char* expected = field_ == "dtype" ? "a string" : field_ == "shape" ? "a list of sizes" : "a list of two offsets";
    fail("{}: tensor {}: {} contains {}, expected {}", file_, in_quotes(key_), field_, found, expected);
  }

  const std::string& file_;
  int depth_ = 0;
  std::string key_, field_;
  std::unordered_set<std::string> names_;
  bool in_metadata_ = false, dtype_seen_ = false, shape_seen_ = false, offsets_seen_ = false;
  size_t count_ = 0;
};

}  // namespace

std::vector<StoredTensor> parse_header_json(std::string_view text, const std::string& file) {
  if (text.empty() || text.front() != '{') fail("{}: header does not begin with \"{\": is this a safetensors file?", file);
  Events events(file);
  json::sax_parse(text.begin(), text.end(), &events);
  return std::move(events.tensors);
}

}  // namespace corral::safetensors
