// libcurl handles that rest between two requests with their connections open. Internal to http.cpp.
#pragma once

#include "storage/s3/curl.h"

#include <memory>
#include <mutex>
#include <vector>

#include "storage/s3/http.h"

namespace ark::s3 {

struct EasyDeleter {
    void operator()(CURL *easy) const noexcept { curl->curl_easy_cleanup(easy); }
};
struct MultiDeleter {
    void operator()(CURLM *multi) const noexcept { curl->curl_multi_cleanup(multi); }
};
struct ListDeleter {
    void operator()(curl_slist *list) const noexcept { curl->curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListDeleter>;

// One exchange at a time. The multi handle owns the connection, so it rests together with the easy one.
struct CurlPair {
    std::unique_ptr<CURLM, MultiDeleter> multi;    // destroyed after `easy`
    std::unique_ptr<CURL, EasyDeleter> easy;
};

class HttpClient::Pool {
public:
    Pool() { resting_.reserve(kMostResting); }    // so that GiveBack allocates nothing
    CurlPair Take();
    void GiveBack(CurlPair pair) noexcept;

private:
    static constexpr std::size_t kMostResting = 32;

    std::mutex mutex_;
    std::vector<CurlPair> resting_;
};

}    // namespace ark::s3
