// Walks over the versions of tables that lie one behind the other, or of one. The twin is
// ts/storage/lsm/table-cursor.ts.
#ifndef BEDPLATE_LSM_RUN_CURSOR_H_
#define BEDPLATE_LSM_RUN_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"
#include "lsm/data_block.h"
#include "lsm/entry.h"
#include "lsm/internal_key.h"
#include "lsm/table_format.h"
#include "lsm/table_meta.h"
#include "lsm/tables.h"

namespace bedplate::lsm {

// How a walk reads blocks.
enum class ReadPath {
  kCache,      // through the cache: for readers
  kReadAhead,  // past it, kReadAheadBytes at a time: for merges, which read everything once
};
inline constexpr size_t kReadAheadBytes = 256 * 1024;

class RunCursor final : public VersionCursor {
 public:
  // The bytes of `span` outlive the cursor, as `tables` does. It holds those of the run that it
  // still needs.
  RunCursor(Tables* tables, const Run& run, const KeySpan& span, bool reverse, ReadPath read_path);

  Status Step(bool* found) override;

 private:
  Status Approach();
  Status EnterTable();
  Status EnterBlock();
  Status LoadBlock(std::shared_ptr<const DataBlock>* block);
  Status ReadAhead(const BlockHandle& handle, std::vector<uint8_t>* bytes);
  [[nodiscard]] bool IsInside(Bytes key) const;

  Tables* tables_;
  const KeySpan span_;
  const bool reverse_;
  const ReadPath read_path_;
  // Those that are left, the next one last.
  std::vector<TableRef> left_;
  TableRef table_;
  std::shared_ptr<const TableMeta> meta_;
  std::shared_ptr<const DataBlock> block_;
  int64_t block_index_ = -1;
  int64_t slot_ = 0;
  // True until the first block of a table is reached: the bound guides the search only once.
  bool seeking_ = false;
  bool has_ended_ = false;
  DataBlock::KeyBuffer key_;
  Entry own_entry_;
  // Bytes of the file of `table_` from `ahead_at_` on.
  std::vector<uint8_t> ahead_;
  uint64_t ahead_at_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_RUN_CURSOR_H_
