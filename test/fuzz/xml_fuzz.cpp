// What a store, a proxy in between or a file of the AWS tools may contain: understood, or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "storage/s3/errors.h"
#include "storage/s3/profile.h"
#include "storage/s3/xml.h"

namespace {

template <class Parse>
void Try(Parse parse) {
    try {
        parse();
    } catch (const ark::Error &) {}
}

}    // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace ark::s3;
    std::string_view text(reinterpret_cast<const char *>(data), size);
    Try([&] { ParseErrorDocument(text); });
    Try([&] { ParseListPage(text); });
    Try([&] { ParseUploadPage(text); });
    Try([&] { ParseDeleteResult(text); });
    Try([&] { ParseUploadId(text); });
    Try([&] { ParseCompletedUpload(text); });
    Try([&] { ParseStsCredentials(text); });
    Try([&] { ParseIni(text, "fuzz"); });
    Try([&] {
        ReadRefusal({403, {{"retry-after", std::string(text.substr(0, 64))}}, std::string(text)}, false, true);
    });
    return 0;
}
