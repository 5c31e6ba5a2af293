// Memory to be filled: unlike that of Bytes it is not cleared before, which takes as long as to fill it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "base/bytes.h"

namespace ark {

// Large ones begin at a page, so that they can be written past the page cache as they are.
class Buffer {
public:
    static constexpr std::size_t kPage = 4096, kLarge = 64 << 10;

    Buffer() = default;
    explicit Buffer(std::size_t size) : size_(size) {
        void *memory =
            size < kLarge ? std::malloc(size + 1) : std::aligned_alloc(kPage, (size + kPage - 1) / kPage * kPage);
        if (!memory) throw std::bad_alloc();
        memory_.reset(static_cast<std::byte *>(memory));
    }
    static Buffer Of(ByteView bytes) {
        Buffer copy(bytes.size());
        std::ranges::copy(bytes, copy.memory_.get());
        return copy;
    }
    Buffer(Buffer &&other) noexcept : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
    Buffer &operator=(Buffer &&other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    std::size_t size() const { return size_; }
    MutableBytes bytes() { return {memory_.get(), size_}; }
    operator ByteView() const { return {memory_.get(), size_}; }
    friend bool operator==(const Buffer &buffer, ByteView bytes) { return std::ranges::equal(ByteView(buffer), bytes); }

private:
    struct Free {
        void operator()(std::byte *memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t size_ = 0;
};

}    // namespace ark
