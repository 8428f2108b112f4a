#include "optionsib/simd.hpp"

#include "register.hpp"

namespace optionsib::bindings {

void register_simd(pybind11::module_& module) {
    if (const char* error = simd_path_error()) throw pybind11::import_error(error);
    module.def(
        "simd_path", [] { return simd_path_name(simd_path()); },
        "Return the instruction set of the numerical kernels: 'baseline', 'avx2' or 'avx512'.\n\nThe best "
        "this "
        "machine has, or what the environment variable ``OPTIONSIB_SIMD`` said at import. Within one "
        "path\nresults "
        "are bit for bit reproducible; between paths they differ by rounding.");
    module.def(
        "clear_x87",
        [] {
#if defined(__x86_64__)
            __builtin_ia32_emms();
#endif
        },
        "Empty the x87 registers of this thread.\n\nCode that used them as MMX registers and did not say so "
        "leaves\nthem full; the next ``long double`` is then NaN.");
}

}  // namespace optionsib::bindings
