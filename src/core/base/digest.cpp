#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

void Must(bool ok, const char *what) {
    if (!ok) throw Error(Code::kInternal, std::string("OpenSSL could not ") + what);
}

unsigned char *Raw(std::byte *bytes) { return reinterpret_cast<unsigned char *>(bytes); }

}    // namespace

struct Sha256Stream::State {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
    Must(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "start SHA-256");
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream &&) noexcept = default;
Sha256Stream &Sha256Stream::operator=(Sha256Stream &&) noexcept = default;

void Sha256Stream::Update(ByteView bytes) {
    Must(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "compute SHA-256");
}

Sha256Digest Sha256Stream::SoFar() const {
    State copy;
    Must(copy.context != nullptr && EVP_MD_CTX_copy_ex(copy.context, state_->context) == 1, "copy a SHA-256");
    Sha256Digest out;
    Must(EVP_DigestFinal_ex(copy.context, Raw(out.data()), nullptr) == 1, "finish SHA-256");
    return out;
}

Sha256Digest Sha256Stream::Finish() {
    Sha256Digest out;
    Must(EVP_DigestFinal_ex(state_->context, Raw(out.data()), nullptr) == 1, "finish SHA-256");
    return out;
}

Sha256Digest Sha256(ByteView bytes) {
    Sha256Digest out;
    Must(EVP_Digest(bytes.data(), bytes.size(), Raw(out.data()), nullptr, EVP_sha256(), nullptr) == 1,
         "compute SHA-256");
    return out;
}

std::string Sha256Hex(ByteView bytes) { return HexEncode(Sha256(bytes)); }

std::array<std::byte, 16> Md5(ByteView bytes) {
    std::array<std::byte, 16> out;
    Must(EVP_Digest(bytes.data(), bytes.size(), Raw(out.data()), nullptr, EVP_md5(), nullptr) == 1, "compute MD5");
    return out;
}

Sha256Digest HmacSha256(ByteView key, ByteView bytes) {
    Sha256Digest out;
    unsigned int length = 0;
    const void *key_bytes =
        key.empty() ? "" : static_cast<const void *>(key.data());    // OpenSSL takes null for "the old key"
    Must(HMAC(EVP_sha256(), key_bytes, static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size(), Raw(out.data()), &length) != nullptr,
         "compute HMAC-SHA256");
    return out;
}

}    // namespace ark
