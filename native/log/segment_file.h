// A segment while it is written to: preallocated under a temporary name, later part of the log, in
// the end recycled.
#ifndef BEDPLATE_LOG_SEGMENT_FILE_H_
#define BEDPLATE_LOG_SEGMENT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/bytes.h"
#include "core/status.h"
#include "log/frame.h"
#include "log/segment.h"
#include "vfs/disk.h"

namespace bedplate::log {

// A segment file that is open for writing. Whoever fills it has it alone; later it belongs to the
// thread that writes the log, but for `planned_end`.
class SegmentFile {
 public:
  // What a segment is to be.
  struct Plan {
    vfs::Disk* disk;
    const std::string& directory;
    uint64_t number;
    uint64_t size_bytes;
  };

  // A new file, still without space.
  static Status Create(const Plan& plan, std::shared_ptr<SegmentFile>* segment);
  // Whether the space of a file outlives a power cut.
  enum class Space { kDurable, kUncertain };
  // Makes a segment of the file called `name`, whose content is of no more use. `*segment` is null
  // if the file is too small; nothing has changed then. Uncertain space is still to be filled.
  // The old name may come back in a power cut until the directory was synced.
  static Status Recycle(const Plan& plan, const std::string& name, Space space,
                        std::shared_ptr<SegmentFile>* segment);

  [[nodiscard]] uint64_t number() const { return number_; }
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }

  // Takes the next piece of its space by writing zeros.
  Status FillSome();
  [[nodiscard]] uint64_t filled_bytes() const { return filled_bytes_; }
  // True once all of its space is there.
  [[nodiscard]] bool is_filled() const { return filled_bytes_ >= size_bytes_; }
  // Where room for records ends: the last page is kept for the frame that closes the log.
  [[nodiscard]] uint64_t room_end() const { return size_bytes_ - kPageBytes; }

  // Writes the header. `first_record` is where this segment takes over from earlier ones.
  Status WriteHeader(const SegmentHeader& header, const Uuid& uuid);
  // Where the next frame goes.
  [[nodiscard]] uint64_t next_frame_offset() const { return AlignUp(end_, alignment_); }
  // Writes a frame at `next_frame_offset`.
  Status WriteFrame(Bytes frame);
  // From here on, frames start in a page of their own, so that no later write touches a sector that
  // is being synced.
  void StartNewPage() { alignment_ = kPageBytes; }
  Status Sync() { return file_->Sync(); }

  // Where the last frame ends.
  [[nodiscard]] uint64_t end() const { return end_; }
  // What it takes if everything behind its last frame is cut off.
  [[nodiscard]] uint64_t used_bytes() const { return AlignUp(end_, kPageBytes); }
  // True if the next segment should be made ready.
  [[nodiscard]] bool is_half_full() const { return end_ * 2 > size_bytes_; }

  // Gives the file its place in the log. The directory is to be synced afterwards.
  Status Publish();
  // Removes a file that never became part of the log, if it can.
  void Drop();
  // Whether the space behind the last frame can be cut off, beyond `kept_bytes`.
  [[nodiscard]] bool CanShrink(uint64_t kept_bytes) const;
  // Cuts it off.
  Status Shrink(uint64_t kept_bytes);

  // Where the groups that are to go here end, at the latest. The log's mutex guards it.
  uint64_t planned_end = kSegmentHeaderBytes;

 private:
  SegmentFile(const Plan& plan, std::unique_ptr<vfs::File> file, uint64_t filled_bytes);

  vfs::Disk* const disk_;
  const std::string directory_;
  const uint64_t number_;
  const uint64_t size_bytes_;
  const std::unique_ptr<vfs::File> file_;
  uint64_t filled_bytes_;
  uint64_t end_ = kSegmentHeaderBytes;
  uint64_t alignment_ = kPageBytes;
};

// Removes a file that is of no more use. A file that stays does no harm, and is tried again at the
// next opening.
void RemoveFile(vfs::Disk* disk, const std::string& path);

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_SEGMENT_FILE_H_
