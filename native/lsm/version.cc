#include "lsm/version.h"

#include <algorithm>

namespace bedplate::lsm {

Version::Version(Levels levels) : levels_(std::move(levels)) {
  for (const TableRef& table : levels_[0]) runs_.push_back({table});
  for (size_t level = 1; level < kMaxLevels; level++) {
    if (!levels_[level].empty()) runs_.push_back(levels_[level]);
  }
}

std::vector<TableRef> Version::Tables() const {
  std::vector<TableRef> all;
  for (const Run& level : levels_) all.insert(all.end(), level.begin(), level.end());
  return all;
}

Version Version::With(const VersionEdit& edit) const {
  Levels levels = levels_;
  for (Run& level : levels) {
    std::erase_if(level,
                  [&](const TableRef& table) { return edit.removed.contains(table->number); });
  }
  for (const auto& [level, table] : edit.added) levels[level].push_back(table);
  for (size_t level = 0; level < kMaxLevels; level++) {
    std::ranges::stable_sort(levels[level], [level](const TableRef& a, const TableRef& b) {
      if (level == 0) return a->greatest_sequence() > b->greatest_sequence();
      return CompareBytes(a->start, b->start) < 0;
    });
  }
  return Version(std::move(levels));
}

Run Version::Overlapping(size_t level, const KeySpan& span) const {
  Run found;
  for (const TableRef& table : levels_[level]) {
    if (Overlap(table->span(), span)) found.push_back(table);
  }
  return found;
}

KeySpan SpanOfTables(const Run& tables) {
  KeySpan span = tables.front()->span();
  for (const TableRef& table : tables) {
    if (CompareBytes(table->start, span.start) < 0) span.start = table->start;
    if (CompareBytes(table->end, span.end) > 0) span.end = table->end;
  }
  return span;
}

uint64_t BytesOf(const Run& tables) {
  uint64_t bytes = 0;
  for (const TableRef& table : tables) bytes += table->file_bytes;
  return bytes;
}

}  // namespace bedplate::lsm
