// A data block of any bytes, packed or not: what opens is safe to search and to read.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz_support.h"
#include "lsm/block.h"
#include "lsm/data_block.h"
#include "lsm/lz4.h"

namespace {

using bedplate::Bytes;
using bedplate::Status;
using bedplate::fuzz::Read;
using bedplate::fuzz::Require;
using bedplate::lsm::BlockType;
using bedplate::lsm::DataBlock;
using bedplate::lsm::Entry;

constexpr size_t kMaxSoughtBytes = 24;

void Use(const DataBlock& block, Bytes sought) {
  DataBlock::KeyBuffer key;
  for (uint32_t i = 0; i < block.count(); i++) {
    Entry entry;
    if (!block.EntryAt(i, &key, &entry).ok()) continue;
    Read(entry.key);
    Read(entry.value);
  }
  uint32_t index = 0;
  if (block.Search(sought, &index).ok()) Require(index <= block.count());
  if (block.Search(sought, 7, &index).ok()) Require(index <= block.count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The first bytes are a key to look for.
  const size_t sought_bytes = size == 0 ? 0 : std::min<size_t>(data[0] % kMaxSoughtBytes, size - 1);
  const Bytes sought(size == 0 ? data : data + 1, sought_bytes);
  const Bytes rest = Bytes(data, size).subspan(std::min(size, sought_bytes + 1));

  const std::string path = "fuzz.sst";
  std::shared_ptr<const DataBlock> block;
  std::vector<uint8_t> memory(rest.begin(), rest.end());
  const Bytes payload(memory);
  if (DataBlock::Open(std::move(memory), payload, path, 0, &block).ok()) Use(*block, sought);

  // The same as a block with a header, whose checksum is not asked for.
  bedplate::lsm::Mutant trusting{bedplate::lsm::Rule::kBlockChecksum, 0};
  Bytes opened;
  std::vector<uint8_t> unpacked;
  const Status status =
      bedplate::lsm::OpenBlock(BlockType::kData, rest, {0, 0, path, &trusting}, &opened, &unpacked);
  if (status.ok()) {
    std::vector<uint8_t> copy(opened.begin(), opened.end());
    const Bytes copied(copy);
    if (DataBlock::Open(std::move(copy), copied, path, 0, &block).ok()) Use(*block, sought);
  }

  // What is packed unpacks to what it was; any bytes unpack to nothing outside.
  std::vector<uint8_t> raw(sought_bytes * 64);
  (void)bedplate::lsm::UnpackLz4(rest, raw);
  std::vector<uint8_t> packed;
  if (!bedplate::lsm::PackLz4(rest, rest.size(), &packed)) return 0;
  raw.resize(rest.size());
  Require(bedplate::lsm::UnpackLz4(packed, raw));
  Require(std::equal(raw.begin(), raw.end(), rest.begin()));
  return 0;
}
