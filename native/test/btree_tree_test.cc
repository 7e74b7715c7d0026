// The page, the pager and the tree against a sorted map, with small pages so that a few hundred
// keys make a deep tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "btree/cursor.h"
#include "btree/overflow.h"
#include "btree/pager.h"
#include "btree/replay.h"
#include "btree/tree.h"
#include "test/test_support.h"

namespace bedplate::btree {
namespace {

class MemoryFile : public vfs::File {
 public:
  MemoryFile() : vfs::File("memory") {}

  Status Size(uint64_t* size) const override {
    *size = bytes_.size();
    return Status::Ok();
  }
  Status Read(std::span<uint8_t> target, uint64_t position, size_t* count) const override {
    *count =
        position >= bytes_.size() ? 0 : std::min<size_t>(target.size(), bytes_.size() - position);
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(position), *count, target.begin());
    return Status::Ok();
  }
  Status Write(Bytes bytes, uint64_t position) override {
    bytes_.resize(std::max<size_t>(bytes_.size(), position + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(position));
    return Status::Ok();
  }
  Status Truncate(uint64_t size) override {
    bytes_.resize(size);
    return Status::Ok();
  }
  Status Sync() override { return Status::Ok(); }

 private:
  std::vector<uint8_t> bytes_;
};

using TreeModel = std::map<std::string, std::string>;

Bytes View(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Everything below `root`, in order.
std::vector<std::pair<std::string, std::string>> EntriesBelow(Pager* pager, const Reference& root,
                                                              const KeyRange& range, bool reverse) {
  std::vector<std::pair<std::string, std::string>> entries;
  Cursor cursor(pager, root, range, reverse);
  while (true) {
    Cursor::Outcome outcome = Cursor::Outcome::kEnd;
    const Status status = NextBlocking(pager, &cursor, &outcome);
    EXPECT_TRUE(status.ok()) << status.message();
    if (!status.ok() || outcome == Cursor::Outcome::kEnd) return entries;
    const Page leaf = cursor.leaf();
    std::vector<uint8_t> value(leaf.ValueLengthAt(cursor.slot()));
    if (leaf.IsOverflowAt(cursor.slot())) {
      EXPECT_TRUE(ReadOverflow(*pager, leaf.OverflowAt(cursor.slot()), value).ok());
    } else {
      value.assign(leaf.InlineValueAt(cursor.slot()).begin(),
                   leaf.InlineValueAt(cursor.slot()).end());
    }
    entries.emplace_back(Text(leaf.KeyAt(cursor.slot())), Text(value));
  }
}

class TreeTest : public testing::TestWithParam<uint32_t> {
 protected:
  TreeTest() {
    Pager::Options options;
    options.page_size_bytes = 512;
    options.cache_bytes = 0;  // the smallest cache: pages go out and come back
    options.epoch = 1;
    pager_ = std::make_unique<Pager>(std::make_unique<MemoryFile>(), std::move(options));
    tree_ = std::make_unique<Tree>(pager_.get(), 1, Reference{},
                                   [](const Reference&) { return Status::Ok(); });
  }

  std::string RandomKey() {
    const char* prefixes[] = {"", "a", "user:", "user:0001:", "zz"};
    std::string key = prefixes[random_() % 5];
    const size_t length = random_() % 12;
    for (size_t i = 0; i < length; i++) key += static_cast<char>('a' + random_() % 4);
    if (random_() % 40 == 0) key += std::string(64 - std::min<size_t>(key.size(), 64), 'k');
    return key;
  }

  void Put(const std::string& key, const std::string& value) {
    LeafValue cell;
    ASSERT_TRUE(PrepareValue(pager_.get(), 1, View(key), View(value), &cell).ok());
    const Status status = tree_->Put(View(key), cell);
    ASSERT_TRUE(status.ok()) << status.message();
    model_[key] = value;
  }

  void Trim() {
    const std::vector<FrameHandle> dirty = pager_->Trim(kTrimPages);
    ASSERT_TRUE(pager_->WritePages(dirty).ok());
    pager_->MarkClean(dirty);
  }

  void Check(const Reference& root, const TreeModel& model) {
    const auto entries = EntriesBelow(pager_.get(), root, {}, /*reverse=*/false);
    ASSERT_EQ(entries,
              (std::vector<std::pair<std::string, std::string>>(model.begin(), model.end())));
  }

  std::mt19937 random_{GetParam()};
  std::unique_ptr<Pager> pager_;
  std::unique_ptr<Tree> tree_;
  TreeModel model_;
};

TEST_P(TreeTest, AgreesWithASortedMapAlsoInItsFrozenStates) {
  struct Frozen {
    uint64_t epoch;
    Reference root;
    TreeModel model;
  };
  std::vector<Frozen> frozen;
  for (int step = 0; step < 4000; step++) {
    const auto kind = static_cast<uint32_t>(random_() % 100);
    const std::string key = RandomKey();
    if (kind < 55) {
      Put(key, std::string(random_() % 10 == 0 ? random_() % 2000 : random_() % 40,
                           static_cast<char>('A' + random_() % 26)));
    } else if (kind < 94) {
      ASSERT_TRUE(tree_->Delete(View(key)).ok());
      model_.erase(key);
    } else if (kind < 95) {
      const std::string end = RandomKey();
      KeyRange range;
      range.lower = View(key);
      range.upper = View(end);
      range.upper_inclusive = false;
      ASSERT_TRUE(tree_->DeleteRange(range).ok());
      if (key < end) model_.erase(model_.lower_bound(key), model_.lower_bound(end));
    } else if (kind < 98) {
      frozen.push_back({pager_->OpenEpoch(), tree_->root(), model_});
    } else if (!frozen.empty()) {
      const size_t which = random_() % frozen.size();
      Check(frozen[which].root, frozen[which].model);
      pager_->CloseEpoch(frozen[which].epoch);
      frozen.erase(frozen.begin() + static_cast<ptrdiff_t>(which));
      pager_->Reclaim();
    }
    Trim();
  }
  Check(tree_->root(), model_);
  for (const Frozen& state : frozen) Check(state.root, state.model);
  for (int i = 0; i < 200; i++) {
    const std::string from = RandomKey();
    const std::string to = RandomKey();
    KeyRange range;
    range.lower = View(from);
    range.upper = View(to);
    range.lower_inclusive = random_() % 2 == 0;
    range.upper_inclusive = random_() % 2 == 0;
    TreeModel expected;
    for (const auto& [key, value] : model_) {
      const bool above = range.lower_inclusive ? key >= from : key > from;
      const bool below = range.upper_inclusive ? key <= to : key < to;
      if (above && below) expected[key] = value;
    }
    const auto forward = EntriesBelow(pager_.get(), tree_->root(), range, /*reverse=*/false);
    ASSERT_EQ(forward,
              (std::vector<std::pair<std::string, std::string>>(expected.begin(), expected.end())));
    auto backward = EntriesBelow(pager_.get(), tree_->root(), range, /*reverse=*/true);
    std::reverse(backward.begin(), backward.end());
    ASSERT_EQ(forward, backward);
  }
}

TEST_P(TreeTest, EmptiedTreeGivesAllPagesBack) {
  for (int i = 0; i < 500; i++) Put(RandomKey(), std::string(random_() % 600, 'v'));
  while (!model_.empty()) {
    auto victim = model_.begin();
    std::advance(victim, static_cast<ptrdiff_t>(random_() % model_.size()));
    ASSERT_TRUE(tree_->Delete(View(victim->first)).ok());
    model_.erase(victim);
    Trim();
  }
  EXPECT_EQ(tree_->root(), Reference{});
  EXPECT_EQ(pager_->free_list()->free_count() + kFirstPage, pager_->free_list()->page_count());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace bedplate::btree
