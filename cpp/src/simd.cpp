#include "optionsib/simd.hpp"

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace optionsib {
namespace {

constexpr std::array paths = {SimdPath::avx512, SimdPath::avx2, SimdPath::baseline};

struct Choice {
    SimdPath path = SimdPath::baseline;
    std::string error;
};

Choice choose() {
    const char* asked = std::getenv("OPTIONSIB_SIMD");
    if (asked == nullptr || *asked == '\0') {
        for (const SimdPath path : paths)
            if (simd_path_supported(path)) return {path, {}};
        return {};
    }
    for (const SimdPath path : paths) {
        if (std::string_view(asked) != simd_path_name(path)) continue;
        if (simd_path_supported(path)) return {path, {}};
        return {SimdPath::baseline,
                std::string("OPTIONSIB_SIMD=") + asked + ": this machine does not have it"};
    }
    return {SimdPath::baseline,
            std::string("OPTIONSIB_SIMD must be baseline, avx2 or avx512, got '") + asked + "'"};
}

const Choice& choice() noexcept {
    static const Choice chosen = choose();
    return chosen;
}

}  // namespace

SimdPath simd_path() noexcept {
    return choice().path;
}

const char* simd_path_error() noexcept {
    return choice().error.empty() ? nullptr : choice().error.c_str();
}

const char* simd_path_name(SimdPath path) noexcept {
    switch (path) {
        case SimdPath::avx512:
            return "avx512";
        case SimdPath::avx2:
            return "avx2";
        case SimdPath::baseline:
            break;
    }
    return "baseline";
}

bool simd_path_supported(SimdPath path) noexcept {
    if (path == SimdPath::baseline) return true;
#ifdef OPTIONSIB_X86_PATHS
    // The compiler's run-time library asks the processor, and whether the system keeps the registers.
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (path == SimdPath::avx2) return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

}  // namespace optionsib
