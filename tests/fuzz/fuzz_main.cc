// A plain main for fuzz targets where libFuzzer is not at hand: replays files, else mutates seeds for some seconds.
//
//   <target> FILE...                       each file once
//   <target> [--seconds N] [--seed N]      random mutations; LAMINAR_FUZZ_SECONDS is the default, else 2
//
// Prints its seed first. An input that fails is left in fuzz-failure.bin of the working folder, to be replayed.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern const char* const kFuzzSeeds[];  // ends with a null pointer

namespace {

constexpr size_t kInputBytesMax = 4096, kCorpusMax = 512;
std::string g_input;

void keep_input() {
  if (std::FILE* file = std::fopen("fuzz-failure.bin", "wb")) {
    std::fwrite(g_input.data(), 1, g_input.size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "the input is in fuzz-failure.bin (%zu bytes); give it as argument to repeat\n", g_input.size());
}

// The process is beyond saving here; the input is worth an unsafe write.
void on_signal(int signal) {
  std::signal(signal, SIG_DFL);
  keep_input();
  std::raise(signal);
}

void run_one() { LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(g_input.data()), g_input.size()); }

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, uint32_t seed) : seeds_(std::move(seeds)), corpus_(seeds_), random_(seed) {}

  std::string next() {
    std::string text = pick(corpus_);
    for (size_t n = 1 + random_() % 4; n > 0; --n) mutate(text);
    if (text.size() > kInputBytesMax) text.resize(kInputBytesMax);
    if (random_() % 8 == 0) {
      if (corpus_.size() < kCorpusMax) {
        corpus_.push_back(text);
      } else {
        corpus_[seeds_.size() + random_() % (kCorpusMax - seeds_.size())] = text;
      }
    }
    return text;
  }

 private:
  const std::string& pick(const std::vector<std::string>& from) { return from[random_() % from.size()]; }

  void mutate(std::string& text) {
    const size_t at = random_() % (text.size() + 1);
    const size_t length = random_() % 12;
    switch (random_() % 7) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, pick(seeds_));
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(random_()));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(random_());
        break;
      case 4:
        text.insert(at, text.substr(random_() % (text.size() + 1), length * 4));
        break;
      case 5:
        text.resize(at);
        break;
      case 6: {
        const std::string& other = pick(corpus_);
        text = text.substr(0, at) + " " + other.substr(random_() % (other.size() + 1));
        break;
      }
    }
  }

  std::vector<std::string> seeds_, corpus_;
  std::mt19937 random_;
};

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, on_signal);
  const char* from_environment = std::getenv("LAMINAR_FUZZ_SECONDS");
  double seconds = from_environment ? std::atof(from_environment) : 2;
  uint32_t seed = std::random_device{}();
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else {
      files.emplace_back(argv[i]);
    }
  }
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 1;
    }
    g_input.assign(std::istreambuf_iterator<char>(file), {});
    run_one();
    std::printf("%s: held\n", path.c_str());
  }
  if (!files.empty()) return 0;

  std::printf("seed %u\n", seed);
  std::fflush(stdout);
  std::vector<std::string> seeds;
  for (const char* const* text = kFuzzSeeds; *text; ++text) seeds.emplace_back(*text);
  for (const std::string& text : seeds) {
    g_input = text;
    run_one();
  }
  Mutator mutator(std::move(seeds), seed);
  const auto begin = std::chrono::steady_clock::now();
  uint64_t runs = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
    for (int i = 0; i < 64; ++i, ++runs) {
      g_input = mutator.next();
      run_one();
    }
  }
  std::printf("%llu inputs held\n", static_cast<unsigned long long>(runs));
  return 0;
}
