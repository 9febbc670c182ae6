#pragma once

#include <string>

namespace resnetd::client {

// How a client proves itself, and whom it believes. All empty: plaintext,
// nobody in particular.
struct SecurityOptions {
  // Over TLS, also where nothing below says so.
  bool tls = false;
  // PEM file of the authorities that vouch for the server, with TLS; empty:
  // those of the system.
  std::string ca_file = {};
  // PEM files of a certificate and its key, for servers that ask for one, with
  // TLS. Read again when they change.
  std::string certificate_file = {};
  std::string key_file = {};
  // The name that the server's certificate must have; empty: that in the
  // address. A list of servers with TLS needs it.
  std::string server_name = {};
  // A file with a token, read again when it changes, or the token itself. Sent
  // over TLS, or to this very machine, and never elsewhere.
  std::string token_file = {};
  std::string token = {};

  bool uses_tls() const {
    return tls || !ca_file.empty() || !certificate_file.empty() ||
           !key_file.empty();
  }
};

}  // namespace resnetd::client
