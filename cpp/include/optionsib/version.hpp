#pragma once

namespace optionsib {

inline constexpr char version[] = "0.1.0";

}  // namespace optionsib
