// A checkpoint format of one file per part, with the request as their index. $CORRAL_TEST_FAULT says how it breaks its contract.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>

#include "corral/checkpoint.h"
#include "corral/error.h"
#include "corral/graph.h"
#include "faulty_checkpoint.wire.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;
using options::faulty_checkpoint::Options;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

uint64_t size_of(const TensorInfo& t) { return bytes_of(t.dtype, elements(t.shape)); }

std::string part_file(const CheckpointWriteRequest& request, const std::string& folder, uint32_t part) {
  return folder + "/" + std::to_string(part) + "." + Options::decode(request.options).suffix;
}

void write_index(const CheckpointWriteRequest& request) { std::ofstream(request.path + "/index", std::ios::binary) << request.encode(); }

// A piece in a part's file: which tensor, from which byte, how many; then its bytes.
struct Piece {
  uint64_t tensor, offset, size;
};

class Reader final : public CheckpointReader {
 public:
  explicit Reader(const std::string& folder) {
    if (!std::filesystem::exists(folder + "/index")) fail("{}: it is not committed", folder);
    index_ = CheckpointWriteRequest::decode(content(folder + "/index"));
    for (const TensorInfo& t : index_.tensors.tensors) bytes_.emplace_back(size_of(t), '\0');
    uint64_t missing = 0;
    for (const std::string& bytes : bytes_) missing += bytes.size();
    for (uint32_t part = 0; part < (fault("forget a part") ? 1 : index_.parts); ++part) missing -= take(part_file(index_, folder, part));
    if (missing != 0 && !fault("forget a part")) fail("{}: it was cut off", folder);
    for (TensorInfo& t : index_.tensors.tensors)
      if (fault("forget the role")) t.role = "";
  }
  TensorList list() override { return index_.tensors; }
  CheckpointInfo info() override {
    CheckpointInfo info;
    info.dialect = index_.dialect;
    info.config = index_.config;
    info.files = index_.files;
    info.kind = index_.kind == "adapter" ? "adapter" : "";
    info.optimizer_steps = std::to_string(index_.iteration + (fault("miscount the updates") ? 1 : 0));
    return info;
  }
  void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) override {
    bytes_.at(tensor).copy(static_cast<char*>(to), size, offset);
  }

 private:
  uint64_t take(const std::string& path) {
    const std::string file = content(path);
    uint64_t taken = 0;
    for (size_t at = 0; at < file.size();) {
      Piece piece{};
      if (file.size() - at < sizeof piece) fail("{}: it was cut off", path);
      std::memcpy(&piece, file.data() + at, sizeof piece);
      at += sizeof piece;
      if (file.size() - at < piece.size) fail("{}: it was cut off", path);
      bytes_.at(piece.tensor).replace(piece.offset, piece.size, file, at, piece.size);
      at += piece.size;
      taken += piece.size;
    }
    return taken;
  }

  CheckpointWriteRequest index_;
  std::vector<std::string> bytes_;  // of each tensor
};

class Writer final : public CheckpointWriter {
 public:
  explicit Writer(const CheckpointWriteRequest& request) : request_(request) {
    for (const TensorInfo& t : request.tensors.tensors) {
      if (t.part.empty()) continue;
      if (fault("refuse late")) write_index(request);
      if (fault("refuse late") || fault("refuse")) throw Unsupported("it has no place for the state of an optimizer");
    }
  }
  void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) override {
    const bool state = !request_.tensors.tensors[tensor].part.empty() || request_.kind == "state";
    const Piece piece{tensor, offset, size};
    std::string bytes(static_cast<const char*>(data), size);
    if (state && fault("lose the state")) bytes.assign(size, '\0');
    const std::lock_guard lock(mutex_);
    pieces_.write(reinterpret_cast<const char*>(&piece), sizeof piece);
    pieces_ << bytes;
  }
  void finish() override {
    std::ofstream(part_file(request_, request_.path, request_.part), std::ios::binary) << pieces_.str();
    if (fault("commit at once")) write_index(request_);
  }

 private:
  CheckpointWriteRequest request_;
  std::mutex mutex_;
  std::ostringstream pieces_;
};

class Faulty final : public Checkpoint<Options> {
  Probe probe(const std::string& path) override {
    const bool there = std::filesystem::exists(path + "/index");
    return {there ? 100u : 0u, there ? "has index" : "has no index", {}};
  }
  std::unique_ptr<CheckpointReader> open(const Options&, const CheckpointOpenRequest& request) override {
    return std::make_unique<Reader>(request.path);
  }
  std::unique_ptr<CheckpointWriter> create(const Options&, const CheckpointWriteRequest& request) override {
    if (request.parts > 1 && fault("one part late")) write_index(request);
    if (request.parts > 1 && (fault("one part") || fault("one part late"))) throw Unsupported("it writes in one part");
    return std::make_unique<Writer>(request);
  }
  void commit(const Options&, const CheckpointWriteRequest& request) override { write_index(request); }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
