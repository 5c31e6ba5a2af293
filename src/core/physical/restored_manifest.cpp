#include "physical/restored_manifest.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "pgdata/crc32c.h"

namespace ark {
namespace {

constexpr std::size_t kBuffer = 64 << 10;
constexpr std::string_view kWhat = "a base backup";
constexpr std::uint64_t kFirstWithIdentifier = 170000;

std::string IdentifierFor(const Manifest &backup) {
    if (JsonNumber(backup.body, "server_version_num", kWhat) < kFirstWithIdentifier) return {};
    return JsonString(backup.body, "system_identifier", kWhat);
}

}    // namespace

RestoredManifest::RestoredManifest(const std::filesystem::path &pgdata, const Manifest &backup)
    : backup_(backup),
      path_(pgdata / "backup_manifest"),
      unfinished_(pgdata / "backup_manifest.unfinished"),
      file_(OpenFile(unfinished_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600)),
      text_(
          [this](std::string_view text) {
              buffer_ += text;
              if (buffer_.size() >= kBuffer) Flush();
          },
          IdentifierFor(backup)) {}

void RestoredManifest::Flush() {
    WriteAll(file_.get(), AsBytes(buffer_), unfinished_.string());
    buffer_.clear();
}

void RestoredManifest::Add(const RestoredFile &file) {
    text_.AddFile(file.path, file.size, file.modified, file.crc32c);
}

void RestoredManifest::Add(std::string_view path, ByteView content, TimePoint modified) {
    text_.AddFile(path, content.size(), modified, Crc32c(content));
}

void RestoredManifest::Finish() {
    text_.Finish(TimelineId{static_cast<std::uint32_t>(JsonNumber(backup_.body, "timeline", kWhat))},
                 ParseLsn(JsonString(backup_.body, "start_lsn", kWhat)),
                 ParseLsn(JsonString(backup_.body, "stop_lsn", kWhat)));
    Flush();
    SyncFile(file_.get(), unfinished_.string());
    if (rename(unfinished_.c_str(), path_.c_str()) != 0)
        ThrowErrno(errno, fmt::format("could not rename \"{}\" to \"{}\"", unfinished_.string(), path_.string()));
}

}    // namespace ark
