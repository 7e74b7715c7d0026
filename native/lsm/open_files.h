// Open files of tables, up to a number.
#ifndef BEDPLATE_LSM_OPEN_FILES_H_
#define BEDPLATE_LSM_OPEN_FILES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/status.h"
#include "lsm/table_format.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// Any thread may use it. A file that is being read stays open until that is over, also after it had
// to go from here: so many more may be open for a moment as threads read.
class OpenFiles {
 public:
  // `path` is the directory. `max_open_files` is at least 1.
  OpenFiles(vfs::Disk* disk, std::string path, size_t max_open_files);
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;

  // The file of a table, open for reading. CORRUPTION if it has not the size that the manifest
  // says, CLOSED after Close, or the disk's.
  Status Get(const TableInfo& info, std::shared_ptr<vfs::File>* file);
  void Forget(const TableInfo& info);
  // Nothing is opened any more.
  void Close();

  [[nodiscard]] std::string PathOf(const TableInfo& info) const;
  [[nodiscard]] size_t count() const;

 private:
  struct Opened {
    uint64_t number;
    std::shared_ptr<vfs::File> file;
  };

  bool Find(const TableInfo& info, std::shared_ptr<vfs::File>* file);
  Status Open(const TableInfo& info, std::shared_ptr<vfs::File>* file) const;
  [[nodiscard]] Status Closed() const;

  vfs::Disk* disk_;
  const std::string path_;
  const size_t max_open_files_;
  mutable std::mutex mutex_;
  bool is_open_ = true;
  // The one used last comes last.
  std::list<Opened> files_;
  std::unordered_map<uint64_t, std::list<Opened>::iterator> places_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_OPEN_FILES_H_
