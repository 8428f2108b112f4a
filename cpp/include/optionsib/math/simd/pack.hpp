// Included by lanes.hpp inside the namespace of an instruction set: N registers side by side, worked on in
// turn so that one's waiting time is another's working time. An operation on a pack is the operation on
// each register, so a result never depends on N.

template <int N>
struct PackMask {
    Mask head;
    PackMask<N - 1> tail;

    OPTIONSIB_FRIEND PackMask operator&(PackMask a, PackMask b) { return {a.head & b.head, a.tail & b.tail}; }
    OPTIONSIB_FRIEND PackMask operator|(PackMask a, PackMask b) { return {a.head | b.head, a.tail | b.tail}; }
    OPTIONSIB_FRIEND PackMask operator^(PackMask a, PackMask b) { return {a.head ^ b.head, a.tail ^ b.tail}; }
    OPTIONSIB_FRIEND PackMask operator!(PackMask a) { return {!a.head, !a.tail}; }
};

template <>
struct PackMask<1> {
    Mask head;

    OPTIONSIB_FRIEND PackMask operator&(PackMask a, PackMask b) { return {a.head & b.head}; }
    OPTIONSIB_FRIEND PackMask operator|(PackMask a, PackMask b) { return {a.head | b.head}; }
    OPTIONSIB_FRIEND PackMask operator^(PackMask a, PackMask b) { return {a.head ^ b.head}; }
    OPTIONSIB_FRIEND PackMask operator!(PackMask a) { return {!a.head}; }
};

template <int N>
struct Pack {
    using Boolean = PackMask<N>;
    static constexpr int width = Reals::width;
    static constexpr int size = N * Reals::width;
    static constexpr bool fused = Reals::fused;

    Reals head;
    Pack<N - 1> tail;

    Pack() = default;
    OPTIONSIB_INLINE Pack(Reals h, Pack<N - 1> t) : head(h), tail(t) {}
    OPTIONSIB_INLINE Pack(double value) : head(value), tail(value) {}

    OPTIONSIB_FRIEND Pack operator+(Pack a, Pack b) { return {a.head + b.head, a.tail + b.tail}; }
    OPTIONSIB_FRIEND Pack operator-(Pack a, Pack b) { return {a.head - b.head, a.tail - b.tail}; }
    OPTIONSIB_FRIEND Pack operator*(Pack a, Pack b) { return {a.head * b.head, a.tail * b.tail}; }
    OPTIONSIB_FRIEND Pack operator/(Pack a, Pack b) { return {a.head / b.head, a.tail / b.tail}; }
    OPTIONSIB_FRIEND Pack operator-(Pack a) { return {-a.head, -a.tail}; }
    OPTIONSIB_FRIEND Boolean operator<(Pack a, Pack b) { return {a.head < b.head, a.tail < b.tail}; }
    OPTIONSIB_FRIEND Boolean operator<=(Pack a, Pack b) { return {a.head <= b.head, a.tail <= b.tail}; }
    OPTIONSIB_FRIEND Boolean operator>(Pack a, Pack b) { return {a.head > b.head, a.tail > b.tail}; }
    OPTIONSIB_FRIEND Boolean operator>=(Pack a, Pack b) { return {a.head >= b.head, a.tail >= b.tail}; }
    OPTIONSIB_FRIEND Boolean operator==(Pack a, Pack b) { return {a.head == b.head, a.tail == b.tail}; }

    OPTIONSIB_FRIEND Pack fma(Pack a, Pack b, Pack c) {
        return {fma(a.head, b.head, c.head), fma(a.tail, b.tail, c.tail)};
    }
    OPTIONSIB_FRIEND Pack fms(Pack a, Pack b, Pack c) {
        return {fms(a.head, b.head, c.head), fms(a.tail, b.tail, c.tail)};
    }
    OPTIONSIB_FRIEND Pack fnma(Pack a, Pack b, Pack c) {
        return {fnma(a.head, b.head, c.head), fnma(a.tail, b.tail, c.tail)};
    }
    OPTIONSIB_FRIEND Pack min(Pack a, Pack b) { return {min(a.head, b.head), min(a.tail, b.tail)}; }
    OPTIONSIB_FRIEND Pack max(Pack a, Pack b) { return {max(a.head, b.head), max(a.tail, b.tail)}; }
    OPTIONSIB_FRIEND Pack scale(Pack a, Pack n) { return {scale(a.head, n.head), scale(a.tail, n.tail)}; }
    OPTIONSIB_FRIEND Pack flip_sign(Pack value, Pack sign) {
        return {flip_sign(value.head, sign.head), flip_sign(value.tail, sign.tail)};
    }
    OPTIONSIB_FRIEND Pack select(Boolean mask, Pack yes, Pack no) {
        return {select(mask.head, yes.head, no.head), select(mask.tail, yes.tail, no.tail)};
    }
    OPTIONSIB_FRIEND Pack match_exponent(Pack a, Pack b, Pack& k) {
        return {match_exponent(a.head, b.head, k.head), match_exponent(a.tail, b.tail, k.tail)};
    }
    OPTIONSIB_FRIEND Pack sixteenths(const double* table, Pack index) {
        return {sixteenths(table, index.head), sixteenths(table, index.tail)};
    }
    OPTIONSIB_FRIEND Pack scale_down(Pack a, Pack n) {
        return {scale_down(a.head, n.head), scale_down(a.tail, n.tail)};
    }
    OPTIONSIB_FRIEND Pack abs(Pack a) { return {abs(a.head), abs(a.tail)}; }
    OPTIONSIB_FRIEND Pack sqrt(Pack a) { return {sqrt(a.head), sqrt(a.tail)}; }
    OPTIONSIB_FRIEND Pack reciprocal(Pack a) { return {reciprocal(a.head), reciprocal(a.tail)}; }
    OPTIONSIB_FRIEND Pack round(Pack a) { return {round(a.head), round(a.tail)}; }
    OPTIONSIB_FRIEND Pack exponent(Pack a) { return {exponent(a.head), exponent(a.tail)}; }
    OPTIONSIB_FRIEND Pack mantissa(Pack a) { return {mantissa(a.head), mantissa(a.tail)}; }
    OPTIONSIB_FRIEND Pack gather(const double* table, Pack index) {
        return {gather(table, index.head), gather(table, index.tail)};
    }
};

template <>
struct Pack<1> {
    using Boolean = PackMask<1>;
    static constexpr int width = Reals::width;
    static constexpr int size = Reals::width;
    static constexpr bool fused = Reals::fused;

    Reals head;

    Pack() = default;
    OPTIONSIB_INLINE Pack(Reals h) : head(h) {}
    OPTIONSIB_INLINE Pack(double value) : head(value) {}

    OPTIONSIB_FRIEND Pack operator+(Pack a, Pack b) { return a.head + b.head; }
    OPTIONSIB_FRIEND Pack operator-(Pack a, Pack b) { return a.head - b.head; }
    OPTIONSIB_FRIEND Pack operator*(Pack a, Pack b) { return a.head * b.head; }
    OPTIONSIB_FRIEND Pack operator/(Pack a, Pack b) { return a.head / b.head; }
    OPTIONSIB_FRIEND Pack operator-(Pack a) { return -a.head; }
    OPTIONSIB_FRIEND Boolean operator<(Pack a, Pack b) { return {a.head < b.head}; }
    OPTIONSIB_FRIEND Boolean operator<=(Pack a, Pack b) { return {a.head <= b.head}; }
    OPTIONSIB_FRIEND Boolean operator>(Pack a, Pack b) { return {a.head > b.head}; }
    OPTIONSIB_FRIEND Boolean operator>=(Pack a, Pack b) { return {a.head >= b.head}; }
    OPTIONSIB_FRIEND Boolean operator==(Pack a, Pack b) { return {a.head == b.head}; }

    OPTIONSIB_FRIEND Pack fma(Pack a, Pack b, Pack c) { return fma(a.head, b.head, c.head); }
    OPTIONSIB_FRIEND Pack fms(Pack a, Pack b, Pack c) { return fms(a.head, b.head, c.head); }
    OPTIONSIB_FRIEND Pack fnma(Pack a, Pack b, Pack c) { return fnma(a.head, b.head, c.head); }
    OPTIONSIB_FRIEND Pack min(Pack a, Pack b) { return min(a.head, b.head); }
    OPTIONSIB_FRIEND Pack max(Pack a, Pack b) { return max(a.head, b.head); }
    OPTIONSIB_FRIEND Pack scale(Pack a, Pack n) { return scale(a.head, n.head); }
    OPTIONSIB_FRIEND Pack flip_sign(Pack value, Pack sign) { return flip_sign(value.head, sign.head); }
    OPTIONSIB_FRIEND Pack select(Boolean mask, Pack yes, Pack no) {
        return select(mask.head, yes.head, no.head);
    }
    OPTIONSIB_FRIEND Pack match_exponent(Pack a, Pack b, Pack& k) {
        return match_exponent(a.head, b.head, k.head);
    }
    OPTIONSIB_FRIEND Pack sixteenths(const double* table, Pack index) {
        return sixteenths(table, index.head);
    }
    OPTIONSIB_FRIEND Pack scale_down(Pack a, Pack n) { return scale_down(a.head, n.head); }
    OPTIONSIB_FRIEND Pack abs(Pack a) { return abs(a.head); }
    OPTIONSIB_FRIEND Pack sqrt(Pack a) { return sqrt(a.head); }
    OPTIONSIB_FRIEND Pack reciprocal(Pack a) { return reciprocal(a.head); }
    OPTIONSIB_FRIEND Pack round(Pack a) { return round(a.head); }
    OPTIONSIB_FRIEND Pack exponent(Pack a) { return exponent(a.head); }
    OPTIONSIB_FRIEND Pack mantissa(Pack a) { return mantissa(a.head); }
    OPTIONSIB_FRIEND Pack gather(const double* table, Pack index) { return gather(table, index.head); }
};

// One bit a lane, the first lane lowest.
OPTIONSIB_INLINE std::uint64_t bits(PackMask<1> mask) {
    return bits(mask.head);
}
template <int N>
OPTIONSIB_INLINE std::uint64_t bits(PackMask<N> mask) {
    return bits(mask.head) | (bits(mask.tail) << Reals::width);
}

template <class T>
struct Memory;

template <>
struct Memory<Reals> {
    OPTIONSIB_INLINE static Reals load(const double* from) { return load_reals(from); }
    OPTIONSIB_INLINE static Reals load(const std::int8_t* from) { return load_signs(from); }
};
template <>
struct Memory<Pack<1>> {
    template <class E>
    OPTIONSIB_INLINE static Pack<1> load(const E* from) {
        return Memory<Reals>::load(from);
    }
};
template <int N>
struct Memory<Pack<N>> {
    template <class E>
    OPTIONSIB_INLINE static Pack<N> load(const E* from) {
        return {Memory<Reals>::load(from), Memory<Pack<N - 1>>::load(from + Reals::width)};
    }
};

template <class T, class E>
OPTIONSIB_INLINE T load(const E* from) {
    return Memory<T>::load(from);
}
OPTIONSIB_INLINE void store(double* to, Pack<1> a) {
    store(to, a.head);
}
template <int N>
OPTIONSIB_INLINE void store(double* to, Pack<N> a) {
    store(to, a.head);
    store(to + Reals::width, a.tail);
}
OPTIONSIB_INLINE void stream(double* to, Pack<1> a) {
    stream(to, a.head);
}
template <int N>
OPTIONSIB_INLINE void stream(double* to, Pack<N> a) {
    stream(to, a.head);
    stream(to + Reals::width, a.tail);
}
