// A whole database brought back from a logical backup into a new database, or into an empty one: definitions by stock
// pg_restore from pg_dump's own table of contents, rows and large objects streamed from the store into COPY over several
// connections, nothing of them on disk between.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "logical/backup_reader.h"

namespace ark {

struct DatabaseRestoreRequest {
    std::string conninfo;
    std::string maintenance;    // database to connect to while the target is made; empty: the conninfo's
    std::string target;
    std::string pg_bindir;
    int jobs = 2;
    std::uint64_t memory_limit = 256 << 20;                       // fewer connections load rows when it is small
    bool owners = true, privileges = true, tablespaces = true;    // false: as pg_restore's --no-owner and so on
    bool analyze = true;
    bool dry_run = false;
};

// What the backup's definitions name and the target server lacks.
struct MissingOnServer {
    std::vector<std::string> roles, tablespaces, extensions;
    bool empty() const { return roles.empty() && tablespaces.empty() && extensions.empty(); }
};

struct DatabaseRestoreResult {
    bool creates_database = false;    // or, in a dry run, would
    std::string encoding, locale;     // of the backup; locale: the rest of its CREATE DATABASE
    std::uint64_t tables = 0, rows = 0, bytes = 0, large_objects = 0;
    MissingOnServer missing;
    // Seconds that each step took: "definitions", "rows", "indexes", "analyze".
    std::vector<std::pair<std::string, double>> seconds;
    std::vector<std::string> warnings;
};

// All or nothing: whatever fails, a database that was made here is dropped again. One that was there before must hold no
// objects of users, and keeps what it got when a restore into it fails; its comment says so until a restore has finished,
// and also after a kill. Throws kAlreadyExists for a database that is not empty, kNotFound for roles, tablespaces or
// extensions that are missing, kCorrupt when the rows loaded are not those of the manifest.
// It runs with the rights of the connection's role, and code in the backup's definitions runs as that role.
DatabaseRestoreResult RestoreDatabase(const DatabaseRestoreRequest &request, BackupReader &backup, Clock &clock,
                                      Ticker &ticker, Log &log);

}    // namespace ark
