// What all verbs on one bucket share: its settings, its client, the retry policy, and what the store was found to do.
#pragma once

#include <atomic>
#include <memory>

#include "storage/retry.h"
#include "storage/s3/client.h"

namespace ark::s3 {

// Optimistic until the store says otherwise; never switched back on. Read and written from all threads.
struct Traits {
    std::atomic<bool> conditional_put{true};
    std::atomic<bool> conditional_complete{true};
    std::atomic<bool> complete_is_proven{false};    // a probe saw If-None-Match work on CompleteMultipartUpload
    std::atomic<bool> checksums{true};              // x-amz-checksum-sha256 is not refused
    std::atomic<bool> md5_etags{true};
    std::atomic<bool> bodies_are_proven{
        false};    // it was seen to refuse a body that has not the SHA-256 of its signature
    std::atomic<int> md5s_taken{0};
    std::atomic<bool> bulk_delete{true};
    std::atomic<bool> bucket_seen{false};    // so that a bodiless 404 means the object and not the bucket
};

struct Store {
    Store(const S3Settings &s3_settings, std::shared_ptr<RetryPolicy> retry_policy,
          std::shared_ptr<CredentialProvider> credentials, Clock &clock, Ticker &ticker)
        : settings(s3_settings),
          policy(std::move(retry_policy)),
          client(settings, std::move(credentials), clock, ticker) {}

    std::string KeyOf(std::string_view name) const {
        return settings.prefix.empty() ? std::string(name) : settings.prefix + "/" + std::string(name);
    }

    const S3Settings settings;
    const std::shared_ptr<RetryPolicy> policy;
    Client client;
    Traits traits;
};
using StoreRef = std::shared_ptr<Store>;

// The head of an object; nullopt if it is missing.
std::optional<HttpAnswer> Head(Store &store, std::string_view name);
ObjectInfo InfoOf(std::string_view name, const HttpAnswer &head);
// The value of a header; empty if it is not there.
std::string HeaderOf(const HttpAnswer &answer, std::string_view name);

// The verbs (put.cpp, object_reader.cpp, list.cpp, remove.cpp, probe.cpp, inspect.cpp).
ObjectInfo PutObject(const StoreRef &store, std::string_view name, Source &source, PutMode mode);
std::unique_ptr<Reader> OpenObject(const StoreRef &store, std::string_view name, Range range);
void ListObjects(Store &store, std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit);
std::vector<std::string> ListFolders(Store &store, std::string_view prefix);
std::size_t SweepUploads(Store &store, Duration older_than);
void RemoveObjects(Store &store, const std::vector<std::string> &names);
Capabilities ProbeStore(const StoreRef &store);
// Sends a body under the signature of another. False if the store took it, or nothing can be said.
bool RefusesOtherBody(Store &store) noexcept;
std::vector<Finding> InspectBucket(Store &store);

}    // namespace ark::s3
