// Tables whose files are removed once nobody names them any more: neither the version in force nor
// one that a reader still holds.
#ifndef BEDPLATE_LSM_LIVE_TABLE_H_
#define BEDPLATE_LSM_LIVE_TABLE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "lsm/table_format.h"

namespace bedplate::lsm {

// Gathers the tables whose files may go. Any thread.
class Janitor {
 public:
  // Called, by whoever held it last, when there is something to take. Must return soon.
  explicit Janitor(std::function<void()> on_work) : on_work_(std::move(on_work)) {}

  [[nodiscard]] std::vector<TableInfo> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }
  // From now on no file is removed: the store may be another engine's.
  void Close() {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
    waiting_.clear();
  }

 private:
  friend class LiveTable;
  void Add(TableInfo info);

  const std::function<void()> on_work_;
  std::mutex mutex_;
  std::vector<TableInfo> waiting_;
  bool is_open_ = true;
};

// Makes a table that tells `janitor` when its last holder lets go, if it is obsolete then.
[[nodiscard]] TableRef MakeLiveTable(TableInfo info, std::shared_ptr<Janitor> janitor);
// No manifest names it any more. `table` was made by MakeLiveTable.
void MarkObsolete(const TableRef& table);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_LIVE_TABLE_H_
