// Written by scripts/generate_simd_coefficients.py; do not edit.
#pragma once

namespace optionsib::simd {

// Lowest power first.
inline constexpr double exp_coefficients[10] = {
    0x1.0000000000001p-1,  0x1.5555555555556p-3,  0x1.5555555553d63p-5,  0x1.11111111109b3p-7,
    0x1.6c16c1788bd90p-10, 0x1.a01a01a7c41d5p-13, 0x1.a019b90d2ae7ap-16, 0x1.71de0dae63bb3p-19,
    0x1.289185613a3d6p-22, 0x1.af38a9b0ec855p-26,
};

inline constexpr double exp_short_coefficients[5] = {
    0x1.0000000000000p-1, 0x1.55555554dd388p-3,  0x1.555555551946fp-5,
    0x1.11120b03cd855p-7, 0x1.6c17bb5ebddb4p-10,
};

inline constexpr double exp_table[16] = {
    0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
    0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0,
    0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
    0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0,
};

inline constexpr double atanh_coefficients[7] = {
    0x1.555555555556ep-2, 0x1.999999997c60ap-3, 0x1.2492495208437p-3, 0x1.c71c3cd5b95f4p-4,
    0x1.746bbab7ddfe4p-4, 0x1.39029fee44135p-4, 0x1.35a069e7c1f02p-4,
};

inline constexpr double mills_numerator[11] = {
    0x1.40d931ff62706p+0,  0x1.0ed3b68d71354p+1,  0x1.c427db1ff3584p+0,  0x1.e329dc3fa9898p-1,
    0x1.6ac44b8ce314ap-2,  0x1.8e40b5d038a04p-4,  0x1.4356288cf1836p-6,  0x1.7fed48e514a61p-9,
    0x1.404844200016ep-12, 0x1.556c9054a9260p-16, 0x1.6579f163eb837p-21,
};

inline constexpr double mills_denominator[12] = {
    0x1.0000000000000p+0, 0x1.3e37c8e4d17e3p+1,  0x1.7249016782c0ap+1,  0x1.0ac19158011fap+1,
    0x1.0906630847a19p+0, 0x1.7e5b48b730b9fp-2,  0x1.9a1572875f63ap-4,  0x1.4851b3b58a934p-6,
    0x1.82982205c0860p-9, 0x1.40fb0118b1f32p-12, 0x1.556c9054a926cp-16, 0x1.6579f163eb837p-21,
};

inline constexpr double mills_slope_numerator[11] = {
    0x1.0000000000000p+0,  0x1.6f60d9d78a9f7p+0,  0x1.0a3be7e4b2d16p+0,  0x1.f6e1f1d471e3cp-2,
    0x1.531bf5953781cp-3,  0x1.5350cd6e2be3bp-5,  0x1.fd312e128fa5dp-8,  0x1.1b305c36826b4p-10,
    0x1.c0d5b4f2e0b7bp-14, 0x1.cdb0b810b1892p-18, 0x1.dc2e62f2e1875p-23,
};

inline constexpr double mills_slope_denominator[13] = {
    0x1.0000000000000p+0,  0x1.581d05eb7687dp+1,  0x1.b4662f2789896p+1,  0x1.59e77f993d35ap+1,
    0x1.7e97b6d5a066ap+0,  0x1.37e46f07c12bdp-1,  0x1.818cd373c9eb0p-3,  0x1.6d86c4f3fed80p-5,
    0x1.091270307830cp-7,  0x1.20996e5eb7bbdp-10, 0x1.c39ffa874ccfbp-14, 0x1.cdb0b810b18abp-18,
    0x1.dc2e62f2e1875p-23,
};

}  // namespace optionsib::simd
