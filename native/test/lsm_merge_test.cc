// Merging, what readers see of it and what merges keep, against a plain list of versions.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lsm/memtable.h"
#include "lsm/merge.h"
#include "lsm/survivors.h"
#include "lsm/visible_cursor.h"
#include "test/heavy_test.h"
#include "test/lsm_model.h"
#include "test/test_support.h"

namespace bedplate::lsm {
namespace {

using Values = std::map<std::string, std::string>;

// The versions dealt out to some sources, some of which get none.
std::vector<std::vector<ModelEntry>> Deal(const std::vector<ModelEntry>& entries, size_t count,
                                          SeededRandom* random) {
  std::vector<std::vector<ModelEntry>> sources(count);
  for (const ModelEntry& entry : entries) sources[random->Below(count)].push_back(entry);
  return sources;
}

std::unique_ptr<VersionCursor> MergeOf(const std::vector<std::vector<ModelEntry>>& sources,
                                       bool reverse = false) {
  std::vector<std::unique_ptr<VersionCursor>> cursors;
  for (const auto& source : sources) {
    cursors.push_back(std::make_unique<ModelCursor>(source, reverse));
  }
  return std::make_unique<MergeCursor>(std::move(cursors), reverse);
}

class MergeTest : public testing::TestWithParam<uint32_t> {};

TEST_P(MergeTest, GivesAllVersionsOfAllSourcesInOrder) {
  SeededRandom random(GetParam());
  const Model model = RandomModel(&random, {});
  for (const size_t count : {1U, 2U, 3U, 7U, 16U}) {
    const auto sources = Deal(model.entries, count, &random);
    EXPECT_EQ(Drain(MergeOf(sources).get()), model.entries) << count << " sources";
    std::vector<ModelEntry> backward = Drain(MergeOf(sources, /*reverse=*/true).get());
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(backward, model.entries) << count << " sources, backwards";
  }
  EXPECT_TRUE(Drain(MergeOf({}).get()).empty());
  EXPECT_TRUE(Drain(MergeOf({{}, {}}).get()).empty());
}

TEST_P(MergeTest, StaysAtItsEnd) {
  SeededRandom random(GetParam());
  auto merge = MergeOf(Deal(RandomModel(&random, {}).entries, 3, &random));
  (void)Drain(merge.get());
  bool found = true;
  ASSERT_OK(merge->Step(&found));
  EXPECT_FALSE(found);
}

TEST_P(MergeTest, ReadersSeeTheNewestWithItsOperands) {
  SeededRandom random(GetParam());
  const Model model = RandomModel(&random, {});
  const auto tombstones = std::make_shared<const RangeTombstones>(ViewsOf(model.tombstones));
  for (const uint64_t sequence : {0U, 1U, 50U, 155U, 299U, 1000U}) {
    for (const bool reverse : {false, true}) {
      VisibleCursor cursor(MergeOf(Deal(model.entries, 4, &random), reverse),
                           {sequence, reverse, {nullptr, tombstones}, nullptr});
      const std::vector<ModelEntry> seen = Drain(&cursor);
      Values values;
      for (const ModelEntry& entry : seen) values[entry.key] = entry.value;
      EXPECT_EQ(values, model.At(sequence)) << "at " << sequence << (reverse ? ", backwards" : "");
      EXPECT_EQ(values.size(), seen.size()) << "a key came twice";
      EXPECT_TRUE(reverse ? std::is_sorted(seen.rbegin(), seen.rend(), ComesFirst)
                          : std::is_sorted(seen.begin(), seen.end(), ComesFirst));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MergeTest, testing::Range(1U, 13U));

TEST(OperandsTest, AppendsMayMakeAValueTooLong) {
  const std::string one = OperandText(1);
  const Operand append{EntryKind::kAppend, {'x'}};
  const Operand increment{EntryKind::kIncrement, {one.begin(), one.end()}};
  std::vector<uint8_t> longest(kMaxValueBytes);
  const std::vector<Operand> counted = {append, increment};
  EXPECT_FALSE(ApplyOperands({counted.data(), 1}, &longest));
  EXPECT_TRUE(ApplyOperands(counted, &longest));
  EXPECT_EQ(Text(longest), "1");
  const std::string key = Internal(1, "a \"key\"");
  const Status status = TooLong(AsBytes(key));
  EXPECT_EQ(status.code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(status.message(),
            "appends made the value of key \"a \\\"key\\\"\" longer than 536870912 bytes");
}

// -- what merges keep -----------------------------------------------------------------------------

// A merge of the newer part of a random history, while the older one stays where it is.
struct MergeCase {
  Model newer;
  Model older;
  // Spans of `older`.
  std::vector<Run> runs;
  std::vector<uint64_t> snapshots;
};

TableRef TableOver(const std::string& first, const std::string& last) {
  auto table = std::make_shared<TableInfo>();
  table->start.assign(first.begin(), first.end());
  table->end = Successor(AsBytes(last));
  return table;
}

// Runs that hold all keys of `older`: one table for each neighbourhood.
std::vector<Run> RunsOver(const Model& older, SeededRandom* random) {
  Run run;
  for (size_t first = 0; first < older.entries.size();) {
    size_t last = std::min(first + random->Below(20), older.entries.size() - 1);
    const std::string& key = older.entries[last].key;
    while (last + 1 < older.entries.size() && older.entries[last + 1].key == key) last++;
    run.push_back(TableOver(older.entries[first].key, key));
    first = last + 1;
  }
  std::vector<Run> runs = {run};
  for (const auto& [start, end, sequence] : older.tombstones) {
    runs.push_back({TableOver(start, end)});
  }
  return runs;
}

MergeCase RandomCase(SeededRandom* random) {
  ModelShape shape;
  shape.keys = 12;
  const Model all = RandomModel(random, shape);
  MergeCase merge;
  const uint64_t cut = random->Below(3) == 0 ? 0 : random->Below(200);
  for (const ModelEntry& entry : all.entries) {
    (entry.sequence > cut ? merge.newer : merge.older).entries.push_back(entry);
  }
  for (const ModelTombstone& each : all.tombstones) {
    (each.sequence > cut ? merge.newer : merge.older).tombstones.push_back(each);
  }
  merge.runs = RunsOver(merge.older, random);
  const uint64_t snapshots = random->Below(5);
  for (uint64_t i = 0; i < snapshots; i++) {
    merge.snapshots.push_back(cut + random->Below(301 - cut));
  }
  std::sort(merge.snapshots.begin(), merge.snapshots.end());
  return merge;
}

struct Kept {
  Model model;  // with what was not merged
  size_t entries = 0;
  size_t tombstones = 0;
};

Kept Merge(const MergeCase& merge, SeededRandom* random, Mutant* mutant = nullptr) {
  const RangeTombstones tombstones(ViewsOf(merge.newer.tombstones));
  const Retention retention{merge.snapshots, merge.runs, mutant};
  const auto versions = MergeOf(Deal(merge.newer.entries, 3, random));
  SurvivorCursor survivors(versions.get(), &tombstones, &retention);
  Kept kept;
  kept.model.entries = Drain(&survivors);
  EXPECT_TRUE(std::is_sorted(kept.model.entries.begin(), kept.model.entries.end(), ComesFirst));
  kept.entries = kept.model.entries.size();
  for (const auto& [span, sequence] : SurvivingTombstones(tombstones, retention)) {
    kept.model.tombstones.push_back({Text(span.start), Text(span.end), sequence});
  }
  kept.tombstones = kept.model.tombstones.size();
  kept.model.entries.insert(kept.model.entries.end(), merge.older.entries.begin(),
                            merge.older.entries.end());
  kept.model.tombstones.insert(kept.model.tombstones.end(), merge.older.tombstones.begin(),
                               merge.older.tombstones.end());
  kept.model.Sort();
  return kept;
}

// True if nobody sees a difference: neither who reads now nor an open snapshot.
bool NobodySeesIt(const MergeCase& merge, const Kept& kept) {
  Model before = merge.newer;
  before.entries.insert(before.entries.end(), merge.older.entries.begin(),
                        merge.older.entries.end());
  before.tombstones.insert(before.tombstones.end(), merge.older.tombstones.begin(),
                           merge.older.tombstones.end());
  before.Sort();
  std::vector<uint64_t> observers = merge.snapshots;
  observers.push_back(kMaxSequence);
  return std::all_of(observers.begin(), observers.end(), [&](uint64_t observer) {
    return kept.model.At(observer) == before.At(observer);
  });
}

class RandomSurvivorsTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RandomSurvivorsTest, NobodySeesThatAMergeTookPlace) {
  SeededRandom random(GetParam());
  for (int i = 0; i < 25; i++) {
    const MergeCase merge = RandomCase(&random);
    ASSERT_TRUE(NobodySeesIt(merge, Merge(merge, &random))) << "case " << i;
  }
}

TEST_P(RandomSurvivorsTest, WhereNobodyElseLooksOnlyValuesAreLeft) {
  SeededRandom random(GetParam());
  MergeCase merge = RandomCase(&random);
  merge.older = {};
  merge.runs = {};
  merge.snapshots = {};
  const Kept kept = Merge(merge, &random);
  EXPECT_EQ(kept.tombstones, 0U);
  Values values;
  for (const auto& [key, sequence, kind, value] : kept.model.entries) {
    EXPECT_EQ(kind, EntryKind::kPut);
    EXPECT_TRUE(values.emplace(key, value).second);
  }
  EXPECT_EQ(values, merge.newer.At(kMaxSequence));
}

TEST_P(RandomSurvivorsTest, KeepsOneVersionAKeyAndStratumOrNeighbouringOperands) {
  SeededRandom random(GetParam());
  const MergeCase merge = RandomCase(&random);
  const Kept kept = Merge(merge, &random);
  const auto stratum_of = [&](uint64_t sequence) {
    return std::lower_bound(merge.snapshots.begin(), merge.snapshots.end(), sequence) -
           merge.snapshots.begin();
  };
  for (size_t i = 1; i < kept.model.entries.size(); i++) {
    const ModelEntry& newer = kept.model.entries[i - 1];
    const ModelEntry& older = kept.model.entries[i];
    const bool is_of_merge =
        std::none_of(merge.older.entries.begin(), merge.older.entries.end(),
                     [&](const ModelEntry& entry) { return entry == older || entry == newer; });
    if (!is_of_merge || newer.key != older.key) continue;
    if (IsOperand(newer.kind) && IsOperand(older.kind) && newer.kind != older.kind) continue;
    EXPECT_NE(stratum_of(newer.sequence), stratum_of(older.sequence))
        << testing::PrintToString(newer) << " " << testing::PrintToString(older);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSurvivorsTest, testing::Range(1U, 13U));

std::vector<ModelEntry> SurvivorsOf(std::vector<ModelEntry> entries,
                                    const std::vector<uint64_t>& snapshots, bool has_older) {
  MergeCase merge;
  merge.newer.entries = std::move(entries);
  merge.newer.Sort();
  merge.snapshots = snapshots;
  if (has_older) merge.runs = {{TableOver("a", "z")}};
  SeededRandom random(1);
  Kept kept = Merge(merge, &random);
  return kept.model.entries;
}

TEST(SurvivorsTest, NeighboursOfOneKindBecomeOneWhileTheirBaseIsUnknown) {
  const auto add = [](uint64_t sequence, int64_t n) {
    return ModelEntry{"k", sequence, EntryKind::kIncrement, OperandText(n)};
  };
  const auto append = [](uint64_t sequence, const std::string& value) {
    return ModelEntry{"k", sequence, EntryKind::kAppend, value};
  };
  using Entries = std::vector<ModelEntry>;
  const Entries history = {add(1, 5), add(2, -7), append(3, "a"), append(4, "b"), add(6, 1)};
  EXPECT_EQ(SurvivorsOf(history, {}, true), (Entries{add(6, 1), append(4, "ab"), add(2, -2)}));
  EXPECT_EQ(SurvivorsOf(history, {1}, true),
            (Entries{add(6, 1), append(4, "ab"), add(2, -7), add(1, 5)}));
  EXPECT_EQ(SurvivorsOf(history, {}, false), (Entries{{"k", 6, EntryKind::kPut, "1"}}));
  // With the base of another stratum they stay operands; of their own, they do not.
  const Entries based = {{"k", 1, EntryKind::kPut, "40"}, add(2, 1), add(3, 1)};
  EXPECT_EQ(SurvivorsOf(based, {1}, true), (Entries{add(3, 2), {"k", 1, EntryKind::kPut, "40"}}));
  EXPECT_EQ(SurvivorsOf(based, {2}, true), (Entries{add(3, 1), {"k", 2, EntryKind::kPut, "41"}}));
  EXPECT_EQ(SurvivorsOf(based, {}, true), (Entries{{"k", 3, EntryKind::kPut, "42"}}));
}

TEST(SurvivorsTest, AppendsBecomeOneBelowAMebibyte) {
  const std::string half(kMaxFoldedAppendBytes / 2, 'h');
  using Entries = std::vector<ModelEntry>;
  const Entries two = {{"k", 2, EntryKind::kAppend, half}, {"k", 1, EntryKind::kAppend, half}};
  EXPECT_EQ(SurvivorsOf(two, {}, true), two);
  const Entries shorter = {{"k", 2, EntryKind::kAppend, "x"}, two[1]};
  EXPECT_EQ(SurvivorsOf(shorter, {}, true), (Entries{{"k", 2, EntryKind::kAppend, half + "x"}}));
}

// Each rule of a merge is needed: without it somebody sees a difference.
TEST(LsmMergeMutantTest, EveryRuleIsMissed) {
  for (const Rule rule : {Rule::kSnapshotsKeepVersions, Rule::kTombstonesUntilBottom,
                          Rule::kRangeTombstonesUntilBottom, Rule::kOperandsOfOneStratum,
                          Rule::kOperandsUntilBottom, Rule::kOperandsInOrder}) {
    Mutant mutant{rule, 0};
    int missed = 0;
    for (uint64_t seed = 1; seed <= 300 && missed == 0; seed++) {
      SeededRandom random(seed);
      const MergeCase merge = RandomCase(&random);
      if (!NobodySeesIt(merge, Merge(merge, &random, &mutant))) missed++;
    }
    EXPECT_GT(mutant.applied.load(), 0U) << "rule " << static_cast<int>(rule);
    EXPECT_GT(missed, 0) << "nobody misses rule " << static_cast<int>(rule);
  }
}

TEST(LsmMergeMutantTest, RangeTombstonesAreMissed) {
  SeededRandom random(3);
  const Model model = RandomModel(&random, {});
  const auto tombstones = std::make_shared<const RangeTombstones>(ViewsOf(model.tombstones));
  Mutant mutant{Rule::kRangeTombstonesHide, 0};
  VisibleCursor cursor(MergeOf({model.entries}), {kMaxSequence, false, {tombstones}, &mutant});
  EXPECT_NE(DrainValues(&cursor), model.At(kMaxSequence));
  EXPECT_GT(mutant.applied.load(), 0U);
}

}  // namespace
}  // namespace bedplate::lsm
