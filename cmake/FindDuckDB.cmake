# Finds DuckDB: the shared library with its C++ symbols, and the internal C++ headers of the same version.
#
# Looks in -DDuckDB_ROOT=, else in the cache that `./dev setup` fills: ${LAMINAR_DEPS_CACHE:-~/.cache/laminar}.
# Layout:  <root>/include/duckdb.hpp, <root>/include/duckdb/..., <root>/lib/libduckdb.so
# Defines: DuckDB::DuckDB, DuckDB_LIBRARY, DuckDB_INCLUDE_DIR, DuckDB_VERSION
if(DEFINED ENV{LAMINAR_DEPS_CACHE} AND NOT "$ENV{LAMINAR_DEPS_CACHE}" STREQUAL "")
  set(_duckdb_cache "$ENV{LAMINAR_DEPS_CACHE}")
else()
  set(_duckdb_cache "$ENV{HOME}/.cache/laminar")
endif()
set(_duckdb_cached "${_duckdb_cache}/duckdb-${DuckDB_FIND_VERSION}")

# Not the system's folders: a DuckDB there has no internal headers, or those of another version.
set(_duckdb_roots ${DuckDB_ROOT} $ENV{DuckDB_ROOT} "${_duckdb_cached}")
find_path(DuckDB_INCLUDE_DIR duckdb/planner/planner.hpp
  PATHS ${_duckdb_roots} PATH_SUFFIXES include src/include NO_DEFAULT_PATH)
find_library(DuckDB_LIBRARY duckdb
  PATHS ${_duckdb_roots} PATH_SUFFIXES lib "" NO_DEFAULT_PATH)
mark_as_advanced(DuckDB_INCLUDE_DIR DuckDB_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DuckDB
  REQUIRED_VARS DuckDB_LIBRARY DuckDB_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run `./dev setup`, or give -DDuckDB_ROOT=<folder with include/ and lib/>")
set(DuckDB_VERSION ${DuckDB_FIND_VERSION})

if(DuckDB_FOUND AND NOT TARGET DuckDB::DuckDB)
  add_library(DuckDB::DuckDB SHARED IMPORTED)
  set_target_properties(DuckDB::DuckDB PROPERTIES
    IMPORTED_LOCATION "${DuckDB_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${DuckDB_INCLUDE_DIR}"  # imported, so the compiler sees them as system headers
    )
endif()
