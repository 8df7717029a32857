// What the main functions of the live programs share.
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>

#include "tidelock/base/runtime.h"

namespace market {

// Calls `body` in a task, with a token that stops at SIGTERM and SIGINT; returns the exit status of the program: 0, or
// 1 after it has said on standard error what `body` threw. Call it before any other thread is started.
int run_until_signalled(tidelock::base::Runtime& runtime, std::string_view program,
                        const std::function<void(const std::stop_token&)>& body);

}  // namespace market
