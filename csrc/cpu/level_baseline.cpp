#include "level.h"

namespace hiergeo {
const Level kBaseline = level_named("baseline");
}
