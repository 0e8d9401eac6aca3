#include "shell/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <filesystem>

#include "shell/interrupt.h"
#include "shell/output.h"
#include "shell/terminal.h"
#include "shell/text_width.h"

namespace laminar::shell {
namespace {

constexpr int kHistoryEntriesMax = 5000;
constexpr size_t kListedMax = 100;

volatile std::sig_atomic_t window_changed = 0;
void on_window_change(int) { window_changed = 1; }

// Characters, not bytes: what libedit counts in.
size_t character_count(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Whether the text begins with what was typed, in upper or lower case.
bool goes_on(std::string_view text, std::string_view typed) {
  return text.size() >= typed.size() &&
         std::equal(typed.begin(), typed.end(), text.begin(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string path, prompt;
  Completer completer;
  Interrupts::Receiver* interrupts = nullptr;  // while a line is read
  bool interrupted = false;

  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }

  // One character from the terminal; 0, as at the end of the input, when Ctrl-C came.
  static int read_character(EditLine* editor, wchar_t* character) {
    Impl& self = of(editor);
    std::mbstate_t state{};
    while (true) {
      if (window_changed) {
        window_changed = 0;
        el_resize(editor);
      }
      pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {self.interrupts->fd(), POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0 && errno != EINTR) return -1;
      if (wait[1].revents & POLLIN && self.interrupts->take()) {
        self.interrupted = true;
        return 0;
      }
      if (!(wait[0].revents & (POLLIN | POLLHUP))) continue;
      char byte = 0;
      const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) return static_cast<int>(n);
      const size_t used = std::mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<size_t>(-2)) continue;  // the character has more bytes
      if (used == static_cast<size_t>(-1)) {
        state = {};
        *character = L'?';
      }
      return 1;
    }
  }

  static unsigned char complete(EditLine* editor, int) {
    Impl& self = of(editor);
    const LineInfo* info = el_line(editor);
    const std::string line(info->buffer, info->lastchar);
    const auto cursor = static_cast<size_t>(info->cursor - info->buffer);
    std::vector<Connection::Completion> found = self.completer(line, cursor);
    std::erase_if(found, [&](const Connection::Completion& c) { return c.begin > cursor; });
    if (found.empty()) return CC_REFRESH_BEEP;
    // Those that replace the same piece of the line, and go on with what stands there; the first has the best place.
    const size_t begin = found[0].begin;
    const std::string_view typed = std::string_view(line).substr(begin, cursor - begin);
    std::erase_if(found, [&](const Connection::Completion& c) { return c.begin != begin || !goes_on(c.text, typed); });
    if (found.empty()) return CC_REFRESH_BEEP;
    std::string put = found.size() == 1 ? found[0].text : common_prefix(found);
    if (found.size() > 1 && put.size() <= typed.size()) {
      self.list(found);
      return CC_REDISPLAY;
    }
    el_deletestr(editor, static_cast<int>(character_count(typed)));
    el_insertstr(editor, put.c_str());
    return CC_REFRESH;
  }

  void list(const std::vector<Connection::Completion>& found) {
    size_t widest = 1;
    for (const Connection::Completion& c : found) widest = std::max(widest, display_width(single_line(c.text)) + 2);
    const size_t columns = std::max<size_t>(1, screen_size(STDOUT_FILENO).columns / widest);
    std::string out = "\r\n";
    for (size_t i = 0; i < std::min(found.size(), kListedMax); ++i) {
      const std::string text = single_line(found[i].text);
      out += text;
      if (i % columns == columns - 1) {
        out += "\r\n";
      } else {
        out.append(widest - display_width(text), ' ');
      }
    }
    if (found.size() > kListedMax) out += "… " + std::to_string(found.size() - kListedMax) + " more";
    write_all(STDOUT_FILENO, out + "\r\n");
  }
};

LineEditor::LineEditor(std::string path, Completer completer) : impl_(std::make_unique<Impl>()) {
  // Only how characters are coded; numbers keep their points.
  if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  impl_->path = std::move(path);
  impl_->completer = std::move(completer);
  impl_->history = history_init();
  history(impl_->history, &impl_->event, H_SETSIZE, kHistoryEntriesMax);
  history(impl_->history, &impl_->event, H_SETUNIQUE, 1);
  if (!impl_->path.empty()) history(impl_->history, &impl_->event, H_LOAD, impl_->path.c_str());

  impl_->editor = el_init("laminar", stdin, stdout, stderr);
  EditLine* editor = impl_->editor;
  el_set(editor, EL_CLIENTDATA, impl_.get());
  el_set(editor, EL_PROMPT, &Impl::prompt_of);
  el_set(editor, EL_GETCFN, &Impl::read_character);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, history, impl_->history);
  el_set(editor, EL_ADDFN, "laminar-complete", "complete what is typed", &Impl::complete);
  el_set(editor, EL_BIND, "^I", "laminar-complete", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(editor, EL_BIND, "\\e[1~", "ed-move-to-beg", nullptr);
  el_set(editor, EL_BIND, "\\e[4~", "ed-move-to-end", nullptr);
  el_set(editor, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
  el_set(editor, EL_BIND, "\\e[1;5C", "em-next-word", nullptr);
  el_set(editor, EL_BIND, "\\e[1;5D", "ed-prev-word", nullptr);
  el_source(editor, nullptr);

  struct sigaction action {};
  action.sa_handler = on_window_change;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGWINCH, &action, nullptr);
}

LineEditor::~LineEditor() {
  el_end(impl_->editor);
  history_end(impl_->history);
}

LineEditor::Outcome LineEditor::read_line(const std::string& prompt, std::string& line) {
  Interrupts::Receiver interrupts;
  impl_->interrupts = &interrupts;
  impl_->interrupted = false;
  impl_->prompt = prompt;
  int count = 0;
  const char* text = el_gets(impl_->editor, &count);
  impl_->interrupts = nullptr;
  if (impl_->interrupted) {
    el_reset(impl_->editor);
    write_all(STDOUT_FILENO, "^C\r\n");
    return Outcome::kInterrupted;
  }
  if (!text || count <= 0) return Outcome::kEnd;
  line.assign(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Outcome::kLine;
}

void LineEditor::remember(const std::string& entry) {
  if (entry.empty()) return;
  history(impl_->history, &impl_->event, H_ENTER, entry.c_str());
  if (impl_->path.empty()) return;
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::path(impl_->path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  history(impl_->history, &impl_->event, H_SAVE, impl_->path.c_str());
}

std::string history_path() {
  if (const char* path = std::getenv("LAMINAR_HISTORY")) return path;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/laminar/history";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.laminar_history";
  return {};
}

std::string common_prefix(const std::vector<Connection::Completion>& completions) {
  if (completions.empty()) return {};
  std::string prefix = completions[0].text;
  for (const Connection::Completion& c : completions) {
    const auto differs = std::mismatch(prefix.begin(), prefix.end(), c.text.begin(), c.text.end());
    prefix.erase(differs.first, prefix.end());
  }
  while (!prefix.empty() && (prefix.back() & 0xc0) == 0x80) prefix.pop_back();  // no half characters
  if (!prefix.empty() && (prefix.back() & 0x80)) prefix.pop_back();
  return prefix;
}

}  // namespace laminar::shell
