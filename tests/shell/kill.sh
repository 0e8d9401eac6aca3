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
    [ $((RANDOM % 6)) = 0 ] && printf 'CHECKPOINT;' >&3
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

# ---- checkpoints: recovery begins at the newest one that can be read, and a backup opens at the same tick
"$laminar" "$db" -c "CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');
  CREATE MATERIALIZED VIEW w AS SELECT k, window_start, count(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1 minute') WITH (retain_history = '1 MB');
  CREATE SOURCE bids WITH (connector = 'nexmark', table = 'bid', events = 50000);
  CREATE MATERIALIZED VIEW dear AS SELECT auction, price FROM bids WHERE price > 9000000;
  INSERT INTO s VALUES (1, TIMESTAMP '2026-01-01 00:00:10'), (1, TIMESTAMP '2026-01-01 00:02:00'), (2, TIMESTAMP '2026-01-01 00:00:05'); DRAIN; CHECKPOINT" >/dev/null
questions="SELECT * FROM sums ORDER BY ALL; SELECT * FROM t ORDER BY ALL; SELECT * FROM w ORDER BY ALL; SELECT * FROM changes('w') ORDER BY ALL;
  SELECT * FROM late_rows('w') ORDER BY ALL; SELECT count(*), sum(price) FROM dear; SELECT name, state, rows FROM laminar_views() ORDER BY ALL;
  SELECT name, state, rows FROM laminar_sources() ORDER BY ALL"
"$laminar" "$db" -c "INSERT INTO s VALUES (3, TIMESTAMP '2026-01-01 00:02:05'); DELETE FROM t WHERE n = 1; INSERT INTO t VALUES (100001, 0)"
before=$("$laminar" "$db" --format csv -c "$questions")
"$laminar" "$db" -c "BACKUP TO '$folder/backup'"
same "a backup opens as the database stood" "$("$laminar" "$folder/backup" --format csv -c "$questions")" "$before"
matches "SHOW CHECKPOINTS lists them" "$("$laminar" "$db" --format csv -c "SHOW CHECKPOINTS")" "checkpoint,tick,at,log_record,objects,bytes"
"$laminar" "$db" -c "INSERT INTO t VALUES (100002, 0); CHECKPOINT; INSERT INTO t VALUES (100003, 0); CHECKPOINT" >/dev/null
before=$("$laminar" "$db" --format csv -c "$questions")
# Files that both have are one file: only those of the newest rot.
newest=$(find "$db/checkpoint" -maxdepth 1 -name '0*' | sort | tail -1) older=$(find "$db/checkpoint" -maxdepth 1 -name '0*' | sort | tail -2 | head -1)
for file in "$newest"/*.sst; do
  [ -e "$older/${file##*/}" ] || printf 'rotten bytes' | dd of="$file" bs=1 seek=40 conv=notrunc 2>/dev/null
done
same "a rotten checkpoint: the one before it" "$("$laminar" "$db" --format csv -c "$questions")" "$before"
rm -f "$newest/manifest"
same "half a checkpoint: the one before it" "$("$laminar" "$db" --format csv -c "$questions")" "$before"

# ---- what a session had around a view, several cores, and a sink whose folder is gone
other=$folder/other
"$laminar" "$other" -c "SET TimeZone = 'Asia/Tokyo'; CREATE MACRO twice(x) AS x * 2; CREATE MACRO four_times(x) AS twice(twice(x));
  CREATE TYPE mood AS ENUM ('bad', 'good'); SET cores = 2;
  CREATE SOURCE s (k BIGINT, seen TIMESTAMPTZ, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');
  CREATE MATERIALIZED VIEW v AS SELECT k, four_times(sum(k)) AS n, max(hour(seen)) AS h FROM s GROUP BY k;
  CREATE MATERIALIZED VIEW mooded AS SELECT k, CASE WHEN k > 1 THEN 'good' ELSE 'bad' END::mood AS m FROM s;
  CREATE SINK gone FROM mooded WITH (connector = 'files', format = 'csv', path = '$folder/place/gone');
  INSERT INTO s SELECT i % 50, TIMESTAMPTZ '2026-01-01 00:00:00+00', TIMESTAMP '2026-01-01' FROM range(1000) r(i); DRAIN"
questions="SELECT * FROM v ORDER BY k; SELECT k, m, count(*) FROM mooded GROUP BY ALL ORDER BY ALL"
before=$("$laminar" "$other" --format csv -c "$questions")
matches "the macro and the time zone of the session count" "$before" "^k,n,h.*1,80,9"
"$laminar" "$other" -c "CHECKPOINT; INSERT INTO s VALUES (60, NULL, NULL)" >/dev/null
before=$("$laminar" "$other" --format csv -c "$questions")
same "on one core" "$("$laminar" "$other" --cores 1 --format csv -c "$questions")" "$before"
"$laminar" "$other" --cores 3 -c "CHECKPOINT" >/dev/null
same "on three" "$("$laminar" "$other" --cores 3 --format csv -c "$questions")" "$before"
same "and on as many as before" "$("$laminar" "$other" --format csv -c "$questions")" "$before"
rm -rf "$folder/place" && touch "$folder/place"
matches "a sink that cannot be opened shows it" "$("$laminar" "$other" --format csv -c "INSERT INTO s VALUES (7, NULL, NULL); SHOW SINKS")" "cannot be opened"
rm -f "$folder/place"
"$laminar" "$other" -c "DRAIN"
same "and gives its rows when it can" "$(cat "$folder"/place/gone/part-* 2>/dev/null | grep -c '^7,')" "1"

"$laminar" "$db" -c "SELECT 1 AS one;" -i <"$folder/in" >"$folder/first" 2>&1 &
program=$!
exec 3>"$folder/in"
while ! grep -q one "$folder/first"; do :; done
second=$("$laminar" "$db" -c "SELECT 1" 2>&1)
matches "a second program is told who has it" "$second" "LDB-6008.*process $program on .* since"
exec 3>&-
wait "$program"
finish
