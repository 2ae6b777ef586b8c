// `corral finetune` on chats: training, export, merge, answers, files, refusals.
#include "tests/program/model_folder.h"
#include "tests/samples/samples.h"

namespace corral {
namespace {

const std::string kModel = kGolden + "models/llama3";

class Finetune : public Samples {
 protected:
  // A short fine-tuning run from the recipe.
  std::string finetune(const std::string& peft, const std::string& run, const std::string& rest, const std::string& model = kModel) const {
    return "finetune --recipe llama32_1b_finetune_config --pretrained-checkpoint " + model + " --peft " + peft + " --data " +
           path("rows.jsonl") + " --dir " + path(run) + " --seq-length 192 --set device.threads=1 data.split=1 train.log_interval=1 " +
           (peft == "none" ? "" : "peft.dim=16 ") + rest;
  }
  std::string content(const std::string& name) const { return text(name); }
  std::string last(const std::string& run) const { return run + "/checkpoints/" + iteration(newest_of(run)) + "/"; }
  std::string asked(const std::string& model, const std::string& question) const {
    write("turns", question + "\n");
    EXPECT_EQ(corral("chat --temperature 0 --max-new-tokens 60 --checkpoint " + model + " <" + path("turns")), 0) << text("err");
    return text("out");
  }
};

// Four chats of one question each. A model learns their answers by heart in a few dozen steps.
std::vector<ordered> a_few_facts() {
  const auto chat = [](const char* question, const char* answer) {
    return ordered{{"messages", {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}}}};
  };
  return {chat("Sky?", "blue"), chat("Grass?", "green"), chat("Coal?", "black"), chat("Snow?", "white")};
}

TEST_F(Finetune, TheRunItsExportAndItsMergeGiveTheTaughtAnswersAndEndThem) {
  rows(a_few_facts());
  const std::string steps =
      " optimizer.lr_warmup_iters=5 train.eval_interval=0 --lr 1e-2 --global-batch-size 4 --precision fp32 --epochs 120";
  ASSERT_EQ(corral(finetune("lora", "run", "data.packed=false peft.modules_to_save=embed_tokens,lm_head,norms" + steps)), 0) << text("err");
  ASSERT_EQ(corral("export --checkpoint " + path("run") + " --hf-path " + path("adapter")), 0) << text("err");
  ASSERT_EQ(corral("merge --checkpoint " + path("run") + " --hf-path " + path("merged")), 0) << text("err");
  for (const std::string& model : {path("run"), kModel + " --adapter " + path("adapter"), path("merged")}) {
    EXPECT_EQ(asked(model, "Grass?"), "green\n") << model;
    EXPECT_EQ(text("err").find("(cut after"), std::string::npos) << text("err");
    EXPECT_EQ(asked(model, "Snow?"), "white\n") << model;
  }
  EXPECT_NE(asked(kModel, "Grass?"), "green\n");
}

TEST_F(Finetune, TheRecipePacksChatsForEveryMethodFromAFolderOrARun) {
  rows(questions(20));
  const std::string steps = "--train-iters 2 --set optimizer.lr_warmup_iters=1 train.eval_interval=0";
  for (const std::string peft : {"none", "lora", "dora"}) {
    ASSERT_EQ(corral(finetune(peft, peft, steps)), 0) << text("err");
    EXPECT_NE(text("err").find("20 samples packed into "), std::string::npos) << text("err");
    EXPECT_EQ(fs::exists(path(last(peft)) + "adapter_model.safetensors"), peft != "none");
    EXPECT_EQ(fs::exists(path(last(peft)) + "model.safetensors"), peft == "none");
  }
  ASSERT_EQ(corral(finetune("lora", "further", steps, path("none"))), 0) << text("err");
  EXPECT_EQ(read_json(path(last("further")) + "adapter_config.json")["r"], 16);
}

TEST_F(Finetune, CheckpointsExportsAndMergesOfAdaptersHaveTheTemplateAndTheEndTokens) {
  rows(questions(10));
  // This model's folder has a template of its own in a separate file.
  fs::copy(kModel, path("model"));
  const std::string own = "{# mine #}" + read_json(kModel + "/tokenizer_config.json")["chat_template"].get<std::string>();
  write("model/chat_template.jinja", own);
  const std::string steps = "--train-iters 1 --set optimizer.lr_warmup_iters=0 train.eval_interval=0 ";
  ASSERT_EQ(corral(finetune("lora", "own", steps, path("model"))), 0) << text("err");
  ASSERT_EQ(corral(finetune("dora", "other", steps + "data.template=llama3")), 0) << text("err");
  for (const std::string run : {"own", "other"}) {
    ASSERT_EQ(corral("export --checkpoint " + path(run) + " --hf-path " + path(run + "_adapter")), 0) << text("err");
    ASSERT_EQ(corral("merge --checkpoint " + path(run) + " --hf-path " + path(run + "_merged")), 0) << text("err");
    EXPECT_TRUE(fs::exists(path(last(run)) + "state/optimizer.safetensors"));
    EXPECT_FALSE(fs::exists(path(run + "_adapter/state")));
    for (const std::string& folder : {last(run), run + "_adapter/", run + "_merged/"}) {
      SCOPED_TRACE(folder);
      const std::string jinja = content(folder + "chat_template.jinja");
      if (run == "own")
        EXPECT_EQ(jinja, own);
      else
        EXPECT_EQ(read_json(path(folder) + "tokenizer_config.json")["chat_template"], jinja);
      EXPECT_EQ(jinja.find("Cutting Knowledge Date") == std::string::npos, run == "other");
      const json ends = read_json(path(folder) + "generation_config.json")["eos_token_id"];
      EXPECT_NE(std::find(ends.begin(), ends.end(), 313), ends.end()) << ends;
      EXPECT_TRUE(fs::exists(path(folder) + "tokenizer.json"));
    }
  }
}

TEST_F(Finetune, AKilledPackedRunEndsWithTheSameBytes) {
  rows(questions(20));
  for (const std::string precision : {"fp32", "bf16"})
    for (const std::string peft : {"none", "lora", "dora"}) {
      SCOPED_TRACE(precision + " " + peft);
      // The chats fill about twelve packed rows. A step uses four, so that an epoch ends between two saves.
      const auto words = [&](const std::string& run) {
        return finetune(peft, run,
                        "--precision " + precision +
                            " --train-iters 20 --global-batch-size 4 --micro-batch-size 1 --lr 3e-3 --set train.save_interval=10 "
                            "optimizer.lr_warmup_iters=1 train.eval_interval=0 data.shuffle=true recompute.granularity=full " +
                            std::string(peft == "none" ? "model.hidden_dropout=0.1" : "peft.dropout=0.1"));
      };
      expect_same_after_a_kill("finetune", words, 20);
      EXPECT_NE(whole_said_.find(", " + precision + " on cpu"), std::string::npos) << whole_said_;
      EXPECT_NE(whole_said_.find("20 samples packed into "), std::string::npos) << whole_said_;
    }
}

TEST_F(Finetune, PackedAndUnpackedStepsOnTheSameSamplesGiveTheSameAdapter) {
  size_t places = 0;
  rows(random_samples(places));
  const auto run = [&](const std::string& name, const std::string& shape) {
    EXPECT_EQ(corral("finetune --pretrained-checkpoint " + kModel + " --peft lora --dataset sft --data " + path("rows.jsonl") + " --dir " +
                     path(name) +
                     " --precision fp32 --train-iters 3 --lr 1e-2 --set data.split=1 optimizer.lr_warmup_iters=0 "
                     "optimizer.lr_decay_style=constant train.log_interval=1 " +
                     shape),
              0)
        << text("err");
    return read_lines(path(name) + "/metrics.jsonl");
  };
  const auto plain = run("plain", "--seq-length 33 --global-batch-size 24 --set data.packed=false"),
             packed = run("packed", "--global-batch-size 1 --set data.packed=true data.packed_seq_length=" + std::to_string(places));
  ASSERT_EQ(plain.size(), 3u);
  ASSERT_EQ(packed.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const double loss = plain[i]["loss"], norm = plain[i]["grad_norm"];
    EXPECT_NEAR(packed[i]["loss"].get<double>(), loss, 1e-6 * loss) << i;
    EXPECT_NEAR(packed[i]["grad_norm"].get<double>(), norm, 1e-5 * norm) << i;
  }
  EXPECT_LT(plain[2]["loss"], plain[0]["loss"]);
}

TEST_F(Finetune, SettingsThatNoDataCouldSatisfyAreRefusedBeforeAnyIsRead) {
  const std::string warm = "optimizer.lr_warmup_iters=1 ";
  for (const auto& [rest, message] :
       {std::pair(warm + "peft.target_modules=qproj",
                  "peft.target_modules[0] = \"qproj\": no such module in the model\n       did you mean \"q_proj\"?"),
        std::pair(warm + "peft.modules_to_save=lmhead", "did you mean \"lm_head\"?"),
        std::pair(warm + "peft.init=zero", "peft.init = \"zero\""), std::pair(warm + "--epochs 0", "--epochs = 0: needs a number above 0"),
        std::pair(warm + "--epochs 1 --train-iters 3", "--epochs and --train-iters both say")}) {
    EXPECT_EQ(corral(finetune("lora", "run", rest)), 2) << rest;  // rows.jsonl does not exist: the refusal came before any read
    EXPECT_NE(text("err").find(message), std::string::npos) << text("err");
  }
}

TEST_F(Finetune, UntrainedTokensAreNamedWithTheSettingThatWouldTrainThem) {
  rows(questions(10));
  // As in a base model, the token that ends a turn is as untrained as the reserved tokens.
  fs::create_directory(path("base"));
  for (const auto& entry : fs::directory_iterator(kModel))
    if (entry.path().string().find(".safetensors") == std::string::npos) fs::copy(entry.path(), path("base"));
  auto tensors = raw_tensors(kModel);
  for (const char* name : {"lm_head.weight", "model.embed_tokens.weight"}) {
    std::string& raw = tensors.at(name);
    const size_t a_row = 48 * sizeof(float), data = raw.find(']') + 1;
    for (const size_t id : {306, 307, 309, 313}) std::fill_n(raw.begin() + static_cast<std::ptrdiff_t>(data + id * a_row), a_row, '\1');
  }
  write_tensors(path("base") + "/model.safetensors", tensors);
  const std::string steps = "--train-iters 1 --set optimizer.lr_warmup_iters=0 train.eval_interval=0 ",
                    doubt = "313 \"<|eot_id|>\" (equal to 3 other rows)";
  for (const std::string precision : {"fp32", "bf16"}) {
    ASSERT_EQ(corral(finetune("lora", "run" + precision, "--precision " + precision + " " + steps, path("base"))), 0) << text("err");
    const std::string said = text("err");
    const size_t head = said.find("in lm_head.weight that looks untrained: "), first = said.find("step 1");
    ASSERT_NE(head, std::string::npos) << said;
    EXPECT_NE(said.find(doubt, head), std::string::npos) << said;
    EXPECT_NE(said.find("in model.embed_tokens.weight that looks untrained: "), std::string::npos) << said;
    EXPECT_NE(said.find("this run leaves it as it is: peft.modules_to_save=lm_head trains it"), std::string::npos) << said;
    EXPECT_LT(head, first);
  }
  ASSERT_EQ(corral(finetune("lora", "saved", steps + "peft.modules_to_save=embed_tokens,lm_head", path("base"))), 0) << text("err");
  EXPECT_NE(text("err").find(doubt), std::string::npos) << text("err");
  EXPECT_EQ(text("err").find("leaves it as it is"), std::string::npos) << text("err");
  ASSERT_EQ(corral(finetune("lora", "trained", steps)), 0) << text("err");
  EXPECT_EQ(text("err").find("<|eot_id|>"), std::string::npos) << "its row is as long as any: " << text("err");
}

}  // namespace
}  // namespace corral
