// Sections of the backup's definitions, restored by stock pg_restore into the target database.
#pragma once

#include "logical/readable/schema_archive.h"
#include "logical/restore_database.h"

namespace ark {

class Definitions {
public:
    Definitions(const DatabaseRestoreRequest &request, const BackupReader &backup, SchemaFile &schema,
                Connection &target, Ticker &ticker);

    // "pre-data", "data" (sequence values; from 17 on, large objects are made here). The first error of
    // pg_restore ends it, and is thrown with its words.
    void Restore(const char *section);
    // Of section "post-data", these entries (dump ids) in this order, as far as their dependencies allow.
    void Restore(const std::vector<std::int32_t> &entries, int jobs);
    // As that, in one session that takes no more than one core, beside others that work. Safe for concurrent calls.
    void RestoreBeside(const std::vector<std::int32_t> &entries, Ticker &ticker);

private:
    void Run(const char *section, std::vector<std::string> more, std::string_view server_options, Ticker &ticker);

    const DatabaseRestoreRequest &request_;
    std::string program_;
    SchemaArchive archive_;
    Connection &target_;
    Ticker &ticker_;
};

}    // namespace ark
