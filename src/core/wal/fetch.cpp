#include "wal/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"

namespace ark {
namespace {

// Takes its file away unless it was kept.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::filesystem::path &beside)
        : path_(beside.string() + fmt::format(".{}.part", getpid())),
          file_(OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC)) {}
    ~TemporaryFile() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove(path_, ignored);
    }
    TemporaryFile(const TemporaryFile &) = delete;

    void Write(ByteView bytes) { WriteAll(file_.get(), bytes, path_.string()); }
    void Keep(const std::filesystem::path &as) {
        file_.Reset();
        std::error_code error;
        std::filesystem::rename(path_, as, error);
        if (error) ThrowErrno(error.value(), fmt::format("could not rename \"{}\"", path_.string()));
        path_.clear();
    }

private:
    std::filesystem::path path_;
    Fd file_;
};

bool IsHole(const Repository &repository, const SegmentName &segment, WalSegmentSize size) {
    auto exists = [&](const SegmentName &name) {
        return repository.Stat(layout::Wal(WalFileName::OfSegment(name))).has_value();
    };
    return segment.Number(size) > 0 && exists(segment.Previous(size)) && exists(segment.Next(size));
}

}    // namespace

FetchOutcome FetchWalFile(const Repository &repository, KeyRing &keys, const WalFileName &name, WalSegmentSize size,
                          const std::filesystem::path &to) {
    TemporaryFile file(to);
    if (ReadSegment(repository, keys, name, [&](ByteView bytes) { file.Write(bytes); })) {
        file.Keep(to);
        return FetchOutcome::kFetched;
    }
    if (name.kind == WalFileName::Kind::kSegment && IsHole(repository, name.segment, size))
        throw Error(Code::kUnavailable, fmt::format("WAL segment \"{}\" is missing in the store", name.Text()),
                    "The one before it and the one behind it are there.",
                    "While the server that archives is at work it may still be on its way. If it is lost, recovery can "
                    "only go as far as the segment before: give a target there.");
    return FetchOutcome::kAbsent;
}

}    // namespace ark
