// Tables: what is written is read back, in both directions and through every door, and bytes that
// are not what was written are never believed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/sha256.h"
#include "lsm/build_tables.h"
#include "lsm/lz4.h"
#include "lsm/run_cursor.h"
#include "lsm/tables.h"
#include "test/lsm_model.h"
#include "test/test_support.h"
#include "vfs/simulated_disk.h"

namespace bedplate::lsm {
namespace {

KeySpan All() {
  static const std::string before = Internal(0, "");
  static const std::string behind = Internal(0xffffffff, "");
  return {AsBytes(before), AsBytes(behind)};
}

// A directory with tables of `model` in it, made and read.
class Bed {
 public:
  explicit Bed(const vfs::SimulatedDiskOptions& options = {}) : disk(options) {
    vfs::Kind kind = vfs::Kind::kAbsent;
    EXPECT_OK(disk.KindOf("/db", &kind));
    if (kind == vfs::Kind::kAbsent) (void)disk.MakeDirectory("/db");
    EXPECT_OK(disk.SyncDirectory("/"));
    workshop.disk = &disk;
    workshop.path = "/db";
    workshop.shape.block_bytes = 512;
    workshop.new_identity = [this] {
      TableIdentity identity{next_number_, {}, 1'700'000'000'000 + next_number_};
      identity.id.fill(static_cast<uint8_t>(next_number_++));
      return identity;
    };
  }

  Status Build(const Model& model, uint64_t table_bytes, Run* run) {
    ModelCursor cursor(model.entries);
    const RangeTombstones tombstones(ViewsOf(model.tombstones));
    Batch batch{&cursor, SurvivingTombstones(tombstones), table_bytes, on_slice};
    std::vector<TableInfo> made;
    Status status = BuildTables(workshop, batch, &made);
    run->clear();
    for (const TableInfo& info : made) run->push_back(std::make_shared<const TableInfo>(info));
    return status;
  }

  std::unique_ptr<Tables> Open(uint64_t cache_bytes = 1 << 20, size_t max_open_files = 8) {
    return std::make_unique<Tables>(
        Tables::Options{&disk, "/db", cache_bytes, max_open_files, nullptr});
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    EXPECT_OK(disk.List("/db", &names));
    return names;
  }

  std::string Content(const std::string& name) {
    std::unique_ptr<vfs::File> file;
    uint64_t size = 0;
    EXPECT_OK(disk.Open("/db/" + name, vfs::OpenMode::kRead, &file));
    EXPECT_OK(file->Size(&size));
    std::vector<uint8_t> bytes(size);
    size_t count = 0;
    EXPECT_OK(file->Read(bytes, 0, &count));
    return Text(bytes);
  }

  void SetByte(const std::string& name, uint64_t at, uint8_t value) {
    std::unique_ptr<vfs::File> file;
    ASSERT_OK(disk.Open("/db/" + name, vfs::OpenMode::kWrite, &file));
    ASSERT_OK(file->Write({&value, 1}, at));
  }

  vfs::SimulatedDisk disk;
  Workshop workshop;
  std::function<Status(uint64_t)> on_slice;

 private:
  // As a merge gives them: in pieces that no bound divides.
  static std::vector<RangeTombstone> SurvivingTombstones(const RangeTombstones& tombstones) {
    std::vector<RangeTombstone> pieces;
    for (const auto& [span, sequences] : tombstones.Fragments()) {
      for (const uint64_t sequence : sequences) pieces.push_back({span, sequence});
    }
    return pieces;
  }

  uint64_t next_number_ = 1;
};

std::vector<ModelEntry> Walk(Tables* tables, const Run& run, const KeySpan& span, bool reverse,
                             ReadPath path) {
  RunCursor cursor(tables, run, span, reverse, path);
  std::vector<ModelEntry> entries = Drain(&cursor);
  if (reverse) std::reverse(entries.begin(), entries.end());
  return entries;
}

// The value of a key in one run; "(none)" if it has none.
std::string ValueIn(Tables* tables, const Run& run, const std::string& key, uint64_t sequence) {
  Lookup lookup(AsBytes(key), sequence);
  bool missing = false;
  EXPECT_OK(tables->LookUpInRuns({&run, 1}, Tables::Loading::kBlocking, &lookup, &missing));
  EXPECT_FALSE(missing);
  FoundValue value;
  EXPECT_OK(lookup.Finish(&value));
  return value.found ? Text(value.bytes) : "(none)";
}

class TableTest : public testing::TestWithParam<uint32_t> {};

TEST_P(TableTest, WhatIsWrittenIsReadBack) {
  SeededRandom random(GetParam());
  ModelShape model_shape;
  model_shape.commits = 1000;
  const Model model = RandomModel(&random, model_shape);
  for (const auto compression : {Compression::kNone, Compression::kLz4}) {
    for (const uint64_t table_bytes : {uint64_t{2000}, uint64_t{1} << 30}) {
      Bed bed;
      bed.workshop.shape.compression = compression;
      lsm::Run run;
      ASSERT_OK(bed.Build(model, table_bytes, &run));
      EXPECT_EQ(run.size() > 3, table_bytes == 2000);
      uint64_t entries = 0;
      for (size_t i = 0; i < run.size(); i++) {
        entries += run[i]->entry_count;
        if (i == 0) continue;
        EXPECT_LE(CompareBytes(run[i - 1]->end, run[i]->start), 0);
      }
      EXPECT_EQ(entries, model.entries.size());
      const auto tables = bed.Open(/*cache_bytes=*/random.Below(2) == 0 ? 4000 : 1 << 20, 2);
      for (const ReadPath path : {ReadPath::kCache, ReadPath::kReadAhead}) {
        for (const bool reverse : {false, true}) {
          EXPECT_EQ(Walk(tables.get(), run, All(), reverse, path), model.entries);
        }
      }
      EXPECT_LE(tables->open_files(), 2U);
      EXPECT_LE(tables->cache_figures().bytes, tables->cache_figures().capacity_bytes);
      std::set<std::string> keys;
      for (const ModelEntry& entry : model.entries) keys.insert({entry.key, entry.key + "?"});
      for (const uint64_t sequence : {1U, 777U, 1000U}) {
        const auto seen = model.At(sequence);
        for (const std::string& key : keys) {
          const auto found = seen.find(key);
          const std::string expected = found == seen.end() ? "(none)" : found->second;
          ASSERT_EQ(ValueIn(tables.get(), run, key, sequence), expected) << "at " << sequence;
        }
      }
    }
  }
}

TEST_P(TableTest, WalksOverSpansInBothDirections) {
  SeededRandom random(GetParam());
  const Model model = RandomModel(&random, {});
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 3000, &run));
  const auto tables = bed.Open();
  for (int i = 0; i < 100; i++) {
    std::string start = model.entries[random.Below(model.entries.size())].key;
    std::string end = model.entries[random.Below(model.entries.size())].key;
    if (random.Below(4) == 0) start += '\0';
    if (random.Below(4) == 0) end.resize(end.size() - 1);
    std::vector<ModelEntry> expected;
    for (const ModelEntry& entry : model.entries) {
      if (start <= entry.key && entry.key < end) expected.push_back(entry);
    }
    const KeySpan span{AsBytes(start), AsBytes(end)};
    for (const bool reverse : {false, true}) {
      EXPECT_EQ(Walk(tables.get(), run, span, reverse, ReadPath::kCache), expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TableTest, testing::Range(1U, 5U));

// The entries of ts's golden test (test/storage/lsm/golden-table.test.ts): both twins write these
// bytes.
TEST(GoldenTableTest, BothTwinsWriteTheSameBytes) {
  Model model;
  for (int i = 0; i < 400; i++) {
    const std::string key =
        Internal(static_cast<uint32_t>(1 + i % 2), "key " + std::to_string(i / 3));
    const auto sequence = static_cast<uint64_t>(5 + (i * 7919) % 1000);
    const EntryKind kind = i % 5 == 0 ? EntryKind::kDelete : EntryKind::kPut;
    const std::string value(kind == EntryKind::kPut ? static_cast<size_t>(i * i % 90) : 0,
                            static_cast<char>('a' + i % 26));
    model.entries.push_back({key, sequence, kind, value});
  }
  model.tombstones = {{Internal(1, "key 2"), Internal(1, "key 3"), 17},
                      {Internal(2, ""), Internal(2, "key 13"), 900}};
  model.Sort();
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 1 << 30, &run));
  ASSERT_EQ(run.size(), 1U);
  EXPECT_EQ(Sha256Hex(AsBytes(bed.Content("000001.sst"))),
            "bc2fb2e1af1df83490914ae87c08956fe6879bcbb3b0c7ba6a5306a55ff7f6bb");
}

// -- one key --------------------------------------------------------------------------------------

TEST(TableLookupTest, ManyAtOnceFindWhatEachFinds) {
  SeededRandom random(5);
  const Model model = RandomModel(&random, {});
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 3000, &run));
  const auto tables = bed.Open();
  std::vector<std::string> keys;
  for (int i = 0; i < 100; i++) {
    keys.push_back(model.entries[random.Below(model.entries.size())].key);
    if (i % 7 == 0) keys.back() += "?";
  }
  std::vector<std::unique_ptr<Lookup>> lookups;
  std::vector<Lookup*> views;
  for (const std::string& key : keys) {
    lookups.push_back(std::make_unique<Lookup>(AsBytes(key), 250));
    views.push_back(lookups.back().get());
  }
  bool missing = false;
  ASSERT_OK(tables->LookUpMany(run, Tables::Loading::kAtHand, views, &missing));
  EXPECT_TRUE(missing);
  for (const std::string& key : keys) {
    lookups.push_back(std::make_unique<Lookup>(AsBytes(key), 250));
  }
  views.clear();
  for (size_t i = keys.size(); i < lookups.size(); i++) views.push_back(lookups[i].get());
  ASSERT_OK(tables->LookUpMany(run, Tables::Loading::kBlocking, views, &missing));
  EXPECT_FALSE(missing);
  for (size_t i = 0; i < keys.size(); i++) {
    FoundValue value;
    ASSERT_OK(views[i]->Finish(&value));
    EXPECT_EQ(value.found ? Text(value.bytes) : "(none)", ValueIn(tables.get(), run, keys[i], 250));
  }
}

TEST(TableLookupTest, AtHandMeansWithoutTheDisk) {
  Model model;
  for (int i = 0; i < 100; i++) {
    model.entries.push_back({Internal(1, std::to_string(1000 + i)), 5, EntryKind::kPut, "v"});
  }
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 1 << 30, &run));
  const auto tables = bed.Open();
  const std::string key = Internal(1, "1050");
  const auto is_missing = [&] {
    Lookup lookup(AsBytes(key), 9);
    bool missing = false;
    EXPECT_OK(tables->LookUpInRuns({&run, 1}, Tables::Loading::kAtHand, &lookup, &missing));
    return missing;
  };
  EXPECT_TRUE(is_missing());
  EXPECT_EQ(ValueIn(tables.get(), run, key, 9), "v");
  EXPECT_FALSE(is_missing());
  tables->SetCacheBytes(0);
  EXPECT_TRUE(is_missing());
}

TEST(TableLookupTest, WhatWasIngestedCountsAsOneSequence) {
  Model model;
  for (int i = 0; i < 100; i++) {
    model.entries.push_back({Internal(1, std::to_string(1000 + i)), 0, EntryKind::kPut, "new"});
  }
  model.tombstones = {{Internal(1, "2"), Internal(1, "3"), 0}};
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 1 << 30, &run));
  TableInfo info = *run[0];
  info.sequence = 42;
  run[0] = std::make_shared<const TableInfo>(info);
  EXPECT_EQ(info.least_sequence(), 42U);
  const auto tables = bed.Open();
  EXPECT_EQ(ValueIn(tables.get(), run, Internal(1, "1050"), 42), "new");
  EXPECT_EQ(ValueIn(tables.get(), run, Internal(1, "1050"), 41), "(none)");
  for (ModelEntry& entry : model.entries) entry.sequence = 42;
  EXPECT_EQ(Walk(tables.get(), run, All(), false, ReadPath::kCache), model.entries);
  std::shared_ptr<const TableMeta> meta;
  ASSERT_OK(tables->Meta(*run[0], &meta));
  EXPECT_EQ(meta->tombstones().Covering(AsBytes(Internal(1, "25")), kMaxSequence), 42U);
}

// -- making them ----------------------------------------------------------------------------------

Model Numbered(int count, size_t value_bytes) {
  Model model;
  for (int i = 0; i < count; i++) {
    const std::string key = Internal(1, std::to_string(100'000 + i));
    model.entries.push_back({key, 5, EntryKind::kPut, std::string(value_bytes, 'v')});
  }
  return model;
}

TEST(BuildTablesTest, LeavesNothingBehindAfterAFailure) {
  for (const auto operation : {vfs::DiskOperation::kCreate, vfs::DiskOperation::kWrite,
                               vfs::DiskOperation::kSync, vfs::DiskOperation::kSyncDirectory}) {
    for (uint64_t nth = 1; nth <= (operation == vfs::DiskOperation::kSyncDirectory ? 1U : 3U);
         nth++) {
      Bed bed;
      int failed_syncs = 0;
      bed.workshop.on_failed_sync = [&](const Status& status) {
        EXPECT_EQ(status.code(), ErrorCode::kDiskFull);
        failed_syncs++;
      };
      vfs::FaultSpec spec;
      spec.operation = operation;
      spec.nth = nth;
      spec.error = ENOSPC;
      const auto fault = bed.disk.FailAt(spec);
      lsm::Run run;
      EXPECT_EQ(bed.Build(Numbered(2000, 50), 30'000, &run).code(), ErrorCode::kDiskFull);
      EXPECT_EQ(fault->applied(), 1U);
      EXPECT_TRUE(run.empty());
      EXPECT_TRUE(bed.Names().empty());
      EXPECT_EQ(bed.disk.open_files(), 0U);
      const bool is_sync =
          operation == vfs::DiskOperation::kSync || operation == vfs::DiskOperation::kSyncDirectory;
      EXPECT_EQ(failed_syncs, is_sync ? 1 : 0);
    }
  }
}

TEST(BuildTablesTest, EndsWhereItIsToldTo) {
  Bed bed;
  uint64_t bytes = 0;
  bed.on_slice = [&](uint64_t added) {
    bytes += added;
    return bytes < 300'000 ? Status::Ok() : Status::Error(ErrorCode::kClosed, "enough");
  };
  lsm::Run run;
  EXPECT_EQ(bed.Build(Numbered(10'000, 100), 1 << 30, &run).code(), ErrorCode::kClosed);
  EXPECT_LT(bytes, 500'000U);
  EXPECT_TRUE(bed.Names().empty());
}

// What is left of the tables of a bed after a power cut that takes all that was not synced.
std::vector<ModelEntry> AfterPowerCut(vfs::SimulatedDisk* disk, const Run& run) {
  SeededRandom random(1);
  vfs::DiskImage image;
  EXPECT_OK(disk->CrashImage(disk->history_length(), vfs::CrashVariant::kNone, &random, &image));
  Bed after({image});
  const auto tables = after.Open();
  RunCursor cursor(tables.get(), run, All(), false, ReadPath::kCache);
  std::vector<ModelEntry> entries;
  bool found = true;
  while (cursor.Step(&found).ok() && found) {
    const auto& [key, sequence, kind, value] = cursor.entry();
    entries.push_back({Text(key), sequence, kind, Text(value)});
  }
  return entries;
}

TEST(BuildTablesTest, IsDurableWhenItReturns) {
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(Numbered(1000, 50), 20'000, &run));
  ASSERT_GT(run.size(), 2U);
  EXPECT_EQ(AfterPowerCut(&bed.disk, run), Numbered(1000, 50).entries);
}

TEST(LsmTableMutantTest, EverySyncIsMissed) {
  for (const Rule rule : {Rule::kTableSync, Rule::kTableNameSync}) {
    Bed bed;
    Mutant mutant{rule, 0};
    bed.workshop.mutant = &mutant;
    lsm::Run run;
    ASSERT_OK(bed.Build(Numbered(1000, 50), 20'000, &run));
    EXPECT_GT(mutant.applied.load(), 0U);
    EXPECT_NE(AfterPowerCut(&bed.disk, run), Numbered(1000, 50).entries);
  }
}

TEST(LsmTableMutantTest, TheChecksumOfBlocksIsMissed) {
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(Numbered(60, 40), 1 << 20, &run));
  bed.SetByte("000001.sst", bed.Content("000001.sst").find("vvv"), 'w');
  Mutant mutant{Rule::kBlockChecksum, 0};
  Tables tables({&bed.disk, "/db", 1 << 20, 8, &mutant});
  EXPECT_NE(Walk(&tables, run, All(), false, ReadPath::kCache), Numbered(60, 40).entries);
  EXPECT_GT(mutant.applied.load(), 0U);
}

TEST(BuildTablesTest, RangeTombstonesAreCutWhereTablesEnd) {
  Model model = Numbered(1000, 50);
  model.tombstones = {{Text(All().start), Text(All().end), 3}};
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 20'000, &run));
  ASSERT_GT(run.size(), 2U);
  EXPECT_EQ(Text(run.front()->start), Text(All().start));
  EXPECT_EQ(Text(run.back()->end), Text(All().end));
  const auto tables = bed.Open();
  for (size_t i = 0; i < run.size(); i++) {
    std::shared_ptr<const TableMeta> meta;
    ASSERT_OK(tables->Meta(*run[i], &meta));
    ASSERT_EQ(meta->tombstones().count(), 1U);
    const KeySpan span = meta->tombstones().List()[0].span;
    EXPECT_EQ(Text(span.start), Text(run[i]->start));
    EXPECT_EQ(Text(span.end), Text(run[i]->end));
    if (i == 0) continue;
    EXPECT_EQ(Text(run[i - 1]->end), Text(run[i]->start));
  }
  // Of tombstones alone a table is made, too; of nothing, none is.
  model.entries.clear();
  ASSERT_OK(bed.Build(model, 20'000, &run));
  ASSERT_EQ(run.size(), 1U);
  EXPECT_EQ(run[0]->data_bytes, 0U);
  EXPECT_TRUE(Walk(tables.get(), run, All(), true, ReadPath::kReadAhead).empty());
  ASSERT_OK(bed.Build({}, 20'000, &run));
  EXPECT_TRUE(run.empty());
}

TEST(TableWriterTest, RefusesVersionsOutOfOrder) {
  Bed bed;
  lsm::Run run;
  Model model = Numbered(3, 1);
  std::swap(model.entries[1], model.entries[2]);
  EXPECT_EQ(bed.Build(model, 1 << 20, &run).code(), ErrorCode::kInternal);
  model = Numbered(1, 1);
  model.entries.push_back(model.entries[0]);
  EXPECT_EQ(bed.Build(model, 1 << 20, &run).code(), ErrorCode::kInternal);
}

TEST(TableFormatTest, NamesOfTables) {
  EXPECT_EQ(TableName(42), "000042.sst");
  EXPECT_EQ(TableName(1'234'567), "1234567.sst");
  uint64_t number = 0;
  EXPECT_TRUE(ParseTableName("000042.sst", &number));
  EXPECT_EQ(number, 42U);
  for (const char* name : {"42.sst", "000042", "00004x.sst", "-00042.sst", "+00042.sst", ".sst",
                           "0000000000000042.sst", "000042.sst.new"}) {
    EXPECT_FALSE(ParseTableName(name, &number)) << name;
  }
}

// -- bytes that are not what was written ----------------------------------------------------------

// All that can be read of a table, or the first failure.
Status ReadAll(Bed* bed, const Run& run, std::vector<ModelEntry>* entries) {
  const auto tables = bed->Open();
  std::shared_ptr<const TableMeta> meta;
  if (Status status = tables->Meta(*run[0], &meta); !status.ok()) return status;
  RunCursor cursor(tables.get(), run, All(), false, ReadPath::kCache);
  while (true) {
    bool found = false;
    if (Status status = cursor.Step(&found); !status.ok() || !found) return status;
    const auto& [key, sequence, kind, value] = cursor.entry();
    entries->push_back({Text(key), sequence, kind, Text(value)});
  }
}

TEST(DamagedTableTest, NoChangedByteIsBelieved) {
  for (const auto compression : {Compression::kNone, Compression::kLz4}) {
    Model model = Numbered(60, 40);
    model.tombstones = {{Internal(1, "1"), Internal(1, "2"), 3}};
    Bed bed;
    bed.workshop.shape.compression = compression;
    lsm::Run run;
    ASSERT_OK(bed.Build(model, 1 << 20, &run));
    const std::string content = bed.Content("000001.sst");
    int noticed = 0;
    for (uint64_t at = 0; at < content.size(); at++) {
      const auto byte = static_cast<uint8_t>(content[at]);
      bed.SetByte("000001.sst", at, byte ^ 0x55);
      std::vector<ModelEntry> entries;
      const Status status = ReadAll(&bed, run, &entries);
      if (status.ok()) {
        // Between blocks.
        ASSERT_EQ(byte, 0U) << "byte " << at;
        ASSERT_EQ(entries, model.entries) << "byte " << at;
      } else {
        ASSERT_TRUE(status.Is(ErrorCode::kCorruption) || status.Is(ErrorCode::kIncompatible));
        ASSERT_NE(status.message().find("/db/000001.sst"), std::string::npos) << status.message();
        noticed++;
      }
      bed.SetByte("000001.sst", at, byte);
    }
    EXPECT_GT(noticed, static_cast<int>(content.size()) * 3 / 4);
  }
}

TEST(DamagedTableTest, SaysWhatIsWrong) {
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(Numbered(60, 40), 1 << 20, &run));
  std::vector<ModelEntry> entries;
  const std::string content = bed.Content("000001.sst");
  bed.SetByte("000001.sst", 20, static_cast<uint8_t>(content[20] ^ 1));
  Status status = ReadAll(&bed, run, &entries);
  EXPECT_EQ(status.message(),
            "/db/000001.sst: the block at offset 0 is damaged: its checksum does not match");
  EXPECT_EQ(status.hint(), "what other blocks hold can still be read; restore a backup");
  bed.SetByte("000001.sst", 20, static_cast<uint8_t>(content[20]));

  TableInfo other = *run[0];
  other.id.fill(99);
  status = ReadAll(&bed, {std::make_shared<const TableInfo>(other)}, &entries);
  EXPECT_EQ(status.message(),
            "/db/000001.sst is another table than the one that the manifest names");
  other = *run[0];
  other.file_bytes++;
  status = ReadAll(&bed, {std::make_shared<const TableInfo>(other)}, &entries);
  EXPECT_EQ(status.code(), ErrorCode::kCorruption);
  const auto tables = bed.Open();
  tables->Close();
  std::shared_ptr<const TableMeta> meta;
  EXPECT_EQ(tables->Meta(*run[0], &meta).message(), "the store /db is closed");
}

TEST(Lz4Test, PacksOnlyWhatIsWorthIt) {
  const std::string plain(10'000, 'a');
  std::vector<uint8_t> packed = {1, 2, 3};
  ASSERT_TRUE(PackLz4(AsBytes(plain), plain.size() * 7 / 8, &packed));
  EXPECT_LT(packed.size(), 200U);
  EXPECT_EQ(packed[2], 3U);  // behind what was there
  std::vector<uint8_t> raw(plain.size());
  ASSERT_TRUE(UnpackLz4(Bytes(packed).subspan(3), raw));
  EXPECT_EQ(Text(raw), plain);
  raw.resize(plain.size() - 1);
  EXPECT_FALSE(UnpackLz4(Bytes(packed).subspan(3), raw));
  raw.resize(plain.size() + 1);
  EXPECT_FALSE(UnpackLz4(Bytes(packed).subspan(3), raw));
  SeededRandom random(1);
  std::string noise;
  for (int i = 0; i < 1000; i++) noise += static_cast<char>(random.Below(256));
  EXPECT_FALSE(UnpackLz4({}, {}));
  EXPECT_FALSE(PackLz4({}, 100, &packed));
  packed = {1, 2, 3};
  EXPECT_FALSE(PackLz4(AsBytes(noise), noise.size() * 7 / 8, &packed));
  EXPECT_EQ(packed.size(), 3U);
}

// The other half of ts's golden test.
TEST(Lz4Test, UnpacksWhatTheTwinPacked) {
  std::string text;
  for (int i = 0; i < 20; i++) text += "bedplate ";
  text += "and then something else";
  const std::string hex =
      "9f626564706c61746520090098f008616e64207468656e20736f6d657468696e6720656c7365";
  std::vector<uint8_t> packed;
  for (size_t i = 0; i < hex.size(); i += 2) {
    packed.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  std::vector<uint8_t> raw(text.size());
  ASSERT_TRUE(UnpackLz4(packed, raw));
  EXPECT_EQ(Text(raw), text);
}

TEST(BlockTest, APackedBlockIsCheckedBeforeMemoryIsTaken) {
  const std::string path = "t.sst";
  const BlockPlace place{64, 7, path};
  std::vector<uint8_t> block;
  SealBlock(BlockType::kData, AsBytes(std::string(1000, 'a')), Compression::kLz4, 7, 64, &block);
  Bytes payload;
  std::vector<uint8_t> unpacked;
  ASSERT_OK(OpenBlock(BlockType::kData, block, place, &payload, &unpacked));
  EXPECT_EQ(Text(payload), std::string(1000, 'a'));
  Mutant believes_all{Rule::kBlockChecksum, 0};
  const BlockPlace trusting{64, 7, path, &believes_all};
  StoreU32(block.data() + 12, UINT32_MAX);
  EXPECT_EQ(OpenBlock(BlockType::kData, block, trusting, &payload, &unpacked).code(),
            ErrorCode::kCorruption);
  EXPECT_LT(unpacked.capacity(), 100'000U);
  StoreU32(block.data() + 12, 999);
  EXPECT_EQ(OpenBlock(BlockType::kData, block, trusting, &payload, &unpacked).message(),
            "t.sst: the block at offset 64 is damaged: it cannot be unpacked");
  block[5] = 2;
  EXPECT_EQ(OpenBlock(BlockType::kData, block, trusting, &payload, &unpacked).message(),
            "t.sst: the block at offset 64 is packed by codec 2");
}

// -- cache ----------------------------------------------------------------------------------------

TEST(BlockCacheTest, KeepsWhatIsUsedWithinItsBound) {
  BlockCache cache(1000);
  const auto value = [](int n) { return std::make_shared<const int>(n); };
  for (uint64_t i = 0; i < 100; i++) {
    cache.Insert({1, 64 * i}, value(static_cast<int>(i)), 100);
    EXPECT_LE(cache.bytes(), 1000U);
    // Used each time, so it always has another chance.
    EXPECT_NE(cache.Find({1, 0}), nullptr) << i;
  }
  EXPECT_EQ(cache.bytes(), 1000U);
  const auto held = cache.Find({1, 0});
  cache.SetCapacity(0);
  EXPECT_EQ(cache.bytes(), 0U);
  EXPECT_EQ(cache.Find({1, 0}), nullptr);
  EXPECT_EQ(*static_cast<const int*>(held.get()), 0);
  cache.Insert({1, 0}, value(1), 1);
  EXPECT_EQ(cache.Find({1, 0}), nullptr) << "larger than all of it";
  cache.SetCapacity(1000);
  cache.Insert({1, 0}, value(1), 600);
  cache.Insert({1, 0}, value(2), 700);
  EXPECT_EQ(cache.bytes(), 700U);
  EXPECT_EQ(*static_cast<const int*>(cache.Find({1, 0}).get()), 2);
  cache.Erase({1, 0});
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(BlockCacheTest, FindsWhatAMapFinds) {
  BlockCache cache(1 << 30);
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> model;
  SeededRandom random(7);
  for (uint64_t i = 0; i < 100'000; i++) {
    const BlockCache::Key key{random.Below(5), random.Below(400)};
    const auto expected = model.find({key.table, key.place});
    const auto found = cache.Find(key);
    ASSERT_EQ(found == nullptr, expected == model.end());
    if (found != nullptr) {
      ASSERT_EQ(*static_cast<const uint64_t*>(found.get()), expected->second);
    }
    // First more and more, then fewer and fewer.
    if (random.Below(100'000) > i) {
      cache.Insert(key, std::make_shared<const uint64_t>(i), 1);
      model[{key.table, key.place}] = i;
    } else {
      cache.Erase(key);
      model.erase({key.table, key.place});
    }
    ASSERT_EQ(cache.bytes(), model.size());
  }
}

TEST(BlockCacheTest, ManyThreadsUseItAtOnce) {
  BlockCache cache(5000);
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; seed++) {
    threads.emplace_back([&cache, seed] {
      SeededRandom random(seed);
      for (int i = 0; i < 5000; i++) {
        const uint64_t number = random.Below(200);
        const BlockCache::Key key{number, 64 * number};
        const auto found = cache.Find(key);
        if (found != nullptr) {
          EXPECT_EQ(*static_cast<const uint64_t*>(found.get()), number);
        }
        if (random.Below(3) == 0) {
          cache.Insert(key, std::make_shared<const uint64_t>(number), 10 + random.Below(90));
        }
        if (random.Below(50) == 0) cache.Erase(key);
        if (random.Below(100) == 0) cache.SetCapacity(random.Below(5000));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  cache.SetCapacity(0);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(TablesTest, ThreadsReadTheSameTablesAtOnce) {
  SeededRandom random(1);
  const Model model = RandomModel(&random, {});
  Bed bed;
  lsm::Run run;
  ASSERT_OK(bed.Build(model, 2000, &run));
  const auto tables = bed.Open(/*cache_bytes=*/6000, /*max_open_files=*/2);
  const auto seen = model.At(200);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&, i] {
      const auto path = i == 2 ? ReadPath::kReadAhead : ReadPath::kCache;
      EXPECT_EQ(Walk(tables.get(), run, All(), i == 1, path), model.entries);
      for (const auto& [key, value] : seen) {
        EXPECT_EQ(ValueIn(tables.get(), run, key, 200), value);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace bedplate::lsm
