// Folders written by Megatron Core, by this plugin, and damaged ones.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "corral/error.h"
#include "plugins/checkpoint/common/safetensors.h"
#include "plugins/checkpoint/megatron/folder_reader.h"
#include "plugins/checkpoint/megatron/folder_writer.h"
#include "plugins/checkpoint/megatron/optimizer_state.h"
#include "plugins/checkpoint/megatron/pickle_writer.h"

namespace corral::megatron {
namespace {
namespace fs = std::filesystem;

const fs::path kGoldens = fs::path(CORRAL_SOURCE_DIR) / "tests/golden/megatron";

class Scratch {
 public:
  explicit Scratch(const std::string& golden = "") {
    std::string name = testing::TempDir() + "corral-megatron-XXXXXX";
    path_ = ::mkdtemp(name.data());
    if (!golden.empty()) fs::copy(kGoldens / golden / "mcore", path_, fs::copy_options::recursive);
  }
  ~Scratch() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }
  fs::path iteration() const { return path_ / "iter_0000500"; }

 private:
  fs::path path_;
};

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
// `from` and `to` have equal lengths, so that byte counts in the file stay valid.
void replace(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = text_of(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos);
  put_text(path, text.replace(at, from.size(), to));
}

size_t number_of(FolderReader& reader, const std::string& name) {
  const std::vector<TensorInfo> all = reader.list().tensors;
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i].name == name) return i;
  ADD_FAILURE() << name;
  return 0;
}

std::string bytes_of(FolderReader& reader, const std::string& name) {
  const size_t i = number_of(reader, name);
  const TensorInfo t = reader.list().tensors[i];
  uint64_t size = t.dtype == DType::F32 ? 4 : t.dtype == DType::BF16 ? 2 : 1;
  for (const int64_t n : t.shape) size *= static_cast<uint64_t>(n);
  std::string bytes(size, '\0');
  reader.read(i, 0, bytes.data(), size);
  return bytes;
}

std::string verdict(const std::string& path) {
  try {
    FolderReader reader(path);
    for (const TensorInfo& t : reader.list().tensors) bytes_of(reader, t.name);
    reader.info();
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2) << e.what();
    return e.what();
  }
}
testing::AssertionResult says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
}

std::string twin(const std::string& golden, const std::string& name) {
  const safetensors::SafetensorsReader hf((kGoldens / golden / "hf/model.safetensors").string());
  for (size_t i = 0; i < hf.tensors().size(); ++i)
    if (hf.tensors()[i].name == name) {
      std::string bytes(hf.tensors()[i].end - hf.tensors()[i].begin, '\0');
      hf.read(i, 0, bytes.data(), bytes.size());
      return bytes;
    }
  ADD_FAILURE() << name;
  return "";
}

TEST(MegatronFolder, AFolderOrTheOneAboveItIsRecognized) {
  for (const char* golden : {"tied", "tensor_parallel", "per_layer", "singleton", "optimizer", "buckets"}) {
    const fs::path top = kGoldens / golden / "mcore";
    EXPECT_EQ(probe_folder(top.string()).confidence, 100u) << golden;
    EXPECT_EQ(probe_folder((top / "iter_0000500").string()).confidence, 100u) << golden;
    EXPECT_EQ(verdict(top.string()), "accepted") << golden;
  }
  EXPECT_EQ(probe_folder((kGoldens / "tied/hf").string()).confidence, 0u);
}

// Written by two ranks, three files each. Both ranks have rows of the embedding; the projection is cut by columns too.
TEST(MegatronFolder, PiecesOfAnyRanksAreOneTensorReadInAnyParts) {
  FolderReader reader((kGoldens / "tensor_parallel/mcore").string());
  const std::string embedding = twin("tensor_parallel", "model.embed_tokens.weight");
  EXPECT_EQ(bytes_of(reader, "embedding.word_embeddings.weight").substr(0, embedding.size()), embedding);
  const std::string projection =
      twin("tensor_parallel", "model.layers.0.self_attn.o_proj.weight") + twin("tensor_parallel", "model.layers.1.self_attn.o_proj.weight");
  EXPECT_EQ(bytes_of(reader, "decoder.layers.self_attention.linear_proj.weight"), projection);
  const size_t i = number_of(reader, "decoder.layers.self_attention.linear_proj.weight");
  for (uint64_t begin = 0; begin < projection.size(); begin += 97)
    for (const uint64_t size : {1u, 2u, 31u, 64u, 100u, 1000u, 3000u}) {
      const uint64_t n = std::min<uint64_t>(size, projection.size() - begin);
      std::string part(n, '?');
      reader.read(i, begin, part.data(), n);
      ASSERT_EQ(part, projection.substr(begin, n)) << begin << " " << n;
    }
}

TEST(MegatronFolder, MarksTheTensorsOfTheOptimizer) {
  FolderReader reader((kGoldens / "optimizer/mcore").string());
  size_t weights = 0, others = 0;
  for (const TensorInfo& t : reader.list().tensors) (t.part.empty() ? weights : others) += 1;
  EXPECT_EQ(weights, 9u);
  EXPECT_EQ(others, 27u);
}

CheckpointWriteRequest request_of(const std::vector<TensorInfo>& tensors, const std::string& kind) {
  CheckpointWriteRequest request;
  request.kind = kind;
  request.tensors.tensors = tensors;
  return request;
}

CheckpointWriteRequest into(const std::string& folder, CheckpointWriteRequest request) {
  request.path = folder;
  return request;
}
TensorInfo tensor(const std::string& name, std::vector<int64_t> shape, DType dtype = DType::BF16) {
  TensorInfo t;
  t.name = name;
  t.shape = std::move(shape);
  t.dtype = dtype;
  return t;
}
std::string noise(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 97);
  return bytes;
}

TEST(MegatronFolder, ReadsBackTensorsWrittenInAnyOrder) {
  const Scratch scratch;
  CheckpointWriteRequest request = request_of({tensor("stack", {3, 8, 16}), tensor("scalar", {}, DType::F32), tensor("vector", {5}),
                                               tensor("e4m3", {6, 2}, DType::F8_E4M3), tensor("m._extra_state/shard_0_1", {0}, DType::U8)},
                                              "model");
  request.iteration = 70000;
  request.max_shard_bytes = 4000;
  request.config = R"({"model":{"num_layers":3,"layernorm_epsilon":1e-05,"name":"1e5"}})";
  request.files.emplace_back();
  request.files[0].name = "tokenizer.json";
  request.files[0].content = "{}";
  request.others.emplace_back();
  request.others[0].dialect = "hf";
  request.others[0].content = "{\"a\": 1}";
  const std::string stack = noise(3 * 8 * 16 * 2);
  {
    FolderWriter writer(into(scratch.path(), request));
    for (uint64_t at : {600u, 0u, 300u}) writer.write(0, at, stack.data() + at, std::min<uint64_t>(300, stack.size() - at));
    writer.write(1, 0, "abcd", 4);
    writer.write(2, 0, "0123456789", 10);
    writer.write(3, 0, "0123456789ab", 12);
    writer.finish();
    EXPECT_THROW(FolderReader{scratch.path()}, Error) << "before it is committed";
    commit_folder(scratch.path());
  }
  FolderReader reader(scratch.path());
  EXPECT_EQ(bytes_of(reader, "stack"), stack);
  EXPECT_EQ(bytes_of(reader, "scalar"), "abcd");
  EXPECT_EQ(bytes_of(reader, "e4m3"), "0123456789ab");
  EXPECT_EQ(reader.list().tensors.size(), 4u);
  EXPECT_TRUE(fs::exists(fs::path(scratch.path()) / "__0_1.distcp"));
  const CheckpointInfo info = reader.info();
  EXPECT_EQ(info.dialect, "megatron");
  EXPECT_TRUE(says(info.config, R"("num_layers":3,"layernorm_epsilon":1e-05,"name":"1e5")"));
  ASSERT_EQ(info.files.size(), 1u);
  EXPECT_EQ(info.files[0].name, "tokenizer.json");
  ASSERT_EQ(info.others.size(), 1u);
  EXPECT_EQ(info.others[0].content, "{\"a\": 1}");
  // PyYAML reads a number without a dot as a string.
  EXPECT_TRUE(says(text_of(fs::path(scratch.path()) / "run_config.yaml"), "  layernorm_epsilon: 1.0e-05\n"));
}

// make_torch_dist.py stores x, x/2 and x*x for a weight x.
TEST(MegatronOptimizer, EachPartOfItsStateIsFoundBesideItsWeightWithWhatWasPutThere) {
  FolderReader reader((kGoldens / "optimizer/mcore").string());
  EXPECT_EQ(reader.info().optimizer_steps, "500");
  EXPECT_EQ(reader.info().optimizer_refusal, "");
  std::map<std::string, size_t> roles;
  for (const TensorInfo& t : reader.list().tensors) {
    if (t.part.empty()) continue;
    ++roles[t.role];
    const std::string weight = bytes_of(reader, t.of), bytes = bytes_of(reader, t.name);
    ASSERT_EQ(bytes.size(), weight.size() * 2) << t.name;
    for (size_t i = 0; i < bytes.size() / 4; ++i) {
      float x = 0, found = 0;
      std::memcpy(reinterpret_cast<char*>(&x) + 2, weight.data() + 2 * i, 2);
      std::memcpy(&found, bytes.data() + 4 * i, 4);
      ASSERT_EQ(found, t.role == "master" ? x : t.role == "exp_avg" ? x / 2 : x * x) << t.name << " " << i;
    }
  }
  EXPECT_EQ(roles, (std::map<std::string, size_t>{{"exp_avg", 9}, {"exp_avg_sq", 9}, {"master", 9}}));
}

TEST(MegatronOptimizer, OfBucketsItIsSaidThatTheyDoNotTellTheirWeights) {
  FolderReader reader((kGoldens / "buckets/mcore").string());
  EXPECT_EQ(reader.info().optimizer_steps, "");
  EXPECT_TRUE(says(reader.info().optimizer_refusal,
                   "its optimizer state is dp_reshardable, which does not say which values belong to which weight"));
  FolderReader weights((kGoldens / "tied/mcore").string());
  EXPECT_EQ(weights.info().optimizer_steps + weights.info().optimizer_refusal, "");
}

TensorInfo beside(const std::string& of, const std::string& role, std::vector<int64_t> shape) {
  TensorInfo t = tensor(role + "." + of, std::move(shape), DType::F32);
  t.part = "optimizer";
  t.of = of;
  t.role = role;
  return t;
}

TEST(MegatronOptimizer, StateWrittenBesideWeightsIsReadBackAndAWeightInF32IsItsOwnMaster) {
  const Scratch scratch;
  fs::create_directory(fs::path(scratch.path()) / "iter_0000007");
  const std::string folder = scratch.path() + "/iter_0000007";
  CheckpointWriteRequest request = request_of({tensor("a", {2}, DType::F32), tensor("b", {2}), beside("a", "exp_avg", {2}),
                                               beside("b", "exp_avg", {2}), beside("b", "master", {2})},
                                              "model");
  request.iteration = 7;
  request.optimizer = R"({"lr": 0.5, "adam_beta1": 0.75, "lr_decay_style": "cosine"})";
  {
    FolderWriter writer(into(folder, request));
    const std::string bytes[] = {"aAaAaAaA", "bBbB", "12345678", "abcdefgh", "ABCDEFGH"};
    for (size_t i = 0; i < 5; ++i) {
      writer.write(i, 1, bytes[i].data() + 1, bytes[i].size() - 1);
      writer.write(i, 0, bytes[i].data(), 1);
    }
    writer.finish();
    commit_folder(folder);
  }
  FolderReader reader(folder);
  EXPECT_EQ(reader.info().optimizer_steps, "7");
  std::map<std::string, std::string> found;
  for (const TensorInfo& t : reader.list().tensors) found[t.part.empty() ? t.name : t.role + " of " + t.of] = bytes_of(reader, t.name);
  EXPECT_EQ(found, (std::map<std::string, std::string>{{"a", "aAaAaAaA"},
                                                       {"b", "bBbB"},
                                                       {"exp_avg of a", "12345678"},
                                                       {"exp_avg of b", "abcdefgh"},
                                                       {"master of a", "aAaAaAaA"},
                                                       {"master of b", "ABCDEFGH"}}));
  EXPECT_TRUE(says(text_of(folder + "/run_config.yaml"), "save_optim: true"));
}

// The verdict on a hand-made common state with these group steps.
Updates updates(const std::function<void(PickleWriter&)>& steps, const std::string& folder = "500", int64_t iteration = 500) {
  PickleWriter p;
  p.dict().text("iteration").integer(iteration).text("optimizer").dict().text("optimizer").dict().text("param_groups").list();
  steps(p);
  p.end_list().end_dict().end_dict().end_dict();
  TensorList list;
  list.tensors = {beside("a", "exp_avg", {2})};
  return updates_of(list, std::move(p).finish(), "here", folder);
}
void group(PickleWriter& p, const std::function<void(PickleWriter&)>& step) {
  p.dict().text("step");
  step(p);
  p.end_dict();
}

TEST(MegatronOptimizer, StepsThatLieAreRefused) {
  const auto whole = [](int64_t n) { return [n](PickleWriter& p) { p.integer(n); }; };
  const auto real = [](double n) { return [n](PickleWriter& p) { p.number(n); }; };
  EXPECT_EQ(updates([&](PickleWriter& p) { group(p, whole(500)), group(p, real(500)); }).steps, "500");
  EXPECT_EQ(updates([&](PickleWriter& p) { group(p, whole(500)); }, "").steps, "500");
  const auto refusal = [&](const std::function<void(PickleWriter&)>& step, const std::string& folder = "500", int64_t iteration = 500) {
    const Updates u = updates([&](PickleWriter& p) { group(p, step); }, folder, iteration);
    EXPECT_EQ(u.steps, "");
    return u.refusal;
  };
  EXPECT_TRUE(says(refusal(whole(480)), "its optimizer has seen 480 updates, but its iteration is 500"));
  EXPECT_TRUE(says(refusal(whole(480), "500", 480), "480 updates, but the iteration in the folder's name is 500"));
  for (const auto& bad : {whole(-1), whole(INT64_MAX)}) EXPECT_TRUE(says(refusal(bad), "is not a number of updates"));
  for (const double bad : {0.5, -500.0, 1e300, double(NAN)}) EXPECT_TRUE(says(refusal(real(bad)), "is not a number of updates"));
  EXPECT_TRUE(says(refusal([](PickleWriter& p) { p.text("500"); }), "is not a number of updates"));
  EXPECT_TRUE(says(updates([&](PickleWriter& p) { group(p, whole(500)), group(p, whole(499)); }).refusal, "500 updates, another one 499"));
  EXPECT_TRUE(says(updates([](PickleWriter&) {}).refusal, "does not say how many updates"));
  EXPECT_TRUE(says(updates([](PickleWriter& p) { p.integer(3); }).refusal, "does not say how many updates"));
}

TEST(MegatronFolder, AWriterThatMissesBytesDoesNotFinish) {
  const Scratch scratch;
  FolderWriter writer(into(scratch.path(), request_of({tensor("a", {4})}, "state")));
  writer.write(0, 0, "1234567", 7);
  EXPECT_THROW(writer.finish(), Error);
  EXPECT_FALSE(fs::exists(fs::path(scratch.path()) / ".metadata"));
}

TEST(MegatronFolder, AFlippedByteIsFoundWhenAllOfAPieceWasRead) {
  const Scratch scratch("tied");
  const std::string weights = twin("tied", "model.layers.1.mlp.down_proj.weight").substr(0, 64);
  std::string flipped = weights;
  flipped[5] = static_cast<char>(flipped[5] ^ 8);
  replace(scratch.iteration() / "__0_0.distcp", weights, flipped);
  EXPECT_TRUE(says(verdict(scratch.path()), "decoder.layers.mlp.linear_fc2.weight\": its bytes do not have their checksum"));
  // A part that is read twice is not damage.
  FolderReader whole((kGoldens / "tied/mcore").string());
  const size_t i = number_of(whole, "decoder.final_layernorm.weight");
  std::string part(64, '\0');
  whole.read(i, 0, part.data(), 32);
  whole.read(i, 0, part.data(), 32);
  EXPECT_NO_THROW(whole.read(i, 0, part.data(), 64));
}

TEST(MegatronFolder, RefusesWhatIsNotWholeOrNotTorchDist) {
  const auto changed = [](const std::function<void(const Scratch&)>& change) {
    const Scratch scratch("tied");
    change(scratch);
    return verdict(scratch.path());
  };
  EXPECT_TRUE(says(changed([](const Scratch& s) { fs::remove(s.iteration() / "metadata.json"); }), "has a .metadata but no metadata.json"));
  EXPECT_TRUE(says(changed([](const Scratch& s) { fs::remove(s.iteration() / ".metadata"); }), "has no .metadata"));
  EXPECT_TRUE(says(changed([](const Scratch& s) { fs::remove(s.iteration() / "__0_0.distcp"); }), "but it is not there"));
  EXPECT_TRUE(says(changed([](const Scratch& s) { fs::resize_file(s.iteration() / "__0_0.distcp", 9000); }), "it was cut off"));
  EXPECT_TRUE(says(changed([](const Scratch& s) {
                     fs::rename(s.iteration() / "__0_0.distcp", s.path() + "/elsewhere");
                     fs::create_symlink(s.path() + "/elsewhere", s.iteration() / "__0_0.distcp");
                   }),
                   "not a regular file"));
  EXPECT_TRUE(
      says(changed([](const Scratch& s) { replace(s.iteration() / "metadata.json", "torch_dist", "zarr      "); }), "only torch_dist"));
  EXPECT_TRUE(
      says(changed([](const Scratch& s) { put_text(s.path() + "/latest_checkpointed_iteration.txt", "../x"); }), "expected the number"));
  EXPECT_TRUE(says(changed([](const Scratch& s) { put_text(s.path() + "/latest_checkpointed_iteration.txt", "501"); }), "iter_0000501"));
}

// Flips a bit of every third byte of .metadata: it is read or refused, and the reader never crashes.
TEST(MegatronFolder, EveryChangedByteOfMetadataIsRefusedOrHarmless) {
  const std::string good = text_of(kGoldens / "tied/mcore/iter_0000500/.metadata");
  size_t refused = 0, tried = 0;
  for (size_t i = 0; i < good.size(); i += 3) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    ++tried;
    try {
      read_metadata(bad, "here");
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2) << e.what();
      ++refused;
    }
  }
  EXPECT_GT(refused * 10, tried * 3);
  for (size_t n = 0; n < good.size(); n += 13) EXPECT_THROW(read_metadata(good.substr(0, n), "here"), Error);
}

Metadata small() {
  Metadata m;
  m.files = {"__0_0.distcp"};
  m.tensors.push_back({"t", torch_type("float32"), {4, 6}, {{{0, 0}, {4, 3}, {0, 0, 100}}, {{0, 3}, {4, 3}, {0, 100, 100}}}});
  m.objects.push_back({"o/shard_0_1", {0, 200, 100}});
  return m;
}
std::string metadata_verdict(const std::function<void(Metadata&)>& change) {
  Metadata m = small();
  change(m);
  try {
    read_metadata(write_metadata(m), "here");
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(MegatronMetadata, GivesBackWhatWasWritten) {
  const Metadata m = read_metadata(write_metadata(small()), "here");
  ASSERT_EQ(m.tensors.size(), 1u);
  EXPECT_EQ(m.tensors[0].shape, (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(m.tensors[0].chunks[1].offsets, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(m.tensors[0].chunks[1].item.offset, 100u);
  EXPECT_EQ(m.objects[0].item.offset, 200u);
}

TEST(MegatronMetadata, RefusesPiecesThatDoNotMakeTheTensor) {
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[1].offsets = {0, 2}; }), "pieces that overlap"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[1].sizes = {4, 2}; }), "have 20 of 24 elements"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[1].offsets = {0, 4}; }), "outside of its shape"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[1].offsets = {0}; }), "another number of axes"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks.pop_back(); }), "have 12 of 24 elements"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors.push_back(m.tensors[0]); }), "appears twice"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.objects.push_back(m.objects[0]); }), "appears twice"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) {
                     m.tensors[0].shape = {int64_t{1} << 40, int64_t{1} << 40};
                   }),
                   "more elements than can be"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) {
                     m.tensors[0].shape = {int64_t{1} << 62, 0};
                     m.tensors[0].chunks.clear();
                   }),
                   "more elements than can be"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].shape[0] = -4; }), "a size that is not a count"));
}

TEST(MegatronMetadata, RefusesPathsThatLeaveTheFolder) {
  for (const std::string& path : {std::string("../__0_0.distcp"), std::string("/etc/x.distcp"), std::string("a/b.distcp"),
                                  std::string(".x.distcp"), std::string("x.safetensors"), std::string("x\0.distcp", 9), std::string()})
    EXPECT_TRUE(says(metadata_verdict([&](Metadata& m) { m.files[0] = path; }), "expected the plain name of a .distcp file")) << path;
}

TEST(MegatronMetadata, RefusesPlacesThatCannotBe) {
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[0].item.length = 0; }), "is at 0, 0 bytes long"));
  EXPECT_TRUE(says(metadata_verdict([](Metadata& m) { m.tensors[0].chunks[0].item.offset = UINT64_MAX; }), "is at -1"));
}

TEST(MegatronFolder, RefusesItemsThatOverlapOrPassTheirFile) {
  const auto changed = [](const std::function<void(Metadata&)>& change) {
    const Scratch scratch;
    {
      FolderWriter writer(into(scratch.path(), request_of({tensor("a", {4}), tensor("b", {4})}, "state")));
      writer.write(0, 0, "12345678", 8);
      writer.write(1, 0, "12345678", 8);
      writer.finish();
      commit_folder(scratch.path());
    }
    Metadata m = read_metadata(text_of(fs::path(scratch.path()) / ".metadata"), "here");
    change(m);
    put_text(fs::path(scratch.path()) / ".metadata", write_metadata(m));
    return verdict(scratch.path());
  };
  EXPECT_EQ(changed([](Metadata&) {}), "accepted");
  EXPECT_TRUE(says(changed([](Metadata& m) { m.tensors[1].chunks[0].item = m.tensors[0].chunks[0].item; }), "two of its items overlap"));
  EXPECT_TRUE(says(changed([](Metadata& m) { m.tensors[1].chunks[0].item.length += 1; }), "it was cut off"));
  EXPECT_TRUE(says(changed([](Metadata& m) {
                     m.tensors[1].chunks[0].item.offset += 1;
                     m.tensors[1].chunks[0].item.length -= 1;
                   }),
                   "its directory is not where its end says"));
  EXPECT_TRUE(says(changed([](Metadata& m) { m.tensors[1].type = torch_type("float16"); }), ".metadata says torch.float16"));
  EXPECT_TRUE(
      says(changed([](Metadata& m) { m.tensors[1].shape = m.tensors[1].chunks[0].sizes = {2}; }), "its shape is not that of .metadata"));
}

// The verdict on an item with a hand-made pickle.
std::string item_verdict(const std::string& pickle, const std::string& storage, const std::string& order = "little") {
  ZipLayout layout;
  const std::pair<std::string, std::string> records[] = {
      {"data.pkl", pickle}, {"byteorder", order}, {"data/0", storage}, {"version", "3\n"}};
  for (const auto& [name, content] : records) layout.set_crc(layout.add(name, content.size()), crc_of(content.data(), content.size()));
  std::string bytes(layout.size(), '\0');
  for (size_t i = 0; i < 4; ++i) {
    const auto [at, head] = layout.head(i);
    bytes.replace(at, head.size(), head);
    bytes.replace(layout.record(i).offset, records[i].second.size(), records[i].second);
  }
  const auto [at, tail] = layout.tail();
  bytes.replace(at, tail.size(), tail);
  try {
    read_torch_tensor(Bytes::of(bytes, "here"));
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2) << e.what();
    return e.what();
  }
}

TEST(TorchTensor, RefusesStoragesThatAreTooShortAndNumbersOfTheOtherEnd) {
  const TorchType& f32 = *torch_type("float32");
  EXPECT_EQ(item_verdict(tensor_pickle(f32, {2, 3}), std::string(24, 'x')), "accepted");
  EXPECT_TRUE(says(item_verdict(tensor_pickle(f32, {2, 3}), std::string(23, 'x')), "6 elements of torch.float32 is stored in 23 bytes"));
  EXPECT_TRUE(says(item_verdict(tensor_pickle(f32, {2, 3}), std::string(28, 'x')), "is stored in 28 bytes"));
  EXPECT_TRUE(says(item_verdict(tensor_pickle(f32, {2, 3}), std::string(24, 'x'), "big"), "\"big\"-endian"));
  EXPECT_TRUE(says(item_verdict(tensor_pickle(f32, {2, 3}, true), std::string(24, 'x')), "it is not a tensor"));
  // sizes 2, 3 as 2, 4: one row passes the storage
  std::string longer = tensor_pickle(f32, {2, 3});
  const size_t sizes = longer.find(std::string("(K\2K\3t"));
  ASSERT_NE(sizes, std::string::npos);
  longer[sizes + 4] = 4;
  EXPECT_TRUE(says(item_verdict(longer, std::string(24, 'x')), "it passes the 6 elements of its storage"));
  std::string shifted = tensor_pickle(f32, {2, 3});
  const size_t offset = shifted.find("QK");
  ASSERT_NE(offset, std::string::npos);
  shifted[offset + 2] = 1;
  EXPECT_TRUE(says(item_verdict(shifted, std::string(24, 'x')), "it passes the 6 elements"));
}

}  // namespace
}  // namespace corral::megatron
