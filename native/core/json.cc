#include "core/json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace bedplate {
namespace {

constexpr int kMaxDepth = 32;
constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kDigits = "0123456789abcdef";

bool IsDigit(char byte) { return byte >= '0' && byte <= '9'; }

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

void AppendUtf8(std::string* text, uint32_t code_point) {
  const auto add = [&](uint32_t byte) { text->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xc0 | code_point >> 6);
    add(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    add(0xe0 | code_point >> 12);
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  } else {
    add(0xf0 | code_point >> 18);
    add(0x80 | (code_point >> 12 & 0x3f));
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  }
}

// Reads a text from its front. Every function says whether it found what it is called for; what is
// left is then what follows.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Object(std::map<std::string, JsonMember>* members, int depth) {
    if (!Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string name;
      JsonMember member;
      if (!SkipSpace() || !String(&name) || !Take(':') || !Value(&member, depth)) return false;
      if (members != nullptr) (*members)[name] = std::move(member);
    } while (Take(','));
    return Take('}');
  }

  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

 private:
  bool Value(JsonMember* member, int depth) {
    SkipSpace();
    if (rest_.empty() || depth > kMaxDepth) return false;
    switch (rest_.front()) {
      case '"':
        member->kind = JsonMember::Kind::kString;
        return String(&member->text);
      case '{':
        return Object(nullptr, depth + 1);
      case '[':
        return Array(depth + 1);
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        member->kind = JsonMember::Kind::kNumber;
        return Number(&member->text);
    }
  }

  bool Array(int depth) {
    if (!Take('[')) return false;
    if (Take(']')) return true;
    do {
      JsonMember ignored;
      if (!Value(&ignored, depth)) return false;
    } while (Take(','));
    return Take(']');
  }

  bool Number(std::string* text) {
    const std::string_view start = rest_;
    if (!rest_.empty() && rest_.front() == '-') rest_.remove_prefix(1);
    const bool starts_with_zero = !rest_.empty() && rest_.front() == '0';
    const size_t whole_digits = Digits();
    if (whole_digits == 0 || (starts_with_zero && whole_digits > 1)) return false;
    if (!rest_.empty() && rest_.front() == '.') {
      rest_.remove_prefix(1);
      if (Digits() == 0) return false;
    }
    if (!rest_.empty() && (rest_.front() == 'e' || rest_.front() == 'E')) {
      rest_.remove_prefix(1);
      if (!rest_.empty() && (rest_.front() == '+' || rest_.front() == '-')) rest_.remove_prefix(1);
      if (Digits() == 0) return false;
    }
    *text = start.substr(0, start.size() - rest_.size());
    return true;
  }

  size_t Digits() {
    size_t count = 0;
    while (count < rest_.size() && IsDigit(rest_[count])) count++;
    rest_.remove_prefix(count);
    return count;
  }

  bool String(std::string* text) {
    if (rest_.empty() || rest_.front() != '"') return false;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char byte = rest_.front();
      rest_.remove_prefix(1);
      if (byte == '"') return true;
      if (static_cast<unsigned char>(byte) < 0x20) return false;
      if (byte != '\\') {
        text->push_back(byte);
      } else if (!Escape(text)) {
        return false;
      }
    }
    return false;
  }

  bool Escape(std::string* text) {
    if (rest_.empty()) return false;
    const char kind = rest_.front();
    rest_.remove_prefix(1);
    if (kind == 'u') return UnicodeEscape(text);
    static constexpr std::string_view kKinds = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const size_t found = kKinds.find(kind);
    if (found == std::string_view::npos) return false;
    text->push_back(kMeanings[found]);
    return true;
  }

  bool UnicodeEscape(std::string* text) {
    uint32_t unit = 0;
    if (!Unit(&unit)) return false;
    if (IsHighSurrogate(unit) && rest_.starts_with("\\u")) {
      const std::string_view before = rest_;
      rest_.remove_prefix(2);
      uint32_t low = 0;
      if (!Unit(&low)) return false;
      if (IsLowSurrogate(low)) {
        AppendUtf8(text, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        return true;
      }
      rest_ = before;
    }
    if (IsHighSurrogate(unit) || IsLowSurrogate(unit)) {
      text->append(kReplacement);  // Half a pair: UTF-8 has no bytes for it.
    } else {
      AppendUtf8(text, unit);
    }
    return true;
  }

  // The four digits of a \u escape.
  bool Unit(uint32_t* unit) {
    if (rest_.size() < 4) return false;
    const char* end = rest_.data() + 4;
    const auto [stop, error] = std::from_chars(rest_.data(), end, *unit, 16);
    if (error != std::errc() || stop != end) return false;
    rest_.remove_prefix(4);
    return true;
  }

  bool Word(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool Take(char byte) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != byte) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool SkipSpace() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::map<std::string, JsonMember>> ParseJsonObject(std::string_view text) {
  std::map<std::string, JsonMember> members;
  Reader reader(text);
  if (!reader.Object(&members, 0) || !reader.AtEnd()) return std::nullopt;
  return members;
}

std::string QuoteJson(std::string_view text) {
  std::string quoted = "\"";
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      quoted += {'\\', byte};
    } else if (value < 0x20) {
      quoted += {'\\', 'u', '0', '0', kDigits[value >> 4], kDigits[value & 0xf]};
    } else {
      quoted += byte;
    }
  }
  quoted += '"';
  return quoted;
}

}  // namespace bedplate
