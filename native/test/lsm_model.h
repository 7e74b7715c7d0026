// Versions of keys as plain as can be: what the parts of the LSM store are compared with.
#ifndef BEDPLATE_TEST_LSM_MODEL_H_
#define BEDPLATE_TEST_LSM_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/little_endian.h"
#include "core/random.h"
#include "lsm/entry.h"
#include "lsm/internal_key.h"
#include "lsm/range_tombstones.h"
#include "test/test_support.h"

namespace bedplate::lsm {

// A version with its bytes. `key` is an internal one.
struct ModelEntry {
  std::string key;
  uint64_t sequence;
  EntryKind kind;
  std::string value;

  [[nodiscard]] Entry view() const { return {AsBytes(key), sequence, kind, AsBytes(value)}; }
  friend bool operator==(const ModelEntry&, const ModelEntry&) = default;
};

inline void PrintTo(const ModelEntry& entry, std::ostream* out) {
  *out << "{" << testing::PrintToString(entry.key) << " @" << entry.sequence << " kind "
       << int{static_cast<uint8_t>(entry.kind)} << " " << testing::PrintToString(entry.value)
       << "}";
}

struct ModelTombstone {
  std::string start;
  std::string end;
  uint64_t sequence;

  [[nodiscard]] RangeTombstone view() const { return {{AsBytes(start), AsBytes(end)}, sequence}; }
  [[nodiscard]] bool Covers(const std::string& key) const { return start <= key && key < end; }
};

inline std::string Internal(uint32_t tree_id, const std::string& key) {
  return Text(InternalKey(tree_id, AsBytes(key)).bytes());
}

// An operand of an increment.
inline std::string OperandText(int64_t number) {
  std::string bytes(8, '\0');
  StoreU64(reinterpret_cast<uint8_t*>(bytes.data()), static_cast<uint64_t>(number));
  return bytes;
}

// The order of CompareEntries.
inline bool ComesFirst(const ModelEntry& a, const ModelEntry& b) {
  return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
}

// Versions and range tombstones, with what they mean.
struct Model {
  // In order.
  std::vector<ModelEntry> entries;
  std::vector<ModelTombstone> tombstones;

  void Sort() { std::sort(entries.begin(), entries.end(), ComesFirst); }

  // What is seen at a sequence: every key that has a value.
  [[nodiscard]] std::map<std::string, std::string> At(uint64_t sequence) const {
    std::map<std::string, std::string> seen;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {  // the oldest first
      const bool is_hidden =
          std::any_of(tombstones.begin(), tombstones.end(), [&](const ModelTombstone& tombstone) {
            return tombstone.Covers(entry->key) && tombstone.sequence <= sequence &&
                   tombstone.sequence > entry->sequence;
          });
      if (entry->sequence > sequence || is_hidden) continue;
      switch (entry->kind) {
        case EntryKind::kDelete:
          seen.erase(entry->key);
          break;
        case EntryKind::kPut:
          seen[entry->key] = entry->value;
          break;
        case EntryKind::kIncrement:
          seen[entry->key] = Sum(seen[entry->key], entry->value);
          break;
        case EntryKind::kAppend:
          seen[entry->key] += entry->value;
          break;
      }
    }
    return seen;
  }

 private:
  // True for the one way to write a number, of up to 18 digits.
  static bool IsNumber(const std::string& text) {
    const std::string digits = text.starts_with('-') ? text.substr(1) : text;
    const bool has_digits =
        !digits.empty() && digits.size() <= 18 &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    return has_digits && (digits == "0" || digits.front() != '0');
  }

  static std::string Sum(const std::string& base, const std::string& operand) {
    const uint64_t number = IsNumber(base) ? static_cast<uint64_t>(std::stoll(base)) : 0;
    const auto* bytes = reinterpret_cast<const uint8_t*>(operand.data());
    return std::to_string(static_cast<int64_t>(number + LoadU64(bytes)));
  }
};

// How a random model is made.
struct ModelShape {
  int commits = 300;
  int keys = 40;
  // Trees with ids from 1 on.
  uint32_t trees = 2;
  bool has_operands = true;
  // One put in so many is of a long value.
  int long_value_in = 20;
};

// Versions of random commits, each with a sequence of its own from 1 on. Most values are numbers.
inline Model RandomModel(SeededRandom* random, const ModelShape& shape) {
  Model model;
  for (int commit = 1; commit <= shape.commits; commit++) {
    const auto sequence = static_cast<uint64_t>(commit);
    const auto tree = static_cast<uint32_t>(1 + random->Below(shape.trees));
    const auto number = static_cast<int>(random->Below(static_cast<uint64_t>(shape.keys)));
    std::string name = (number % 3 == 0 ? "a long beginning of many keys " : "k");
    name += std::to_string(number);
    const std::string key = Internal(tree, name);
    const uint64_t chance = random->Below(100);
    if (chance < 4) {
      std::string end = Internal(tree, "k" + std::to_string(random->Below(60)));
      std::string start = key;
      if (end < start) std::swap(start, end);
      model.tombstones.push_back({start, end, sequence});
    } else if (chance < 20) {
      model.entries.push_back({key, sequence, EntryKind::kDelete, ""});
    } else if (shape.has_operands && chance < 60) {
      const auto step = static_cast<int64_t>(random->Below(2000)) - 1000;
      // Some keys are only counted, so that what an increment finds is a number.
      const bool is_counted = number % 2 == 0 || random->Below(3) == 0;
      model.entries.push_back(
          is_counted ? ModelEntry{key, sequence, EntryKind::kIncrement, OperandText(step)}
                     : ModelEntry{key, sequence, EntryKind::kAppend, "+" + std::to_string(step)});
    } else {
      std::string value = std::to_string(random->Below(1000));
      const bool is_long = random->Below(static_cast<uint64_t>(shape.long_value_in)) == 0;
      if (is_long) value.append(random->Below(3000), 'v');
      model.entries.push_back({key, sequence, EntryKind::kPut, value});
    }
  }
  model.Sort();
  return model;
}

// All that a cursor gives, copied.
inline std::vector<ModelEntry> Drain(VersionCursor* cursor) {
  std::vector<ModelEntry> entries;
  while (true) {
    bool found = false;
    const Status status = cursor->Step(&found);
    EXPECT_TRUE(status.ok()) << status.message();
    if (!status.ok() || !found) return entries;
    const auto& [key, sequence, kind, value] = cursor->entry();
    entries.push_back({Text(key), sequence, kind, Text(value)});
  }
}

// The same as keys and values.
inline std::map<std::string, std::string> DrainValues(VersionCursor* cursor) {
  std::map<std::string, std::string> values;
  for (const ModelEntry& entry : Drain(cursor)) {
    EXPECT_EQ(entry.kind, EntryKind::kPut);
    EXPECT_TRUE(values.emplace(entry.key, entry.value).second) << "a key came twice";
  }
  return values;
}

// A cursor over versions in memory.
class ModelCursor final : public VersionCursor {
 public:
  explicit ModelCursor(std::vector<ModelEntry> entries, bool reverse = false)
      : entries_(std::move(entries)) {
    if (reverse) std::reverse(entries_.begin(), entries_.end());
    entry_ = &own_entry_;
  }

  Status Step(bool* found) override {
    *found = next_ < entries_.size();
    if (*found) own_entry_ = entries_[next_++].view();
    return Status::Ok();
  }

 private:
  std::vector<ModelEntry> entries_;
  size_t next_ = 0;
  Entry own_entry_;
};

inline std::vector<RangeTombstone> ViewsOf(const std::vector<ModelTombstone>& tombstones) {
  std::vector<RangeTombstone> views;
  for (const ModelTombstone& tombstone : tombstones) views.push_back(tombstone.view());
  return views;
}

}  // namespace bedplate::lsm

#endif  // BEDPLATE_TEST_LSM_MODEL_H_
