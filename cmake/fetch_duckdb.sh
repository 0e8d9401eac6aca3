#!/usr/bin/env bash
# Brings DuckDB into the dependency cache: the official shared library and the C++ headers of the same version.
#
#   fetch_duckdb.sh <target folder>
#
# Leaves <target>/lib/libduckdb.so, <target>/include/duckdb.hpp, <target>/include/duckdb/... and <target>/LICENSE.
# The folder appears by one rename when all of it is there and every archive had the checksum below. Packages come by
# name through npm, and cargo or pip, wherever those are configured to look.
set -euo pipefail

readonly library_package='@duckdb/node-bindings-linux-x64@1.5.6-r.1'
readonly library_sha256=1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff
# The headers, from either of two packages: the files are the same.
readonly crate=libduckdb-sys crate_version=1.10506.0
readonly crate_archive_sha256=05c43055c3c76c630957e787b160925f9212f33265f4e7dbbc413bdf655b5ddf  # duckdb.tar.gz in it
readonly sdist=duckdb sdist_version=1.5.6
readonly sdist_sha256=166a91dbfacfc0c9f08cc76c0243cb6d3d4296bfab5bad72a3cfb63140a5b7c8

target=$1
parent=$(dirname "$target")
mkdir -p "$parent"
exec 9>"$parent/.lock"
flock 9
if [ -f "$target/lib/libduckdb.so" ] && [ -f "$target/include/duckdb.hpp" ]; then exit 0; fi
work=$(mktemp -d "$parent/.unpack-XXXXXX")
trap 'rm -rf "$work"' EXIT

die() { echo "error: $*" >&2; exit 1; }

verify() {  # verify <file> <sha256>
  local found
  found=$(sha256sum "$1" | cut -d' ' -f1)
  [ "$found" = "$2" ] || die "checksum of $(basename "$1") is $found, expected $2"
}

fetch_library() {
  echo "  DuckDB library: npm package $library_package (24 MB)"
  mkdir "$work/npm"
  (cd "$work/npm" && npm pack --silent "$library_package" >npm.log 2>&1) || {
    cat "$work/npm/npm.log" >&2
    die "npm could not fetch $library_package"
  }
  local archive
  archive=$(ls "$work"/npm/*.tgz)
  verify "$archive" $library_sha256
  tar -xzf "$archive" -C "$work/npm"
  mkdir -p "$work/duckdb/lib"
  mv "$work/npm/package/libduckdb.so" "$work/duckdb/lib/"
  cp "$work/npm/package/LICENSE" "$work/duckdb/LICENSE"
}

# The crate's manifest is of edition 2024.
cargo_is_new_enough() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
  [ -n "$version" ] && [ "$(printf '%s\n1.85.1\n' "$version" | sort -V | head -1)" = 1.85.1 ]
}

headers_from_crate() {
  echo "  DuckDB headers: crate $crate $crate_version (6 MB)"
  mkdir -p "$work/crate/src"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
    "$crate" "$crate_version" >"$work/crate/Cargo.toml"
  : >"$work/crate/src/lib.rs"
  local manifest
  manifest=$(cd "$work/crate" && cargo metadata --quiet --format-version 1 2>"$work/cargo.log" |
    grep -o "\"manifest_path\":\"[^\"]*/$crate-$crate_version/Cargo.toml\"" | head -1 | cut -d'"' -f4) || true
  if [ -z "$manifest" ]; then
    cat "$work/cargo.log" >&2
    return 1
  fi
  local archive
  archive=$(dirname "$manifest")/duckdb.tar.gz
  verify "$archive" $crate_archive_sha256
  tar -xzf "$archive" -C "$work" duckdb/src/include
  mv "$work/duckdb/src/include" "$work/duckdb/include"
  rmdir "$work/duckdb/src"
}

headers_from_sdist() {
  echo "  DuckDB headers: Python source package $sdist $sdist_version (18 MB)"
  python3 -m pip download --quiet --no-deps --no-binary "$sdist" --dest "$work/sdist" "$sdist==$sdist_version" \
    >"$work/pip.log" 2>&1 || {
    cat "$work/pip.log" >&2
    return 1
  }
  local archive=$work/sdist/$sdist-$sdist_version.tar.gz
  verify "$archive" $sdist_sha256
  tar -xzf "$archive" -C "$work/sdist" "$sdist-$sdist_version/external/duckdb/src/include"
  mkdir -p "$work/duckdb"
  mv "$work/sdist/$sdist-$sdist_version/external/duckdb/src/include" "$work/duckdb/include"
}

[ "$(uname -sm)" = "Linux x86_64" ] ||
  die "the packaged DuckDB is for Linux on x86-64; elsewhere build with -DDuckDB_ROOT=<folder with include/ and lib/>"

fetch_library
if ! { cargo_is_new_enough && headers_from_crate; }; then
  headers_from_sdist || die "the headers of DuckDB need cargo 1.85.1 or later, or python3 with pip"
fi
[ -f "$work/duckdb/include/duckdb/planner/planner.hpp" ] || die "the package holds no planner headers"

rm -rf "$target"
mv -T "$work/duckdb" "$target"
