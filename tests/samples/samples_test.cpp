// Samples through the program: `corral data check`, packing, epochs, refusals, the files of an export.
#include "tests/samples/samples.h"

#include "tests/program/terminal.h"

namespace corral {
namespace {

TEST_F(Samples, ASequenceOfPackedDocumentsGivesTheNumbersOfTransformers) {
  const auto golden = read_tensor_file(kGolden + "expected/llama32/packed.safetensors");
  const ordered facts = ordered::parse(std::ifstream(kGolden + "expected/llama32/packed.json"));
  const auto& tokens = golden.at("tokens").values;
  const auto &labels = golden.at("labels").values, &mask = golden.at("loss_mask").values, &starts = golden.at("cu_seqlens").values;
  // The golden's labels are shifted by one already. Each document therefore gets one more token, the label of its last position.
  std::vector<ordered> documents;
  for (size_t d = 0; d + 1 < starts.size(); ++d) {
    ordered row{{"input_ids", ordered::array()}, {"labels", ordered::array({-100})}};
    for (auto i = static_cast<size_t>(starts[d]); i < static_cast<size_t>(starts[d + 1]); ++i) {
      row["input_ids"].push_back(static_cast<int>(tokens[i]));
      row["labels"].push_back(mask[i] != 0 ? static_cast<int>(labels[i]) : -100);
    }
    row["input_ids"].push_back(static_cast<int>(labels[static_cast<size_t>(starts[d + 1]) - 1]));
    documents.push_back(std::move(row));
  }
  const auto [loss, gradients] = evaluate(kGolden + "models/llama32", rows(documents), static_cast<int>(tokens.size()),
                                          "--set data.packed=true --logits " + path("logits"));
  EXPECT_EQ(ordered::parse(text("out"))["rows"], 1);
  EXPECT_EQ(ordered::parse(text("out"))["targets"], facts["unmasked_targets"]);
  EXPECT_NEAR(loss, facts["loss_packed"].get<double>(), 1e-5);
  expect_equal(gradients, golden, "grad_packed.");
  const auto logits = read_tensor_file(path("logits"));
  EXPECT_LE(difference(logits.at("logits").values, golden.at("logits").values), 1e-5 * largest(golden.at("logits").values));
}

TEST_F(Samples, PackedAndUnpackedRowsHaveTheSameLossAndGradients) {
  size_t places = 0;
  const std::string file = rows(random_samples(places)), llama3 = kGolden + "models/llama3 --adapter " + kGolden + "expected/llama3/";
  for (const std::string& model : {kGolden + "models/llama32", llama3 + "lora_start", llama3 + "dora_start"}) {
    const auto [loss, gradients] = evaluate(model, file, 33, "");
    // Length 50 packs with padding at the end of each sequence; the other length packs all samples into one without padding.
    for (const int length : {50, static_cast<int>(places)}) {
      SCOPED_TRACE(model + " " + std::to_string(length));
      const auto [packed_loss, packed_gradients] = evaluate(model, file, length, "--set data.packed=true");
      EXPECT_LE(std::abs(packed_loss - loss), 1e-6 * loss);
      expect_equal(packed_gradients, gradients);
      EXPECT_EQ(text("err").find(" 0.00% padding") != std::string::npos, length == static_cast<int>(places)) << text("err");
    }
  }
}

TEST_F(Samples, IdsAndLabelsOfChatsAreThoseOfTransformers) {
  const ordered golden = ordered::parse(std::ifstream(kGolden + "chat.json"));
  for (const char* family : {"llama3", "llama31"}) {
    std::vector<ordered> chats;
    for (const ordered& c : golden[family]) chats.push_back(c["row"]);
    const int code = corral("data check --json --show 100 --data " + rows(chats) + kTokenizer + "--set data.template=" + family);
    ASSERT_TRUE(code == 0 || code == 1) << text("err");
    const ordered shown = ordered::parse(text("out"))["shown"];
    ASSERT_EQ(shown.size(), golden[family].size());
    for (size_t i = 0; i < shown.size(); ++i) {
      const std::string name = std::string(family) + ": " + golden[family][i]["name"].get<std::string>();
      EXPECT_EQ(shown[i]["input_ids"], golden[family][i]["ids"]) << name;
      EXPECT_EQ(shown[i]["labels"], golden[family][i]["labels"]) << name;
    }
  }
}

TEST_F(Samples, DataCheckCountsAndShowsGoodSamples) {
  const std::string file = rows({{{"prompt", "Hello?"}, {"completion", "Hello!"}}, {{"prompt", "Who?"}, {"completion", "You."}}});
  ASSERT_EQ(corral("data check --show 1 --data " + file + kTokenizer), 0) << text("err");
  const std::string out = text("out");
  EXPECT_NE(out.find(file + ":1: "), std::string::npos) << out;
  EXPECT_EQ(out.find(file + ":2: "), std::string::npos) << out;
  EXPECT_NE(out.find("⟦Hello!<|eot_id|>⟧"), std::string::npos) << out;
  EXPECT_NE(out.find("samples                                        2\n"), std::string::npos) << out;
  EXPECT_EQ(out.find('\033'), std::string::npos) << "colours where there is no terminal";
}

TEST_F(Samples, APreviewAtATerminalHasColoursUnlessTheyAreSwitchedOff) {
  const std::string words =
      CORRAL_BINARY_DIR "/bin/corral data check --show 1 --data " + rows({{{"prompt", "Hello?"}, {"completion", "Hello!"}}}) + kTokenizer;
  EXPECT_NE(Terminal("NO_COLOR= " + words).end().first.find("\033[1;32mHello!<|eot_id|>\033[0m"), std::string::npos);
  const std::string plain = Terminal("NO_COLOR=1 " + words).end().first;
  EXPECT_NE(plain.find("⟦Hello!<|eot_id|>⟧"), std::string::npos) << plain;
  EXPECT_EQ(plain.find('\033'), std::string::npos);
}

TEST_F(Samples, EveryWayOfTrainingNothingIsRefusedWithItsCauseAndTheLines) {
  struct Case {
    const char* name;
    std::vector<ordered> rows;
    std::string flags, cause;
    int code;
  };
  const ordered good{{"prompt", "q"}, {"completion", "a"}};
  const std::vector<Case> cases{
      {"no answer", {{{"messages", {{{"role", "user"}, {"content", "q"}}}}}}, "", "1 of 1 samples: no turn of the assistant", 1},
      {"empty answer", {good, {{"prompt", "q"}, {"completion", " "}}}, "", "1 of 2 samples: every answer is empty", 1},
      {"cut",
       {{{"prompt", std::string(100, 'q')}, {"completion", "a"}}},
       "--seq-length 40 ",
       "1 of 1 samples: cut before the answer begins",
       1},
      {"masked", {{{"input_ids", {1, 2}}, {"labels", {-100, -100}}}}, "", "1 of 1 samples: every label is -100", 1},
      {"never ends",
       {{{"prompt", "q"}, {"completion", std::string(100, 'a')}}},
       "--seq-length 100 ",
       "no sample trains the end of an answer",
       1},
      {"wrong role", {{{"messages", {{{"role", "bot"}, {"content", "q"}}}}}}, "", "messages[0].role = \"bot\": unknown role", 2},
      {"unknown template", {good}, "--set data.template=llama4 ", "data.template = \"llama4\": expected llama3, llama31, chat, none", 2},
      {"malformed", {{{"messages", "q"}}}, "", "rows.jsonl:1: \"messages\" is not an array", 2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(corral("data check --data " + rows(c.rows) + kTokenizer + c.flags), c.code) << text("err");
    EXPECT_NE((text("out") + text("err")).find(c.cause), std::string::npos) << text("out") << text("err");
  }
}

TEST_F(Samples, ATemplateWithoutMarksIsRefusedWithTheFlagThatChoosesOne) {
  fs::create_directory(folder_ / "tok");
  fs::copy(kGolden + "models/llama3/tokenizer.json", folder_ / "tok");
  ordered config = ordered::parse(std::ifstream(kGolden + "models/llama3/tokenizer_config.json"));
  const std::string file = rows({{{"prompt", "q"}, {"completion", "a"}}});
  config["chat_template"] = "<|im_start|>{{ messages }}<|im_end|>";
  write("tok/tokenizer_config.json", config.dump());
  EXPECT_EQ(corral("data check --data " + file + " --tokenizer " + path("tok")), 2);
  EXPECT_NE(text("err").find("choose one with --set data.template=llama3 or llama31"), std::string::npos) << text("err");
  config.erase("chat_template");
  write("tok/tokenizer_config.json", config.dump());
  EXPECT_EQ(corral("data check --data " + file + " --tokenizer " + path("tok")), 2);
  EXPECT_NE(text("err").find("the tokenizer has no chat template"), std::string::npos) << text("err");
  EXPECT_EQ(corral("data check --data " + file + " --set data.template=llama3 --tokenizer " + path("tok")), 0) << text("err");
}

// A run that trains all weights on a few samples.
std::string train_on(const std::string& data, const std::string& run, const std::string& rest) {
  return "pretrain --dataset sft --pretrained-checkpoint " + kGolden + "models/llama3 --data " + data + " --dir " + run +
         " --precision fp32 --seq-length 192 --global-batch-size 2 --lr 1e-3 --set data.packed=true data.split=1 train.log_interval=1 " +
         rest;
}

TEST_F(Samples, EpochsCountPackedRowsAndAreSaidBeforeTheFirstStep) {
  ASSERT_EQ(corral(train_on(rows(questions(20)), path("run"), "--epochs 2")), 0) << text("err");
  const std::string err = text("err");
  const size_t said = err.find("2 epochs of "), step = err.find("step");
  ASSERT_NE(said, std::string::npos) << err;
  size_t packed = std::stoul(err.substr(said + 12));
  EXPECT_LT(packed, 20u);
  EXPECT_NE(err.find("a step: " + std::to_string(packed) + " steps"), std::string::npos) << err;
  EXPECT_LT(said, err.find("step 1")) << step;
  std::ifstream metrics(path("run") + "/metrics.jsonl");
  EXPECT_EQ(static_cast<size_t>(std::count(std::istreambuf_iterator<char>(metrics), {}, '\n')), packed);
  EXPECT_EQ(corral(train_on(rows(questions(20)), path("other"), "--epochs 2 --train-iters 3")), 2);
  EXPECT_NE(text("err").find("--epochs and --train-iters"), std::string::npos) << text("err");
}

TEST_F(Samples, OneSampleInAHundredMayTrainNothingAndIsNamed) {
  std::vector<ordered> all = questions(200);
  all[6]["completion"] = all[9]["completion"] = "";
  ASSERT_EQ(corral("data check --data " + rows(all) + kTokenizer), 0) << text("err");
  EXPECT_NE(text("out").find("2 of 200 samples: every answer is empty (" + path("rows.jsonl") + ":7, " + path("rows.jsonl") + ":10)"),
            std::string::npos)
      << text("out");
  ASSERT_EQ(corral(train_on(path("rows.jsonl"), path("run"), "--train-iters 1")), 0) << text("err");
  EXPECT_NE(text("err").find("warning: 2 of 200 samples: every answer is empty"), std::string::npos) << text("err");
  all[8]["completion"] = "";
  EXPECT_EQ(corral("data check --data " + rows(all) + kTokenizer), 1);
  EXPECT_NE(text("err").find("3 of 200 samples have no trained token of an answer, more than 1%"), std::string::npos) << text("err");
}

TEST_F(Samples, ARunIsRefusedBeforeItsFirstStepWhereItWouldLearnNothing) {
  std::vector<ordered> all = questions(10);
  all[3]["completion"] = "";
  EXPECT_EQ(corral(train_on(rows(all), path("run"), "--train-iters 1")), 2);
  EXPECT_NE(text("err").find("1 of 10 samples have no trained token"), std::string::npos) << text("err");
  EXPECT_NE(text("err").find("every answer is empty (" + path("rows.jsonl") + ":4)"), std::string::npos) << text("err");
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(Samples, ExportsHaveTheTemplateOfTheLabelsAndTheEndTokens) {
  const std::string file = rows(questions(10));
  ASSERT_EQ(corral(train_on(file, path("own"), "--train-iters 1")), 0) << text("err");
  const auto read = [&](const std::string& run, const char* name) {
    std::ifstream in(path(run) + "/checkpoints/iter_0000001/" + name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  std::ifstream original(kGolden + "models/llama3/tokenizer_config.json");
  EXPECT_EQ(read("own", "tokenizer_config.json"), std::string(std::istreambuf_iterator<char>(original), {}))
      << "the folder's own, byte for byte";
  const ordered ends = ordered::parse(read("own", "generation_config.json"))["eos_token_id"];
  const int end_of_turn = 304 + 9;
  EXPECT_TRUE(ends == end_of_turn || std::find(ends.begin(), ends.end(), end_of_turn) != ends.end()) << ends;

  ASSERT_EQ(corral(train_on(file, path("other"), "--train-iters 1 --set data.template=llama3 data.packed=true")), 0) << text("err");
  const std::string jinja = read("other", "chat_template.jinja");
  EXPECT_NE(jinja.find("<|start_header_id|>"), std::string::npos);
  EXPECT_EQ(jinja.find("Cutting Knowledge Date"), std::string::npos);
  EXPECT_EQ(ordered::parse(read("other", "tokenizer_config.json"))["chat_template"], jinja);
}

}  // namespace
}  // namespace corral
