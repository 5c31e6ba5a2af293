// SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104), over OpenSSL.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace ark {

using Sha256Digest = std::array<std::byte, 32>;

Sha256Digest Sha256(ByteView bytes);
Sha256Digest HmacSha256(ByteView key, ByteView bytes);
std::string Sha256Hex(ByteView bytes);
std::array<std::byte, 16> Md5(ByteView bytes);    // only for Content-MD5 of S3's DeleteObjects

// A digest that grows. Not safe for concurrent use.
class Sha256Stream {
public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(Sha256Stream &&) noexcept;
    Sha256Stream &operator=(Sha256Stream &&) noexcept;

    void Update(ByteView bytes);
    Sha256Digest SoFar() const;    // of what was given until now; more may follow
    Sha256Digest Finish();         // once

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
