// A table is a file that is written once: data blocks | filter | index | range tombstones |
// properties | footer. To the byte: docs/formats/lsm.md; the twin is
// ts/storage/lsm/table-format.ts. The footer is the last thing of the file:
//
//    0   4  checksum     CRC-32C of bytes 4 to 127
//    4   4  magic        "BPST"
//    8   4  version      1
//   12   4               0
//   16  16  id           random: in the checksum of every block
//   32  16  filter       offset u64 | length u32 | 0 u32; length 0: there is none
//   48  16  index
//   64  16  tombstones
//   80  16  properties
//   96   8  fileBytes    the size of the file
//  104  24               0
#ifndef BEDPLATE_LSM_TABLE_FORMAT_H_
#define BEDPLATE_LSM_TABLE_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/block.h"
#include "lsm/fields.h"
#include "lsm/internal_key.h"

namespace bedplate::lsm {

inline constexpr size_t kFooterBytes = 128;
inline constexpr uint32_t kTableVersion = 1;

// How tables are made; the store keeps it.
struct TableShape {
  // A data block is full once it has so many bytes; kMinBlockBytes to kMaxBlockBytes.
  uint32_t block_bytes = 8192;
  // Bits of the Bloom filter for each key; 0: no filter.
  uint8_t bits_per_key = 10;
  // What new data blocks are packed with.
  Compression compression = Compression::kNone;
};

// What a table says about itself, in its properties and in the manifest.
struct TableProperties {
  // The keys that it holds or deletes lie from `start` up to and without `end`.
  std::vector<uint8_t> start;
  std::vector<uint8_t> end;
  // Versions; deletions among them; range tombstones.
  uint64_t entry_count = 0;
  uint64_t tombstone_count = 0;
  uint32_t range_tombstone_count = 0;
  uint64_t min_sequence = 0;
  uint64_t max_sequence = 0;
  // Bytes of keys and values.
  uint64_t content_bytes = 0;
  // Milliseconds since 1970, by the clock of its maker.
  uint64_t created_at_ms = 0;
};

// A table as the manifest names it. Never changes once readers know it.
struct TableInfo : TableProperties {
  // In its name, and never given again.
  uint64_t number = 0;
  TableId id{};
  uint64_t file_bytes = 0;
  // The data blocks end, and all else begins.
  uint64_t data_bytes = 0;
  // Not 0: the table was ingested, and all that is in it counts as having this sequence.
  uint64_t sequence = 0;

  [[nodiscard]] KeySpan span() const { return {start, end}; }
  [[nodiscard]] uint64_t least_sequence() const { return sequence == 0 ? min_sequence : sequence; }
  [[nodiscard]] uint64_t greatest_sequence() const {
    return sequence == 0 ? max_sequence : sequence;
  }
};

using TableRef = std::shared_ptr<const TableInfo>;
// Tables behind each other in the order of their keys, without a shared one.
using Run = std::vector<TableRef>;

// The one table of a run that could hold `key`; null if there is none. O(log n).
[[nodiscard]] const TableRef* TableFor(const Run& run, Bytes key);

// The parts of a table behind its data.
struct Footer {
  TableId id{};
  BlockHandle filter;
  BlockHandle index;
  BlockHandle tombstones;
  BlockHandle properties;
  uint64_t file_bytes = 0;
};

// The name of a table's file: "000042.sst".
[[nodiscard]] std::string TableName(uint64_t number);
// The number in such a name; false if it is none.
[[nodiscard]] bool ParseTableName(std::string_view name, uint64_t* number);

void WriteProperties(const TableProperties& properties, FieldWriter* fields);
// What is wrong shows in the reader's status.
void ReadProperties(FieldReader* fields, TableProperties* properties);

[[nodiscard]] std::array<uint8_t, kFooterBytes> EncodeFooter(const Footer& footer);
// Reads a footer; any bytes are fine. `path` and `file_bytes` are of its file. CORRUPTION, or
// INCOMPATIBLE if a later version wrote it.
Status DecodeFooter(Bytes bytes, const std::string& path, uint64_t file_bytes, Footer* footer);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_TABLE_FORMAT_H_
