// A dataset with weights: targets of even sequences have the weight 0.5; those of odd ones keep the weight that the host wrote.
#include "corral/dataset.h"
#include "tests/abi/faulty.h"

namespace {

class Rows final : public corral::DatasetInstance {
 public:
  explicit Rows(int64_t length) : length_(static_cast<uint64_t>(length)) {}
  corral::DatasetInfo info() override { return {}; }
  void fetch(uint64_t, uint64_t first_row, uint64_t rows, const corral_batch& batch) override {
    for (uint64_t i = 0; i < rows * length_; ++i) {
      const uint64_t at = i % length_;
      batch.tokens[i] = static_cast<int32_t>(at);
      batch.targets[i] = at + 1 < length_ ? static_cast<int32_t>(at + 1) : -1;
      batch.positions[i] = static_cast<int32_t>(at);
      batch.first_key[i] = 0;
      if ((first_row + i / length_) % 2 == 0) batch.weights[i] = 0.5f;
    }
  }

 private:
  uint64_t length_;
};

class Weighing final : public corral::Dataset<corral::NoOptions> {
  std::unique_ptr<corral::DatasetInstance> open(const corral::NoOptions&, const corral::DatasetRequest& request, corral::Encoder) override {
    return std::make_unique<Rows>(request.seq_length);
  }
};

}  // namespace

CORRAL_PLUGIN(Weighing)
