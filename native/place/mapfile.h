/* mapfile.h - a whole file, mapped read-only for the life of the process. */
#ifndef TP_MAPFILE_H
#define TP_MAPFILE_H

#include <stddef.h>

/* NULL if it cannot be opened, is empty or cannot be mapped. */
const void *tpi_mapfile(const char *path, size_t *size);

#endif
