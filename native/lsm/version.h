// Which tables make up the store: a value that never changes. Flushes and compactions make the next
// one. The twin is ts/storage/lsm/version.ts.
#ifndef BEDPLATE_LSM_VERSION_H_
#define BEDPLATE_LSM_VERSION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lsm/internal_key.h"
#include "lsm/table_format.h"

namespace bedplate::lsm {

// The levels of a store: 0 for what memtables became, 6 for what is oldest.
inline constexpr size_t kMaxLevels = 7;

// What makes a version of another one.
struct VersionEdit {
  // Tables by number.
  std::unordered_set<uint64_t> removed;
  // With their levels.
  std::vector<std::pair<size_t, TableRef>> added;
};

// Level 0: tables that may overlap, the newest first. Every other level: tables in the order of
// their keys, without overlap, all older than what the levels above hold of the same keys. Any
// thread.
class Version {
 public:
  using Levels = std::array<Run, kMaxLevels>;

  Version() = default;
  // The levels in their orders.
  explicit Version(Levels levels);

  [[nodiscard]] const Levels& levels() const { return levels_; }
  // What can be searched and walked as one: each table of level 0, and each other level. The newest
  // first.
  [[nodiscard]] const std::vector<Run>& runs() const { return runs_; }
  // All of them, by levels.
  [[nodiscard]] std::vector<TableRef> Tables() const;

  [[nodiscard]] Version With(const VersionEdit& edit) const;
  // The tables of `level` that share a key with `span`, or could.
  [[nodiscard]] Run Overlapping(size_t level, const KeySpan& span) const;

 private:
  Levels levels_;
  std::vector<Run> runs_;
};

// The least span that holds all of `tables`, which are some. A view of them.
[[nodiscard]] KeySpan SpanOfTables(const Run& tables);
// Bytes of their files.
[[nodiscard]] uint64_t BytesOf(const Run& tables);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_VERSION_H_
