#include <fmt/format.h>

#include "base/encoding.h"
#include "storage/s3/credential_sources.h"
#include "storage/s3/errors.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

std::string StsEndpoint(const ChainSettings &settings, const Environment &environment) {
    if (std::string endpoint = environment.Get("AWS_ENDPOINT_URL_STS"); !endpoint.empty()) return endpoint;
    if (settings.region.empty()) return "https://sts.amazonaws.com";
    return fmt::format("https://sts.{}.amazonaws.com{}", settings.region,
                       settings.region.starts_with("cn-") ? ".cn" : "");
}

std::string Trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
    return text;
}

class WebIdentitySource : public CredentialSource {
public:
    WebIdentitySource(ChainSettings settings, Environment environment, Clock &clock, Ticker &ticker)
        : settings_(std::move(settings)), environment_(std::move(environment)), clock_(clock), ticker_(ticker) {}

    std::optional<Credentials> Fetch(std::string &why_not) override {
        WebIdentity identity{environment_.Get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment_.Get("AWS_ROLE_ARN"),
                             environment_.Get("AWS_ROLE_SESSION_NAME")};
        if (identity.token_file.empty() || identity.role_arn.empty()) {
            why_not = "web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set";
            return std::nullopt;
        }
        return FetchWebIdentity(identity, settings_, environment_, clock_, ticker_);
    }

private:
    ChainSettings settings_;
    Environment environment_;
    Clock &clock_;
    Ticker &ticker_;
};

}    // namespace

Credentials FetchWebIdentity(const WebIdentity &identity, const ChainSettings &settings, const Environment &environment,
                             Clock &clock, Ticker &ticker) {
    std::string source = fmt::format("web identity (role {})", identity.role_arn);
    std::optional<std::string> token = environment.file(identity.token_file);
    if (!token)
        throw Error(Code::kPermissionDenied, "could not get credentials by " + source,
                    fmt::format("token file \"{}\" does not exist", identity.token_file));
    std::string session = identity.session_name.empty() ? "pg_ark-" + CompactTime(clock.Now()) : identity.session_name;
    Secret form(CanonicalQuery({{"Action", "AssumeRoleWithWebIdentity"},
                                {"Version", "2011-06-15"},
                                {"RoleArn", identity.role_arn},
                                {"RoleSessionName", session},
                                {"WebIdentityToken", Trimmed(*token)}}));
    HttpClient http(settings.http, ticker);
    HttpRequest request;
    request.method = "POST";
    request.url = StsEndpoint(settings, environment) + "/";
    request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
    request.body = AsBytes(form.Reveal());
    HttpAnswer answer = http.Send(request);
    Refusal refusal = ReadRefusal(answer, false, false);
    if (refusal.kind != Kind::kNone) {
        Code code = refusal.kind == Kind::kBusy ? Code::kUnavailable : Code::kPermissionDenied;
        throw Error(code, "could not get credentials by " + source, Describe(refusal),
                    "Check the role's trust policy, and that the token file is fresh.");
    }
    StsCredentials sts = ParseStsCredentials(answer.body);
    return {{sts.access_key, Secret(sts.secret_key), Secret(sts.session_token)}, ParseTime(sts.expiration), source};
}

std::unique_ptr<CredentialSource> MakeWebIdentitySource(const ChainSettings &settings, const Environment &environment,
                                                        Clock &clock, Ticker &ticker) {
    return std::make_unique<WebIdentitySource>(settings, environment, clock, ticker);
}

}    // namespace ark::s3
