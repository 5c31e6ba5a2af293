// Storage in an S3 bucket, Amazon's or another's. Promises and errors are those of storage.h; docs/storage.md says
// what a store must be able to do.
//
// Put sends objects up to 16 MiB at once and larger ones in parts, holding at most four parts in memory; it is
// tried again part by part under the policy, so that a source that cannot rewind loses nothing to a dropped connection.
// Open, Stat and the rest leave whole repetitions to RetryStorage, as other drivers do.
#pragma once

#include "storage/retry.h"
#include "storage/s3/credentials.h"
#include "storage/s3/settings.h"

namespace ark {

StoragePtr MakeS3Storage(const S3Settings &settings, std::shared_ptr<RetryPolicy> policy,
                         std::shared_ptr<s3::CredentialProvider> credentials, Clock &clock, Ticker &ticker);

// The store that a URL names, with the AWS credential chain of this process. Nothing is contacted yet.
StoragePtr OpenS3Storage(const StoreSettings &settings, const Url &url, std::shared_ptr<RetryPolicy> policy,
                         Clock &clock, Ticker &ticker);

}    // namespace ark
