#include "btree/store_files.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "btree/free_list.h"
#include "btree/overflow.h"

namespace bedplate::btree {
namespace {

Status ReadMeta(const vfs::File& file, uint64_t position, Mutant* mutant, MetaResult* result) {
  std::array<uint8_t, kMetaBytes> block{};
  size_t count = 0;
  if (Status status = file.Read(block, position, &count); !status.ok()) return status;
  *result = DecodeMeta(Bytes(block).first(count), mutant);
  return Status::Ok();
}

// The second meta lies one page in; without the first one, the page size has to be guessed.
Status FindSecond(const vfs::File& file, const MetaResult& first, Mutant* mutant,
                  MetaResult* second) {
  if (first.kind == MetaKind::kOk) {
    return ReadMeta(file, first.meta.page_size_bytes, mutant, second);
  }
  for (uint32_t size = kSmallestPageBytes; size <= kLargestPageBytes; size *= 2) {
    if (Status status = ReadMeta(file, size, mutant, second); !status.ok()) return status;
    if (second->kind == MetaKind::kNewer) return Status::Ok();
    if (second->kind == MetaKind::kOk && second->meta.page_size_bytes == size) return Status::Ok();
  }
  *second = {};
  return Status::Ok();
}

Status NoMeta(const vfs::File& file, const MetaResult& first) {
  uint64_t size = 0;
  if (Status status = file.Size(&size); !status.ok()) return status;
  if (size == 0) {
    return Status::Error(ErrorCode::kCorruption, file.path() + " is empty", "restore a backup");
  }
  if (first.kind == MetaKind::kForeign) {
    return Status::Error(ErrorCode::kIncompatible,
                         file.path() + " is not the data file of a B-tree store");
  }
  return Status::Error(ErrorCode::kCorruption, file.path() + ": both meta blocks are damaged",
                       "restore a backup");
}

// Both metas: the whole one with the larger epoch is the current one.
Status ReadMetas(const vfs::File& file, Mutant* mutant, MetaState* metas) {
  MetaResult first;
  if (Status status = ReadMeta(file, 0, mutant, &first); !status.ok()) return status;
  MetaResult second;
  if (Status status = FindSecond(file, first, mutant, &second); !status.ok()) return status;
  for (const MetaResult& result : {first, second}) {
    if (result.kind != MetaKind::kNewer) continue;
    return Status::Error(ErrorCode::kIncompatible,
                         file.path() + " has format version " + std::to_string(result.version) +
                             "; this bedplate reads up to " + std::to_string(kFormatVersion),
                         "update bedplate");
  }
  const bool has_first = first.kind == MetaKind::kOk;
  const bool has_second = second.kind == MetaKind::kOk;
  if (!has_first && !has_second) return NoMeta(file, first);
  bool takes_first = has_first && (!has_second || first.meta.epoch > second.meta.epoch);
  if (has_first && has_second && Lacks(mutant, Rule::kNewerMeta)) takes_first = true;
  metas->current_slot = takes_first ? 0 : 1;
  metas->current = takes_first ? first.meta : second.meta;
  metas->older.reset();
  if (has_first && has_second) metas->older = takes_first ? second.meta : first.meta;
  return Status::Ok();
}

Status ReadFreeList(const Pager& pager, const Meta& meta, std::vector<uint64_t>* numbers,
                    std::vector<Reference>* pages) {
  std::vector<uint8_t> bytes;
  const auto add = [&](const Page& page) {
    const uint8_t* data = page.bytes() + kPageHeaderBytes;
    bytes.insert(bytes.end(), data, data + page.data_length());
    pages->push_back(page.self());
    return Status::Ok();
  };
  if (Status status = VisitChain(pager, meta.free_list, PageType::kFreeList, meta.page_count, add);
      !status.ok()) {
    return status;
  }
  if (DecodePageNumbers(bytes, meta.free_count, meta.page_count, numbers)) return Status::Ok();
  return Status::Error(ErrorCode::kCorruption,
                       pager.file()->path() + ": the list of free pages is broken");
}

}  // namespace

Status OpenPager(std::unique_ptr<vfs::File> file, const PagerSettings& settings,
                 std::shared_ptr<Pager>* pager, MetaState* metas) {
  if (Status status = ReadMetas(*file, settings.mutant, metas); !status.ok()) return status;
  const Meta& current = metas->current;
  Pager::Options options;
  options.page_size_bytes = current.page_size_bytes;
  options.cache_bytes = settings.cache_bytes;
  options.epoch = current.epoch + 1;
  options.read_only = settings.read_only;
  options.mutant = settings.mutant;
  auto opened = std::make_shared<Pager>(std::move(file), std::move(options));
  std::vector<uint64_t> unused;
  metas->free_list_pages.clear();
  if (Status status = ReadFreeList(*opened, current, &unused, &metas->free_list_pages);
      !status.ok()) {
    return status;
  }

  // What the current state does not use is free, unless the older meta still does. The older meta
  // is a fallback: if its list cannot be read it is none, and nothing has to be kept for it.
  std::vector<uint64_t> free;
  std::vector<RetiredPage> retired;
  std::vector<uint64_t> older_free;
  if (metas->older) {
    std::vector<Reference> pages;
    Status status = ReadFreeList(*opened, *metas->older, &older_free, &pages);
    if (status.Is(ErrorCode::kCorruption)) {
      metas->older.reset();
    } else if (!status.ok()) {
      return status;
    }
  }
  for (const uint64_t page : unused) {
    const bool is_needed = metas->older && page < metas->older->page_count &&
                           !std::binary_search(older_free.begin(), older_free.end(), page) &&
                           !Lacks(settings.mutant, Rule::kOlderPagesAfterOpening);
    if (is_needed) {
      retired.push_back({page, metas->older->epoch, metas->older->epoch + 1});
    } else {
      free.push_back(page);
    }
  }
  std::reverse(free.begin(), free.end());  // the lowest is taken first
  *opened->free_list() = FreeList(current.page_count, std::move(free), std::move(retired));
  opened->set_meta_epochs(metas->epochs(settings.mutant));
  *pager = std::move(opened);
  return Status::Ok();
}

}  // namespace bedplate::btree
