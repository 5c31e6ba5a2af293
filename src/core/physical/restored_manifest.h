// The backup_manifest of a restored directory, with which pg_verifybackup checks it. Written as files become whole, so that memory does
// not grow with their number.
#pragma once

#include "base/file.h"
#include "pgdata/backup_manifest.h"
#include "physical/restore_files.h"

namespace ark {

class RestoredManifest {
public:
    RestoredManifest(const std::filesystem::path &pgdata, const Manifest &backup);

    void Add(const RestoredFile &file);
    void Add(std::string_view path, ByteView content, TimePoint modified);
    void Finish();    // puts it into its place, on disk

private:
    void Flush();

    const Manifest &backup_;
    std::filesystem::path path_, unfinished_;
    Fd file_;
    std::string buffer_;
    BackupManifestText text_;
};

}    // namespace ark
