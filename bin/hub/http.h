// Requests over HTTP with libcurl. Redirects are followed here, not by the library, to control which server receives the token.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "corral/error.h"

namespace corral::hub {

// The connection could not be made, was cut or stalled: another try may succeed.
class ConnectionLost : public Error {
 public:
  explicit ConnectionLost(const std::string& text) : Error(3, text) {}
};

struct HttpReply {
  std::string url;  // URL that answered
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // empty if there was a sink
  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string url;
  bool head = false;
  uint64_t from = 0;  // offset of the first byte wanted
  // Receives the body of an answer of 200 or 206, after its head; returning false stops the transfer.
  std::function<bool(const HttpReply&, const char*, size_t)> sink;
  // Returns true for a redirect that need not be followed.
  std::function<bool(const HttpReply&)> stop_at;
};

// One connection, for one thread. The token is sent to the server of `endpoint` only, never to one that it redirects to.
class Http {
 public:
  Http(std::string endpoint, std::string token);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;
  // Returns a reply of any status but a redirect. Throws ConnectionLost, or Error (3) if a redirect cannot be followed.
  HttpReply send(const HttpRequest& request);

 private:
  HttpReply send_once(const HttpRequest& request, const std::string& url);
  void* curl_;
  std::string origin_, token_;
};

// Escapes part of a path for a URL; slashes stay.
std::string url_escaped(const std::string& text);

}  // namespace corral::hub
