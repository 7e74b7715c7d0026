#include "test/btree_check.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "btree/catalogue.h"
#include "btree/overflow.h"
#include "btree/page.h"
#include "core/little_endian.h"
#include "test/heavy_test.h"

namespace bedplate::btree {
namespace {

using Entries = std::map<std::string, std::string>;

std::string Text(Bytes bytes) { return std::string(AsText(bytes)); }

Status ReadTree(Engine* engine, Attachment* attachment, const Snapshot& snapshot,
                const Reference& root, Entries* entries) {
  KeyRange rest;
  std::string last_key;
  bool done = false;
  while (!done) {
    Block block;
    Status status = engine->ReadBlock(attachment, snapshot, root, rest, /*reverse=*/false,
                                      {50, 4000}, &block, &done);
    if (!status.ok()) return status;
    const uint8_t* at = block.bytes().data();
    for (uint32_t i = 0; i < block.count; i++) {
      const uint32_t key_length = LoadU32(at);
      const uint32_t value_length = LoadU32(at + 4);
      const uint8_t* key = at + kEntryHeaderBytes;
      std::string next = Text({key, key_length});
      // Else the reading would go round in circles.
      if (i + entries->size() > 0 && next <= last_key) return Must(false, "keys are out of order");
      last_key = std::move(next);
      (*entries)[last_key] = Text({key + key_length, value_length});
      at = key + key_length + value_length;
    }
    rest.lower = BytesOf(last_key);
    rest.lower_inclusive = false;
  }
  return Status::Ok();
}

// Walks the trees of one moment.
class Walk {
 public:
  Walk(Engine* engine, Attachment* attachment) : engine_(engine), attachment_(attachment) {}

  Status Run() {
    std::shared_ptr<Snapshot> snapshot;
    StoreState state;
    Status status = engine_->OpenSnapshotAndState(&snapshot, &state);
    if (!status.ok()) return status;
    snapshot_ = snapshot.get();
    Entries catalogue;
    status = VisitTree(snapshot->catalogue(), kCatalogueTreeId, &catalogue);
    for (const auto& [name, value] : catalogue) {
      if (!status.ok()) return status;
      TreeEntry entry;
      if (!DecodeEntry(BytesOf(value), &entry)) return Must(false, "a broken catalogue entry");
      status = At("tree \"" + name + "\"", VisitTree(entry.root, entry.id, nullptr));
    }
    for (const uint64_t page : state.unused) {
      if (status.ok()) status = Claim(page, "free");
    }
    for (const Reference& page : state.list_pages) {
      if (status.ok()) status = Claim(page.page, "part of the list of free pages");
    }
    for (uint64_t page = kFirstPage; page < state.page_count && status.ok(); page++) {
      status = Must(claimed_.contains(page), "page " + std::to_string(page) + " of " +
                                                 std::to_string(state.page_count) + " is lost");
    }
    return status;
  }

 private:
  Status Claim(uint64_t page, const std::string& as) {
    const auto [found, is_first] = claimed_.emplace(page, as);
    return Must(is_first, "page " + std::to_string(page) + " is " + found->second + ", and " + as);
  }

  Status ReadPage(const Reference& reference, const std::string& as, std::vector<uint8_t>* bytes) {
    bytes->resize(engine_->page_size_bytes());
    size_t count = 0;
    Status status = Claim(reference.page, as);
    if (status.ok()) {
      status = engine_->ReadPage(attachment_, *snapshot_, reference.page, *bytes, &count);
    }
    if (!status.ok()) return status;
    const std::string where = "page " + std::to_string(reference.page) + ", " + as + ", ";
    if (count < bytes->size()) return Must(false, where + "lies beyond the end of the file");
    const std::string problem =
        Page(bytes->data(), engine_->page_size_bytes()).ProblemAs(reference);
    return Must(problem.empty(), where + problem);
  }

  // Collects the entries if `entries` is given; then no value may be long.
  Status VisitTree(const Reference& root, uint32_t id, Entries* entries) {
    if (root.page == 0) return Status::Ok();
    key_count_ = 0;
    last_key_.reset();
    tree_id_ = id;
    entries_ = entries;
    uint64_t said = 0;
    Status status = VisitPage(root, std::nullopt, std::nullopt, std::nullopt, &said);
    if (!status.ok()) return status;
    return Must(said == key_count_, "the root says " + std::to_string(said) + " keys, there are " +
                                        std::to_string(key_count_));
  }

  Status VisitPage(const Reference& reference, std::optional<uint32_t> level,
                   const std::optional<std::string>& lower, const std::optional<std::string>& upper,
                   uint64_t* key_count) {
    std::vector<uint8_t> bytes;
    const std::string as = "of tree " + std::to_string(tree_id_);
    if (Status status = ReadPage(reference, as, &bytes); !status.ok()) return status;
    const Page page(bytes.data(), engine_->page_size_bytes());
    const std::string where = "page " + std::to_string(reference.page) + " ";
    if (key_count != nullptr) *key_count = page.key_count();
    Status status = Must(page.tree_id() == tree_id_, where + "belongs to another tree");
    if (status.ok()) status = Must(!level || page.level() == *level, where + "has a wrong level");
    if (status.ok()) status = Must(!page.is_leaf() || page.count() > 0, where + "is empty");
    if (!status.ok()) return status;
    if (page.is_leaf()) return VisitLeaf(page, lower, upper);
    std::optional<std::string> from = lower;
    for (uint32_t child = 0; child <= page.count(); child++) {
      std::optional<std::string> to = upper;
      if (child < page.count()) to = Text(page.KeyAt(child));
      status = Must(!from || !to || *from < *to, where + "has separators out of order");
      if (status.ok()) {
        status = VisitPage(page.ChildAt(child), page.level() - 1, from, to, nullptr);
      }
      if (!status.ok()) return status;
      from = to;
    }
    return status;
  }

  Status VisitLeaf(const Page& leaf, const std::optional<std::string>& lower,
                   const std::optional<std::string>& upper) {
    const std::string where = "page " + std::to_string(leaf.page_number()) + " ";
    for (uint32_t slot = 0; slot < leaf.count(); slot++) {
      const std::string key = Text(leaf.KeyAt(slot));
      Status status = Must(!last_key_ || *last_key_ < key, where + "has keys out of order");
      if (status.ok()) {
        status = Must((!lower || *lower <= key) && (!upper || key < *upper),
                      where + "holds a key that belongs elsewhere");
      }
      const SearchResult at = leaf.Search(BytesOf(key));
      if (status.ok()) status = Must(at.found && at.slot == slot, where + "does not find its key");
      if (status.ok() && leaf.IsOverflowAt(slot)) {
        status = VisitOverflow(leaf.OverflowAt(slot), leaf.ValueLengthAt(slot));
      } else if (entries_ != nullptr) {
        (*entries_)[key] = Text(leaf.InlineValueAt(slot));
      }
      if (!status.ok()) return status;
      last_key_ = key;
      key_count_++;
    }
    return Status::Ok();
  }

  Status VisitOverflow(Reference at, uint64_t length) {
    uint64_t found = 0;
    while (at.page != 0) {
      std::vector<uint8_t> bytes;
      const std::string as = "of a long value of tree " + std::to_string(tree_id_);
      if (Status status = ReadPage(at, as, &bytes); !status.ok()) return status;
      const Page page(bytes.data(), engine_->page_size_bytes());
      if (page.type() != PageType::kOverflow) return Must(false, "not a page of a long value");
      found += page.data_length();
      at = page.reference();
    }
    return Must(found == length, "a long value has another length");
  }

  Engine* const engine_;
  Attachment* const attachment_;
  const Snapshot* snapshot_ = nullptr;
  std::map<uint64_t, std::string> claimed_;
  uint32_t tree_id_ = 0;
  uint64_t key_count_ = 0;
  std::optional<std::string> last_key_;
  Entries* entries_ = nullptr;
};

}  // namespace

Status ReadAll(Engine* engine, Attachment* attachment, const Snapshot& snapshot, Model* model) {
  model->clear();
  Entries catalogue;
  Status status = ReadTree(engine, attachment, snapshot, snapshot.catalogue(), &catalogue);
  for (const auto& [name, value] : catalogue) {
    if (!status.ok()) return status;
    TreeEntry entry;
    if (!DecodeEntry(BytesOf(value), &entry)) return Must(false, "a broken catalogue entry");
    status = ReadTree(engine, attachment, snapshot, entry.root, &(*model)[name]);
  }
  return status;
}

Status CheckStructure(Engine* engine, Attachment* attachment) {
  return Walk(engine, attachment).Run();
}

}  // namespace bedplate::btree
