// A base backup of the whole cluster, read from its data directory beside the running server. docs/repository-format.md, section 12.
#pragma once

#include <optional>

#include "codec/compress.h"
#include "physical/read_piece.h"
#include "physical/standby_copy.h"
#include "repo/checkpoint_writer.h"
#include "repo/writers.h"
#include "server/connection.h"

namespace ark {

struct PhysicalRequest {
    std::string conninfo, database;    // to connect to
    std::string source = "local";
    std::string label, reason, taken_by, environment;
    Compression compression;
    int jobs = 2;    // files that are read at once
    bool fast_checkpoint = true;
    Duration full_every = std::chrono::hours(24 * 30);
    Duration read_whole_every = std::chrono::hours(24 * 7);    // then files are read that seem to be unchanged
    Duration wal_patience = std::chrono::minutes(15);          // with an archiver that does not get on
    std::uint64_t max_rate = 0;                                // bytes a second that are read; 0: no limit
    std::optional<StandbyCopy> standby = {};                   // the server is a standby, whose files are to be copied
    std::string host = {};
    std::optional<Fingerprint> directory =
        {};                                    // of the data directory: times and inodes mean something within one only
    double rewrite_share = 0.10;               // of the base's bytes: may be stored again to tidy the store
    CheckpointWriter::Limits checkpoints{};    // for a backup that will go on from this one
    std::uint64_t pack_size = PackSettings().target_size;
    Json annotations = Json::object();
};

struct PhysicalResult {
    BackupId backup_id;
    ManifestClear clear;
    std::uint64_t files = 0, plain_bytes = 0, unread_bytes = 0, reused_bytes = 0;
    std::uint64_t resumed_bytes = 0;      // of the reused ones: what interrupted backups had stored
    std::uint64_t rewritten_bytes = 0;    // the same as the base's, and stored again to tidy the store
    std::uint64_t bad_pages = 0;
    std::string start_lsn, stop_lsn;
    std::vector<std::string> warnings;
};

// The newest base backup of the repository is the base; one that was interrupted since then is gone on from. The backup counts when every segment of its WAL is in the store.
// Fails with kUnsupported for a server on another machine, kInvalidArgument where the server does not archive, kUnavailable where
// its WAL does not arrive or a standby lags too far, kConflict for a standby that does not belong here or is promoted meanwhile, and as
// BackupControl does.
PhysicalResult TakePhysicalBackup(const PhysicalRequest &request, std::shared_ptr<Repository> repository,
                                  std::shared_ptr<KeyRing> keys, Clock &clock, Random &random, Ticker &ticker, Log &log,
                                  const std::function<void(const BackupId &)> &begun = nullptr);

}    // namespace ark
