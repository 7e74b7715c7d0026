// The tables of a store as they are read: open files up to a number, blocks and indexes up to a sum
// of bytes. The twin is ts/storage/lsm/tables.ts.
#ifndef BEDPLATE_LSM_TABLES_H_
#define BEDPLATE_LSM_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/block_cache.h"
#include "lsm/data_block.h"
#include "lsm/lookup.h"
#include "lsm/mutant.h"
#include "lsm/open_files.h"
#include "lsm/table_format.h"
#include "lsm/table_meta.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// Any thread may use it, for any table: whoever reads one sees to it that its file is not removed
// meanwhile. What it gives stays for as long as it is held.
class Tables {
 public:
  struct Options {
    vfs::Disk* disk = nullptr;
    // The directory of the store.
    std::string path;
    uint64_t cache_bytes = 0;
    // At least 1.
    size_t max_open_files = 256;
    Mutant* mutant = nullptr;
  };

  // Where a read may look.
  enum class Loading {
    kBlocking,  // on the disk too
    kAtHand,    // in memory alone
  };

  explicit Tables(const Options& options);

  [[nodiscard]] std::string PathOf(const TableInfo& info) const { return files_.PathOf(info); }

  // Filter, index and range tombstones. Null if they are not in memory.
  [[nodiscard]] std::shared_ptr<const TableMeta> MetaAtHand(const TableInfo& info);
  Status Meta(const TableInfo& info, std::shared_ptr<const TableMeta>* meta);
  // The data block of number `block`, below meta.index().count().
  [[nodiscard]] std::shared_ptr<const DataBlock> BlockAtHand(const TableInfo& info, uint32_t block);
  Status Block(const TableInfo& info, const TableMeta& meta, uint32_t block,
               std::shared_ptr<const DataBlock>* found);
  // The same of bytes that were read otherwise; not kept.
  Status OpenDataBlock(const TableInfo& info, const TableMeta& meta, uint32_t block,
                       std::vector<uint8_t> bytes, std::shared_ptr<const DataBlock>* opened) const;
  // Reads from the file of a table, past the cache; less than asked for at its end.
  Status Read(const TableInfo& info, uint64_t offset, std::span<uint8_t> target, size_t* count);

  // Adds to `lookup` what the tables of `runs` know of its key, the newest first. Their filters are
  // on their way before the first is asked. With kAtHand, `*missing` is true if something is not in
  // memory: the lookup is useless then, and has to be made anew with kBlocking.
  Status LookUpInRuns(std::span<const Run> runs, Loading loading, Lookup* lookup, bool* missing);
  // Keys that are looked for together: about as many as the processor can wait for lines of.
  static constexpr size_t kGroupSize = 16;
  // The same for many keys in one run; those that are done already, or that no table of it can
  // hold, stay as they are. All filters are asked before the first block is searched, and all
  // blocks are on their way: what misses the processor's cache misses it together.
  Status LookUpMany(const Run& run, Loading loading, std::span<Lookup* const> lookups,
                    bool* missing);

  // The most bytes of blocks, filters and indexes from now on.
  void SetCacheBytes(uint64_t bytes) { cache_.SetCapacity(bytes); }

  [[nodiscard]] BlockCache::Figures cache_figures() { return cache_.figures(); }
  [[nodiscard]] size_t open_files() const { return files_.count(); }

  // Lets go of a table whose file will be removed.
  void Forget(const TableInfo& info);
  // Closes all files and drops everything; reads that need the disk are CLOSED from now on.
  void Close();

 private:
  // Runs that are searched together: about as many as a store has.
  static constexpr size_t kRunsTogether = 8;

  // From the disk into the cache.
  Status LoadMeta(const TableInfo& info, std::shared_ptr<const TableMeta>* meta);
  Status LoadBlock(const TableInfo& info, const TableMeta& meta, uint32_t block,
                   std::shared_ptr<const DataBlock>* found);
  // The search for one key in one table, which stops at every place where it may miss.
  struct Search {
    Lookup* lookup = nullptr;
    const TableInfo* table = nullptr;
    std::shared_ptr<const TableMeta> meta;
    uint32_t index = 0;
    std::shared_ptr<const DataBlock> block;
  };
  Status SearchTable(Search* search, Loading loading, bool* missing);
  Status FindMeta(Search* search, Loading loading, bool* missing);
  // False if the table has no version of the key.
  static bool FindIndex(Search* search);
  Status FindBlock(Search* search, Loading loading, bool* missing);
  Status Finish(Search* search, Loading loading, bool* missing);
  Status LookUpGroup(const Run& run, Loading loading, std::span<Lookup* const> lookups,
                     bool* missing);
  static Status TakeVersions(const TableInfo& table, const std::shared_ptr<const DataBlock>& block,
                             Lookup* lookup, bool* goes_on);

  OpenFiles files_;
  BlockCache cache_;
  Mutant* mutant_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_TABLES_H_
