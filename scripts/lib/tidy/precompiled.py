"""Nobody leans on the precompiled headers: who uses a name of one includes it, directly or through a header of ours.

In every build that a change must pass, the precompiled headers stand before each source, or another source of its group
does. So a file that lacks an include compiles in all of them, and not in a program that includes it from elsewhere.
"""

import re

from tidy.headers import closure
from tidy.repository import Finding, Repository

# The names by which their headers are used. Left out is what others of these bring as well: std::exception_ptr, std::less.
NAMES = {
    "algorithm": "adjacent_find all_of any_of binary_search clamp copy copy_if copy_n count count_if equal equal_range "
                 "fill fill_n find find_end find_first_of find_if find_if_not for_each generate includes is_sorted "
                 "lexicographical_compare lower_bound max max_element merge min min_element minmax minmax_element "
                 "mismatch none_of nth_element partition ranges remove remove_if replace reverse rotate sample search "
                 "shuffle sort stable_partition stable_sort transform unique upper_bound",
    "array": "array to_array",
    "atomic": "atomic atomic_flag atomic_thread_fence memory_order_acq_rel memory_order_acquire memory_order_relaxed "
              "memory_order_release memory_order_seq_cst",
    "chrono": "chrono chrono_literals",
    "compare": "partial_ordering strong_ordering weak_ordering",
    "concepts": "convertible_to derived_from floating_point integral invocable same_as",
    "cstddef": "byte max_align_t nullptr_t ptrdiff_t size_t",
    "cstdint": "int16_t int32_t int64_t int8_t intptr_t uint16_t uint32_t uint64_t uint8_t uintptr_t",
    "deque": "deque",
    "exception": "current_exception exception make_exception_ptr rethrow_exception terminate uncaught_exceptions",
    "filesystem": "filesystem",
    "functional": "bind cref function invoke not_fn ref reference_wrapper",
    "iostream": "cerr cin cout",
    "limits": "numeric_limits",
    "map": "map multimap",
    "memory": "default_delete enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr",
    "mutex": "call_once lock_guard mutex once_flag recursive_mutex scoped_lock unique_lock",
    "optional": "make_optional nullopt nullopt_t optional",
    "ostream": "endl flush ostream",
    "set": "multiset set",
    "span": "as_bytes as_writable_bytes span",
    "stop_token": "stop_callback stop_source stop_token",
    "string": "getline stod stoi stol stoll stoul stoull string to_string",
    "string_view": "string_view",
    "utility": "as_const declval exchange forward in_range index_sequence integer_sequence make_pair move pair swap",
    "variant": "get_if holds_alternative monostate variant visit",
    "vector": "vector",
}
NEEDS = {f"std::{name}": header for header, names in NAMES.items() for name in names.split()}

# What a header brings by the word of the standard, or in its every library.
BRINGS = {
    "algorithm": {"utility"},
    "chrono": {"compare"},
    "fstream": {"ostream", "string"},
    "iosfwd": {"ostream"},
    "iostream": {"ostream", "string"},
    "istream": {"ostream", "string"},
    "map": {"utility"},
    "optional": {"utility"},
    "ranges": {"algorithm"},
    "sstream": {"ostream", "string"},
    "stop_token": {"atomic"},
    "string": {"cstddef", "string_view"},
    "tuple": {"utility"},
    "variant": {"utility"},
}

# Of others: the names, and how the headers begin that have them.
OTHERS = [
    (re.compile(r"\bfmt::\w"), "fmt/", "fmt/format.h"),
    (re.compile(r"\bnlohmann::\w"), "nlohmann/", "nlohmann/json.hpp"),
    (re.compile(r"\b(?:TEST|TEST_F|TEST_P|GTEST_SKIP|EXPECT_(?:EQ|TRUE|FALSE))\("), ("gtest/", "gmock/"), "gtest/gtest.h"),
    (re.compile(r"\b(?:EXPECT_THAT|ASSERT_THAT)\("), "gmock/", "gmock/gmock.h"),
]

SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)
# A raw string, a string, a comment: what is written there is used by nobody.
NO_CODE = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def check(repository: Repository) -> list[Finding]:
    texts = {path: repository.text(path) for path in repository.matching(".h", ".cc")}
    findings = []
    for path, text in texts.items():
        included = {header for each in closure(path, texts) for header in SYSTEM_INCLUDE.findall(texts[each])}
        code = NO_CODE.sub(lambda match: "\n" * match.group().count("\n"), text)
        findings += missing(path, code, included)
    return findings


def missing(path: str, code: str, included: set[str]) -> list[Finding]:
    """The first use of each header that is not there."""
    there = included.union(*(BRINGS.get(header, set()) for header in included))
    found = {}
    for match in re.finditer(r"\bstd::\w+", code):
        header = NEEDS.get(match.group(), "")
        if header and header not in there:
            found.setdefault(header, match)
    for pattern, begins, header in OTHERS:
        if not any(each.startswith(begins) for each in included) and (match := pattern.search(code)):
            found.setdefault(header, match)
    return [Finding(path, code.count("\n", 0, match.start()) + 1, f"uses {match.group().rstrip('(')} without <{header}>",
                    "include it: a precompiled header hides that it is missing")
            for header, match in found.items()]
