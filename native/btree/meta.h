// The two meta blocks of the data file: docs/formats/btree.md. The twin is
// ts/storage/btree/meta.ts.
#ifndef BEDPLATE_BTREE_META_H_
#define BEDPLATE_BTREE_META_H_

#include <array>
#include <cstdint>

#include "btree/page.h"
#include "core/bytes.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::btree {

inline constexpr uint32_t kMetaBytes = 512;
inline constexpr uint32_t kFormatVersion = 1;
// Page numbers 0 and 1 are the metas.
inline constexpr uint64_t kFirstPage = 2;

// What a checkpoint leaves behind.
struct Meta {
  uint32_t page_size_bytes = 0;
  uint64_t epoch = 0;
  // The state is exactly the one after this log record.
  uint64_t position = 0;
  // Pages that this state knows of, the two metas included.
  uint64_t page_count = kFirstPage;
  Reference catalogue;
  Reference free_list;
  std::array<uint8_t, 16> uuid{};
  uint64_t free_count = 0;
  uint32_t next_tree_id = 1;
};

enum class MetaKind {
  kOk,
  kNewer,    // whole, but written by a later version of bedplate
  kForeign,  // not a meta block at all
  kDamaged,  // began as one, but is not what was written
};

struct MetaResult {
  MetaKind kind = MetaKind::kForeign;
  Meta meta;             // of kOk
  uint32_t version = 0;  // of kNewer
};

[[nodiscard]] std::array<uint8_t, kMetaBytes> EncodeMeta(const Meta& meta);
// Any bytes are fine.
[[nodiscard]] MetaResult DecodeMeta(Bytes bytes, Mutant* mutant = nullptr);

// Makes sure that a damaged block is none any more, and that no part of this write, nor of one of
// another meta over it, makes it whole: each byte of the checksum and of the magic becomes one that
// is certainly wrong.
Status EraseMeta(vfs::File* file, uint64_t position);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_META_H_
