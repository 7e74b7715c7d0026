#include "lsm/memtable.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "lsm/operands.h"

namespace bedplate::lsm {
namespace {

// One node in so many is one level higher.
constexpr uint32_t kBranching = 4;
// A line of the processor's cache.
constexpr size_t kLineBytes = 64;
// About what a range tombstone takes beside its bounds.
constexpr uint64_t kTombstoneBytes = 160;

}  // namespace

// The bytes follow, or what says where they are and what more there is room for.
struct Memtable::Value {
  struct Place {
    uint8_t* bytes;
    size_t capacity;
  };

  uint32_t length;
  EntryKind kind;
  bool is_apart;

  [[nodiscard]] const Place& place() const { return *reinterpret_cast<const Place*>(this + 1); }
  [[nodiscard]] Bytes bytes() const {
    return {is_apart ? place().bytes : reinterpret_cast<const uint8_t*>(this + 1), length};
  }
};

// One link a level follows, the lowest first, then the key.
struct Memtable::Node {
  using Link = std::atomic<Node*>;

  KeyHead head;
  uint64_t sequence;
  uint32_t key_length;
  uint32_t height;
  std::atomic<const Value*> value;

  [[nodiscard]] static size_t SizeOf(uint32_t height, size_t key_length) {
    return sizeof(Node) + height * sizeof(Link) + key_length;
  }
  [[nodiscard]] Link* links() const { return reinterpret_cast<Link*>(const_cast<Node*>(this) + 1); }
  [[nodiscard]] Node* Next(uint32_t level) const {
    return links()[level].load(std::memory_order_acquire);
  }
  // The same for a search that may go down from here: what it would come to then is fetched
  // meanwhile.
  [[nodiscard]] Node* NextOfSearch(uint32_t level) const {
    if (level > 0) __builtin_prefetch(links()[level - 1].load(std::memory_order_relaxed));
    return Next(level);
  }
  // Fetches what comparing with it looks at.
  void Fetch() const {
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const uint8_t*>(this) + kLineBytes);
  }
  [[nodiscard]] uint8_t* key_bytes() const { return reinterpret_cast<uint8_t*>(links() + height); }
  [[nodiscard]] Bytes key() const { return {key_bytes(), key_length}; }
  [[nodiscard]] Entry entry() const {
    const Value* current = value.load(std::memory_order_acquire);
    return {key(), sequence, current->kind, current->bytes()};
  }
  // True if this version comes before (`other`, `other_sequence`).
  [[nodiscard]] bool IsBefore(const KeyHead& other_head, Bytes other,
                              uint64_t other_sequence) const {
    const int order = CompareKeys(head, key(), other_head, other);
    return order < 0 || (order == 0 && sequence > other_sequence);
  }
  [[nodiscard]] bool IsOf(const KeyHead& other_head, Bytes other) const {
    return head == other_head && AreEqual(key(), other);
  }
};

// One of several that go on side by side.
struct Memtable::Search {
  KeyHead head;
  Bytes key;
  Node* node = nullptr;
  Node* next = nullptr;
  Node* known_behind = nullptr;
  uint32_t level = 0;
  Place place{};

  // Goes on by one node, or down by a level. Returns false at the end.
  bool Step() {
    if (next != known_behind && next != nullptr && next->IsBefore(head, key, UINT64_MAX)) {
      node = next;
    } else {
      place.path[level] = node;
      place.behind[level] = next;
      known_behind = next;
      if (level == 0) return false;
      level--;
    }
    next = node->Next(level);
    return true;
  }
};

class Memtable::Cursor final : public VersionCursor {
 public:
  Cursor(const Memtable* memtable, const KeySpan& span, bool reverse)
      : memtable_(memtable), span_(span), reverse_(reverse) {
    entry_ = &own_entry_;
  }

  Status Step(bool* found) override {
    if (!has_ended_) Move();
    *found = !has_ended_;
    return Status::Ok();
  }

 private:
  void Move() {
    if (reverse_) {
      node_ = node_ == nullptr ? memtable_->SeekBefore(span_.end)
                               : memtable_->SeekBefore(node_->key(), node_->sequence);
      has_ended_ = node_ == memtable_->head_ || CompareBytes(node_->key(), span_.start) < 0;
    } else {
      node_ = node_ == nullptr ? memtable_->Seek(span_.start, UINT64_MAX) : node_->Next(0);
      has_ended_ = node_ == nullptr || CompareBytes(node_->key(), span_.end) >= 0;
    }
    if (!has_ended_) own_entry_ = node_->entry();
  }

  const Memtable* memtable_;
  const KeySpan span_;
  const bool reverse_;
  // Null before the first step.
  const Node* node_ = nullptr;
  bool has_ended_ = false;
  Entry own_entry_;
};

Memtable::Memtable() {
  head_ = new (arena_.Allocate(Node::SizeOf(kMaxHeight, 0))) Node{{}, 0, 0, kMaxHeight, nullptr};
  for (uint32_t level = 0; level < kMaxHeight; level++) {
    new (head_->links() + level) Node::Link(nullptr);
  }
  place_.path.fill(head_);
  place_.behind.fill(nullptr);
}

Memtable::~Memtable() = default;

// -- writing --------------------------------------------------------------------------------------

Status Memtable::Add(const Entry& entry) {
  const KeyHead head = HeadOf(entry.key);
  // Right behind the last one added, as in a sorted load, nothing is to be looked for.
  if (!IsNext(head, entry.key, entry.sequence)) FindPlace(head, entry.key, entry.sequence);
  return AddAtPlace(head, entry);
}

Status Memtable::AddGroup(std::span<const Entry> entries) {
  if (entries.size() == 1) return Add(entries[0]);
  std::array<Search, kGroupSize> searches;
  const std::span<Search> used = std::span(searches).first(entries.size());
  for (size_t i = 0; i < entries.size(); i++) {
    used[i].key = entries[i].key;
    used[i].head = HeadOf(entries[i].key);
  }
  const bool is_sorted_load = IsNext(used[0].head, used[0].key, entries[0].sequence);
  if (!is_sorted_load) FindPlaces(used);
  for (size_t i = 0; i < entries.size(); i++) {
    const Search& search = used[i];
    Status status;
    if (is_sorted_load) {
      status = Add(entries[i]);
    } else {
      CatchUp(search.place, search.head, search.key, entries[i].sequence);
      status = AddAtPlace(search.head, entries[i]);
    }
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status Memtable::AddAtPlace(const KeyHead& head, const Entry& entry) {
  Node* behind = place_.behind[0];
  if (behind != nullptr && behind->sequence == entry.sequence && behind->IsOf(head, entry.key)) {
    return Replace(behind, entry);
  }
  const uint32_t height = ThrowHeight();
  uint8_t* memory = arena_.Allocate(Node::SizeOf(height, entry.key.size()));
  Node* node = new (memory) Node{head, entry.sequence, static_cast<uint32_t>(entry.key.size()),
                                 height, StoreValue(entry.kind, entry.value)};
  for (uint32_t level = 0; level < height; level++) {
    new (node->links() + level) Node::Link(place_.behind[level]);
  }
  std::copy(entry.key.begin(), entry.key.end(), node->key_bytes());
  if (height > height_.load(std::memory_order_relaxed)) {
    height_.store(height, std::memory_order_relaxed);
  }
  // From the lowest level on, so that whoever comes down from a level finds it in the next.
  for (uint32_t level = 0; level < height; level++) {
    place_.path[level]->links()[level].store(node, std::memory_order_release);
    place_.path[level] = node;
  }
  entry_count_.fetch_add(1, std::memory_order_relaxed);
  Count(entry.sequence, entry.key.size() + entry.value.size());
  return Status::Ok();
}

void Memtable::AddTombstone(const KeySpan& span, uint64_t sequence) {
  const size_t length = span.start.size() + span.end.size();
  uint8_t* bounds = arena_.Allocate(length);
  std::copy(span.start.begin(), span.start.end(), bounds);
  std::copy(span.end.begin(), span.end.end(), bounds + span.start.size());
  const RangeTombstone added{
      {{bounds, span.start.size()}, {bounds + span.start.size(), span.end.size()}}, sequence};
  const std::shared_ptr<const RangeTombstones> before = tombstones();
  auto after = (before == nullptr ? RangeTombstones() : *before).With(added);
  {
    const std::lock_guard lock(tombstones_mutex_);
    tombstones_ = std::move(after);
  }
  has_tombstones_.store(true, std::memory_order_release);
  tombstone_count_.fetch_add(1, std::memory_order_relaxed);
  Count(sequence, 0);
}

// A second operation of a commit on one key: readers see either value, and none of them looks at
// this commit yet.
Status Memtable::Replace(Node* node, const Entry& entry) {
  const Entry older = node->entry();
  const bool is_longer = older.kind == EntryKind::kPut || older.kind == EntryKind::kAppend;
  if (entry.kind == EntryKind::kAppend && is_longer) return Extend(node, entry.value);
  EntryKind kind = older.kind;
  std::vector<uint8_t> value(older.value.begin(), older.value.end());
  if (Status status = FoldWithinCommit(entry, &kind, &value); !status.ok()) return status;
  node->value.store(StoreValue(kind, value), std::memory_order_release);
  Count(entry.sequence, entry.key.size() + value.size());
  return Status::Ok();
}

// A commit may append to a key often, so the bytes stay where they are as long as there is room:
// behind what readers know of.
Status Memtable::Extend(Node* node, Bytes suffix) {
  const Value* older = node->value.load(std::memory_order_relaxed);
  const size_t length = older->length + suffix.size();
  if (older->kind == EntryKind::kPut && length > kMaxValueBytes) {
    return Status::Error(ErrorCode::kCorruption, "a log record makes a value that is too long");
  }
  Value::Place place{nullptr, 0};
  if (older->is_apart) place = older->place();
  if (length > place.capacity) {
    place.capacity = 2 * length;
    place.bytes = arena_.Allocate(place.capacity);
    std::ranges::copy(older->bytes(), place.bytes);
  }
  std::ranges::copy(suffix, place.bytes + older->length);
  uint8_t* memory = arena_.Allocate(sizeof(Value) + sizeof(Value::Place));
  auto* longer = new (memory) Value{static_cast<uint32_t>(length), older->kind, true};
  new (longer + 1) Value::Place(place);
  node->value.store(longer, std::memory_order_release);
  Count(node->sequence, suffix.size());
  return Status::Ok();
}

const Memtable::Value* Memtable::StoreValue(EntryKind kind, Bytes value) {
  uint8_t* memory = arena_.Allocate(sizeof(Value) + value.size());
  auto* stored = new (memory) Value{static_cast<uint32_t>(value.size()), kind, false};
  if (!value.empty()) std::memcpy(stored + 1, value.data(), value.size());
  return stored;
}

bool Memtable::IsNext(const KeyHead& head, Bytes key, uint64_t sequence) const {
  const Node* last = place_.path[0];
  const Node* behind = place_.behind[0];
  return last != head_ && last->IsBefore(head, key, sequence) &&
         (behind == nullptr || !behind->IsBefore(head, key, sequence));
}

void Memtable::FindPlace(const KeyHead& head, Bytes key, uint64_t sequence) {
  Node* node = head_;
  Node* known_behind = nullptr;  // no need to compare with it again
  for (uint32_t level = kMaxHeight; level-- > 0;) {
    Node* next = node->NextOfSearch(level);
    while (next != known_behind && next != nullptr && next->IsBefore(head, key, sequence)) {
      node = next;
      next = node->NextOfSearch(level);
    }
    place_.path[level] = node;
    place_.behind[level] = next;
    known_behind = next;
  }
}

void Memtable::FindPlaces(std::span<Search> searches) const {
  std::array<Search*, kGroupSize> going;
  const uint32_t top = height_.load(std::memory_order_relaxed) - 1;
  for (size_t i = 0; i < searches.size(); i++) {
    Search& search = searches[i];
    search.node = head_;
    search.next = head_->Next(top);
    search.level = top;
    search.place.path.fill(head_);
    going[i] = &search;
  }
  // Each search takes a step in turn, to a node that was fetched while the others took theirs.
  size_t count = searches.size();
  while (count > 0) {
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
      Search* search = going[i];
      if (!search->Step()) continue;
      if (search->next != nullptr) search->next->Fetch();
      going[left++] = search;
    }
    count = left;
  }
}

void Memtable::CatchUp(const Place& before, const KeyHead& head, Bytes key, uint64_t sequence) {
  for (uint32_t level = 0; level < kMaxHeight; level++) {
    Node* node = before.path[level];
    Node* next = node->Next(level);
    if (next != before.behind[level]) {
      while (next != nullptr && next->IsBefore(head, key, sequence)) {
        node = next;
        next = node->Next(level);
      }
    }
    place_.path[level] = node;
    place_.behind[level] = next;
  }
}

// The same heights in every run: chance only has to be independent of the keys.
uint32_t Memtable::ThrowHeight() {
  uint32_t height = 1;
  while (true) {
    dice_ ^= dice_ << 13;
    dice_ ^= dice_ >> 17;
    dice_ ^= dice_ << 5;
    if (height == kMaxHeight || dice_ % kBranching != 0) return height;
    height++;
  }
}

void Memtable::Count(uint64_t sequence, uint64_t content_bytes) {
  last_sequence_.store(sequence, std::memory_order_relaxed);
  bytes_.store(arena_.used_bytes() + tombstone_count() * kTombstoneBytes,
               std::memory_order_relaxed);
  content_bytes_.fetch_add(content_bytes, std::memory_order_relaxed);
}

// -- reading --------------------------------------------------------------------------------------

std::shared_ptr<const RangeTombstones> Memtable::tombstones() const {
  if (!has_tombstones_.load(std::memory_order_acquire)) return nullptr;
  const std::lock_guard lock(tombstones_mutex_);
  return tombstones_;
}

void Memtable::LookUp(Lookup* lookup) const {
  const Bytes key = lookup->key();
  if (const auto ranges = tombstones(); ranges != nullptr) {
    lookup->Hide(ranges->Covering(key, lookup->sequence()));
  }
  const KeyHead head = HeadOf(key);
  const Node* node = Seek(key, lookup->sequence());
  for (; node != nullptr && node->IsOf(head, key); node = node->Next(0)) {
    lookup->Take(node->entry(), nullptr);
    if (lookup->is_done()) return;
  }
  lookup->EndSource();
}

std::unique_ptr<VersionCursor> Memtable::NewCursor(const KeySpan& span, bool reverse) const {
  return std::make_unique<Cursor>(this, span, reverse);
}

const Memtable::Node* Memtable::Seek(Bytes key, uint64_t sequence) const {
  // What a writer has put in between since is newer than what is looked for.
  const KeyHead head = HeadOf(key);
  const Node* node = SeekBefore(key, sequence)->Next(0);
  while (node != nullptr && node->IsBefore(head, key, sequence)) node = node->Next(0);
  return node;
}

const Memtable::Node* Memtable::SeekBefore(Bytes key) const { return SeekBefore(key, UINT64_MAX); }

const Memtable::Node* Memtable::SeekBefore(Bytes key, uint64_t sequence) const {
  const KeyHead head = HeadOf(key);
  const Node* node = head_;
  const Node* known_behind = nullptr;
  for (uint32_t level = height_.load(std::memory_order_relaxed); level-- > 0;) {
    const Node* next = node->NextOfSearch(level);
    while (next != known_behind && next != nullptr && next->IsBefore(head, key, sequence)) {
      node = next;
      next = node->NextOfSearch(level);
    }
    known_behind = next;
  }
  return node;
}

}  // namespace bedplate::lsm
