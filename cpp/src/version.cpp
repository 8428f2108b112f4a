#include "optionsib/version.hpp"
