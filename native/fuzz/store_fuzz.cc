// A store whose data file holds any bytes with right checksums: opening and reading it never goes
// outside of them, and ends.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "btree/engine.h"
#include "btree/meta.h"
#include "btree/page.h"
#include "vfs/simulated_disk.h"

namespace {

using bedplate::Bytes;
using bedplate::Status;
using bedplate::btree::Engine;
using bedplate::btree::Page;

constexpr uint32_t kStorePageBytes = 512;
constexpr uint64_t kMaxEntries = 2000;

// Each page says what its place demands, so that what lies behind these checks is reached.
std::vector<uint8_t> MakeDataFile(Bytes input) {
  const size_t pages = input.size() / kStorePageBytes;
  bedplate::btree::Meta meta;
  meta.page_size_bytes = kStorePageBytes;
  meta.epoch = 9;
  meta.page_count = bedplate::btree::kFirstPage + pages;
  meta.next_tree_id = 3;
  if (pages > 0) meta.catalogue = {bedplate::btree::kFirstPage, 1};
  std::vector<uint8_t> file(2 * size_t{kStorePageBytes});
  const auto block = bedplate::btree::EncodeMeta(meta);
  std::copy(block.begin(), block.end(), file.begin());
  file.insert(file.end(), input.begin(),
              input.begin() + static_cast<ptrdiff_t>(pages * kStorePageBytes));
  for (size_t i = 0; i < pages; i++) {
    const uint64_t number = bedplate::btree::kFirstPage + i;
    const Page page(file.data() + number * kStorePageBytes, kStorePageBytes);
    page.Identify({number, 1});
    page.Seal();
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bedplate::vfs::SimulatedDiskOptions disk_options;
  disk_options.image.directories.insert("store");
  disk_options.image.files.emplace("store/data",
                                   bedplate::vfs::FileBytes(MakeDataFile({data, size})));
  bedplate::vfs::SimulatedDisk disk(disk_options);
  bedplate::btree::EngineOptions options;
  options.disk = &disk;
  options.path = "/store";
  options.manual = true;
  std::unique_ptr<Engine> engine;
  if (!Engine::Open(options, &engine).ok()) return 0;
  std::unique_ptr<bedplate::btree::Attachment> attachment;
  if (!engine->Attach(&attachment).ok()) return 0;
  for (const std::string& name : engine->TreeNames(attachment.get())) {
    bedplate::btree::TreeSlot* tree = engine->TreeOf(name);
    const uint8_t key[] = {'k', 'e', 'y'};
    bedplate::btree::ValueTarget value;
    (void)engine->Get(attachment.get(), tree, key, &value);
    std::shared_ptr<bedplate::btree::Snapshot> snapshot;
    if (!engine->OpenSnapshot(&snapshot).ok()) return 0;
    bedplate::btree::Reference root;
    if (!engine->RootIn(attachment.get(), *snapshot, name, &root).ok()) continue;
    for (const bool reverse : {false, true}) {
      bedplate::btree::Block block;
      bool done = false;
      (void)engine->ReadBlock(attachment.get(), *snapshot, root, {}, reverse,
                              {kMaxEntries, 1 << 20}, &block, &done);
    }
    snapshot.reset();
    uint64_t position = 0;
    (void)engine->Put(attachment.get(), tree, key, key, &position);
  }
  attachment.reset();
  (void)engine->Close();
  return 0;
}
