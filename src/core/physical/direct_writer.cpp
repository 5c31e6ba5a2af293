#include "physical/direct_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

namespace ark {
namespace {

constexpr std::size_t kAlignment = 4096;    // the most that file systems ask of memory, position and length
constexpr std::size_t kBufferSize = 1 << 20;
constexpr std::size_t kWorthIt = 64 << 10;
constexpr std::size_t kMostParts = 512;    // of one call; IOV_MAX is 1,024

// Returns how much was written before an EINVAL: the file system's word for "not like this".
std::size_t WriteAt(int fd, std::uint64_t at, ByteView bytes, const std::string &name) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        ssize_t n = pwrite(fd, bytes.data() + written, bytes.size() - written, static_cast<off_t>(at + written));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EINVAL) break;
        if (n < 0) ThrowErrno(errno, fmt::format("could not write file \"{}\"", name));
        written += static_cast<std::size_t>(n);
    }
    return written;
}

}    // namespace

DirectBuffer::DirectBuffer() {
    void *memory = std::aligned_alloc(kAlignment, kBufferSize);
    if (!memory) throw std::bad_alloc();
    bytes_ = {static_cast<std::byte *>(memory), kBufferSize};
}
DirectBuffer::~DirectBuffer() { std::free(bytes_.data()); }

DirectWriter::DirectWriter(std::string name) : name_(std::move(name)), file_(OpenFile(name_, O_WRONLY | O_NOFOLLOW)) {}

void DirectWriter::Write(std::uint64_t at, std::span<const ByteView> parts, const DirectBuffer &buffer) {
    std::size_t done = parts.size() > 1 ? WriteAligned(at, parts) : 0;
    for (const ByteView &part : parts) {
        std::size_t skipped = std::min(done, part.size());
        if (skipped < part.size()) WriteOne(at + skipped, part.subspan(skipped), buffer);
        at += part.size();
        done -= skipped;
    }
}

// Returns how many bytes it wrote, from the first on: less than all where a part is not aligned or the file system wants it otherwise.
std::size_t DirectWriter::WriteAligned(std::uint64_t at, std::span<const ByteView> parts) {
    std::vector<iovec> row;
    std::size_t size = 0;
    for (const ByteView &part : parts) {
        if (reinterpret_cast<std::uintptr_t>(part.data()) % kAlignment != 0 || part.size() % kAlignment != 0) break;
        row.push_back({const_cast<std::byte *>(part.data()), part.size()});
        size += part.size();
    }
    if (at % kAlignment != 0 || size < kWorthIt || row.size() > kMostParts || !CanWriteDirectly()) return 0;
    for (;;) {
        ssize_t n = pwritev(direct_.get(), row.data(), static_cast<int>(row.size()), static_cast<off_t>(at));
        if (n >= 0) return static_cast<std::size_t>(n) / kAlignment * kAlignment;    // what is left goes part by part
        if (errno == EINTR) continue;
        if (errno != EINVAL) ThrowErrno(errno, fmt::format("could not write file \"{}\"", name_));
        cached_ = true;
        return 0;
    }
}

void DirectWriter::WriteOne(std::uint64_t at, ByteView bytes, const DirectBuffer &buffer) {
    std::size_t whole = bytes.size() / kAlignment * kAlignment;
    if (!cached_ && at % kAlignment == 0 && whole >= kWorthIt) {
        WriteDirectly(at, bytes.first(whole), buffer);
        if (!cached_) {
            at += whole;
            bytes = bytes.subspan(whole);
        }
    }
    if (WriteAt(file_.get(), at, bytes, name_) < bytes.size())
        ThrowErrno(EINVAL, fmt::format("could not write file \"{}\"", name_));
}

void DirectWriter::BeginToForce(std::uint64_t at, std::uint64_t length) const {
    sync_file_range(file_.get(), static_cast<off64_t>(at), static_cast<off64_t>(length), SYNC_FILE_RANGE_WRITE);
}

bool DirectWriter::CanWriteDirectly() {
    if (!cached_ && !direct_) {
        direct_ = Fd(open(name_.c_str(), O_WRONLY | O_NOFOLLOW | O_DIRECT | O_CLOEXEC));
        cached_ = !direct_;
    }
    return !cached_;
}

void DirectWriter::WriteDirectly(std::uint64_t at, ByteView bytes, const DirectBuffer &buffer) {
    while (CanWriteDirectly() && !bytes.empty()) {
        ByteView piece = bytes;
        if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment != 0) {
            MutableBytes aligned = buffer.bytes().first(std::min(bytes.size(), buffer.bytes().size()));
            std::copy_n(bytes.begin(), aligned.size(), aligned.begin());
            piece = aligned;
        }
        cached_ = WriteAt(direct_.get(), at, piece, name_) < piece.size();
        at += piece.size();
        bytes = bytes.subspan(piece.size());
    }
}

}    // namespace ark
