#include "vfs/disk_history.h"

#include <algorithm>
#include <utility>

namespace bedplate::vfs {
namespace {

const char* NameOf(LinkEffect::Action action) {
  switch (action) {
    case LinkEffect::Action::kCreate:
      return "create";
    case LinkEffect::Action::kMakeDirectory:
      return "mkdir";
    case LinkEffect::Action::kRename:
      return "rename";
  }
  return "link";
}

const char* NameOf(SyncOutcome outcome) {
  switch (outcome) {
    case SyncOutcome::kDurable:
      return "durable";
    case SyncOutcome::kIgnored:
      return "ignored";
    case SyncOutcome::kFailed:
      return "failed";
    case SyncOutcome::kDropped:
      return "dropped";
  }
  return "unknown";
}

struct Describer {
  std::string operator()(const WriteEffect& write) const {
    const uint64_t end = write.position + write.bytes.size();
    return "write " + write.path + " [" + std::to_string(write.position) + ", " +
           std::to_string(end) + ")";
  }
  std::string operator()(const TruncateEffect& truncate) const {
    return "truncate " + truncate.path + " to " + std::to_string(truncate.size);
  }
  std::string operator()(const LinkEffect& link) const {
    return std::string(NameOf(link.action)) + " " + link.path;
  }
  std::string operator()(const UnlinkEffect& unlink) const { return "remove " + unlink.path; }
  std::string operator()(const SyncBeginEffect& begin) const {
    return "sync of " + begin.path + " begins";
  }
  std::string operator()(const SyncEndEffect& end) const {
    return "sync of " + end.path + " ends: " + NameOf(end.outcome);
  }
};

// Takes the effects before the `bound`th of the history out of `pending`.
std::vector<PendingEffect> TakeBelow(std::vector<PendingEffect>* pending, size_t bound) {
  const auto end = std::ranges::find_if(
      *pending, [&](const PendingEffect& entry) { return entry.index >= bound; });
  std::vector<PendingEffect> taken(std::make_move_iterator(pending->begin()),
                                   std::make_move_iterator(end));
  pending->erase(pending->begin(), end);
  return taken;
}

}  // namespace

std::string DescribeEffect(const Effect& effect) { return std::visit(Describer(), effect); }

void ApplyToBytes(FileBytes* bytes, const Effect& effect) {
  if (const auto* write = std::get_if<WriteEffect>(&effect)) {
    bytes->Write(write->bytes, write->position);
  } else if (const auto* truncate = std::get_if<TruncateEffect>(&effect)) {
    bytes->Truncate(truncate->size);
  }
}

void NameTable::Link(Inode directory, const std::string& name, Inode inode) {
  if (const NamePlace* old = PlaceOf(inode); old != nullptr) {
    const NamePlace place = *old;
    Unlink(place.directory, place.name);
  }
  Unlink(directory, name);
  directories_[directory][name] = inode;
  place_of_[inode] = {directory, name};
}

void NameTable::Unlink(Inode directory, const std::string& name) {
  const auto names = directories_.find(directory);
  if (names == directories_.end()) return;
  const auto found = names->second.find(name);
  if (found == names->second.end()) return;
  place_of_.erase(found->second);
  names->second.erase(found);
}

const Names& NameTable::NamesIn(Inode directory) const {
  static const Names none;
  const auto found = directories_.find(directory);
  return found == directories_.end() ? none : found->second;
}

const NamePlace* NameTable::PlaceOf(Inode inode) const {
  const auto found = place_of_.find(inode);
  return found == place_of_.end() ? nullptr : &found->second;
}

std::vector<PendingEffect> DurableState::PendingNames() const {
  std::vector<PendingEffect> names;
  for (const auto& [inode, pending] : directories_) {
    for (const PendingEffect& entry : pending) {
      if (!IsOutdated(entry)) names.push_back(entry);
    }
  }
  std::ranges::sort(names, {}, &PendingEffect::index);
  return names;
}

void DurableState::AddFile(Inode inode, FileBytes bytes) {
  files_[inode] = {.bytes = std::move(bytes), .pending = {}};
}

void DurableState::AddDirectory(Inode inode) { directories_[inode]; }

void DurableState::Link(Inode directory, const std::string& name, Inode inode) {
  names_.Link(directory, name, inode);
}

void DurableState::Apply(const std::shared_ptr<const Effect>& effect) {
  const PendingEffect entry = {point_++, effect};
  if (const auto* write = std::get_if<WriteEffect>(effect.get())) {
    files_[write->inode].pending.push_back(entry);
  } else if (const auto* truncate = std::get_if<TruncateEffect>(effect.get())) {
    files_[truncate->inode].pending.push_back(entry);
  } else if (const auto* link = std::get_if<LinkEffect>(effect.get())) {
    ApplyLink(*link);
    directories_[link->directory].push_back(entry);
  } else if (const auto* unlink = std::get_if<UnlinkEffect>(effect.get())) {
    directories_[unlink->directory].push_back(entry);
  } else if (const auto* begin = std::get_if<SyncBeginEffect>(effect.get())) {
    covered_[begin->sync] = entry.index;
  } else if (const auto* end = std::get_if<SyncEndEffect>(effect.get())) {
    EndSync(*end);
  }
}

void DurableState::ApplyLink(const LinkEffect& link) {
  if (link.action == LinkEffect::Action::kCreate) AddFile(link.inode, FileBytes());
  if (link.action == LinkEffect::Action::kMakeDirectory) AddDirectory(link.inode);
}

void DurableState::EndSync(const SyncEndEffect& end) {
  const auto covered = covered_.extract(end.sync);
  if (covered.empty()) return;
  if (end.outcome == SyncOutcome::kIgnored || end.outcome == SyncOutcome::kFailed) return;
  const bool is_durable = end.outcome == SyncOutcome::kDurable;

  if (const auto file = files_.find(end.inode); file != files_.end()) {
    for (const PendingEffect& entry : TakeBelow(&file->second.pending, covered.mapped())) {
      if (is_durable) ApplyToBytes(&file->second.bytes, *entry.effect);
    }
    return;
  }
  const auto directory = directories_.find(end.inode);
  if (directory == directories_.end()) return;
  for (const PendingEffect& entry : TakeBelow(&directory->second, covered.mapped())) {
    if (is_durable) MakeNameDurable(entry);
  }
}

void DurableState::MakeNameDurable(const PendingEffect& pending) {
  if (IsOutdated(pending)) return;
  if (const auto* link = std::get_if<LinkEffect>(pending.effect.get())) {
    names_.Link(link->directory, link->name, link->inode);
    named_at_[link->inode] = pending.index;
  } else if (const auto* unlink = std::get_if<UnlinkEffect>(pending.effect.get())) {
    names_.Unlink(unlink->directory, unlink->name);
  }
}

bool DurableState::IsOutdated(const PendingEffect& pending) const {
  const auto* link = std::get_if<LinkEffect>(pending.effect.get());
  if (link == nullptr) return false;
  const auto named_at = named_at_.find(link->inode);
  return named_at != named_at_.end() && pending.index < named_at->second;
}

}  // namespace bedplate::vfs
