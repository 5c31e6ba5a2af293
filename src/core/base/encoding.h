// Text forms of bytes. Decoders throw Error(kInvalidArgument) and never guess.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ark {

std::string HexEncode(ByteView bytes);    // lower case
Bytes HexDecode(std::string_view text);
std::string Base64Encode(ByteView bytes);    // RFC 4648 section 4, padded
Bytes Base64Decode(std::string_view text);

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ (and '/' where asked) becomes %XX, upper case.
std::string PercentEncode(std::string_view text, bool keep_slash = false);
std::string PercentDecode(std::string_view text);

bool IsValidUtf8(std::string_view text);

}    // namespace ark
