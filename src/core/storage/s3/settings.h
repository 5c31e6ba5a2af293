// Where an S3 store is and how it wants to be used: the URL s3://bucket/prefix?… in typed form.
#pragma once

#include <string>

#include "base/url.h"
#include "storage/s3/http.h"

namespace ark {

struct S3Settings {
    std::string bucket;
    std::string prefix;    // "" or "a/b": the root of all names
    std::string region = "us-east-1";
    std::string endpoint;    // "https://host:port"; empty: Amazon's for the region
    std::string profile;
    bool path_style = false;
    std::string sse;    // "", "AES256" or "aws:kms"
    std::string kms_key;
    std::string storage_class;

    std::size_t single_put = 16 << 20;    // objects up to here are one PUT
    std::size_t part_size = 8 << 20;      // of the first parts
    std::size_t max_parts = 10000;
    std::size_t parts_in_flight = 3;    // of one upload; one more is held in memory while it is filled
    s3::HttpSettings http;

    std::string Describe() const;    // "s3://bucket/prefix"
};

// Letters, digits, '-' and '_': what may become part of a host name.
bool IsRegionName(std::string_view text);

// Reads url.parameters (storage.h lists them). `default_region` is what the AWS tools are set to, or empty. Throws
// kInvalidArgument naming the parameter.
S3Settings ParseS3Settings(const Url &url, std::string_view tls_min_version, std::string_view default_region);

}    // namespace ark
