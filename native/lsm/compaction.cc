#include "lsm/compaction.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace bedplate::lsm {
namespace {

constexpr double kLevelRatio = 10;
// A table is small if level 1 may have more than so many of its size.
constexpr uint64_t kSmallTables = 64;
// Tables of a tiered store beyond which some are merged whatever their sizes are, for each one of
// `level0_tables`.
constexpr size_t kMaxTiers = 4;
// Flushes wait for merges once level 0 has so many times the tables that make a merge due.
constexpr size_t kCrowd = 8;

// -- leveled --------------------------------------------------------------------------------------

double BytesAllowed(size_t level, const CompactionLimits& limits) {
  double bytes = static_cast<double>(limits.level_bytes);
  for (size_t i = 1; i < level; i++) bytes *= kLevelRatio;
  return bytes;
}

// How full a level is; 1 and more is too full.
double Fullness(const Version& version, size_t level, const CompactionLimits& limits) {
  const Run& tables = version.levels()[level];
  if (level == 0) return static_cast<double>(tables.size()) / limits.level0_tables;
  return static_cast<double>(BytesOf(tables)) / BytesAllowed(level, limits);
}

bool AreApart(const Run& tables) {
  for (size_t i = 0; i < tables.size(); i++) {
    for (size_t j = i + 1; j < tables.size(); j++) {
      if (Overlap(tables[i]->span(), tables[j]->span())) return false;
    }
  }
  return true;
}

std::vector<Run> LevelsFrom(const Version& version, size_t first) {
  std::vector<Run> levels;
  for (size_t level = first; level < kMaxLevels; level++) levels.push_back(version.levels()[level]);
  return levels;
}

// All of level 0: what stayed behind could be older than what went. Small tables are not moved but
// merged, and with small neighbours: whoever opens a store for one write leaves one table each
// time, and nobody wants a million of them.
Compaction IntoLevel1(const Version& version, const CompactionLimits& limits) {
  const Run& newest = version.levels()[0];
  const Run& next = version.levels()[1];
  const auto is_small = [&](const TableRef& table) {
    return table->file_bytes < limits.level_bytes / kSmallTables;
  };
  const KeySpan span = SpanOfTables(newest);
  const Run below = version.Overlapping(1, span);
  Compaction compaction;
  compaction.level = 1;
  compaction.inputs = newest;
  compaction.inputs.insert(compaction.inputs.end(), below.begin(), below.end());
  const size_t alone = compaction.inputs.size() - below.size();
  size_t first = 0;
  while (first < next.size() && CompareBytes(next[first]->span().end, span.start) <= 0) first++;
  if (first > 0 && is_small(next[first - 1])) compaction.inputs.push_back(next[first - 1]);
  const size_t behind = first + below.size();
  if (behind < next.size() && is_small(next[behind])) compaction.inputs.push_back(next[behind]);
  const bool is_move = compaction.inputs.size() == alone && AreApart(newest) &&
                       std::ranges::none_of(newest, is_small);
  compaction.kind = is_move ? Compaction::Kind::kMove : Compaction::Kind::kMerge;
  compaction.older = LevelsFrom(version, 2);
  return compaction;
}

// The table of a level that drags along the least of the next one, for its own size.
Compaction Downwards(const Version& version, size_t level) {
  TableRef best;
  Run best_below;
  double best_cost = 0;
  for (const TableRef& table : version.levels()[level]) {
    Run below = version.Overlapping(level + 1, table->span());
    const double cost =
        static_cast<double>(BytesOf(below)) / static_cast<double>(table->file_bytes);
    if (best != nullptr && cost >= best_cost) continue;
    best = table;
    best_below = std::move(below);
    best_cost = cost;
  }
  Compaction compaction;
  compaction.kind = best_below.empty() ? Compaction::Kind::kMove : Compaction::Kind::kMerge;
  compaction.level = level + 1;
  compaction.inputs = {best};
  compaction.inputs.insert(compaction.inputs.end(), best_below.begin(), best_below.end());
  compaction.older = LevelsFrom(version, level + 2);
  return compaction;
}

// From the top down, what overlaps what was taken so far goes along: nothing older of a key may
// stay above it.
Compaction LevelsOver(const KeySpan& span, const Version& version, const CompactionLimits& limits) {
  Compaction compaction;
  KeySpan reach = span;
  size_t level = 1;
  for (size_t at = 0; at < kMaxLevels; at++) {
    const Run own = version.Overlapping(at, reach);
    if (own.empty()) continue;
    // Tables of level 0 overlap each other.
    const Run& taken = at == 0 ? version.levels()[0] : own;
    compaction.inputs.insert(compaction.inputs.end(), taken.begin(), taken.end());
    const KeySpan taken_span = SpanOfTables(taken);
    if (CompareBytes(taken_span.start, reach.start) < 0) reach.start = taken_span.start;
    if (CompareBytes(taken_span.end, reach.end) > 0) reach.end = taken_span.end;
    level = std::max(level, at);
  }
  if (compaction.inputs.empty()) return compaction;
  const auto bytes = static_cast<double>(BytesOf(compaction.inputs));
  while (level < kMaxLevels - 1 && bytes > BytesAllowed(level, limits)) level++;
  compaction.kind = Compaction::Kind::kMerge;
  compaction.level = level;
  compaction.older = LevelsFrom(version, level + 1);
  return compaction;
}

Compaction PickLevel(const Version& version, const CompactionLimits& limits) {
  size_t worst = kMaxLevels;
  double worst_score = 1;
  for (size_t level = 0; level + 1 < kMaxLevels; level++) {
    const double score = Fullness(version, level, limits);
    if (score < worst_score || (score <= worst_score && worst < kMaxLevels)) continue;
    worst = level;
    worst_score = score;
  }
  if (worst == kMaxLevels) return {};
  return worst == 0 ? IntoLevel1(version, limits) : Downwards(version, worst);
}

// -- tiered ---------------------------------------------------------------------------------------

Compaction MergeOfTier(const Run& tables, size_t first, size_t end) {
  const auto at = [&](size_t index) { return tables.begin() + static_cast<ptrdiff_t>(index); };
  Compaction compaction;
  compaction.kind = Compaction::Kind::kMerge;
  compaction.inputs.assign(at(first), at(end));
  for (size_t i = end; i < tables.size(); i++) compaction.older.push_back({tables[i]});
  return compaction;
}

// Neighbours in age, none of which is larger than the newer ones of them together; or the newest,
// if there are too many.
Compaction PickTier(const Version& version, const CompactionLimits& limits) {
  const Run& tables = version.levels()[0];
  const size_t least = std::max<size_t>(2, limits.level0_tables);
  for (size_t first = 0; first + least <= tables.size(); first++) {
    size_t end = first + 1;
    uint64_t bytes = tables[first]->file_bytes;
    for (; end < tables.size() && tables[end]->file_bytes <= 2 * bytes; end++) {
      bytes += tables[end]->file_bytes;
    }
    if (end - first >= least) return MergeOfTier(tables, first, end);
  }
  if (tables.size() <= kMaxTiers * least) return {};
  return MergeOfTier(tables, 0, tables.size() - kMaxTiers * least + 1);
}

// The neighbours from the first to the last that share a key with `span`, or could.
Compaction NeighboursOver(const KeySpan& span, const Version& version) {
  const Run& tables = version.levels()[0];
  size_t first = tables.size();
  size_t end = 0;
  for (size_t i = 0; i < tables.size(); i++) {
    if (!Overlap(tables[i]->span(), span)) continue;
    first = std::min(first, i);
    end = i + 1;
  }
  return first < end ? MergeOfTier(tables, first, end) : Compaction();
}

// -- first in, first out --------------------------------------------------------------------------

// When a table was made at the latest. A clock that was ahead for a while has dated some tables too
// late: they are no younger than those that came after them.
uint64_t BornBy(const Run& tables, size_t index) {
  uint64_t born = tables[0]->created_at_ms;
  for (size_t i = 1; i <= index; i++) born = std::min(born, tables[i]->created_at_ms);
  return born;
}

// What is too old, and what is too much. Whatever is older than a table that goes, goes with it.
Compaction PickOldest(const Version& version, const CompactionPlan& plan, uint64_t now_ms) {
  const Run& tables = version.levels()[0];
  uint64_t bytes = 0;
  for (size_t i = 0; i < tables.size(); i++) {
    bytes += tables[i]->file_bytes;
    const bool is_too_much = plan.max_bytes > 0 && bytes > plan.max_bytes && i > 0;
    const bool is_too_old = plan.ttl_ms > 0 && now_ms >= BornBy(tables, i) + plan.ttl_ms;
    if (!is_too_much && !is_too_old) continue;
    Compaction compaction;
    compaction.kind = Compaction::Kind::kDrop;
    compaction.inputs.assign(tables.begin() + static_cast<ptrdiff_t>(i), tables.end());
    return compaction;
  }
  return {};
}

}  // namespace

Compaction PickCompaction(const Version& version, const CompactionPlan& plan,
                          const CompactionLimits& limits, uint64_t now_ms) {
  switch (plan.style) {
    case CompactionStyle::kLeveled:
      return PickLevel(version, limits);
    case CompactionStyle::kTiered:
      return PickTier(version, limits);
    case CompactionStyle::kFifo:
      return PickOldest(version, plan, now_ms);
  }
  return {};
}

bool IsCrowded(const Version& version, const CompactionPlan& plan, const CompactionLimits& limits) {
  const size_t due = std::max<size_t>(2, limits.level0_tables);
  return plan.style != CompactionStyle::kFifo && version.levels()[0].size() >= kCrowd * due;
}

uint64_t DebtOf(const Version& version, const CompactionPlan& plan,
                const CompactionLimits& limits) {
  const Version::Levels& levels = version.levels();
  const Run& newest = levels[0];
  if (plan.style == CompactionStyle::kFifo) return 0;
  if (plan.style == CompactionStyle::kTiered) {
    const size_t least = std::max<size_t>(2, limits.level0_tables);
    return newest.size() >= kMaxTiers * least ? BytesOf(newest) : 0;
  }
  double debt = 0;
  double carried = 0;
  for (size_t level = 0; level + 1 < kMaxLevels; level++) {
    const double size = static_cast<double>(BytesOf(levels[level])) + carried;
    const double allowed = level == 0 ? 0 : BytesAllowed(level, limits);
    const bool is_due = level == 0 ? newest.size() >= limits.level0_tables : size > allowed;
    carried = is_due ? size - allowed : 0;
    if (carried > 0) {
      debt += carried + static_cast<double>(BytesOf(levels[level + 1])) * carried / size;
    }
  }
  return static_cast<uint64_t>(std::ceil(debt));
}

Compaction CompactionOf(const KeySpan& span, const Version& version, const CompactionPlan& plan,
                        const CompactionLimits& limits, uint64_t now_ms) {
  switch (plan.style) {
    case CompactionStyle::kLeveled:
      return LevelsOver(span, version, limits);
    case CompactionStyle::kTiered:
      return NeighboursOver(span, version);
    case CompactionStyle::kFifo:
      return PickOldest(version, plan, now_ms);
  }
  return {};
}

uint64_t NextExpiryMs(const Version& version, const CompactionPlan& plan) {
  const Run& tables = version.levels()[0];
  if (plan.style != CompactionStyle::kFifo || plan.ttl_ms == 0 || tables.empty()) return 0;
  return BornBy(tables, tables.size() - 1) + plan.ttl_ms;
}

std::vector<Run> RunsOf(const Run& inputs, const Version& version) {
  std::unordered_set<uint64_t> numbers;
  for (const TableRef& table : inputs) numbers.insert(table->number);
  std::vector<Run> runs;
  for (size_t level = 0; level < kMaxLevels; level++) {
    Run own;
    for (const TableRef& table : version.levels()[level]) {
      if (numbers.contains(table->number)) own.push_back(table);
    }
    if (level > 0) {
      if (!own.empty()) runs.push_back(std::move(own));
      continue;
    }
    for (const TableRef& table : own) runs.push_back({table});
  }
  return runs;
}

}  // namespace bedplate::lsm
