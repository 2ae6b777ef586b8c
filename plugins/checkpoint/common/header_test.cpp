// Headers that must be refused, each with its message.
#include <gtest/gtest.h>

#include <cstring>

#include "corral/error.h"
#include "plugins/checkpoint/common/safetensors_header.h"

namespace corral::safetensors {
namespace {

struct Bad {
  const char* what;
  std::string json;
  uint64_t data_size;
  const char* message;
};

class BadHeader : public testing::TestWithParam<Bad> {};

TEST_P(BadHeader, IsRefusedWithFileAndTensor) {
  const Bad& bad = GetParam();
  try {
    parse_header(bad.json, 8 + bad.json.size() + bad.data_size, "a.safetensors");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    EXPECT_EQ(std::string(e.what()).rfind("a.safetensors: ", 0), 0u) << e.what();
    EXPECT_NE(std::string(e.what()).find(bad.message), std::string::npos) << e.what();
  }
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets, const std::string& name = "w") {
  return "{\"" + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

std::string two(const std::string& a, const std::string& b) {
  return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a + R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadHeader,
    testing::Values(
        Bad{"Empty", "", 0, "does not begin with"}, Bad{"List", "[]", 0, "does not begin with"},
        Bad{"CutOffJson", "{\"w\":{\"dtype\":\"F32\"", 0, "header is not JSON at its byte"},
        Bad{"TextAfterTheObject", "{}x", 0, "header is not JSON"}, Bad{"InvalidUtf8", "{\"\xff\":{}}", 0, "header is not JSON"},
        Bad{"TensorIsAList", "{\"w\":[1]}", 0, "tensor \"w\" is a list, expected an object"},
        Bad{"TensorIsANumber", "{\"w\":1}", 0, "tensor \"w\" is a number, expected an object"},
        Bad{"TensorIsNull", "{\"w\":null}", 0, "tensor \"w\" is null"},
        Bad{"Deep", "{\"w\":{\"shape\":" + std::string(100000, '['), 0, "shape contains a list, expected a list of sizes"},
        Bad{"DeepObjects", "{\"w\":{\"dtype\":{\"a\":1}}}", 0, "dtype contains an object, expected a string"},
        Bad{"UnknownType", one("\"F33\"", "[1]", "[0,4]"), 4, "tensor \"w\": dtype \"F33\": expected one of BOOL, F4, U8"},
        Bad{"TypeIsANumber", one("1", "[1]", "[0,4]"), 4, "tensor \"w\": dtype contains a number"},
        Bad{"NoType", R"({"w":{"shape":[1],"data_offsets":[0,4]}})", 4, "tensor \"w\": dtype is missing"},
        Bad{"NoShape", R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4, "tensor \"w\": shape is missing"},
        Bad{"NoOffsets", R"({"w":{"dtype":"F32","shape":[1]}})", 4, "tensor \"w\": data_offsets is missing"},
        Bad{"UnknownKey", R"({"w":{"dtype":"F32","stride":[1]}})", 4, "tensor \"w\": unknown key \"stride\""},
        Bad{"TypeTwice", R"({"w":{"dtype":"F32","dtype":"F32"}})", 4, "tensor \"w\": dtype appears twice"},
        Bad{"NameTwice", R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
            "tensor \"w\" appears twice"},
        Bad{"EmptyName", one("\"U8\"", "[1]", "[0,1]", ""), 1, "empty name"},
        Bad{"NegativeSize", one("\"F32\"", "[-1]", "[0,4]"), 4, "tensor \"w\": shape contains -1"},
        Bad{"FractionalSize", one("\"F32\"", "[1.5]", "[0,4]"), 4, "tensor \"w\": shape contains the number 1.5"},
        Bad{"HugeSize", one("\"F32\"", "[9223372036854775808]", "[0,4]"), 4, "tensor \"w\": shape contains a size of 9223372036854775808"},
        Bad{"ProductOverflows", one("\"F32\"", "[4294967296,4294967296,4]", "[0,0]"), 0, "tensor \"w\": its shape has more elements"},
        Bad{"BytesOverflow", one("\"F64\"", "[4611686018427387904]", "[0,0]"), 0, "tensor \"w\": its shape has more elements"},
        Bad{"EmptyButOverflows", one("\"F32\"", "[0,9223372036854775807,9]", "[0,0]"), 0, "tensor \"w\": its shape has more elements"},
        Bad{"HalfAByte", one("\"F4\"", "[3]", "[0,1]"), 1, "not a whole number of bytes"},
        Bad{"ManyAxes",
            one(
                "\"U8\"",
                "[1" +
                    [] {
                      std::string s;
                      for (int i = 0; i < 80; ++i) s += ",1";
                      return s;
                    }() +
                    "]",
                "[0,1]"),
            1, "more than 64 axes"},
        Bad{"OneOffset", one("\"F32\"", "[1]", "[0]"), 4, "data_offsets has 1 numbers, expected 2"},
        Bad{"ThreeOffsets", one("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets has 3 numbers, expected 2"},
        Bad{"NegativeOffset", one("\"F32\"", "[1]", "[-4,0]"), 4, "data_offsets contains -4"},
        Bad{"OffsetsBackwards", one("\"F32\"", "[1]", "[4,0]"), 4, "data_offsets [4, 0] end before they begin"},
        Bad{"SpanIsNoSize", one("\"F32\"", "[1]", "[0,8]"), 8, "span 8 bytes, but its shape takes 4 in F32"},
        Bad{"BeyondTheFile", one("\"F32\"", "[2]", "[0,8]"), 7, "tensor \"w\" ends at byte 8 of the data, but the file has only 7"},
        Bad{"BytesAfterTheLast", one("\"F32\"", "[1]", "[0,4]"), 5, "1 bytes after the last tensor belong to no tensor"},
        Bad{"GapAtTheStart", one("\"F32\"", "[1]", "[4,8]"), 8, "4 bytes before tensor \"w\" belong to no tensor"},
        Bad{"GapBetween", two("[0,4]", "[5,9]"), 9, "1 bytes before tensor \"b\" belong to no tensor"},
        Bad{"Overlap", two("[0,4]", "[3,7]"), 7, "tensor \"b\" begins at byte 3 inside tensor \"a\""},
        Bad{"SamePlace", two("[0,4]", "[0,4]"), 4, "inside tensor"},
        Bad{"MetadataIsANumber", R"({"__metadata__":1})", 0, "tensor \"__metadata__\" is a number"},
        Bad{"MetadataHoldsANumber", R"({"__metadata__":{"a":1}})", 0, "__metadata__ contains a number, expected only strings"},
        Bad{"ControlCharacters", one("\"U8\"", "[1]", "[0,2]", "a\\u001b[2J"), 2, "tensor \"a\\x1b[2J\""}),
    [](const auto& test) { return test.param.what; });

std::string first_bytes(uint64_t length) { return std::string(reinterpret_cast<const char*>(&length), 8); }

TEST(HeaderLength, IsCheckedAgainstTheFile) {
  EXPECT_EQ(header_length(first_bytes(92), 100, "a"), 92u);
  const auto message = [](std::string_view bytes, uint64_t size) -> std::string {
    try {
      header_length(bytes, size, "a");
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_EQ(message(first_bytes(93), 100), "a: header length 93, but the file has only 92 bytes after it: it is cut off, copy it again");
  EXPECT_NE(message(first_bytes(UINT64_MAX), 100).find("header length 18446744073709551615: expected at most 100000000"),
            std::string::npos);
  EXPECT_NE(message("abc", 3).find("3 bytes are not a safetensors file"), std::string::npos);
}

TEST(Header, TakesEmptyTensorsScalarsAndMetadata) {
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )";
  const SafetensorsHeader header = parse_header(json, 8 + json.size() + 4, "a");
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "e");
  EXPECT_EQ(header.tensors[1].end, 4u);
  EXPECT_EQ(header.data_start, 8 + json.size());
}

TEST(Header, WritesWhatItReads) {
  SafetensorsHeader header;
  header.tensors = {
      {"odd", element_type("U8"), {3}, 0, 0}, {"z\"\n", element_type("BF16"), {2, 2}, 0, 0}, {"a", element_type("F32"), {}, 0, 0}};
  const std::string head = make_header(header);
  EXPECT_EQ(head.size() % 8, 0u);
  const SafetensorsHeader back = parse_header(std::string_view(head).substr(8), head.size() + 15, "a");
  ASSERT_EQ(back.tensors.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.tensors[i].name, header.tensors[i].name);
    EXPECT_EQ(back.tensors[i].begin, header.tensors[i].begin);
    EXPECT_EQ(back.tensors[i].shape, header.tensors[i].shape);
  }
  EXPECT_EQ(back.tensors[0].name, "a");  // the widest type comes first
}

}  // namespace
}  // namespace corral::safetensors
