// Which sanitizer this is compiled for, for both compilers: TIDELOCK_ASAN or TIDELOCK_TSAN is defined, or neither.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define TIDELOCK_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TIDELOCK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TIDELOCK_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TIDELOCK_TSAN 1
#endif
#endif
