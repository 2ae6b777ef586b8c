// Requests over HTTP by libcurl. A redirect is followed here, not by the library, so that it is plain which server is told what.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "corral/error.h"

namespace corral::hub {

// The connection could not be made, was cut or stood still: worth another try.
class ConnectionLost : public Error {
 public:
  explicit ConnectionLost(const std::string& text) : Error(3, text) {}
};

struct HttpReply {
  std::string url;  // that answered
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // where there was no sink
  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string url;
  bool head = false;
  uint64_t from = 0;  // first byte that is wanted
  // Takes the body of an answer of 200 or 206, whose head is known by then; false stops it.
  std::function<bool(const HttpReply&, const char*, size_t)> sink;
  // Whether a redirect is answer enough.
  std::function<bool(const HttpReply&)> stop_at;
};

// One connection, of one thread. The token is told to the server of `endpoint` alone, never to one that it redirects to.
class Http {
 public:
  Http(std::string endpoint, std::string token);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;
  // Any status but a redirect. Throws ConnectionLost, or Error (3) where a redirect cannot be followed.
  HttpReply send(const HttpRequest& request);

 private:
  HttpReply send_once(const HttpRequest& request, const std::string& url);
  void* curl_;
  std::string origin_, token_;
};

// A part of a path as it stands in a URL; slashes stay.
std::string url_escaped(const std::string& text);

}  // namespace corral::hub
