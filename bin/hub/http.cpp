#include "bin/hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>

namespace corral::hub {
namespace {
constexpr int kMostRedirects = 10;
constexpr size_t kLargestBody = 64 << 20;  // limit of a body without a sink
constexpr size_t kLargestHeader = 64 << 10;

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

Url parsed(const std::string& text) {
  Url url(curl_url(), curl_url_cleanup);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) fail("{}: not a URL that can be read", text);
  return url;
}

std::string part(const Url& url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return "";
  const std::unique_ptr<char, void (*)(void*)> owner(text, curl_free);
  return text;
}

// Scheme, host and port of a URL: the server that receives the request.
std::string origin_of(const std::string& text) {
  const Url url = parsed(text);
  return part(url, CURLUPART_SCHEME) + "://" + part(url, CURLUPART_HOST) + ":" + part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

// The target of a redirect, which may be relative to `from`.
std::string target_of(const std::string& from, const std::string& location) {
  const Url url = parsed(from);
  if (location.empty() || curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK)
    fail_environment("{} redirects to \"{}\", which is not a URL", from, location);
  const std::string scheme = part(url, CURLUPART_SCHEME);
  if (scheme != "https" && (scheme != "http" || from.starts_with("https:")))
    fail_environment("{} redirects to {}: expected https", from, location);
  return part(url, CURLUPART_URL);
}

struct Transfer {
  HttpReply reply;
  const HttpRequest& request;
  CURL* curl;
  size_t header_bytes = 0;
  bool stopped = false, too_large = false;
  std::exception_ptr error = nullptr;  // must not cross the library
};

size_t take_header(char* data, size_t, size_t size, void* to) {
  auto& t = *static_cast<Transfer*>(to);
  std::string line(data, size);
  if (line.starts_with("HTTP/")) t.reply.headers.clear();  // e.g. after a 100 Continue
  if ((t.header_bytes += size) > kLargestHeader) return 0;
  const size_t colon = line.find(':');
  if (colon == std::string::npos) return size;
  std::string name = line.substr(0, colon), value = line.substr(colon + 1);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  value.erase(0, value.find_first_not_of(" \t"));
  value.erase(value.find_last_not_of(" \t\r\n") + 1);
  t.reply.headers[name] = value;
  return size;
}

size_t take_body(char* data, size_t, size_t size, void* to) {
  auto& t = *static_cast<Transfer*>(to);
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &t.reply.status);
  if (t.request.sink && (t.reply.status == 200 || t.reply.status == 206)) {
    try {
      t.stopped = !t.request.sink(t.reply, data, size);
    } catch (...) {
      t.error = std::current_exception();
    }
    return t.stopped || t.error ? 0 : size;
  }
  t.too_large = t.reply.body.size() + size > kLargestBody;
  if (t.too_large) return 0;
  t.reply.body.append(data, size);
  return size;
}

}  // namespace

std::string HttpReply::header(const std::string& name) const {
  const auto at = headers.find(name);
  return at == headers.end() ? "" : at->second;
}

Http::Http(std::string endpoint, std::string token) : token_(std::move(token)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  origin_ = origin_of(endpoint);
  if (token_.find_first_of("\r\n") != std::string::npos) fail("HF_TOKEN has a line break in it");
  curl_ = curl_easy_init();
  if (!curl_) fail_environment("libcurl does not start");
}

Http::~Http() { curl_easy_cleanup(curl_); }

HttpReply Http::send_once(const HttpRequest& request, const std::string& url) {
  CURL* curl = curl_;
  curl_easy_reset(curl);  // keeps the connection
  curl_slist* list = nullptr;
  const auto header = [&](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
  header("Accept-Encoding: identity");
  if (!token_.empty() && origin_of(url) == origin_) header("Authorization: Bearer " + token_);
  if (request.from > 0) header("Range: bytes=" + std::to_string(request.from) + "-");
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
  Transfer transfer{{}, request, curl};
  transfer.reply.url = url;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "corral/" CORRAL_VERSION);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (transfer.too_large) fail_environment("{}: its answer has more than {} bytes", url, kLargestBody);
  if (code != CURLE_OK && !transfer.stopped) throw ConnectionLost(format("{}: {}", url, *error ? error : curl_easy_strerror(code)));
  return std::move(transfer.reply);
}

HttpReply Http::send(const HttpRequest& request) {
  std::string url = request.url;
  for (int i = 0; i <= kMostRedirects; ++i) {
    HttpReply reply = send_once(request, url);
    if (reply.status < 300 || reply.status >= 400 || reply.status == 304) return reply;
    if (request.stop_at && request.stop_at(reply)) return reply;
    url = target_of(url, reply.header("location"));
  }
  fail_environment("{}: more than {} redirects", request.url, kMostRedirects);
}

std::string url_escaped(const std::string& text) {
  constexpr char kPlain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/", kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c != '\0' && std::string_view(kPlain).find(c) != std::string_view::npos)
      out += c;
    else
      out += {'%', kHex[u >> 4], kHex[u & 15]};
  }
  return out;
}

}  // namespace corral::hub
