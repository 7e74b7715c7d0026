// The JSON of small files of our own: one object whose members are strings and numbers.
#ifndef BEDPLATE_CORE_JSON_H_
#define BEDPLATE_CORE_JSON_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bedplate {

// A member of a JSON object.
struct JsonMember {
  enum class Kind { kString, kNumber, kOther };
  Kind kind = Kind::kOther;
  // The string, decoded to UTF-8, or the digits of the number; empty for everything else.
  std::string text;

  bool operator==(const JsonMember&) const = default;
};

// The members of the object that `text` is; nothing if it is no JSON, or no object. Of members with
// one name the last counts. Whatever is nested in arrays and objects is checked and left out.
[[nodiscard]] std::optional<std::map<std::string, JsonMember>> ParseJsonObject(
    std::string_view text);

// `text`, which is UTF-8, as a JSON string with its quotes.
[[nodiscard]] std::string QuoteJson(std::string_view text);

}  // namespace bedplate

#endif  // BEDPLATE_CORE_JSON_H_
