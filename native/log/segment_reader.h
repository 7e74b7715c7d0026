// Reads the frames of one segment. Knows nothing of other segments, and believes no length before a
// checksum.
#ifndef BEDPLATE_LOG_SEGMENT_READER_H_
#define BEDPLATE_LOG_SEGMENT_READER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "log/frame.h"
#include "log/mutant.h"
#include "log/segment.h"
#include "vfs/disk.h"

namespace bedplate::log {

// A frame whose checksums hold.
struct Frame {
  FrameHeader header;
  Bytes payload;
  // The offset behind it.
  uint64_t end;
};

// A segment, opened for reading. What it hands out is valid until its next call.
class SegmentReader {
 public:
  // `seed` is the ChecksumSeed of the store. The file must outlive the reader.
  static Status Open(const vfs::File& file, const SegmentHeader& segment, uint32_t seed,
                     Mutant* mutant, std::unique_ptr<SegmentReader>* reader);

  // Where the first frame starts.
  static constexpr uint64_t kStart = kSegmentHeaderBytes;

  // The frame that follows what ends at `offset`, if it is whole and starts with record
  // `first_record`. It stands at the next frame boundary, or at the next page if a sync came
  // between.
  Status FrameAfter(uint64_t offset, uint64_t first_record, std::optional<Frame>* frame);

  // Looks behind `offset` for a frame that was written when `record` was already durable. Gives its
  // offset, or nothing. Reads the rest of the segment.
  Status FindProof(uint64_t offset, uint64_t record, std::optional<uint64_t>* proof);

 private:
  SegmentReader(const vfs::File& file, const SegmentHeader& segment, uint64_t end, uint32_t seed,
                Mutant* mutant);

  Status FrameAt(uint64_t offset, uint64_t first_record, std::optional<Frame>* frame);
  Status HeaderAt(uint64_t offset, std::optional<FrameHeader>* header);
  // Bytes of the segment; none if they are not all there.
  Status BytesAt(uint64_t offset, uint64_t length, std::optional<Bytes>* bytes);

  const vfs::File& file_;
  const SegmentHeader segment_;
  // Where frames may be: up to here.
  const uint64_t end_;
  const uint32_t seed_;
  Mutant* const mutant_;
  // A piece of the file.
  std::vector<uint8_t> window_;
  uint64_t window_start_ = 0;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_SEGMENT_READER_H_
