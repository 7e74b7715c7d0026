// What of a table is kept in memory while it is read: its filter, its index and its range
// tombstones. The twin is ts/storage/lsm/table.ts.
#ifndef BEDPLATE_LSM_TABLE_META_H_
#define BEDPLATE_LSM_TABLE_META_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bloom/filter.h"
#include "core/bytes.h"
#include "core/status.h"
#include "lsm/block.h"
#include "lsm/fields.h"
#include "lsm/key_head.h"
#include "lsm/mutant.h"
#include "lsm/range_tombstones.h"
#include "lsm/table_format.h"

namespace bedplate::lsm {

// Memory of a fixed size in which what stands behind the two headers in front of a filter's lines
// lies on a cache line.
class TailMemory {
 public:
  explicit TailMemory(size_t size);

  [[nodiscard]] std::span<uint8_t> bytes() const { return {memory_.get() + kShift, size_}; }
  // Forgets all bytes behind the first `size`.
  void Cut(size_t size) { size_ = size; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const;
  };
  static constexpr size_t kShift =
      64 - (kBlockHeaderBytes + bloom::kFilterHeaderBytes) % 64;  // in front of the first byte

  std::unique_ptr<uint8_t[], Free> memory_;
  size_t size_;
};

// Where the data blocks are, by their keys. Never changes; a view of bytes that outlive it.
class BlockIndex {
 public:
  // `payload` may be any bytes. CORRUPTION if it is not the index of `data_bytes` of data.
  static Status Open(Bytes payload, const std::string& path, uint64_t data_bytes,
                     BlockIndex* index);

  [[nodiscard]] uint32_t count() const { return static_cast<uint32_t>(entries_.size()); }
  [[nodiscard]] BlockHandle HandleAt(uint32_t block) const;
  // The first block that may hold a key which is not below `key`; count() if none does. O(log n).
  [[nodiscard]] uint32_t Find(Bytes key) const;
  [[nodiscard]] size_t memory_bytes() const {
    return entries_.capacity() * sizeof(uint32_t) + heads_.capacity() * sizeof(uint64_t);
  }

 private:
  [[nodiscard]] Bytes SeparatorAt(uint32_t block) const;

  Bytes payload_;
  // Bytes that all separators begin with.
  size_t prefix_length_ = 0;
  // Of each block the eight bytes of its separator after the prefix, and where its entry begins in
  // the payload.
  std::vector<uint64_t> heads_;
  std::vector<uint32_t> entries_;
};

// A table that is ready to be searched. Never changes, so any thread may.
class TableMeta {
 public:
  // Takes apart everything of a table behind its data. `tail` holds the bytes of the file from
  // `info.data_bytes` to its end; any bytes are fine. CORRUPTION, INCOMPATIBLE.
  static Status Open(TailMemory tail, const TableInfo& info, const std::string& path,
                     Mutant* mutant, std::shared_ptr<const TableMeta>* meta);

  // It holds everything if the table was made without one.
  [[nodiscard]] const bloom::BloomFilter& filter() const { return filter_; }
  [[nodiscard]] const BlockIndex& index() const { return index_; }
  // With the table's own sequence, if it has one.
  [[nodiscard]] const RangeTombstones& tombstones() const { return tombstones_; }
  // The same for who holds them: they last as long as the answer.
  [[nodiscard]] static std::shared_ptr<const RangeTombstones> TombstonesOf(
      const std::shared_ptr<const TableMeta>& meta) {
    return {meta, &meta->tombstones_};
  }
  // As the table itself says them.
  [[nodiscard]] const TableProperties& properties() const { return properties_; }
  // The start of the checksums of its blocks.
  [[nodiscard]] uint32_t seed() const { return seed_; }
  [[nodiscard]] size_t memory_bytes() const;

 private:
  explicit TableMeta(TailMemory tail) : tail_(std::move(tail)) {}

  TailMemory tail_;
  bloom::BloomFilter filter_;
  BlockIndex index_;
  RangeTombstones tombstones_;
  TableProperties properties_;
  uint32_t seed_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_TABLE_META_H_
