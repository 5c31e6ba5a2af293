#include "logical/readable/schema_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "logical/rights.h"

namespace ark {

SchemaArchive::SchemaArchive(SchemaFile &schema)
    : path_((std::filesystem::temp_directory_path() / "pg_ark_schema_XXXXXX").string()) {
    fd_ = Fd(mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) ThrowErrno(errno, fmt::format("could not make a temporary file \"{}\"", path_));
    try {
        RewriteDumpArchive([&] { return schema.Open(); }, DumpArchiveFormat::kCustom, DumpCompression::kNone,
                           [](const TocEntry &entry) { return !entry.had_dumper; },
                           [&](ByteView bytes) { WriteAll(fd_.get(), bytes, path_); });
    } catch (const Error &) {
        unlink(path_.c_str());
        throw;
    }
}

SchemaArchive::~SchemaArchive() { unlink(path_.c_str()); }

std::string FindPgRestore(const std::string &pg_bindir, const BackupReader &backup) {
    std::string pg_dump = FindPgDump(pg_bindir, backup.manifest().body.value("server_version_num", 0));
    return pg_dump.substr(0, pg_dump.rfind('/') + 1) + "pg_restore";
}

}    // namespace ark
