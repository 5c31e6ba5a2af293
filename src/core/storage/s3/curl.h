// libcurl, loaded with the first request (base/dynamic_library.h). Call curl->curl_easy_init().
#pragma once

#include <curl/curl.h>

#include "base/dynamic_library.h"

namespace ark::s3 {

#define ARK_CURL_FUNCTIONS(FUNCTION)   \
    FUNCTION(curl_easy_cleanup)        \
    FUNCTION(curl_easy_init)           \
    FUNCTION(curl_easy_pause)          \
    FUNCTION(curl_easy_reset)          \
    FUNCTION(curl_easy_setopt)         \
    FUNCTION(curl_easy_strerror)       \
    FUNCTION(curl_global_init)         \
    FUNCTION(curl_multi_add_handle)    \
    FUNCTION(curl_multi_cleanup)       \
    FUNCTION(curl_multi_info_read)     \
    FUNCTION(curl_multi_init)          \
    FUNCTION(curl_multi_perform)       \
    FUNCTION(curl_multi_poll)          \
    FUNCTION(curl_multi_remove_handle) \
    FUNCTION(curl_multi_strerror)      \
    FUNCTION(curl_slist_append)        \
    FUNCTION(curl_slist_free_all)

#undef curl_easy_setopt    // a macro that checks types, and would meet the name of a pointer

struct CurlFunctions {
#define ARK_DECLARE(name) decltype(&::name) name;
    ARK_CURL_FUNCTIONS(ARK_DECLARE)
#undef ARK_DECLARE
};

struct Curl {
    // Throws kUnsupported where it is not there.
    const CurlFunctions *operator->() const;
};
inline constexpr Curl curl;

}    // namespace ark::s3
