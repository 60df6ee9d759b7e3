#include "level.h"

namespace hiergeo {
const Level kAvx512 = level_named("avx512");
}
