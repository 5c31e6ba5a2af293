#include "storage/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ark {

FileSource::FileSource(const std::filesystem::path &path) : name_(path.string()), file_(OpenFile(path, O_RDONLY)) {
    struct stat info;
    if (fstat(file_.get(), &info) != 0) ThrowErrno(errno, fmt::format("could not look at file \"{}\"", name_));
    size_ = static_cast<std::uint64_t>(info.st_size);
}

std::size_t FileSource::Read(MutableBytes to) {
    std::size_t filled = 0;
    while (std::size_t n = filled < to.size() ? ReadSome(file_.get(), to.subspan(filled), name_) : 0) filled += n;
    return filled;
}

bool FileSource::Rewind() {
    if (lseek(file_.get(), 0, SEEK_SET) != 0) ThrowErrno(errno, fmt::format("could not rewind file \"{}\"", name_));
    return true;
}

Bytes FileSource::Front(std::size_t size) const {
    Bytes front(size);
    ssize_t n = pread(file_.get(), front.data(), size, 0);
    if (n < 0) ThrowErrno(errno, fmt::format("could not read file \"{}\"", name_));
    front.resize(static_cast<std::size_t>(n));
    return front;
}

}    // namespace ark
