// A log record of any bytes: reading it ends, hands out only bytes of it, and what was handed out,
// written down again, reads the same.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/fuzz_support.h"
#include "ordered/record.h"

namespace {

using bedplate::Bytes;
using bedplate::KeyRange;
using bedplate::Status;
using bedplate::fuzz::Require;

// Writes down what it is told.
class Copier final : public bedplate::ordered::RecordVisitor {
 public:
  explicit Copier(Bytes record) : record_(record) { writer_.Begin(); }

  [[nodiscard]] std::vector<uint8_t> bytes() const {
    return {writer_.bytes().begin(), writer_.bytes().end()};
  }

  Status Put(uint32_t tree_id, Bytes key, Bytes value) override {
    Check(key);
    Check(value);
    writer_.Put(tree_id, key, value);
    return Status::Ok();
  }
  Status Delete(uint32_t tree_id, Bytes key) override {
    Check(key);
    writer_.Delete(tree_id, key);
    return Status::Ok();
  }
  Status Clear(uint32_t tree_id, const KeyRange& range) override {
    if (range.lower) Check(*range.lower);
    if (range.upper) Check(*range.upper);
    writer_.Clear(tree_id, range);
    return Status::Ok();
  }
  Status CreateTree(uint32_t tree_id, Bytes name) override {
    Check(name);
    writer_.CreateTree(tree_id, name);
    return Status::Ok();
  }
  Status DropTree(uint32_t tree_id) override {
    writer_.DropTree(tree_id);
    return Status::Ok();
  }
  Status BulkLoad(uint32_t tree_id) override {
    writer_.BulkLoad(tree_id);
    return Status::Ok();
  }

 private:
  void Check(Bytes part) const {
    if (part.empty()) return;
    Require(part.data() >= record_.data());
    Require(part.data() + part.size() <= record_.data() + record_.size());
  }

  const Bytes record_;
  bedplate::ordered::RecordWriter writer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes record(data, size);
  Copier first(record);
  if (!bedplate::ordered::VisitRecord(record, &first).ok()) return 0;
  // Numbers may be written in more bytes than they need, so the bytes may differ once.
  const std::vector<uint8_t> plain = first.bytes();
  Copier second(plain);
  Require(bedplate::ordered::VisitRecord(plain, &second).ok());
  Require(second.bytes() == plain);
  return 0;
}
