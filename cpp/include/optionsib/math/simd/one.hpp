// Included by avx512.hpp and avx2.hpp inside their namespaces: one number in a narrow register, for calls
// on a single option. The operations are those of `Reals` on fewer lanes, so results have the same bits, but
// division and square root take half the time. Only the first lane counts, except between `join` and `lower`.

struct OneMask {
    __m128d lanes;

    OPTIONSIB_FRIEND OneMask operator&(OneMask a, OneMask b) { return {_mm_and_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND OneMask operator|(OneMask a, OneMask b) { return {_mm_or_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND OneMask operator^(OneMask a, OneMask b) { return {_mm_xor_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND OneMask operator!(OneMask a) {
        return {_mm_xor_pd(a.lanes, _mm_castsi128_pd(_mm_set1_epi64x(-1)))};
    }
};

template <int predicate>
OPTIONSIB_INLINE OneMask compare(__m128d a, __m128d b) {
    return {_mm_cmp_pd(a, b, predicate)};
}

struct One {
    using Boolean = OneMask;
    static constexpr int width = 1;
    static constexpr int size = 1;
    static constexpr bool fused = true;

    __m128d r;

    One() = default;
    OPTIONSIB_INLINE One(__m128d value) : r(value) {}
    OPTIONSIB_INLINE One(double value) : r(_mm_set1_pd(value)) {}
    OPTIONSIB_INLINE static One both(const double (&from)[2]) { return _mm_loadu_pd(from); }

    OPTIONSIB_FRIEND One operator+(One a, One b) { return _mm_add_pd(a.r, b.r); }
    OPTIONSIB_FRIEND One operator-(One a, One b) { return _mm_sub_pd(a.r, b.r); }
    OPTIONSIB_FRIEND One operator*(One a, One b) { return _mm_mul_pd(a.r, b.r); }
    OPTIONSIB_FRIEND One operator/(One a, One b) { return _mm_div_pd(a.r, b.r); }
    OPTIONSIB_FRIEND One operator-(One a) { return _mm_xor_pd(a.r, _mm_set1_pd(-0.0)); }

    OPTIONSIB_FRIEND OneMask operator<(One a, One b) { return compare<_CMP_LT_OQ>(a.r, b.r); }
    OPTIONSIB_FRIEND OneMask operator<=(One a, One b) { return compare<_CMP_LE_OQ>(a.r, b.r); }
    OPTIONSIB_FRIEND OneMask operator>(One a, One b) { return compare<_CMP_GT_OQ>(a.r, b.r); }
    OPTIONSIB_FRIEND OneMask operator>=(One a, One b) { return compare<_CMP_GE_OQ>(a.r, b.r); }
    OPTIONSIB_FRIEND OneMask operator==(One a, One b) { return compare<_CMP_EQ_OQ>(a.r, b.r); }
};

OPTIONSIB_INLINE One fma(One a, One b, One c) {
    return _mm_fmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE One fms(One a, One b, One c) {
    return _mm_fmsub_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE One fnma(One a, One b, One c) {
    return _mm_fnmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE One min(One a, One b) {
    return _mm_min_pd(a.r, b.r);
}
OPTIONSIB_INLINE One max(One a, One b) {
    return _mm_max_pd(a.r, b.r);
}
OPTIONSIB_INLINE One abs(One a) {
    return _mm_andnot_pd(_mm_set1_pd(-0.0), a.r);
}
OPTIONSIB_INLINE One sqrt(One a) {
    return _mm_sqrt_pd(a.r);
}
OPTIONSIB_INLINE One flip_sign(One value, One sign) {
    return _mm_xor_pd(value.r, _mm_and_pd(sign.r, _mm_set1_pd(-0.0)));
}
OPTIONSIB_INLINE One select(OneMask mask, One yes, One no) {
    return _mm_blendv_pd(no.r, yes.r, mask.lanes);
}
OPTIONSIB_INLINE bool is_true(OneMask mask) {
    return (_mm_movemask_pd(mask.lanes) & 1) != 0;
}
OPTIONSIB_INLINE One gather(const double* table, One index) {
    return table[_mm_cvttsd_si32(index.r)];
}
OPTIONSIB_INLINE double first(One a) {
    return _mm_cvtsd_f64(a.r);
}
// Two numbers side by side, so that one operation does for both, and each of them again.
OPTIONSIB_INLINE One join(One a, One b) {
    return _mm_unpacklo_pd(a.r, b.r);
}
OPTIONSIB_INLINE One lower(One both) {
    return both;
}
OPTIONSIB_INLINE One upper(One both) {
    return _mm_unpackhi_pd(both.r, both.r);
}
OPTIONSIB_INLINE One swapped(One both) {
    return _mm_shuffle_pd(both.r, both.r, 1);
}
