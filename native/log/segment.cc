#include "log/segment.h"

#include <algorithm>
#include <charconv>

#include "core/little_endian.h"
#include "crc32c/crc32c.h"

namespace bedplate::log {
namespace {

constexpr uint32_t kSegmentMagic = 0x534c5042;  // "BPLS"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderCheckedFrom = 8;
constexpr size_t kUuidAt = 48;

constexpr std::string_view kPrefix = "log-";
constexpr std::string_view kPreparedSuffix = ".new";
constexpr size_t kDigits = 16;

}  // namespace

std::array<uint8_t, kSegmentHeaderBytes> EncodeSegmentHeader(const SegmentHeader& header,
                                                             const Uuid& uuid) {
  std::array<uint8_t, kSegmentHeaderBytes> bytes{};
  uint8_t* at = bytes.data();
  StoreU32(at, kSegmentMagic);
  StoreU32(at + 8, kVersion);
  StoreU64(at + 16, header.segment);
  StoreU64(at + 24, header.generation);
  StoreU64(at + 32, header.first_record);
  StoreU64(at + 40, header.size_bytes);
  std::ranges::copy(uuid, at + kUuidAt);
  StoreU32(at + 4, crc32c::Extend(0, Bytes(bytes).subspan(kHeaderCheckedFrom)));
  return bytes;
}

SegmentHeaderKind DecodeSegmentHeader(Bytes bytes, const Uuid& uuid, SegmentHeader* header,
                                      uint32_t* version) {
  if (bytes.size() < kSegmentHeaderBytes) return SegmentHeaderKind::kDamaged;
  const uint8_t* at = bytes.data();
  const Bytes checked = bytes.subspan(kHeaderCheckedFrom, kSegmentHeaderBytes - kHeaderCheckedFrom);
  if (LoadU32(at) != kSegmentMagic || LoadU32(at + 4) != crc32c::Extend(0, checked)) {
    return SegmentHeaderKind::kDamaged;
  }
  const uint32_t found_version = LoadU32(at + 8);
  if (found_version > kVersion) {
    *version = found_version;
    return SegmentHeaderKind::kNewer;
  }
  if (!std::ranges::equal(uuid, bytes.subspan(kUuidAt, uuid.size()))) {
    return SegmentHeaderKind::kForeign;
  }
  const SegmentHeader found = {.segment = LoadU64(at + 16),
                               .generation = LoadU64(at + 24),
                               .first_record = LoadU64(at + 32),
                               .size_bytes = LoadU64(at + 40)};
  const uint64_t largest =
      std::max({found.segment, found.generation, found.first_record, found.size_bytes});
  if (found_version < 1 || found.first_record < 1 || largest >= kNumberBound) {
    return SegmentHeaderKind::kDamaged;
  }
  *header = found;
  return SegmentHeaderKind::kOk;
}

std::string SegmentName(uint64_t segment) {
  const std::string digits = std::to_string(segment);
  std::string name(kPrefix);
  name.append(kDigits - std::min(digits.size(), kDigits), '0');
  return name.append(digits);
}

std::string PreparedName(uint64_t segment) { return SegmentName(segment).append(kPreparedSuffix); }

std::optional<ParsedSegmentName> ParseSegmentName(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const bool is_prepared = name.ends_with(kPreparedSuffix);
  if (is_prepared) name.remove_suffix(kPreparedSuffix.size());
  if (name.size() != kDigits) return std::nullopt;
  uint64_t segment = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), segment);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  if (segment < 1 || segment >= kNumberBound) return std::nullopt;
  return ParsedSegmentName{.segment = segment, .is_prepared = is_prepared};
}

}  // namespace bedplate::log
