// Writes a table: versions in order, then the range tombstones. Nothing is synced here. The twin is
// ts/storage/lsm/table-writer.ts, and both make the same bytes of the same versions, as long as
// nothing is packed.
#ifndef BEDPLATE_LSM_TABLE_WRITER_H_
#define BEDPLATE_LSM_TABLE_WRITER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bloom/hash.h"
#include "core/bytes.h"
#include "core/status.h"
#include "lsm/block.h"
#include "lsm/data_block.h"
#include "lsm/entry.h"
#include "lsm/fields.h"
#include "lsm/range_tombstones.h"
#include "lsm/table_format.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// What a table will be known by.
struct TableIdentity {
  uint64_t number = 0;
  TableId id{};  // random
  uint64_t created_at_ms = 0;
};

// One thread.
class TableWriter {
 public:
  // `file` is empty, stays the caller's and outlives the writer.
  TableWriter(vfs::File* file, const TableIdentity& identity, const TableShape& shape);
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  // About the bytes that the data takes so far.
  [[nodiscard]] uint64_t data_bytes() const { return end(); }
  // The key of the last version; empty before the first.
  [[nodiscard]] Bytes last_key() const { return last_key_; }

  // Behind all that were added before (CompareEntries; INTERNAL otherwise). Copies the bytes.
  // Failures are the file's.
  Status Add(const Entry& entry);
  // Writes what is left. `*info` is the table; its `file_bytes` is 0 if it would hold nothing: then
  // nothing was written.
  Status Finish(std::span<const RangeTombstone> tombstones, TableInfo* info);

 private:
  [[nodiscard]] uint64_t end() const { return written_ + waiting_.size(); }
  // `next_key` is what the next block begins with, empty if that is the same key or nothing: else a
  // short separator may stand for the last key.
  Status FinishBlock(Bytes next_key);
  Status Append(BlockType type, Bytes payload, BlockHandle* handle);
  Status WriteWaiting();
  void NoteSequence(uint64_t sequence);
  void SetSpan(std::span<const RangeTombstone> tombstones);

  vfs::File* file_;
  const TableIdentity identity_;
  const TableShape shape_;
  const uint32_t seed_;
  DataBlockBuilder block_;
  FieldWriter index_;
  uint32_t block_count_ = 0;
  std::vector<bloom::Hash64> hashes_;
  // Sealed blocks that are written by one call.
  std::vector<uint8_t> waiting_;
  uint64_t written_ = 0;
  std::vector<uint8_t> last_key_;
  uint64_t last_sequence_ = 0;
  TableProperties properties_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_TABLE_WRITER_H_
