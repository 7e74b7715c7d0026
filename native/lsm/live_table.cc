#include "lsm/live_table.h"

#include <atomic>

namespace bedplate::lsm {

class LiveTable : public TableInfo {
 public:
  LiveTable(TableInfo info, std::shared_ptr<Janitor> janitor)
      : TableInfo(std::move(info)), janitor_(std::move(janitor)) {}
  ~LiveTable() {
    if (is_obsolete_) janitor_->Add(std::move(*this));
  }
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;

  void MarkObsolete() const { is_obsolete_ = true; }

 private:
  mutable std::atomic<bool> is_obsolete_{false};
  const std::shared_ptr<Janitor> janitor_;
};

void Janitor::Add(TableInfo info) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return;
    waiting_.push_back(std::move(info));
  }
  on_work_();
}

TableRef MakeLiveTable(TableInfo info, std::shared_ptr<Janitor> janitor) {
  return std::make_shared<const LiveTable>(std::move(info), std::move(janitor));
}

void MarkObsolete(const TableRef& table) {
  static_cast<const LiveTable*>(table.get())->MarkObsolete();
}

}  // namespace bedplate::lsm
