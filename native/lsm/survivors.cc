#include "lsm/survivors.h"

#include <algorithm>
#include <utility>

#include "core/compare.h"
#include "core/little_endian.h"
#include "lsm/operands.h"

namespace bedplate::lsm {
namespace {

// The stratum of a sequence: how many snapshots do not see it.
size_t StratumOf(uint64_t sequence, const std::vector<uint64_t>& snapshots) {
  const auto first_to_see = std::lower_bound(snapshots.begin(), snapshots.end(), sequence);
  return static_cast<size_t>(first_to_see - snapshots.begin());
}

}  // namespace

// -- operands that become one ---------------------------------------------------------------------

bool OperandGroup::Takes(const Entry& older) const {
  if (older.kind != kind_) return false;
  return kind_ == EntryKind::kIncrement ||
         pieces_.size() + older.value.size() < kMaxFoldedAppendBytes;
}

void OperandGroup::Add(const Entry& older) {
  if (kind_ == EntryKind::kIncrement) {
    if (older.value.size() == kIncrementBytes) sum_ += LoadU64(older.value.data());
    return;
  }
  pieces_.insert(pieces_.end(), older.value.begin(), older.value.end());
  lengths_.push_back(older.value.size());
}

std::vector<uint8_t> OperandGroup::Merged() const {
  std::vector<uint8_t> operand;
  if (kind_ == EntryKind::kIncrement) {
    operand.resize(kIncrementBytes);
    StoreU64(operand.data(), sum_);
    return operand;
  }
  operand.reserve(pieces_.size());
  size_t end = pieces_.size();
  for (auto length = lengths_.rbegin(); length != lengths_.rend(); ++length) {
    const Bytes piece = Bytes(pieces_).subspan(end - *length, *length);
    operand.insert(operand.end(), piece.begin(), piece.end());
    end -= *length;
  }
  return operand;
}

// -- survivors ------------------------------------------------------------------------------------

SurvivorCursor::SurvivorCursor(VersionCursor* versions, const RangeTombstones* tombstones,
                               const Retention* retention)
    : versions_(versions), tombstones_(tombstones), retention_(retention) {}

Status SurvivorCursor::Step(bool* found) {
  *found = false;
  while (true) {
    if (next_ready_ < ready_.size()) {
      const Version& version = ready_[next_ready_++];
      own_entry_ = {key_, version.sequence, version.kind, version.value};
      entry_ = &own_entry_;
      *found = true;
      return Status::Ok();
    }
    ready_.clear();
    next_ready_ = 0;
    if (Status status = Advance(); !status.ok() || !is_ahead_) return status;
    is_ahead_ = false;
    const Entry& entry = versions_->entry();
    if (!Survives(entry)) continue;
    if (IsOperand(entry.kind)) {
      if (Status status = Fold(); !status.ok()) return status;
      continue;
    }
    entry_ = &entry;
    *found = true;
    return Status::Ok();
  }
}

// Moves the versions on, unless the one they stand on was not looked at yet.
Status SurvivorCursor::Advance() {
  if (is_ahead_ || has_ended_) return Status::Ok();
  Status status = versions_->Step(&is_ahead_);
  has_ended_ = !is_ahead_;
  return status;
}

bool SurvivorCursor::Survives(const Entry& entry) {
  const size_t stratum = StratumFor(entry.sequence);
  if (!IsOfKey(entry.key)) {
    key_.assign(entry.key.begin(), entry.key.end());
    has_key_ = true;
    is_settled_ = false;
  }
  if (stratum != stratum_) is_settled_ = false;
  stratum_ = stratum;
  if (is_settled_) return false;
  is_settled_ = !IsOperand(entry.kind) || IsHidden(entry);
  if (!is_settled_) return true;
  if (IsHidden(entry)) return false;
  if (entry.kind == EntryKind::kPut || stratum > 0) return true;
  return MayHideOlder() && !Lacks(retention_->mutant, Rule::kTombstonesUntilBottom);
}

size_t SurvivorCursor::StratumFor(uint64_t sequence) const {
  const size_t stratum = StratumOf(sequence, retention_->snapshots);
  return stratum > 0 && Lacks(retention_->mutant, Rule::kSnapshotsKeepVersions) ? 0 : stratum;
}

bool SurvivorCursor::IsOfKey(Bytes key) const { return has_key_ && AreEqual(key_, key); }

// True if a range tombstone that all who look at its stratum see hides the version.
bool SurvivorCursor::IsHidden(const Entry& entry) const {
  const auto& snapshots = retention_->snapshots;
  const uint64_t seen = stratum_ < snapshots.size() ? snapshots[stratum_] : kMaxSequence;
  return tombstones_->Covering(entry.key, seen) > entry.sequence;
}

bool SurvivorCursor::MayHideOlder() const {
  return std::any_of(retention_->older.begin(), retention_->older.end(),
                     [this](const Run& run) { return TableFor(run, key_) != nullptr; });
}

// From the operand that the versions stand on: takes those below it in its stratum, with their
// base.
Status SurvivorCursor::Fold() {
  groups_.clear();
  base_ = {};
  size_t gathered_bytes = 0;
  while (true) {
    const Entry& entry = versions_->entry();
    if (groups_.empty() || !groups_.back().Takes(entry)) {
      groups_.emplace_back(entry.kind, entry.sequence);
    }
    groups_.back().Add(entry);
    gathered_bytes += entry.value.size();
    bool goes_on = false;
    if (Status status = FindBase(&goes_on); !status.ok()) return status;
    if (!goes_on || gathered_bytes > kMaxValueBytes) break;  // no value can hold them
    is_ahead_ = false;
  }
  Apply();
  return Status::Ok();
}

// Looks at what is below an operand. `*goes_on`: another one of its stratum, which the versions
// stand on then; else `base_` says what is known.
Status SurvivorCursor::FindBase(bool* goes_on) {
  if (Status status = Advance(); !status.ok()) return status;
  if (!is_ahead_ || !IsOfKey(versions_->entry().key)) {
    base_.is_known = !MayHideOlder() || Lacks(retention_->mutant, Rule::kOperandsUntilBottom);
    return Status::Ok();
  }
  const Entry& entry = versions_->entry();
  const bool is_of_stratum = StratumFor(entry.sequence) == stratum_;
  if (!is_of_stratum && !Lacks(retention_->mutant, Rule::kOperandsOfOneStratum)) {
    return Status::Ok();
  }
  const bool is_hidden = IsHidden(entry);
  *goes_on = IsOperand(entry.kind) && !is_hidden;
  if (*goes_on) return Status::Ok();
  is_ahead_ = false;
  is_settled_ = true;
  base_.is_known = true;
  if (!is_hidden) {
    base_.versions.push_back(
        {entry.sequence, entry.kind, {entry.value.begin(), entry.value.end()}});
  }
  return Status::Ok();
}

// Makes one put of base and operands; where that cannot be, they stay as they are.
void SurvivorCursor::Apply() {
  if (base_.is_known) {
    std::vector<Operand> operands;
    for (const OperandGroup& group : groups_) operands.push_back({group.kind(), group.Merged()});
    if (operands.size() < 2 || !Lacks(retention_->mutant, Rule::kOperandsInOrder)) {
      std::reverse(operands.begin(), operands.end());
    }
    Version folded{groups_.front().sequence(), EntryKind::kPut, {}};
    if (!base_.versions.empty()) folded.value = base_.versions[0].value;
    if (ApplyOperands(operands, &folded.value)) {
      ready_.push_back(std::move(folded));
      return;
    }
  }
  for (const OperandGroup& group : groups_) {
    ready_.push_back({group.sequence(), group.kind(), group.Merged()});
  }
  std::move(base_.versions.begin(), base_.versions.end(), std::back_inserter(ready_));
}

std::vector<RangeTombstone> SurvivingTombstones(const RangeTombstones& tombstones,
                                                const Retention& retention) {
  const auto& [snapshots, older, mutant] = retention;
  std::vector<RangeTombstone> surviving;
  for (const auto& [span, sequences] : tombstones.Fragments()) {
    const auto has_older = [&, &span = span] {
      return std::any_of(older.begin(), older.end(), [&](const Run& run) {
        return std::any_of(run.begin(), run.end(),
                           [&](const TableRef& table) { return Overlap(table->span(), span); });
      });
    };
    size_t previous = SIZE_MAX;
    for (const uint64_t sequence : sequences) {
      const size_t stratum = StratumOf(sequence, snapshots);
      if (std::exchange(previous, stratum) == stratum) continue;  // not the newest of its stratum
      const bool is_needed =
          stratum > 0 || (has_older() && !Lacks(mutant, Rule::kRangeTombstonesUntilBottom));
      if (is_needed) surviving.push_back({span, sequence});
    }
  }
  return surviving;
}

}  // namespace bedplate::lsm
