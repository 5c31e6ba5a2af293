// Writes the files of a restore past the page cache: what is restored is seldom read soon, and copying it there costs more than the disk takes.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/file.h"

namespace ark {

// What one thread writes with: memory aligned as any device wants it.
class DirectBuffer {
public:
    DirectBuffer();
    ~DirectBuffer();
    DirectBuffer(const DirectBuffer &) = delete;
    DirectBuffer &operator=(const DirectBuffer &) = delete;
    MutableBytes bytes() const { return bytes_; }

private:
    MutableBytes bytes_;
};

// A regular file that is there and has its length. Where the file system cannot do it, and for the ends of files and small parts, it
// writes as usual; nothing is on disk before the file system is synced. Throws kIo and so on, naming the file.
class DirectWriter {
public:
    DirectWriter() = default;
    explicit DirectWriter(std::string name);
    explicit operator bool() const { return static_cast<bool>(file_); }

    // `parts` one after another, in one go where their memory is aligned.
    void Write(std::uint64_t at, std::span<const ByteView> parts, const DirectBuffer &buffer);
    // Lets the disk begin with what was written as usual.
    void BeginToForce(std::uint64_t at, std::uint64_t length) const;

private:
    void WriteOne(std::uint64_t at, ByteView bytes, const DirectBuffer &buffer);
    std::size_t WriteAligned(std::uint64_t at, std::span<const ByteView> parts);
    bool CanWriteDirectly();
    void WriteDirectly(std::uint64_t at, ByteView bytes, const DirectBuffer &buffer);

    std::string name_;
    Fd file_, direct_;
    bool cached_ = false;    // no direct writing here
};

}    // namespace ark
