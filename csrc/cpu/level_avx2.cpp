#include "level.h"

namespace hiergeo {
const Level kAvx2 = level_named("avx2");
}
