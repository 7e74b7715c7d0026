#include "log/recovery.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "log/mutant.h"
#include "log/segment_reader.h"
#include "vfs/disk.h"

namespace bedplate::log {
namespace {

constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();

// The error for bytes that are not what was written.
Status LogCorruption(const std::string& path, uint64_t offset, const std::string& problem) {
  return Status::Error(ErrorCode::kCorruption,
                       path + " at offset " + std::to_string(offset) + ": " + problem,
                       "nothing on disk was changed; restore the store from a backup");
}

std::string RecordIsDamaged(uint64_t record) {
  return "record " + std::to_string(record) + " had been durable, but is damaged";
}

// Reads all of a segment's header that is there.
Status ReadHeaderBytes(vfs::Disk* disk, const std::string& path, std::vector<uint8_t>* bytes) {
  std::unique_ptr<vfs::File> file;
  Status status = disk->Open(path, vfs::OpenMode::kRead, &file);
  if (!status.ok()) return status;
  bytes->resize(kSegmentHeaderBytes);
  size_t count = 0;
  status = file->Read(*bytes, 0, &count);
  if (status.ok()) bytes->resize(count);
  return status;
}

Status ReadHeader(const LogOptions& options, const std::string& path, SegmentHeader* header) {
  std::vector<uint8_t> bytes;
  Status status = ReadHeaderBytes(options.disk, path, &bytes);
  if (!status.ok()) return status;
  uint32_t version = 0;
  switch (DecodeSegmentHeader(bytes, options.uuid, header, &version)) {
    case SegmentHeaderKind::kOk:
      return Status::Ok();
    case SegmentHeaderKind::kNewer:
      return Status::Error(
          ErrorCode::kIncompatible,
          path + " has format version " + std::to_string(version) + ", newer than this program");
    case SegmentHeaderKind::kForeign:
      return LogCorruption(path, 48, "the segment belongs to another store");
    case SegmentHeaderKind::kDamaged:
      break;
  }
  return LogCorruption(path, 0, "the header of the segment is damaged");
}

// The headers of all segments, in the order of their numbers.
Status ReadHeaders(const LogOptions& options, const std::vector<std::string>& names,
                   std::vector<SegmentHeader>* headers) {
  for (const std::string& name : names) {
    const std::optional<ParsedSegmentName> parsed = ParseSegmentName(name);
    if (!parsed.has_value() || parsed->is_prepared) continue;
    const std::string path = vfs::JoinPath(options.directory, name);
    SegmentHeader header;
    if (Status status = ReadHeader(options, path, &header); !status.ok()) return status;
    if (header.segment != parsed->segment) {
      return LogCorruption(path, 0, "this is segment " + std::to_string(header.segment));
    }
    const bool continues =
        headers->empty() || (header.generation >= headers->back().generation &&
                             header.first_record >= headers->back().first_record);
    if (!continues) {
      return LogCorruption(path, 16, "the segment does not continue the one before it");
    }
    headers->push_back(header);
  }
  return Status::Ok();
}

// Where the reading of the segments stands. Invariant: all records above `kept_elsewhere` up to
// `last_position` were replayed.
class Scan {
 public:
  Scan(const LogOptions& options, const Log::Replay& replay, Recovered* result)
      : options_(options), replay_(replay), seed_(ChecksumSeed(options.uuid)), result_(*result) {
    result_.last_position = options.kept_elsewhere;
    result_.durable_position = options.kept_elsewhere;
  }

  // Reads the records below `bound`, with which the next segment starts. All of them were durable.
  Status ReadUpTo(const SegmentHeader& segment, uint64_t bound) {
    if (Status status = Open(segment); !status.ok()) return status;
    uint64_t next = segment.first_record;
    uint64_t end = SegmentReader::kStart;
    while (next < bound) {
      std::optional<Frame> frame;
      Status status = reader_->FrameAfter(end, next, &frame);
      if (!status.ok()) return status;
      if (!frame.has_value()) return LogCorruption(path_, end, RecordIsDamaged(next));
      if (status = Replay(*frame, bound); !status.ok()) return status;
      next += frame->header.record_count;
      end = frame->end;
    }
    result_.durable_position = std::max(result_.durable_position, bound - 1);
    return Status::Ok();
  }

  // Reads the last segment, up to its torn tail.
  Status ReadLast(const SegmentHeader& segment) {
    if (Status status = Open(segment); !status.ok()) return status;
    uint64_t next = segment.first_record;
    uint64_t end = SegmentReader::kStart;
    // What the frames prove, whatever is kept elsewhere.
    uint64_t durable = next - 1;
    bool is_closed = false;
    while (true) {
      std::optional<Frame> frame;
      Status status = reader_->FrameAfter(end, next, &frame);
      if (!status.ok()) return status;
      if (!frame.has_value()) break;
      // One without records that is the first says what is not needed, not that the log was closed.
      is_closed = frame->header.record_count == 0 && end != SegmentReader::kStart;
      if (status = Replay(*frame, kNoBound); !status.ok()) return status;
      next += frame->header.record_count;
      // The first frame was synced before the segment got its name.
      durable = end == SegmentReader::kStart ? next - 1 : std::max(durable, frame->header.durable);
      KeepUnproven(*frame, durable);
      result_.is_name_proven = end != SegmentReader::kStart;
      end = frame->end;
    }
    if (!is_closed && !Lacks(options_.mutant, Rule::kSegmentLength)) {
      if (Status status = CheckLength(segment); !status.ok()) return status;
    }
    if (Status status = CheckTail(end, next); !status.ok()) return status;
    if (next - 1 <= options_.kept_elsewhere) result_.unproven.clear();
    result_.durable_position = std::max(result_.durable_position, durable);
    return Status::Ok();
  }

 private:
  Status Open(const SegmentHeader& segment) {
    path_ = vfs::JoinPath(options_.directory, SegmentName(segment.segment));
    if (segment.first_record > result_.last_position + 1) {
      return LogCorruption(path_, 0,
                           "records " + std::to_string(result_.last_position + 1) + " to " +
                               std::to_string(segment.first_record - 1) +
                               " are missing: a segment before it is lost");
    }
    Status status = options_.disk->Open(path_, vfs::OpenMode::kRead, &file_);
    if (!status.ok()) return status;
    return SegmentReader::Open(*file_, segment, seed_, options_.mutant, &reader_);
  }

  // Hands out the records of a frame that are below `bound` and not kept elsewhere.
  Status Replay(const Frame& frame, uint64_t bound) {
    if (!SplitPayload(frame.payload, frame.header.record_count, &records_)) {
      return LogCorruption(path_, frame.header.address.offset,
                           "the frame is whole, but not a list of records");
    }
    uint64_t number = frame.header.first_record;
    for (const Bytes record : records_) {
      if (number > result_.last_position && number < bound) {
        if (Status status = replay_(number, record); !status.ok()) return status;
        result_.last_position = number;
      }
      number++;
    }
    return Status::Ok();
  }

  // Notes the frame, and lets go of those that have been proven.
  void KeepUnproven(const Frame& frame, uint64_t durable) {
    std::deque<UnprovenFrame>& unproven = result_.unproven;
    while (!unproven.empty() && unproven.front().header.last_record() <= durable) {
      unproven.pop_front();
    }
    if (frame.header.last_record() <= durable) return;
    unproven.push_back({frame.header, {frame.payload.begin(), frame.payload.end()}});
  }

  // Only a closed log gives space back: its last frame says so. Every other segment was durably as
  // long as it was made.
  Status CheckLength(const SegmentHeader& segment) {
    uint64_t size = 0;
    if (Status status = file_->Size(&size); !status.ok()) return status;
    if (size >= segment.size_bytes) return Status::Ok();
    return LogCorruption(
        path_, size,
        "the segment had " + std::to_string(segment.size_bytes) + " bytes, the rest is missing");
  }

  // Refuses a bad frame that had been durable. `end` is where the good ones end, `next` the record
  // that should follow.
  Status CheckTail(uint64_t end, uint64_t next) {
    if (end == SegmentReader::kStart) return LogCorruption(path_, end, RecordIsDamaged(next));
    std::optional<uint64_t> proof;
    if (Status status = reader_->FindProof(end, next, &proof); !status.ok()) return status;
    if (!proof.has_value() || Lacks(options_.mutant, Rule::kDurableProof)) return Status::Ok();
    return LogCorruption(path_, end,
                         "record " + std::to_string(next) + " is damaged; the frame at offset " +
                             std::to_string(*proof) + " says it had been durable");
  }

  const LogOptions& options_;
  const Log::Replay& replay_;
  const uint32_t seed_;
  Recovered& result_;
  std::string path_;
  std::unique_ptr<vfs::File> file_;
  std::unique_ptr<SegmentReader> reader_;
  std::vector<Bytes> records_;
};

}  // namespace

Status Recover(const LogOptions& options, const Log::Replay& replay, Recovered* recovered) {
  std::vector<std::string> names;
  Status status = options.disk->List(options.directory, &names);
  if (!status.ok()) return status;
  Recovered found;
  if (status = ReadHeaders(options, names, &found.segments); !status.ok()) return status;
  for (const std::string& name : names) {
    const std::optional<ParsedSegmentName> parsed = ParseSegmentName(name);
    if (parsed.has_value() && parsed->is_prepared) found.prepared.push_back(name);
  }
  Scan scan(options, replay, &found);
  for (size_t i = 0; i < found.segments.size() && status.ok(); i++) {
    const bool is_last = i + 1 == found.segments.size();
    const uint64_t bound = is_last ? kNoBound : found.segments[i + 1].first_record;
    if (is_last) {
      status = scan.ReadLast(found.segments[i]);
    } else if (bound - 1 > options.kept_elsewhere) {
      status = scan.ReadUpTo(found.segments[i], bound);
    }
  }
  if (status.ok()) *recovered = std::move(found);
  return status;
}

}  // namespace bedplate::log
