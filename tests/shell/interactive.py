"""The interactive shell through a pseudo terminal: typed lines, Ctrl-C, completion, history, WATCH."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time

laminar = sys.argv[1]
folder = tempfile.mkdtemp()
passed = failed = 0
TIMEOUT_S = 120
PROMPT = "laminar> "


class Terminal:
    def __init__(self, *arguments, columns=80, rows=24):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LAMINAR_HISTORY=os.path.join(folder, "history"), LC_ALL="C.UTF-8")
            os.execv(laminar, [laminar, *arguments])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def expect(self, what, pattern):
        """Waits until the text since the last match has the pattern, and forgets what stood up to its end."""
        global passed, failed
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            match = re.search(pattern, self.seen, re.S)
            if match:
                passed += 1
                self.seen = self.seen[match.end():]
                return match
            if time.monotonic() > deadline or not self.read(deadline - time.monotonic()):
                break
        failed += 1
        print(f"failed: {what}\n  expected: {pattern}\n  seen: {self.seen[-600:]!r}")
        return None

    # `again`: sent anew every two seconds. A Ctrl-D that comes while the terminal changes its mode is the terminal's.
    def end(self, what, code=0, again=None):
        global passed, failed
        deadline = time.monotonic() + TIMEOUT_S
        next_try = time.monotonic() + 2
        while time.monotonic() < deadline:
            if again and time.monotonic() > next_try:
                next_try += 2
                self.send(again)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                got = os.waitstatus_to_exitcode(status)
                if got == code:
                    passed += 1
                else:
                    failed += 1
                    print(f"failed: {what}: exit code {got}\n  seen: {self.seen[-600:]!r}")
                return
            self.read(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        failed += 1
        print(f"failed: {what}: does not end\n  seen: {self.seen[-600:]!r}")


t = Terminal()
t.expect("banner and prompt", r"LaminarDB.*" + PROMPT)
t.send("SELECT 40 + 2\n")
t.expect("continuation prompt", r"\.\.\.> ")
t.send("AS answer;\n")
t.expect("table", r"answer.*─.*42.*┘.*" + PROMPT)
t.send("SELECT 1;\nSELECT nosuch FROM range(2);\n")
t.expect("error with caret", r"error LDB-\d{4} at 1:8: .*SELECT nosuch FROM.*\n *\^.*" + PROMPT)
t.send("SELECT 'half\x03")
t.expect("Ctrl-C forgets the line", r"\^C.*" + PROMPT)
t.send("SELECT 'whole' AS word;\n")
t.expect("and nothing of it is left", r"whole.*" + PROMPT)
t.send("SELECT count(*) FROM range(100000000) a, range(100000000) b;\n")
t.expect("progress of long work", r"[0-9.]+ s  \(Ctrl-C stops it\)")
t.send("\x03")
t.expect("Ctrl-C ends the query", r"error LDB-6001 .*" + PROMPT)
t.send("SELECT 'still ' || 'here' AS s;\n")
t.expect("and not the shell", r"still here.*" + PROMPT)
t.send("CREATE TABLE somewhat_long_name (a BIGINT PRIMARY KEY);\n")
t.expect("create", PROMPT + r"$|" + PROMPT)
t.send("INSERT INTO somewhat_long_name SELECT * FROM range(100);\n")
t.expect("insert", PROMPT)
t.send("SELECT count(*) AS n FROM somewhat_lon\t;\n")
t.expect("completion of a name", r"g_name;.*│ 100 │.*" + PROMPT)
t.send("SELECT * FROM somewhat_long_name;\n")
t.expect("rows that are not shown are counted", r"100 rows \(40 shown\).*" + PROMPT)
t.send("SELECT repeat('x', 300) AS long, 1 AS n;\n")
match = t.expect("a wide column is cut", r"┌[─┬]*┐\r\n")
if match and len(match.group(0).strip()) > 80:
    failed += 1
    print("failed: the table is wider than the terminal")
t.expect("prompt", PROMPT)
t.send(".form\tjson\n")
t.expect("completion of a command", r"json\r\n.*" + PROMPT)
t.send("SELECT 1 AS j;\n")
t.expect("json", r'\{"j":1\}.*' + PROMPT)
t.send(".format table\n")
t.expect("back to tables", PROMPT)
t.send("WATCH somewhat_long_name ORDER BY a DESC;\n")
t.expect("WATCH on the other screen", r"\x1b\[\?1049h.*WATCH somewhat_long_name.*tick.*p50.*99")
t.send("q")
t.expect("q leaves it", r"\x1b\[\?1049l.*" + PROMPT)
t.send("WATCH somewhat_long_name;\n")
t.expect("WATCH again", r"\x1b\[\?1049h.*WATCH")
t.send("\x03")
t.expect("Ctrl-C leaves it", r"\x1b\[\?1049l.*" + PROMPT)
t.send("WATCH nosuch;\n")
t.expect("WATCH of nothing is an error at its place", r"error LDB-\d{4} at 1:7: .*" + PROMPT)
t.send("\x04")
t.end("Ctrl-D leaves", again="\x15\x04")

t = Terminal()
t.expect("prompt", PROMPT)
t.send("SELECT 'hist' || 'ory' AS h;\n")
t.expect("a line", r"history.*" + PROMPT)
t.send(".quit\n")
t.end(".quit leaves")

t = Terminal()
t.expect("prompt", PROMPT)
t.send("\x1b[A\x1b[A\n")
t.expect("the lines of the run before can be run again", r"│ history │.*" + PROMPT)
t.send(".quit\n")
t.end(".quit leaves")

t = Terminal("demo", "--events", "1000000", columns=140, rows=45)
t.expect("four panes", r"\x1b\[\?1049h.*Hot items.*Open, high.*Sessions.*Averages")
t.expect("summary", r"\x1b\[\?1049l.*rows/s.*p99\.9.*All views equal")
t.end("demo")

t = Terminal("demo", "--events", "200000000", columns=90, rows=50)
t.expect("demo on a narrow terminal", r"\x1b\[\?1049h.*Hot items")
t.send("q")
t.expect("q ends it", r"\x1b\[\?1049l.*ended")
t.end("demo ended by q")

print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(1 if failed else 0)
