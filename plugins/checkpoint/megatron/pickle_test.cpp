#include "plugins/checkpoint/megatron/pickle.h"

#include <gtest/gtest.h>

#include "corral/error.h"
#include "plugins/checkpoint/megatron/pickle_writer.h"

namespace corral::megatron {
namespace {

bool only_size(std::string_view module, std::string_view name) { return module == "torch" && name == "Size"; }

// The reader's verdict on these bytes.
std::string verdict(const std::string& bytes) {
  try {
    Pickle(bytes, only_size, "here");
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    return e.what();
  }
}
std::string after_protocol(const std::string& rest) { return verdict(std::string("\x80\x02", 2) + rest); }

testing::AssertionResult says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
}

TEST(Pickle, GivesBackWhatWasWritten) {
  PickleWriter w;
  w.dict().text("none").none().text("yes").boolean(true).text("numbers").integers({0, 255, 256, 65536, -1, int64_t{1} << 40, INT64_MIN});
  w.text("real").number(-0.5).text("list").list().text("a").text("b").end_list();
  w.text("size").global("torch", "Size").mark().integers({2, 3}).call().end_dict();
  const std::string bytes = std::move(w).finish();
  const Pickle p(bytes, only_size, "here");
  EXPECT_EQ(p.find(p.root(), "none")->kind, Kind::kNone);
  EXPECT_EQ(p.find(p.root(), "yes")->integer, 1);
  std::vector<int64_t> numbers;
  for (const Id id : p.find(p.root(), "numbers")->items) numbers.push_back(p.at(id).integer);
  EXPECT_EQ(numbers, (std::vector<int64_t>{0, 255, 256, 65536, -1, int64_t{1} << 40, INT64_MIN}));
  EXPECT_EQ(p.find(p.root(), "real")->number, -0.5);
  EXPECT_EQ(p.at(p.find(p.root(), "list")->items[1]).text, "b");
  const Node* size = p.call_of(*p.find(p.root(), "size"), "torch", "Size");
  ASSERT_TRUE(size);
  EXPECT_EQ(p.at(p.at(size->items[0]).items[1]).integer, 3);
  EXPECT_EQ(p.find(p.root(), "absent"), nullptr);
}

TEST(Pickle, RefusesEveryGlobalThatIsNotExpectedByItsName) {
  EXPECT_TRUE(says(after_protocol("cos\nsystem\n."), "it names \"os.system\""));
  EXPECT_TRUE(says(after_protocol("cbuiltins\neval\nX\4\0\0\0abcd\x85R."), "it names \"builtins.eval\""));
  EXPECT_TRUE(says(after_protocol("\x8c\2os\x8c\6system\x93."), "it names \"os.system\""));
  EXPECT_TRUE(says(after_protocol("ctorch\nload\n."), "it names \"torch.load\""));
  EXPECT_EQ(after_protocol("ctorch\nSize\n."), "accepted");
}

TEST(Pickle, RefusesOperationsThatTorchDoesNotWrite) {
  for (const char op :
       {'i', 'o', 'P', 'p', 'g', 'I', 'L', 'S', 'V', 'F', 'd', 'l', '0', '1', '2', '\x82', '\x92', '\x91', '\x96', '\x97', '\x98'})
    EXPECT_TRUE(says(after_protocol(std::string(1, op) + "(((.."), "is not among those that are read")) << static_cast<int>(op);
  EXPECT_TRUE(says(verdict("\x80\x06N."), "protocol 6"));
}

TEST(Pickle, RefusesWhatPassesItsEnd) {
  for (const std::string& bytes :
       {std::string(), std::string("X\xff\xff\xff\x7f", 5), std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", 9),
        std::string("\x95\xff\0\0\0\0\0\0\0N.", 11), std::string("J\1\2"), std::string("cos"), std::string("G\1\2")})
    EXPECT_TRUE(says(after_protocol(bytes), "this pickle is damaged")) << bytes.size();
  const std::string good("\x80\x02}(X\1\0\0\0aK\1X\1\0\0\0bK\2u.", 22);
  EXPECT_EQ(verdict(good), "accepted");
  for (size_t n = 0; n < good.size(); ++n) EXPECT_NE(verdict(good.substr(0, n)), "accepted") << n;
  EXPECT_TRUE(says(verdict(good + "N."), "2 bytes follow its end"));
}

TEST(Pickle, RefusesIntegersThatAreTooLarge) {
  EXPECT_TRUE(says(after_protocol(std::string("\x8a\x09") + std::string(9, '\1') + "."), "an integer of 9 bytes"));
  EXPECT_TRUE(says(after_protocol(std::string("\x8b\xff\xff\xff\x7f", 5)), "an integer of 2147483647 bytes"));
}

TEST(Pickle, RefusesDeepNesting) {
  EXPECT_TRUE(says(after_protocol(std::string(100000, '(')), "nested more than 64 deep"));
  std::string lists = "]";
  for (int i = 0; i < 100000; ++i) lists += "\x85";
  EXPECT_TRUE(says(after_protocol(lists + "."), "nested more than 64 deep"));
}

// Each list contains the one before it twice: 2^40 values if they were expanded, 41 here.
TEST(Pickle, TakesAMemoBombForTheFewValuesItIs) {
  std::string bomb = "]q";
  bomb += '\0';
  for (int i = 1; i <= 40; ++i) {
    bomb += std::string("](h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "eq" + static_cast<char>(i);
  }
  bomb += std::string(".");
  EXPECT_TRUE(says(after_protocol(bomb), "it ends with 41 values"));
  EXPECT_EQ(after_protocol(std::string("]q\0(h\0h\0e.", 10)), "accepted");  // a list that contains itself
  EXPECT_TRUE(says(after_protocol("h\5."), "value 5 was never remembered"));
}

TEST(Pickle, RefusesStacksThatDoNotFit) {
  for (const char* bytes : {"t.", "a.", "u.", "b.", "R.", "\x81.", "\x87.", "(q\1.", "Na.", "}Nb.", "}(Nu.", "NNR.", "N(.", "."})
    EXPECT_TRUE(says(after_protocol(bytes), "this pickle is damaged")) << bytes;
}

}  // namespace
}  // namespace corral::megatron
