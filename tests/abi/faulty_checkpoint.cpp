// A checkpoint format that breaks its contract in the way that $CORRAL_TEST_FAULT says: a request in one file, all bytes in another.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "corral/checkpoint.h"
#include "corral/error.h"
#include "corral/graph.h"

namespace {
using namespace corral;

struct NoOptions {
  static NoOptions decode(const std::string&) { return {}; }
};

bool fault(const std::string& name) {
  const char* chosen = std::getenv("CORRAL_TEST_FAULT");
  return chosen && name == chosen;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Where each tensor begins, and the end of all.
std::vector<uint64_t> places(const TensorList& list) {
  std::vector<uint64_t> at{0};
  for (const TensorInfo& t : list.tensors) at.push_back(at.back() + bytes_of(t.dtype, elements(t.shape)));
  return at;
}

class Reader final : public CheckpointReader {
 public:
  explicit Reader(const std::string& folder)
      : request_(CheckpointWriteRequest::decode(content(folder + "/request"))), bytes_(content(folder + "/bytes")) {
    if (bytes_.size() != places(request_.tensors).back()) fail("{}: it was cut off", folder);
    for (TensorInfo& t : request_.tensors.tensors)
      if (fault("forget the role")) t.role = "";
  }
  TensorList list() override { return request_.tensors; }
  CheckpointInfo info() override {
    CheckpointInfo info;
    info.dialect = "faulty";
    info.config = request_.config;
    info.optimizer_steps = std::to_string(request_.iteration + (fault("miscount the updates") ? 1 : 0));
    return info;
  }
  void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) override {
    bytes_.copy(static_cast<char*>(to), size, places(request_.tensors)[tensor] + offset);
  }

 private:
  CheckpointWriteRequest request_;
  std::string bytes_;
};

class Writer final : public CheckpointWriter {
 public:
  Writer(const std::string& folder, const CheckpointWriteRequest& request)
      : folder_(folder), request_(request), bytes_(places(request.tensors).back(), '\0') {
    for (const TensorInfo& t : request.tensors.tensors) {
      if (t.part.empty()) continue;
      if (fault("refuse late")) std::ofstream(folder + "/request") << "begun";
      if (fault("refuse late") || fault("refuse")) throw Unsupported("it has no place for the state of an optimizer");
    }
  }
  void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) override {
    const bool state = !request_.tensors.tensors[tensor].part.empty() || request_.kind == "state";
    if (!(state && fault("lose the state")))
      bytes_.replace(places(request_.tensors)[tensor] + offset, size, static_cast<const char*>(data), size);
  }
  void finish() override {
    std::ofstream(folder_ + "/request", std::ios::binary) << request_.encode();
    std::ofstream(folder_ + "/bytes", std::ios::binary) << bytes_;
  }

 private:
  std::string folder_;
  CheckpointWriteRequest request_;
  std::string bytes_;
};

class Faulty final : public Checkpoint<NoOptions> {
  Probe probe(const std::string& path) override {
    const bool there = std::filesystem::exists(path + "/request");
    return {there ? 100u : 0u, there ? "has request" : "has no request", {}};
  }
  std::unique_ptr<CheckpointReader> open(const std::string& path) override { return std::make_unique<Reader>(path); }
  std::unique_ptr<CheckpointWriter> create(const std::string& path, const CheckpointWriteRequest& request) override {
    return std::make_unique<Writer>(path, request);
  }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
