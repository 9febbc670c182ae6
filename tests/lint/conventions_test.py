import unittest

import check_conventions
from sampletree import SampleTreeTest


class ConventionsTest(SampleTreeTest):
    def test_accepts_clean_code(self):
        self.write("server/base/a.h", """#pragma once
// Counts. Thread-safe.
class Counter final {
  Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};
class Declared;
enum class Kind { kOne };
// sleep_for and std::mutex in a comment, and TODO(#7): with a number.
inline const char* text = "std::mutex sleep_for(1)";
int x = 1'000;  // NOLINT(google-explicit-constructor): it must convert.
""")
        self.assert_finds(check_conventions)

    def test_refuses_sleeps_everywhere(self):
        self.write("tests/unit/a/b_test.cc",
                   "std::this_thread::sleep_for(100ms);\nusleep(3);\n"
                   "absl::SleepFor(absl::Seconds(1));\n sleep(1);\n")
        self.write("tools/a.py", "time.sleep(1)\n")
        self.assert_finds(check_conventions, "b_test.cc:1: sleep_for",
                          "b_test.cc:2: usleep", "b_test.cc:3: SleepFor",
                          "b_test.cc:4: sleep(", "tools/a.py:1: time.sleep")

    def test_refuses_foreign_locks_outside_the_door(self):
        self.write("server/base/mutex.h", "#pragma once\nstd::mutex m_;\n")
        self.write("server/rpc/a.cc", "std::mutex a;\nabsl::Mutex b;\n"
                   "std::lock_guard<std::mutex> lock(a);\n"
                   "std::condition_variable_any c;\nworker.detach();\n")
        self.assert_finds(check_conventions, ":1: std::mutex",
                          ":2: absl::Mutex", ":3: std::lock_guard",
                          ":3: std::mutex", ":4: std::condition_variable_any",
                          ":5: .detach()")

    def test_lets_tensors_be_detached(self):
        self.write("server/nn/a.cc", "x = y.detach();\n")
        self.assert_finds(check_conventions)

    def test_refuses_a_mutex_that_guards_nothing(self):
        self.write("server/rpc/a.cc", "class A {\n  mutable Mutex mutex_;\n"
                   "  Mutex other_;\n  int a ABSL_GUARDED_BY(mutex_);\n};\n")
        self.assert_finds(check_conventions, ":3: nothing is ABSL_GUARDED_BY("
                          "other_)")

    def test_refuses_markers_without_their_reason(self):
        self.write("server/rpc/a.cc", "// TODO: later\n// FIXME now\n"
                   "int a;  // NOLINT\nint b;  // NOLINT(some-check)\n"
                   "// NOLINTNEXTLINE(some-check): because\n")
        self.assert_finds(check_conventions, ":1: write 'TODO(#123)",
                          ":2: write 'FIXME", ":3: write NOLINT(check)",
                          ":4: write NOLINT(check)")

    def test_refuses_one_name_for_two_types_of_the_server(self):
        one = "#pragma once\nnamespace resnetd {\nstruct Trial {\n  int a;\n};\n}\n"
        self.write("server/engine/a.h", one)
        self.write("server/finetune/b.h", one)
        self.write("server/nn/c.h", one.replace("resnetd", "resnetd::nn"))
        self.write("client/d.h", one)
        self.write("server/rpc/e.h", "#pragma once\nstruct Trial;\n")
        self.assert_finds(check_conventions, "finetune/b.h:3: Trial is also a "
                          "type of server/engine/a.h:3")

    def test_refuses_a_public_class_silent_about_threads(self):
        self.write("server/rpc/a.h", "#pragma once\n// Does it all.\n"
                   "class ABSL_LOCKABLE A : public B {\n  class Inner {};\n};\n"
                   "// Thread-safe.\nclass C {};\n")
        self.assert_finds(check_conventions, ":3: the comment of class A")

    def test_refuses_a_header_without_pragma_once(self):
        self.write("tests/support/a.h", "int a;\n")
        self.assert_finds(check_conventions, "a.h:1: no #pragma once")


if __name__ == "__main__":
    unittest.main()
