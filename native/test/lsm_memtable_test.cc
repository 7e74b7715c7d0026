// The memtable against a plain list of versions, also while it is written to, and what it is made
// of.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lsm/memtable.h"
#include "lsm/operands.h"
#include "test/lsm_model.h"
#include "test/test_support.h"

namespace bedplate::lsm {
namespace {

KeySpan Everything() {
  static const std::string first = Internal(0, "");
  static const std::string last = Internal(0xffffffff, "");
  return {AsBytes(first), AsBytes(last)};
}

void AddAll(const Model& model, Memtable* memtable) {
  // By sequence, as commits come.
  std::map<uint64_t, const ModelEntry*> by_sequence;
  for (const ModelEntry& entry : model.entries) by_sequence[entry.sequence] = &entry;
  for (const auto& [sequence, entry] : by_sequence) ASSERT_OK(memtable->Add(entry->view()));
  for (const auto& [start, end, sequence] : model.tombstones) {
    memtable->AddTombstone({AsBytes(start), AsBytes(end)}, sequence);
  }
}

std::string ValueOf(const Memtable& memtable, const std::string& key, uint64_t sequence) {
  Lookup lookup(AsBytes(key), sequence);
  memtable.LookUp(&lookup);
  FoundValue value;
  EXPECT_OK(lookup.Finish(&value));
  return value.found ? Text(value.bytes) : "(none)";
}

class RandomMemtableTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RandomMemtableTest, AgreesWithAPlainListOfVersions) {
  SeededRandom random(GetParam());
  const Model model = RandomModel(&random, {});
  Memtable memtable;
  AddAll(model, &memtable);
  EXPECT_EQ(memtable.entry_count(), model.entries.size());

  auto forward = memtable.NewCursor(Everything(), /*reverse=*/false);
  EXPECT_EQ(Drain(forward.get()), model.entries);
  auto backward = memtable.NewCursor(Everything(), /*reverse=*/true);
  std::vector<ModelEntry> reversed = Drain(backward.get());
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(reversed, model.entries);

  for (const uint64_t sequence : {1U, 100U, 177U, 300U}) {
    const auto seen = model.At(sequence);
    for (const ModelEntry& entry : model.entries) {
      const auto found = seen.find(entry.key);
      const std::string expected = found == seen.end() ? "(none)" : found->second;
      ASSERT_EQ(ValueOf(memtable, entry.key, sequence), expected) << "at " << sequence;
    }
  }
}

TEST_P(RandomMemtableTest, WalksOverSpansInBothDirections) {
  SeededRandom random(GetParam());
  const Model model = RandomModel(&random, {});
  Memtable memtable;
  AddAll(model, &memtable);
  for (int i = 0; i < 100; i++) {
    std::string start = model.entries[random.Below(model.entries.size())].key;
    std::string end = model.entries[random.Below(model.entries.size())].key;
    if (random.Below(4) == 0) start += '\0';
    std::vector<ModelEntry> expected;
    for (const ModelEntry& entry : model.entries) {
      if (start <= entry.key && entry.key < end) expected.push_back(entry);
    }
    const KeySpan span{AsBytes(start), AsBytes(end)};
    EXPECT_EQ(Drain(memtable.NewCursor(span, false).get()), expected);
    std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(Drain(memtable.NewCursor(span, true).get()), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomMemtableTest, testing::Range(1U, 9U));

// Of one commit each, of a random size, of few keys: most are there already, some twice in a group.
TEST_P(RandomMemtableTest, AddsGroupsAsItAddsOneByOne) {
  SeededRandom random(GetParam());
  Memtable apart;
  Memtable together;
  for (uint64_t sequence = 1; sequence <= 60; sequence++) {
    std::vector<std::string> keys(1 + random.Below(Memtable::kGroupSize));
    // Some groups are in order and behind everything, as in a sorted load.
    const bool is_sorted = random.Below(4) == 0;
    for (size_t i = 0; i < keys.size(); i++) {
      const std::string name =
          is_sorted ? std::to_string(1000 + 100 * sequence + i) : std::to_string(random.Below(200));
      keys[i] = Internal(7, std::string(random.Below(2) * 9, 'a') + name);
    }
    std::vector<Entry> group;
    for (const std::string& key : keys) {
      const bool is_append = random.Below(2) == 0;
      const EntryKind kind = is_append ? EntryKind::kAppend : EntryKind::kPut;
      group.push_back({AsBytes(key), sequence, kind, AsBytes(key).subspan(4, 1)});
    }
    for (const Entry& entry : group) ASSERT_OK(apart.Add(entry));
    ASSERT_OK(together.AddGroup(group));
  }
  EXPECT_EQ(Drain(together.NewCursor(Everything(), false).get()),
            Drain(apart.NewCursor(Everything(), false).get()));
  EXPECT_EQ(together.entry_count(), apart.entry_count());
  EXPECT_EQ(together.content_bytes(), apart.content_bytes());
}

TEST(MemtableTest, OrdersKeysThatDifferOnlyInTheirLengthOrLate) {
  std::vector<std::string> keys;
  for (const size_t length : {0U, 1U, 11U, 12U, 13U, 20U}) {
    keys.push_back(Internal(7, std::string(length, '\0')));
    keys.push_back(Internal(7, std::string(length, '\xff')));
    keys.push_back(Internal(7, std::string(length, 'a') + "b"));
  }
  Memtable memtable;
  uint64_t sequence = 0;
  for (const std::string& key : keys) {
    ASSERT_OK(memtable.Add({AsBytes(key), ++sequence, EntryKind::kPut, AsBytes("v")}));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<std::string> found;
  for (const ModelEntry& entry : Drain(memtable.NewCursor(Everything(), false).get())) {
    if (found.empty() || found.back() != entry.key) found.push_back(entry.key);
  }
  EXPECT_EQ(found, keys);
}

TEST(MemtableTest, OperationsOfOneCommitOnOneKeyBecomeOneVersion) {
  const std::string key = Internal(1, "key");
  struct Step {
    EntryKind kind;
    std::string value;
  };
  const auto put = [](const std::string& value) { return Step{EntryKind::kPut, value}; };
  const auto add = [](int64_t n) { return Step{EntryKind::kIncrement, OperandText(n)}; };
  const auto append = [](const std::string& value) { return Step{EntryKind::kAppend, value}; };
  const Step remove{EntryKind::kDelete, ""};
  struct Case {
    std::vector<Step> steps;
    Step outcome;
  };
  const std::vector<Case> cases = {
      {{put("1"), put("2")}, put("2")},
      {{put("5"), add(3)}, put("8")},
      {{put("five"), add(3)}, put("3")},
      {{remove, add(3)}, put("3")},
      {{remove, append("x")}, put("x")},
      {{add(3), add(-5)}, add(-2)},
      {{add(INT64_MAX), add(1)}, add(INT64_MIN)},
      {{append("a"), append("b")}, append("ab")},
      {{put("a"), append("b"), append("c")}, put("abc")},
      {{put("4"), append("2"), add(1)}, put("43")},
      {{add(3), put("9")}, put("9")},
      {{append("a"), remove}, remove},
  };
  for (const auto& [steps, outcome] : cases) {
    Memtable memtable;
    for (const auto& [kind, value] : steps) {
      ASSERT_OK(memtable.Add({AsBytes(key), 9, kind, AsBytes(value)}));
    }
    const std::vector<ModelEntry> expected = {{key, 9, outcome.kind, outcome.value}};
    EXPECT_EQ(Drain(memtable.NewCursor(Everything(), false).get()), expected);
    EXPECT_EQ(memtable.entry_count(), 1U);
  }
}

TEST(MemtableTest, OneCommitMayNotIncrementAndAppendBlindly) {
  const std::string key = Internal(1, "visits");
  Memtable memtable;
  ASSERT_OK(memtable.Add({AsBytes(key), 9, EntryKind::kIncrement, AsBytes(OperandText(1))}));
  const Status refused = memtable.Add({AsBytes(key), 9, EntryKind::kAppend, AsBytes("x")});
  EXPECT_EQ(refused.code(), ErrorCode::kCorruption);
  EXPECT_EQ(refused.message(), "a log record increments a key and appends to it, blindly");
  EXPECT_EQ(ValueOf(memtable, key, 9), "1");
  // In two commits it may.
  ASSERT_OK(memtable.Add({AsBytes(key), 10, EntryKind::kAppend, AsBytes("x")}));
  EXPECT_EQ(ValueOf(memtable, key, 10), "1x");
}

TEST(MemtableTest, ManyAppendsOfOneCommitTakeMemoryInProportion) {
  Memtable memtable;
  const std::string key = Internal(1, "log");
  const std::string base = "base";
  std::string expected = base;
  ASSERT_OK(memtable.Add({AsBytes(key), 7, EntryKind::kPut, AsBytes(base)}));
  for (int i = 0; i < 20'000; i++) {
    const std::string line = "line " + std::to_string(i) + " of a log that grows and grows";
    ASSERT_OK(memtable.Add({AsBytes(key), 7, EntryKind::kAppend, AsBytes(line)}));
    expected += line;
  }
  EXPECT_EQ(ValueOf(memtable, key, 7), expected);
  EXPECT_LT(memtable.bytes(), 8 * expected.size());
  EXPECT_EQ(memtable.entry_count(), 1);
}

TEST(MemtableTest, OnlyPlainNumbersCount) {
  const std::map<std::string, int64_t> bases = {{"", 0},
                                                {"7", 7},
                                                {"-7", -7},
                                                {"0", 0},
                                                {"-0", 0},
                                                {"007", 0},
                                                {"-07", 0},
                                                {"+7", 0},
                                                {" 7", 0},
                                                {"7 ", 0},
                                                {"-", 0},
                                                {"1e3", 0},
                                                {"9223372036854775807", INT64_MAX},
                                                {"9223372036854775808", 0},
                                                {"-9223372036854775808", INT64_MIN},
                                                {"-9223372036854775809", 0},
                                                {"123456789012345678901", 0}};
  for (const auto& [base, number] : bases) EXPECT_EQ(NumberOf(AsBytes(base)), number) << base;
  std::vector<uint8_t> value = {'-', '9', '2', '2', '3', '3', '7', '2', '0', '3',
                                '6', '8', '5', '4', '7', '7', '5', '8', '0', '8'};
  const std::string minus_one = OperandText(-1);
  const Operand operand{EntryKind::kIncrement, {minus_one.begin(), minus_one.end()}};
  ASSERT_TRUE(ApplyOperands({&operand, 1}, &value));
  EXPECT_EQ(Text(value), "9223372036854775807");
}

TEST(MemtableTest, CountsWhatItHolds) {
  Memtable memtable;
  EXPECT_TRUE(memtable.is_empty());
  const std::string key = Internal(1, "key");
  ASSERT_OK(memtable.Add({AsBytes(key), 3, EntryKind::kPut, AsBytes(std::string(100'000, 'v'))}));
  EXPECT_EQ(memtable.content_bytes(), 100'007U);
  EXPECT_EQ(memtable.last_sequence(), 3U);
  EXPECT_GT(memtable.bytes(), 100'007U);
  EXPECT_LT(memtable.bytes(), 101'000U);
  memtable.AddTombstone(Everything(), 4);
  EXPECT_EQ(memtable.last_sequence(), 4U);
  EXPECT_EQ(ValueOf(memtable, key, 3), std::string(100'000, 'v'));
  EXPECT_EQ(ValueOf(memtable, key, 4), "(none)");
}

// Under ThreadSanitizer this is the proof that readers need no lock.
TEST(MemtableTest, IsReadWhileItIsWrittenTo) {
  constexpr uint64_t kCommits = 4000;
  Memtable memtable;
  std::atomic<uint64_t> committed{0};
  const auto key_of = [](uint64_t n) { return Internal(1, "key " + std::to_string(n % 97)); };
  std::thread writer([&] {
    for (uint64_t sequence = 1; sequence <= kCommits; sequence++) {
      const std::string key = key_of(sequence);
      const std::string value = std::to_string(sequence);
      if (sequence % 500 == 0) memtable.AddTombstone(Everything(), sequence);
      EXPECT_OK(memtable.Add({AsBytes(key), sequence, EntryKind::kPut, AsBytes("0")}));
      EXPECT_OK(memtable.Add({AsBytes(key), sequence, EntryKind::kPut, AsBytes(value)}));
      committed.store(sequence, std::memory_order_release);
    }
  });
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; reader++) {
    readers.emplace_back([&, reader] {
      while (committed.load(std::memory_order_acquire) < kCommits) {
        const uint64_t sequence = committed.load(std::memory_order_acquire);
        if (sequence == 0) continue;
        EXPECT_EQ(ValueOf(memtable, key_of(sequence), sequence), std::to_string(sequence));
        auto cursor = memtable.NewCursor(Everything(), reader == 1);
        const std::vector<ModelEntry> seen = Drain(cursor.get());
        EXPECT_TRUE(reader == 1 || std::is_sorted(seen.begin(), seen.end(), ComesFirst));
        EXPECT_GE(seen.size(), sequence);
        EXPECT_LE(memtable.entry_count(), kCommits);
      }
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
}

// -- what it is made of ---------------------------------------------------------------------------

TEST(RangeTombstonesTest, TheNewestThatCoversDecides) {
  SeededRandom random(11);
  std::vector<ModelTombstone> model;
  auto set = std::make_shared<const RangeTombstones>();
  const auto bound = [&] { return "k" + std::to_string(100 + random.Below(80)); };
  for (uint64_t sequence = 1; sequence <= 150; sequence++) {
    model.push_back({bound(), bound(), sequence});  // some are empty
  }
  for (const ModelTombstone& each : model) {
    set = set->With(each.view());
    if (each.sequence % 7 != 0) continue;
    for (int i = 0; i < 40; i++) {
      const std::string key = bound();
      const uint64_t up_to = 1 + random.Below(each.sequence);
      uint64_t expected = 0;
      for (const ModelTombstone& other : model) {
        if (other.sequence <= up_to && other.Covers(key)) expected = other.sequence;
      }
      ASSERT_EQ(set->Covering(AsBytes(key), up_to), expected);
    }
  }
  EXPECT_EQ(set->count(), model.size());

  const RangeTombstones cut(set->List());
  std::string last_end;
  for (const auto& [span, sequences] : cut.Fragments()) {
    EXPECT_LE(last_end, Text(span.start));
    EXPECT_LT(Text(span.start), Text(span.end));
    EXPECT_TRUE(std::is_sorted(sequences.rbegin(), sequences.rend()));
    std::vector<uint64_t> expected;
    for (auto each = model.rbegin(); each != model.rend(); ++each) {
      if (each->Covers(Text(span.start))) expected.push_back(each->sequence);
    }
    EXPECT_EQ(std::vector<uint64_t>(sequences.begin(), sequences.end()), expected);
    last_end = Text(span.end);
  }
}

TEST(InternalKeyTest, BoundsDivideTheKeysOfATree) {
  KeyRange range;
  const auto holds = [&](const std::string& key) {
    return SpanOf(5, range).view().Holds(AsBytes(Internal(5, key)));
  };
  EXPECT_TRUE(holds(""));
  EXPECT_TRUE(holds(std::string(kMaxKeyBytes, '\xff')));
  EXPECT_FALSE(SpanOf(5, range).view().Holds(AsBytes(Internal(6, ""))));
  EXPECT_FALSE(SpanOf(5, range).view().Holds(AsBytes(Internal(4, "\xff"))));
  const std::string lower = "b";
  const std::string upper = "d";
  range = {AsBytes(lower), true, AsBytes(upper), false};
  EXPECT_TRUE(holds("b") && holds("c") && !holds("a") && !holds("d"));
  range = {AsBytes(lower), false, AsBytes(upper), true};
  EXPECT_TRUE(!holds("b") && holds(std::string("b\0", 2)) && holds("d") && !holds("d1"));
  // A bound that is longer than any key.
  const std::string longest(kMaxKeyBytes, 'x');
  const std::string longer = longest + "y";
  range = {AsBytes(longer), true, {}, true};
  EXPECT_FALSE(holds(longest));
  EXPECT_LE(SpanOf(5, range).start.size(), kMaxBoundBytes);
  range = {{}, true, AsBytes(longer), false};
  EXPECT_TRUE(holds(longest));
}

}  // namespace
}  // namespace bedplate::lsm
