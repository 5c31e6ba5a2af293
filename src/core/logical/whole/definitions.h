// Sections of the backup's definitions, restored by stock pg_restore into the target database.
#pragma once

#include "logical/readable/schema_archive.h"
#include "logical/restore_database.h"

namespace ark {

class Definitions {
public:
    Definitions(const DatabaseRestoreRequest &request, const BackupReader &backup, SchemaFile &schema,
                Connection &target, Ticker &ticker);

    // "pre-data", "data" (sequence values; from 17 on, large objects are made here) or "post-data". The first error of
    // pg_restore ends it, and is thrown with its words.
    void Restore(const char *section, int jobs);

private:
    const DatabaseRestoreRequest &request_;
    std::string program_;
    SchemaArchive archive_;
    Connection &target_;
    Ticker &ticker_;
};

}    // namespace ark
