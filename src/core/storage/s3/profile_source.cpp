#include <fmt/format.h>

#include "storage/s3/credential_sources.h"
#include "storage/s3/profile.h"

namespace ark::s3 {
namespace {

std::string Get(const Profile &profile, const std::string &key) {
    auto at = profile.settings.find(key);
    return at == profile.settings.end() ? std::string() : at->second;
}

Error NotSupported(const Profile &profile, std::string_view what) {
    return Error(
        Code::kUnsupported, fmt::format("profile \"{}\" uses {}, which pg_ark does not follow", profile.name, what), {},
        fmt::format(
            "Let the AWS command line do it: credential_process = aws configure export-credentials --profile {} in a "
            "profile of its own, or give the machine a role.",
            profile.name));
}

class ProfileSource : public CredentialSource {
public:
    ProfileSource(ChainSettings settings, Environment environment, Clock &clock, Ticker &ticker)
        : settings_(std::move(settings)), environment_(std::move(environment)), clock_(clock), ticker_(ticker) {}

    std::optional<Credentials> Fetch(std::string &why_not) override {
        Profile profile = ReadProfile(environment_, settings_.profile);
        std::string source = fmt::format("profile \"{}\"", profile.name);
        if (!profile.found) {
            bool named = !settings_.profile.empty() || !environment_.Get("AWS_PROFILE").empty();
            if (named)
                throw Error(Code::kPermissionDenied, source + " does not exist", "looked for in " + profile.files);
            why_not = fmt::format("{}: not in {}", source,
                                  profile.files.empty() ? "any file, HOME is not set" : profile.files);
            return std::nullopt;
        }
        if (std::string role = Get(profile, "role_arn"); !role.empty()) {
            if (std::string file = Get(profile, "web_identity_token_file"); !file.empty())
                return FetchWebIdentity({file, role, Get(profile, "role_session_name")}, settings_, environment_,
                                        clock_, ticker_);
            throw NotSupported(profile, "role_arn with source_profile or credential_source");
        }
        if (std::string id = Get(profile, "aws_access_key_id"); !id.empty()) {
            std::string secret = Get(profile, "aws_secret_access_key");
            if (secret.empty())
                throw Error(Code::kPermissionDenied, source + " is incomplete",
                            "aws_access_key_id is set and aws_secret_access_key is not");
            return Credentials{{id, Secret(secret), Secret(Get(profile, "aws_session_token"))}, {}, source};
        }
        if (std::string command = Get(profile, "credential_process"); !command.empty())
            return ParseCredentialJson(environment_.run(command), "SessionToken", "credential_process of " + source);
        if (!Get(profile, "sso_session").empty() || !Get(profile, "sso_start_url").empty())
            throw NotSupported(profile, "single sign-on");
        why_not = source + ": it has no keys";
        return std::nullopt;
    }

private:
    ChainSettings settings_;
    Environment environment_;
    Clock &clock_;
    Ticker &ticker_;
};

}    // namespace

std::unique_ptr<CredentialSource> MakeProfileSource(const ChainSettings &settings, const Environment &environment,
                                                    Clock &clock, Ticker &ticker) {
    return std::make_unique<ProfileSource>(settings, environment, clock, ticker);
}

std::string ConfiguredRegion(const Environment &environment, const std::string &profile) {
    for (const char *name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
        if (std::string region = environment.Get(name); !region.empty()) return region;
    return Get(ReadProfile(environment, profile), "region");
}

}    // namespace ark::s3
