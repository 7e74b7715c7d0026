// A page of any bytes, and a meta block: what passes the checks is safe to search and to walk.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "btree/meta.h"
#include "btree/page.h"
#include "core/little_endian.h"
#include "fuzz/fuzz_support.h"

namespace {

using bedplate::Bytes;
using bedplate::btree::Page;
using bedplate::fuzz::Read;
using bedplate::fuzz::Require;

constexpr uint32_t kPageBytes = 512;
constexpr size_t kMaxKey = 24;

// Reads all that can be reached.
void Use(const Page& page, Bytes key) {
  const bedplate::btree::SearchResult at = page.Search(key);
  Require(at.slot <= page.count());
  for (uint32_t slot = 0; slot < page.count(); slot++) {
    Read(page.KeyAt(slot));
    if (!page.is_leaf()) continue;
    if (page.IsOverflowAt(slot)) {
      (void)page.OverflowAt(slot);
    } else {
      Read(page.InlineValueAt(slot));
    }
  }
  if (!page.is_leaf()) {
    for (uint32_t child = 0; child <= page.count(); child++) (void)page.ChildAt(child);
    (void)page.ChildAt(page.ChildIndexFor(key));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::array<uint8_t, bedplate::btree::kMetaBytes> block{};
  std::copy_n(data, std::min(size, block.size()), block.begin());
  (void)bedplate::btree::DecodeMeta(Bytes(data, size));
  bedplate::StoreU32(block.data(), 0);
  (void)bedplate::btree::DecodeMeta(block);

  // The first bytes are a key to look for.
  const size_t key_length = size == 0 ? 0 : std::min<size_t>(data[0] % kMaxKey, size - 1);
  const Bytes key(size == 0 ? data : data + 1, key_length);
  const Bytes rest = Bytes(data, size).subspan(std::min(size, key_length + 1));
  std::vector<uint8_t> bytes(kPageBytes);
  std::copy_n(rest.data(), std::min<size_t>(rest.size(), kPageBytes), bytes.begin());
  const Page page(bytes.data(), kPageBytes);
  page.Seal();
  if (!page.ProblemAs(page.self()).empty() || !page.is_of_tree()) return 0;
  Use(page, key);
  return 0;
}
