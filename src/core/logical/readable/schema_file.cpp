#include "logical/readable/schema_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "logical/readable/recode.h"

namespace ark {

SchemaFile::SchemaFile(BackupReader &backup) {
    if (backup.manifest().clear.kind != "logical")
        throw Error(
            Code::kUnsupported,
            fmt::format("backup {} holds chosen entities, not a database's schema", backup.manifest().clear.backup), {},
            "Export its tables as csv, json or jsonl, or use a backup of the whole database.");
    encoding_ = backup.manifest().body.value("encoding", "UTF8");
    std::string path = (std::filesystem::temp_directory_path() / "pg_ark_toc_XXXXXX").string();
    fd_ = Fd(mkostemp(path.data(), O_CLOEXEC));
    if (!fd_) ThrowErrno(errno, fmt::format("could not make a temporary file \"{}\"", path));
    unlink(path.c_str());
    backup.Content("schema/toc", [&](ByteView bytes) { WriteAll(fd_.get(), bytes, path); });
}

DumpArchivePull SchemaFile::Open() {
    if (lseek(fd_.get(), 0, SEEK_SET) != 0) ThrowErrno(errno, "could not rewind a temporary file");
    return PullFromFd(fd_.get(), "the table of contents");
}

DumpArchiveHeader SchemaFile::ForEach(const std::function<void(const TocEntry &)> &visit) {
    DumpArchiveReader reader(Open());
    Recoder recoder(encoding_);
    std::string utf8;
    auto convert = [&](std::string &text) {
        recoder.Convert(text, utf8);
        text = utf8;
    };
    while (std::optional<TocEntry> entry = reader.Next()) {
        if (recoder.Needed()) {
            convert(entry->tag);
            for (std::optional<std::string> *field :
                 {&entry->definition, &entry->schema, &entry->owner, &entry->tablespace})
                if (*field) convert(**field);
        }
        visit(*entry);
    }
    return reader.Header();
}

}    // namespace ark
