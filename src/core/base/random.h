// Randomness that is passed in: the system's in programs, a seeded one in tests.
#pragma once

#include <string>

#include "base/bytes.h"

namespace ark {

class Random {
public:
    virtual ~Random() = default;
    virtual void Fill(MutableBytes bytes) = 0;    // cryptographically strong in SystemRandom

    std::uint64_t Below(std::uint64_t bound);    // uniform in [0, bound); bound > 0
    std::string Hex(std::size_t bytes);          // 2 * bytes characters
};

Random &SystemRandom();    // getrandom(2); safe for concurrent use

// Repeatable and not secret: for tests.
class SeededRandom : public Random {
public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void Fill(MutableBytes bytes) override;

private:
    std::uint64_t state_;
};

}    // namespace ark
