#include "bin/job/untrained_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"

namespace corral::job {
namespace {
constexpr uint64_t kMostTokens = 4 << 20;  // limit of the data that is read
constexpr double kDeviations = 3;
constexpr size_t kShown = 5;

struct Matrix {
  std::string name;
  bool trained;
  runtime::TensorRef rows;
};

// Parameters with one row per token: the embedding and the output layer. A tied parameter is listed once.
std::vector<Matrix> token_matrices(const runtime::Session& session) {
  const Graph& g = session.graph("train");
  std::set<TensorId> chosen;
  for (const Node& n : g.nodes)
    if (n.phase == Phase::FORWARD && n.inputs.size() > 1 && (op_of(g, n) == "embedding" || op_of(g, n) == "linear_lse"))
      chosen.insert(n.inputs[1]);
  std::vector<Matrix> all;
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER && chosen.contains(s.tensor))
      all.push_back({name_of(g, s.tensor), s.trained != 0, session.tensor("train", s.tensor)});
  return all;
}

std::set<int32_t> targets_of(const train::Fetch& fetch, uint64_t rows, int64_t seq_length) {
  constexpr int64_t kAtOnce = 16;
  std::set<int32_t> ids;
  train::Batch batch(kAtOnce, seq_length);
  const uint64_t most = std::max<uint64_t>(kMostTokens / static_cast<uint64_t>(seq_length), 1);
  // The data repeats after the last row, which adds nothing.
  for (uint64_t row = 0; row < std::min(rows, most); row += kAtOnce) {
    fetch(row, batch);
    for (const int32_t id : batch.targets)
      if (id >= 0) ids.insert(id);
  }
  return ids;
}

struct Rows {
  std::vector<double> lengths;
  std::vector<size_t> hashes;
  std::unordered_map<size_t, uint64_t> equal;  // rows by hash
  double sum = 0, squares = 0;                 // of the rows' lengths
};

Rows measure(runtime::Session& session, const runtime::TensorRef& matrix) {
  constexpr uint64_t kPiece = 16 << 20;
  const auto count = static_cast<uint64_t>(matrix.shape[0]), width = static_cast<uint64_t>(matrix.shape[1]);
  const uint64_t row_bytes = bytes_of(matrix.dtype, matrix.shape[1]), at_once = std::max<uint64_t>(1, kPiece / row_bytes);
  Rows rows;
  std::vector<char> bytes(at_once * row_bytes);
  std::vector<float> values(at_once * width);
  for (uint64_t first = 0; first < count; first += at_once) {
    const uint64_t n = std::min(at_once, count - first);
    session.read_bytes(matrix, first * row_bytes, bytes.data(), n * row_bytes);
    checkpoint::convert(matrix.dtype, bytes.data(), DType::F32, values.data(), n * width);
    for (uint64_t r = 0; r < n; ++r) {
      double square = 0;
      for (uint64_t i = 0; i < width; ++i) square += static_cast<double>(values[r * width + i]) * values[r * width + i];
      rows.lengths.push_back(std::sqrt(square));
      rows.hashes.push_back(std::hash<std::string_view>()({bytes.data() + r * row_bytes, row_bytes}));
      ++rows.equal[rows.hashes.back()];
      rows.sum += rows.lengths.back();
      rows.squares += square;
    }
  }
  return rows;
}

// Explains why a row looks untrained, or "".
std::string doubt(const Rows& rows, size_t row) {
  if (const uint64_t others = rows.equal.at(rows.hashes[row]) - 1; others > 0)
    return format("equal to {} other row{}", others, others == 1 ? "" : "s");
  const double others = static_cast<double>(rows.lengths.size()) - 1, length = rows.lengths[row];
  const double mean = (rows.sum - length) / others, variance = (rows.squares - length * length) / others - mean * mean;
  const double deviation = std::sqrt(std::max(variance, 0.0));
  if (std::abs(length - mean) <= kDeviations * deviation) return "";
  char text[96];
  std::snprintf(text, sizeof text, "length %.3g, the others' %.3g ± %.2g", length, mean, deviation);
  return text;
}

// model.embed_tokens.weight is known as embed_tokens.
std::string module_of(const std::string& parameter) {
  const size_t end = parameter.rfind('.'), begin = parameter.rfind('.', end - 1);
  return parameter.substr(begin + 1, end - begin - 1);
}

}  // namespace

void warn_of_untrained_rows(runtime::Session& session, const train::Fetch& fetch, uint64_t rows, int64_t seq_length,
                            const TokenizerHandle* tokenizer, const std::function<void(const std::string& line)>& say) {
  const std::set<int32_t> targets = targets_of(fetch, rows, seq_length);
  for (const Matrix& matrix : token_matrices(session)) {
    if (matrix.rows.shape[0] < 2) continue;
    const Rows measured = measure(session, matrix.rows);
    std::string shown;
    size_t doubtful = 0;
    for (const int32_t id : targets) {
      if (static_cast<size_t>(id) >= measured.lengths.size()) continue;
      const std::string why = doubt(measured, static_cast<size_t>(id));
      if (why.empty() || doubtful++ >= kShown) continue;
      shown += shown.empty() ? "" : ", ";
      shown += std::to_string(id);
      if (tokenizer)
        shown += " " + nlohmann::json(tokenizer->decode(&id, 1)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      shown += " (" + why + ")";
    }
    if (doubtful == 0) continue;
    say(format("warning: {} of {} tokens to be learned have a row in {} that looks untrained: {}{}\n       {}", doubtful, targets.size(),
               matrix.name, shown, doubtful > kShown ? ", …" : "",
               matrix.trained ? "this run trains it"
                              : "this run leaves it as it is: peft.modules_to_save=" + module_of(matrix.name) + " trains it"));
  }
}

}  // namespace corral::job
