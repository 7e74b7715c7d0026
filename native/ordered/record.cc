#include "ordered/record.h"

#include <limits>
#include <string>

namespace bedplate::ordered {
namespace {

enum Kind : uint8_t {
  kPut = 1,
  kDelete = 2,
  kClear = 3,
  kCreateTree = 4,
  kDropTree = 5,
  kBulkLoad = 6,
  kIncrement = 7,
  kAppend = 8,
};

enum ClearFlag : uint8_t {
  kHasLower = 1,
  kLowerInclusive = 2,
  kHasUpper = 4,
  kUpperInclusive = 8,
};

constexpr int kMaxVarintBytes = 8;
constexpr size_t kIncrementBytes = 8;
// One huge record is no reason to keep its memory.
constexpr size_t kKeptBytes = size_t{1} << 20;

// Reads the parts of a record. After a failure every further part is empty.
class RecordReader {
 public:
  explicit RecordReader(Bytes record) : record_(record) {}

  [[nodiscard]] bool at_end() const { return at_ >= record_.size(); }

  [[nodiscard]] Status status() const {
    if (problem_.empty()) return Status::Ok();
    return Status::Error(
        ErrorCode::kCorruption,
        "a log record of " + std::to_string(record_.size()) + " bytes cannot be read: " + problem_);
  }

  void Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    at_ = record_.size();
  }

  uint8_t Byte() {
    if (at_end()) {
      Fail("it ends too early");
      return 0;
    }
    return record_[at_++];
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int i = 0; i < kMaxVarintBytes; i++) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fU} << (7 * i);
      if (byte < 0x80) return value;
    }
    Fail("a number has too many bytes");
    return 0;
  }

  uint32_t TreeId() {
    const uint64_t id = Varint();
    if (id > std::numeric_limits<uint32_t>::max()) Fail("a tree id has more than 32 bits");
    return static_cast<uint32_t>(id);
  }

  Bytes Sized() { return Raw(Varint()); }

  Bytes Raw(uint64_t length) {
    if (length > record_.size() - at_) {
      Fail(std::to_string(length) + " bytes are said to follow byte " + std::to_string(at_));
      return {};
    }
    at_ += length;
    return record_.subspan(at_ - length, length);
  }

  KeyRange Range() {
    const uint8_t flags = Byte();
    KeyRange range;
    if ((flags & kHasLower) != 0) range.lower = Sized();
    if ((flags & kHasUpper) != 0) range.upper = Sized();
    range.lower_inclusive = (flags & kLowerInclusive) != 0;
    range.upper_inclusive = (flags & kUpperInclusive) != 0;
    return range;
  }

 private:
  Bytes record_;
  size_t at_ = 0;
  std::string problem_;
};

// Reads the rest of an increment or an append, and hands it out.
Status VisitOperand(RecordReader* reader, uint8_t kind, uint32_t tree_id, RecordVisitor* visitor) {
  const Bytes key = reader->Sized();
  const Bytes operand = kind == kIncrement ? reader->Raw(kIncrementBytes) : reader->Sized();
  if (Status status = reader->status(); !status.ok()) return status;
  return kind == kIncrement ? visitor->Increment(tree_id, key, operand)
                            : visitor->Append(tree_id, key, operand);
}

// Reads one operation and hands it out, unless it is broken.
Status VisitOperation(RecordReader* reader, RecordVisitor* visitor) {
  const uint8_t kind = reader->Byte();
  const uint32_t tree_id = reader->TreeId();
  switch (kind) {
    case kPut: {
      const Bytes key = reader->Sized();
      const Bytes value = reader->Sized();
      if (Status status = reader->status(); !status.ok()) return status;
      return visitor->Put(tree_id, key, value);
    }
    case kDelete: {
      const Bytes key = reader->Sized();
      if (Status status = reader->status(); !status.ok()) return status;
      return visitor->Delete(tree_id, key);
    }
    case kClear: {
      const KeyRange range = reader->Range();
      if (Status status = reader->status(); !status.ok()) return status;
      return visitor->Clear(tree_id, range);
    }
    case kCreateTree: {
      const Bytes name = reader->Sized();
      if (Status status = reader->status(); !status.ok()) return status;
      return visitor->CreateTree(tree_id, name);
    }
    case kDropTree:
    case kBulkLoad:
      if (Status status = reader->status(); !status.ok()) return status;
      return kind == kDropTree ? visitor->DropTree(tree_id) : visitor->BulkLoad(tree_id);
    case kIncrement:
    case kAppend:
      if (visitor->takes_operands()) return VisitOperand(reader, kind, tree_id, visitor);
      [[fallthrough]];
    default:
      reader->Fail("unknown operation " + std::to_string(kind));
      return reader->status();
  }
}

}  // namespace

void RecordWriter::Begin() {
  if (buffer_.capacity() > kKeptBytes) {
    buffer_ = {};
  } else {
    buffer_.clear();
  }
}

void RecordWriter::Put(uint32_t tree_id, Bytes key, Bytes value) {
  Head(kPut, tree_id);
  Sized(key);
  Sized(value);
}

void RecordWriter::Delete(uint32_t tree_id, Bytes key) {
  Head(kDelete, tree_id);
  Sized(key);
}

void RecordWriter::Clear(uint32_t tree_id, const KeyRange& range) {
  Head(kClear, tree_id);
  uint8_t flags = 0;
  if (range.lower) flags |= kHasLower | (range.lower_inclusive ? kLowerInclusive : 0);
  if (range.upper) flags |= kHasUpper | (range.upper_inclusive ? kUpperInclusive : 0);
  buffer_.push_back(flags);
  if (range.lower) Sized(*range.lower);
  if (range.upper) Sized(*range.upper);
}

void RecordWriter::CreateTree(uint32_t tree_id, Bytes name) {
  Head(kCreateTree, tree_id);
  Sized(name);
}

void RecordWriter::DropTree(uint32_t tree_id) { Head(kDropTree, tree_id); }

void RecordWriter::BulkLoad(uint32_t tree_id) { Head(kBulkLoad, tree_id); }

void RecordWriter::Increment(uint32_t tree_id, Bytes key, Bytes by) {
  Head(kIncrement, tree_id);
  Sized(key);
  buffer_.insert(buffer_.end(), by.begin(), by.end());
}

void RecordWriter::Append(uint32_t tree_id, Bytes key, Bytes suffix) {
  Head(kAppend, tree_id);
  Sized(key);
  Sized(suffix);
}

void RecordWriter::Head(uint8_t kind, uint32_t tree_id) {
  buffer_.push_back(kind);
  Varint(tree_id);
}

void RecordWriter::Sized(Bytes bytes) {
  Varint(bytes.size());
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void RecordWriter::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) buffer_.push_back(static_cast<uint8_t>(value | 0x80));
  buffer_.push_back(static_cast<uint8_t>(value));
}

Status VisitRecord(Bytes record, RecordVisitor* visitor) {
  RecordReader reader(record);
  while (!reader.at_end()) {
    if (Status status = VisitOperation(&reader, visitor); !status.ok()) return status;
  }
  return reader.status();
}

}  // namespace bedplate::ordered
