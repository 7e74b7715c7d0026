#include "lsm/operands.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "core/json.h"
#include "core/little_endian.h"
#include "lsm/internal_key.h"

namespace bedplate::lsm {
namespace {

// The most digits of a 64-bit integer, with a sign.
constexpr size_t kMaxNumberText = 20;
// Of a key in the text of an error.
constexpr size_t kShownKeyBytes = 60;

uint64_t OperandOf(Bytes operand) {
  return operand.size() == kIncrementBytes ? LoadU64(operand.data()) : 0;
}

void StoreNumber(uint64_t number, std::vector<uint8_t>* value) {
  char text[kMaxNumberText];
  const auto [end, error] =
      std::to_chars(text, text + kMaxNumberText, static_cast<int64_t>(number));
  value->assign(text, end);
}

}  // namespace

int64_t NumberOf(Bytes base) {
  // /^-?(0|[1-9][0-9]*)$/: no plus and no leading zeros.
  if (base.empty() || base.size() > kMaxNumberText) return 0;
  const std::string_view text = AsText(base);
  const std::string_view digits = text.front() == '-' ? text.substr(1) : text;
  if (digits.size() > 1 && digits.front() == '0') return 0;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

bool ApplyOperands(std::span<const Operand> operands, std::vector<uint8_t>* value) {
  // As long as it would be. What is longer than any value is no number either.
  size_t length = value->size();
  for (const auto& [kind, bytes] : operands) {
    if (kind == EntryKind::kIncrement) {
      const int64_t base = length > kMaxValueBytes ? 0 : NumberOf(*value);
      StoreNumber(static_cast<uint64_t>(base) + OperandOf(bytes), value);
      length = value->size();
      continue;
    }
    length += bytes.size();
    if (length <= kMaxValueBytes) value->insert(value->end(), bytes.begin(), bytes.end());
  }
  return length <= kMaxValueBytes;
}

Status TooLong(Bytes key) {
  const Bytes name = UserKey(key);
  return Status::Error(ErrorCode::kInvalidInput,
                       "appends made the value of key " +
                           QuoteJson(AsText(name.first(std::min(name.size(), kShownKeyBytes)))) +
                           " longer than " + std::to_string(kMaxValueBytes) + " bytes",
                       "put or delete the key; other keys can be read");
}

Status FoldWithinCommit(const Entry& newer, EntryKind* kind, std::vector<uint8_t>* value) {
  if (!IsOperand(newer.kind)) {
    *kind = newer.kind;
    value->assign(newer.value.begin(), newer.value.end());
    return Status::Ok();
  }
  if (!IsOperand(*kind)) {
    if (*kind == EntryKind::kDelete) value->clear();
    *kind = EntryKind::kPut;
    const Operand operand{newer.kind, {newer.value.begin(), newer.value.end()}};
    if (ApplyOperands({&operand, 1}, value)) return Status::Ok();
    return Status::Error(ErrorCode::kCorruption, "a log record makes a value that is too long");
  }
  if (*kind != newer.kind) {
    return Status::Error(ErrorCode::kCorruption,
                         "a log record increments a key and appends to it, blindly");
  }
  if (newer.kind == EntryKind::kAppend) {
    value->insert(value->end(), newer.value.begin(), newer.value.end());
    return Status::Ok();
  }
  const uint64_t sum = OperandOf(*value) + OperandOf(newer.value);
  value->resize(kIncrementBytes);
  StoreU64(value->data(), sum);
  return Status::Ok();
}

}  // namespace bedplate::lsm
