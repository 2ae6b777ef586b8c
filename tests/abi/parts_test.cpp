// A checkpoint that is written in several parts, and exchanges between ranks. Each rank is a thread, as the host will use them.
#include <functional>
#include <thread>

#include "corral/collective.h"
#include "faulty_checkpoint.wire.h"
#include "kernel/plugin/checkpoint.h"
#include "kernel/plugin/collective.h"
#include "kernel/plugin/load.h"
#include "tests/abi/build_plugin.h"

namespace corral {
namespace {

std::shared_ptr<const Plugin> load(const std::string& path) {
  Libraries libraries;
  return load_plugin_file(examine(path, libraries));
}

// Opens the collective as `rank` of two.
CollectiveHandle join(const std::shared_ptr<const Plugin>& plugin, const std::string& job, uint32_t rank) {
  CollectiveOpen open;
  open.job = job;
  open.rank = rank;
  open.ranks = 2;
  return CollectiveHandle::open(plugin, open);
}

void on_each_rank(uint32_t ranks, const std::function<void(uint32_t rank)>& work) {
  std::vector<std::thread> threads;
  for (uint32_t r = 0; r < ranks; ++r) threads.emplace_back(work, r);
  for (std::thread& t : threads) t.join();
}

TEST(Parts, RanksWriteOneCheckpointTogetherWithAnOptionOfTheFormat) {
  const Workshop shop;
  options::faulty_checkpoint::Options options;
  options.suffix = "slice";
  const CheckpointFormat format(load(CORRAL_FAULTY_CHECKPOINT), options.encode());
  const auto collective = load(CORRAL_FAULTY_COLLECTIVE);
  CheckpointWriteRequest request;
  request.kind = "model";
  request.tensors.tensors.emplace_back();
  request.tensors.tensors[0].name = "w";
  request.tensors.tensors[0].dtype = DType::F32;
  request.tensors.tensors[0].shape = {4};
  on_each_rank(2, [&](uint32_t rank) {
    const CollectiveHandle run = join(collective, shop.path(), rank);
    const CommunicatorHandle all = run.communicator({0, 1});
    CheckpointWriterHandle writer = format.create(shop.path(), request, rank, 2);
    const float half[2] = {2.f * static_cast<float>(rank), 2.f * static_cast<float>(rank) + 1};
    writer.write(0, rank * sizeof half, half, sizeof half);
    writer.finish();
    // All have finished before one commits.
    int32_t finished = 1;
    all.start(all_reduce(DType::I32, CORRAL_REDUCE_SUM, &finished, &finished, 1)).finish();
    EXPECT_EQ(finished, 2);
    if (rank == 0) writer.commit();
  });
  EXPECT_TRUE(std::filesystem::exists(shop.path("0.slice")));
  EXPECT_TRUE(std::filesystem::exists(shop.path("1.slice")));
  const CheckpointReaderHandle reader = format.open(shop.path());
  float values[4] = {};
  reader.read(0, 0, values, sizeof values);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(values[i], static_cast<float>(i));
}

TEST(Parts, ARunIsSavedResumedAndReadInAThirdFormatWithItsOption) {
  const Workshop shop;
  shop.write("rows.jsonl", "{\"input_ids\": [1, 2, 3, 4]}\n{\"input_ids\": [5, 6, 7, 8]}\n");
  const std::string where = " --plugin-path " CORRAL_BINARY_DIR "/tests/abi/checkpoint ";
  const Ran trained = shop.corral(
      "pretrain --recipe llama32_1b_pretrain_config --data rows.jsonl --dir run --train-iters 2 --global-batch-size 1 --seq-length 4 "
      "--precision fp32 --checkpoint-format faulty" +
      where +
      "--set checkpoint.suffix=slice data.split=1 optimizer.lr_warmup_iters=0 train.eval_interval=0 model.vocab_size=16 "
      "model.num_hidden_layers=1 model.hidden_size=16 model.intermediate_size=16 model.num_attention_heads=2 "
      "model.num_key_value_heads=1 model.head_dim=8");
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(std::filesystem::exists(shop.path("run/checkpoints/iter_0000002/0.slice"))) << trained.err;
  const Ran resumed = shop.corral("pretrain --dir run --resume --train-iters 3" + where);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(std::filesystem::exists(shop.path("run/checkpoints/iter_0000003/0.slice"))) << resumed.err;
  shop.write("prompt.jsonl", "{\"input_ids\": [1, 2]}\n");
  const Ran generated = shop.corral("generate --checkpoint run --prompts prompt.jsonl --max-new-tokens 2 --json" + where);
  EXPECT_EQ(generated.code, 0) << generated.err;
  const Ran unknown = shop.corral("pretrain --dir run --resume --train-iters 4 --set checkpoint.dialect=raw" + where);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("checkpoint.dialect = \"raw\": expected hf or megatron"), std::string::npos) << unknown.err;
}

TEST(Parts, ARankThatWaitsForLettersGetsThemInTheOrderTheyWereSent) {
  const auto plugin = load(CORRAL_FAULTY_COLLECTIVE);
  on_each_rank(2, [&](uint32_t rank) {
    const CollectiveHandle run = join(plugin, "letters", rank);
    const CommunicatorHandle both = run.communicator({0, 1});
    for (int64_t i = 0; i < 100; ++i) {
      int64_t letter = rank == 0 ? i : -1;
      both.start(rank == 0 ? send(DType::I64, &letter, 1, 1) : receive(DType::I64, &letter, 1, 0)).finish();
      EXPECT_EQ(letter, i);
    }
  });
}

}  // namespace
}  // namespace corral
