// What the log says about an ordered store: one record a commit, holding its outcome as a list of
// operations. Bytes: docs/formats/btree.md, docs/formats/lsm.md; the twin is
// ts/storage/ordered/record.ts.
#ifndef BEDPLATE_ORDERED_RECORD_H_
#define BEDPLATE_ORDERED_RECORD_H_

#include <cstdint>
#include <vector>

#include "core/bytes.h"
#include "core/key_range.h"
#include "core/status.h"

namespace bedplate::ordered {

// What replay has to do, in the order of the record. Bytes are views of the record.
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual Status Put(uint32_t tree_id, Bytes key, Bytes value) = 0;
  virtual Status Delete(uint32_t tree_id, Bytes key) = 0;
  virtual Status Clear(uint32_t tree_id, const KeyRange& range) = 0;
  virtual Status CreateTree(uint32_t tree_id, Bytes name) = 0;
  virtual Status DropTree(uint32_t tree_id) = 0;
  virtual Status BulkLoad(uint32_t tree_id) = 0;
  // True if the store knows `Increment` and `Append`; else they are unknown operations.
  [[nodiscard]] virtual bool takes_operands() const { return false; }
  // `by`, eight bytes, is added to the number that the key holds.
  virtual Status Increment(uint32_t /*tree_id*/, Bytes /*key*/, Bytes /*by*/) {
    return Status::Ok();
  }
  virtual Status Append(uint32_t /*tree_id*/, Bytes /*key*/, Bytes /*suffix*/) {
    return Status::Ok();
  }
};

// Builds one record at a time in memory that it reuses: `bytes` is good until the next `Begin`.
class RecordWriter {
 public:
  void Begin();
  [[nodiscard]] Bytes bytes() const { return buffer_; }

  void Put(uint32_t tree_id, Bytes key, Bytes value);
  void Delete(uint32_t tree_id, Bytes key);
  void Clear(uint32_t tree_id, const KeyRange& range);
  void CreateTree(uint32_t tree_id, Bytes name);
  void DropTree(uint32_t tree_id);
  void BulkLoad(uint32_t tree_id);
  // `by` has eight bytes.
  void Increment(uint32_t tree_id, Bytes key, Bytes by);
  void Append(uint32_t tree_id, Bytes key, Bytes suffix);

 private:
  void Head(uint8_t kind, uint32_t tree_id);
  void Sized(Bytes bytes);
  void Varint(uint64_t value);

  std::vector<uint8_t> buffer_;
};

// Reads a record; bytes that are not one give CORRUPTION.
Status VisitRecord(Bytes record, RecordVisitor* visitor);

}  // namespace bedplate::ordered

#endif  // BEDPLATE_ORDERED_RECORD_H_
