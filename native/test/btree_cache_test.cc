// The parts of the cache: memory for pages, and the table that finds them.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "btree/frame_table.h"
#include "btree/page_arena.h"

namespace bedplate::btree {
namespace {

constexpr size_t kArenaSlotBytes = 16 * 1024 + 64;

TEST(PageArena, GivesSlotsThatDoNotOverlap) {
  PageArena arena(kArenaSlotBytes);
  std::vector<void*> slots;
  for (int i = 0; i < 400; i++) {
    slots.push_back(arena.Allocate());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slots.back()) % 64, 0U);
    std::memset(slots.back(), i, kArenaSlotBytes);
  }
  for (size_t i = 0; i < slots.size(); i++) {
    const auto* bytes = static_cast<const uint8_t*>(slots[i]);
    EXPECT_EQ(bytes[0], static_cast<uint8_t>(i));
    EXPECT_EQ(bytes[kArenaSlotBytes - 1], static_cast<uint8_t>(i));
  }
  for (void* slot : slots) arena.Free(slot);
}

TEST(PageArena, GivesAgainWhatItGotBack) {
  PageArena arena(kArenaSlotBytes);
  std::set<void*> given;
  for (int i = 0; i < 1000; i++) {
    void* slot = arena.Allocate();
    given.insert(slot);
    arena.Free(slot);
  }
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_EQ(given.size(), 1U);
#endif
}

// Only addresses are kept, so any will do.
Frame* FrameAt(std::vector<uint64_t>* places, uint64_t page) {
  return reinterpret_cast<Frame*>(&(*places)[page % places->size()]);
}

TEST(FrameTable, AgreesWithAMap) {
  std::vector<uint64_t> places(1000);
  std::mt19937 random(3);
  FrameTable table;
  std::map<uint64_t, Frame*> model;
  for (int i = 0; i < 20'000; i++) {
    const uint64_t page = random() % 3 == 0 ? random() % 1'000'000 : random() % 300;
    const auto found = model.find(page);
    ASSERT_EQ(table.Find(page), found == model.end() ? nullptr : found->second);
    if (found == model.end()) {
      model[page] = FrameAt(&places, page);
      table.Insert(page, model[page]);
    } else {
      model.erase(found);
      table.Remove(page);
    }
  }
  for (const auto& [page, frame] : model) ASSERT_EQ(table.Find(page), frame);
  EXPECT_EQ(table.Find(UINT64_MAX), nullptr);
}

}  // namespace
}  // namespace bedplate::btree
