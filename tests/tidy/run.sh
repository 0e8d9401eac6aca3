#!/usr/bin/env bash
# Checks of the tree that the compiler does not make. One line per finding, `file:line: what`, then the count.
#
# Run from anywhere; reads the files that git knows or would add. A tree without git (an export) is read as it lies.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

findings=$(mktemp)
trap 'rm -f "$findings"' EXIT
checks=0
bad=0

files() {  # files <extended regex on the path>
  { git ls-files --cached --others --exclude-standard 2>/dev/null | grep . || find . -type f -not -path './build/*' -printf '%P\n'; } |
    grep -E "$1" | while IFS= read -r file; do [ ! -f "$file" ] || printf '%s\n' "$file"; done
}

# check <name> <command...>: the command prints its findings.
check() {
  local name=$1 out
  shift
  checks=$((checks + 1))
  out=$("$@")
  if [ -n "$out" ]; then
    bad=$((bad + 1))
    printf '%s\n' "$out" | sed "s/$/  [$name]/" >>"$findings"
  fi
}

mapfile -t cxx < <(files '^(src|include|tests|examples)/.*\.(cc|h|inc)$')
mapfile -t sources < <(files '^src/.*\.(cc|h|inc)$')
mapfile -t texts < <(files '.' | grep -Ev '\.(png|svg|ico|gz|parquet|arrow|woff2?)$')

# What each folder may include, from the one list that the build uses too.
layering() {
  awk '
    FNR == 1 { part++ }
    part == 1 && /^laminar_layer\(/ {
      line = $0; sub(/\).*/, "", line); sub(/^laminar_layer\(/, "", line); n = split(line, word, " ")
      folder = word[1]; known[folder] = 1; may[folder, folder] = 1; using = 0
      for (i = 2; i <= n; i++) {
        if (word[i] == "USES") using = 1
        else if (word[i] ~ /^[A-Z_]+$/) using = 0
        else if (using) may[folder, word[i]] = 1
      }
    }
    part > 1 && /^#include "/ {
      if ($2 ~ /^"duckdb[.\/]/) next  # has its own check
      split(FILENAME, at, "/"); split($2, quoted, "\""); n = split(quoted[2], to, "/")
      if (n < 2) { print FILENAME ":" FNR ": includes start at src/: " quoted[2]; next }
      if (!(at[2] in known) || !(to[1] in known) || FILENAME == "src/shell/main.cc") next
      if (!((at[2], to[1]) in may)) print FILENAME ":" FNR ": " at[2] " does not declare " to[1] " (src/CMakeLists.txt)"
    }' src/CMakeLists.txt "${sources[@]}"
}

declared_folders() {
  for folder in src/*/; do
    folder=${folder#src/}
    folder=${folder%/}
    grep -q "^laminar_layer($folder\b" src/CMakeLists.txt || echo "src/$folder: not declared in src/CMakeLists.txt"
  done
}

file_length() {
  awk 'FNR == 1 { if (last != "" && n >= 1000) print last ":" n ": a file of " n " lines; look for the second noun in it"; last = FILENAME }
       { n = FNR } END { if (n >= 1000) print last ":" n ": a file of " n " lines; look for the second noun in it" }' \
    "${cxx[@]}" dev cmake/*
}

# x.cc and x_test.cc begin with x.h, if there is one.
own_header_first() {
  local file own first
  for file in "${sources[@]}"; do
    case $file in *.cc) ;; *) continue ;; esac
    own=${file%.cc}
    own=${own%_test}
    own=${own%_bench}.h
    [ -f "$own" ] || continue
    first=$(grep -m1 '^#include' "$file")
    [ "$first" = "#include \"${own#src/}\"" ] || echo "$file:1: first include is ${first:-missing}, expected \"${own#src/}\""
  done
}

no_parent_includes() { grep -nE '^#include ["<](.*/)?\.\./' "${cxx[@]}"; }

pragma_once() {
  local file
  for file in "${cxx[@]}"; do
    case $file in *.h) grep -qE '^#(pragma once|ifndef)' "$file" || echo "$file:1: a header needs #pragma once" ;; esac
  done
}

header_sentence() {
  local file
  for file in "${sources[@]}"; do
    case $file in *.h) head -1 "$file" | grep -q '^// .' || echo "$file:1: a header opens with one sentence that says what it is" ;; esac
  done
}

# DuckDB belongs to src/duck and src/sql: nobody else includes it, directly or through a header of theirs.
duckdb_owners() {
  grep -nE '^#include ["<]duckdb' "${cxx[@]}" | grep -Ev '^(src/(duck|sql)|tests/fuzz)/' | sed -E 's/^([^:]*:[0-9]+):.*/\1: DuckDB headers belong to src\/duck and src\/sql/'
  local header
  for header in $(grep -lE '^#include ["<]duckdb' "${cxx[@]}" | grep -E '^src/(duck|sql)/.*\.h$'); do
    grep -nF "#include \"${header#src/}\"" "${cxx[@]}" | grep -Ev '^src/(duck|sql)/' |
      sed -E "s|^([^:]*:[0-9]+):.*|\1: ${header#src/} brings in DuckDB headers|"
  done
}

# Links name only places that a reader of the project needs; paths of one machine help nobody.
links() {
  grep -nIoE 'https?://[A-Za-z0-9.-]+' "${texts[@]}" |
    grep -Ev '://(localhost|127\.0\.0\.1|0\.0\.0\.0|example\.(com|org)|[a-z.]*\.example|([a-z]+\.)?apache\.org|www\.nexmark\.com|howardhinnant\.github\.io|(www\.)?duckdb\.org|www\.w3\.org)$' |
    sed -E 's/^([^:]*:[0-9]+):(.*)/\1: link outside the list in tests\/tidy\/run.sh: \2/'
  grep -nIE '(^|[^A-Za-z0-9_.}~/-])/(root|work|Users|home/[a-z]+)/[A-Za-z._]' "${texts[@]}" | grep -v '^tests/tidy/run.sh:' |
    sed -E 's/^([^:]*:[0-9]+):.*/\1: path of one machine/'
}

# DEBUG changes the layout of DuckDB's classes.
no_debug_macro() { grep -nE '(-D ?DEBUG\b|^#define DEBUG\b)' "${cxx[@]}" CMakeLists.txt CMakePresets.json cmake/* src/CMakeLists.txt | grep -v -- '-DDEBUG must never'; }

# Tests follow virtual time.
no_sleep_in_tests() {
  grep -nE '\b(sleep_for|sleep_until|usleep|nanosleep)\b' "${cxx[@]}" | grep -E '^[^:]*(_test\.cc|tests/[^:]*):' |
    sed -E 's/^([^:]*:[0-9]+):.*/\1: no test sleeps/'
}

whitespace() { grep -nIE '[[:blank:]]+$|	' "${cxx[@]}" | sed -E 's/^([^:]*:[0-9]+):.*/\1: tab or trailing blank/'; }

# docs/architecture.md names every folder of src/, and no folder that is gone.
architecture() {
  [ -f docs/architecture.md ] || return
  local folder
  for folder in src/*/; do
    folder=${folder#src/}
    grep -qE "(^|[^a-z_/])${folder}|\bsrc/${folder%/}\b" docs/architecture.md || echo "docs/architecture.md:1: does not name ${folder}"
  done
  grep -noE '\bsrc/[a-z_]+(/[a-z_]+)*' docs/architecture.md | while IFS=: read -r line path; do
    compgen -G "$path*" >/dev/null || echo "docs/architecture.md:$line: no such folder: $path"
  done
}

check layering layering
check layers declared_folders
check length file_length
check include own_header_first
check include no_parent_includes
check include pragma_once
check header header_sentence
check duckdb duckdb_owners
check links links
check debug no_debug_macro
check sleep no_sleep_in_tests
check blanks whitespace
check architecture architecture

sort -t: -k1,1 -k2,2n "$findings"
found=$(wc -l <"$findings")
echo "tidy: ${#cxx[@]} files, $found findings"
echo "$((checks - bad)) passed, $bad failed, 0 skipped"
[ "$found" -eq 0 ]
