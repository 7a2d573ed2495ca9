#include "trace/trace-target_i386_hyperv.h"
