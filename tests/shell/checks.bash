# Checks for the scripts beside this: each counts, a failure shows what came, `finish` closes with the counts.
set -uo pipefail
laminar=$1
[ -x "$laminar" ] || { echo "no program: $laminar"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export LAMINAR_HISTORY=$folder/history
passed=0 failed=0 skipped=0

# same <what> <got> <expected>
same() {
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'failed: %s\n  got:      %q\n  expected: %q\n' "$1" "$2" "$3"
  fi
}
# matches <what> <got> <extended regex>
matches() {
  if [[ $2 =~ $3 ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'failed: %s\n  got:             %q\n  expected to match: %s\n' "$1" "$2" "$3"
  fi
}
# code <what> <expected> <command...>
code() {
  local what=$1 expected=$2 got=0
  shift 2
  "$@" >/dev/null 2>&1 </dev/null || got=$?
  same "$what: exit code" "$got" "$expected"
}
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}
