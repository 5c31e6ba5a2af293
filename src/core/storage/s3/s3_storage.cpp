#include "storage/s3/s3_storage.h"

#include "storage/s3/store.h"

namespace ark {
namespace {

constexpr Duration kHurriedConnect = std::chrono::seconds(2), kHurriedStall = std::chrono::seconds(5);

class S3Storage : public Storage {
public:
    explicit S3Storage(s3::StoreRef store) : store_(std::move(store)) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        CheckObjectName(name);
        return s3::PutObject(store_, name, source, mode);
    }
    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        CheckObjectName(name);
        return s3::OpenObject(store_, name, range);
    }
    std::optional<ObjectInfo> Stat(std::string_view name) override {
        CheckObjectName(name);
        std::optional<s3::HttpAnswer> head = s3::Head(*store_, name);
        if (!head) return std::nullopt;
        return s3::InfoOf(name, *head);
    }
    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        s3::ListObjects(*store_, prefix, visit);
    }
    std::vector<std::string> Folders(std::string_view prefix) override { return s3::ListFolders(*store_, prefix); }
    void Remove(const std::vector<std::string> &names) override {
        for (const std::string &name : names) CheckObjectName(name);
        s3::RemoveObjects(*store_, names);
    }
    std::size_t SweepUploads(Duration older_than) override { return s3::SweepUploads(*store_, older_than); }

    Capabilities Probe() override {
        std::lock_guard lock(probe_mutex_);
        if (!found_) found_ = s3::ProbeStore(store_);
        return *found_;
    }
    std::vector<Finding> Inspect() override { return s3::InspectBucket(*store_); }
    std::string Describe() const override { return store_->settings.Describe(); }

private:
    s3::StoreRef store_;
    std::mutex probe_mutex_;
    std::optional<Capabilities> found_;
};

}    // namespace

StoragePtr MakeS3Storage(const S3Settings &settings, std::shared_ptr<RetryPolicy> policy,
                         std::shared_ptr<s3::CredentialProvider> credentials, Clock &clock, Ticker &ticker) {
    return std::make_shared<S3Storage>(
        std::make_shared<s3::Store>(settings, std::move(policy), std::move(credentials), clock, ticker));
}

StoragePtr OpenS3Storage(const StoreSettings &settings, const Url &url, std::shared_ptr<RetryPolicy> policy,
                         Clock &clock, Ticker &ticker) {
    s3::Environment environment = s3::ProcessEnvironment(ticker);
    auto profile = url.parameters.find("profile");
    std::string named = profile == url.parameters.end() ? std::string() : profile->second;
    S3Settings s3_settings = ParseS3Settings(url, settings.tls_min_version, s3::ConfiguredRegion(environment, named));
    s3::ChainSettings chain;
    chain.profile = named;
    chain.region = s3_settings.region;
    chain.http.tls_min_version = settings.tls_min_version;
    chain.http.ca_file = environment.Get("AWS_CA_BUNDLE");    // for STS; the store's own ca_file is for the store
    if (s3_settings.http.ca_file.empty()) s3_settings.http.ca_file = chain.http.ca_file;
    if (settings.hurry) {
        s3_settings.http.connect_timeout = kHurriedConnect;
        s3_settings.http.stall_timeout = kHurriedStall;
    }
    return MakeS3Storage(s3_settings, std::move(policy), s3::MakeDefaultChain(chain, environment, clock, ticker), clock,
                         ticker);
}

}    // namespace ark
