// The sources of the AWS chain, one factory each. Internal to the credential chain and its tests.
#pragma once

#include "storage/s3/credentials.h"

namespace ark::s3 {

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
std::unique_ptr<CredentialSource> MakeEnvironmentSource(const Environment &environment);

struct WebIdentity {
    std::string token_file, role_arn, session_name;
};
// STS AssumeRoleWithWebIdentity; the token file is read again at each renewal. AWS_ENDPOINT_URL_STS names another STS.
Credentials FetchWebIdentity(const WebIdentity &identity, const ChainSettings &settings, const Environment &environment,
                             Clock &clock, Ticker &ticker);
// AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME.
std::unique_ptr<CredentialSource> MakeWebIdentitySource(const ChainSettings &settings, const Environment &environment,
                                                        Clock &clock, Ticker &ticker);

// ~/.aws/credentials and ~/.aws/config: keys, credential_process, web_identity_token_file.
std::unique_ptr<CredentialSource> MakeProfileSource(const ChainSettings &settings, const Environment &environment,
                                                    Clock &clock, Ticker &ticker);

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, EKS Pod Identity).
std::unique_ptr<CredentialSource> MakeContainerSource(const ChainSettings &settings, const Environment &environment,
                                                      Ticker &ticker);

// EC2 instance metadata, version 2 only.
std::unique_ptr<CredentialSource> MakeInstanceSource(const ChainSettings &settings, const Environment &environment,
                                                     Ticker &ticker);

// {"AccessKeyId": …, "SecretAccessKey": …, <token_name>: …, "Expiration": …}: containers, instances, credential_process.
Credentials ParseCredentialJson(std::string_view text, std::string_view token_name, const std::string &source);

// For services beside the machine: no proxy, a second to connect, a few to answer.
HttpSettings MetadataHttp();

}    // namespace ark::s3
