// The segments of a log: those that are part of it, the one being written, and the files that will
// come next. What can wait, preparing and recycling files, is done by a thread that lives as long
// as there is something to do.
#ifndef BEDPLATE_LOG_SEGMENT_POOL_H_
#define BEDPLATE_LOG_SEGMENT_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/status.h"
#include "core/thread.h"
#include "log/mutant.h"
#include "log/segment.h"
#include "log/segment_file.h"
#include "vfs/disk.h"

namespace bedplate::log {

struct PoolOptions {
  vfs::Disk* disk;
  std::string directory;
  uint64_t first_segment_bytes;
  uint64_t max_segment_bytes;
  // Work that could wait is done at once, by the caller; there is no thread.
  bool manual;
  Mutant* mutant;
};

// Owns the files of a log. Any thread may call it, unless said otherwise.
class SegmentPool {
 public:
  // `segments` are those that are there, in order, and `prepared` the names of files that never
  // became segments: they are removed, but one may be recycled.
  SegmentPool(PoolOptions options, const std::vector<SegmentHeader>& segments,
              const std::vector<std::string>& prepared);
  // Closes the files, and nothing else.
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  struct Size {
    uint64_t segment_count = 0;  // part of the log
    uint64_t segment_bytes = 0;  // of all files
  };
  [[nodiscard]] Size size() const;

  // The file that will be the segment after `segment`, which may be null; null if there is none
  // yet.
  [[nodiscard]] std::shared_ptr<SegmentFile> After(const SegmentFile* segment) const;

  // Sees to it that there is a segment after `segment`, with room for a frame of `frame_bytes`;
  // waits for it if need be. DISK_FULL or what else the disk says: nothing has changed then. Called
  // by one thread at a time, and no record has a place behind `segment`.
  Status ProvideAfter(const SegmentFile* segment, uint64_t frame_bytes);

  // Gives a segment of the first size as the next one, if nobody needs records up to
  // `last_position`, the last one, and the newest segment takes more than that; null if that is not
  // so, or it cannot be had. Called when no record has a place in a segment to come.
  std::shared_ptr<SegmentFile> ProvideSmaller(uint64_t last_position);

  // Makes the first of the files to come the current segment, after it got its name. Belongs to the
  // thread that writes.
  void Enter(const std::shared_ptr<SegmentFile>& segment, const SegmentHeader& header);

  // Makes the next segment ready soon, if none is.
  void PrepareNext();
  // Lets go of the segments all of whose records are at or below `position`, except for the newest.
  void DiscardUpTo(uint64_t position);

  // Closes the files and gives back unused space. One file of the first size stays for the next
  // writer.
  void Close();

 private:
  using Lock = std::unique_lock<std::mutex>;

  // The place in `ahead_` of the file after `segment`.
  [[nodiscard]] size_t PlaceAfter(const SegmentFile* segment) const;
  [[nodiscard]] uint64_t NextNumber() const;
  [[nodiscard]] uint64_t NextSizeBytes() const;
  [[nodiscard]] SegmentFile::Plan PlanNext(uint64_t size_bytes) const;
  void ReusePrepared(const std::vector<std::string>& names);
  void DropFrom(size_t place);

  void StartChores(Lock* lock);
  void RunChores();
  bool DoNextChore(Lock* lock);
  void Prepare(Lock* lock);
  Status FillInBackground(SegmentFile* segment);
  Status LoseOldNames();
  void Discard(Lock* lock);
  Status Recycle(const SegmentFile::Plan& plan, const std::string& name,
                 std::shared_ptr<SegmentFile>* segment);

  const PoolOptions options_;

  // Guards everything below.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // The segments of the log, in order; the last is `current_`, if there is one.
  std::deque<SegmentHeader> segments_;
  std::shared_ptr<SegmentFile> current_;
  // Files that will be the next segments, in order of their numbers. Their space is there, but for
  // one that a writer before left: `ProvideAfter` fills it again.
  std::deque<std::shared_ptr<SegmentFile>> ahead_;
  // True while one thread makes a file for the end of `ahead_`, without the mutex.
  bool is_making_ = false;
  // Somebody waits for a segment: there is no time to sync it.
  bool is_awaited_ = false;

  // What can wait.
  bool is_preparation_wanted_ = false;
  // It failed: nothing is tried again in the background before the next segment is entered.
  bool has_preparation_failed_ = false;
  std::deque<SegmentHeader> discarded_;
  // Nobody needs records up to this one.
  uint64_t discarded_up_to_ = 0;
  bool is_closing_ = false;
  bool does_chores_ = false;
  Thread chores_;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_SEGMENT_POOL_H_
