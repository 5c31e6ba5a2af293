// Bytes that follow from a seed, of any length, without holding them; and ways to break off on the way.
#pragma once

#include <algorithm>
#include <functional>

#include "base/digest.h"
#include "storage/storage.h"

namespace ark::test {

inline std::uint64_t PatternWord(std::uint64_t seed, std::uint64_t word) {
    std::uint64_t x = (seed + 1) * 0x9E3779B97F4A7C15 + word * 0xD1B54A32D192ED03;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9;
    return x ^ x >> 32;
}
inline std::byte PatternByte(std::uint64_t seed, std::uint64_t at) {
    return static_cast<std::byte>(PatternWord(seed, at / 8) >> (8 * (at % 8)));
}

class PatternSource : public Source {
public:
    PatternSource(std::uint64_t size, std::uint64_t seed, bool knows_size = false)
        : size_(size), seed_(seed), knows_size_(knows_size) {}

    std::size_t Read(MutableBytes to) override {
        std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), size_ - at_));
        for (std::byte *out = to.data(), *end = out + n; out < end;) {
            std::uint64_t word = PatternWord(seed_, at_ / 8) >> (8 * (at_ % 8));
            std::size_t run = std::min<std::size_t>(8 - at_ % 8, static_cast<std::size_t>(end - out));
            std::memcpy(out, &word, run);
            out += run;
            at_ += run;
        }
        if (at_ >= trigger_at_ && trigger_) trigger_();
        return n;
    }
    bool Rewind() override {
        at_ = 0;
        return true;
    }
    std::optional<std::uint64_t> Size() const override { return knows_size_ ? std::optional(size_) : std::nullopt; }

    // Runs `act` in the Read that reaches `at` bytes, and in each one after it.
    PatternSource &When(std::uint64_t at, std::function<void()> act) {
        trigger_at_ = at;
        trigger_ = std::move(act);
        return *this;
    }

private:
    std::uint64_t size_, seed_, at_ = 0, trigger_at_ = 0;
    bool knows_size_;
    std::function<void()> trigger_;
};

// Reads to the end in blocks of an odd size.
inline Bytes ReadAll(Reader &reader) {
    Bytes out, block(77777);
    while (std::size_t n = reader.Read(block)) Append(out, ByteView(block).first(n));
    return out;
}

inline Sha256Digest DigestOf(Source &source) {
    Sha256Stream digest;
    Bytes block(77777);
    while (std::size_t n = source.Read(block)) digest.Update(ByteView(block).first(n));
    return digest.Finish();
}

inline Sha256Digest DigestOf(Reader &reader) {
    Sha256Stream digest;
    Bytes block(77777);
    while (std::size_t n = reader.Read(block)) digest.Update(ByteView(block).first(n));
    return digest.Finish();
}

}    // namespace ark::test
