#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <limits>

#include "base/encoding.h"
#include "base/file.h"

namespace ark {
namespace {

class RealRandom : public Random {
public:
    void Fill(MutableBytes bytes) override {
        while (!bytes.empty()) {
            ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) ThrowErrno(errno, "could not read random bytes");
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        }
    }
};

}    // namespace

Random &SystemRandom() {
    static RealRandom random;
    return random;
}

std::uint64_t Random::Below(std::uint64_t bound) {
    // Rejection: the largest multiple of bound below 2^64 keeps the choice uniform.
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / bound * bound;
    for (;;) {
        std::array<std::byte, 8> raw;
        Fill(raw);
        std::uint64_t value = GetBigEndian<std::uint64_t>(raw.data());
        if (value < limit) return value % bound;
    }
}

std::string Random::Hex(std::size_t bytes) {
    Bytes raw(bytes);
    Fill(raw);
    return HexEncode(raw);
}

void SeededRandom::Fill(MutableBytes bytes) {
    for (std::byte &b : bytes) {    // splitmix64
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        b = static_cast<std::byte>(z ^ (z >> 31));
    }
}

}    // namespace ark
