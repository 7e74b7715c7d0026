// The engine on a real disk: commits, snapshots, checkpoints, bulk load, compaction, transactions,
// and many threads.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "btree/engine.h"
#include "core/little_endian.h"
#include "test/hooked_disk.h"
#include "test/test_support.h"
#include "vfs/real_disk.h"

namespace bedplate::btree {
namespace {

using TreeModel = std::map<std::string, std::string>;

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    options_.disk = &disk_;
    options_.path = directory_.path();
    options_.cache_bytes = 64 * 512;
    options_.durability = log::Durability::kOs;
    options_.checkpoint_log_bytes = 64 << 10;
    options_.first_segment_bytes = 16 << 10;
    options_.max_segment_bytes = 64 << 10;
    Meta meta;
    meta.page_size_bytes = 512;
    meta.uuid[0] = 7;
    const auto first = EncodeMeta(meta);
    meta.epoch = 1;
    const auto second = EncodeMeta(meta);
    std::string data(first.begin(), first.end());
    data.append(second.begin(), second.end());
    WriteText(directory_.At("data"), data);
    Open();
  }

  ~EngineTest() override { Close(); }

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

  void Put(const std::string& key, const std::string& value, const std::string& tree = "") {
    uint64_t position = 0;
    ASSERT_OK(engine_->Put(attachment_.get(), engine_->TreeOf(tree), BytesOf(key), BytesOf(value),
                           &position));
    models_[tree][key] = value;
  }

  void Delete(const std::string& key, const std::string& tree = "") {
    Operation operation;
    operation.kind = Operation::Kind::kDelete;
    operation.tree = engine_->TreeOf(tree);
    operation.key = BytesOf(key);
    uint64_t position = 0;
    ASSERT_OK(engine_->Apply(attachment_.get(), {&operation, 1}, &position));
    models_[tree].erase(key);
  }

  std::optional<std::string> Get(const std::string& key, const std::string& tree = "") {
    ValueTarget value;
    EXPECT_OK(engine_->Get(attachment_.get(), engine_->TreeOf(tree), BytesOf(key), &value));
    if (!value.found) return std::nullopt;
    return Text(value.spill);
  }

  TreeModel ContentOf(const Snapshot& snapshot, const std::string& tree, bool reverse = false,
                      const BlockLimits& limits = {7, 700}) {
    TreeModel content;
    Reference root;
    EXPECT_OK(engine_->RootIn(attachment_.get(), snapshot, tree, &root));
    KeyRange rest;
    std::string last_key;
    bool done = false;
    while (!done) {
      Block block;
      EXPECT_OK(engine_->ReadBlock(attachment_.get(), snapshot, root, rest, reverse, limits, &block,
                                   &done));
      const uint8_t* at = block.bytes().data();
      for (uint32_t i = 0; i < block.count; i++) {
        const uint32_t key_length = LoadU32(at);
        const uint32_t value_length = LoadU32(at + 4);
        last_key = Text({at + 8, key_length});
        content[last_key] = Text({at + 8 + key_length, value_length});
        at += 8 + size_t{key_length} + value_length;
      }
      (reverse ? rest.upper : rest.lower) = BytesOf(last_key);
      (reverse ? rest.upper_inclusive : rest.lower_inclusive) = false;
    }
    return content;
  }

  void CheckAll() {
    std::shared_ptr<Snapshot> snapshot;
    ASSERT_OK(engine_->OpenSnapshot(&snapshot));
    for (const auto& [tree, model] : models_) {
      ASSERT_EQ(ContentOf(*snapshot, tree), model) << "tree " << tree;
      ASSERT_EQ(ContentOf(*snapshot, tree, /*reverse=*/true), model);
      uint64_t key_count = 0;
      uint32_t depth = 0;
      ASSERT_OK(engine_->Measure(attachment_.get(), engine_->TreeOf(tree), &key_count, &depth));
      ASSERT_EQ(key_count, model.size());
    }
  }

  std::string RandomKey() { return "key" + std::to_string(random_() % 3000); }
  std::string RandomValue() {
    return std::string(random_() % 20 == 0 ? random_() % 3000 : random_() % 60,
                       static_cast<char>('a' + random_() % 26));
  }

  TemporaryDirectory directory_;
  vfs::RealDisk disk_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Attachment> attachment_;
  std::map<std::string, TreeModel> models_;
  std::mt19937 random_{11};
};

// The answers of `GetMany`, one after the other.
std::vector<std::optional<std::string>> ListOf(Bytes answers) {
  std::vector<std::optional<std::string>> values;
  for (size_t at = 0; at < answers.size();) {
    const uint32_t length = LoadU32(answers.data() + at);
    at += 4;
    if (length == UINT32_MAX) {
      values.emplace_back();
      continue;
    }
    values.emplace_back(Text(answers.subspan(at, length)));
    at += length;
  }
  return values;
}

TEST_F(EngineTest, GetsManyKeysAsItGetsEachOfThem) {
  for (int i = 0; i < 1500; i++) Put(RandomKey(), RandomValue());
  std::vector<std::string> texts;
  for (int i = 0; i < 700; i++) texts.push_back(RandomKey());
  std::vector<Bytes> keys;
  std::vector<std::optional<std::string>> wanted;
  for (const std::string& text : texts) {
    keys.push_back(BytesOf(text));
    wanted.push_back(Get(text));
  }
  std::shared_ptr<Snapshot> snapshot;
  ASSERT_OK(engine_->OpenSnapshot(&snapshot));
  Reference root;
  ASSERT_OK(engine_->RootIn(attachment_.get(), *snapshot, "", &root));
  const TreeSlot* tree = engine_->TreeOf("");
  // The cache is too small for the tree, so groups get stuck; the memory is too small, too, once.
  std::vector<uint8_t> memory(1 << 20);
  const std::span<uint8_t> whole(memory);
  for (const size_t space : {memory.size(), size_t{1000}, size_t{0}}) {
    SpillBuffer answers(whole.first(space));
    ValueList values(&answers);
    ASSERT_OK(engine_->GetMany(attachment_.get(), tree, keys, &values));
    EXPECT_EQ(ListOf(answers.bytes()), wanted);
    EXPECT_EQ(answers.is_spilled(), space < memory.size());
    answers.Reset(whole);
    ASSERT_OK(engine_->GetManyIn(attachment_.get(), *snapshot, root, keys, &values));
    EXPECT_EQ(ListOf(answers.bytes()), wanted);
    EXPECT_FALSE(answers.is_spilled());
  }
  SpillBuffer answers;
  ValueList values(&answers);
  ASSERT_OK(engine_->GetMany(attachment_.get(), engine_->TreeOf("none"), keys, &values));
  EXPECT_EQ(ListOf(answers.bytes()), std::vector<std::optional<std::string>>(keys.size()));
}

TEST_F(EngineTest, ReadsASmallRangeAtOnceUnlessItIsCutOff) {
  for (int i = 0; i < 20; i++) Put("key" + std::to_string(10 + i), std::string(10, 'v'));
  const TreeSlot* tree = engine_->TreeOf("");
  const auto read = [&](const KeyRange& range, uint64_t entries, size_t bytes, uint32_t* count) {
    Block block;
    bool done = false;
    EXPECT_OK(engine_->TryReadRange(attachment_.get(), tree, range, /*reverse=*/false,
                                    {entries, bytes}, &block, &done));
    *count = block.count;
    return done;
  };
  uint32_t count = 0;
  EXPECT_TRUE(read({}, 100, 1000, &count));
  EXPECT_EQ(count, 20U);
  EXPECT_TRUE(read({}, 3, 1000, &count));
  EXPECT_EQ(count, 3U);
  EXPECT_TRUE(read({}, 0, 1000, &count));
  EXPECT_EQ(count, 0U);
  EXPECT_FALSE(read({}, 100, 100, &count));
  KeyRange behind;
  behind.lower = BytesOf("z");
  EXPECT_TRUE(read(behind, 100, 1000, &count));
  EXPECT_EQ(count, 0U);
  Put("key15x", std::string(3000, 'v'));  // in pages of its own
  EXPECT_FALSE(read({}, 100, 100'000, &count));
}

TEST_F(EngineTest, DropsPagesOfOlderStatesFromMemoryOnceTheyAreWritten) {
  options_.cache_bytes = 4096 * 512;
  options_.checkpoint_log_bytes = uint64_t{1} << 30;
  Close();
  Open();
  for (int i = 0; i < 3000; i++) Put("key" + std::to_string(i), std::string(40, 'a'));
  ASSERT_OK(engine_->Checkpoint());
  const uint64_t needed = engine_->Stats().cache.resident_pages;
  // Every page is copied, and the originals are clean.
  for (int i = 0; i < 3000; i++) Put("key" + std::to_string(i), std::string(40, 'b'));
  EXPECT_LE(engine_->Stats().cache.resident_pages, needed + 8);
  ASSERT_OK(engine_->Checkpoint());
  EXPECT_LE(engine_->Stats().cache.resident_pages, needed + 8);
  CheckAll();
}

TEST_F(EngineTest, TakesWritesWhileAReaderHoldsMorePagesThanTheCacheMayHave) {
  options_.cache_bytes = 16 * 512;
  for (int i = 1000; i < 2000; i++) Put("key" + std::to_string(i), std::string(40, 'a'));
  Close();
  bool is_reading = false;
  int reads = 0;
  HookedDisk disk(
      &disk_, [](const std::string& /*path*/) {},
      [&](const std::string& /*path*/) {
        if (!is_reading || ++reads < 60) return;
        is_reading = false;
        Put("key1500", "while it was read");
      });
  options_.disk = &disk;
  Open();
  const TreeModel before = models_[""];
  {
    std::shared_ptr<Snapshot> snapshot;
    ASSERT_OK(engine_->OpenSnapshot(&snapshot));
    is_reading = true;
    EXPECT_EQ(ContentOf(*snapshot, "", /*reverse=*/false, {10'000, 1 << 20}), before);
    EXPECT_FALSE(is_reading);
  }
  CheckAll();
  Close();
}

TEST_F(EngineTest, KeepsWhatWasWrittenOverCheckpointsAndReopening) {
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < 1500; i++) {
      const std::string tree = random_() % 4 == 0 ? "other" : "";
      if (random_() % 3 == 0) {
        Delete(RandomKey(), tree);
      } else {
        Put(RandomKey(), RandomValue(), tree);
      }
    }
    if (round % 2 == 0) ASSERT_OK(engine_->Checkpoint());
    CheckAll();
    if (round % 3 == 1) {
      Close();
    } else {
      attachment_.reset();
      engine_.reset();  // as if the process had ended
    }
    Open();
    CheckAll();
  }
}

TEST_F(EngineTest, SnapshotsStayAsTheyWere) {
  std::vector<std::pair<std::shared_ptr<Snapshot>, TreeModel>> kept;
  for (int step = 0; step < 6000; step++) {
    if (random_() % 3 == 0) {
      Delete(RandomKey());
    } else {
      Put(RandomKey(), RandomValue());
    }
    if (step % 300 == 0) {
      std::shared_ptr<Snapshot> snapshot;
      ASSERT_OK(engine_->OpenSnapshot(&snapshot));
      kept.emplace_back(snapshot, models_[""]);
    }
    if (step % 700 == 0) ASSERT_OK(engine_->Checkpoint());
    if (step % 900 == 0) {
      const auto victim = kept.begin() + static_cast<ptrdiff_t>(random_() % kept.size());
      ASSERT_EQ(ContentOf(*victim->first, ""), victim->second);
      kept.erase(victim);
    }
  }
  for (const auto& [snapshot, model] : kept) ASSERT_EQ(ContentOf(*snapshot, ""), model);
}

TEST_F(EngineTest, CompareAndSwap) {
  uint64_t position = 0;
  bool swapped = false;
  TreeSlot* tree = engine_->TreeOf("");
  const auto cas = [&](std::optional<Bytes> expected, std::optional<Bytes> value) {
    EXPECT_OK(engine_->CompareAndSwap(attachment_.get(), tree, BytesOf("k"), expected, value,
                                      &swapped, &position));
    return swapped;
  };
  EXPECT_FALSE(cas(BytesOf("x"), BytesOf("y")));
  EXPECT_EQ(engine_->position(), 0U);  // a failed one logs nothing
  EXPECT_TRUE(cas(std::nullopt, BytesOf("1")));
  EXPECT_FALSE(cas(std::nullopt, BytesOf("2")));
  EXPECT_TRUE(cas(BytesOf("1"), BytesOf("2")));
  EXPECT_EQ(Get("k"), "2");
  EXPECT_TRUE(cas(BytesOf("2"), std::nullopt));
  EXPECT_EQ(Get("k"), std::nullopt);
}

TEST_F(EngineTest, TransactionsConflictWithWhatChangedUnderThem) {
  for (int i = 0; i < 2000; i++) Put("key" + std::to_string(10000 + i), "v");
  TreeSlot* tree = engine_->TreeOf("");
  std::shared_ptr<Snapshot> snapshot;
  ASSERT_OK(engine_->OpenSnapshot(&snapshot));
  Put("key10500", "changed");
  Operation operation;
  operation.tree = tree;
  operation.key = BytesOf("result");
  operation.value = BytesOf("1");
  uint64_t position = 0;
  const auto commit = [&](const ReadSet& reads) {
    return engine_->CommitIfUnchanged(attachment_.get(), *snapshot, reads, {&operation, 1},
                                      &position);
  };
  ReadSet key_reads;
  key_reads.keys.push_back({tree, BytesOf("key10500")});
  EXPECT_EQ(commit(key_reads).code(), ErrorCode::kConflict);
  ReadSet range_reads;
  KeyRange range;
  range.lower = BytesOf("key10000");
  range.upper = BytesOf("key11000");
  range_reads.ranges.push_back({tree, range});
  EXPECT_EQ(commit(range_reads).code(), ErrorCode::kConflict);
  EXPECT_EQ(Get("result"), std::nullopt);
  ReadSet others;
  others.keys.push_back({tree, BytesOf("key10501")});
  others.keys.push_back({tree, BytesOf("absent")});
  range.lower = BytesOf("key10501");
  others.ranges.push_back({tree, range});
  EXPECT_OK(commit(others));
  EXPECT_EQ(Get("result"), "1");
}

TEST_F(EngineTest, BulkLoadsAndCompacts) {
  std::unique_ptr<BulkLoad> load;
  ASSERT_OK(engine_->BeginBulkLoad(engine_->TreeOf("loaded"), &load));
  for (int i = 0; i < 5000; i++) {
    const std::string key = "k" + std::to_string(100000 + i);
    const std::string value = RandomValue();
    ASSERT_OK(load->Add(BytesOf(key), BytesOf(value)));
    models_["loaded"][key] = value;
    if (i % 50 == 0) Put(RandomKey(), RandomValue());  // others write meanwhile
    if (i % 900 == 0) ASSERT_OK(engine_->Checkpoint());
  }
  uint64_t count = 0;
  ASSERT_OK(load->Finish(&count));
  load.reset();
  EXPECT_EQ(count, 5000U);
  CheckAll();
  for (int i = 0; i < 4000; i++) Delete("k" + std::to_string(100000 + i), "loaded");
  ASSERT_OK(engine_->Checkpoint());
  const auto before = std::filesystem::file_size(directory_.At("data"));
  std::shared_ptr<Snapshot> old;
  ASSERT_OK(engine_->OpenSnapshot(&old));
  const TreeModel old_model = models_["loaded"];
  ASSERT_OK(engine_->Compact(attachment_.get()));
  Put("after", "compaction", "loaded");
  EXPECT_LT(std::filesystem::file_size(directory_.At("data")), before / 2);
  EXPECT_EQ(ContentOf(*old, "loaded"), old_model);
  old.reset();
  CheckAll();
  Close();
  Open();
  CheckAll();
}

TEST_F(EngineTest, AbandonedLoadLeavesNothing) {
  Put("a", "b");
  ASSERT_OK(engine_->Checkpoint());
  const uint64_t unused = engine_->Stats().free_pages;
  const uint64_t pages = engine_->Stats().page_count;
  std::unique_ptr<BulkLoad> load;
  ASSERT_OK(engine_->BeginBulkLoad(engine_->TreeOf("x"), &load));
  for (int i = 0; i < 500; i++) {
    ASSERT_OK(load->Add(BytesOf("k" + std::to_string(1000 + i)), BytesOf("value")));
  }
  EXPECT_EQ(load->Add(BytesOf("k1"), BytesOf("v")).code(), ErrorCode::kInvalidInput);
  load.reset();
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.page_count - stats.free_pages, pages - unused);
  CheckAll();
}

// Readers and snapshots on several threads while one writes, checkpoints and compacts.
TEST_F(EngineTest, ThreadsShareIt) {
  constexpr int kKeys = 1000;
  // Every commit gives all keys of a group the same value, so a reader that sees two values has
  // seen half.
  const auto commit = [&](Attachment* attachment, int group, const std::string& value) {
    std::vector<std::string> keys;
    for (int i = 0; i < 5; i++) {
      keys.push_back("g" + std::to_string(group) + "-" + std::to_string(i));
    }
    std::vector<Operation> operations(keys.size());
    for (size_t i = 0; i < keys.size(); i++) {
      operations[i].tree = engine_->TreeOf("");
      operations[i].key = BytesOf(keys[i]);
      operations[i].value = BytesOf(value);
    }
    uint64_t position = 0;
    ASSERT_OK(engine_->Apply(attachment, operations, &position));
  };
  for (int group = 0; group < kKeys / 5; group++) commit(attachment_.get(), group, "start");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 3; reader++) {
    threads.emplace_back([&, reader] {
      std::unique_ptr<Attachment> attachment;
      ASSERT_OK(engine_->Attach(&attachment));
      std::mt19937 random(static_cast<uint32_t>(reader));
      const TreeSlot* tree = engine_->TreeOf("");
      while (!stop) {
        const std::string prefix = "g" + std::to_string(random() % (kKeys / 5)) + "-";
        if (random() % 2 == 0) {
          ValueTarget value;
          ASSERT_OK(engine_->Get(attachment.get(), tree, BytesOf(prefix + "3"), &value));
          ASSERT_TRUE(value.found);
          continue;
        }
        std::shared_ptr<Snapshot> snapshot;
        ASSERT_OK(engine_->OpenSnapshot(&snapshot));
        Reference root;
        ASSERT_OK(engine_->RootIn(attachment.get(), *snapshot, "", &root));
        std::optional<std::string> first;
        for (int i = 0; i < 5; i++) {
          ValueTarget value;
          ASSERT_OK(engine_->GetIn(attachment.get(), *snapshot, root,
                                   BytesOf(prefix + std::to_string(i)), &value));
          ASSERT_TRUE(value.found);
          if (!first) first = Text(value.spill);
          ASSERT_EQ(*first, Text(value.spill)) << prefix;
        }
      }
    });
  }
  for (int step = 0; step < 3000; step++) {
    commit(attachment_.get(), static_cast<int>(random_() % (kKeys / 5)),
           std::to_string(step) + std::string(random_() % 50 == 0 ? 900 : 20, 'x'));
    if (step % 1000 == 500) ASSERT_OK(engine_->Compact(attachment_.get()));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace bedplate::btree
