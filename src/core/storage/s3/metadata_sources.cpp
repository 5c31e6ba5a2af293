// Credentials of containers (ECS, EKS Pod Identity) and of EC2 instances, from HTTP services beside the machine.
#include <fmt/format.h>

#include <array>

#include "base/url.h"
#include "storage/s3/credential_sources.h"

namespace ark::s3 {
namespace {

// "Container credential provider" in the AWS SDKs and Tools reference: plain http only to these.
bool MayBePlain(std::string_view host) {
    constexpr std::array kHosts{std::string_view("169.254.170.2"), std::string_view("169.254.170.23"),
                                std::string_view("[fd00:ec2::23]"), std::string_view("localhost"),
                                std::string_view("[::1]")};
    for (std::string_view allowed : kHosts)
        if (host == allowed) return true;
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string_view HostOf(std::string_view url) {
    url.remove_prefix(std::min(url.size(), url.find("://") + 3));
    std::string_view authority = url.substr(0, url.find('/'));
    if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
    return authority.substr(0, authority.find(':'));
}

class ContainerSource : public CredentialSource {
public:
    ContainerSource(const ChainSettings &settings, Environment environment, Ticker &ticker)
        : endpoint_(settings.container_endpoint), environment_(std::move(environment)), http_(MetadataHttp(), ticker) {}

    std::optional<Credentials> Fetch(std::string &why_not) override {
        std::string relative = environment_.Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        std::string full = environment_.Get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if (relative.empty() && full.empty()) {
            why_not = "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set";
            return std::nullopt;
        }
        HttpRequest request;
        request.method = "GET";
        request.url = relative.empty() ? full : endpoint_ + relative;
        if (relative.empty()) Check(full);
        if (Secret token = Token(); !token.empty()) request.headers = {{"Authorization", token.Reveal()}};
        HttpAnswer answer = http_.Send(request);
        std::string source = fmt::format("container credentials ({})", HostOf(request.url));
        if (answer.status >= 500 || answer.status == 429)
            throw Error(Code::kUnavailable, "no credentials came from " + source,
                        fmt::format("HTTP {}", answer.status));
        if (answer.status != 200 && answer.body.find('{') == std::string::npos)
            throw Error(Code::kPermissionDenied, "no credentials came from " + source,
                        fmt::format("HTTP {}", answer.status));
        return ParseCredentialJson(answer.body, "Token", source);
    }

private:
    void Check(const std::string &url) {
        if (url.starts_with("https://") || (url.starts_with("http://") && MayBePlain(HostOf(url)))) return;
        throw Error(Code::kInvalidArgument,
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that may not be asked over plain http",
                    std::string(HostOf(url)), "Use https, or one of the addresses that AWS reserves for this.");
    }

    Secret Token() {
        std::string file = environment_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        std::string token = environment_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        if (!file.empty()) {
            std::optional<std::string> text = environment_.file(file);
            if (!text)
                throw Error(Code::kPermissionDenied, "could not read the container's authorization token",
                            fmt::format("file \"{}\" does not exist", file));
            token = *text;
        }
        while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
        if (token.find_first_of("\r\n") != std::string::npos)
            throw Error(Code::kInvalidArgument, "the container's authorization token has more than one line");
        return Secret(token);
    }

    std::string endpoint_;
    Environment environment_;
    HttpClient http_;
};

class InstanceSource : public CredentialSource {
public:
    InstanceSource(const ChainSettings &settings, const Environment &environment, Ticker &ticker)
        : endpoint_(settings.metadata_endpoint),
          disabled_(environment.Get("AWS_EC2_METADATA_DISABLED") == "true"),
          http_(MetadataHttp(), ticker) {
        if (environment.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == "IPv6") endpoint_ = "http://[fd00:ec2::254]";
        if (std::string other = environment.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT"); !other.empty()) endpoint_ = other;
        while (endpoint_.ends_with('/')) endpoint_.pop_back();
    }

    std::optional<Credentials> Fetch(std::string &why_not) override {
        if (disabled_) {
            why_not = "instance metadata: switched off by AWS_EC2_METADATA_DISABLED";
            return std::nullopt;
        }
        std::optional<Secret> token = Token(why_not);
        if (!token) return std::nullopt;
        const std::string path = "/latest/meta-data/iam/security-credentials/";
        HttpAnswer roles = Ask("GET", path, {{"x-aws-ec2-metadata-token", token->Reveal()}});
        std::string role = roles.body.substr(0, roles.body.find_first_of("\r\n"));
        if (roles.status == 404 || (roles.status == 200 && role.empty())) {
            why_not = "instance metadata: the instance has no role";
            return std::nullopt;
        }
        if (roles.status != 200) throw Failure(roles);
        HttpAnswer answer = Ask("GET", path + role, {{"x-aws-ec2-metadata-token", token->Reveal()}});
        if (answer.status != 200) throw Failure(answer);
        return ParseCredentialJson(answer.body, "Token", fmt::format("instance metadata (role {})", role));
    }

private:
    // Version 2 begins with a token; the hop limit keeps it on the machine. Version 1 is not used.
    std::optional<Secret> Token(std::string &why_not) {
        try {
            HttpAnswer answer = Ask("PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "300"}});
            if (answer.status == 200) return Secret(answer.body);
            why_not = fmt::format("instance metadata: no token from {}, HTTP {}", endpoint_, answer.status);
        } catch (const Error &error) {
            if (error.code != Code::kUnavailable) throw;
            why_not = fmt::format("instance metadata: no answer from {}", endpoint_);
        }
        return std::nullopt;
    }

    HttpAnswer Ask(const std::string &method, const std::string &path, Fields headers) {
        HttpRequest request;
        request.method = method;
        request.url = endpoint_ + path;
        request.headers = std::move(headers);
        request.deadline = std::chrono::seconds(5);
        return http_.Send(request);
    }

    Error Failure(const HttpAnswer &answer) {
        Code code = answer.status >= 500 || answer.status == 429 ? Code::kUnavailable : Code::kPermissionDenied;
        return Error(code, "no credentials came from the instance metadata",
                     fmt::format("HTTP {} from {}", answer.status, endpoint_));
    }

    std::string endpoint_;
    bool disabled_;
    HttpClient http_;
};

}    // namespace

std::unique_ptr<CredentialSource> MakeContainerSource(const ChainSettings &settings, const Environment &environment,
                                                      Ticker &ticker) {
    return std::make_unique<ContainerSource>(settings, environment, ticker);
}

std::unique_ptr<CredentialSource> MakeInstanceSource(const ChainSettings &settings, const Environment &environment,
                                                     Ticker &ticker) {
    return std::make_unique<InstanceSource>(settings, environment, ticker);
}

}    // namespace ark::s3
