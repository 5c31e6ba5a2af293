#include "base/secret.h"

#include <openssl/crypto.h>

namespace ark {

Secret::~Secret() {
    value_.resize(value_.capacity());    // a moved-from short string still has its bytes in place
    OPENSSL_cleanse(value_.data(), value_.size());
}

}    // namespace ark
