#include "postgres_server.h"

#include <libpq-fe.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <sstream>

namespace laminar::testing {

namespace {

std::string program(const std::string& name) {
  return find_program({"/usr/lib/postgresql/*/bin/" + name, "/usr/local/bin/" + name, "/usr/bin/" + name});
}
constexpr auto kStartPatience = std::chrono::seconds(60);

}  // namespace

bool PostgresServer::is_installed() { return !program("initdb").empty() && !program("postgres").empty(); }

PostgresServer::PostgresServer(const std::string& settings) : folder_(make_folder()), port_(free_port()) {
  give_to(folder_, "postgres");
  if (run({program("initdb"), "-D", folder_ + "/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"}, "postgres",
          folder_ + "/initdb.log") != 0) {
    return;
  }
  std::ofstream config(folder_ + "/data/postgresql.auto.conf", std::ios::app);
  config << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = ''\nfsync = off\n"
         << "shared_buffers = '8MB'\nmax_connections = 20\n" << settings << "\n";
}

PostgresServer::~PostgresServer() {
  stop();
  remove_folder(folder_);
}

bool PostgresServer::start() {
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until) {
    // After kill() its children may hold the data folder for a moment.
    if (!process_.running()) process_.start({program("postgres"), "-D", folder_ + "/data"}, "postgres", folder_ + "/server.log");
    if (sql("SELECT 1") == "1;") return true;
    pause();
  }
  return false;
}

void PostgresServer::stop() {
  process_.signal(SIGINT);
  process_.wait();
}

void PostgresServer::kill() {
  // Its children see that it is gone and go, too.
  process_.kill();
}

std::string PostgresServer::options() const {
  return "host = '127.0.0.1', port = " + std::to_string(port_) + ", database = 'postgres', user = 'postgres', sslmode = 'disable'";
}

std::string PostgresServer::sql(const std::string& text) const {
  PGconn* connection = PQconnectdb(("host=127.0.0.1 port=" + std::to_string(port_) + " dbname=postgres user=postgres sslmode=disable connect_timeout=5").c_str());
  std::string out;
  if (PQstatus(connection) != CONNECTION_OK) {
    out = PQerrorMessage(connection);
  } else {
    PGresult* result = PQexec(connection, text.c_str());
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) out = PQresultErrorMessage(result);
    for (int row = 0; row < PQntuples(result); ++row) {
      for (int column = 0; column < PQnfields(result); ++column) out += std::string(column ? "|" : "") + PQgetvalue(result, row, column);
      out += ";";
    }
    PQclear(result);
  }
  PQfinish(connection);
  return out;
}

void PostgresServer::set_access(const std::string& lines) {
  std::ofstream(folder_ + "/data/pg_hba.conf") << lines;
  (void)sql("SELECT pg_reload_conf()");
}

std::string PostgresServer::log() const {
  std::ostringstream text;
  for (const char* name : {"/initdb.log", "/server.log"}) text << std::ifstream(folder_ + name).rdbuf();
  return text.str();
}

}  // namespace laminar::testing
