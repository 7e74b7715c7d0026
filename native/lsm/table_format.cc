#include "lsm/table_format.h"

#include <algorithm>
#include <charconv>

#include "core/compare.h"
#include "core/little_endian.h"
#include "crc32c/crc32c.h"

namespace bedplate::lsm {
namespace {

constexpr uint32_t kTableMagic = 0x54535042;  // "BPST"
constexpr size_t kHandlesAt = 32;
constexpr size_t kHandleBytes = 16;
constexpr size_t kFileBytesAt = 96;
constexpr size_t kLeastDigits = 6;
constexpr size_t kMostDigits = 15;
constexpr std::string_view kTableSuffix = ".sst";

std::vector<uint8_t> CopyOf(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

const TableRef* TableFor(const Run& run, Bytes key) {
  const auto found = std::partition_point(run.begin(), run.end(), [&](const TableRef& table) {
    return CompareBytes(table->end, key) <= 0;
  });
  return found != run.end() && CompareBytes((*found)->start, key) <= 0 ? &*found : nullptr;
}

std::string TableName(uint64_t number) {
  const std::string digits = std::to_string(number);
  const size_t zeros = kLeastDigits - std::min(digits.size(), kLeastDigits);
  return std::string(zeros, '0').append(digits).append(kTableSuffix);
}

bool ParseTableName(std::string_view name, uint64_t* number) {
  if (!name.ends_with(kTableSuffix)) return false;
  const std::string_view digits = name.substr(0, name.size() - kTableSuffix.size());
  if (digits.size() < kLeastDigits || digits.size() > kMostDigits) return false;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, *number);
  return error == std::errc() && stop == end;
}

void WriteProperties(const TableProperties& properties, FieldWriter* fields) {
  fields->Sized(properties.start);
  fields->Sized(properties.end);
  fields->U48(properties.entry_count);
  fields->U48(properties.tombstone_count);
  fields->U32(properties.range_tombstone_count);
  fields->U48(properties.min_sequence);
  fields->U48(properties.max_sequence);
  fields->U48(properties.content_bytes);
  fields->U48(properties.created_at_ms);
}

void ReadProperties(FieldReader* fields, TableProperties* properties) {
  properties->start = CopyOf(fields->Sized());
  properties->end = CopyOf(fields->Sized());
  properties->entry_count = fields->U48();
  properties->tombstone_count = fields->U48();
  properties->range_tombstone_count = fields->U32();
  properties->min_sequence = fields->U48();
  properties->max_sequence = fields->U48();
  properties->content_bytes = fields->U48();
  properties->created_at_ms = fields->U48();
  const size_t longest = std::max(properties->start.size(), properties->end.size());
  if (longest > kMaxBoundBytes) {
    fields->Fail("a bound of " + std::to_string(longest) + " bytes");
  }
}

std::array<uint8_t, kFooterBytes> EncodeFooter(const Footer& footer) {
  std::array<uint8_t, kFooterBytes> bytes{};
  StoreU32(bytes.data() + 4, kTableMagic);
  StoreU32(bytes.data() + 8, kTableVersion);
  std::copy(footer.id.begin(), footer.id.end(), bytes.begin() + 16);
  uint8_t* at = bytes.data() + kHandlesAt;
  for (const auto& handle : {footer.filter, footer.index, footer.tombstones, footer.properties}) {
    StoreU64(at, handle.offset);
    StoreU32(at + 8, handle.length);
    at += kHandleBytes;
  }
  StoreU64(bytes.data() + kFileBytesAt, footer.file_bytes);
  StoreU32(bytes.data(), crc32c::Extend(0, Bytes(bytes).subspan(4)));
  return bytes;
}

Status DecodeFooter(Bytes bytes, const std::string& path, uint64_t file_bytes, Footer* footer) {
  const auto broken = [&](const std::string& problem) {
    const uint64_t offset = file_bytes < kFooterBytes ? 0 : file_bytes - kFooterBytes;
    return Status::Error(
        ErrorCode::kCorruption,
        path + ": the footer at offset " + std::to_string(offset) + " is damaged: " + problem,
        "restore a backup");
  };
  if (bytes.size() != kFooterBytes || file_bytes < kFooterBytes) {
    return broken("it ends too early");
  }
  if (LoadU32(bytes.data() + 4) != kTableMagic) return broken("it does not say BPST");
  if (LoadU32(bytes.data()) != crc32c::Extend(0, bytes.subspan(4))) {
    return broken("its checksum does not match");
  }
  const uint32_t version = LoadU32(bytes.data() + 8);
  if (version != kTableVersion) {
    return Status::Error(ErrorCode::kIncompatible,
                         path + " is a table of version " + std::to_string(version) +
                             "; this bedplate reads " + std::to_string(kTableVersion),
                         "update bedplate");
  }
  Footer decoded;
  const uint8_t* at = bytes.data() + kHandlesAt;
  for (BlockHandle* handle :
       {&decoded.filter, &decoded.index, &decoded.tombstones, &decoded.properties}) {
    *handle = {LoadU64(at), LoadU32(at + 8)};
    const uint64_t end = file_bytes - kFooterBytes;
    if (handle->offset > end || handle->length > end - handle->offset) {
      return broken("it leads outside the file");
    }
    at += kHandleBytes;
  }
  decoded.file_bytes = LoadU64(bytes.data() + kFileBytesAt);
  if (decoded.file_bytes != file_bytes) {
    return broken("it is of a file of " + std::to_string(decoded.file_bytes) + " bytes, not " +
                  std::to_string(file_bytes));
  }
  std::copy_n(bytes.begin() + 16, kTableIdBytes, decoded.id.begin());
  *footer = decoded;
  return Status::Ok();
}

}  // namespace bedplate::lsm
