// AWS credentials and where they come from. Safe for concurrent use.
#pragma once

#include <memory>
#include <optional>

#include "storage/s3/environment.h"
#include "storage/s3/http.h"
#include "storage/s3/sigv4.h"

namespace ark::s3 {

struct Credentials {
    SigningKey key;
    std::optional<TimePoint> expires;    // nothing: they last
    std::string source;                  // "environment (AWS_ACCESS_KEY_ID)": for messages
};

class CredentialProvider {
public:
    virtual ~CredentialProvider() = default;
    // Temporary credentials are renewed well before they end. Errors name the sources tried and why each had none,
    // kPermissionDenied; or, where a source that had worked does not answer, kUnavailable.
    virtual Credentials Get() = 0;
    // Called when the store said that `used` have expired. True if others are at hand now.
    virtual bool Renew(const Credentials &used) = 0;
};

// One place where credentials may be. Fetch() returns nothing where the source is not set up here (and says why in
// `why_not`), and throws where it is set up and fails: the chain then stops, as the AWS tools do.
class CredentialSource {
public:
    virtual ~CredentialSource() = default;
    virtual std::optional<Credentials> Fetch(std::string &why_not) = 0;
};
using SourceList = std::vector<std::unique_ptr<CredentialSource>>;

// Asks the sources in turn; the first that has credentials is asked ever after.
std::shared_ptr<CredentialProvider> MakeChain(SourceList sources, Clock &clock);

std::shared_ptr<CredentialProvider> MakeFixedCredentials(SigningKey key, std::string source);

struct ChainSettings {
    std::string profile;    // the `profile` URL parameter: only this profile is used. Empty: the whole chain
    std::string region;     // for the STS endpoint
    HttpSettings http;      // for STS; the metadata services are reached directly, with short time-outs
    std::string container_endpoint = "http://169.254.170.2";
    std::string metadata_endpoint = "http://169.254.169.254";
};

// environment, web identity, shared files, container, instance metadata: the order of the AWS SDKs.
std::shared_ptr<CredentialProvider> MakeDefaultChain(const ChainSettings &settings, const Environment &environment,
                                                     Clock &clock, Ticker &ticker);

// The region a user of the AWS tools has set: AWS_REGION, AWS_DEFAULT_REGION, the profile's `region`; or empty.
std::string ConfiguredRegion(const Environment &environment, const std::string &profile);

}    // namespace ark::s3
