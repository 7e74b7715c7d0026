// The payload of a data block: versions in order, found by binary search. The twin is
// ts/storage/lsm/data-block.ts, and both make the same bytes of the same versions.
//
//   0  2  count         versions, at least 1
//   2  2  prefixLength  bytes that all keys begin with
//   4  4                0
//   8  4 x count  heads    of each key the four bytes after the prefix, big-endian and zero padded,
//                          stored as u32
//      2 x count  offsets  where its entry begins, from the first one on
//      prefixLength        the prefix
//      entries             suffixLength u16 | kind u8 | sequence u48 | valueLength u32 | suffix |
//      value
//
// Suffixes are whole, not deltas: a search decodes the one entry that it finds.
#ifndef BEDPLATE_LSM_DATA_BLOCK_H_
#define BEDPLATE_LSM_DATA_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/entry.h"

namespace bedplate::lsm {

inline constexpr uint32_t kMinBlockBytes = 256;
// The most bytes a block may be made to gather, so that all its offsets can be written.
inline constexpr uint32_t kMaxBlockBytes = 32768;

// Gathers versions into a block. One thread.
class DataBlockBuilder {
 public:
  // A block is full once it has `target_bytes`, before its common prefix is taken out.
  explicit DataBlockBuilder(uint32_t target_bytes) : target_bytes_(target_bytes) {}

  [[nodiscard]] bool is_empty() const { return entries_.empty(); }
  [[nodiscard]] bool is_full() const;
  // The key of the last version; until the next `Finish`.
  [[nodiscard]] Bytes last_key() const;

  // Behind all that were added before. Copies the bytes.
  void Add(const Entry& entry);
  // The payload, until the next call; the builder is empty again.
  [[nodiscard]] Bytes Finish();

 private:
  struct Slot {
    size_t key_at;
    uint32_t key_length;
    uint32_t value_length;
    uint64_t sequence;
    EntryKind kind;
  };

  const uint32_t target_bytes_;
  std::vector<Slot> entries_;
  // Keys and values, as they came.
  std::vector<uint8_t> content_;
  size_t size_ = 0;
  std::vector<uint8_t> payload_;
};

// A data block to be searched: never changes, so any thread may. It owns its bytes.
class DataBlock {
 public:
  // The key of an entry is put together here; it is the view in Entry::key until the next use.
  using KeyBuffer = std::vector<uint8_t>;

  // `payload` lies in `memory`; any bytes are fine. `path` and `offset` are its file and place, for
  // the text of errors. CORRUPTION if its arrays do not fit into it.
  static Status Open(std::vector<uint8_t> memory, Bytes payload, const std::string& path,
                     uint64_t offset, std::shared_ptr<const DataBlock>* block);

  [[nodiscard]] uint32_t count() const { return count_; }
  // The memory it takes.
  [[nodiscard]] size_t memory_bytes() const { return memory_.capacity() + sizeof *this; }

  // The entry at `index`, below count(). Its value is a view of the block. CORRUPTION if it leads
  // outside the block or is of no known kind.
  Status EntryAt(uint32_t index, KeyBuffer* key, Entry* entry) const;
  // The same without putting a key together: `*is_of` says whether the entry is of `key`, which its
  // key is then.
  Status EntryOf(uint32_t index, Bytes key, bool* is_of, Entry* entry) const;
  // The first index at or behind the versions of `key` that are not newer than `sequence`; count()
  // if there is none. With no sequence, the first one whose key is not below `key`.
  Status Search(Bytes key, uint64_t sequence, uint32_t* index) const;
  Status Search(Bytes key, uint32_t* index) const { return Search(key, kNoSequence, index); }
  // Asks the processor for what a search looks at first.
  void Prefetch() const;

 private:
  static constexpr uint64_t kNoSequence = UINT64_MAX;

  DataBlock(std::vector<uint8_t> memory, Bytes payload, std::string path, uint64_t offset)
      : memory_(std::move(memory)), bytes_(payload), path_(std::move(path)), offset_(offset) {}

  Status Decode(uint32_t index, Bytes* suffix, Entry* entry) const;
  // Where the entry begins; CORRUPTION if that is outside.
  Status Locate(uint32_t index, size_t* at) const;
  Status IsBefore(uint32_t index, uint32_t head, Bytes suffix, uint64_t sequence,
                  bool* is_before) const;
  [[nodiscard]] Bytes prefix() const {
    return bytes_.subspan(prefix_at_, entries_at_ - prefix_at_);
  }
  [[nodiscard]] Status Broken(const std::string& problem) const;

  const std::vector<uint8_t> memory_;
  const Bytes bytes_;
  const std::string path_;
  const uint64_t offset_;
  uint32_t count_ = 0;
  size_t prefix_at_ = 0;
  size_t entries_at_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_DATA_BLOCK_H_
