#include "bloom/filter.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/little_endian.h"

namespace bedplate::bloom {
namespace {

constexpr uint32_t kMagic = 0x46425042;  // "BPBF"
constexpr uint8_t kVersion = 1;
// 128 MiB; up to here a line is chosen exactly in the 53 bits of a number of JavaScript.
constexpr uint32_t kMaxLines = uint32_t{1} << 21;
constexpr uint32_t kMaxProbes = 16;

// How many bits to set for a key: the textbook's ln 2 per bit, rounded down since lines are not all
// equally full.
uint32_t ProbesFor(uint32_t bits_per_key) {
  const auto probes = static_cast<uint32_t>(std::floor(bits_per_key * std::numbers::ln2));
  return std::clamp<uint32_t>(probes, 1, kMaxProbes);
}

Status Broken(const std::string& where, const std::string& problem) {
  return Status::Error(ErrorCode::kCorruption, where + ": the Bloom filter is broken: " + problem);
}

}  // namespace

std::vector<uint8_t> BuildFilter(std::span<const Hash64> hashes, uint32_t bits_per_key) {
  constexpr uint64_t kBitsPerLine = 8 * BloomFilter::kLineBytes;
  const uint64_t wanted =
      (hashes.size() * uint64_t{bits_per_key} + kBitsPerLine - 1) / kBitsPerLine;
  const auto line_count = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 1, kMaxLines));
  const uint32_t probes = ProbesFor(bits_per_key);
  std::vector<uint8_t> bytes(kFilterHeaderBytes + BloomFilter::kLineBytes * line_count);
  StoreU32(bytes.data(), kMagic);
  StoreU32(bytes.data() + 4, line_count);
  bytes[8] = static_cast<uint8_t>(probes);
  bytes[9] = kVersion;
  uint8_t* lines = bytes.data() + kFilterHeaderBytes;
  for (const Hash64& hash : hashes) {
    uint8_t* line = lines + BloomFilter::LineStart(hash.high, line_count);
    uint32_t bits = hash.low;
    for (uint32_t probe = 0; probe < probes; probe++) {
      line[bits >> 26] = static_cast<uint8_t>(line[bits >> 26] | 1U << (bits >> 23 & 7));
      bits *= BloomFilter::kGoldenRatio;
    }
  }
  return bytes;
}

Status BloomFilter::Open(Bytes bytes, const std::string& where, BloomFilter* filter) {
  if (bytes.size() < kFilterHeaderBytes) {
    return Broken(where, "it has " + std::to_string(bytes.size()) + " bytes");
  }
  if (LoadU32(bytes.data()) != kMagic) return Broken(where, "it does not begin with BPBF");
  const uint8_t version = bytes[9];
  if (version > kVersion) {
    return Status::Error(ErrorCode::kIncompatible,
                         where + ": a Bloom filter of version " + std::to_string(version),
                         "update bedplate");
  }
  const uint32_t line_count = LoadU32(bytes.data() + 4);
  const uint32_t probes = bytes[8];
  if (line_count < 1 || line_count > kMaxLines ||
      bytes.size() != kFilterHeaderBytes + kLineBytes * line_count) {
    return Broken(where, std::to_string(line_count) + " lines do not make " +
                             std::to_string(bytes.size()) + " bytes");
  }
  if (probes < 1 || probes > kMaxProbes) {
    return Broken(where, std::to_string(probes) + " bits a key");
  }
  filter->lines_ = bytes.data() + kFilterHeaderBytes;
  filter->line_count_ = line_count;
  filter->probes_ = probes;
  return Status::Ok();
}

}  // namespace bedplate::bloom
