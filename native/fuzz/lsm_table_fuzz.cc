// The end of a table, behind its data, of any bytes: what opens is safe to ask.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/fuzz_support.h"
#include "lsm/block.h"
#include "lsm/table_format.h"
#include "lsm/table_meta.h"

namespace {

using bedplate::Bytes;
using bedplate::fuzz::Require;
using bedplate::lsm::BlockHandle;
using bedplate::lsm::BlockType;
using bedplate::lsm::TableMeta;
using bedplate::lsm::TailMemory;

// As if so much data stood before it.
constexpr uint64_t kDataBytes = 1 << 20;

void Use(const TableMeta& meta, Bytes key) {
  const uint32_t found = meta.index().Find(key);
  Require(found <= meta.index().count());
  for (uint32_t i = 0; i < meta.index().count(); i++) {
    const BlockHandle handle = meta.index().HandleAt(i);
    Require(handle.offset + handle.length <= kDataBytes);
  }
  (void)meta.filter().MayHold(bedplate::bloom::HashOf(key));
  (void)meta.tombstones().Covering(key, bedplate::lsm::kMaxSequence);
  for (const auto& fragment : meta.tombstones().Fragments()) {
    Require(!fragment.span.is_empty() && !fragment.sequences.empty());
  }
}

void Open(Bytes tail, Bytes key) {
  bedplate::lsm::TableInfo info;
  info.data_bytes = kDataBytes;
  info.file_bytes = kDataBytes + tail.size();
  TailMemory memory(tail.size());
  std::copy(tail.begin(), tail.end(), memory.bytes().begin());
  bedplate::lsm::Mutant trusting{bedplate::lsm::Rule::kBlockChecksum, 0};
  std::shared_ptr<const TableMeta> meta;
  const auto status = TableMeta::Open(std::move(memory), info, "fuzz.sst", &trusting, &meta);
  if (status.ok()) Use(*meta, key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  Open(input, input.first(std::min<size_t>(size, 8)));

  // The input in four parts, as payloads of a table whose frame is right: the first bytes say where
  // they are cut.
  if (size < 4) return 0;
  const Bytes rest = input.subspan(4);
  const bedplate::lsm::TableId id{};
  const uint32_t seed = bedplate::lsm::TableSeed(id);
  const std::array<BlockType, 4> types = {BlockType::kFilter, BlockType::kIndex,
                                          BlockType::kTombstones, BlockType::kProperties};
  std::array<BlockHandle, 4> handles;
  std::vector<uint8_t> tail;
  size_t from = 0;
  for (size_t i = 0; i < types.size(); i++) {
    const size_t left = rest.size() - from;
    const size_t length = i + 1 == types.size() ? left : left * data[i] / 256;
    if (i == 0 && length == 0) continue;  // a table without a filter
    const size_t before = tail.size();
    bedplate::lsm::SealBlock(types[i], rest.subspan(from, length),
                             bedplate::lsm::Compression::kNone, seed, kDataBytes + before, &tail);
    handles[i] = {kDataBytes + before, static_cast<uint32_t>(tail.size() - before)};
    from += length;
  }
  bedplate::lsm::Footer footer{id, handles[0], handles[1], handles[2], handles[3], 0};
  footer.file_bytes = kDataBytes + tail.size() + bedplate::lsm::kFooterBytes;
  const auto footer_bytes = bedplate::lsm::EncodeFooter(footer);
  tail.insert(tail.end(), footer_bytes.begin(), footer_bytes.end());
  Open(tail, rest.first(std::min<size_t>(rest.size(), 8)));
  return 0;
}
