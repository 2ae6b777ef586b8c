// `corral chat` with its input from a file and at a terminal.
#include "tests/program/terminal.h"
#include "tests/samples/samples.h"

namespace corral {
namespace {
using Chat = Samples;

TEST_F(Chat, EachAnswerContinuesTheWholeConversation) {
  const std::string model = kGolden + "models/llama3";
  write("turns", "Hello\nWho are you?\n/reset\n\nHello\n/set temperature 0\n/system\n/reset\nHello\n");
  ASSERT_EQ(corral("chat --max-new-tokens 12 --system Terse. --checkpoint " + model + " <" + path("turns")), 0) << text("err");
  EXPECT_NE(text("err").find("chat template: llama31"), std::string::npos) << text("err");
  const std::string said = text("out");

  const auto turn = [](const std::string& role, const std::string& content) {
    return "<|start_header_id|>" + role + "<|end_header_id|>\n\n" + content + "<|eot_id|>";
  };
  const auto head = [&](const std::string& system) {
    return "<|begin_of_text|>" + turn("system", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" + system);
  };
  // Renders the conversation, lets `corral generate` continue its ids, and returns the printed answer.
  const auto continued = [&](const std::string& conversation, const std::string& flags = "") {
    write("text.jsonl", ordered{{"text", conversation + "<|start_header_id|>assistant<|end_header_id|>\n\n"}}.dump() + "\n");
    EXPECT_EQ(corral("tokenizer encode --no-special --json --data " + path("text.jsonl") + kTokenizer), 0) << text("err");
    write("prompts.jsonl", ordered{{"input_ids", ordered::parse(text("out"))}}.dump() + "\n");
    EXPECT_EQ(corral("generate --max-new-tokens 12 --checkpoint " + model + " --prompts " + path("prompts.jsonl") + flags), 0)
        << text("err");
    return text("out");
  };
  const std::string first = continued(head("Terse.") + turn("user", "Hello"));
  ASSERT_EQ(corral("generate --json --max-new-tokens 12 --checkpoint " + model + " --prompts " + path("prompts.jsonl")), 0) << text("err");
  std::string answer = ordered::parse(text("out"))["text"];
  answer.erase(answer.find_last_not_of(" \n\r\t") + 1);
  answer.erase(0, answer.find_first_not_of(" \n\r\t"));
  const std::string second = continued(head("Terse.") + turn("user", "Hello") + turn("assistant", answer) + turn("user", "Who are you?"));
  EXPECT_EQ(said, first + second + first + continued(head("") + turn("user", "Hello"), " --temperature 0"));
}

TEST_F(Chat, AnAdapterAnswersAsItsMergeDoes) {
  const std::string model = kGolden + "models/llama3", adapter = " --adapter " + kGolden + "expected/llama3/dora_end";
  write("turns", "Hello\nWho are you?\n");
  ASSERT_EQ(corral("merge --hf-model " + model + adapter + " --hf-path " + path("merged")), 0) << text("err");
  const auto said = [&](const std::string& which) {
    EXPECT_EQ(corral("chat --temperature 0 --max-new-tokens 12 --checkpoint " + which + " <" + path("turns")), 0) << text("err");
    return text("out");
  };
  const std::string with = said(model + adapter);
  EXPECT_EQ(with, said(path("merged")));
  EXPECT_NE(with, said(model));
}

// The model's answers are so long that they take many seconds on any machine.
class ChatAtATerminal : public Chat {
 protected:
  void SetUp() override {
    Chat::SetUp();
    ASSERT_EQ(corral("init --model llama3/8b --set model.num_hidden_layers=4 model.hidden_size=256 model.intermediate_size=512 "
                     "model.num_attention_heads=4 model.num_key_value_heads=1 model.head_dim=64 model.vocab_size=320 "
                     "model.max_position_embeddings=100000 --tokenizer " +
                     kGolden + "models/llama3 --hf-path " + path("model")),
              0)
        << text("err");
  }
  std::string chat(const std::string& rest) const {
    return "XDG_STATE_HOME=" + path("state") + " " CORRAL_BINARY_DIR "/bin/corral chat --temperature 0 --checkpoint " + path("model") +
           kTokenizer + rest;
  }
};

TEST_F(ChatAtATerminal, ShowsAnAnswerAsItComesAndCtrlCEndsOnlyTheAnswer) {
  Terminal at(chat("--max-length 60000 --max-new-tokens 50000"));
  at.prompt();
  at.type("Hello\r");
  at.some(500);  // the whole answer would be fifty thousand tokens
  at.type("\x03");
  EXPECT_NE(at.until("(stopped)").size(), 0u);
  at.prompt();
  at.type("/set max-new-tokens 3\r");
  at.prompt();
  at.type("Again\r");
  at.until("(cut after 3 tokens)");
  at.prompt();
  at.type("/exit\r");
  EXPECT_EQ(at.end().second, 0);
}

TEST_F(ChatAtATerminal, LinesAreEditedAndRememberedFromOneChatToTheNext) {
  std::string answer;
  {
    Terminal at(chat("--max-new-tokens 4"));
    at.prompt();
    at.type("elxx\x7f\x7flo\x01H\r");  // erases two letters, then inserts H at the start of the line
    at.until("H\r\n");
    answer = at.until("(cut after 4 tokens)");
    at.prompt();
    at.type("/rest\r");
    at.until("did you mean \"/reset\"?");  // the chat continues after a typing error
    at.prompt();
    at.type("\x04");
    EXPECT_EQ(at.end().second, 0);
  }
  EXPECT_NE(text("state/corral/chat_history").find("Hello\n"), std::string::npos) << text("state/corral/chat_history");
  Terminal again(chat("--max-new-tokens 4"));
  again.prompt();
  again.type("\x1b[A\x1b[A\r");  // the last line but one, from the history
  again.until("Hello\r\n");
  EXPECT_EQ(again.until("(cut after 4 tokens)"), answer);
  again.prompt();
  again.type("/exit\r");
  EXPECT_EQ(again.end().second, 0);
}

TEST_F(Chat, AChatRefusesWhatItDoesNotKnow) {
  const std::string chat = "chat --checkpoint " + kGolden + "models/llama3 <" + path("turns");
  for (const auto& [line, message] :
       {std::pair("/rest", "/rest: no such command\n       did you mean \"/reset\"?"),
        std::pair("/set temprature 1", "/set temprature: no such setting\n       did you mean \"temperature\"?"),
        std::pair("/set top-p 7", "/set top-p 7: needs a number from 0 to 1")}) {
    write("turns", std::string(line) + "\n");
    EXPECT_EQ(corral(chat), 2) << line;
    EXPECT_NE(text("err").find(message), std::string::npos) << text("err");
  }
}

}  // namespace
}  // namespace corral
