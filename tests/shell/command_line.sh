#!/usr/bin/env bash
# Scripts by -c, -f and a pipe; formats; where errors are said to be; exit codes.
# shellcheck source=checks.bash
. "$(dirname "$0")/checks.bash"

# ---- formats
same "csv" "$("$laminar" -c "SELECT 1 AS a, 'x,y' AS \"b,c\", NULL AS d, '' AS e, 'say \"hi\"' AS f" --format csv)" \
  $'a,"b,c",d,e,f\n1,"x,y",,"","say ""hi"""'
same "csv is what a pipe gets" "$("$laminar" -c 'SELECT 1 AS a')" $'a\n1'
same "csv without rows has its header" "$("$laminar" -c 'SELECT 1 AS a WHERE false')" "a"
same "json" "$("$laminar" --format json -c "SELECT 1 AS a, 1.50::DECIMAL(4,2) AS b, 'x\"y' AS c, NULL AS d, true AS e,
  TIMESTAMP '2026-01-01 12:00:00' AS f, 'inf'::DOUBLE AS g, [1,2] AS h; SELECT 2 AS a, 3 AS a")" \
  $'{"a":1,"b":1.50,"c":"x\\"y","d":null,"e":true,"f":"2026-01-01 12:00:00","g":"inf","h":"[1, 2]"}\n{"a":2,"a_1":3}'
same "table" "$("$laminar" --format table -c "SELECT 1 AS n, 'ä' AS s, NULL AS z")" \
  $'┌───┬───┬──────┐\n│ n │ s │    z │\n├───┼───┼──────┤\n│ 1 │ ä │ NULL │\n└───┴───┴──────┘'
same "several results" "$("$laminar" -c 'SELECT 1 AS a; SELECT 2 AS b')" $'a\n1\nb\n2'
same "DDL and INSERT say nothing" "$("$laminar" -c "CREATE TABLE t (a BIGINT PRIMARY KEY); INSERT INTO t VALUES (1), (2); SELECT count(*) AS n FROM t")" $'n\n2'

# ---- where scripts come from
printf 'SELECT 1 AS a;\n-- between\nSELECT 2 AS b' >"$folder/two.sql"
same "a file" "$("$laminar" -f "$folder/two.sql")" $'a\n1\nb\n2'
same "a pipe" "$("$laminar" <"$folder/two.sql")" $'a\n1\nb\n2'
same "-f -" "$(printf 'SELECT 3 AS c' | "$laminar" -f -)" $'c\n3'
same "-c and -f in order" "$("$laminar" -c 'CREATE TABLE t AS SELECT 7 AS x' -c 'SELECT x FROM t' -f "$folder/two.sql")" $'x\n7\na\n1\nb\n2'
same "an empty script" "$(printf ' -- nothing\n;;' | "$laminar")" ""
same "dot commands in a pipe" "$(printf '.format json\nSELECT 1 AS a;\n.quit\nSELECT 2 AS b;\n' | "$laminar")" '{"a":1}'

# A statement runs as soon as it is complete, before the rest of the pipe has come.
mkfifo "$folder/in" "$folder/out"
"$laminar" --format csv <"$folder/in" >"$folder/out" 2>&1 &
program=$!
exec 3>"$folder/in" 4<"$folder/out"
first='' second=''
printf "SELECT 1 AS a; SELECT '" >&3
read -r -t 60 first <&4
read -r -t 60 second <&4
same "the first result comes while the second statement is being typed" "$first,$second" "a,1"
printf ";' AS b;" >&3
read -r -t 60 first <&4
read -r -t 60 second <&4
same "and the second when it ends" "$first,$second" "b,;"
exec 3>&-
wait $program
same "the end of the pipe is no error" $? 0
exec 4<&-

# ---- errors
error() { "$laminar" "$@" 2>&1 >/dev/null </dev/null; }
matches "error on one line, with code and place" "$(error -c "CREATE SOURCE x (a BIGINT) WITH (connector = 'nosuch')")" \
  '^error LDB-5004 at 1:[0-9]+: .+'
printf 'SELECT 1;\n\n  SELECT nosuch\n  FROM range(3);\nSELECT 2;' >"$folder/bad.sql"
matches "place in the whole file" "$(error -f "$folder/bad.sql")" '^error LDB-1[0-9]{3} at 3:10: .+'
matches "place in the whole pipe" "$("$laminar" 2>&1 >/dev/null <"$folder/bad.sql")" '^error LDB-1[0-9]{3} at 3:10: .+'
same "what stood before the error ran, what follows did not" "$("$laminar" -f "$folder/bad.sql" 2>/dev/null)" $'1\n1'
matches "an unfinished string" "$(error -c "SELECT 1; SELECT 'open")" '^error LDB-1001 at 1:[0-9]+: .+'
matches "an unknown dot command" "$(printf '\n.nosuch\n' | "$laminar" 2>&1)" '^error LDB-1001 at 2:1: unknown command'
matches "a missing file" "$(error -f "$folder/nosuch.sql")" '^error LDB-5001 at 1:1: .+'
matches "WATCH without a terminal" "$(error -c "CREATE TABLE t (a BIGINT PRIMARY KEY); WATCH t")" '^error LDB-[0-9]{4} at 1:[0-9]+: WATCH'
code "success" 0 "$laminar" -c 'SELECT 1'
code "an error in -c" 1 "$laminar" -c 'SELEKT 1'
code "an error in -f" 1 "$laminar" -f "$folder/bad.sql"
code "an unknown option" 2 "$laminar" --nosuch
code "an unknown format" 2 "$laminar" --format xml -c 'SELECT 1'
code "a database folder" 0 "$laminar" "$folder/db" -c 'CREATE TABLE p (id BIGINT PRIMARY KEY)'
code "a full disk for the result" 1 bash -c "'$laminar' -c 'SELECT * FROM range(100000)' >/dev/full"

# ---- help
matches "--version" "$("$laminar" --version)" '^laminar [0-9]+\.[0-9]+\.[0-9]+$'
matches "--help" "$("$laminar" --help)" 'usage: laminar'
matches ".help" "$(printf '.help\n' | "$laminar")" '\.quit'
matches ".schema" "$(printf "CREATE TABLE t (a BIGINT PRIMARY KEY);\n.schema t\n" | "$laminar")" 'CREATE TABLE t'
matches ".tables" "$(printf "CREATE TABLE tt (a BIGINT PRIMARY KEY);\n.tables\n" | "$laminar")" 'tt'
matches ".read" "$(printf '.read %s\n' "$folder/two.sql" | "$laminar")" $'a\n1\nb\n2'
matches ".timer" "$(printf '.timer on\nSELECT 1 AS a;\n' | "$laminar")" 'took [0-9.]+ m?s'
finish
