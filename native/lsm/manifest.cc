#include "lsm/manifest.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "bloom/filter.h"
#include "core/little_endian.h"
#include "crc32c/crc32c.h"
#include "lsm/build_tables.h"
#include "lsm/fields.h"

namespace bedplate::lsm {
namespace {

constexpr uint32_t kMagic = 0x464d5042;  // "BPMF"
constexpr size_t kHeaderBytes = 16;
constexpr size_t kLeastTreeBytes = 6;
constexpr size_t kLeastTableBytes = 85;
// More than any store needs: a million tables.
constexpr uint64_t kMaxManifestBytes = uint64_t{1} << 30;

void WriteTables(const Version& version, FieldWriter* fields) {
  fields->U32(static_cast<uint32_t>(version.Tables().size()));
  for (size_t level = 0; level < kMaxLevels; level++) {
    for (const TableRef& table : version.levels()[level]) {
      fields->U8(static_cast<uint8_t>(level));
      fields->U48(table->number);
      fields->Raw(table->id);
      fields->U48(table->file_bytes);
      fields->U48(table->data_bytes);
      fields->U48(table->sequence);
      WriteProperties(*table, fields);
    }
  }
}

Status Broken(const std::string& path, const std::string& problem) {
  return Status::Error(ErrorCode::kCorruption, path + " is damaged: " + problem,
                       "restore a backup");
}

Status ReadShapeAndPlan(FieldReader* fields, const std::string& path, TableShape* shape,
                        CompactionPlan* plan) {
  shape->block_bytes = fields->U32();
  shape->bits_per_key = fields->U8();
  const uint8_t style = fields->U8();
  const uint8_t compression = fields->U8();
  const uint8_t zero = fields->U8();
  plan->ttl_ms = fields->U48();
  plan->max_bytes = fields->U48();
  if (!fields->status().ok()) return fields->status();
  if (shape->block_bytes < kMinBlockBytes || shape->block_bytes > kMaxBlockBytes ||
      shape->bits_per_key > bloom::kMaxBitsPerKey) {
    return Broken(path, "blocks of " + std::to_string(shape->block_bytes) + " bytes, " +
                            std::to_string(shape->bits_per_key) + " bits a key");
  }
  if (style > static_cast<uint8_t>(CompactionStyle::kFifo) ||
      compression > static_cast<uint8_t>(Compression::kLz4) || zero != 0) {
    return Broken(path, "it merges or packs in no known way");
  }
  plan->style = static_cast<CompactionStyle>(style);
  shape->compression = static_cast<Compression>(compression);
  return Status::Ok();
}

std::shared_ptr<const Catalogue> ReadCatalogue(FieldReader* fields, uint32_t next_tree_id) {
  auto catalogue = std::make_shared<Catalogue>();
  catalogue->next_tree_id = next_tree_id;
  const uint32_t count = fields->Count(kLeastTreeBytes);
  if (next_tree_id < kFirstTreeId || next_tree_id > kMaxTreeId || count > kMaxTrees) {
    fields->Fail(std::to_string(count) + " trees, the next of which gets id " +
                 std::to_string(next_tree_id));
  }
  for (uint32_t i = 0; i < count && fields->status().ok(); i++) {
    const uint32_t id = fields->U32();
    const std::string name(AsText(fields->Sized()));
    const bool is_possible = id >= kFirstTreeId && id < next_tree_id &&
                             catalogue->known.insert(id).second &&
                             catalogue->ids.emplace(name, id).second;
    if (!is_possible) {
      fields->Fail("tree " + std::to_string(id) + " named \"" + name + "\" cannot be");
    }
  }
  return catalogue;
}

std::shared_ptr<const Version> ReadTables(FieldReader* fields, uint64_t next_number,
                                          const std::function<TableRef(TableInfo)>& make_table) {
  VersionEdit edit;
  std::unordered_set<uint64_t> numbers;
  const uint32_t count = fields->Count(kLeastTableBytes);
  for (uint32_t i = 0; i < count && fields->status().ok(); i++) {
    const size_t level = fields->U8();
    TableInfo table;
    table.number = fields->U48();
    const Bytes id = fields->Raw(table.id.size());
    std::ranges::copy(id, table.id.begin());
    table.file_bytes = fields->U48();
    table.data_bytes = fields->U48();
    table.sequence = fields->U48();
    ReadProperties(fields, &table);
    const bool is_possible =
        level < kMaxLevels && table.number < next_number && numbers.insert(table.number).second;
    if (!is_possible || table.data_bytes + kBlockHeaderBytes + kFooterBytes > table.file_bytes) {
      fields->Fail("table " + std::to_string(table.number) + " of level " + std::to_string(level) +
                   " cannot be");
      break;
    }
    edit.added.emplace_back(level, make_table(std::move(table)));
  }
  return std::make_shared<const Version>(Version().With(edit));
}

// A failed sync leaves nothing known: also for want of space it is no refusal.
Status Durably(const Status& status) {
  const bool is_refusal = status.Is(ErrorCode::kDiskFull) || status.Is(ErrorCode::kUnavailable);
  if (status.ok() || !is_refusal) return status;
  return Status::Error(ErrorCode::kIo, status.message(), status.hint());
}

}  // namespace

std::vector<uint8_t> EncodeManifest(const Manifest& manifest) {
  FieldWriter fields;
  fields.Raw(std::array<uint8_t, kHeaderBytes>{});
  fields.Raw(manifest.uuid);
  fields.U48(manifest.position);
  fields.U48(manifest.next_number);
  fields.U32(manifest.catalogue->next_tree_id);
  fields.U32(manifest.shape.block_bytes);
  fields.U8(manifest.shape.bits_per_key);
  fields.U8(static_cast<uint8_t>(manifest.plan.style));
  fields.U8(static_cast<uint8_t>(manifest.shape.compression));
  fields.U8(0);
  fields.U48(manifest.plan.ttl_ms);
  fields.U48(manifest.plan.max_bytes);
  fields.U32(static_cast<uint32_t>(manifest.catalogue->ids.size()));
  for (const auto& [name, id] : manifest.catalogue->ids) {
    fields.U32(id);
    fields.Sized(AsBytes(name));
  }
  WriteTables(*manifest.version, &fields);
  std::vector<uint8_t> bytes = fields.Take();
  StoreU32(bytes.data() + 4, kMagic);
  StoreU32(bytes.data() + 8, kFormatVersion);
  StoreU32(bytes.data() + 12, static_cast<uint32_t>(bytes.size()));
  StoreU32(bytes.data(), crc32c::Extend(0, Bytes(bytes).subspan(4)));
  return bytes;
}

Status DecodeManifest(Bytes bytes, const std::string& path,
                      const std::function<TableRef(TableInfo)>& make_table, Mutant* mutant,
                      Manifest* manifest) {
  if (bytes.size() < kHeaderBytes) {
    return Broken(path, "it has " + std::to_string(bytes.size()) + " bytes");
  }
  if (LoadU32(bytes.data() + 4) != kMagic) {
    return Broken(path, "it does not begin as a manifest does");
  }
  const bool is_intact = LoadU32(bytes.data()) == crc32c::Extend(0, bytes.subspan(4)) &&
                         LoadU32(bytes.data() + 12) == bytes.size();
  if (!is_intact && !Lacks(mutant, Rule::kManifestChecksum)) {
    return Broken(path, "its checksum does not match");
  }
  const uint32_t version = LoadU32(bytes.data() + 8);
  if (version != kFormatVersion) {
    return Status::Error(ErrorCode::kIncompatible,
                         path + " has version " + std::to_string(version) +
                             "; this bedplate reads " + std::to_string(kFormatVersion),
                         "update bedplate");
  }
  FieldReader fields(bytes.subspan(kHeaderBytes), path);
  Manifest read;
  std::ranges::copy(fields.Raw(read.uuid.size()), read.uuid.begin());
  read.position = fields.U48();
  read.next_number = fields.U48();
  const uint32_t next_tree_id = fields.U32();
  if (Status status = ReadShapeAndPlan(&fields, path, &read.shape, &read.plan); !status.ok()) {
    return status;
  }
  read.catalogue = ReadCatalogue(&fields, next_tree_id);
  read.version = ReadTables(&fields, read.next_number, make_table);
  fields.End();
  if (!fields.status().ok()) return fields.status();
  *manifest = std::move(read);
  return Status::Ok();
}

Status ReadManifest(vfs::Disk* disk, const std::string& directory,
                    const std::function<TableRef(TableInfo)>& make_table, Mutant* mutant,
                    Manifest* manifest) {
  const std::string path = vfs::JoinPath(directory, kManifestFile);
  vfs::Kind kind = vfs::Kind::kAbsent;
  if (Status status = disk->KindOf(path, &kind); !status.ok()) return status;
  if (kind != vfs::Kind::kFile) {
    return Status::Error(
        ErrorCode::kCorruption,
        directory + " is a store, but its file " + kManifestFile + " is missing",
        "nothing on disk was changed; put the file back, or restore the store from a backup");
  }
  std::unique_ptr<vfs::File> file;
  if (Status status = disk->Open(path, vfs::OpenMode::kRead, &file); !status.ok()) return status;
  uint64_t size = 0;
  if (Status status = file->Size(&size); !status.ok()) return status;
  if (size > kMaxManifestBytes) {
    return Status::Error(ErrorCode::kCorruption, path + " has " + std::to_string(size) + " bytes");
  }
  std::vector<uint8_t> bytes(size);
  size_t count = 0;
  if (Status status = file->Read(bytes, 0, &count); !status.ok()) return status;
  return DecodeManifest(Bytes(bytes).first(count), path, make_table, mutant, manifest);
}

Status ReplaceManifest(vfs::Disk* disk, const std::string& directory, const Manifest& manifest,
                       Mutant* mutant) {
  const std::string path = vfs::JoinPath(directory, kManifestFile);
  const bool is_in_place = Lacks(mutant, Rule::kManifestTemporaryName);
  const std::string temporary = is_in_place ? path : vfs::JoinPath(directory, kNewManifestFile);
  vfs::Kind kind = vfs::Kind::kAbsent;
  if (Status status = disk->KindOf(temporary, &kind); !status.ok()) return status;
  if (kind != vfs::Kind::kAbsent) {
    if (Status status = disk->Unlink(temporary); !status.ok()) return status;
  }
  std::unique_ptr<vfs::File> file;
  if (Status status = disk->Open(temporary, vfs::OpenMode::kCreate, &file); !status.ok()) {
    return status;
  }
  Status status = file->Write(EncodeManifest(manifest), 0);
  if (status.ok() && !Lacks(mutant, Rule::kManifestSync)) status = Durably(file->Sync());
  file.reset();
  if (!status.ok()) {
    if (!is_in_place) Discard(disk, temporary);
    return status;
  }
  if (!is_in_place) {
    if (status = disk->Rename(temporary, path); !status.ok()) return status;
  }
  if (Lacks(mutant, Rule::kManifestNameSync)) return Status::Ok();
  return Durably(disk->SyncDirectory(directory));
}

}  // namespace bedplate::lsm
