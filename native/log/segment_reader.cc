#include "log/segment_reader.h"

#include <algorithm>

namespace bedplate::log {
namespace {

// What is read from the file at once.
constexpr uint64_t kWindowBytes = uint64_t{256} << 10;

}  // namespace

Status SegmentReader::Open(const vfs::File& file, const SegmentHeader& segment, uint32_t seed,
                           Mutant* mutant, std::unique_ptr<SegmentReader>* reader) {
  uint64_t size = 0;
  Status status = file.Size(&size);
  if (!status.ok()) return status;
  const uint64_t end = std::min(size, segment.size_bytes);
  *reader = std::unique_ptr<SegmentReader>(new SegmentReader(file, segment, end, seed, mutant));
  return status;
}

SegmentReader::SegmentReader(const vfs::File& file, const SegmentHeader& segment, uint64_t end,
                             uint32_t seed, Mutant* mutant)
    : file_(file), segment_(segment), end_(end), seed_(seed), mutant_(mutant) {}

Status SegmentReader::FrameAfter(uint64_t offset, uint64_t first_record,
                                 std::optional<Frame>* frame) {
  const uint64_t near = AlignUp(offset, kFrameAlignmentBytes);
  const uint64_t far = AlignUp(offset, kPageBytes);
  Status status = FrameAt(near, first_record, frame);
  if (status.ok() && !frame->has_value() && far != near) {
    status = FrameAt(far, first_record, frame);
  }
  return status;
}

Status SegmentReader::FindProof(uint64_t offset, uint64_t record, std::optional<uint64_t>* proof) {
  proof->reset();
  for (uint64_t at = AlignUp(offset, kFrameAlignmentBytes); at + kFrameHeaderBytes <= end_;
       at += kFrameAlignmentBytes) {
    std::optional<FrameHeader> header;
    Status status = HeaderAt(at, &header);
    if (!status.ok()) return status;
    if (header.has_value() && header->durable >= record) {
      *proof = at;
      break;
    }
  }
  return Status::Ok();
}

Status SegmentReader::FrameAt(uint64_t offset, uint64_t first_record, std::optional<Frame>* frame) {
  frame->reset();
  std::optional<FrameHeader> header;
  Status status = HeaderAt(offset, &header);
  if (!status.ok() || !header.has_value() || header->first_record != first_record) return status;
  std::optional<Bytes> payload;
  status = BytesAt(offset + kFrameHeaderBytes, header->payload_bytes, &payload);
  if (!status.ok() || !payload.has_value()) return status;
  if (!IsPayloadIntact(*payload, *header, mutant_)) return status;
  const uint64_t end = offset + kFrameHeaderBytes + header->payload_bytes;
  *frame = Frame{.header = *header, .payload = *payload, .end = end};
  return status;
}

Status SegmentReader::HeaderAt(uint64_t offset, std::optional<FrameHeader>* header) {
  header->reset();
  std::optional<Bytes> bytes;
  Status status = BytesAt(offset, kFrameHeaderBytes, &bytes);
  if (!status.ok() || !bytes.has_value()) return status;
  const FrameAddress address = {
      .segment = segment_.segment, .generation = segment_.generation, .offset = offset};
  FrameHeader found;
  if (DecodeFrameHeader(*bytes, address, seed_, mutant_, &found)) *header = found;
  return status;
}

Status SegmentReader::BytesAt(uint64_t offset, uint64_t length, std::optional<Bytes>* bytes) {
  bytes->reset();
  if (offset > end_ || length > end_ - offset) return Status::Ok();
  const bool is_in_window =
      offset >= window_start_ && offset + length <= window_start_ + window_.size();
  if (!is_in_window) {
    window_.resize(std::min(std::max(length, kWindowBytes), end_ - offset));
    size_t count = 0;
    Status status = file_.Read(window_, offset, &count);
    window_.resize(status.ok() ? count : 0);
    window_start_ = offset;
    if (!status.ok() || count < length) return status;
  }
  *bytes = Bytes(window_).subspan(offset - window_start_, length);
  return Status::Ok();
}

}  // namespace bedplate::log
