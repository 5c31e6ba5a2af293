// The backup's schema as an archive file that pg_restore opens by name: everything but the entries whose rows or large
// objects stand elsewhere, which it would otherwise look for.
#pragma once

#include <string>

#include "base/file.h"
#include "logical/readable/schema_file.h"

namespace ark {

class SchemaArchive {
public:
    explicit SchemaArchive(SchemaFile &schema);
    ~SchemaArchive();    // the file is gone with its owner
    SchemaArchive(const SchemaArchive &) = delete;
    const std::string &path() const { return path_; }

private:
    std::string path_;
    Fd fd_;
};

// That of FindPgDump (rights.h), whose errors it shares.
std::string FindPgRestore(const std::string &pg_bindir, const BackupReader &backup);

}    // namespace ark
