#include "storage/s3/curl.h"

namespace ark::s3 {

const CurlFunctions *Curl::operator->() const {
    static const CurlFunctions functions = [] {
        const DynamicLibrary library("libcurl.so.4");
        CurlFunctions found;
#define ARK_FIND(name) library.Find(found.name, #name);
        ARK_CURL_FUNCTIONS(ARK_FIND)
#undef ARK_FIND
        return found;
    }();
    return &functions;
}

}    // namespace ark::s3
