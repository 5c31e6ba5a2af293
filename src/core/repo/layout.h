// The only speller of object names. docs/repository-format.md, section 1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pgdata/wal_name.h"

namespace ark {

// "<name>.<system identifier>": the path of one cluster in a store.
struct ClusterName {
    std::string name;
    std::string system_identifier;
    std::string Path() const { return name + "." + system_identifier; }
    bool operator==(const ClusterName &) const = default;
};
std::optional<ClusterName> ParseClusterPath(std::string_view path);
// A cluster's or domain's name uses A-Z a-z 0-9 _ - only; throws kInvalidArgument.
void CheckPlainName(std::string_view name, std::string_view what);

using BackupId = std::string;    // YYYYMMDDTHHMMSSZ-xxxxxxxx
bool IsBackupId(std::string_view text);

// Names below the cluster path; Repository puts the path before them.
namespace layout {

inline const std::string kIdentity = "repository";
std::string Writer(std::uint64_t epoch);
std::string Key(std::string_view domain, std::uint64_t generation, std::string_view wrap);
std::string Begin(const BackupId &id);
std::string Packs(const BackupId &id);
std::string Manifest(const BackupId &id);
std::string End(const BackupId &id);
std::string Checkpoint(const BackupId &id, std::uint64_t number);    // from 1
std::string ObjectsOf(const BackupId &id);                           // prefix of all of these
std::string Pack(std::string_view pack);    // "<backup id>/<64 hex>" -> packs/<backup id>/<64 hex>
bool IsPackName(std::string_view pack);     // "<backup id>/<64 hex>"
std::string PacksOf(const BackupId &id);    // prefix of the packs a backup made
std::string Event(std::string_view subject, std::string_view event_id, std::string_view type);
std::string Quarantine(std::string_view pack_hex, std::uint64_t frame);
std::string Wal(const WalFileName &file);
std::string WalOf(TimelineId timeline);    // prefix of its files

// WAL ahead of its segment (section 13): the bytes from `start` to `end`, or, where these are one, a mark.
struct TailName {
    std::uint64_t epoch = 0;
    TimelineId timeline;
    Lsn start, end;
    std::uint64_t mark = 0;    // counts marks; 0: a piece
    auto operator<=>(const TailName &) const = default;
    bool IsMark() const { return mark != 0; }
};
inline const std::string kTailFolder = "tail/";
std::string Tail(const TailName &name);
std::optional<TailName> ParseTail(std::string_view name);

enum class Kind {
    kRepository,
    kWriter,
    kKey,
    kBegin,
    kPacks,
    kManifest,
    kEnd,
    kPack,
    kEvent,
    kQuarantine,
    kWal,
    kTail,
    kCheckpoint,
    kReserved
};
std::string_view KindName(Kind kind);    // as in the header

// What a name below the cluster path is; nullopt for one that this version cannot place.
struct Place {
    Kind kind;
    BackupId backup{};        // begin, packs, manifest, end, checkpoint, pack (its maker), event (if about a backup)
    std::string pack{};       // pack: "<backup id>/<64 hex>"; quarantine: "<64 hex>"
    std::string subject{};    // event: what it is about; key: its domain
    std::string type{};       // event
    std::string
        id{};    // event id, key generation.wrap, writer epoch, checkpoint's number, quarantine's frame, name of a WAL file
};
std::optional<Place> Parse(std::string_view name);

}    // namespace layout
}    // namespace ark
