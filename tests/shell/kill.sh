#!/usr/bin/env bash
# kill -9 of the program while it writes: what it said to have done is there afterwards, nothing twice, and sinks are whole.
# LAMINAR_KILLS: how often (default 12).
# shellcheck source=checks.bash
. "$(dirname "$0")/checks.bash"

db=$folder/db
"$laminar" "$db" -c "SET durability = 'sync'; CREATE TABLE t (n BIGINT PRIMARY KEY, v BIGINT);
  CREATE MATERIALIZED VIEW sums AS SELECT n % 3 AS k, count(*) AS rows, sum(v) AS total FROM t GROUP BY 1;
  CREATE MATERIALIZED VIEW all_rows AS SELECT n, v FROM t;
  CREATE SINK out FROM all_rows WITH (connector = 'files', format = 'csv', header = false, mode = 'changelog', path = '$folder/out')"

next=1
for ((kill = 1; kill <= ${LAMINAR_KILLS:-12}; ++kill)); do
  rm -f "$folder/in" "$folder/out_pipe"
  mkfifo "$folder/in" "$folder/out_pipe"
  "$laminar" "$db" --format csv <"$folder/in" >"$folder/out_pipe" 2>"$folder/err" &
  program=$!
  exec 3>"$folder/in" 4<"$folder/out_pipe"
  count=$((RANDOM % 12 + 1)) said=0
  for ((i = 0; i < count; ++i)); do
    printf 'INSERT INTO t VALUES (%d, %d);' "$next" $((next * 7)) >&3
    [ $((RANDOM % 3)) = 0 ] && printf 'DRAIN;' >&3
    printf 'SELECT %d AS said;\n' "$next" >&3
    next=$((next + 1))
  done
  # Some answers are waited for; the program dies while it works on the rest.
  wanted=$((RANDOM % count + 1))
  while ((said < wanted)) && read -r -t 60 line <&4; do
    [[ $line =~ ^[0-9]+$ ]] && said=$((said + 1)) && last=$line
  done
  kill -9 "$program"
  wait "$program" 2>/dev/null
  exec 3>&- 4<&-
  found=$("$laminar" "$db" --format csv -c "SELECT count(*) = max(n) AND count(*) >= $last AND sum(v) = 7 * sum(n)
    AND (SELECT sum(total) FROM sums) = sum(v) AND (SELECT count(*) FROM all_rows) = count(*) AS ok FROM t" | tail -1)
  same "after kill $kill" "$found" "true"
  next=$(("$("$laminar" "$db" --format csv -c "SELECT max(n) FROM t" | tail -1)" + 1))
done
"$laminar" "$db" -c "DRAIN"
same "the sink has every row once" "$(cat "$folder"/out/part-* | cut -d, -f1 | sort -n | uniq -c | awk '$1 != 1' | wc -l) $(cat "$folder"/out/part-* | wc -l)" \
  "0 $((next - 1))"
"$laminar" "$db" -c "SELECT 1 AS one;" -i <"$folder/in" >"$folder/first" 2>&1 &
program=$!
exec 3>"$folder/in"
while ! grep -q one "$folder/first"; do :; done
second=$("$laminar" "$db" -c "SELECT 1" 2>&1)
matches "a second program is told who has it" "$second" "LDB-6008.*process $program on .* since"
exec 3>&-
wait "$program"
finish
