#!/usr/bin/env bash
# The behaviour of the command line that other programs rely on. A change here breaks them.
# shellcheck source=../shell/checks.bash
. "$(dirname "$0")/../shell/checks.bash"

same "csv: header, quotes, NULL as an empty field" \
  "$("$laminar" -c "SELECT 1 AS a, 'x,y' AS b, NULL AS c" --format csv 2>&1)" $'a,b,c\n1,"x,y",'
same "DuckDB's SQL" "$("$laminar" -c 'SELECT sum(i) AS s FROM range(10) r(i)' --format csv 2>&1)" $'s\n45'
same "a script on standard input" "$(printf 'SELECT 1 AS a;\nSELECT 2 AS b;\n' | "$laminar" --format csv 2>&1)" $'a\n1\nb\n2'

cat >"$folder/windows.sql" <<'S'
CREATE SOURCE clicks (page BIGINT, ms BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '0 seconds') WITH (connector = 'memory');
CREATE MATERIALIZED VIEW per_minute AS
  SELECT window_start, page, sum(ms) AS total FROM clicks GROUP BY page, TUMBLE(ts, INTERVAL '1 minute')
  EMIT ON WINDOW CLOSE WITH (retain_history = '1 MB');
INSERT INTO clicks VALUES (4, 10, TIMESTAMP '2026-03-01 10:00:05'), (4, 20, TIMESTAMP '2026-03-01 10:00:59');
INSERT INTO clicks VALUES (5, 50, TIMESTAMP '2026-03-01 10:01:00');
INSERT INTO clicks VALUES (4, 90, TIMESTAMP '2026-03-01 10:00:30');
SELECT * FROM per_minute;
SELECT weight, page, total FROM changes('per_minute');
SELECT count(*) AS late FROM late_rows('per_minute');
S
same "a closed window, its change, and a row that came late" "$("$laminar" -f "$folder/windows.sql" --format csv 2>&1)" \
  $'window_start,page,total\n2026-03-01 10:00:00,4,30\nweight,page,total\n1,4,30\nlate\n1'

"$laminar" -c "COPY (SELECT i % 2 AS k, i AS v, TIMESTAMP '2026-03-01' + INTERVAL (i) SECOND AS ts FROM range(240) r(i))
  TO '$folder/in.parquet'" >/dev/null 2>&1
cat >"$folder/files.sql" <<S
CREATE SOURCE f (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
  WITH (connector = 'files', path = '$folder/in.parquet', format = 'parquet');
CREATE MATERIALIZED VIEW counted AS
  SELECT window_start, window_end, k, count(*) AS c FROM f GROUP BY k, TUMBLE(ts, INTERVAL '2 minutes') EMIT ON WINDOW CLOSE;
DRAIN;
SELECT k, c, window_end - window_start AS w FROM counted ORDER BY window_start, k;
S
same "DRAIN reads a file to its end and closes its windows" "$("$laminar" -f "$folder/files.sql" --format csv 2>&1)" \
  $'k,c,w\n0,60,00:02:00\n1,60,00:02:00\n0,60,00:02:00\n1,60,00:02:00'

out=$("$laminar" -c "CREATE SOURCE x (a BIGINT) WITH (connector = 'nosuch')" 2>&1 >/dev/null)
same "an error: exit code" $? 1
matches "an error: code and place on standard error" "$out" '^error LDB-[0-9]{4} at 1:[0-9]+: .+'

cat >"$folder/bench.sql" <<'S'
CREATE SOURCE f (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');
CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS c, sum(v) AS t FROM f GROUP BY k;
S
out=$("$laminar" bench sql --setup "$folder/bench.sql" --input "f=$folder/in.parquet" --view m --repeat 1 --json 2>/dev/null | tail -1)
for key in name rows wall_s cpu_s rows_per_s result_rows checksum duckdb_wall_s duckdb_cpu_s duckdb_checksum ratio \
  tick_p50_us tick_p99_us peak_rss_mib; do
  matches "bench sql --json: $key" "$out" "\"$key\""
done
code "a database in a folder" 0 "$laminar" "$folder/db" -c 'CREATE TABLE p (id BIGINT PRIMARY KEY)'
finish
