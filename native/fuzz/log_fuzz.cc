// A log whose only segment holds any bytes behind a whole header: opening it never reads outside
// them, and what opens once opens again with the same records.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz_support.h"
#include "log/frame.h"
#include "log/log.h"
#include "log/segment.h"
#include "vfs/simulated_disk.h"

namespace {

using bedplate::Bytes;
using bedplate::Status;
using bedplate::fuzz::Require;
using bedplate::log::Log;
using bedplate::log::Uuid;

constexpr size_t kMaxFrames = 8;

// Every other input gets its checksums right, else nothing behind them would ever be reached: the
// first byte says how many frames follow each other, as long as they say they are.
void RepairChecksums(std::vector<uint8_t>* segment, size_t count) {
  const uint32_t seed = bedplate::log::ChecksumSeed(Uuid{});
  size_t at = bedplate::log::kSegmentHeaderBytes;
  while (count-- > 0 && at + bedplate::log::kFrameHeaderBytes <= segment->size()) {
    const std::span<uint8_t> rest = std::span(*segment).subspan(at);
    uint32_t numbers[4];
    std::copy_n(rest.data(), sizeof(numbers), reinterpret_cast<uint8_t*>(numbers));
    const size_t length =
        std::min<size_t>(numbers[3], rest.size() - bedplate::log::kFrameHeaderBytes);
    uint64_t first_record = 0;
    uint64_t durable = 0;
    std::copy_n(rest.data() + 48, 8, reinterpret_cast<uint8_t*>(&first_record));
    std::copy_n(rest.data() + 56, 8, reinterpret_cast<uint8_t*>(&durable));
    const bedplate::log::FrameHeader header = {
        .address = {.segment = 1, .generation = 1, .offset = at},
        .first_record = first_record,
        .record_count = rest[16],
        .durable = durable};
    const size_t frame_bytes = bedplate::log::kFrameHeaderBytes + length;
    bedplate::log::EncodeFrameHeader(header, seed, rest.first(frame_bytes));
    at = bedplate::log::AlignUp(at + frame_bytes, bedplate::log::kFrameAlignmentBytes);
  }
}

Status Open(bedplate::vfs::Disk* disk, std::vector<std::string>* records,
            std::unique_ptr<Log>* log) {
  bedplate::log::LogOptions options;
  options.disk = disk;
  options.directory = "/store";
  options.manual = true;
  options.first_segment_bytes = 12288;
  options.max_segment_bytes = 12288;
  return Log::Open(
      options,
      [&](uint64_t, Bytes record) {
        records->emplace_back(record.begin(), record.end());
        return Status::Ok();
      },
      log);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<uint8_t> segment(bedplate::log::kSegmentHeaderBytes);
  segment.insert(segment.end(), data + 1, data + size);
  const auto header = bedplate::log::EncodeSegmentHeader(
      {.segment = 1, .generation = 1, .first_record = 1, .size_bytes = segment.size()}, Uuid{});
  std::copy(header.begin(), header.end(), segment.begin());
  if (data[0] % 2 == 1) RepairChecksums(&segment, data[0] / 2 % kMaxFrames);

  bedplate::vfs::SimulatedDiskOptions options;
  options.image.directories.insert("store");
  options.image.files.emplace("store/" + bedplate::log::SegmentName(1),
                              bedplate::vfs::FileBytes(segment));
  bedplate::vfs::SimulatedDisk disk(options);
  std::vector<std::string> records;
  std::unique_ptr<Log> log;
  if (!Open(&disk, &records, &log).ok()) return 0;
  Require(log->last_position() == records.size());
  Require(log->durable_position() == records.size());
  log.reset();
  std::vector<std::string> again;
  Require(Open(&disk, &again, &log).ok());
  Require(again == records);
  return 0;
}
