// The engine on a real disk: commits, snapshots, walks, flushes, compactions, transactions, and
// many threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/little_endian.h"
#include "lsm/engine.h"
#include "lsm/range_walk.h"
#include "test/test_support.h"
#include "vfs/real_disk.h"

namespace bedplate::lsm {
namespace {

using TreeModel = std::map<std::string, std::string>;
using Kind = ordered::OperationKind;

constexpr const char* kNothing = "(nothing)";

class LsmEngineTest : public testing::Test {
 protected:
  LsmEngineTest() {
    options_.disk = &disk_;
    options_.path = directory_.path();
    options_.memtable_bytes = 32 << 10;
    options_.memory_bytes = 256 << 10;
    options_.max_open_files = 4;
    options_.table_bytes = 8 << 10;
    options_.limits = {2, 16 << 10};
    options_.durability = log::Durability::kOs;
    options_.first_segment_bytes = 16 << 10;
    options_.max_segment_bytes = 64 << 10;
    options_.now_ms = [this] { return now_ms_.load(); };
    options_.random = [this](std::span<uint8_t> target) {
      const std::lock_guard lock(random_mutex_);
      for (uint8_t& byte : target) byte = static_cast<uint8_t>(ids_());
    };
  }

  ~LsmEngineTest() override { Close(); }

  // Makes the store, as ts/storage/lsm/open.ts does.
  void Make(CompactionPlan plan = {}) {
    Manifest manifest;
    manifest.uuid[0] = 7;
    manifest.shape.block_bytes = 512;
    manifest.plan = plan;
    const std::vector<uint8_t> bytes = EncodeManifest(manifest);
    WriteText(directory_.At("manifest"), AsText(bytes));
    log::LogOptions log_options;
    log_options.disk = &disk_;
    log_options.directory = directory_.path();
    log_options.uuid = manifest.uuid;
    std::unique_ptr<log::Log> log;
    ASSERT_OK(log::Log::Open(
        log_options, [](uint64_t, Bytes) { return Status::Ok(); }, &log));
    ASSERT_OK(log->Reserve(1));
    log->Append(Bytes());
    ASSERT_OK(log->SyncTo(1));
    ASSERT_OK(log->Close());
    Open();
  }

  void Open() {
    ASSERT_OK(Engine::Open(options_, &engine_));
    ASSERT_OK(engine_->Attach(&attachment_));
  }

  void Close() {
    attachment_.reset();
    if (engine_ != nullptr) {
      EXPECT_OK(engine_->Close());
    }
    engine_.reset();
  }

  // Views of `key` and `value`.
  Operation Of(Kind kind, const std::string& tree, std::string_view key,
               std::string_view value = {}) {
    Operation operation;
    operation.kind = kind;
    operation.tree = engine_->TreeOf(tree);
    operation.key = AsBytes(key);
    operation.value = AsBytes(value);
    return operation;
  }

  void Apply(const Operation& operation) {
    uint64_t position = 0;
    ASSERT_OK(engine_->Apply(attachment_.get(), {&operation, 1}, &position));
  }

  void Put(const std::string& key, const std::string& value, const std::string& tree = "") {
    Apply(Of(Kind::kPut, tree, key, value));
    models_[tree][key] = value;
  }

  void Delete(const std::string& key, const std::string& tree = "") {
    Apply(Of(Kind::kDelete, tree, key));
    models_[tree].erase(key);
  }

  void Clear(const std::string& from, const std::string& to, const std::string& tree = "") {
    Operation operation = Of(Kind::kClear, tree, "");
    operation.range.lower = AsBytes(from);
    operation.range.upper = AsBytes(to);
    operation.range.upper_inclusive = false;
    Apply(operation);
    TreeModel& model = models_[tree];
    model.erase(model.lower_bound(from), model.lower_bound(to));
  }

  std::string Get(const std::string& key, const std::string& tree = "") {
    ordered::ValueTarget value;
    EXPECT_OK(engine_->Get(attachment_.get(), engine_->TreeOf(tree), AsBytes(key), &value));
    return value.found ? Text(value.bytes()) : kNothing;
  }

  TreeModel ContentOf(const std::shared_ptr<Snapshot>& snapshot, const std::string& tree,
                      bool reverse = false) {
    TreeModel content;
    uint32_t tree_id = 0;
    EXPECT_OK(engine_->RootIn(attachment_.get(), *snapshot, tree, &tree_id));
    std::unique_ptr<RangeWalk> walk;
    EXPECT_OK(RangeWalk::Open(engine_.get(), attachment_.get(), *engine_->TreeOf(tree), snapshot,
                              tree_id, {}, reverse, UINT64_MAX, &walk));
    std::string last;
    ordered::Block block;
    while (true) {
      EXPECT_OK(walk->Read(engine_.get(), attachment_.get(), 700, &block));
      if (block.count == 0) return content;
      const uint8_t* at = block.bytes().data();
      for (uint32_t i = 0; i < block.count; i++) {
        const uint32_t key_length = LoadU32(at);
        const uint32_t value_length = LoadU32(at + 4);
        const std::string key = Text({at + 8, key_length});
        EXPECT_TRUE(content.empty() || (reverse ? key < last : key > last));
        last = key;
        content[key] = Text({at + 8 + key_length, value_length});
        at += 8 + size_t{key_length} + value_length;
      }
    }
  }

  void CheckAll() {
    std::shared_ptr<Snapshot> snapshot;
    ASSERT_OK(engine_->OpenSnapshot(&snapshot));
    for (const auto& [tree, model] : models_) {
      ASSERT_EQ(ContentOf(snapshot, tree), model) << "tree " << tree;
      ASSERT_EQ(ContentOf(snapshot, tree, /*reverse=*/true), model);
    }
  }

  // Puts and deletes at random among `keys` keys.
  void Stir(uint32_t operations, uint32_t keys) {
    for (uint32_t i = 0; i < operations; i++) {
      const std::string key = "key" + std::to_string(random_() % keys);
      const uint32_t what = static_cast<uint32_t>(random_() % 100);
      if (what < 70) {
        Put(key, std::string(random_() % 80, 'v') + std::to_string(i));
      } else if (what < 98) {
        Delete(key);
      } else {
        Clear(key, key + "5");
      }
    }
  }

  TemporaryDirectory directory_;
  vfs::RealDisk disk_;
  EngineOptions options_;
  std::atomic<uint64_t> now_ms_{1'000'000};
  std::mt19937_64 random_{42};
  // The background's.
  std::mutex random_mutex_;
  std::mt19937_64 ids_{43};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Attachment> attachment_;
  std::map<std::string, TreeModel> models_;
};

TEST_F(LsmEngineTest, WhatWasWrittenIsThereAfterReopening) {
  Make();
  Put("a", "1");
  Put("b", "2", "named");
  Delete("a");
  Put("c", "");
  CheckAll();
  Close();
  Open();
  CheckAll();
  EXPECT_EQ(Get("a"), kNothing);
  EXPECT_EQ(Get("c"), "");
  EXPECT_EQ(Get("b", "named"), "2");
  EXPECT_EQ(Get("b"), kNothing);
}

TEST_F(LsmEngineTest, ManyWritesGoToTablesAndAreMerged) {
  Make();
  for (int round = 0; round < 12; round++) {
    Stir(600, 400);
    if (round % 4 == 3) {
      ASSERT_OK(engine_->Flush());
      CheckAll();
      Close();
      Open();
    }
  }
  CheckAll();
  ASSERT_OK(engine_->Compact());
  CheckAll();
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.levels.size(), 1U);
  EXPECT_EQ(stats.levels.front().entries, models_[""].size());
  EXPECT_EQ(stats.open_snapshots, 0U);
  // Only what the manifest names is left.
  Close();
  uint64_t tables = 0;
  for (const std::string& name : NamesIn(directory_.path())) tables += name.ends_with(".sst");
  EXPECT_EQ(tables, stats.levels.front().tables);
}

TEST_F(LsmEngineTest, ASnapshotShowsItsMomentWhateverIsMerged) {
  Make();
  Stir(500, 100);
  std::shared_ptr<Snapshot> snapshot;
  ASSERT_OK(engine_->OpenSnapshot(&snapshot));
  const TreeModel then = models_[""];
  Stir(1500, 100);
  Operation drop = Of(Kind::kDrop, "", "");
  Apply(drop);
  models_[""].clear();
  ASSERT_OK(engine_->Compact());
  EXPECT_EQ(ContentOf(snapshot, ""), then);
  EXPECT_EQ(ContentOf(snapshot, "", /*reverse=*/true), then);
  CheckAll();
  snapshot.reset();
  ASSERT_OK(engine_->Compact());
  EXPECT_TRUE(engine_->Stats().levels.empty());
}

TEST_F(LsmEngineTest, AWalkHoldsTheTablesOfItsBeginning) {
  Make();
  Stir(500, 200);
  const TreeModel then = models_[""];
  std::unique_ptr<RangeWalk> walk;
  ASSERT_OK(RangeWalk::Open(engine_.get(), attachment_.get(), *engine_->TreeOf(""), nullptr, 0, {},
                            /*reverse=*/false, UINT64_MAX, &walk));
  ordered::Block block;
  ASSERT_OK(walk->Read(engine_.get(), attachment_.get(), 100, &block));
  uint64_t count = block.count;
  EXPECT_EQ(engine_->Stats().open_snapshots, 1U);
  Stir(2000, 200);
  ASSERT_OK(engine_->Compact());
  while (block.count > 0) {
    ASSERT_OK(walk->Read(engine_.get(), attachment_.get(), 1000, &block));
    count += block.count;
  }
  EXPECT_EQ(count, then.size());
  walk.reset();
  EXPECT_EQ(engine_->Stats().open_snapshots, 0U);
}

TEST_F(LsmEngineTest, OperandsAreAppliedToWhatIsThere) {
  Make();
  const auto by = [](int64_t number) {
    std::string bytes(8, '\0');
    StoreU64(reinterpret_cast<uint8_t*>(bytes.data()), static_cast<uint64_t>(number));
    return bytes;
  };
  const std::string five = by(5);
  const std::string minus_seven = by(-7);
  Apply(Of(Kind::kIncrement, "", "counter", five));
  ASSERT_OK(engine_->Flush());
  Apply(Of(Kind::kIncrement, "", "counter", minus_seven));
  EXPECT_EQ(Get("counter"), "-2");
  Apply(Of(Kind::kAppend, "", "text", "one"));
  ASSERT_OK(engine_->Flush());
  Apply(Of(Kind::kAppend, "", "text", " two"));
  EXPECT_EQ(Get("text"), "one two");
  std::shared_ptr<Snapshot> snapshot;
  ASSERT_OK(engine_->OpenSnapshot(&snapshot));
  const std::vector<Operation> both = {Of(Kind::kDelete, "", "counter"),
                                       Of(Kind::kIncrement, "", "counter", five),
                                       Of(Kind::kAppend, "", "text", "!")};
  uint64_t position = 0;
  ASSERT_OK(engine_->Apply(attachment_.get(), both, &position));
  ASSERT_OK(engine_->Compact());
  models_[""] = {{"counter", "5"}, {"text", "one two!"}};
  CheckAll();
  const TreeModel then = {{"counter", "-2"}, {"text", "one two"}};
  EXPECT_EQ(ContentOf(snapshot, ""), then);
  const std::vector<Operation> mixed = {Of(Kind::kIncrement, "", "new", five),
                                        Of(Kind::kAppend, "", "new", "x")};
  EXPECT_EQ(engine_->Apply(attachment_.get(), mixed, &position).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(Get("new"), kNothing);
}

TEST_F(LsmEngineTest, ATransactionCommitsOnlyIfNothingItReadHasChanged) {
  Make();
  Put("a", "1");
  Put("b", "2");
  std::shared_ptr<Snapshot> snapshot;
  ASSERT_OK(engine_->OpenSnapshot(&snapshot));
  ReadSet reads;
  reads.keys.push_back({engine_->TreeOf(""), AsBytes("a")});
  const std::vector<Operation> operations = {Of(Kind::kPut, "", "sum", "3")};
  uint64_t position = 0;
  Put("a", "1");
  ASSERT_OK(engine_->CommitIfUnchanged(attachment_.get(), *snapshot, reads, operations, &position));
  Put("a", "4");
  EXPECT_EQ(
      engine_->CommitIfUnchanged(attachment_.get(), *snapshot, reads, operations, &position).code(),
      ErrorCode::kConflict);
  ReadSet range;
  range.ranges.push_back({engine_->TreeOf(""), {}});
  EXPECT_EQ(
      engine_->CommitIfUnchanged(attachment_.get(), *snapshot, range, operations, &position).code(),
      ErrorCode::kConflict);
}

TEST_F(LsmEngineTest, AFifoStoreDropsItsOldestTables) {
  Make({CompactionStyle::kFifo, 1000, 0});
  Put("old", "1");
  ASSERT_OK(engine_->Flush());
  now_ms_ += 600;
  Put("new", "2");
  ASSERT_OK(engine_->Flush());
  now_ms_ += 500;
  ASSERT_OK(engine_->Compact());
  EXPECT_EQ(Get("old"), kNothing);
  EXPECT_EQ(Get("new"), "2");
}

TEST_F(LsmEngineTest, ADamagedBlockIsNamedAndTheRestCanBeRead) {
  Make();
  for (int i = 0; i < 200; i++) Put("key" + std::to_string(i), std::string(40, 'v'));
  ASSERT_OK(engine_->Flush());
  Close();
  std::string name;
  for (const std::string& each : NamesIn(directory_.path())) {
    if (each.ends_with(".sst")) name = each;
  }
  std::string bytes = ReadText(directory_.At(name));
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  WriteText(directory_.At(name), bytes);
  Open();
  ordered::ValueTarget value;
  const Status status =
      engine_->Get(attachment_.get(), engine_->TreeOf(""), AsBytes("key0"), &value);
  EXPECT_EQ(status.code(), ErrorCode::kCorruption);
  EXPECT_NE(status.message().find(name + ": the block at offset 0"), std::string::npos);
  EXPECT_EQ(Get("key99"), std::string(40, 'v'));
  Put("after", "1");
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(engine_->Compact().code(), ErrorCode::kCorruption);
  Put("later", "1");
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(Get("later"), "1");
}

TEST_F(LsmEngineTest, ManyThreadsReadWhileOneWrites) {
  Make();
  std::atomic<bool> is_done{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; t++) {
    readers.emplace_back([this, &is_done, &reads] {
      std::unique_ptr<Attachment> attachment;
      EXPECT_OK(engine_->Attach(&attachment));
      uint64_t least = 0;
      while (!is_done) {
        // Both keys are always written together, and only ever grow.
        std::shared_ptr<Snapshot> snapshot;
        EXPECT_OK(engine_->OpenSnapshot(&snapshot));
        uint32_t tree_id = 0;
        EXPECT_OK(engine_->RootIn(attachment.get(), *snapshot, "", &tree_id));
        std::array<uint64_t, 2> numbers{};
        for (size_t i = 0; i < numbers.size(); i++) {
          ordered::ValueTarget value;
          EXPECT_OK(engine_->GetIn(attachment.get(), *snapshot, tree_id,
                                   AsBytes(i == 0 ? "first" : "second"), &value));
          if (value.found) numbers[i] = std::strtoull(Text(value.bytes()).c_str(), nullptr, 10);
        }
        EXPECT_EQ(numbers[0], numbers[1]);
        EXPECT_GE(numbers[0], least);
        least = numbers[0];
        reads++;
      }
    });
  }
  for (int i = 1; i <= 3000 || reads < 100; i++) {
    const std::string number = std::to_string(i);
    const std::string key = "key" + std::to_string(i % 500);
    const std::string padding(100, 'x');
    const std::vector<Operation> operations = {Of(Kind::kPut, "", "first", number),
                                               Of(Kind::kPut, "", "second", number),
                                               Of(Kind::kPut, "", key, padding)};
    uint64_t position = 0;
    ASSERT_OK(engine_->Apply(attachment_.get(), operations, &position));
    if (i % 1000 == 0) ASSERT_OK(engine_->Compact());
  }
  is_done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(engine_->Stats().background.flushes, 2U);
}

}  // namespace
}  // namespace bedplate::lsm
