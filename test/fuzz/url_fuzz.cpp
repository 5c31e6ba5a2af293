// Any bytes as a store URL: either a clear refusal, or a URL whose text form reads back as the same.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char *>(data), size);
    ark::Url url;
    try {
        url = ark::ParseUrl(text);
    } catch (const ark::Error &error) {
        if (error.code != ark::Code::kInvalidArgument || error.message.empty()) std::abort();
        return 0;
    }
    ark::Url again = ark::ParseUrl(url.ToString());
    if (again.scheme != url.scheme || again.host != url.host || again.port != url.port || again.path != url.path ||
        again.parameters != url.parameters)
        std::abort();
    return 0;
}
