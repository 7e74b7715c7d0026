#include "lsm/operands.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "core/little_endian.h"
#include "lsm/internal_key.h"

namespace bedplate::lsm {
namespace {

// The most digits of a 64-bit integer, with a sign.
constexpr size_t kMaxNumberText = 20;

uint64_t OperandOf(Bytes operand) {
  return operand.size() == kIncrementBytes ? LoadU64(operand.data()) : 0;
}

void StoreNumber(uint64_t number, std::vector<uint8_t>* value) {
  char text[kMaxNumberText];
  const auto [end, error] =
      std::to_chars(text, text + kMaxNumberText, static_cast<int64_t>(number));
  value->assign(text, end);
}

// A key for people: as text if it is plain, else in hex; no more of it than helps.
std::string Shown(Bytes key) {
  constexpr size_t kShownBytes = 64;
  const Bytes shown = key.first(std::min(key.size(), kShownBytes));
  const bool is_plain = std::all_of(shown.begin(), shown.end(),
                                    [](uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
  std::string text = is_plain ? "'" + std::string(AsText(shown)) + "'" : "0x";
  for (size_t i = 0; !is_plain && i < shown.size(); i++) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[shown[i] >> 4];
    text += kDigits[shown[i] & 15];
  }
  return shown.size() < key.size() ? text + "..." : text;
}

Status TooLong(Bytes key, size_t bytes) {
  return Status::Error(ErrorCode::kInvalidInput,
                       "the value of key " + Shown(UserKey(key)) + " would have " +
                           std::to_string(bytes) + " bytes after its appends; it may have " +
                           std::to_string(kMaxValueBytes),
                       "put a shorter value or delete the key");
}

Status MixedOperands(Bytes key) {
  return Status::Error(ErrorCode::kInvalidInput,
                       "one commit both increments and appends to key " + Shown(UserKey(key)) +
                           " without a value that it knows",
                       "put the value in the same commit, or use two commits");
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

Status ApplyOperand(Bytes key, EntryKind kind, Bytes operand, std::vector<uint8_t>* value) {
  if (kind == EntryKind::kIncrement) {
    StoreNumber(static_cast<uint64_t>(NumberOf(*value)) + OperandOf(operand), value);
    return Status::Ok();
  }
  const size_t length = value->size() + operand.size();
  if (length > kMaxValueBytes) return TooLong(key, length);
  value->insert(value->end(), operand.begin(), operand.end());
  return Status::Ok();
}

Status FoldWithinCommit(const Entry& newer, EntryKind* kind, std::vector<uint8_t>* value) {
  if (!IsOperand(newer.kind)) {
    *kind = newer.kind;
    value->assign(newer.value.begin(), newer.value.end());
    return Status::Ok();
  }
  if (!IsOperand(*kind)) {
    if (*kind == EntryKind::kDelete) value->clear();
    if (Status status = ApplyOperand(newer.key, newer.kind, newer.value, value); !status.ok()) {
      return status;
    }
    *kind = EntryKind::kPut;
    return Status::Ok();
  }
  if (*kind != newer.kind) return MixedOperands(newer.key);
  if (newer.kind == EntryKind::kAppend) {
    return ApplyOperand(newer.key, newer.kind, newer.value, value);
  }
  const uint64_t sum = OperandOf(*value) + OperandOf(newer.value);
  value->resize(kIncrementBytes);
  StoreU64(value->data(), sum);
  return Status::Ok();
}

}  // namespace bedplate::lsm
