#include "core/json.h"

#include <gtest/gtest.h>

#include <string>

namespace bedplate {
namespace {

using Kind = JsonMember::Kind;

std::string TextOf(std::string_view json, const std::string& name) {
  const auto members = ParseJsonObject(json);
  if (!members.has_value() || !members->contains(name)) return "(none)";
  return members->at(name).text;
}

TEST(JsonTest, ReadsStringsAndNumbersAndLeavesOutTheRest) {
  const auto members = ParseJsonObject(
      " { \"a\" : \"text\" , \"b\":-12.5e+3, "
      "\"c\":null,\"d\":[1,{\"a\":2},[]],\"e\":{},\"f\":true}\n");
  ASSERT_TRUE(members.has_value());
  EXPECT_EQ(members->size(), 6u);
  EXPECT_EQ(members->at("a").kind, Kind::kString);
  EXPECT_EQ(members->at("a").text, "text");
  EXPECT_EQ(members->at("b").kind, Kind::kNumber);
  EXPECT_EQ(members->at("b").text, "-12.5e+3");
  for (const char* name : {"c", "d", "e", "f"}) {
    EXPECT_EQ(members->at(name).kind, Kind::kOther) << name;
    EXPECT_EQ(members->at(name).text, "") << name;
  }
}

TEST(JsonTest, ReadsNoMembersAndTheLastOfOneName) {
  EXPECT_EQ(ParseJsonObject(" {} "), (std::map<std::string, JsonMember>{}));
  EXPECT_EQ(TextOf(R"({"a":1,"a":2})", "a"), "2");
}

TEST(JsonTest, DecodesEscapes) {
  EXPECT_EQ(TextOf(R"({"a":"\"\\\/\b\f\n\r\t"})", "a"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(TextOf(R"({"a":"\u0041\u00e9\u20AC\ud83d\ude00"})", "a"), "A\u00e9\u20ac\U0001f600");
  EXPECT_EQ(TextOf(R"({"a":"\ud83d\u0041 \ude00"})", "a"), "\ufffdA \ufffd");
}

TEST(JsonTest, RefusesWhatIsNone) {
  for (const char* text : {"",
                           " ",
                           "null",
                           "[]",
                           "1",
                           "\"a\"",
                           "{",
                           "}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":1}}",
                           "{\"a\":1} x",
                           "{\"a\":01}",
                           "{\"a\":-}",
                           "{\"a\":1.}",
                           "{\"a\":1e}",
                           "{\"a\":.5}",
                           "{\"a\":tru}",
                           "{\"a\":[1,]}",
                           "{\"a\":[1}",
                           "{\"a\":\"",
                           "{\"a\":\"\\",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\u12G4\"}",
                           "{\"a\":\"\\ud83d\\u\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":1 \"b\":2}"}) {
    EXPECT_FALSE(ParseJsonObject(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseJsonObject(std::string_view("\0\0\0\0", 4)).has_value());
}

TEST(JsonTest, RefusesToFollowAnyDepth) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(ParseJsonObject("{\"a\":" + deep).has_value());
}

TEST(JsonTest, QuotesWhatItCanReadBack) {
  const std::string text("a\"b\\c\n\x01\xc3\xa9", 9);
  EXPECT_EQ(QuoteJson(text), "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"");
  EXPECT_EQ(TextOf("{\"a\":" + QuoteJson(text) + "}", "a"), text);
}

}  // namespace
}  // namespace bedplate
