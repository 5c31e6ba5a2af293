#include "storage/s3/credentials.h"

#include <mutex>
#include <nlohmann/json.hpp>

#include "storage/s3/credential_sources.h"

namespace ark::s3 {
namespace {

constexpr Duration kRenewBefore = std::chrono::minutes(10);
constexpr Duration kAskAgainAfter = std::chrono::minutes(1);

bool SameKey(const Credentials &a, const Credentials &b) {
    return a.key.access_key == b.key.access_key && a.key.secret_key.Reveal() == b.key.secret_key.Reveal() &&
           a.key.session_token.Reveal() == b.key.session_token.Reveal();
}

class Chain : public CredentialProvider {
public:
    Chain(SourceList sources, Clock &clock) : sources_(std::move(sources)), clock_(clock) {}

    Credentials Get() override {
        std::lock_guard lock(mutex_);
        if (!current_)
            current_ = Find();
        else if (IsDue())
            Refresh();
        return *current_;
    }

    bool Renew(const Credentials &used) override {
        std::lock_guard lock(mutex_);
        if (!current_ || !SameKey(*current_, used)) return true;    // another thread was faster
        std::string why_not;
        std::optional<Credentials> fresh = chosen_->Fetch(why_not);
        if (!fresh || SameKey(*fresh, used)) return false;
        current_ = std::move(fresh);
        return true;
    }

private:
    bool IsDue() {
        TimePoint now = clock_.Now();
        return current_->expires && now >= *current_->expires - kRenewBefore && now >= not_before_;
    }

    // Keeps the old ones while they last if the source does not answer; a service that renews late is asked once a minute.
    void Refresh() {
        not_before_ = clock_.Now() + kAskAgainAfter;
        try {
            std::string why_not;
            std::optional<Credentials> fresh = chosen_->Fetch(why_not);
            if (!fresh)
                throw Error(Code::kUnavailable, "could not renew the credentials", current_->source + ": " + why_not);
            current_ = std::move(fresh);
        } catch (const Error &error) {
            if (error.code == Code::kCancelled || clock_.Now() >= *current_->expires) throw;
        }
    }

    Credentials Find() {
        std::string tried;
        for (const auto &source : sources_) {
            std::string why_not;
            if (std::optional<Credentials> found = source->Fetch(why_not)) {
                chosen_ = source.get();
                return *found;
            }
            tried += (tried.empty() ? "" : "; ") + why_not;
        }
        throw Error(Code::kPermissionDenied, "no credentials for the store were found", tried,
                    "Put them into ~/.aws/credentials of the user that runs pg_ark, or give the machine a role "
                    "(docs/storage.md).");
    }

    std::mutex mutex_;
    SourceList sources_;
    Clock &clock_;
    CredentialSource *chosen_ = nullptr;
    std::optional<Credentials> current_;
    TimePoint not_before_{};
};

class Fixed : public CredentialProvider {
public:
    explicit Fixed(Credentials credentials) : credentials_(std::move(credentials)) {}
    Credentials Get() override { return credentials_; }
    bool Renew(const Credentials &) override { return false; }

private:
    Credentials credentials_;
};

class EnvironmentSource : public CredentialSource {
public:
    explicit EnvironmentSource(Environment environment) : environment_(std::move(environment)) {}

    std::optional<Credentials> Fetch(std::string &why_not) override {
        std::string id = environment_.Get("AWS_ACCESS_KEY_ID"), secret = environment_.Get("AWS_SECRET_ACCESS_KEY");
        if (id.empty()) {
            why_not = "environment: AWS_ACCESS_KEY_ID is not set";
            return std::nullopt;
        }
        if (secret.empty())
            throw Error(Code::kPermissionDenied, "the credentials in the environment are incomplete",
                        "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
        return Credentials{
            {id, Secret(secret), Secret(environment_.Get("AWS_SESSION_TOKEN"))}, {}, "environment (AWS_ACCESS_KEY_ID)"};
    }

private:
    Environment environment_;
};

}    // namespace

std::shared_ptr<CredentialProvider> MakeChain(SourceList sources, Clock &clock) {
    return std::make_shared<Chain>(std::move(sources), clock);
}

std::shared_ptr<CredentialProvider> MakeFixedCredentials(SigningKey key, std::string source) {
    return std::make_shared<Fixed>(Credentials{std::move(key), {}, std::move(source)});
}

std::unique_ptr<CredentialSource> MakeEnvironmentSource(const Environment &environment) {
    return std::make_unique<EnvironmentSource>(environment);
}

std::shared_ptr<CredentialProvider> MakeDefaultChain(const ChainSettings &settings, const Environment &environment,
                                                     Clock &clock, Ticker &ticker) {
    SourceList sources;
    bool whole = settings.profile.empty();
    if (whole) sources.push_back(MakeEnvironmentSource(environment));
    if (whole) sources.push_back(MakeWebIdentitySource(settings, environment, clock, ticker));
    sources.push_back(MakeProfileSource(settings, environment, clock, ticker));
    if (whole) sources.push_back(MakeContainerSource(settings, environment, ticker));
    if (whole) sources.push_back(MakeInstanceSource(settings, environment, ticker));
    return MakeChain(std::move(sources), clock);
}

HttpSettings MetadataHttp() {
    HttpSettings http;
    http.direct = true;
    http.connect_timeout = std::chrono::seconds(1);
    http.stall_timeout = std::chrono::seconds(5);
    return http;
}

Credentials ParseCredentialJson(std::string_view text, std::string_view token_name, const std::string &source) {
    // The parser's own message quotes the text: it is not passed on.
    nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    auto get = [&](std::string_view name) -> std::string {
        auto at = json.find(name);
        return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    if (!json.is_object())
        throw Error(Code::kUnavailable, "the credentials from " + source + " are not understood",
                    "the answer is not a JSON object");
    if (get("AccessKeyId").empty() || get("SecretAccessKey").empty()) {
        std::string code = get("Code").empty() ? get("code") : get("Code");
        std::string words = get("Message").empty() ? get("message") : get("Message");
        throw Error(Code::kPermissionDenied, "no credentials came from " + source,
                    code.empty() ? "the answer lacks AccessKeyId or SecretAccessKey" : code + ": " + words);
    }
    Credentials credentials{{get("AccessKeyId"), Secret(get("SecretAccessKey")), Secret(get(token_name))}, {}, source};
    if (std::string expiration = get("Expiration"); !expiration.empty()) {
        // credential_process may write an offset in place of Z.
        if (expiration.ends_with("+00:00")) expiration.replace(expiration.size() - 6, 6, "Z");
        credentials.expires = ParseTime(expiration);
    }
    return credentials;
}

}    // namespace ark::s3
