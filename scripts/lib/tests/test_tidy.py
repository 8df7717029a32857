"""Each rule of scripts/check is shown a bad input that it must find, and a good one that it must leave alone."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tidy import clang_tidy, floors, formatting, headers, links, precompiled, symbols, words
from tidy.repository import Repository

MAP = "| floor | rooms |\n|---|---|\n| 2 | lock |\n| 1 | sql, world |\n| 0 | base |\n"


class RuleTest(unittest.TestCase):
    """A throwaway repository to run a rule on."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)

    def repository(self, files: dict[str, str]) -> Repository:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        subprocess.run(["git", "-C", str(self.root), "add", "--all", "--force"], check=True)
        return Repository(self.root)

    def found(self, rule, files: dict[str, str]) -> list[str]:
        """`file:line` of each finding."""
        return [f"{finding.path}:{finding.line}" for finding in sorted(rule.check(self.repository(files)))]


class Format(RuleTest):
    def test_an_unformatted_line_is_found(self):
        files = {".clang-format": "BasedOnStyle: Google\n", "bad.cc": "int a;\nint  b;\n", "good.cc": "int a;\n"}
        self.assertEqual(self.found(formatting, files), ["bad.cc:2"])

    def test_a_finding_is_not_forgotten_by_the_second_run(self):
        files = {".clang-format": "BasedOnStyle: Google\n", "bad.cc": "int  b;\n"}
        self.found(formatting, files)
        self.assertEqual(self.found(formatting, files), ["bad.cc:1"])


class Floors(RuleTest):
    rooms = {"tidelock/base/a.h": "", "tidelock/sql/a.h": "", "tidelock/world/a.h": "", "tidelock/lock/a.h": "",
             "tidelock/sql/backends/x/x.h": "", "ARCHITECTURE.md": MAP}

    def wrong(self, path: str, included: str) -> bool:
        return f"{path}:1" in self.found(floors, self.rooms | {path: f'#include "{included}"\n'})

    def test_an_include_upwards_is_found(self):
        self.assertTrue(self.wrong("tidelock/base/b.h", "tidelock/sql/a.h"))
        self.assertFalse(self.wrong("tidelock/sql/b.h", "tidelock/base/a.h"))

    def test_an_include_of_another_room_on_the_same_floor_is_found(self):
        self.assertTrue(self.wrong("tidelock/sql/b.cc", "tidelock/world/a.h"))

    def test_a_test_may_include_the_world_but_nothing_else_above(self):
        self.assertFalse(self.wrong("tidelock/sql/b_test.cc", "tidelock/world/a.h"))
        self.assertFalse(self.wrong("tidelock/base/conformance/b.cc", "tidelock/world/a.h"))
        self.assertTrue(self.wrong("tidelock/sql/b_test.cc", "tidelock/lock/a.h"))

    def test_a_backend_is_included_by_itself_by_all_cc_by_conformance_and_by_benchmarks_only(self):
        header = "tidelock/sql/backends/x/x.h"
        self.assertTrue(self.wrong("tidelock/sql/b.cc", header))
        self.assertTrue(self.wrong("tidelock/sql/b_test.cc", header))
        self.assertTrue(self.wrong("tidelock/sql/backends/y/y.cc", header))
        self.assertTrue(self.wrong("tidelock/lock/backends/all.cc", header))
        self.assertFalse(self.wrong("tidelock/sql/backends/x/x.cc", header))
        self.assertFalse(self.wrong("tidelock/sql/backends/x/x_test.cc", header))
        self.assertFalse(self.wrong("tidelock/sql/backends/all.cc", header))
        self.assertFalse(self.wrong("tidelock/sql/conformance/b.cc", header))
        self.assertFalse(self.wrong("bench/b.cc", header))  # They compare a backend with the engine beneath it.

    def test_an_include_that_is_not_from_the_root_is_found(self):
        self.assertTrue(self.wrong("tidelock/base/b.cc", "a.h"))

    def test_a_room_that_the_map_does_not_know_is_found(self):
        self.assertEqual(self.found(floors, self.rooms | {"tidelock/new/a.h": ""}), ["ARCHITECTURE.md:1"])

    def test_a_room_that_only_the_map_knows_is_found(self):
        self.assertEqual(self.found(floors, {"tidelock/base/a.h": "", "ARCHITECTURE.md": "| 1 | sql |\n| 0 | base |\n"}),
                         ["ARCHITECTURE.md:1"])


class Symbols(RuleTest):
    bans = symbols.read_bans("[library] reads a clock: ask\nclock_gettime time\n[everywhere] sleeps: wait\nusleep\n")

    def judge(self, sources: dict[str, str], exceptions: str = "") -> list[str]:
        repository = self.repository(sources)
        compiled = {}
        for path in sources:
            compiled[path] = self.root / f"{path}.o"
            subprocess.run(["g++", "-g1", "-c", str(self.root / path), "-o", str(compiled[path])], check=True)
        findings = symbols.judge(repository, compiled, self.bans, symbols.read_exceptions(exceptions))
        return [f"{finding.path}:{finding.line}" for finding in sorted(findings)]

    clock = "#include <time.h>\n\ntimespec now() {\n  timespec t;\n  clock_gettime(CLOCK_REALTIME, &t);\n  return t;\n}\n"
    sleep = "#include <unistd.h>\nvoid wait() { usleep(1); }\n"

    def test_a_clock_in_the_library_is_found_with_its_line(self):
        self.assertEqual(self.judge({"tidelock/base/a.cc": self.clock}), ["tidelock/base/a.cc:5"])

    def test_a_clock_behind_an_inline_function_is_found_where_it_is_called(self):
        header = "#pragma once\n" + self.clock.replace("timespec now", "inline timespec now")
        source = '#include "a.h"\n\nlong f() { return now().tv_sec; }\n'
        subprocess.run(["mkdir", "-p", str(self.root / "tidelock/base")], check=True)
        (self.root / "tidelock/base/a.h").write_text(header)
        self.assertEqual(len(self.judge({"tidelock/base/b.cc": source})), 1)

    def test_a_test_may_read_a_clock_but_may_not_sleep(self):
        self.assertEqual(self.judge({"tidelock/base/a_test.cc": self.clock}), [])
        self.assertEqual(self.judge({"tidelock/base/b_test.cc": self.sleep}), ["tidelock/base/b_test.cc:2"])

    def test_an_exception_holds_for_its_file_and_symbol_only(self):
        sources = {"tidelock/base/real_a.cc": self.clock, "tidelock/base/a.cc": self.clock}
        allowed = "tidelock/base/real_*.cc clock_* the real clock\n"
        self.assertEqual(self.judge(sources, allowed), ["tidelock/base/a.cc:5"])

    def test_an_exception_that_nothing_needs_is_found(self):
        self.assertEqual(self.judge({"tidelock/base/a.cc": "int a;\n"}, "# comment\nx.cc time reason\n"),
                         ["scripts/allowed-symbols.txt:2"])

    def test_an_exception_without_a_reason_is_refused(self):
        with self.assertRaises(ValueError):
            symbols.read_exceptions("x.cc time\n")

    def test_objects_are_those_of_the_compilation_database(self):
        entry = (f'[{{"directory": "{self.root}/build", "file": "{self.root}/tidelock/base/a.cc", '
                 f'"command": "ccache g++ -DX=\\"y\\" -o o/a.cc.o -c a.cc"}}]')
        repository = self.repository({"tidelock/base/a.cc": "", "build/compile_commands.json": entry})
        self.assertEqual(symbols.objects(repository), {"tidelock/base/a.cc": self.root / "build/o/a.cc.o"})

    def test_the_list_of_this_repository_is_understood(self):
        root = Path(__file__).resolve().parents[3]
        bans = symbols.read_bans((root / symbols.BANNED).read_text())
        self.assertIn("nanosleep", {ban.symbol for ban in bans if ban.everywhere})
        self.assertIn("pthread_create", {ban.symbol for ban in bans if not ban.everywhere})
        symbols.read_exceptions((root / symbols.ALLOWED).read_text())


class Headers(RuleTest):
    def test_a_header_that_needs_an_include_before_it_is_found(self):
        files = {"tidelock/base/bad.h": "#pragma once\n\nstd::string name();\n",
                 "tidelock/base/good.h": "#pragma once\n#include <string>\nstd::string name();\n"}
        self.assertEqual(self.found(headers, files), ["tidelock/base/bad.h:3"])

    def test_only_a_source_that_includes_it_first_proves_a_header(self):
        files = {"a.h": "#pragma once\nstd::string name();\n", "b.cc": '#include <string>\n#include "a.h"\n'}
        self.assertEqual(self.found(headers, files), ["a.h:2"])
        self.assertEqual(self.found(headers, files | {"b.cc": '// Its compilation shows it.\n\n#include "a.h"\n'}), [])

    def test_a_header_is_looked_at_again_when_what_it_includes_changed(self):
        files = {"a.h": "#pragma once\n#include <string>\n", "b.h": '#pragma once\n#include "a.h"\nstd::string name();\n'}
        self.assertEqual(self.found(headers, files), [])
        self.assertEqual(self.found(headers, files | {"a.h": "#pragma once\n"}), ["b.h:3"])


class Precompiled(RuleTest):
    def test_a_header_that_only_compiles_with_precompiled_ones_is_found(self):
        files = {"a.h": "#pragma once\n\nstd::string name();\n", "a.cc": '#include "a.h"\n\n#include <string>\n'}
        self.assertEqual(self.found(headers, files), [])
        self.assertEqual(self.found(precompiled, files), ["a.h:3"])

    def test_what_a_header_of_ours_includes_is_included(self):
        files = {"a.h": "#include <map>\n#include <string>\n", "b.cc": '#include "a.h"\nstd::pair<std::string, int> f();\n'}
        self.assertEqual(self.found(precompiled, files), [])
        self.assertEqual(self.found(precompiled, files | {"a.h": "#include <map>\n"}), ["b.cc:2"])

    def test_the_first_use_of_each_is_found(self):
        files = {"a.cc": "int a;\nstd::size_t b;\nstd::byte c;\nstd::vector<int> d;\n"}
        self.assertEqual(self.found(precompiled, files), ["a.cc:2", "a.cc:4"])

    def test_headers_of_others_are_found_too(self):
        files = {"a_test.cc": "#include <gtest/gtest.h>\nTEST(A, B) {\n  EXPECT_THAT(fmt::format(1), 2);\n}\n",
                 "b.cc": "#include <fmt/chrono.h>\n#include <nlohmann/json_fwd.hpp>\nnlohmann::json* f(fmt::memory_buffer&);\n"}
        self.assertEqual(self.found(precompiled, files), ["a_test.cc:3", "a_test.cc:3"])

    def test_what_is_no_code_uses_nothing(self):
        files = {"a.cc": '// std::string\n/* std::\nstd::map */\nauto a = "std::string\\"std::set";\nauto b = R"x(std::map)"\nstd::set)x";\n'}
        self.assertEqual(self.found(precompiled, files), [])

    def test_all_that_is_precompiled_is_known(self):
        text = (Path(__file__).resolve().parents[3] / "cmake/TidelockPrecompiled.cmake").read_text()
        known = set(precompiled.NAMES) | {header for _, _, header in precompiled.OTHERS}
        self.assertEqual({header for header in re.findall(r"<([\w/.]+)>", text.split("include_guard()")[1])} - known, set())


class Links(RuleTest):
    def test_a_link_to_no_file_is_found(self):
        files = {"docs/a.md": "[here](b.md) and\n[there](c.md)\n", "docs/b.md": ""}
        self.assertEqual(self.found(links, files), ["docs/a.md:2"])

    def test_a_link_to_no_heading_is_found(self):
        files = {"a.md": "# What it is, and `why`\n[ok](#what-it-is-and-why) [dead](#nowhere)\n[dead](b.md#x)\n", "b.md": ""}
        self.assertEqual(self.found(links, files), ["a.md:2", "a.md:3"])

    def test_a_link_out_of_the_repository_is_found(self):
        self.assertEqual(self.found(links, {"a.md": "[x](../other/a.md)\n"}), ["a.md:1"])

    def test_code_and_addresses_are_left_alone(self):
        self.assertEqual(self.found(links, {"a.md": "```\n[x](y)\n```\n`[x](y)` [x](https://example.org/y)\n"}), [])


class Words(RuleTest):
    def test_a_path_of_one_machine_is_found(self):
        self.assertEqual(self.found(words, {"a.md": "ok\nsee /" + "work/x\n", "b.cc": '"/' + 'root/x"\n'}), ["a.md:2", "b.cc:1"])

    def test_a_registry_host_is_found(self):
        self.assertEqual(self.found(words, {"scripts/x": "curl registry." + "npmjs.org\n"}), ["scripts/x:1"])

    def test_a_relative_path_is_left_alone(self):
        self.assertEqual(self.found(words, {"a.md": "tests/" + "work/x and ${x}/" + "root/y\n"}), [])


class ClangTidy(RuleTest):
    def test_what_clang_tidy_warns_about_is_found(self):
        source = "int* f() {\n  int* p = 0;\n  return p;\n}\n"
        database = f'[{{"directory": "{self.root}", "file": "{self.root}/tidelock/a.cc", "command": "g++ -c tidelock/a.cc"}}]'
        files = {".clang-tidy": "Checks: '-*,modernize-use-nullptr'\n", "tidelock/a.cc": source,
                 "build/compile_commands.json": database}
        self.assertEqual(self.found(clang_tidy, files), ["tidelock/a.cc:2"])


if __name__ == "__main__":
    unittest.main()
