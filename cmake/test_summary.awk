# Counts test cases in ctest's JUnit file and prints `N passed, N failed, N skipped`; exits 1 when something failed.
#
# A program that runs many cases counts with each of them: GoogleTest's lines are read, and so is a line
# `N passed, N failed, N skipped` of a program's own (the last one). Any other program is one case. A program that fails
# without naming a failed case (a crash, a timeout) is one failure more.
function attribute(name,    text) {
  if (!match($0, " " name "=\"[^\"]*\"")) return ""
  text = substr($0, RSTART, RLENGTH)
  sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
  return text
}
function close_case() {
  if (test == "") return
  if (status == "notrun" || status == "disabled") {
    own_skipped = 1; own_passed = own_failed = 0
    if (why ~ /[Uu]nable to find|[Nn]ot found|BAD_COMMAND|fixture/) { own_skipped = 0; own_failed = 1 }
    note = (own_failed ? "failed: " : "skipped: ") test (why == "" ? "" : " (" why ")")
    notes = notes note "\n"
  } else {
    if (has_line) { own_passed = line_passed; own_failed = line_failed; own_skipped = line_skipped }
    if (own_passed + own_failed + own_skipped == 0 && status == "run") own_passed = 1
    if (status == "fail" && own_failed == 0) own_failed = 1
    if (status == "run" && own_failed > 0) notes = notes "inconsistent: " test " ended well but counts failures\n"
    if (status == "fail") notes = notes "failed: " test "\n"
  }
  passed += own_passed; failed += own_failed; skipped += own_skipped
  test = ""
}
/<testcase / {
  close_case()
  test = attribute("name"); status = attribute("status"); why = ""
  own_passed = own_failed = own_skipped = has_line = 0
}
/<(skipped|failure) message=/ { why = attribute("message") }
/\[       OK \].* \([0-9]+ ms\)/ { own_passed++ }
/\[  FAILED  \].* \([0-9]+ ms\)/ { own_failed++; notes = notes "failed: " test ": " substr($0, index($0, "]") + 2) "\n" }
/\[  SKIPPED \].* \([0-9]+ ms\)/ { own_skipped++; notes = notes "skipped: " test ": " substr($0, index($0, "]") + 2) "\n" }
/(^|>)[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped/ {
  line = $0; sub(/^.*>/, "", line); split(line, word, " ")
  has_line = 1; line_passed = word[1]; line_failed = word[3]; line_skipped = word[5]
}
END {
  close_case()
  printf "%s%d passed, %d failed, %d skipped\n", notes, passed, failed, skipped
  exit failed > 0
}
