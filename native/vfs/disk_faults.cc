#include "vfs/disk_faults.h"

#include <utility>

namespace bedplate::vfs {

const char* NameOf(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::kOpen:
      return "open";
    case DiskOperation::kCreate:
      return "create";
    case DiskOperation::kRead:
      return "read";
    case DiskOperation::kWrite:
      return "write";
    case DiskOperation::kTruncate:
      return "truncate";
    case DiskOperation::kSync:
      return "sync";
    case DiskOperation::kSyncDirectory:
      return "sync the directory";
    case DiskOperation::kRename:
      return "rename";
    case DiskOperation::kUnlink:
      return "remove";
    case DiskOperation::kMakeDirectory:
      return "make the directory";
    case DiskOperation::kRemoveDirectory:
      return "remove the directory";
    case DiskOperation::kList:
      return "list";
  }
  return "use";
}

bool PlannedFault::Hits(DiskOperation operation, const std::string& path) {
  if (is_cancelled_ || spec_.operation.value_or(operation) != operation) return false;
  if (path.find(spec_.path_part) == std::string::npos) return false;
  seen_++;
  const bool hit = spec_.forever ? seen_ >= spec_.nth : seen_ == spec_.nth;
  if (hit) applied_++;
  return hit;
}

std::shared_ptr<PlannedFault> FaultPlan::Add(FaultSpec spec) {
  faults_.push_back(std::make_shared<PlannedFault>(std::move(spec)));
  return faults_.back();
}

const FaultSpec* FaultPlan::Next(DiskOperation operation, const std::string& path) {
  const FaultSpec* failing = nullptr;
  for (const std::shared_ptr<PlannedFault>& fault : faults_) {
    if (fault->Hits(operation, path) && failing == nullptr) failing = &fault->spec_;
  }
  return failing;
}

}  // namespace bedplate::vfs
